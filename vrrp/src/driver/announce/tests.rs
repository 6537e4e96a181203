//! Announcements as another host sees them.

use std::net::IpAddr;
use std::process::Command;

use halb_lab::capture::Capture;
use halb_lab::{Host, Lab, eventually};

use super::super::testbed::{PATIENCE, interface, ip, shell};
use super::*;

fn hosts() -> (Lab, Host, Host) {
    let lab = Lab::new().unwrap();
    let hosts = [lab.host("lb51", "172.16.16.51/24"), lab.host("client", "172.16.16.9/24")];
    let [first, second] = hosts.map(Result::unwrap);
    (lab, first, second)
}

fn announcer(host: &Host) -> (Announcer, Interface) {
    host.run(|| (Announcer::open().unwrap(), interface("eth1")))
}

/// What the host has in its cache for an address.
fn neighbour(host: &Host, address: IpAddr) -> String {
    host.run(|| shell(&format!("neighbour show to {address} dev eth1")))
}

fn colons(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[test]
#[ignore = "needs root"]
fn an_announcement_moves_the_entry_in_a_neighbours_cache() {
    let (_lab, first, second) = hosts();
    let (announcer, interface) = announcer(&first);
    let mac = colons(interface.mac.unwrap());
    for address in [ip("172.16.16.100"), ip("fd00::100")] {
        second.run(|| {
            let stale = format!("neighbour replace {address} lladdr 02:00:00:00:00:99 dev eth1");
            shell(&format!("{stale} nud stale"));
        });
        announcer.announce(&interface, address).unwrap();
        eventually("the cache has it", PATIENCE, || {
            let entry = neighbour(&second, address);
            if entry.contains(&mac) { Ok(()) } else { Err(entry) }
        });
    }
}

#[test]
#[ignore = "needs root"]
fn arp_is_announced_as_request_and_as_reply_and_ipv6_with_override() {
    let (_lab, first, second) = hosts();
    let (announcer, interface) = announcer(&first);
    let capture = Capture::start(&second).unwrap();
    let (v4, v6) = (ip("172.16.16.100"), ip("fd00::100"));
    announcer.announce(&interface, v4).unwrap();
    announcer.announce(&interface, v6).unwrap();
    let own = interface.mac.unwrap();
    let claims = eventually("three frames", PATIENCE, || {
        let mut claims = capture.claims_since(0);
        claims.retain(|claim| claim.address == v4 || claim.address == v6);
        if claims.len() == 3 { Ok(claims) } else { Err(claims) }
    });
    assert!(claims.iter().all(|claim| claim.hardware == own && claim.gratuitous), "{claims:?}");
    let kinds: Vec<_> = claims.iter().map(|claim| (claim.address, claim.reply)).collect();
    assert_eq!(kinds, [(v4, false), (v4, true), (v6, true)]);

    let file = std::env::temp_dir().join(format!("halb-vrrp-announce-{}", std::process::id()));
    capture.write_pcap(&file).unwrap();
    let output = Command::new("tcpdump").args(["-envv", "-r"]).arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("172.16.16.100 is-at") && text.contains("tgt is fd00::100"), "{text}");
    assert!(text.contains("icmp6 sum ok") && text.contains("[override]"), "{text}");
}

#[test]
#[ignore = "needs root"]
fn an_interface_without_hardware_address_needs_no_announcement_and_a_missing_one_is_an_error() {
    let (_lab, first, second) = hosts();
    let (announcer, interface) = announcer(&first);
    let capture = Capture::start(&second).unwrap();
    let tunnel = Interface { mac: None, ..interface.clone() };
    announcer.announce(&tunnel, ip("172.16.16.100")).unwrap();
    announcer.probe(&tunnel, ip("172.16.16.100")).unwrap();
    let gone = Interface { index: 4711, ..interface.clone() };
    let error = announcer.announce(&gone, ip("172.16.16.100")).unwrap_err();
    assert_eq!(error.to_string(), "cannot announce 172.16.16.100 on eth1");
    let error = announcer.probe(&gone, ip("fd00::100")).unwrap_err();
    assert_eq!(error.to_string(), "cannot ask who has fd00::100 on eth1");
    announcer.announce(&interface, ip("172.16.16.101")).unwrap();
    let first_seen = eventually("a claim", PATIENCE, || {
        capture.claims_since(0).into_iter().find(|claim| claim.address.is_ipv4())
    });
    assert_eq!(first_seen.address, ip("172.16.16.101"));
}
