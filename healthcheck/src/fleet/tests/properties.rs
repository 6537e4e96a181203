//! Random sequences of everything that can happen to a fleet.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Apply(Vec<(u8, Shape)>),
    Advance(u16),
    ToTimeout,
    Answer { nth: u8, outcome: u8 },
    ConnectFailed(u8),
    Pause(u8),
    Resume(u8),
}

#[derive(Debug, Clone)]
struct Shape {
    rise: u32,
    fall: u32,
    initial: u8,
    interval: u16,
    fast: Option<u16>,
    timeout: u16,
    port: u16,
}

fn shape() -> impl Strategy<Value = Shape> {
    (1u32..4, 1u32..4, 0u8..4, 0u16..3000, prop::option::of(0u16..3000), 0u16..3000, 1u16..3)
        .prop_map(|(rise, fall, initial, interval, fast, timeout, port)| Shape {
            rise,
            fall,
            initial,
            interval,
            fast,
            timeout,
            port,
        })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => prop::collection::vec((0u8..6, shape()), 0..6).prop_map(Op::Apply),
        3 => (0u16..5000).prop_map(Op::Advance),
        6 => Just(Op::ToTimeout),
        8 => (any::<u8>(), 0u8..4).prop_map(|(nth, outcome)| Op::Answer { nth, outcome }),
        1 => (0u8..6).prop_map(Op::ConnectFailed),
        1 => (0u8..6).prop_map(Op::Pause),
        1 => (0u8..6).prop_map(Op::Resume),
    ]
}

fn shaped(id: u8, shape: &Shape) -> Target {
    let mut target = target(&format!("b/s{id}"));
    let count = |n| NonZeroU32::new(n).unwrap();
    target.address.set_port(shape.port);
    target.check.threshold = Threshold { rise: count(shape.rise), fall: count(shape.fall) };
    target.check.initial = [Initial::FullyUp, Initial::Up, Initial::Down, Initial::FullyDown]
        [usize::from(shape.initial)];
    target.check.pace.interval = ms(shape.interval.into());
    target.check.pace.fast_interval = shape.fast.map(|fast| ms(fast.into()));
    target.check.pace.timeout = ms(shape.timeout.into());
    target
}

/// The driver as seen from outside, and what it may expect.
#[derive(Default)]
struct World {
    running: BTreeMap<ProbeId, Arc<Target>>,
    expired: Vec<ProbeId>,
    verdicts: HashMap<String, Verdict>,
}

impl World {
    fn take(&mut self, fleet: &mut Fleet, now: Instant, present: &[String]) {
        self.verdicts.retain(|id, _| present.contains(id));
        for action in fleet.take_actions() {
            match action {
                Action::StartProbe { probe, target, deadline } => {
                    assert!(deadline > now);
                    let overlap = self.running.values().any(|other| other.id == target.id);
                    assert!(!overlap, "checks of one server never overlap");
                    let twice = self.running.insert(probe, target);
                    assert!(twice.is_none(), "no name is used twice");
                }
                Action::ExpireProbe(probe) => {
                    assert!(self.running.contains_key(&probe), "only a running probe expires");
                    self.expired.push(probe);
                }
                Action::AbortProbe(probe) => {
                    let running = self.running.remove(&probe);
                    assert!(running.is_some(), "only a running probe is aborted");
                }
                Action::Changed(change) => {
                    let before = self.verdicts.insert(change.id.to_string(), change.verdict);
                    let first = change.reason == Reason::Initial;
                    assert_eq!(before.is_none(), first, "the first verdict comes first");
                    assert_ne!(before, Some(change.verdict), "a change changes");
                }
                Action::Moved(change) => {
                    assert_eq!(self.verdicts.get(&*change.id), Some(&change.verdict));
                }
            }
        }
        self.compare(&fleet.status(now));
    }

    fn compare(&self, status: &[TargetStatus]) {
        for target in status {
            assert_eq!(self.verdicts.get(&target.id), Some(&target.verdict), "{}", target.id);
            let runs = self.running.values().any(|running| running.id == target.id);
            assert_eq!(target.checking, runs);
            assert!(!(target.paused && target.checking));
            assert!(target.checks >= target.failures + target.inconclusive);
            assert!(target.health < target.rise + target.fall);
        }
    }

    fn answer(&mut self, fleet: &mut Fleet, now: Instant, nth: u8, outcome: u8) {
        // An expired probe is answered first: the driver owes that at once.
        let nth = usize::from(nth) % self.running.len().max(1);
        let Some(probe) = self.expired.pop().or_else(|| self.running.keys().nth(nth).copied())
        else {
            return;
        };
        // It may have been aborted after it expired; a late answer must do no harm.
        self.running.remove(&probe);
        let outcome = match outcome {
            0 | 1 => passed(),
            2 => failed(),
            _ => Outcome::inconclusive("test"),
        };
        fleet.handle_outcome(now, probe, outcome);
    }
}

fn apply(fleet: &mut Fleet, now: Instant, list: &[(u8, Shape)]) -> Vec<String> {
    let targets: Vec<_> = list.iter().map(|(n, shape)| shaped(*n, shape)).collect();
    let present = targets.iter().map(|target| target.id.clone()).collect();
    fleet.apply(now, targets);
    present
}

proptest! {
    #[test]
    fn whatever_happens_the_fleet_stays_consistent(
        ops in prop::collection::vec(op(), 1..120),
        seed: u64,
    ) {
        let mut now = Instant::now();
        let (mut fleet, mut world) = (Fleet::new(seed), World::default());
        let mut present = Vec::new();
        let id = |n: u8| format!("b/s{n}");
        for op in ops {
            match op {
                Op::Apply(list) => present = apply(&mut fleet, now, &list),
                Op::Advance(by) => {
                    now += ms(by.into());
                    fleet.handle_timeout(now);
                }
                Op::ToTimeout => {
                    now = fleet.poll_timeout().unwrap_or(now).max(now);
                    fleet.handle_timeout(now);
                }
                Op::Answer { nth, outcome } => world.answer(&mut fleet, now, nth, outcome),
                Op::ConnectFailed(n) => fleet.handle_connect_failed(now, &id(n)),
                Op::Pause(n) => { fleet.pause(now, &id(n)); }
                Op::Resume(n) => { fleet.resume(now, &id(n)); }
            }
            fleet.check_invariants();
            world.take(&mut fleet, now, &present);
            if let Some(next) = fleet.poll_timeout() {
                prop_assert!(next > now, "after each call the next deadline lies ahead");
            }
        }
    }
}
