//! A process that stood still: packets before timers, and doubt before deeds.

use super::*;

fn backup() -> Bench {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.hear(GREATER, 150);
    bench
}

fn skew() -> Duration {
    timers::skew(Priority::new(100), config(v3(100), Behaviour::default()).interval())
}

#[test]
fn adverts_that_waited_in_the_socket_are_heard_before_their_absence_is_judged() {
    let mut bench = backup();
    bench.freeze(SECOND * 20);
    let message = bench.advert(GREATER, 150);
    bench.deliver(GREATER, &message);
    bench.settle();
    bench.pass(SECOND * 3);
    assert_eq!(bench.log(), "");
}

#[test]
fn an_inbox_that_may_hold_more_puts_a_takeover_off_but_not_for_ever() {
    let mut bench = backup();
    bench.pass_to_due();
    let due = bench.now;
    bench.router.handle_timeout(Inbox::MayHoldMore, bench.now);
    bench.act();
    assert_eq!(bench.log(), "");
    while bench.router.state() == State::Backup {
        bench.freeze(ms(10));
        bench.router.handle_timeout(Inbox::MayHoldMore, bench.now);
        bench.act();
    }
    assert_eq!(bench.now - due, SECOND, "an interval in which an advert would have come");
}

#[test]
fn a_timer_judged_long_after_its_time_is_put_off_once() {
    let mut bench = backup();
    bench.pass_to_due();
    bench.freeze(SECOND * 2);
    bench.settle();
    assert_eq!(bench.log(), "", "the whole host may have stood still");
    assert_eq!(bench.notices, [Notice::Stalled { late: SECOND * 2 }]);
    assert_eq!(bench.due_in(), SECOND + skew());
    bench.pass_to_due();
    bench.freeze(SECOND * 2);
    bench.settle();
    assert_eq!(bench.log(), "!100 + B>A *", "a host that is always late must not wait for ever");
}

#[test]
fn an_advert_after_a_stall_makes_the_next_stall_count_anew() {
    let mut bench = backup();
    for _ in 0..3 {
        bench.pass_to_due();
        bench.freeze(SECOND * 2);
        bench.settle();
        assert_eq!(bench.router.state(), State::Backup);
        bench.hear(GREATER, 150);
    }
    assert_eq!(bench.router.status().stats.stalls, 3);
}

#[test]
fn a_little_lateness_is_no_stall() {
    let mut bench = backup();
    bench.pass_to_due();
    bench.freeze(ms(900));
    bench.settle();
    assert_eq!(bench.log(), "!100 + B>A *");
}

#[test]
fn an_active_router_hears_a_better_one_before_it_speaks_after_a_stall() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.freeze(SECOND * 20);
    let message = bench.advert(GREATER, 150);
    bench.deliver(GREATER, &message);
    bench.settle();
    assert_eq!(bench.log(), "- A>B", "not a single advert went out");
}

#[test]
fn an_active_router_waits_for_its_inbox_after_a_stall() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.freeze(SECOND * 20);
    bench.router.handle_timeout(Inbox::MayHoldMore, bench.now);
    bench.act();
    assert_eq!(bench.log(), "");
    bench.router.handle_timeout(Inbox::Drained, bench.now);
    bench.act();
    assert_eq!(bench.log(), "!100");
}

#[test]
fn an_active_router_that_stood_still_says_so_and_a_rival_is_news_again() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    let late = SECOND * 19;
    let is_rival = |notice: &&Notice| matches!(notice, Notice::Rival(_));
    for (stalls, waiting) in [(1, true), (2, true), (3, false), (4, false)] {
        bench.freeze(SECOND * 20);
        for _ in 0..3 {
            // Of a process that stood still adverts wait in the socket, of a machine they don't.
            let message = bench.advert(LESSER, 50);
            if !waiting {
                bench.settle();
            }
            bench.deliver(LESSER, &message);
        }
        bench.settle();
        bench.hear(LESSER, 50);
        assert_eq!(bench.notices.iter().filter(is_rival).count(), 1, "{:?}", bench.notices);
        assert!(bench.notices.contains(&Notice::Stalled { late }), "{:?}", bench.notices);
        assert_eq!(bench.router.status().stats.stalls, stalls);
        bench.clear();
    }
}

#[test]
fn an_active_router_that_is_a_little_late_has_not_stood_still() {
    for missed in [1, 3] {
        let down_timer_adverts = DownTimerAdverts::new(missed).unwrap();
        let behaviour = Behaviour { down_timer_adverts, ..preempting(Preempt::Never) };
        let mut bench = Bench::active(config(v3(100), behaviour), well(100));
        for _ in 0..10 {
            bench.pass_to_due();
            bench.freeze(ms(900));
            bench.settle();
        }
        assert_eq!(bench.router.state(), State::Active);
        assert_eq!((bench.router.status().stats.stalls, &bench.causes[..]), (0, &[][..]));
    }
}

#[test]
fn a_full_inbox_does_not_keep_an_active_router_from_speaking() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    for _ in 0..5 {
        bench.pass_to_due();
        bench.router.handle_timeout(Inbox::MayHoldMore, bench.now);
        bench.act();
    }
    assert_eq!(bench.log(), "!100 !100 !100 !100 !100");
}

#[test]
fn with_nopreempt_a_router_that_was_silent_too_long_steps_back() {
    let mut bench = Bench::active(config(v3(100), preempting(Preempt::Never)), well(100));
    bench.freeze(SECOND * 4);
    bench.settle();
    assert_eq!(bench.log(), "- A>B");
    let expected = Cause::OwnStall { silent: SECOND * 4, by: None };
    assert!(matches!(bench.causes[..], [Cause::OwnStall { by: None, .. }]), "{expected:?}");
    bench.pass(SECOND + skew());
    assert_eq!(bench.log(), "!100 + B>A *", "nobody had taken over");
}

#[test]
fn with_nopreempt_whoever_took_over_during_a_stall_keeps_the_addresses() {
    let mut bench = Bench::active(config(v3(100), preempting(Preempt::Never)), well(100));
    bench.freeze(SECOND * 5);
    let message = bench.advert(LESSER, 50);
    bench.deliver(LESSER, &message);
    bench.settle();
    assert_eq!(bench.log(), "- A>B");
    for _ in 0..10 {
        bench.pass(SECOND);
        bench.hear(LESSER, 50);
    }
    assert_eq!(bench.log(), "");
}

#[test]
fn a_clock_that_stands_or_goes_back_does_no_harm() {
    let mut bench = backup();
    let past = bench.now.checked_sub(ms(500)).unwrap();
    let message = bench.advert(GREATER, 150);
    let destination = crate::packet::GROUP_V4.into();
    let datagram =
        Datagram { source: ip(GREATER), destination, hop_limit: HOP_LIMIT, message: &message };
    bench.router.handle_datagram(&datagram, past);
    bench.router.handle_timeout(Inbox::Drained, past);
    bench.settle();
    assert_eq!(bench.log(), "");
    let mut active = Bench::active(config(v3(100), Behaviour::default()), well(100));
    let past = active.now.checked_sub(SECOND * 5).unwrap();
    active.router.handle_timeout(Inbox::Drained, past);
    active.settle();
    assert_eq!(active.router.state(), State::Active);
}
