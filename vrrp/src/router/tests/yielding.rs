//! An operator gives the addresses away, and takes that back.

use super::*;

fn active() -> Bench {
    Bench::active(config(v3(100), Behaviour::default()), well(100))
}

#[test]
fn addresses_that_are_given_away_are_offered_and_go_when_another_router_is_heard() {
    let mut bench = active();
    bench.order(Router::give_away);
    assert_eq!(bench.log(), "!0");
    assert!(bench.router.status().yielded && bench.router.is_offering());
    let reason = bench.router.status().offer.map(|offer| offer.reason);
    assert_eq!(reason, Some(OfferReason::Yielded));
    bench.pass(ms(600));
    bench.hear(LESSER, 90);
    assert_eq!(bench.log(), "- A>B");
    let Cause::HandedOver { to, reason } = bench.causes[0] else { panic!("{:?}", bench.causes) };
    assert_eq!((to.source, reason), (ip(LESSER), OfferReason::Yielded));
    let text = bench.router.journal().last().unwrap().to_string();
    let expected = "active -> backup: handed over to 172.16.16.50 with priority 90: an operator \
                    gave them away (priority 100, given away = 2)";
    assert_eq!(text, expected);
}

#[test]
fn if_nobody_takes_them_the_node_goes_on_as_the_last_but_one_resort() {
    let mut bench = active();
    bench.order(Router::give_away);
    bench.pass(SECOND * 10);
    let log = bench.log();
    assert!(log.starts_with("!0 !0 !0 !2 !2"), "{log}");
    bench.hear(GREATER, 1);
    assert_eq!(bench.log(), "!2 *", "a node that has failed is no one to give them to");
    bench.hear(LESSER, 3);
    assert_eq!(bench.log(), "- A>B");
}

#[test]
fn who_is_known_to_have_yielded_too_or_to_be_worse_is_not_offered_anything_and_named() {
    let source = ip(LESSER);
    let mut bench = Bench::active(config(v3(100), linked()), well(100));
    bench.overhear(Word { yielded: true, ..word(LESSER, 2, Health::Well) });
    bench.order(Router::give_away);
    assert_eq!(bench.log(), "!2");
    assert_eq!(bench.router.status().kept, Some(Kept::YieldedToo { source }));
    bench.order(Router::resume);
    assert_eq!(bench.router.status().kept, None);

    let mut bench = active();
    bench.hear(LESSER, 1);
    bench.clear();
    bench.order(Router::give_away);
    assert_eq!(bench.log(), "!2");
    let priority = Priority::LAST_RESORT;
    assert_eq!(bench.router.status().kept, Some(Kept::NoBetter { source, priority }));
    bench.pass(SECOND * 15);
    bench.order(Router::give_away);
    assert!(bench.router.is_offering(), "it may be well again");
    assert_eq!(bench.router.status().kept, None);
}

#[test]
fn what_was_given_away_is_taken_back_by_order_only() {
    let mut bench = active();
    bench.order(Router::give_away);
    bench.hear(GREATER, 90);
    bench.clear();
    for _ in 0..20 {
        bench.pass(SECOND);
        bench.hear(GREATER, 90);
    }
    bench.stand(well(100));
    let changed = config(v3(100), Behaviour::default());
    bench.router.handle_config(changed, well(120), bench.now).unwrap();
    bench.order(Router::handle_stop);
    bench.order(Router::handle_start);
    bench.hear(GREATER, 90);
    bench.pass(SECOND * 3);
    assert_eq!(bench.log(), "B>I - I>B", "neither trackers, nor a reload, nor a restart");
    assert_eq!(bench.router.status().standing.effective, Priority::YIELDED);
    bench.order(Router::resume);
    assert!(!bench.router.status().yielded);
    bench.hear(GREATER, 90);
    bench.pass(SECOND * 4);
    assert!(bench.log().starts_with("!120 + B>A *"), "then it preempts as ever");
}

#[test]
fn resuming_ends_the_offer_at_once() {
    let mut bench = active();
    bench.order(Router::give_away);
    bench.order(Router::resume);
    assert_eq!(bench.log(), "!0 !100");
    assert!(!bench.router.is_offering());
}

#[test]
fn a_node_that_has_yielded_still_serves_if_nobody_else_does() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.order(Router::give_away);
    bench.pass(SECOND * 4);
    assert_eq!(bench.log(), "!2 + B>A *");
}

#[test]
fn a_node_that_has_yielded_and_fails_is_the_last_resort() {
    let mut bench = active();
    bench.order(Router::give_away);
    bench.pass(SECOND * 4);
    bench.stand(sick(100, 0));
    assert_eq!(bench.router.status().standing.effective, Priority::LAST_RESORT);
    let text = bench.router.status().standing.to_string();
    assert_eq!(text, "100, failed (frontend 'kubernetes'), given away = 1");
}

#[test]
fn a_router_of_the_least_priority_gives_away_to_whoever_is_better_all_the_same() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(1));
    bench.order(Router::give_away);
    assert_eq!(bench.log(), "!0", "although its priority can't fall");
    assert_eq!(bench.router.status().standing.effective.get(), 1);
}

#[test]
fn an_owner_can_give_its_addresses_away() {
    let mut bench = Bench::new(config(v3(100), Behaviour::default()), well(255));
    bench.link(true, Some(OWN));
    bench.order(Router::handle_start);
    bench.clear();
    bench.order(Router::give_away);
    bench.hear(LESSER, 100);
    assert_eq!(bench.log(), "!0 - A>B");
}
