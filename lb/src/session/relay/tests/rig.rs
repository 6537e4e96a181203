//! Two simulated sockets, a simulated pipe, and a driver that carries out the relay's steps. What
//! must hold after every step is asserted here.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::super::{
    BULK_CHUNK, CHUNK, Ending, Limits, ReadOutcome, Relay, Step, TURN_BYTES, WriteOutcome,
};
use super::socket::{Held, Seen, SimSocket};
use crate::session::Side;

/// Bytes of the largest pipe, more than a large chunk.
pub(super) const PIPE_MAX: usize = 256 * 1024;

/// Segments that a pipe has slots for.
const PIPE_SLOTS: usize = 16;

/// Steps in one turn that may move nothing, beyond one for each that does: each direction can
/// meet one empty socket, one full socket, one end and one missing pipe.
const FRUITLESS_MAX: usize = 12;

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
            } else if !sink.fin_received() && !sink.reset {
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
