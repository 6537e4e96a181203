use proptest::prelude::*;

use super::*;
use crate::values::Priority;

fn base(priority: u8) -> BasePriority {
    BasePriority::new(priority).unwrap()
}

fn tracker(subject: Subject, weight: i64) -> Tracker {
    Tracker { subject, weight: Weight::new(weight).unwrap(), reverse: false }
}

fn interface(name: &str, weight: i64) -> Tracker {
    tracker(Subject::Interface(name.into()), weight)
}

fn script(name: &str, weight: i64, init_fail: bool) -> Tracker {
    let rise_fall = RiseFall::new(2, 5).unwrap();
    tracker(Subject::Script { name: name.into(), rise_fall, init_fail }, weight)
}

fn effective(trackers: &Trackers, priority: u8) -> u8 {
    trackers.standing(base(priority)).effective.get()
}

#[test]
fn a_negative_weight_counts_while_down_and_a_positive_one_while_up() {
    let mut trackers = Trackers::new(vec![interface("lan", -2), interface("wan", 10)]);
    assert_eq!(effective(&trackers, 100), 100, "unknown adds nothing");
    for (lan, wan, expected) in
        [(true, true, 110), (false, true, 108), (false, false, 98), (true, false, 100)]
    {
        trackers.handle_sighting(Sighting::Interface("lan", lan));
        trackers.handle_sighting(Sighting::Interface("wan", wan));
        assert_eq!(effective(&trackers, 100), expected);
    }
    assert!(trackers.standing(base(100)).is_sick());
}

#[test]
fn a_reversed_tracker_takes_up_for_down() {
    let reversed = |weight| Tracker { reverse: true, ..interface("lan", weight) };
    for (weight, while_up, while_down) in [(-2, 98, 100), (10, 100, 110), (0, 1, 100)] {
        let mut trackers = Trackers::new(vec![reversed(weight)]);
        trackers.handle_sighting(Sighting::Interface("lan", true));
        assert_eq!(effective(&trackers, 100), while_up);
        trackers.handle_sighting(Sighting::Interface("lan", false));
        assert_eq!(effective(&trackers, 100), while_down);
    }
}

#[test]
fn weight_0_holds_the_start_back_until_it_is_known_and_then_fails_the_node() {
    let mut trackers = Trackers::new(vec![script("api", 0, false), interface("lan", -2)]);
    assert!(trackers.standing(base(100)).is_pending());
    assert!(!trackers.standing(base(100)).is_failed());
    trackers.handle_sighting(Sighting::Script("api", ScriptResult::Failed));
    let standing = trackers.standing(base(100));
    assert!(standing.is_failed() && !standing.is_pending() && standing.is_sick());
    assert_eq!(standing.effective, Priority::LAST_RESORT);
    for _ in 0..2 {
        trackers.handle_sighting(Sighting::Script("api", ScriptResult::Passed));
    }
    assert!(!trackers.standing(base(100)).is_failed());
}

#[test]
fn a_script_with_init_fail_counts_as_down_from_the_start() {
    assert_eq!(effective(&Trackers::new(vec![script("api", -2, true)]), 100), 98);
    let standing = Trackers::new(vec![script("api", 0, true)]).standing(base(100));
    assert!(standing.is_failed() && !standing.is_pending());
}

#[test]
fn a_frontend_is_ready_if_it_accepts_runs_and_has_a_server() {
    let ready = Readiness { accepts: true, workers_on_time: true, servers_up: 1 };
    assert!(ready.is_ready());
    assert!(!Readiness { accepts: false, ..ready }.is_ready());
    assert!(!Readiness { workers_on_time: false, ..ready }.is_ready());
    assert!(!Readiness { servers_up: 0, ..ready }.is_ready());

    let mut trackers = Trackers::new(vec![tracker(Subject::Frontend("kubernetes".into()), -2)]);
    assert!(trackers.handle_sighting(Sighting::Frontend("kubernetes", ready)));
    let one_of_three_left = Readiness { servers_up: 1, ..ready };
    assert!(!trackers.handle_sighting(Sighting::Frontend("kubernetes", one_of_three_left)));
    let none = Readiness { servers_up: 0, ..ready };
    assert!(trackers.handle_sighting(Sighting::Frontend("kubernetes", none)));
    let text = trackers.standing(base(100)).to_string();
    assert_eq!(text, "100 - 2 (frontend 'kubernetes') = 98");
}

#[test]
fn a_backend_is_up_with_enough_servers() {
    let servers_min = NonZeroU32::new(2).unwrap();
    let subject = Subject::Backend { name: "masters".into(), servers_min };
    let mut trackers = Trackers::new(vec![tracker(subject, -10)]);
    for (servers, expected) in [(3, 100), (2, 100), (1, 90), (0, 90)] {
        trackers.handle_sighting(Sighting::Backend("masters", servers));
        assert_eq!(effective(&trackers, 100), expected);
    }
    assert!(!trackers.handle_sighting(Sighting::Backend("others", 5)), "not tracked");
}

#[test]
fn a_file_counts_its_number_times_the_weight_and_fails_the_node_at_minus_254() {
    let file = |weight| tracker(Subject::File("/run/drain".into()), weight);
    let cases = [
        (1, 5, 105),
        (1, -5, 95),
        (-2, 5, 90),
        (2, 1_000, 254),
        (1, -253, 1),
        (1, i64::MAX, 254),
        (0, 0, 100),
    ];
    for (weight, value, expected) in cases {
        let mut trackers = Trackers::new(vec![file(weight)]);
        trackers.handle_sighting(Sighting::File("/run/drain", value));
        assert_eq!(effective(&trackers, 100), expected, "{value} × {weight}");
        assert!(!trackers.standing(base(100)).is_failed());
    }
    for (weight, value) in [(1, -254), (2, -127), (-1, 254), (1, i64::MIN), (0, 1), (0, -1)] {
        let mut trackers = Trackers::new(vec![file(weight)]);
        trackers.handle_sighting(Sighting::File("/run/drain", value));
        assert!(trackers.standing(base(100)).is_failed(), "{value} × {weight}");
    }
    let mut reversed = Trackers::new(vec![Tracker { reverse: true, ..file(2) }]);
    reversed.handle_sighting(Sighting::File("/run/drain", 5));
    assert_eq!(effective(&reversed, 100), 90);
}

#[test]
fn a_reload_keeps_what_is_known_of_subjects_that_stay() {
    let mut trackers = Trackers::new(vec![script("api", -2, false), interface("lan", -5)]);
    trackers.handle_sighting(Sighting::Script("api", ScriptResult::Failed));
    trackers.handle_sighting(Sighting::Interface("lan", false));
    trackers.reconfigure(vec![script("api", -20, false), interface("wan", -5)]);
    let standing = trackers.standing(base(100));
    assert_eq!(standing.effective.get(), 80);
    assert_eq!(standing.terms[1].reading, Reading::Unknown);
}

/// A script that begins as failed would lower the priority until it has passed often enough again,
/// and one that was failing would count as well until it fails once more.
#[test]
fn scripts_go_on_in_another_process_as_they_stood() {
    let all = || vec![script("api", -2, true), script("dns", -5, false), script("new", -7, false)];
    let mut here = Trackers::new(all());
    for _ in 0..10 {
        here.handle_sighting(Sighting::Script("api", ScriptResult::Passed));
    }
    here.handle_sighting(Sighting::Script("dns", ScriptResult::Failed));
    assert_eq!(here.scripts().len(), 2, "nothing is known of the third");
    let mut there = Trackers::new(all());
    there.resume(&here.scripts());
    assert_eq!(there.standing(base(100)), here.standing(base(100)));
    assert_eq!(there.standing(base(100)).effective.get(), 95);
    there.handle_sighting(Sighting::Script("new", ScriptResult::Failed));
    assert_eq!(there.standing(base(100)).effective.get(), 88, "its first result decides");
}

#[test]
fn a_node_is_well_once_all_that_it_tracks_is_known_to_be_well() {
    let mut trackers = Trackers::new(vec![interface("a", -10), interface("b", 0)]);
    let mut health = |name, is_up| {
        trackers.handle_sighting(Sighting::Interface(name, is_up));
        trackers.standing(base(100)).health()
    };
    assert_eq!(health("a", true), Health::Sick, "the other one isn't known yet");
    assert_eq!(health("b", true), Health::Well);
    assert_eq!(health("a", false), Health::Sick);
    assert_eq!(health("b", false), Health::Failed);
    assert_eq!(Standing::untracked(base(100)).health(), Health::Well);
}

fn any_reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        Just(Reading::Unknown),
        Just(Reading::Up),
        Just(Reading::Down),
        any::<i64>().prop_map(Reading::Value)
    ]
}

proptest! {
    #[test]
    fn any_trackers_leave_the_priority_within_bounds(
        priority in 1_u8..=255,
        entries in prop::collection::vec((-253_i64..=253, any::<bool>(), any_reading()), 0..20),
    ) {
        let entries = entries.into_iter().map(|(weight, reverse, reading)| {
            let tracker = Tracker { reverse, ..interface("x", weight) };
            Entry { tracker, reading, counter: None }
        });
        let standing = Trackers { entries: entries.collect() }.standing(base(priority));
        if standing.is_failed() {
            prop_assert_eq!(standing.effective, Priority::LAST_RESORT);
        } else if priority == 255 {
            prop_assert_eq!(standing.effective, Priority::OWNER);
        } else {
            prop_assert!((1..=254).contains(&standing.effective.get()));
        }
    }
}
