//! Two simulated TCP sockets, a simulated pipe, and a driver that carries out the relay's steps.
//!
//! The sockets behave as Linux's do under edge-triggered epoll: an edge comes only when something
//! changes, and it carries the state of the moment it is fetched; an error is told once, to the
//! first call that meets it; a read after a reset still yields what arrived before, then the
//! error if it wasn't told, else 0; a reset after FIN is EPIPE to writers and nothing to readers;
//! room that opens up is an edge only after a write fell short.
//!
//! Bytes are ranges of their sender's stream, so that order, completeness and single delivery are
//! checked where they are received.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::super::{
    BULK_CHUNK, CHUNK, Ending, Limits, ReadOutcome, Relay, Step, TURN_BYTES, WriteOutcome,
};
use crate::session::Side;

/// Room of a socket whose reader keeps up.
pub(super) const OPEN: usize = usize::MAX / 2;

/// Bytes of the largest pipe, more than a large chunk.
pub(super) const PIPE_MAX: usize = 256 * 1024;

/// Segments that a pipe has slots for.
const PIPE_SLOTS: usize = 16;

/// Steps in one turn that may move nothing, beyond one for each that does: each direction can
/// meet one empty socket, one full socket, one end and one missing pipe.
const FRUITLESS_MAX: usize = 12;

/// What a peer saw of halb, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Bytes(usize),
    Fin,
    Rst,
}

/// An error that the kernel keeps for the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    /// Reset without FIN: ECONNRESET.
    Reset,
    /// Reset after FIN: EPIPE.
    Pipe,
}

/// What an edge says; mio's `is_readable`, `is_read_closed`, `is_writable`, `is_error`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Edge {
    readable: bool,
    closing: bool,
    writable: bool,
    error: bool,
}

/// One of halb's two sockets, with the peer behind it.
#[derive(Debug)]
pub(super) struct SimSocket {
    /// Segments that arrived and weren't read.
    segments: VecDeque<usize>,
    /// Bytes that the peer sent, and that halb read.
    pub(super) sent: usize,
    taken: usize,
    pub(super) fin_sent: bool,
    /// The peer's application has closed: any byte that reaches it is answered by a reset.
    closed: bool,
    pub(super) reset: bool,
    error: Option<Pending>,
    /// Bytes that halb may still write.
    room: usize,
    /// A write fell short: room is news.
    wants_room: bool,
    shut: bool,
    /// In epoll's ready list, and why.
    edge: Option<Edge>,
    /// Bytes that halb wrote, prefix included.
    pub(super) accepted: usize,
    /// Payload of the other side that reached this peer, and prefix bytes before it.
    pub(super) received: usize,
    pub(super) prefix_received: usize,
    pub(super) seen: Vec<Seen>,
}

impl SimSocket {
    fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            sent: 0,
            taken: 0,
            fin_sent: false,
            closed: false,
            reset: false,
            error: None,
            room: OPEN,
            wants_room: false,
            shut: false,
            edge: None,
            accepted: 0,
            received: 0,
            prefix_received: 0,
            seen: Vec::new(),
        }
    }

    fn wake(&mut self, edge: Edge) {
        let so_far = self.edge.unwrap_or_default();
        self.edge = Some(Edge {
            readable: so_far.readable || edge.readable,
            closing: so_far.closing || edge.closing,
            writable: so_far.writable || edge.writable,
            error: so_far.error || edge.error,
        });
    }

    /// A segment arrives from the peer.
    pub(super) fn says(&mut self, count: usize) {
        if count > 0 && !self.fin_sent && !self.reset {
            self.segments.push_back(count);
            self.sent += count;
            self.wake(Edge { readable: true, ..Edge::default() });
        }
    }

    pub(super) fn fin(&mut self) {
        if !self.fin_sent && !self.reset {
            self.fin_sent = true;
            self.wake(Edge { readable: true, closing: true, ..Edge::default() });
        }
    }

    /// The peer's application closes: FIN, and a reset for whatever reaches it from now on.
    pub(super) fn close(&mut self) {
        self.fin();
        self.closed = true;
    }

    pub(super) fn rst(&mut self) {
        if !self.reset {
            self.reset = true;
            self.error = Some(if self.fin_sent { Pending::Pipe } else { Pending::Reset });
            self.wake(Edge { readable: true, closing: true, writable: true, error: true });
        }
    }

    /// The peer's window and the send buffer have room for exactly so many bytes. Room that was
    /// announced is only used up by writes.
    pub(super) fn set_room(&mut self, room: usize) {
        if room < self.room && self.edge.is_some_and(|edge| edge.writable) {
            return;
        }
        let opened = self.room == 0 && room > 0;
        self.room = room;
        if opened && self.wants_room {
            self.wants_room = false;
            self.wake(Edge { writable: true, ..Edge::default() });
        }
    }

    /// A wake-up that tells nothing new: epoll may always deliver the present state again.
    pub(super) fn wake_for_nothing(&mut self) {
        self.wake(self.level());
    }

    fn unread(&self) -> bool {
        !self.segments.is_empty()
    }

    fn level(&self) -> Edge {
        Edge {
            readable: self.unread() || self.fin_sent || self.reset,
            closing: self.fin_sent || self.reset,
            writable: self.room > 0 || self.reset,
            error: self.error.is_some(),
        }
    }

    /// What `epoll_wait` returns: the bits that woke it, or (`full`) the whole present state, as
    /// Linux does. The machine must need no more than the former.
    fn fetch(&mut self, full: bool) -> Option<Edge> {
        let woken = self.edge.take()?;
        let level = self.level();
        Some(if full { level } else { Edge { error: woken.error && level.error, ..woken } })
    }

    /// Takes at most `max` bytes from at most `slots` segments; the call's outcome and the range
    /// of the peer's stream.
    fn read(&mut self, max: usize, slots: usize) -> (ReadOutcome, Range<usize>) {
        let mut count = 0;
        for _ in 0..slots {
            let Some(segment) = self.segments.front_mut() else { break };
            let part = (*segment).min(max - count);
            count += part;
            *segment -= part;
            if *segment > 0 {
                break;
            }
            self.segments.pop_front();
        }
        let range = self.taken..self.taken + count;
        self.taken += count;
        let outcome = if count > 0 {
            ReadOutcome::Bytes(count)
        } else if self.fin_sent {
            ReadOutcome::Eof
        } else if self.error.take().is_some() {
            ReadOutcome::Gone
        } else if self.reset {
            ReadOutcome::Eof // the reset was told to a writer
        } else {
            ReadOutcome::WouldBlock
        };
        (outcome, range)
    }

    fn write(&mut self, held: &mut Held) -> WriteOutcome {
        assert!(!self.shut, "halb wrote after its own FIN");
        if self.reset {
            return match self.error.take() {
                Some(Pending::Reset) => WriteOutcome::Gone,
                Some(Pending::Pipe) | None => WriteOutcome::Closed,
            };
        }
        let count = held.len().min(self.room);
        if self.room < OPEN / 2 {
            self.room -= count;
        }
        self.wants_room |= count < held.len();
        if count == 0 {
            return WriteOutcome::WouldBlock;
        }
        self.accepted += count;
        if self.closed {
            self.rst(); // the bytes are lost
            return WriteOutcome::Bytes(count);
        }
        self.receive(held, count);
        WriteOutcome::Bytes(count)
    }

    fn receive(&mut self, held: &mut Held, count: usize) {
        let own = count.min(held.own);
        held.own -= own;
        assert!(own == 0 || self.received == 0, "the prefix comes before any payload");
        self.prefix_received += own;
        let payload = held.payload.start..held.payload.start + (count - own);
        held.payload.start = payload.end;
        assert_eq!(payload.start, self.received, "in order, nothing twice, nothing missing");
        self.received = payload.end;
        if let Some(Seen::Bytes(bytes)) = self.seen.last_mut() {
            *bytes += count;
        } else {
            self.seen.push(Seen::Bytes(count));
        }
    }

    fn shut_write(&mut self) {
        assert!(!self.shut, "halb sent FIN twice");
        self.shut = true;
        if !self.reset {
            self.seen.push(Seen::Fin);
        }
    }

    pub(super) fn fin_received(&self) -> bool {
        self.shut
    }
}

/// Bytes between a read and a write.
#[derive(Debug, Clone)]
struct Held {
    own: usize,
    payload: Range<usize>,
}

impl Held {
    fn len(&self) -> usize {
        self.own + self.payload.len()
    }
}

/// What the driver and the kernel have to offer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions {
    /// Bytes of a PROXY header.
    pub(super) prefix: usize,
    /// Bytes that a pipe takes; none: there is no pipe.
    pub(super) pipe: Option<usize>,
    /// An edge carries the whole state, not only what changed.
    pub(super) full_edges: bool,
}

/// Relay, sockets and driver.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) relay: Relay,
    pub(super) sockets: [SimSocket; 2],
    held: [Option<Held>; 2],
    conditions: Conditions,
    /// The direction whose bytes lie in the worker's buffer.
    fresh: Option<Side>,
    pub(super) now: Instant,
    /// When the last byte or FIN moved.
    pub(super) moved_at: Instant,
    pub(super) splices: usize,
    pub(super) ending: Option<Ending>,
    turn_bytes: usize,
    fruitful: usize,
    fruitless: usize,
}

impl Rig {
    pub(super) fn new(conditions: Conditions) -> Self {
        let now = Instant::now();
        let prefix = Held { own: conditions.prefix, payload: 0..0 };
        Self {
            relay: Relay::new(conditions.prefix, now),
            sockets: [SimSocket::new(), SimSocket::new()],
            held: [(conditions.prefix > 0).then_some(prefix), None],
            conditions,
            fresh: None,
            now,
            moved_at: now,
            splices: 0,
            ending: None,
            turn_bytes: 0,
            fruitful: 0,
            fruitless: 0,
        }
    }

    pub(super) fn socket(&mut self, side: Side) -> &mut SimSocket {
        &mut self.sockets[side.index()]
    }

    pub(super) fn set_pipe(&mut self, pipe: Option<usize>) {
        self.conditions.pipe = pipe;
    }

    /// One step; says whether there was one.
    pub(super) fn step(&mut self) -> bool {
        let step = self.relay.poll();
        if let Some(fresh) = self.fresh {
            let to = fresh.other();
            assert_eq!(step, Step::Write { to }, "the worker's buffer is emptied first");
        }
        match step {
            Step::Read { from, max } => self.read(from, max),
            Step::Splice { from } => self.splice(from),
            Step::Write { to } => self.write(to),
            Step::ShutdownWrite { to } => self.shut_down(to),
            Step::Yield | Step::Wait | Step::End(_) => return false,
        }
        self.check();
        true
    }

    fn read(&mut self, from: Side, max: usize) {
        assert!(max == CHUNK || max == BULK_CHUNK);
        let (outcome, range) = self.socket(from).read(max, usize::MAX);
        self.took(from, outcome, range);
        if let ReadOutcome::Bytes(_) = outcome {
            self.fresh = Some(from);
        }
        self.relay.read(from, max, outcome, self.now);
    }

    fn splice(&mut self, from: Side) {
        let Some(pipe) = self.conditions.pipe else {
            self.fruitless += 1;
            self.relay.no_pipe(from);
            return;
        };
        self.splices += 1;
        let (outcome, range) = self.socket(from).read(pipe, PIPE_SLOTS);
        self.took(from, outcome, range);
        self.relay.spliced(from, outcome, self.now);
    }

    fn took(&mut self, from: Side, outcome: ReadOutcome, payload: Range<usize>) {
        assert!(self.held[from.index()].is_none(), "nothing is read while something is held");
        match outcome {
            ReadOutcome::Bytes(count) => {
                self.held[from.index()] = Some(Held { own: 0, payload });
                self.turn_bytes += count;
                self.moved();
            }
            ReadOutcome::Eof => self.moved(),
            ReadOutcome::WouldBlock | ReadOutcome::Gone => self.fruitless += 1,
        }
    }

    fn write(&mut self, to: Side) {
        self.fresh = None;
        let place = to.other().index();
        let mut held = self.held[place].take().expect("a write has something to write");
        let outcome = self.sockets[to.index()].write(&mut held);
        match outcome {
            WriteOutcome::Bytes(count) => {
                self.moved();
                // Bytes that a closed peer answers by a reset went out all the same.
                held.skip_to(self.relay.held_from(to.other()) - count);
                self.held[place] = (held.len() > 0).then_some(held);
            }
            WriteOutcome::WouldBlock => {
                self.fruitless += 1;
                self.held[place] = Some(held);
            }
            WriteOutcome::Gone | WriteOutcome::Closed => self.fruitless += 1,
        }
        self.relay.wrote(to, outcome, self.now);
    }

    fn shut_down(&mut self, to: Side) {
        let from = &self.sockets[to.other().index()];
        assert!(from.fin_sent, "no FIN is made up");
        assert_eq!(from.taken, from.sent, "FIN comes after the last byte");
        assert!(self.held[to.other().index()].is_none(), "FIN comes after the last byte");
        self.socket(to).shut_write();
        self.moved();
        self.relay.shut_down(to, self.now);
    }

    fn moved(&mut self) {
        self.fruitful += 1;
        self.moved_at = self.now;
    }

    /// What holds after every step.
    fn check(&self) {
        assert!(
            self.fruitless <= self.fruitful + FRUITLESS_MAX,
            "spins: {} steps moved nothing",
            self.fruitless
        );
        assert!(self.turn_bytes <= TURN_BYTES + PIPE_MAX, "one session keeps the worker");
        for side in [Side::Client, Side::Server] {
            let held = self.held[side.index()].as_ref().map_or(0, Held::len);
            assert_eq!(held, self.relay.held_from(side));
            assert!(held <= PIPE_MAX, "too much is held");
        }
    }

    /// Steps until the relay waits, yields or ends, then fetches readiness as the loop would.
    /// Says whether the session waits for the world (or has ended).
    pub(super) fn turn(&mut self) -> bool {
        while self.step() {}
        let last = self.relay.poll();
        match last {
            Step::End(ending) => {
                self.finish(ending);
                return true;
            }
            Step::Wait => self.check_no_edge_is_lost(),
            Step::Yield => {}
            Step::Read { .. }
            | Step::Splice { .. }
            | Step::Write { .. }
            | Step::ShutdownWrite { .. } => unreachable!("there are no steps left"),
        }
        let news = self.fetch();
        self.relay.begin_turn();
        (self.turn_bytes, self.fruitful, self.fruitless) = (0, 0, 0);
        last == Step::Wait && !news
    }

    /// Runs until nothing is left to do.
    pub(super) fn run(&mut self) {
        while self.ending.is_none() && !self.turn() {}
    }

    fn fetch(&mut self) -> bool {
        let mut news = false;
        for side in [Side::Client, Side::Server] {
            let full = self.conditions.full_edges;
            let Some(edge) = self.sockets[side.index()].fetch(full) else { continue };
            news = true;
            if edge.readable || edge.closing {
                self.relay.readable(side, edge.closing);
            }
            if edge.writable {
                self.relay.writable(side);
            }
            if edge.error {
                self.relay.broken(side);
            }
        }
        news
    }

    /// The classic stall of edge-triggered loops: waiting while a socket has something that no
    /// further edge will tell of.
    fn check_no_edge_is_lost(&self) {
        for side in [Side::Client, Side::Server] {
            let (source, sink) = (&self.sockets[side.index()], &self.sockets[side.other().index()]);
            if self.held[side.index()].is_some() {
                let takes = sink.room > 0 || sink.reset;
                let will_be_news = sink.edge.is_some() || (!takes && sink.wants_room);
                assert!(will_be_news, "bytes of {side:?} are stuck");
            } else if source.reset {
                assert!(source.edge.is_some(), "the reset of {side:?} goes unnoticed");
            } else if !sink.shut && !sink.reset {
                let more = source.unread() || source.fin_sent;
                assert!(!more || source.edge.is_some(), "{side:?} is waited for in vain");
            }
        }
    }

    fn finish(&mut self, ending: Ending) {
        self.ending = Some(ending);
        if let Ending::Reset(side) = ending {
            let survivor = self.socket(side.other());
            if !survivor.reset {
                survivor.seen.push(Seen::Rst);
            }
        }
    }

    /// Lets time pass until the session ends; the world is silent meanwhile.
    pub(super) fn pass(&mut self, limits: &Limits, time: Duration) {
        self.now += time;
        self.relay.expire(limits, self.now);
        self.run();
    }
}

impl Held {
    /// Forgets what went out, so that so many bytes are left.
    fn skip_to(&mut self, left: usize) {
        let excess = self.len() - left;
        let own = excess.min(self.own);
        self.own -= own;
        self.payload.start += excess - own;
    }
}
