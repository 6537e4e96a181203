//! The byte flow between two connected sockets: two directions, each with its own readiness, its
//! own held bytes and its own FIN.
//!
//! Rules that the machine keeps:
//! - At most one chunk per direction is held; nothing is read while it waits (back pressure), so
//!   an idle session holds nothing.
//! - A FIN is passed on after the last byte before it, and the other direction stays open
//!   (half-close); a reset ends both directions.
//! - What a dying side still had to say is delivered before the end.
//! - A session gives way to others after [`TURN_BYTES`].

use std::time::{Duration, Instant};

use super::Side;

/// Bytes that one session may move before the worker turns to the next one: what a pipe holds.
/// Large enough that a bulk stream pays for the turn, a microsecond, only once in four full-sized
/// segments of its sockets' offload, small enough that others wait for it less than a tenth of a
/// millisecond.
pub const TURN_BYTES: usize = 256 << 10;

/// Bytes asked for while a direction hasn't shown that it is bulk. It bounds what a slow reader
/// makes the process hold.
pub const CHUNK: usize = 16 * 1024;

/// Bytes asked for once it has.
pub const BULK_CHUNK: usize = 64 * 1024;

/// Full chunks in a row that make a direction bulk.
const BULK_AFTER: u8 = 3;

/// A splice that moves less than this isn't worth its two system calls (HAProxy's
/// `MIN_SPLICE_FORWARD`); as many as [`BULK_AFTER`] in a row end bulk mode.
const SPLICE_MIN: usize = 4 * 1024;

/// What the driver is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read at most `max` bytes from this side into the worker's buffer; answer with
    /// [`Relay::read`].
    Read {
        /// The side to read from.
        from: Side,
        /// Length of the read.
        max: usize,
    },
    /// Splice from this side into an empty pipe; answer with [`Relay::spliced`], or with
    /// [`Relay::no_pipe`] where none is to be had.
    Splice {
        /// The side to read from.
        from: Side,
    },
    /// Write what is held (buffer or pipe) to this side; answer with [`Relay::wrote`].
    Write {
        /// The side to write to.
        to: Side,
    },
    /// Shut this side's socket down for writing (send FIN); answer with [`Relay::shut_down`].
    ShutdownWrite {
        /// The side whose reader sees the end.
        to: Side,
    },
    /// The turn is used up: run other sessions, then poll again.
    Yield,
    /// Nothing to do until readiness or the deadline.
    Wait,
    /// Close both sockets.
    End(Ending),
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Both sides sent FIN, and both FINs were passed on.
    Finished,
    /// This side reset the connection; the other is to see a reset too, so that a truncated
    /// answer never looks complete.
    Reset(Side),
    /// Nothing moved for too long; this side was waited for.
    Idle(Side),
    /// One direction was shut, and this side was silent for too long.
    FinTimeout(Side),
    /// The session reached its greatest age.
    Expired,
}

/// What a read or splice brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing for now.
    WouldBlock,
    /// FIN: no byte will follow.
    Eof,
    /// The connection is gone (reset, timed out, unreachable).
    Gone,
}

/// What a write or splice out of the pipe achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// So many bytes went out; fewer than held means that the socket is full.
    Bytes(usize),
    /// The socket is full.
    WouldBlock,
    /// The connection is gone (reset, timed out, unreachable).
    Gone,
    /// EPIPE: the other end is gone too, but it sent FIN before, so that what it said is whole.
    /// Linux says so only then; the first error after a reset without FIN is ECONNRESET.
    Closed,
}

/// Times that end a session.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Silence in both directions that ends it.
    pub idle: Option<Duration>,
    /// Once a FIN was passed on, silence of the client (index 0) or the server (1) that ends it,
    /// whichever the open direction waits for.
    pub fin: [Duration; 2],
    /// When it is over in any case.
    pub expires_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Flow {
    /// The source may have bytes or a FIN for us.
    readable: bool,
    /// The source said that it is done: bytes may be left, then comes the FIN. A short read
    /// doesn't mean "nothing more" then, since no further edge will come.
    closing: bool,
    /// The source's socket has an error.
    broken: bool,
    /// The sink may take bytes.
    writable: bool,
    /// The source's FIN was read.
    eof: bool,
    /// It was passed on, or the sink is gone.
    done: bool,
    /// Bytes read and not yet written.
    held: usize,
    /// Held bytes that halb wrote itself (a PROXY header) and that don't count as payload.
    own: usize,
    /// Consecutive full chunks while not bulk, or small splices while bulk.
    streak: u8,
    /// The direction carries bulk: splice, or read in large chunks.
    bulk: bool,
    /// No pipe was free: copy this time.
    copy_once: bool,
    /// Payload bytes written to the sink.
    bytes: u64,
}

/// A side whose socket takes no more bytes, while what it sent before is still to be read.
#[derive(Debug, Clone, Copy)]
struct Dying {
    side: Side,
    /// It sent FIN before it broke. Otherwise an end of its stream is no FIN: Linux tells of a
    /// reset once, to the write that failed, and a later read says 0.
    whole: bool,
}

/// The byte flow between two connected sockets, from the first byte to the end.
#[derive(Debug)]
pub struct Relay {
    flows: [Flow; 2],
    turn_left: usize,
    /// The side whose direction goes first in this turn; they take turns, so that two bulk
    /// directions share.
    first: Side,
    active_at: Instant,
    /// A side whose socket broke; what it sent before is still passed on.
    dying: Option<Dying>,
    /// The client broke while the last bytes were on their way to it.
    last_bytes_lost: bool,
    ended: Option<Ending>,
}

impl Relay {
    /// A session whose two sockets stand. `prefix` bytes (a PROXY header) are held for the server
    /// already. Both sockets count as writable and neither as readable: an edge that came before
    /// is to be repeated to [`Relay::readable`].
    #[must_use]
    pub fn new(prefix: usize, now: Instant) -> Self {
        let mut flows = [Flow::default(), Flow::default()];
        flows[0].held = prefix;
        flows[0].own = prefix;
        // A connected socket takes bytes until it says otherwise.
        flows[0].writable = true;
        flows[1].writable = true;
        Self {
            flows,
            turn_left: TURN_BYTES,
            first: Side::Client,
            active_at: now,
            dying: None,
            last_bytes_lost: false,
            ended: None,
        }
    }

    /// This side may have bytes or a FIN; `closing`: it surely has a FIN or an error behind them.
    pub fn readable(&mut self, side: Side, closing: bool) {
        let flow = &mut self.flows[side.index()];
        flow.readable = true;
        flow.closing |= closing;
    }

    /// This side's socket has an error pending (EPOLLERR) or is shut both ways (EPOLLHUP): what it
    /// sent before can still be read, then the error. After a FIN there is no error to be read,
    /// and nothing else would tell that the side is gone.
    pub fn broken(&mut self, side: Side) {
        self.flows[side.index()].broken = true;
        self.readable(side, true);
        self.end_broken(side);
    }

    /// The side's FIN was read, and it is broken: it takes nothing any more.
    fn end_broken(&mut self, side: Side) {
        let flow = &self.flows[side.index()];
        if flow.eof && flow.broken && !self.flows[side.other().index()].done {
            self.sink_gone(side, true);
        }
    }

    /// This side takes bytes again.
    pub fn writable(&mut self, side: Side) {
        self.flows[side.other().index()].writable = true;
    }

    /// A new turn begins: the session may move [`TURN_BYTES`] again.
    pub fn begin_turn(&mut self) {
        self.turn_left = TURN_BYTES;
        self.first = self.first.other();
    }

    /// What to do next. The answer changes only through the other methods; it is to be polled
    /// until it says [`Step::Wait`], [`Step::Yield`] or [`Step::End`].
    #[must_use]
    pub fn poll(&self) -> Step {
        if let Some(ending) = self.ended {
            return Step::End(ending);
        }
        let order = [self.first, self.first.other()];
        // Writes first and whatever the turn: a chunk just read lies in the worker's buffer, which
        // the next read, of either direction, overwrites.
        if let Some(from) = order.into_iter().find(|from| self.can_write(*from)) {
            return Step::Write { to: from.other() };
        }
        match order.into_iter().find_map(|from| self.flow_step(from)) {
            None => Step::Wait,
            Some(_) if self.turn_left == 0 => Step::Yield,
            Some(step) => step,
        }
    }

    fn can_write(&self, from: Side) -> bool {
        let flow = &self.flows[from.index()];
        !flow.done && flow.held > 0 && flow.writable
    }

    fn flow_step(&self, from: Side) -> Option<Step> {
        let flow = &self.flows[from.index()];
        let to = from.other();
        if flow.done || flow.held > 0 {
            return None;
        }
        if flow.eof {
            return Some(Step::ShutdownWrite { to });
        }
        if !flow.readable {
            return None;
        }
        Some(match flow.bulk {
            true if !flow.copy_once => Step::Splice { from },
            true => Step::Read { from, max: BULK_CHUNK },
            false => Step::Read { from, max: CHUNK },
        })
    }

    /// Answers [`Step::Read`] with a length of `max`.
    pub fn read(&mut self, from: Side, max: usize, outcome: ReadOutcome, now: Instant) {
        let flow = &mut self.flows[from.index()];
        flow.copy_once = false;
        if let ReadOutcome::Bytes(count) = outcome {
            flow.copied(count);
            // A short read says as much as EAGAIN (epoll(7)), unless a FIN follows unannounced.
            flow.readable = count == max || flow.closing;
        }
        self.took(from, outcome, now);
    }

    /// Answers [`Step::Splice`].
    pub fn spliced(&mut self, from: Side, outcome: ReadOutcome, now: Instant) {
        let flow = &mut self.flows[from.index()];
        if let ReadOutcome::Bytes(count) = outcome {
            flow.spliced(count);
        }
        self.took(from, outcome, now);
    }

    /// Answers [`Step::Splice`] where no pipe is free: the next chunk is copied.
    pub fn no_pipe(&mut self, from: Side) {
        self.flows[from.index()].copy_once = true;
    }

    fn took(&mut self, from: Side, outcome: ReadOutcome, now: Instant) {
        let flow = &mut self.flows[from.index()];
        match outcome {
            ReadOutcome::Bytes(count) => {
                flow.held = count;
                self.turn_left = self.turn_left.saturating_sub(count);
                self.active_at = now;
            }
            ReadOutcome::WouldBlock => {
                flow.readable = false;
                if self.dying.is_some_and(|dying| dying.side == from) {
                    self.end(Ending::Reset(from));
                }
            }
            ReadOutcome::Eof
                if self.dying.is_some_and(|dying| dying.side == from && !dying.whole) =>
            {
                self.end(Ending::Reset(from));
            }
            ReadOutcome::Eof => {
                flow.readable = false;
                flow.eof = true;
                self.active_at = now;
                self.end_broken(from);
            }
            ReadOutcome::Gone => self.end(Ending::Reset(from)),
        }
    }

    /// Answers [`Step::Write`].
    pub fn wrote(&mut self, to: Side, outcome: WriteOutcome, now: Instant) {
        let flow = &mut self.flows[to.other().index()];
        match outcome {
            WriteOutcome::Bytes(count) => {
                let count = count.min(flow.held);
                let own = count.min(flow.own);
                flow.own -= own;
                flow.held -= count;
                flow.bytes += (count - own) as u64;
                flow.writable = flow.held == 0;
                if flow.held > 0 {
                    flow.slow_sink();
                }
                self.active_at = now;
            }
            WriteOutcome::WouldBlock => {
                flow.writable = false;
                flow.slow_sink();
            }
            WriteOutcome::Gone => self.sink_gone(to, false),
            WriteOutcome::Closed => self.sink_gone(to, true),
        }
    }

    /// Whether everything ends with the FIN to `to`: then closing its socket sends it, and a call
    /// of its own is saved. Nothing unread is left in either socket, which would make it a reset.
    #[must_use]
    pub fn ends_with_fin_to(&self, to: Side) -> bool {
        self.flows[to.index()].done && self.dying.is_none()
    }

    /// Answers [`Step::ShutdownWrite`].
    pub fn shut_down(&mut self, to: Side, now: Instant) {
        self.flows[to.other().index()].done = true;
        self.active_at = now;
        self.end_if_done();
    }

    /// The socket of `side` takes no more bytes, ever. What it sent before is still delivered:
    /// a server that answers and closes while the client still speaks is common.
    fn sink_gone(&mut self, side: Side, whole: bool) {
        self.last_bytes_lost |= side == Side::Client && self.last_bytes_pending();
        let lost = &mut self.flows[side.other().index()];
        lost.held = 0;
        lost.own = 0;
        lost.done = true;
        let last_words = &mut self.flows[side.index()];
        last_words.readable = true;
        last_words.closing = true;
        last_words.broken |= !whole;
        self.dying.get_or_insert(Dying { side, whole });
        self.end_if_done();
    }

    fn end_if_done(&mut self) {
        if self.flows.iter().all(|flow| flow.done) {
            self.end(self.dying.map_or(Ending::Finished, |dying| Ending::Reset(dying.side)));
        }
    }

    /// The first reason stands.
    fn end(&mut self, ending: Ending) {
        self.ended.get_or_insert(ending);
    }

    /// When [`Relay::expire`] has something to say, and why. Pushed back by each byte.
    #[must_use]
    pub fn deadline(&self, limits: &Limits) -> Option<(Instant, Ending)> {
        let silence = match self.open_flow() {
            Some(from) => {
                let awaited = self.awaited_by(from);
                Some((limits.fin[awaited.index()], Ending::FinTimeout(awaited)))
            }
            // Where neither holds bytes up, both are silent: the client is named.
            None => limits.idle.map(|idle| (idle, Ending::Idle(self.awaited_by(Side::Client)))),
        };
        // A time that the clock can't express never comes.
        let silence =
            silence.and_then(|(limit, ending)| Some((self.active_at.checked_add(limit)?, ending)));
        let expiry = limits.expires_at.map(|at| (at, Ending::Expired));
        silence.into_iter().chain(expiry).min_by_key(|(at, _)| *at)
    }

    /// Ends the session if its deadline has come.
    pub fn expire(&mut self, limits: &Limits, now: Instant) {
        if let Some((at, ending)) = self.deadline(limits)
            && at <= now
        {
            self.end(ending);
        }
    }

    /// The direction that is left when the other one is over.
    fn open_flow(&self) -> Option<Side> {
        match self.flows.each_ref().map(|flow| flow.done) {
            [true, false] => Some(Side::Server),
            [false, true] => Some(Side::Client),
            [false, false] | [true, true] => None,
        }
    }

    /// The side that a direction waits for: its sink while bytes are held, else its source.
    fn awaited_by(&self, from: Side) -> Side {
        if self.flows[from.index()].held > 0 { from.other() } else { from }
    }

    /// The server has said all it had to say, and the client doesn't have it all yet, or will never
    /// have it. The server's FIN can't have been read, since nothing is read while bytes are held,
    /// but it was announced.
    #[must_use]
    pub fn last_bytes_pending(&self) -> bool {
        let flow = &self.flows[Side::Server.index()];
        self.last_bytes_lost || (flow.closing && !flow.broken && flow.held > 0)
    }

    /// Payload bytes passed on from this side.
    #[must_use]
    pub fn bytes_from(&self, side: Side) -> u64 {
        self.flows[side.index()].bytes
    }

    /// Bytes taken from this side and not yet passed on.
    #[must_use]
    pub fn held_from(&self, side: Side) -> usize {
        self.flows[side.index()].held
    }

    /// When the last byte moved.
    #[must_use]
    pub fn active_at(&self) -> Instant {
        self.active_at
    }
}

impl Flow {
    /// A chunk came by copying.
    fn copied(&mut self, count: usize) {
        let full = count >= CHUNK;
        if self.bulk {
            // No pipe was free. A copied chunk says nothing about small splices.
            self.bulk = full;
            self.streak = 0;
            return;
        }
        self.streak = if full { self.streak + 1 } else { 0 };
        if self.streak >= BULK_AFTER {
            self.bulk = true;
            self.streak = 0;
        }
    }

    /// A chunk came by splicing.
    fn spliced(&mut self, count: usize) {
        self.streak = if count < SPLICE_MIN { self.streak + 1 } else { 0 };
        if self.streak >= BULK_AFTER {
            self.bulk = false;
            self.streak = 0;
        }
    }

    /// The sink is slower than the source: large chunks would only be held longer.
    fn slow_sink(&mut self) {
        if !self.bulk {
            self.streak = 0;
        }
    }
}

#[cfg(test)]
mod tests;
