//! A simulated TCP socket of halb's, with the peer behind it.
//!
//! It behaves as Linux's do under edge-triggered epoll: an edge comes only when something changes;
//! an error is told once, to the first call that meets it; a read after a reset still yields what
//! arrived before, then the error if it wasn't told, else 0; a reset after FIN is EPIPE to writers
//! and nothing to readers; room that opens up is an edge only after a write fell short.
//!
//! Bytes are ranges of their sender's stream, so that order, completeness and single delivery are
//! checked where they are received.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::{ReadOutcome, WriteOutcome};

/// Room of a socket whose reader keeps up.
pub(super) const OPEN: usize = usize::MAX / 2;

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
pub(super) struct Edge {
    pub(super) readable: bool,
    pub(super) closing: bool,
    pub(super) writable: bool,
    pub(super) error: bool,
}

/// One of halb's two sockets, with the peer behind it.
#[derive(Debug)]
pub(super) struct SimSocket {
    /// Segments that arrived and weren't read.
    segments: VecDeque<usize>,
    /// Bytes that the peer sent, and that halb read.
    pub(super) sent: usize,
    pub(super) taken: usize,
    pub(super) fin_sent: bool,
    /// The peer's application has closed: any byte that reaches it is answered by a reset.
    closed: bool,
    pub(super) reset: bool,
    error: Option<Pending>,
    /// Bytes that halb may still write.
    pub(super) room: usize,
    /// A write fell short: room is news.
    pub(super) wants_room: bool,
    shut: bool,
    /// In epoll's ready list, and why.
    pub(super) edge: Option<Edge>,
    /// Bytes that halb wrote, prefix included.
    pub(super) accepted: usize,
    /// Payload of the other side that reached this peer, and prefix bytes before it.
    pub(super) received: usize,
    pub(super) prefix_received: usize,
    pub(super) seen: Vec<Seen>,
}

impl SimSocket {
    pub(super) fn new() -> Self {
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

    /// A wake-up that promises what isn't there, as one meant for an earlier session may.
    pub(super) fn wake_for_nothing(&mut self) {
        self.wake(Edge { readable: true, writable: true, ..Edge::default() });
    }

    pub(super) fn unread(&self) -> bool {
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

    /// What `epoll_wait` returns: the bits that woke it, and (`full`) the whole present state, as
    /// Linux does. The machine must need no more than the former.
    pub(super) fn fetch(&mut self, full: bool) -> Option<Edge> {
        let woken = self.edge.take()?;
        let level = self.level();
        Some(Edge {
            readable: woken.readable || (full && level.readable),
            closing: woken.closing || (full && level.closing),
            writable: woken.writable || (full && level.writable),
            error: level.error && (woken.error || full),
        })
    }

    /// Takes at most `max` bytes from at most `slots` segments; the call's outcome and the range
    /// of the peer's stream.
    pub(super) fn read(&mut self, max: usize, slots: usize) -> (ReadOutcome, Range<usize>) {
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

    pub(super) fn write(&mut self, held: &mut Held) -> WriteOutcome {
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

    pub(super) fn shut_write(&mut self) {
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
pub(super) struct Held {
    pub(super) own: usize,
    pub(super) payload: Range<usize>,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.own + self.payload.len()
    }

    /// Forgets what went out, so that so many bytes are left.
    pub(super) fn skip_to(&mut self, left: usize) {
        let excess = self.len() - left;
        let own = excess.min(self.own);
        self.own -= own;
        self.payload.start += excess - own;
    }
}
