//! Addresses that others meddle with, and the announcements that tell the segment where one is.

use std::time::{Duration, Instant};

use halb_lab::eventually;

use crate::support::PATIENCE;
use crate::support::member::Kind;
use crate::support::router::{Router, VIP};
use crate::support::segment::Segment;

/// The address as halb puts it on the interface.
const ON_INTERFACE: &str = "172.16.16.100/32";

#[test]
#[ignore = "needs root and keepalived"]
fn an_address_that_somebody_removes_is_put_back_without_an_election() {
    let segment = Segment::new();
    let members = segment.pair([Kind::Halb, Kind::Keepalived], Router::fast);
    let (mark, removed) = (segment.seen.mark(), Instant::now());
    segment.balancers[0].remove_address(ON_INTERFACE).unwrap();
    eventually("it is back", PATIENCE, || segment.watches[0].last(VIP, true, removed));
    segment.wait_for_holder(0);
    let back = segment.watches[0].last(VIP, true, removed).unwrap();
    eventually("it is announced again", PATIENCE, || {
        segment.seen.claims_since(mark).iter().any(|claim| claim.at > back && claim.gratuitous)
    });
    assert!(segment.adverts_of(0, mark).iter().all(|advert| advert.priority == 101));
    assert_eq!(segment.adverts_of(1, mark), []);
    assert_eq!(members[1].faults(), Vec::<String>::new());
}

#[test]
#[ignore = "needs root and keepalived"]
fn an_address_that_was_left_behind_goes_before_the_node_takes_part() {
    let segment = Segment::new();
    let _active = segment.start(1, Kind::Keepalived, &Router::fast(101));
    segment.wait_for_holder(1);
    segment.balancers[0].add_address(ON_INTERFACE).unwrap();
    let started = Instant::now();
    let _halb = segment.start(0, Kind::Halb, &Router::fast(100));
    segment.wait_for_holder(1);
    assert!(segment.watches[0].last(VIP, false, started).is_some());
    segment.stays_for(Duration::from_secs(1));
    assert_eq!(segment.adverts_of(0, 0), []);
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_takeover_is_told_first_in_an_advert_and_then_in_both_forms_of_arp() {
    let segment = Segment::new();
    let members = segment.pair([Kind::Keepalived, Kind::Halb], Router::fast);
    let mark = segment.seen.mark();
    members[0].stop();
    segment.wait_for_holder(1);
    let advert = segment.adverts_of(1, mark).remove(0);
    let ours = || {
        let claims = segment.seen.claims_since(mark).into_iter();
        let ours = claims.filter(|claim| claim.hardware == advert.hardware && claim.gratuitous);
        ours.filter(|claim| claim.address == VIP).collect::<Vec<_>>()
    };
    eventually("five of each form", PATIENCE, || {
        let claims = ours();
        let replies = claims.iter().filter(|claim| claim.reply).count();
        if replies >= 5 && claims.len() - replies >= 5 { Ok(()) } else { Err(claims) }
    });
    assert!(ours().iter().all(|claim| claim.at >= advert.at), "announced before the advert");
}

#[test]
#[ignore = "needs root"]
fn a_node_that_offers_its_address_leaves_the_last_word_on_it_to_the_other() {
    const REPEATS: u8 = 100;
    let segment = Segment::new();
    let halb = |number, priority| {
        let router = Router { announcements: Some(REPEATS), ..Router::fast(priority) };
        segment.start(number, Kind::Halb, &router)
    };
    let members = [halb(0, 101), halb(1, 100)];
    segment.wait_for_holder(0);
    // Both announce for two seconds. Without a link between them the address is kept for a skew
    // time after it is offered.
    members[0].halb().done(&["vip", "yield", "--force"]);
    segment.wait_for_holder(1);
    let adverts = segment.adverts_of(0, 0);
    let offer = adverts.iter().find(|advert| advert.priority == 0).unwrap();
    let claims = segment.seen.claims_since(0).into_iter().filter(|claim| claim.gratuitous);
    let (before, after): (Vec<_>, Vec<_>) =
        claims.filter(|one| one.hardware == offer.hardware).partition(|one| one.at < offer.at);
    assert!(before.len() < usize::from(REPEATS) * 2, "it had repeated all of them");
    assert_eq!(after, []);
}

#[test]
#[ignore = "needs root"]
fn a_takeover_of_ipv6_addresses_is_told_in_neighbour_advertisements() {
    let addresses = ["fe80::100", "fd00::100"].map(|text| text.parse().unwrap());
    let router = Router { addresses: addresses.to_vec(), ..Router::fast(100) };
    let segment = Segment::with(addresses[1], Duration::from_millis(5));
    let _halb = segment.start(0, Kind::Halb, &router);
    segment.wait_for_holder(0);
    for address in addresses {
        eventually(&format!("{address} is announced"), PATIENCE, || {
            let claims = segment.seen.claims_since(0);
            claims.iter().any(|claim| claim.address == address && claim.gratuitous && claim.reply)
        });
    }
}
