use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn drain(wheel: &mut Wheel, now: Instant) -> Vec<u32> {
    std::iter::from_fn(|| wheel.expire(now)).collect()
}

#[test]
fn a_timer_fires_neither_early_nor_more_than_a_tick_late() {
    for delay in [1, 7, 8, 9, 10, 500, 511, 512, 513, 4_095, 40_000, 3_600_000, 86_400_000 * 30] {
        let base = Instant::now();
        let mut wheel = Wheel::new(base);
        let deadline = base + MS * delay;
        wheel.schedule(3, deadline);
        assert_eq!(wheel.expire(deadline - Duration::from_nanos(1)), None, "{delay} ms");
        assert_eq!(wheel.expire(deadline + TICK), Some(3), "{delay} ms");
        assert_eq!(wheel.next_deadline(), None);
    }
}

#[test]
fn following_next_deadline_fires_in_time_with_few_wake_ups() {
    for delay in [9, 700, 65_000, 3_600_000, 86_400_000, 86_400_000 * 49] {
        let base = Instant::now();
        let mut wheel = Wheel::new(base);
        // An elapsed time with many digits set makes slots begin at odd places.
        let start = base + MS * 987_654_321;
        assert_eq!(wheel.expire(start), None);
        let deadline = start + MS * delay;
        wheel.schedule(0, deadline);
        let mut wake_ups = 0;
        let fired_at = loop {
            let now = wheel.next_deadline().expect("it is armed");
            wake_ups += 1;
            if wheel.expire(now).is_some() {
                break now;
            }
        };
        assert!(fired_at >= deadline && fired_at < deadline + TICK, "{delay} ms");
        assert!(wake_ups <= LEVELS, "{wake_ups} wake-ups for {delay} ms");
    }
}

#[test]
fn earlier_ticks_come_first_and_equal_ones_in_the_order_of_arming() {
    let base = Instant::now();
    let mut wheel = Wheel::new(base);
    for (key, delay) in [(0, 9_000), (1, 100), (2, 700_000), (3, 100), (4, 9_001), (5, 8)] {
        wheel.schedule(key, base + MS * delay);
    }
    assert_eq!(drain(&mut wheel, base + MS * 1_000_000), [5, 1, 3, 0, 4, 2]);
}

#[test]
fn scheduling_again_replaces_the_former_deadline() {
    let base = Instant::now();
    let mut wheel = Wheel::new(base);
    wheel.schedule(1, base + MS * 100);
    wheel.schedule(1, base + MS * 5_000);
    assert_eq!(drain(&mut wheel, base + MS * 4_999), []);
    wheel.schedule(1, base + MS * 4_999);
    assert_eq!(drain(&mut wheel, base + MS * 5_008), [1]);
    assert_eq!(drain(&mut wheel, base + MS * 50_000), []);
}

#[test]
fn arm_by_only_brings_a_timer_forward() {
    let base = Instant::now();
    let mut wheel = Wheel::new(base);
    wheel.arm_by(1, base + MS * 1_000);
    wheel.arm_by(1, base + MS * 9_000);
    assert_eq!(wheel.next_deadline(), Some(base + MS * 512));
    assert_eq!(drain(&mut wheel, base + MS * 1_000), [1]);
    wheel.arm_by(1, base + MS * 9_000);
    wheel.arm_by(1, base + MS * 1_100);
    assert_eq!(drain(&mut wheel, base + MS * 1_108), [1]);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn a_cancelled_timer_does_not_fire_and_one_never_armed_may_be_cancelled() {
    let base = Instant::now();
    let mut wheel = Wheel::new(base);
    wheel.cancel(77);
    wheel.schedule(1, base + MS * 10);
    wheel.schedule(2, base + MS * 10);
    wheel.schedule(3, base + MS * 10);
    wheel.cancel(1);
    wheel.cancel(1);
    // A timer that has come due and waits for its turn can still be cancelled.
    assert_eq!(wheel.expire(base + MS * 20), Some(2));
    wheel.cancel(3);
    assert_eq!(wheel.expire(base + MS * 20), None);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn arming_for_the_past_while_draining_ends_and_fires_within_a_tick() {
    let base = Instant::now();
    let mut wheel = Wheel::new(base);
    wheel.schedule(1, base + MS * 10);
    let now = base + Duration::from_secs(7 * 3600);
    let mut fired = 0;
    while let Some(key) = wheel.expire(now) {
        fired += 1;
        wheel.schedule(key, base);
    }
    assert_eq!(fired, 1);
    assert!(wheel.next_deadline().is_some_and(|at| at > now && at <= now + TICK));
    assert_eq!(wheel.expire(now + TICK), Some(1));
}

#[test]
fn a_clock_that_goes_back_fires_nothing_and_loses_nothing() {
    let base = Instant::now();
    let mut wheel = Wheel::new(base + MS * 100);
    assert_eq!(drain(&mut wheel, base + MS * 50_000), []);
    wheel.schedule(1, base + MS * 60_000);
    let next = wheel.next_deadline();
    assert_eq!(drain(&mut wheel, base), []);
    assert_eq!(wheel.next_deadline(), next);
    wheel.schedule(2, base);
    assert_eq!(drain(&mut wheel, base + MS * 60_010), [2, 1]);
}

#[test]
fn a_deadline_beyond_all_ticks_stays_armed_and_never_fires_early() {
    let base = Instant::now();
    let mut wheel = Wheel::new(base);
    let far = base + Duration::from_secs(2_000 * 365 * 86_400);
    wheel.schedule(1, far);
    assert_eq!(drain(&mut wheel, base + Duration::from_secs(1_000 * 365 * 86_400)), []);
    assert!(wheel.next_deadline().is_some());
    assert_eq!(drain(&mut wheel, far), [1]);
    wheel.schedule(2, far);
    assert_eq!(wheel.expire(far), Some(2));
}

#[test]
fn a_jump_of_a_year_costs_no_more_than_its_timers() {
    let base = Instant::now();
    let mut wheel = Wheel::new(base);
    let keys = 5_000;
    for key in 0..keys {
        wheel.schedule(key, base + Duration::from_secs(6_000) * key);
    }
    let before = Instant::now();
    let fired = drain(&mut wheel, base + Duration::from_secs(365 * 86_400));
    assert_eq!(fired, (0..keys).collect::<Vec<_>>());
    // Going through a year's 3.9 billion ticks one by one takes more than this.
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_timer_costs_16_bytes() {
    assert_eq!(size_of::<Timer>(), 16);
    assert!(size_of::<Wheel>() < 2_000);
}

#[derive(Debug, Clone)]
enum Op {
    Schedule(u32, Duration),
    SchedulePast(u32, Duration),
    ArmBy(u32, Duration),
    Cancel(u32),
    Advance(Duration),
    FollowNextDeadline,
}

/// Distances of all magnitudes: within a tick, and up to centuries.
fn distance() -> impl Strategy<Value = Duration> {
    (0_u32..63, any::<u64>())
        .prop_map(|(bits, random)| Duration::from_nanos((1 << bits) | (random & ((1 << bits) - 1))))
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0_u32..24;
    prop_oneof![
        4 => (key.clone(), distance()).prop_map(|(key, d)| Op::Schedule(key, d)),
        1 => (key.clone(), distance()).prop_map(|(key, d)| Op::SchedulePast(key, d)),
        2 => (key.clone(), distance()).prop_map(|(key, d)| Op::ArmBy(key, d)),
        2 => key.prop_map(Op::Cancel),
        3 => distance().prop_map(Op::Advance),
        3 => Just(Op::FollowNextDeadline),
    ]
}

/// The same timers in an ordered map: a key's deadline as the wheel promises it, that is, rounded
/// up to a tick and after the time up to which it was drained.
struct Model {
    base: Instant,
    now: Instant,
    armed: BTreeMap<u32, Instant>,
}

impl Model {
    fn rounded(&self, deadline: Instant) -> Instant {
        let up = |time: Instant| {
            let nanos = time.saturating_duration_since(self.base).as_nanos();
            let ticks = u64::try_from(nanos.div_ceil(TICK.as_nanos())).unwrap();
            self.base + Duration::from_millis(8 * ticks)
        };
        let next = up(self.now + Duration::from_nanos(1));
        up(deadline).max(next)
    }

    /// Everything that is due at `now`, and nothing else, in the order of ticks.
    fn drain(&mut self, wheel: &mut Wheel) -> Result<(), TestCaseError> {
        let mut due = BTreeSet::new();
        self.armed.retain(|&key, &mut at| {
            let is_due = at <= self.now;
            if is_due {
                due.insert((at, key));
            }
            !is_due
        });
        let fired = drain(wheel, self.now);
        let deadlines: BTreeMap<u32, Instant> = due.iter().map(|&(at, key)| (key, at)).collect();
        prop_assert_eq!(fired.len(), due.len(), "fired {:?}, due {:?}", fired, due);
        prop_assert!(fired.iter().all(|key| deadlines.contains_key(key)));
        prop_assert!(fired.is_sorted_by_key(|key| deadlines[key]));
        Ok(())
    }

    fn apply(&mut self, op: Op, wheel: &mut Wheel) -> Result<(), TestCaseError> {
        match op {
            Op::Schedule(key, distance) => {
                let deadline = self.now + distance;
                wheel.schedule(key, deadline);
                self.armed.insert(key, self.rounded(deadline));
            }
            Op::SchedulePast(key, distance) => {
                let deadline = self.now.checked_sub(distance).unwrap_or(self.base);
                wheel.schedule(key, deadline);
                self.armed.insert(key, self.rounded(deadline));
            }
            Op::ArmBy(key, distance) => {
                let deadline = self.now + distance;
                wheel.arm_by(key, deadline);
                let at = self.rounded(deadline);
                self.armed.entry(key).and_modify(|armed| *armed = at.min(*armed)).or_insert(at);
            }
            Op::Cancel(key) => {
                wheel.cancel(key);
                self.armed.remove(&key);
            }
            Op::Advance(distance) => self.now += distance,
            Op::FollowNextDeadline => {
                if let Some(at) = wheel.next_deadline() {
                    self.now = at;
                }
            }
        }
        self.drain(wheel)
    }

    /// The wheel asks to be called while something is armed: later than now, and not too late.
    fn check_next_deadline(&self, wheel: &Wheel) -> Result<(), TestCaseError> {
        let first = self.armed.values().min();
        prop_assert_eq!(wheel.next_deadline().is_some(), first.is_some());
        if let (Some(at), Some(&first)) = (wheel.next_deadline(), first) {
            prop_assert!(at > self.now && at <= first);
        }
        Ok(())
    }
}

/// Occupied slots are those with timers, all timers are in the ring that their tick says, and
/// rings are closed.
fn check_invariants(wheel: &Wheel) -> Result<(), TestCaseError> {
    let mut found = BTreeSet::new();
    for (ring, &first) in wheel.first.iter().enumerate() {
        if ring != DUE {
            let bit = wheel.occupied[ring / SLOTS] >> (ring % SLOTS) & 1;
            prop_assert_eq!(bit == 1, first != NONE);
        }
        let mut key = first;
        while key != NONE {
            let timer = wheel.timers[index(key)];
            prop_assert!(found.insert(key), "key {} is in two places", key);
            prop_assert_eq!(wheel.ring_of(timer.tick), ring);
            prop_assert_eq!(wheel.timers[index(timer.next)].previous, key);
            key = if timer.next == first { NONE } else { timer.next };
        }
    }
    let armed = wheel.timers.iter().filter(|timer| timer.tick != UNARMED).count();
    prop_assert_eq!(found.len(), armed);
    Ok(())
}

proptest! {
    #[test]
    fn the_wheel_does_what_an_ordered_map_does(
        offset in distance(),
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let base = Instant::now();
        let mut wheel = Wheel::new(base);
        let mut model = Model { base, now: base + offset, armed: BTreeMap::new() };
        model.drain(&mut wheel)?;
        for op in ops {
            // Time ends where ticks do; halb won't run for centuries.
            if model.now > base + Duration::from_secs(500 * 365 * 86_400) {
                break;
            }
            model.apply(op, &mut wheel)?;
            check_invariants(&wheel)?;
            model.check_next_deadline(&wheel)?;
        }
    }
}
