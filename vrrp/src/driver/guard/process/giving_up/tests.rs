use std::net::IpAddr;
use std::time::Instant;

use halb_lab::net::INTERFACE;
use halb_lab::{Capture, Host, Lab};
use nix::net::if_::if_nametoindex;

use super::*;
use crate::packet::{Advert, Body, ChecksumForm, GROUP_V4, GROUP_V6, VirtualAddresses};
use crate::values::{Centiseconds, Priority, VrId};

const LONG: Duration = Duration::from_secs(10);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn farewell(
    interface: u32,
    id: u8,
    source: IpAddr,
    destination: IpAddr,
    address: IpAddr,
) -> Farewell {
    let advert = Advert {
        vrid: VrId::new(id).unwrap(),
        priority: Priority::RELEASE,
        addresses: VirtualAddresses::new(vec![address]).unwrap(),
        body: Body::V3 {
            interval: Centiseconds::new(100).unwrap(),
            checksum: ChecksumForm::PseudoHeader,
        },
    };
    Farewell { interface, source, destination, message: advert.message(source, destination) }
}

struct Stage {
    capture: Capture,
    node: Host,
    _peer: Host,
    _lab: Lab,
}

/// A host with virtual addresses of both families, and one that listens.
fn stage() -> Stage {
    let lab = Lab::new().unwrap();
    let node = lab.host("node", "10.9.0.1/24").unwrap();
    let peer = lab.host("peer", "10.9.0.2/24").unwrap();
    peer.add_address("fd00::2/64").unwrap();
    for address in ["fd00::1/64", "10.9.0.100/32", "fd00::100/128"] {
        node.add_address(address).unwrap();
    }
    let capture = Capture::start(&peer).unwrap();
    Stage { capture, node, _peer: peer, _lab: lab }
}

#[test]
#[ignore = "needs root"]
fn both_families_are_given_up_to_the_segment_and_to_peers() {
    let stage = stage();
    let (v4, v6) = (ip("10.9.0.100"), ip("fd00::100"));
    stage.node.run(|| {
        let index = if_nametoindex(INTERFACE).unwrap();
        let held = |address, prefix_len| Held { interface: index, address, prefix_len };
        let plan = Plan {
            farewells: vec![
                farewell(index, 1, ip("10.9.0.1"), GROUP_V4.into(), v4),
                farewell(index, 2, ip("10.9.0.1"), ip("10.9.0.2"), v4),
                farewell(index, 3, ip("fd00::1"), GROUP_V6.into(), v6),
                farewell(index, 4, ip("fd00::1"), ip("fd00::2"), v6),
            ],
            addresses: vec![held(v4, 32), held(v6, 128), held(ip("10.9.0.101"), 32)],
        };
        let mut hands = Hands::new().unwrap();
        hands.prepare(&plan);
        assert_eq!(hands.senders.len(), 2, "one for each family");
        let undone = hands.give_up(&plan, 1);
        assert_eq!((undone.farewells, undone.addresses), (0, 0), "what isn't there is no failure");
        hands.prepare(&Plan::default());
        assert_eq!(hands.senders.len(), 0);
    });
    for address in [v4, v6] {
        assert!(!stage.node.holds(address).unwrap());
    }
    for (id, destination) in
        [(1, GROUP_V4.into()), (2, ip("10.9.0.2")), (3, GROUP_V6.into()), (4, ip("fd00::2"))]
    {
        let advert = stage.capture.wait_for("a farewell", 0, LONG, |advert| advert.router_id == id);
        assert_eq!((advert.priority, advert.hop_limit), (0, 255));
        assert_eq!(advert.destination, destination);
        assert_eq!(advert.checksum, halb_lab::capture::Checksum::PseudoHeader, "{destination}");
    }
}

#[test]
#[ignore = "needs root"]
fn what_can_not_be_sent_keeps_no_address() {
    let stage = stage();
    stage.node.run(|| {
        let index = if_nametoindex(INTERFACE).unwrap();
        let v4 = ip("10.9.0.100");
        let plan = Plan {
            farewells: vec![
                // From one family to the other, and by no interface.
                Farewell {
                    interface: index,
                    source: v4,
                    destination: ip("fd00::2"),
                    message: Vec::new(),
                },
                farewell(index + 1000, 1, ip("10.9.0.1"), GROUP_V4.into(), v4),
            ],
            addresses: vec![
                Held { interface: index, address: v4, prefix_len: 32 },
                Held { interface: index + 1000, address: v4, prefix_len: 32 },
            ],
        };
        let mut hands = Hands::new().unwrap();
        let begun = Instant::now();
        let undone = hands.give_up(&plan, 60);
        assert_eq!((undone.farewells, undone.addresses), (1, 0));
        assert!(begun.elapsed() < LONG / 2, "it tries a few times only");
    });
    assert!(!stage.node.holds(ip("10.9.0.100")).unwrap());
}
