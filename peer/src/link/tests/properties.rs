//! Any sequence of what ends and a hostile network can do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    /// Time passes.
    Wait(u64),
    /// An end sends a message.
    Send(bool),
    /// The network delivers the oldest frame that an end waits for.
    Deliver(bool),
    /// It loses that one.
    Lose(bool),
    /// Somebody sends an end anything that was ever sent, in the name of its peer.
    Replay(bool, Index),
    /// The same, with a byte of it changed.
    Forge(bool, Index, Index, u8),
    /// The same, cut.
    Truncate(bool, Index, Index),
    /// An end dies and begins anew.
    Restart(bool),
    /// A stretch without faults.
    Heal,
}

fn op() -> impl Strategy<Value = Op> {
    let end = any::<bool>;
    let index = any::<Index>;
    prop_oneof![
        3 => (0..1_500_u64).prop_map(Op::Wait),
        4 => end().prop_map(Op::Send),
        8 => end().prop_map(Op::Deliver),
        2 => end().prop_map(Op::Lose),
        6 => (end(), index()).prop_map(|(end, which)| Op::Replay(end, which)),
        2 => (end(), index(), index(), any::<u8>())
            .prop_map(|(end, which, at, byte)| Op::Forge(end, which, at, byte)),
        1 => (end(), index(), index()).prop_map(|(end, which, at)| Op::Truncate(end, which, at)),
        1 => end().prop_map(Op::Restart),
        1 => Just(Op::Heal),
    ]
}

/// Two ends and what must hold of them.
struct World {
    pair: Pair,
    /// Frames on their way to A and to B.
    ways: [Vec<Vec<u8>>; 2],
    /// What a message was sent by (end and its start), when, and to which start of the other.
    sent: BTreeMap<u64, (bool, u64, Instant, u64)>,
    delivered: BTreeSet<u64>,
    /// How often each end began.
    starts: [u64; 2],
    /// The latest start of the sender that each end took anything from.
    latest: [u64; 2],
}

fn name(end: bool) -> &'static str {
    if end { B } else { A }
}

impl World {
    fn new() -> Self {
        Self {
            pair: Pair::new(),
            ways: [Vec::new(), Vec::new()],
            sent: BTreeMap::new(),
            delivered: BTreeSet::new(),
            starts: [0, 0],
            latest: [0, 0],
        }
    }

    fn link(&mut self, end: bool) -> &mut Link {
        self.pair.end(name(end))
    }

    fn collect(&mut self) {
        for end in [false, true] {
            let frames = self.pair.taken(name(end));
            self.ways[usize::from(!end)].extend(frames);
        }
    }

    fn give(&mut self, end: bool, frame: &[u8]) -> Result<(), TestCaseError> {
        self.pair.deliver(name(!end), frame);
        self.collect();
        let told = events(self.link(end));
        for event in told {
            let Event::Received { from, payload, .. } = event else { continue };
            prop_assert_eq!(from, place(name(!end)));
            let id = u64::from_be_bytes(payload.try_into().unwrap());
            let Some(&(sender, start, at, to_start)) = self.sent.get(&id) else {
                return Err(TestCaseError::fail("nobody sent that"));
            };
            prop_assert_eq!(sender, !end, "sent back to its sender");
            prop_assert!(self.delivered.insert(id), "delivered twice");
            let age = self.pair.now.duration_since(at);
            prop_assert!(age <= AGE_MAX, "delivered after {:?}", age);
            prop_assert!(to_start == self.starts[usize::from(end)], "sent to an earlier start");
            let latest = &mut self.latest[usize::from(end)];
            prop_assert!(start >= *latest, "from a start that was left");
            *latest = start;
        }
        Ok(())
    }

    fn carry_out(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Wait(millis) => {
                self.pair.now += Duration::from_millis(millis);
                let now = self.pair.now;
                for end in [false, true] {
                    self.link(end).handle_timeout(now);
                    let (due, _) = self.link(end).poll_timeout();
                    prop_assert!(due > now, "a deadline that is met is over");
                }
                self.collect();
            }
            Op::Send(end) => {
                let id = u64::try_from(self.sent.len()).unwrap();
                let now = self.pair.now;
                let starts = [usize::from(end), usize::from(!end)].map(|end| self.starts[end]);
                self.sent.insert(id, (end, starts[0], now, starts[1]));
                // Nobody may be there yet.
                let _ = self.link(end).send(now, channel(), &id.to_be_bytes());
                self.collect();
            }
            Op::Deliver(end) => {
                if !self.ways[usize::from(end)].is_empty() {
                    let frame = self.ways[usize::from(end)].remove(0);
                    self.give(end, &frame)?;
                }
            }
            Op::Lose(end) => {
                if !self.ways[usize::from(end)].is_empty() {
                    self.ways[usize::from(end)].remove(0);
                }
            }
            Op::Replay(end, which) => {
                if let Some(frame) = self.any(which) {
                    self.give(end, &frame)?;
                }
            }
            Op::Forge(end, which, at, byte) => {
                if let Some(mut frame) = self.any(which) {
                    let at = at.index(frame.len());
                    frame[at] ^= byte;
                    let before = self.link(end).status().counts.frames_received;
                    self.give(end, &frame)?;
                    let after = self.link(end).status().counts.frames_received;
                    prop_assert!(byte == 0 || before == after, "a forged frame was taken");
                }
            }
            Op::Truncate(end, which, at) => {
                if let Some(frame) = self.any(which) {
                    let before = self.link(end).status().counts.frames_received;
                    self.give(end, &frame[..at.index(frame.len())])?;
                    prop_assert_eq!(before, self.link(end).status().counts.frames_received);
                }
            }
            Op::Restart(end) => {
                let now = self.pair.now;
                self.starts[usize::from(end)] += 1;
                let start = self.starts[usize::from(end)];
                let session = Session::from_random(start * 2 + 1 + u64::from(end));
                *self.link(end) = Link::new(config(name(!end)), session, now);
                // A new start hears all starts of the other anew.
                self.latest[usize::from(end)] = 0;
            }
            Op::Heal => self.heal()?,
        }
        Ok(())
    }

    /// Whatever was before, on a network without faults both are up soon.
    fn heal(&mut self) -> Result<(), TestCaseError> {
        for way in &mut self.ways {
            way.clear();
        }
        for _ in 0..50 {
            self.carry_out(Op::Wait(100))?;
            for _ in 0..6 {
                for end in [false, true] {
                    while !self.ways[usize::from(end)].is_empty() {
                        self.carry_out(Op::Deliver(end))?;
                    }
                }
            }
            prop_assert!(self.ways.iter().all(Vec::is_empty), "they never stop talking");
        }
        for end in [false, true] {
            prop_assert_eq!(self.link(end).status().state, State::Up);
        }
        Ok(())
    }

    fn any(&self, which: Index) -> Option<Vec<u8>> {
        let recorded = &self.pair.recorded;
        (!recorded.is_empty()).then(|| recorded[which.index(recorded.len())].1.clone())
    }
}

proptest! {
    #[test]
    fn no_sequence_of_events_delivers_anything_forged_twice_late_or_to_another_start(
        ops in prop::collection::vec(op(), 1..250),
    ) {
        let mut world = World::new();
        for op in ops {
            world.carry_out(op)?;
        }
        world.heal()?;
        let id = u64::try_from(world.sent.len()).unwrap();
        world.carry_out(Op::Send(false))?;
        world.carry_out(Op::Deliver(true))?;
        prop_assert!(world.delivered.contains(&id), "a healthy link carries");
    }
}
