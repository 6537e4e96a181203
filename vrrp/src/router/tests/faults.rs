//! Starts, faults and what comes after them.

use super::*;

fn down() -> Duration {
    down_interval(100, config(v3(100), Behaviour::default()).interval())
}

#[test]
fn a_start_up_delay_ignores_adverts_and_promotes_nobody() {
    let behaviour = Behaviour { startup_delay: SECOND * 30, ..Behaviour::default() };
    let mut bench = Bench::new(config(v3(100), behaviour), well(100));
    bench.link(true, Some(OWN));
    bench.router.handle_start(bench.now);
    bench.settle();
    bench.hear(GREATER, 0);
    bench.pass(ms(29_999));
    assert_eq!(bench.log(), "-", "what an earlier life left behind is removed");
    assert_eq!(bench.router.status().stats.ignored, 1);
    bench.pass(ms(1));
    assert_eq!(bench.log(), "I>B");
    assert_eq!(bench.due_in(), down());
}

#[test]
fn an_owner_waits_for_its_start_up_delay_too() {
    let behaviour = Behaviour { startup_delay: SECOND * 30, ..Behaviour::default() };
    let mut bench = Bench::new(config(v3(100), behaviour), well(255));
    bench.link(true, Some(OWN));
    bench.router.handle_start(bench.now);
    bench.pass(SECOND * 29);
    assert_eq!(bench.log(), "");
    bench.pass(SECOND);
    assert_eq!(bench.log(), "!255 + I>A *");
}

#[test]
fn the_start_waits_for_the_first_result_of_a_tracker_with_weight_0() {
    let pending = tracking(0).standing(BasePriority::new(100).unwrap());
    let mut bench = Bench::new(config(v3(100), Behaviour::default()), pending);
    bench.link(true, Some(OWN));
    bench.router.handle_start(bench.now);
    bench.settle();
    bench.pass(SECOND * 100);
    assert_eq!(bench.log(), "-");
    assert_eq!(bench.router.state(), State::Initialize);
    bench.stand(sick(100, 0));
    assert_eq!(bench.log(), "I>F");
}

#[test]
fn without_link_or_address_a_start_ends_in_fault_until_both_are_there() {
    let mut bench = Bench::new(config(v3(100), Behaviour::default()), well(100));
    bench.router.handle_start(bench.now);
    bench.settle();
    assert_eq!(bench.log(), "- I>F");
    bench.link(true, None);
    assert_eq!(bench.log(), "");
    assert_eq!(bench.router.status().fault, Some(FaultReason::NoSource));
    bench.pass(SECOND * 100);
    bench.link(true, Some(OWN));
    assert_eq!(bench.log(), "F>B");
    assert_eq!(bench.due_in(), down(), "a full wait from now");
}

#[test]
fn a_virtual_address_is_no_source() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.link(true, Some(VIP));
    assert_eq!(bench.log(), "B>F");
    bench.link(true, Some("fe80::1"));
    assert_eq!(bench.router.status().fault, Some(FaultReason::NoSource));
}

#[test]
fn a_flapping_link_promotes_only_a_down_interval_after_it_is_up() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.link(false, Some(OWN));
    assert_eq!(bench.log(), "!0 - A>F");
    bench.pass(SECOND);
    bench.link(true, Some(OWN));
    bench.pass(down() - ms(1));
    assert_eq!(bench.log(), "F>B");
    bench.pass(ms(1));
    assert_eq!(bench.log(), "!100 + B>A *", "announced anew");
}

#[test]
fn the_last_word_goes_out_from_the_address_that_is_vanishing() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.link(false, None);
    assert_eq!(bench.sent[0].source, ip(OWN));
    assert_eq!(bench.sent[0].advert.priority, Priority::RELEASE);
}

#[test]
fn removed_addresses_are_put_back_five_times_a_minute_and_then_left_to_another_node() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    let lose = |bench: &mut Bench| {
        bench.router.handle_addresses(AddressReport::Lost, bench.now);
        bench.settle();
    };
    for _ in 0..5 {
        lose(&mut bench);
        assert_eq!(bench.log(), "+ *");
    }
    bench.pass(SECOND * 60);
    bench.clear();
    for _ in 0..5 {
        lose(&mut bench);
    }
    assert_eq!(bench.log(), "+ * + * + * + * + *", "a minute later it may again");
    lose(&mut bench);
    assert_eq!(bench.log(), "!0 - A>F");
    assert_eq!(bench.causes, [Cause::Fault(FaultReason::AddressesContested)]);
    assert_eq!(bench.router.status().stats.repairs, 10);
    bench.pass(down());
    assert_eq!(bench.log(), "F>B", "it tries again after the others had their time");
}

#[test]
fn three_adverts_in_a_row_that_cannot_be_sent_are_a_fault_and_two_are_none() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    for succeeded in [false, false, true, false, false] {
        bench.router.handle_sent(succeeded, bench.now);
    }
    bench.settle();
    assert_eq!(bench.router.state(), State::Active);
    bench.router.handle_sent(false, bench.now);
    bench.settle();
    assert_eq!(bench.causes, [Cause::Fault(FaultReason::SendFailures)]);
}

#[test]
fn a_node_that_can_not_send_or_hold_tries_ever_less_often_until_it_could_for_long() {
    for refused in [false, true] {
        let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
        let mut rest = || {
            if refused {
                bench.router.handle_addresses(AddressReport::Refused, bench.now);
            } else {
                (0..3).for_each(|_| bench.router.handle_sent(false, bench.now));
            }
            bench.settle();
            assert_eq!(bench.router.state(), State::Fault);
            let begun = bench.now;
            while bench.router.state() == State::Fault {
                bench.pass_to_due();
                bench.settle();
            }
            let rest = bench.now - begun;
            bench.pass(down());
            assert_eq!(bench.router.state(), State::Active, "nobody else is there");
            rest
        };
        for doubled in [1, 2, 4, 8, 16, 32] {
            assert_eq!(rest(), down() * doubled);
        }
        assert_eq!((rest(), rest()), (SECOND * 120, SECOND * 120), "and not for ever");
        bench.pass(SECOND * 300);
        bench.router.handle_addresses(AddressReport::Refused, bench.now);
        bench.settle();
        assert_eq!(bench.due_in(), down(), "a fault of its own");
    }
}

fn lose_until_it_gives_up(bench: &mut Bench) {
    while bench.router.state() == State::Active {
        bench.router.handle_addresses(AddressReport::Lost, bench.now);
        bench.settle();
    }
    assert_eq!(bench.causes.last(), Some(&Cause::Fault(FaultReason::AddressesContested)));
    bench.clear();
}

#[test]
fn after_a_fight_over_the_addresses_a_worse_node_keeps_them_for_a_minute() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    lose_until_it_gives_up(&mut bench);
    for _ in 0..59 {
        bench.pass(SECOND);
        bench.hear(LESSER, 90);
    }
    assert_eq!(bench.log(), "F>B");
    for _ in 0..10 {
        bench.pass(SECOND);
        bench.hear(LESSER, 90);
    }
    assert_eq!(bench.router.state(), State::Active, "then it preempts as ever");
}

#[test]
fn repairs_of_before_count_when_a_dead_node_is_replaced() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    lose_until_it_gives_up(&mut bench);
    bench.pass(down() * 2);
    assert_eq!(bench.log(), "F>B !100 + B>A *", "better than nobody");
    bench.router.handle_addresses(AddressReport::Lost, bench.now);
    bench.settle();
    assert_eq!(bench.log(), "!0 - A>F", "the fight goes on, and not five repairs more");
    assert_eq!(bench.router.status().stats.repairs, 5);
}

#[test]
fn a_stop_says_so_before_the_addresses_go() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.router.handle_stop(bench.now);
    bench.settle();
    assert_eq!(bench.log(), "!0 - A>I");
    bench.hear(GREATER, 0);
    bench.pass(SECOND * 100);
    assert_eq!(bench.log(), "", "and nothing more is done");
}

#[test]
fn a_thawed_router_whose_guard_acted_is_a_backup() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.freeze(SECOND * 30);
    bench.router.handle_revoked(bench.now);
    bench.settle();
    assert_eq!(bench.log(), "- A>B");
    assert_eq!(bench.due_in(), down());
    bench.router.handle_revoked(bench.now);
    bench.settle();
    assert_eq!(bench.log(), "", "revoking what isn't held is nothing");
}

#[test]
fn a_failed_tracker_is_a_fault_that_still_listens_and_recovers_without_a_new_wait() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.hear(GREATER, 150);
    bench.stand(sick(100, 0));
    assert_eq!(bench.log(), "B>F");
    assert_eq!(bench.causes, [Cause::TrackerFailed]);
    bench.pass(SECOND);
    bench.hear(GREATER, 2);
    let last = down_interval(1, bench.router.config().interval());
    assert_eq!(bench.due_in(), last, "behind everybody else");
    bench.pass(SECOND);
    bench.stand(well(100));
    assert_eq!(bench.log(), "F>B");
    assert_eq!(bench.due_in(), down() - SECOND);
}

#[test]
fn the_journal_is_bounded_and_keeps_the_latest() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    for round in 0..100 {
        bench.link(round % 2 == 1, Some(OWN));
    }
    let journal = bench.router.journal();
    assert_eq!(journal.iter().count(), JOURNAL_LEN);
    assert_eq!(journal.total(), 101);
    assert_eq!(journal.last().unwrap().cause, Cause::Recovered);
}
