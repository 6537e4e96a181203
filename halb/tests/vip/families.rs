//! Unicast, IPv6, and FRR's vrrpd, which reads the RFCs in its own way.

use std::net::IpAddr;
use std::time::Duration;

use halb_lab::Capture;

use crate::support::PATIENCE;
use crate::support::member::Kind;
use crate::support::router::Router;
use crate::support::segment::{Segment, with_each_pair};

#[test]
#[ignore = "needs root and keepalived"]
fn adverts_to_one_peer_elect_without_multicast() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let at_the_other = Capture::start(&segment.balancers[1]).unwrap();
        let own = segment.balancers.each_ref().map(halb_lab::Host::ip);
        let router = |priority: u8| {
            let peer = if priority == 101 { own[1] } else { own[0] };
            Router { unicast_peer: Some(peer), ..Router::fast(priority) }
        };
        let members = segment.pair(kinds, router);
        segment.stays_for(Duration::from_millis(500));
        let adverts = at_the_other.adverts();
        assert!(adverts.iter().any(|it| (it.source, it.destination) == (own[0], own[1])));
        assert!(adverts.iter().all(|it| !it.destination.is_multicast()), "{adverts:?}");
        members[0].stop();
        segment.wait_for_holder(1);
        assert_eq!(members[1].faults(), Vec::<String>::new());
    });
}

fn six(priority: u8) -> Router {
    let addresses = ["fe80::100", "fd00::100"].map(|text| text.parse().unwrap());
    Router { addresses: addresses.to_vec(), ..Router::fast(priority) }
}

const SIX: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100));

#[test]
#[ignore = "needs root and keepalived"]
fn addresses_of_ipv6_move_as_those_of_ipv4_do() {
    with_each_pair(|kinds| {
        let segment = Segment::with(SIX, Duration::from_millis(5));
        let members = segment.pair(kinds, six);
        segment.balancers[0].link_down().unwrap();
        segment.wait_for_holder(1);
        segment.balancers[0].link_up().unwrap();
        segment.wait_for_holder(0);
        members[0].stop();
        segment.wait_for_holder(1);
        assert_eq!(members[1].faults(), Vec::<String>::new());
        segment.check_adverts(&six(0));
    });
}

/// halb and FRR, each in each role; halb's file is the same as beside keepalived.
fn beside_frr(vip: IpAddr, router: fn(u8) -> Router) {
    std::thread::scope(|scope| {
        for kinds in [[Kind::Halb, Kind::Frr], [Kind::Frr, Kind::Halb]] {
            scope.spawn(move || {
                let segment = Segment::with(vip, Duration::from_millis(5));
                let members = segment.pair(kinds, router);
                // FRR's first advert is lost on an interface that isn't up yet, and the other node
                // may have the address for a moment.
                segment.seen.wait_for("heard", 0, PATIENCE, |advert| advert.priority == 101);
                segment.wait_for_holder(0);
                segment.stays_for(Duration::from_millis(500));
                members[0].stop();
                segment.wait_for_holder(1);
                assert_eq!(members[1].faults(), Vec::<String>::new());
                segment.check_adverts(&router(0));
            });
        }
    });
}

#[test]
#[ignore = "needs root and frr"]
fn halb_and_frr_share_an_address_of_ipv4_in_both_roles() {
    beside_frr(Router::fast(0).addresses[0], Router::fast);
}

#[test]
#[ignore = "needs root and frr"]
fn halb_and_frr_share_addresses_of_ipv6_in_both_roles() {
    beside_frr(SIX, six);
}
