//! A planned stop: the addresses stay until another router has them.

use super::*;

fn active() -> Bench {
    Bench::active(config(v3(100), Behaviour::default()), well(100))
}

#[test]
fn a_router_that_retires_keeps_its_addresses_until_another_one_is_heard() {
    let mut bench = active();
    bench.order(Router::retire);
    assert_eq!(bench.log(), "!0");
    assert!(bench.router.status().retiring && !bench.router.is_retired());
    bench.pass(ms(40));
    bench.hear(LESSER, 50);
    assert_eq!(bench.log(), "- A>I", "whatever its priority, and without another word");
    assert!(bench.router.is_retired());
    let Cause::HandedOver { reason, .. } = bench.causes[0] else { panic!("{:?}", bench.causes) };
    assert_eq!(reason, OfferReason::Leaving);
    bench.pass(SECOND * 60);
    bench.hear(LESSER, 0);
    assert_eq!(bench.log(), "");
}

#[test]
fn it_says_so_twice_and_leaves_when_even_a_sick_backup_would_have_come() {
    for protocol in [v2(1), v2(5), v3(1), v3(100), v3(4095)] {
        let mut bench = Bench::active(config(protocol, Behaviour::default()), well(254));
        let interval = bench.router.config().interval();
        bench.order(Router::retire);
        assert_eq!(bench.log(), "!0");
        assert_eq!(bench.due_in(), interval.duration() / 20);
        bench.pass(interval.duration() / 20);
        assert_eq!(bench.log(), "!0");
        let sickest = timers::skew(Priority::LAST_RESORT, interval) + interval.duration();
        bench.pass(sickest);
        assert_eq!(bench.log(), "", "a sick backup acts now at the latest");
        assert!(bench.due_in() > interval.duration() / 10, "and its advert has time to come");
        bench.pass_to_due();
        bench.settle();
        assert_eq!(bench.log(), "!0 - A>I");
    }
}

#[test]
fn a_longer_interval_that_comes_while_it_leaves_gives_a_sick_backup_the_time_that_it_takes() {
    let mut bench = active();
    bench.order(Router::retire);
    let longer = config(v3(1000), Behaviour::default());
    bench.router.handle_config(longer, well(100), bench.now).unwrap();
    bench.settle();
    let interval = bench.router.config().interval();
    bench.pass(interval.duration() / 20);
    bench.pass(timers::skew(Priority::LAST_RESORT, interval) + interval.duration());
    assert_eq!(bench.router.state(), State::Active);
    bench.hear(LESSER, 1);
    assert!(bench.router.is_retired());
}

#[test]
fn a_router_that_holds_nothing_retires_at_once() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.order(Router::retire);
    assert_eq!(bench.log(), "B>I");
    assert!(bench.router.is_retired());
    bench.order(Router::retire);
    assert_eq!(bench.log(), "");
}

#[test]
fn nothing_makes_a_retiring_router_stay() {
    let mut bench = active();
    bench.order(Router::retire);
    let until = bench.router.status().offer;
    bench.stand(sick(100, -2));
    bench.stand(well(120));
    bench.order(Router::give_away);
    bench.order(Router::resume);
    bench.order(Router::retire);
    bench.order(Router::handle_start);
    bench.hear(GREATER, 0);
    assert_eq!(bench.log(), "!0");
    assert_eq!(bench.router.status().offer, until);
    bench.pass(SECOND * 3);
    assert!(bench.log().ends_with("!0 - A>I"));
}

#[test]
fn whatever_ends_the_hold_of_a_retiring_router_ends_the_router() {
    let report = |bench: &mut Bench, report| {
        bench.order(|router, now| router.handle_addresses(report, now));
    };
    for end in ["revoked", "link down", "stopped", "refused", "unsent"] {
        let mut bench = active();
        bench.order(Router::retire);
        bench.clear();
        match end {
            "revoked" => bench.order(Router::handle_revoked),
            "link down" => bench.link(false, None),
            "stopped" => bench.order(Router::handle_stop),
            "refused" => report(&mut bench, AddressReport::Refused),
            _ => bench.order(|router, now| (0..3).for_each(|_| router.handle_sent(false, now))),
        }
        let expected = if end == "revoked" { "- A>I" } else { "!0 - A>I" };
        assert_eq!(bench.log(), expected, "{end}");
        assert!(bench.router.is_retired());
        bench.link(true, Some(OWN));
        bench.order(Router::handle_start);
        assert_eq!(bench.log(), "- I>B", "and it can be started again");
    }
}

#[test]
fn a_change_of_the_configuration_neither_prolongs_nor_repeats_a_farewell() {
    let mut bench = active();
    bench.order(Router::retire);
    bench.pass(SECOND);
    bench.clear();
    let behaviour = preempting(Preempt::Never);
    bench.router.handle_config(config(v3(50), behaviour), well(50), bench.now).unwrap();
    bench.link(true, Some("172.16.16.60"));
    assert_eq!(bench.log(), "", "a release that is repeated keeps a sick backup waiting");
    bench.pass(ms(1_500));
    assert_eq!(bench.log(), "!0 - A>I");
}
