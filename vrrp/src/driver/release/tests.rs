//! Addresses that a daemon left on a host.

use std::time::Duration;

use halb_lab::capture::Capture;
use halb_lab::{Lab, eventually};

use super::super::testbed::{PATIENCE, instance, interface, ip, settings_of, shell};
use super::*;
use crate::values::BasePriority;

fn settings() -> Settings {
    let peers = vec![ip("172.16.16.52")];
    let unicast = Delivery::Unicast { peers, hop_limit_min: 255 };
    let own_address = ["172.16.16.51", "172.16.16.103"];
    let mut owner = instance("VI_255", 255, Delivery::Multicast, &own_address);
    owner.priority = BasePriority::new(255).unwrap();
    settings_of(vec![
        instance("VI_1", 1, Delivery::Multicast, &["172.16.16.100", "172.16.16.101"]),
        instance("VI_2", 2, unicast, &["172.16.16.102"]),
        instance("VI_6", 6, Delivery::Multicast, &["fe80::100", "fd00::100"]),
        instance("VI_9", 9, Delivery::Multicast, &["172.16.16.109"]),
        owner,
    ])
}

#[test]
#[ignore = "needs root"]
fn what_was_left_behind_goes_with_priority_0_and_what_is_others_stays() {
    let lab = Lab::new().unwrap();
    let host = lab.host("lb51", "172.16.16.51/24").unwrap();
    let peer = lab.host("lb52", "172.16.16.52/24").unwrap();
    let capture = Capture::start(&peer).unwrap();
    let nowhere = Path::new("/nonexistent");
    let released = host.run(|| {
        shell("address add fe80::51/64 dev eth1 nodad");
        shell("address add 172.16.16.109/32 dev eth1");
        let mut netlink = Netlink::open().unwrap();
        let home = interface("eth1");
        let ours = [
            ("172.16.16.100", 32),
            ("172.16.16.102", 32),
            ("fd00::100", 128),
            ("172.16.16.103", 32),
            ("172.16.16.200", 32), // of a configuration that is no more
        ];
        for (address, prefix_len) in ours {
            let placed = Placed {
                index: home.index,
                interface: Arc::clone(&home.name),
                address: ip(address),
                prefix_len,
                label: None,
            };
            netlink.add_address(&placed).unwrap();
        }
        release(&settings(), nowhere).unwrap()
    });
    assert!(released.problems.is_empty(), "{released:?}");
    let names: Vec<_> = released.instances.iter().map(|name| &**name).collect();
    assert_eq!(names, ["VI_1", "VI_2", "VI_6", "VI_255"]);
    let mut gone: Vec<_> = released.addresses.iter().map(|(_, address)| *address).collect();
    gone.sort();
    let expected =
        ["172.16.16.100", "172.16.16.102", "172.16.16.103", "172.16.16.200", "fd00::100"].map(ip);
    assert_eq!(gone, expected);
    for address in expected {
        assert!(!host.holds(address).unwrap(), "{address}");
    }
    assert!(host.holds(ip("172.16.16.51")).unwrap() && host.holds(ip("172.16.16.109")).unwrap());

    let farewells = eventually("four farewells", PATIENCE, || {
        let heard = capture.adverts();
        if heard.len() == 4 { Ok(heard) } else { Err(heard) }
    });
    assert!(farewells.iter().all(|advert| advert.priority == 0 && advert.hop_limit == 255));
    let told: Vec<_> = farewells.iter().map(|advert| (advert.source, advert.destination)).collect();
    let expected = [
        (ip("172.16.16.51"), ip("224.0.0.18")),
        (ip("172.16.16.51"), ip("172.16.16.52")),
        (ip("fe80::51"), ip("ff02::12")),
        (ip("172.16.16.51"), ip("224.0.0.18")),
    ];
    assert_eq!(told, expected);

    let again = host.run(|| release(&settings(), nowhere).unwrap());
    assert!(again.addresses.is_empty() && again.instances.is_empty(), "{again:?}");
    assert!(again.problems.is_empty());
}

#[test]
#[ignore = "needs root"]
fn without_an_interface_to_speak_through_the_addresses_go_all_the_same() {
    let lab = Lab::new().unwrap();
    let host = lab.host("lb51", "172.16.16.51/24").unwrap();
    let started = Instant::now();
    let released = host.run(|| {
        let lo = interface("lo");
        let mut netlink = Netlink::open().unwrap();
        for address in ["172.16.16.100", "172.16.16.102"] {
            let placed = Placed {
                index: lo.index,
                interface: Arc::clone(&lo.name),
                address: ip(address),
                prefix_len: 32,
                label: None,
            };
            netlink.add_address(&placed).unwrap();
        }
        shell("link set eth1 down");
        release(&settings(), Path::new("/nonexistent")).unwrap()
    });
    assert_eq!(released.addresses.len(), 2, "{released:?}");
    assert!(released.instances.is_empty(), "{released:?}");
    assert!(started.elapsed() < PATIENCE + Duration::from_secs(5));
}
