//! Two halbs, and what they can do that VRRP alone can't: hand over without a gap.

use std::time::{Duration, Instant};

use halb_lab::eventually;

use crate::support::PATIENCE;
use crate::support::key::Key;
use crate::support::member::{Kind, Member};
use crate::support::router::{Router, VIP};
use crate::support::segment::{Segment, with_each_pair};

/// Two halbs with a link between them.
pub(crate) fn linked(segment: &Segment, keys: [&Key; 2]) -> [Member; 2] {
    let members = [0, 1].map(|number| start_linked(segment, keys[number], number));
    segment.wait_for_holder(0);
    members
}

/// One of them.
pub(crate) fn start_linked(segment: &Segment, key: &Key, number: usize) -> Member {
    let priority = if number == 0 { 101 } else { 100 };
    let router = Router {
        // Long enough that no timer of VRRP can be taken for a hand-over.
        interval: Duration::from_secs(1),
        peer: Some(key.peer(&segment.balancers[1 - number])),
        ..Router::fast(priority)
    };
    segment.start(number, Kind::Halb, &router)
}

/// The client has missed nothing since a moment.
fn nothing_was_lost(segment: &Segment, since: Instant) {
    let outages = segment.prober.outages_since(since);
    assert!(outages.is_empty(), "lost on the way: {outages:?}");
}

#[test]
#[ignore = "needs root"]
fn a_node_that_yields_or_stops_hands_over_without_a_gap() {
    let segment = Segment::with(VIP, Duration::from_millis(1));
    let key = Key::new();
    let [one, other] = linked(&segment, [&key, &key]);
    one.wait_for_link();
    other.wait_for_link();
    let begun = Instant::now();
    one.halb().done(&["vip", "yield"]);
    segment.wait_for_holder(1);
    nothing_was_lost(&segment, begun);

    one.halb().done(&["vip", "resume"]);
    segment.wait_for_holder(0);
    let begun = Instant::now();
    one.stop();
    segment.wait_for_holder(1);
    nothing_was_lost(&segment, begun);
    assert_eq!(other.faults(), Vec::<String>::new());
}

#[test]
#[ignore = "needs root"]
fn a_link_with_two_different_keys_harms_nothing_and_is_named() {
    let segment = Segment::new();
    let keys =
        [Key::new(), Key::of("c3f1a9e07d5b2846903b7c1e5fd24a86e1907b3c5d2f4a6880f3e2d1c4b5a697")];
    let [one, other] = linked(&segment, keys.each_ref());
    segment.stays_for(Duration::from_secs(1));
    for member in [&one, &other] {
        eventually("the key is named", PATIENCE, || {
            let said = member.halb().files().halb(&["vip", "explain"]).text;
            if said.contains("key") { Ok(()) } else { Err(said) }
        });
    }
    one.stop();
    segment.wait_for_holder(1);
}

#[test]
#[ignore = "needs root and keepalived"]
fn an_operator_gives_the_address_away_and_takes_it_back() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let members = segment.pair(kinds, Router::fast);
        let number = usize::from(kinds[0] != Kind::Halb);
        if number == 1 {
            // The one that yields holds the address at first.
            members[0].reload(&Router::fast(99));
            segment.wait_for_holder(1);
        }
        let halb = members[number].halb();
        // A backup is silent, so that halb can't know that it is there.
        halb.done(&["vip", "yield", "--force"]);
        segment.wait_for_holder(1 - number);
        segment.stays_for(Duration::from_millis(500));
        halb.done(&["vip", "resume"]);
        segment.wait_for_holder(number);
    });
}
