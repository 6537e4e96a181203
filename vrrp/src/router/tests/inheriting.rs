//! A role that another process of this node had.

use super::*;

/// Not started, its link as told.
fn heir(role: State, is_up: bool, behaviour: Behaviour) -> Bench {
    let mut bench = Bench::new(config(v3(100), behaviour), well(100));
    bench.link(is_up, Some(OWN));
    bench.clear();
    bench.order(|router, now| router.handle_inheritance(role, now));
    bench
}

#[test]
fn an_active_router_goes_on_at_once_and_takes_nothing_off() {
    let mut bench = heir(State::Active, true, Behaviour::default());
    let log = bench.log();
    assert!(log.starts_with("!100 +"), "{log}");
    assert!(!log.contains('-'), "{log}");
    assert_eq!(bench.router.state(), State::Active);
    assert_eq!(bench.causes, [Cause::Inherited]);
    assert_eq!(bench.due_in(), bench.interval(), "the next advert an interval later");
}

#[test]
fn a_backup_listens_for_a_down_interval_without_a_start_up_delay() {
    let behaviour = Behaviour { startup_delay: SECOND * 60, ..Behaviour::default() };
    let mut bench = heir(State::Backup, true, behaviour);
    assert_eq!(bench.log(), "I>B");
    assert_eq!(bench.causes, [Cause::Inherited]);
    let interval = bench.router.config().interval();
    assert_eq!(bench.due_in(), down_interval(100, interval));
}

/// Every role, with its link up and down: where it leads.
#[test]
fn each_role_leads_where_it_can() {
    let table = [
        (State::Initialize, true, State::Backup),
        (State::Backup, true, State::Backup),
        (State::Active, true, State::Active),
        (State::Fault, true, State::Backup),
        (State::Initialize, false, State::Fault),
        (State::Backup, false, State::Fault),
        (State::Active, false, State::Fault),
        (State::Fault, false, State::Fault),
    ];
    for (role, is_up, expected) in table {
        let mut bench = heir(role, is_up, Behaviour::default());
        assert_eq!(bench.router.state(), expected, "{role} with its link up: {is_up}");
        // What another process may have left is taken off, but where its role goes on.
        let goes_on = is_up && matches!(role, State::Active | State::Backup);
        assert_eq!(bench.log().contains('-'), !goes_on, "{role} with its link up: {is_up}");
    }
}

#[test]
fn who_steps_aside_says_an_advert_first_and_nothing_is_inherited_twice() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.pass(ms(300));
    bench.order(Router::handle_haste);
    assert_eq!(bench.log(), "!100");
    assert_eq!(bench.due_in(), bench.interval());
    bench.order(|router, now| router.handle_inheritance(State::Backup, now));
    assert_eq!((bench.log().as_str(), bench.router.state()), ("", State::Active));
}
