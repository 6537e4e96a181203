//! Adverts between hosts in namespaces.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use halb_lab::capture::{Capture, Checksum};
use halb_lab::{Host, Lab, eventually};

use super::super::testbed::{PATIENCE, interface, ip, shell};
use super::*;
use crate::packet::{Advert, Body, ChecksumForm, VirtualAddresses};
use crate::values::{Centiseconds, Priority, Seconds, VrId};

/// Two hosts on a segment, with addresses of both families that are usable at once.
fn hosts() -> (Lab, Host, Host) {
    let lab = Lab::new().unwrap();
    let hosts = ["51", "52"].map(|number| {
        let host = lab.host(&format!("lb{number}"), &format!("172.16.16.{number}/24")).unwrap();
        host.run(|| {
            shell(&format!("address add fe80::{number}/64 dev eth1 nodad"));
            shell(&format!("address add fd00::{number}/64 dev eth1 nodad"));
        });
        host
    });
    let [first, second] = hosts;
    (lab, first, second)
}

fn listener(host: &Host, family: Family) -> Listener {
    let listener = host.run(|| Listener::open(&interface("eth1"), family).unwrap());
    listener.join().unwrap();
    listener
}

fn sender(host: &Host, family: Family) -> Sender {
    host.run(|| Sender::open(&interface("eth1"), family).unwrap())
}

fn hear<R: Send>(listener: &mut Listener, look: impl Fn(Received<'_>) -> R) -> R {
    eventually("a packet", PATIENCE, || listener.receive().unwrap().map(&look).ok_or("nothing yet"))
}

/// Source, destination, hop limit and message of the next packet.
fn next(listener: &mut Listener) -> (IpAddr, IpAddr, u8, Vec<u8>) {
    hear(listener, |received| match received {
        Received::Datagram(Datagram { source, destination, hop_limit, message }) => {
            (source, destination, hop_limit, message.to_vec())
        }
        Received::Broken(refusal) => panic!("{refusal:?}"),
    })
}

/// Sends until it is heard: an interface that has just come up drops what is sent before the kernel
/// has activated its queue, which it does in the background.
fn send_until_heard(
    sender: &Sender,
    from: IpAddr,
    message: &[u8],
    listener: &mut Listener,
) -> (IpAddr, IpAddr, u8, Vec<u8>) {
    eventually("a packet is heard", PATIENCE, || {
        let _not_yet = sender.send(from, group(Family::of(from)), message);
        match listener.receive().unwrap() {
            Some(Received::Datagram(Datagram { source, destination, hop_limit, message })) => {
                Ok((source, destination, hop_limit, message.to_vec()))
            }
            Some(Received::Broken(refusal)) => panic!("{refusal:?}"),
            None => Err("nothing yet"),
        }
    })
}

fn advert(addresses: &[&str]) -> Advert {
    let addresses = VirtualAddresses::new(addresses.iter().map(|text| ip(text)).collect()).unwrap();
    let body = Body::V3 {
        interval: Centiseconds::new(100).unwrap(),
        checksum: ChecksumForm::PseudoHeader,
    };
    Advert { vrid: VrId::new(7).unwrap(), priority: Priority::new(100), addresses, body }
}

#[test]
#[ignore = "needs root"]
fn adverts_arrive_by_multicast_and_unicast_in_both_families_with_their_hop_limit() {
    let (_lab, first, second) = hosts();
    let cases = [
        ("172.16.16.51", "224.0.0.18"),
        ("172.16.16.51", "172.16.16.52"),
        ("fe80::51", "ff02::12"),
        ("fe80::51", "fe80::52"),
        ("fd00::51", "fd00::52"),
    ];
    for (from, to) in cases.map(|(from, to)| (ip(from), ip(to))) {
        let family = Family::of(from);
        let (mut listener, sender) = (listener(&second, family), sender(&first, family));
        let vips = match family {
            Family::V4 => advert(&["172.16.16.100"]),
            Family::V6 => advert(&["fe80::100", "fd00::100"]),
        };
        let message = vips.message(from, to);
        sender.send(from, to, &message).unwrap();
        assert_eq!(next(&mut listener), (from, to, HOP_LIMIT, message), "{from} to {to}");
    }
}

#[test]
#[ignore = "needs root"]
fn the_longest_adverts_arrive_whole() {
    let (_lab, first, second) = hosts();
    let v4 = (0..VirtualAddresses::MAX_V4).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>();
    let v6 = (0..VirtualAddresses::MAX_V6).map(|n| format!("fd00::1:{n:x}")).collect::<Vec<_>>();
    for (from, list) in [("172.16.16.51", v4), ("fe80::51", v6)] {
        let (from, family) = (ip(from), Family::of(ip(from)));
        let (mut listener, sender) = (listener(&second, family), sender(&first, family));
        let list: Vec<_> = list.iter().map(String::as_str).collect();
        let message = advert(&list).message(from, group(family));
        sender.send(from, group(family), &message).unwrap();
        assert_eq!(next(&mut listener).3, message);
    }
}

#[test]
#[ignore = "needs root"]
fn what_leaves_is_marked_as_control_traffic_and_other_tools_can_read_it() {
    let (_lab, first, second) = hosts();
    let capture = Capture::start(&second).unwrap();
    let source = ip("172.16.16.51");
    let version_2 = Advert {
        body: Body::V2 { interval: Seconds::new(5).unwrap(), password: None },
        ..advert(&["172.16.16.100"])
    };
    let to = group(Family::V4);
    sender(&first, Family::V4).send(source, to, &version_2.message(source, to)).unwrap();
    let seen = capture.wait_for("version 2", 0, PATIENCE, |advert| advert.version == 2);
    assert_eq!((seen.router_id, seen.priority, seen.hop_limit), (7, 100, 255));
    assert_eq!(seen.checksum, Checksum::Message);

    let source = ip("fe80::51");
    let to = group(Family::V6);
    let version_3 = advert(&["fe80::100", "fd00::100"]);
    sender(&first, Family::V6).send(source, to, &version_3.message(source, to)).unwrap();
    let seen = capture.wait_for("version 3", 0, PATIENCE, |advert| advert.version == 3);
    assert_eq!((seen.source, seen.checksum), (source, Checksum::PseudoHeader));
    assert_eq!(seen.addresses, [ip("fe80::100"), ip("fd00::100")]);

    let frames = capture.since(0);
    let of = |kind: [u8; 2], at: usize, protocol: u8| {
        let fits = |frame: &&halb_lab::capture::Frame| {
            frame.bytes[12..14] == kind && frame.bytes[at] == protocol
        };
        frames.iter().find(fits).unwrap().bytes.clone()
    };
    let v4 = of([8, 0], 23, PROTOCOL);
    assert_eq!(v4[15], 0xc0, "type of service");
    assert_ne!(v4[18..20], [0, 0], "identification");
    let v6 = of([0x86, 0xdd], 20, PROTOCOL);
    assert_eq!((v6[14], v6[15] >> 4), (0x6c, 0), "version 6, traffic class c0");

    let file = tempfile();
    capture.write_pcap(&file).unwrap();
    let output = Command::new("tcpdump").args(["-nvv", "-r"]).arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("VRRPv2, Advertisement, vrid 7, prio 100"), "{text}");
    assert!(text.contains("VRRPv3, Advertisement, vrid 7, prio 100"), "{text}");
    assert!(
        !text.contains("bad") && !text.contains("wrong") && !text.contains("invalid"),
        "{text}"
    );
}

fn tempfile() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("halb-vrrp-sockets-{}.pcap", std::process::id()))
}

/// Sends a packet as it is, header included.
fn send_raw(host: &Host, packet: &[u8]) {
    host.run(|| {
        let socket = raw(Family::V4).unwrap();
        socket.set_header_included_v4(true).unwrap();
        let to = Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]);
        socket.bind_device(Some(b"eth1")).unwrap();
        socket.send_to(packet, &SockAddr::from(SocketAddr::from((to, 0)))).unwrap();
    });
}

#[test]
#[ignore = "needs root"]
fn options_in_the_header_and_hop_limits_are_seen_as_they_were_sent() {
    let (_lab, first, second) = hosts();
    let mut heard = listener(&second, Family::V4);
    let message = advert(&["172.16.16.100"]).message(ip("172.16.16.51"), GROUP_V4.into());
    let plain = ipv4::packet(Ipv4Addr::new(172, 16, 16, 51), GROUP_V4, 9, &message);
    let router_alert = [&[0x46], &plain[1..20], &[0x94, 4, 0, 0], &plain[20..]].concat();
    send_raw(&first, &router_alert);
    let expected = (ip("172.16.16.51"), ip("224.0.0.18"), HOP_LIMIT, message.clone());
    assert_eq!(next(&mut heard), expected);

    let mut forwarded = plain;
    forwarded[8] = 254;
    send_raw(&first, &forwarded);
    assert_eq!(next(&mut heard).2, 254);

    let mut heard = listener(&second, Family::V6);
    let sender = sender(&first, Family::V6);
    sender.socket.set_multicast_hops_v6(64).unwrap();
    sender.send(ip("fe80::51"), GROUP_V6.into(), &message).unwrap();
    assert_eq!(next(&mut heard).2, 64);
}

#[test]
#[ignore = "needs root"]
fn an_ipv6_packet_that_no_advert_fills_is_told_from_one() {
    let (_lab, first, second) = hosts();
    let mut listener = listener(&second, Family::V6);
    sender(&first, Family::V6).send(ip("fd00::51"), ip("fd00::52"), &[1; BUFFER + 1]).unwrap();
    let broken = hear(&mut listener, |received| matches!(received, Received::Broken(_)));
    assert!(broken);
}

#[test]
#[ignore = "needs root"]
fn own_multicast_does_not_come_back_and_senders_receive_nothing() {
    let (_lab, first, second) = hosts();
    for (from, other) in [("172.16.16.51", "172.16.16.52"), ("fe80::51", "fe80::52")] {
        let family = Family::of(ip(from));
        let (mut own, mut others) = (listener(&first, family), listener(&second, family));
        let (ours, theirs) = (sender(&first, family), sender(&second, family));
        ours.send(ip(from), group(family), &[1; 16]).unwrap();
        assert_eq!(next(&mut others).0, ip(from));
        theirs.send(ip(other), group(family), &[2; 16]).unwrap();
        assert_eq!(next(&mut own).0, ip(other), "the first that comes is not our own");
        assert!(own.receive().unwrap().is_none());
        let waiting = recv(ours.socket.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT);
        assert_eq!(waiting, Err(Errno::EAGAIN));
    }
}

#[test]
#[ignore = "needs root"]
fn a_listener_hears_its_interface_only_and_with_ipv4_its_own_membership_only() {
    let lab = Lab::new().unwrap();
    let host = lab.host("lb51", "172.16.16.51/24").unwrap();
    host.run(|| {
        shell("link add name near type veth peer name far");
        for (name, number) in [("near", 1), ("far", 2)] {
            shell(&format!("link set {name} up"));
            shell(&format!("address add 10.0.{number}.1/24 dev {name}"));
            shell(&format!("address add fe80::{number}/64 dev {name} nodad"));
        }
        // A host believes nothing that comes in from its own IPv4 address.
        for (family, from) in [(Family::V4, ip("10.0.2.9")), (Family::V6, ip("fe80::1"))] {
            let open = |name: &str| Listener::open(&interface(name), family).unwrap();
            let (mut joined, mut aloof, mut elsewhere) = (open("far"), open("far"), open("eth1"));
            joined.join().unwrap();
            joined.join().unwrap();
            elsewhere.join().unwrap();
            let sender = Sender::open(&interface("near"), family).unwrap();
            assert_eq!(send_until_heard(&sender, from, &[1; 16], &mut joined).0, from);
            match family {
                Family::V4 => assert!(aloof.receive().unwrap().is_none(), "joined nothing itself"),
                Family::V6 => assert_eq!(next(&mut aloof).1, group(family), "as it was sent"),
            }
            assert!(elsewhere.receive().unwrap().is_none(), "another interface");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_is_made_anew_needs_and_gets_new_sockets() {
    let lab = Lab::new().unwrap();
    let host = lab.host("lb51", "172.16.16.51/24").unwrap();
    host.run(|| {
        let make = || {
            shell("link add name near type veth peer name far");
            shell("link set near up");
            shell("link set far up");
            shell("address add 10.0.1.1/24 dev near");
            shell("address add 10.0.2.1/24 dev far");
            interface("far").index
        };
        let open = || {
            let listener = Listener::open(&interface("far"), Family::V4).unwrap();
            listener.join().unwrap();
            (listener, Sender::open(&interface("near"), Family::V4).unwrap())
        };
        let index = make();
        let (mut listener, sender) = open();
        assert_eq!(listener.index(), index);
        send_until_heard(&sender, ip("10.0.2.9"), &[1; 16], &mut listener);

        shell("link del near");
        let error = sender.send(ip("10.0.2.9"), GROUP_V4.into(), &[1; 16]).unwrap_err();
        let expected = "cannot send an advert from 10.0.2.9 to 224.0.0.18 on near";
        assert_eq!(error.to_string(), expected);
        assert_ne!(make(), index);
        let (mut anew, sender) = open();
        let heard = send_until_heard(&sender, ip("10.0.2.9"), &[2; 16], &mut anew);
        assert_eq!(heard.3, [2; 16]);
        assert!(!matches!(listener.receive(), Ok(Some(_))), "the old one is deaf");
    });
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_was_down_is_heard_and_used_again_with_the_same_sockets() {
    let (_lab, first, second) = hosts();
    let (mut listener, sender) = (listener(&second, Family::V4), sender(&first, Family::V4));
    first.run(|| shell("link set eth1 down"));
    second.run(|| shell("link set eth1 down"));
    assert!(sender.send(ip("172.16.16.51"), GROUP_V4.into(), &[1; 16]).is_err());
    first.run(|| shell("link set eth1 up"));
    second.run(|| shell("link set eth1 up"));
    eventually("heard again", PATIENCE, || {
        let _not_yet = sender.send(ip("172.16.16.51"), GROUP_V4.into(), &[2; 16]);
        listener.receive().is_ok_and(|received| received.is_some())
    });
}

#[test]
#[ignore = "needs root"]
fn a_peer_behind_a_router_is_reached() {
    let (_lab, first, second) = hosts();
    second.run(|| shell("address add 10.9.9.9/32 dev lo"));
    first.add_route("10.9.9.9/32", ip("172.16.16.52")).unwrap();
    let (mut listener, sender) = (listener(&second, Family::V4), sender(&first, Family::V4));
    sender.send(ip("172.16.16.51"), ip("10.9.9.9"), &[1; 16]).unwrap();
    assert_eq!(next(&mut listener).1, ip("10.9.9.9"));
}

#[test]
#[ignore = "needs root"]
fn a_flood_is_read_to_its_end_and_nothing_blocks() {
    let (_lab, first, second) = hosts();
    let (mut listener, sender) = (listener(&second, Family::V4), sender(&first, Family::V4));
    for _ in 0..5_000 {
        let _full = sender.send(ip("172.16.16.51"), GROUP_V4.into(), &[1; 16]);
    }
    next(&mut listener);
    let mut count = 1;
    while listener.receive().unwrap().is_some() {
        count += 1;
    }
    assert!((10..=5_000).contains(&count), "{count}");
}

#[test]
#[ignore = "needs root"]
fn sockets_for_an_interface_that_is_not_there_are_errors_that_name_it() {
    let lab = Lab::new().unwrap();
    let host = lab.host("lb51", "172.16.16.51/24").unwrap();
    host.run(|| {
        let gone = Interface { name: "eth9".into(), ..interface("eth1") };
        let error = Listener::open(&gone, Family::V4).unwrap_err();
        assert_eq!(error.to_string(), "cannot bind a socket for the adverts of eth9");
        let error = Sender::open(&gone, Family::V6).unwrap_err();
        assert_eq!(error.to_string(), "cannot bind a socket for the adverts of eth9");
        let sender = Sender::open(&interface("eth1"), Family::V4).unwrap();
        assert!(sender.send(ip("172.16.16.51"), ip("ff02::12"), &[0; 8]).is_err());
    });
}

#[test]
#[ignore = "needs root"]
fn a_pulled_cable_is_no_error_of_a_listener() {
    let (_lab, first, second) = hosts();
    let (mut listener, sender) = (listener(&second, Family::V6), sender(&first, Family::V6));
    second.link_down().unwrap();
    assert!(listener.receive().unwrap().is_none());
    second.link_up().unwrap();
    eventually("heard again", PATIENCE, || {
        let _lost = sender.send(ip("fe80::51"), GROUP_V6.into(), &[3; 16]);
        listener.receive().unwrap().is_some()
    });
}
