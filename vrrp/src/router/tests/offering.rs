//! A node that can't serve as it should: it offers the addresses and keeps them until they are
//! taken.

use super::*;

fn active() -> Bench {
    Bench::active(config(v3(100), Behaviour::default()), well(100))
}

/// An active router that has heard this peer.
fn active_knowing(priority: u8) -> Bench {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.hear(GREATER, priority);
    bench.pass(SECOND * 10);
    assert_eq!(bench.router.state(), State::Active);
    bench.clear();
    bench
}

#[test]
fn lost_readiness_is_advertised_as_0_at_once_and_the_addresses_stay() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!0");
    assert_eq!(bench.router.state(), State::Active);
}

#[test]
fn the_addresses_go_when_a_better_router_is_heard() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    bench.pass(ms(600));
    bench.hear(LESSER, 99);
    assert_eq!(bench.log(), "!0 - A>B");
}

#[test]
fn if_nobody_takes_them_it_goes_on_with_the_lowered_priority() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    let skew = timers::skew(Priority::new(98), bench.router.config().interval());
    bench.pass(skew + SECOND * 2 - ms(1));
    assert_eq!(bench.log(), "!0 !0 !0", "each interval");
    bench.pass(ms(1));
    assert_eq!(bench.log(), "!98");
    bench.pass(SECOND * 3);
    assert_eq!(bench.log(), "!98 !98 !98");
}

#[test]
fn a_peer_that_is_no_better_gets_the_addresses_back_out_of_its_hands() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    bench.pass(ms(600));
    bench.hear(GREATER, 97);
    assert_eq!(bench.log(), "!0 !98 *");
}

#[test]
fn nothing_is_offered_to_a_peer_that_is_known_to_be_no_better() {
    let mut bench = active_knowing(90);
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!98", "the lower priority is said at once all the same");
    bench.stand(sick(100, -20));
    assert_eq!(bench.log(), "!0");
}

#[test]
fn a_peer_s_priority_is_remembered_past_its_release_and_a_release_alone_tells_none() {
    let mut bench = active_knowing(90);
    bench.hear(GREATER, 0);
    bench.clear();
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!98");

    let mut bench = active();
    bench.hear(GREATER, 0);
    bench.clear();
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!0");
}

#[test]
fn what_a_silent_peer_said_long_ago_does_not_keep_the_addresses_from_it() {
    for priority in [90, 2] {
        let mut bench = active_knowing(priority);
        bench.pass(ms(4_999));
        bench.clear();
        bench.stand(sick(100, -2));
        assert_eq!(bench.log(), "!98", "what was heard within 15 s still holds");

        let mut bench = active_knowing(priority);
        bench.pass(ms(5_000));
        bench.clear();
        bench.stand(sick(100, -2));
        assert_eq!(bench.log(), "!0", "it may be well again");
        bench.hear(GREATER, priority);
        assert_eq!(bench.log(), "!98 *");
        bench.stand(well(100));
        bench.stand(sick(100, -2));
        assert_eq!(bench.log(), "!100 !98", "it has answered, and isn't asked again at once");
    }
}

#[test]
fn with_long_intervals_a_peer_s_advert_counts_as_long_as_a_backup_would_listen() {
    let mut bench = Bench::backup(config(v3(4095), Behaviour::default()), well(100));
    bench.hear(GREATER, 90);
    bench.pass(SECOND * 160);
    assert_eq!(bench.router.state(), State::Active);
    bench.clear();
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!98");
}

#[test]
fn readiness_that_returns_ends_the_offer() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    bench.pass(ms(100));
    bench.stand(well(100));
    assert_eq!(bench.log(), "!0 !100");
}

#[test]
fn an_offer_ends_with_the_sickness_even_if_the_priority_stays() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    bench.stand(well(98));
    assert_eq!(bench.log(), "!0 !98");
}

#[test]
fn an_offer_ends_once_no_known_peer_would_win_any_more() {
    let mut bench = active_knowing(99);
    bench.stand(sick(100, -2));
    bench.stand(sick(105, -2));
    assert_eq!(bench.log(), "!0 !103", "sick still, and better than whom it was offered to");
}

#[test]
fn a_second_loss_does_not_prolong_an_offer_that_stands() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    let until = bench.router.status().offer;
    bench.pass(SECOND);
    bench.stand(sick(100, -20));
    assert_eq!(bench.router.status().offer, until);
}

#[test]
fn a_raised_priority_is_said_at_once() {
    let mut bench = active();
    bench.pass(ms(300));
    bench.stand(well(110));
    assert_eq!(bench.log(), "!110");
}

#[test]
fn a_failed_node_keeps_the_addresses_if_nobody_else_takes_them() {
    let mut bench = active();
    bench.stand(sick(100, 0));
    bench.pass(SECOND * 10);
    let log = bench.log();
    assert!(log.starts_with("!0 !0 !0 !1 !1"), "{log}");
    assert_eq!(bench.router.state(), State::Active);
    bench.hear(LESSER, 2);
    assert_eq!(bench.log(), "- A>F");
}

#[test]
fn a_failed_node_takes_the_addresses_if_nobody_else_does() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.stand(sick(100, 0));
    bench.pass(SECOND * 4);
    assert_eq!(bench.log(), "B>F !1 + F>A *");
}

#[test]
fn a_sick_backup_leaves_a_healthier_one_the_time_to_answer_a_release() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.stand(sick(100, -2));
    bench.hear(GREATER, 150);
    for _ in 0..3 {
        bench.hear(GREATER, 0);
        let skew = timers::skew(Priority::new(98), bench.router.config().interval());
        assert_eq!(bench.due_in(), skew + SECOND, "a repeated offer keeps it waiting");
        bench.pass(SECOND);
    }
    assert_eq!(bench.log(), "");
    bench.pass(SECOND);
    assert_eq!(bench.log(), "!98 + B>A *", "one that is not repeated was a farewell");
}

#[test]
fn with_nopreempt_a_backup_answers_an_offer_too() {
    let mut bench = Bench::backup(config(v3(100), preempting(Preempt::Never)), well(100));
    bench.hear(GREATER, 98);
    bench.hear(GREATER, 0);
    bench.pass(SECOND);
    assert_eq!(bench.log(), "!100 + B>A *");
}

#[test]
fn an_owner_with_a_failed_tracker_offers_like_others() {
    let mut bench = Bench::new(config(v3(100), Behaviour::default()), well(255));
    bench.link(true, Some(OWN));
    bench.router.handle_start(bench.now);
    bench.settle();
    bench.clear();
    bench.stand(sick(255, 0));
    assert_eq!(bench.log(), "!0");
    bench.hear(LESSER, 100);
    assert_eq!(bench.log(), "- A>F");
}
