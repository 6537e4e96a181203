//! Links and addresses of hosts in namespaces.

use std::net::IpAddr;
use std::time::Instant;

use halb_lab::{Host, Lab};

use super::super::testbed::{PATIENCE, ip, read, shell};
use super::watch::{Heard, Watch};
use super::*;
use crate::interfaces::Interfaces;

fn placed(netlink: &mut Netlink, text: &str) -> Placed {
    let (address, prefix_len) = text.split_once('/').unwrap();
    let interface = read(netlink).named("eth1").unwrap().clone();
    Placed {
        index: interface.index,
        interface: interface.name,
        address: ip(address),
        prefix_len: prefix_len.parse().unwrap(),
        label: None,
    }
}

fn on_a_host(work: impl FnOnce() + Send) {
    let lab = Lab::new().unwrap();
    let host: Host = lab.host("loadbalancer01", "172.16.16.51/24").unwrap();
    host.run(work);
}

/// Follows the watch until the picture is as wanted.
fn follow(watch: &mut Watch, picture: &mut Interfaces, wanted: impl Fn(&Interfaces) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let heard = watch.read(|change| picture.apply(change)).unwrap();
        assert_ne!(heard, Heard::Overrun);
        if heard == Heard::All && wanted(picture) {
            return;
        }
        assert!(Instant::now() < deadline, "the picture did not become as wanted: {picture:?}");
        std::thread::yield_now();
    }
}

#[test]
#[ignore = "needs root"]
fn interfaces_and_addresses_are_read_as_they_are() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        let picture = read(&mut netlink);
        let found = picture.named("eth1").unwrap();
        assert!(found.is_up && found.mac.is_some() && !found.forwards_ipv6, "{found:?}");
        assert!(picture.named("lo").unwrap().is_up);
        let own: Vec<_> = picture.holders(ip("172.16.16.51")).collect();
        assert!(matches!(own[..], [only] if only.prefix_len == 24 && only.tag == 0), "{own:?}");

        std::fs::write("/proc/sys/net/ipv6/conf/eth1/forwarding", "1").unwrap();
        shell("link set eth1 down");
        let picture = read(&mut netlink);
        let found = picture.named("eth1").unwrap();
        assert!(!found.is_up && found.forwards_ipv6, "{found:?}");
    });
}

#[test]
#[ignore = "needs root"]
fn an_address_is_added_once_marked_read_back_and_removed_once() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        for text in ["172.16.16.100/32", "fd00::100/128", "fe80::100/64"] {
            let vip = placed(&mut netlink, text);
            assert_eq!(netlink.add_address(&vip).unwrap(), Added::Fresh, "{text}");
            let picture = read(&mut netlink);
            assert!(picture.has(&vip), "{text} is there and usable at once");
            assert_eq!(
                picture.tagged().map(|found| found.address).collect::<Vec<_>>(),
                [vip.address]
            );
            assert!(picture.shows_tags());
            assert_eq!(netlink.add_address(&vip).unwrap(), Added::Present, "{text}");
            assert_eq!(netlink.remove_address(&vip).unwrap(), Removed::Gone, "{text}");
            assert_eq!(netlink.remove_address(&vip).unwrap(), Removed::Absent, "{text}");
            assert_eq!(read(&mut netlink).holders(vip.address).count(), 0);
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_lone_address_brings_no_route_and_is_no_source_for_others() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        let before = shell("-4 route");
        let mut vip = placed(&mut netlink, "172.16.16.100/32");
        vip.label = Some("eth1:vip".into());
        netlink.add_address(&vip).unwrap();
        assert_eq!(shell("-4 route"), before);
        let shown = shell("-4 address show dev eth1");
        assert!(shown.contains("172.16.16.100/32 scope global"), "{shown}");
        assert!(shown.contains("eth1:vip"), "{shown}");
        let v6 = placed(&mut netlink, "fd00::100/128");
        netlink.add_address(&v6).unwrap();
        let shown = shell("-6 address show dev eth1 to fd00::100");
        assert!(shown.contains("deprecated") && shown.contains("nodad"), "{shown}");
        assert!(shown.contains("valid_lft forever preferred_lft 0sec"), "{shown}");
    });
}

#[test]
#[ignore = "needs root"]
fn an_address_that_somebody_else_put_there_is_adopted_and_marked() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        shell("address add 172.16.16.100/32 dev eth1");
        shell("address add fd00::100/128 dev eth1 nodad");
        for text in ["172.16.16.100/32", "fd00::100/128"] {
            let vip = placed(&mut netlink, text);
            assert_eq!(netlink.add_address(&vip).unwrap(), Added::Adopted { tag: 0 }, "{text}");
            assert_eq!(netlink.add_address(&vip).unwrap(), Added::Present, "{text}");
        }
        // IPv6 has an address once, so another prefix is in the way; IPv4 has both.
        shell("address add fd00::101/64 dev eth1 nodad");
        let vip = placed(&mut netlink, "fd00::101/128");
        assert_eq!(netlink.add_address(&vip).unwrap(), Added::Adopted { tag: 0 });
        assert!(read(&mut netlink).has(&vip));
        shell("address add 172.16.16.101/24 dev eth1");
        let vip = placed(&mut netlink, "172.16.16.101/32");
        assert_eq!(netlink.add_address(&vip).unwrap(), Added::Fresh);
        assert_eq!(read(&mut netlink).holders(vip.address).count(), 2);
    });
}

#[test]
#[ignore = "needs root"]
fn a_duplicate_ipv6_address_is_made_usable() {
    let lab = Lab::new().unwrap();
    let first = lab.host("loadbalancer01", "172.16.16.51/24").unwrap();
    let second = lab.host("loadbalancer02", "172.16.16.52/24").unwrap();
    first.run(|| shell("address add fd00::100/64 dev eth1 nodad"));
    second.run(|| {
        let mut netlink = Netlink::open().unwrap();
        let mut watch = Watch::open().unwrap();
        let mut picture = read(&mut netlink);
        std::fs::write("/proc/sys/net/ipv6/conf/eth1/accept_dad", "1").unwrap();
        shell("address add fd00::100/128 dev eth1");
        follow(&mut watch, &mut picture, |_| {
            shell("-6 address show dev eth1 to fd00::100").contains("dadfailed")
        });
        let vip = placed(&mut netlink, "fd00::100/128");
        assert!(!picture.has(&vip));
        assert_eq!(netlink.add_address(&vip).unwrap(), Added::Adopted { tag: 0 });
        follow(&mut watch, &mut picture, |picture| picture.has(&vip));
    });
}

#[test]
#[ignore = "needs root"]
fn an_address_on_an_interface_that_is_not_there_is_an_error_that_names_both() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        let vip = Placed { index: 4711, ..placed(&mut netlink, "172.16.16.100/32") };
        let error = netlink.add_address(&vip).unwrap_err();
        assert_eq!(error.to_string(), "cannot put 172.16.16.100/32 on eth1");
        assert_eq!(error.source.raw_os_error(), Some(Errno::ENODEV as i32));
        assert_eq!(netlink.remove_address(&vip).unwrap(), Removed::Absent);
        let bad = Placed { prefix_len: 64, ..placed(&mut netlink, "172.16.16.100/32") };
        assert!(netlink.add_address(&bad).is_err());
        assert!(netlink.remove_address(&bad).is_ok());
    });
}

#[test]
#[ignore = "needs root"]
fn the_watch_tells_what_others_do() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        let mut watch = Watch::open().unwrap();
        let mut picture = read(&mut netlink);
        let vip = placed(&mut netlink, "172.16.16.100/32");
        netlink.add_address(&vip).unwrap();
        follow(&mut watch, &mut picture, |picture| picture.has(&vip));
        shell("address del 172.16.16.100/32 dev eth1");
        follow(&mut watch, &mut picture, |picture| !picture.has(&vip));
        shell("address add fd00::9/64 dev eth1 nodad");
        follow(&mut watch, &mut picture, |picture| picture.holders(ip("fd00::9")).count() == 1);
        shell("link set eth1 down");
        follow(&mut watch, &mut picture, |picture| !picture.named("eth1").unwrap().is_up);
        shell("link set eth1 name wan1");
        follow(&mut watch, &mut picture, |picture| {
            picture.named("eth1").is_none() && picture.named("wan1").is_some()
        });
        shell("link set wan1 up");
        follow(&mut watch, &mut picture, |picture| picture.named("wan1").unwrap().is_up);
        shell("link del wan1");
        follow(&mut watch, &mut picture, |picture| picture.indexed(vip.index).is_none());
    });
}

#[test]
#[ignore = "needs root"]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        let mut watch = Watch::open().unwrap();
        let mut picture = read(&mut netlink);
        shell("link add br0 type bridge");
        shell("link set eth1 master br0");
        shell("link set eth1 nomaster");
        shell("link add done0 type bridge");
        follow(&mut watch, &mut picture, |picture| picture.named("done0").is_some());
        assert!(picture.named("eth1").is_some());
    });
}

#[test]
#[ignore = "needs root"]
fn more_changes_than_there_is_room_for_lead_to_a_new_reading() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        let mut watch = Watch::with_room(1).unwrap();
        let mut picture = read(&mut netlink);
        let vip = placed(&mut netlink, "172.16.16.100/32");
        for _ in 0..200 {
            netlink.add_address(&vip).unwrap();
            netlink.remove_address(&vip).unwrap();
        }
        netlink.add_address(&vip).unwrap();
        assert_eq!(watch.read(|change| picture.apply(change)).unwrap(), Heard::Overrun);
        picture = read(&mut netlink);
        assert!(picture.has(&vip));
        assert_eq!(watch.read(|change| panic!("stale: {change:?}")).unwrap(), Heard::All);
        netlink.remove_address(&vip).unwrap();
        follow(&mut watch, &mut picture, |picture| !picture.has(&vip));
    });
}

#[test]
#[ignore = "needs root"]
fn a_storm_of_changes_is_read_in_bounded_pieces_and_in_order() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        let mut watch = Watch::open().unwrap();
        let mut picture = read(&mut netlink);
        let vip = placed(&mut netlink, "172.16.16.100/32");
        for _ in 0..200 {
            netlink.add_address(&vip).unwrap();
            netlink.remove_address(&vip).unwrap();
        }
        assert_eq!(watch.read(|change| picture.apply(change)).unwrap(), Heard::Some);
        follow(&mut watch, &mut picture, |picture| !picture.has(&vip));
    });
}

#[test]
#[ignore = "needs root"]
fn a_long_list_is_read_whole() {
    on_a_host(|| {
        let mut netlink = Netlink::open().unwrap();
        let vip = placed(&mut netlink, "10.0.0.0/32");
        for number in 0..2_000_u32 {
            let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
            netlink.add_address(&Placed { address, ..vip.clone() }).unwrap();
        }
        assert_eq!(read(&mut netlink).tagged().count(), 2_000);
    });
}
