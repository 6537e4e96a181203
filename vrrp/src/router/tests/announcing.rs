//! When the segment is told where the addresses are.

use super::*;

#[test]
fn nothing_is_announced_before_the_kernel_has_the_addresses() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.obedient = false;
    bench.pass(SECOND * 5);
    assert!(bench.log().starts_with("!100 + B>A !100"));
    bench.router.handle_addresses(AddressReport::Installed, bench.now);
    bench.settle();
    assert_eq!(bench.log(), "*");
}

#[test]
fn a_second_announcement_follows_after_five_seconds_and_no_third() {
    let mut bench = Bench::backup(config(v2(255), Behaviour::default()), well(100));
    bench.pass_to_due();
    bench.settle();
    assert_eq!(bench.log(), "!100 + B>A *");
    bench.pass(ms(4_999));
    assert_eq!(bench.log(), "");
    bench.pass(ms(1));
    assert_eq!(bench.log(), "*");
    bench.pass(SECOND * 200);
    assert_eq!(bench.log(), "");
}

#[test]
fn the_second_announcement_is_dropped_with_the_addresses() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.pass_to_due();
    bench.settle();
    bench.hear(GREATER, 200);
    assert_eq!(bench.log(), "!100 + B>A * - A>B");
    for _ in 0..10 {
        bench.pass(SECOND);
        bench.hear(GREATER, 200);
    }
    assert_eq!(bench.log(), "");
}

#[test]
fn a_losing_advert_is_answered_with_an_advert_and_announcements_now_and_later() {
    let mut bench = Bench::active(config(v2(255), Behaviour::default()), well(100));
    bench.hear(GREATER, 50);
    assert_eq!(bench.log(), "!100 *");
    bench.pass(SECOND * 6);
    assert_eq!(bench.log(), "*");
}

#[test]
fn a_flood_of_losing_adverts_makes_no_flood_of_announcements() {
    let mut bench = Bench::active(config(v2(255), Behaviour::default()), well(100));
    for _ in 0..100 {
        bench.hear(GREATER, 50);
        bench.pass(ms(10));
    }
    let announced = bench.log().matches('*').count();
    assert_eq!(announced, 5, "four at once, the next when the second is over");
    assert_eq!(bench.notices.len(), 1, "and one word");
}

#[test]
fn a_rival_that_falls_silent_after_many_adverts_is_followed_by_an_announcement_at_once() {
    let mut bench = Bench::active(config(v3(1), Behaviour::default()), well(100));
    for _ in 0..30 {
        bench.hear(GREATER, 50);
        bench.pass(ms(10));
    }
    assert_eq!(bench.log().matches('*').count(), 4, "while it speaks only so often");
    bench.pass(ms(10));
    assert_eq!(bench.log().matches('*').count(), 1, "it has yielded, or it is gone");
}

#[test]
fn adverts_with_pauses_make_no_flood_of_announcements_either() {
    let mut bench = Bench::active(config(v2(255), Behaviour::default()), well(100));
    for _ in 0..100 {
        bench.hear(GREATER, 50);
        bench.pass(ms(30));
    }
    let announced = bench.log().matches('*').count();
    assert!(announced <= 3 * (4 + 10), "{announced} in three seconds");
}

#[test]
fn a_refresh_repeats_for_as_long_as_the_router_is_active() {
    let announcements = Announcements { refresh: Some(SECOND * 60), ..Announcements::default() };
    let behaviour = Behaviour { announcements, ..Behaviour::default() };
    let mut bench = Bench::active(config(v2(255), behaviour), well(100));
    bench.pass(SECOND * 600);
    assert_eq!(bench.log().matches('*').count(), 10);
}

#[test]
fn while_removed_addresses_are_being_put_back_nothing_is_announced() {
    let mut bench = Bench::active(config(v2(255), Behaviour::default()), well(100));
    bench.obedient = false;
    bench.router.handle_addresses(AddressReport::Lost, bench.now);
    bench.settle();
    bench.hear(GREATER, 50);
    assert_eq!(bench.log(), "+ !100");
    bench.router.handle_addresses(AddressReport::Installed, bench.now);
    bench.settle();
    assert_eq!(bench.log(), "*");
}
