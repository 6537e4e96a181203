use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

fn threshold(rise: u32, fall: u32) -> Threshold {
    Threshold { rise: NonZeroU32::new(rise).unwrap(), fall: NonZeroU32::new(fall).unwrap() }
}

fn at(value: u32, threshold: Threshold) -> Health {
    Health { value, threshold }
}

/// HAProxy 3.5, src/check.c:504-529, for rise 2 and fall 3.
#[test]
fn each_value_moves_as_in_haproxy() {
    use Movement::{Flipped, Moved, None};
    let t = threshold(2, 3);
    //       value, pass,          fail
    let table = [
        (0, (1, Moved), (0, None)),
        (1, (4, Flipped), (0, Moved)),
        (2, (4, Moved), (0, Flipped)),
        (3, (4, Moved), (2, Moved)),
        (4, (4, None), (3, Moved)),
    ];
    for (value, passed, failed) in table {
        let mut health = at(value, t);
        assert_eq!((health.pass(), health.value()), (passed.1, passed.0), "pass from {value}");
        let mut health = at(value, t);
        assert_eq!((health.fail(), health.value()), (failed.1, failed.0), "fail from {value}");
    }
}

#[test]
fn a_threshold_of_one_has_two_values() {
    let t = threshold(1, 1);
    let mut health = Health::new(t, Initial::Up);
    assert!(health.is_fully_up());
    assert_eq!((health.fail(), health.value()), (Movement::Flipped, 0));
    assert_eq!((health.pass(), health.value()), (Movement::Flipped, 1));
}

#[test]
fn initial_states_are_those_of_init_state() {
    let t = threshold(2, 3);
    let table = [
        (Initial::FullyUp, 4, Verdict::Up),
        (Initial::Up, 2, Verdict::Up),
        (Initial::Down, 1, Verdict::Down),
        (Initial::FullyDown, 0, Verdict::Down),
    ];
    for (initial, value, verdict) in table {
        let health = Health::new(t, initial);
        assert_eq!((health.value(), health.verdict()), (value, verdict), "{initial:?}");
    }
}

#[test]
fn after_maintenance_one_failure_takes_a_server_down() {
    let mut health = at(0, threshold(2, 3));
    assert_eq!(health.restart(Initial::Up), Movement::Flipped);
    assert_eq!(health.fail(), Movement::Flipped);
}

#[test]
fn progress_is_what_haproxy_shows() {
    let t = threshold(2, 3);
    let shown = (0..=4).map(|value| at(value, t).progress()).collect::<Vec<_>>();
    assert_eq!(shown, [(0, 2), (1, 2), (1, 3), (2, 3), (3, 3)]);
}

#[test]
fn the_largest_thresholds_do_not_overflow() {
    let t = threshold(u32::MAX, u32::MAX);
    let mut health = Health::new(t, Initial::FullyUp);
    assert_eq!(health.verdict(), Verdict::Up);
    health.pass();
    health.rescale(threshold(1, 1));
    assert_eq!(health.value(), 1);
}

fn any_threshold() -> impl Strategy<Value = Threshold> {
    (1u32..8, 1u32..8).prop_map(|(rise, fall)| threshold(rise, fall))
}

fn any_health() -> impl Strategy<Value = Health> {
    any_threshold().prop_flat_map(|t| (0..=top(t)).prop_map(move |value| at(value, t)))
}

proptest! {
    #[test]
    fn the_verdict_turns_after_exactly_rise_or_fall_answers_in_a_row(
        t in any_threshold(),
        answers in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        // The plain reading of `rise` and `fall`, from the end of a verdict.
        let mut health = Health::new(t, Initial::FullyUp);
        let (mut verdict, mut contrary) = (Verdict::Up, 0);
        for passed in answers {
            if passed == (verdict == Verdict::Up) { contrary = 0 } else { contrary += 1 }
            let (needed, other) = match verdict {
                Verdict::Up => (t.fall.get(), Verdict::Down),
                Verdict::Down => (t.rise.get(), Verdict::Up),
            };
            let flips = contrary == needed;
            if flips { (verdict, contrary) = (other, 0) }
            let movement = if passed { health.pass() } else { health.fail() };
            prop_assert_eq!(movement == Movement::Flipped, flips);
            prop_assert_eq!(health.verdict(), verdict);
            prop_assert!(health.value() <= top(t));
        }
    }

    #[test]
    fn other_thresholds_keep_the_verdict_and_stay_in_range(
        health in any_health(),
        t in any_threshold(),
    ) {
        let mut rescaled = health;
        rescaled.rescale(t);
        prop_assert!(rescaled.value() <= top(t));
        prop_assert_eq!(rescaled.verdict(), health.verdict());
        prop_assert_eq!(rescaled.threshold(), t);
        if health.is_fully_up() { prop_assert!(rescaled.is_fully_up()) }
        if health.is_fully_down() { prop_assert!(rescaled.is_fully_down()) }
        let mut same = health;
        same.rescale(health.threshold());
        prop_assert_eq!(same, health);
    }

    #[test]
    fn doubt_keeps_the_verdict_and_one_answer_turns_it(health in any_health()) {
        let mut doubted = health;
        doubted.doubt();
        prop_assert_eq!(doubted.verdict(), health.verdict());
        let movement = match health.verdict() {
            Verdict::Up => doubted.fail(),
            Verdict::Down => doubted.pass(),
        };
        prop_assert_eq!(movement, Movement::Flipped);
    }
}
