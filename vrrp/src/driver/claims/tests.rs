//! Claims of other hosts to virtual addresses.

use halb_lab::{Host, Lab, eventually};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::announce::Announcer;
use super::super::testbed::{PATIENCE, interface, ip, shell};
use super::*;

const VIPS: [&str; 4] = ["172.16.16.100", "172.16.16.101", "fd00::100", "fe80::100"];

fn hosts() -> (Lab, Host, Host) {
    let lab = Lab::new().unwrap();
    let hosts = [lab.host("lb51", "172.16.16.51/24"), lab.host("lb52", "172.16.16.52/24")];
    let [first, second] = hosts.map(Result::unwrap);
    (lab, first, second)
}

fn watch(host: &Host, family: Family) -> Watch {
    let vips = VIPS.map(ip);
    host.run(|| Watch::open(&interface("eth1"), family, &vips).unwrap().unwrap())
}

fn next(watch: &Watch) -> Claim {
    eventually("a claim", PATIENCE, || watch.read().unwrap())
}

#[test]
#[ignore = "needs root"]
fn a_foreign_claim_is_seen_and_our_own_sent_back_and_other_addresses_are_not() {
    let (_lab, first, second) = hosts();
    let both =
        [&first, &second].map(|host| host.run(|| (Announcer::open().unwrap(), interface("eth1"))));
    let [(ours, own), (theirs, foreign)] = both;
    for (family, other, wanted) in
        [(Family::V4, "172.16.16.77", VIPS[1]), (Family::V6, "fd00:1::100", VIPS[2])]
    {
        let watch = watch(&first, family);
        ours.announce(&own, ip(wanted)).unwrap();
        theirs.announce(&Interface { index: foreign.index, ..own.clone() }, ip(wanted)).unwrap();
        theirs.announce(&foreign, ip(other)).unwrap();
        theirs.announce(&foreign, ip(wanted)).unwrap();
        let expected = Claim { address: ip(wanted), mac: foreign.mac.unwrap() };
        assert_eq!(next(&watch), expected);
        // ARP is announced in two forms.
        while let Some(claim) = watch.read().unwrap() {
            assert_eq!(claim, expected);
        }
    }
}

#[test]
#[ignore = "needs root"]
fn a_host_that_has_the_address_answers_a_probe_and_nobody_else_does() {
    let (_lab, first, second) = hosts();
    let (announcer, own) = first.run(|| (Announcer::open().unwrap(), interface("eth1")));
    let mac = second.run(|| {
        shell("address add 172.16.16.100/32 dev eth1");
        shell("address add fd00::100/128 dev eth1 nodad");
        interface("eth1").mac.unwrap()
    });
    for (family, free, held) in [(Family::V4, VIPS[1], VIPS[0]), (Family::V6, VIPS[3], VIPS[2])] {
        let watch = watch(&first, family);
        announcer.probe(&own, ip(free)).unwrap();
        announcer.probe(&own, ip(held)).unwrap();
        assert_eq!(next(&watch), Claim { address: ip(held), mac });
    }
    // A probe claims nothing: the other host's cache has no entry of it.
    let cache = second.run(|| shell("neighbour show to 172.16.16.100 dev eth1"));
    assert_eq!(cache, "");
}

#[test]
#[ignore = "needs root"]
fn a_flood_of_claims_to_other_addresses_wakes_nobody() {
    let (_lab, first, second) = hosts();
    let (theirs, foreign) = second.run(|| (Announcer::open().unwrap(), interface("eth1")));
    for (family, others, last) in
        [(Family::V4, "172.16.17.", "172.16.17.250"), (Family::V6, "fd00::1:", "fd00::1:250")]
    {
        let narrow = watch(&first, family);
        let own = first.run(|| interface("eth1"));
        let wide = first.run(|| Watch::open(&own, family, &[ip(last)]).unwrap().unwrap());
        for number in 0..=250 {
            theirs.announce(&foreign, ip(&format!("{others}{number}"))).unwrap();
        }
        assert_eq!(next(&wide).address, ip(last), "all of them have come");
        let mut ready = [PollFd::new(narrow.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ready, PollTimeout::ZERO), Ok(0));
    }
}

#[test]
#[ignore = "needs root"]
fn as_many_addresses_as_a_router_can_have_are_watched() {
    let (_lab, first, second) = hosts();
    let (theirs, foreign) = second.run(|| (Announcer::open().unwrap(), interface("eth1")));
    let many: Vec<_> =
        (0..2000_u32)
            .map(|number| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number)))
            .chain((0..2000_u128).map(|number| {
                IpAddr::from(std::net::Ipv6Addr::from_bits((0xfd00 << 112) + number))
            }))
            .collect();
    for (family, last) in [(Family::V4, many[1999]), (Family::V6, many[3999])] {
        let own = first.run(|| interface("eth1"));
        let watch = first.run(|| Watch::open(&own, family, &many).unwrap().unwrap());
        theirs.announce(&foreign, last).unwrap();
        assert_eq!(next(&watch).address, last);
    }
}

#[test]
#[ignore = "needs root"]
fn a_watch_is_turned_to_other_addresses_but_not_to_another_interface() {
    let (_lab, first, second) = hosts();
    let (theirs, foreign) = second.run(|| (Announcer::open().unwrap(), interface("eth1")));
    let own = first.run(|| interface("eth1"));
    let vips = [ip(VIPS[0])];
    let mut watch = first.run(|| Watch::open(&own, Family::V4, &vips).unwrap().unwrap());
    assert!(watch.fit(&own, Family::V4, &[ip(VIPS[1])]) && watch.index() == own.index);
    theirs.announce(&foreign, ip(VIPS[0])).unwrap();
    theirs.announce(&foreign, ip(VIPS[1])).unwrap();
    assert_eq!(next(&watch).address, ip(VIPS[1]));
    assert!(watch.fit(&own, Family::V4, &vips));
    theirs.announce(&foreign, ip(VIPS[0])).unwrap();
    eventually("the claims to the first", PATIENCE, || next(&watch).address == ip(VIPS[0]));
    // The host's own address has changed: what it says itself is no foreign claim.
    assert!(watch.fit(&Interface { mac: foreign.mac, ..own.clone() }, Family::V4, &vips));
    theirs.announce(&foreign, ip(VIPS[0])).unwrap();
    assert_eq!(watch.read().unwrap(), None);
    assert!(!watch.fit(&Interface { index: own.index + 1, ..own.clone() }, Family::V4, &vips));
    assert!(!watch.fit(&own, Family::V6, &vips));
    let tunnel = Interface { mac: None, ..own };
    assert!(!watch.fit(&tunnel, Family::V4, &vips));
    assert!(Watch::open(&tunnel, Family::V4, &vips).unwrap().is_none());
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_goes_down_is_told_once_and_comes_back() {
    let (_lab, first, second) = hosts();
    let watch = watch(&first, Family::V4);
    first.run(|| shell("link set eth1 down"));
    let error = watch.read().unwrap_err();
    assert_eq!(error.to_string(), "cannot see who else claims addresses on eth1");
    assert_eq!(watch.read().unwrap(), None);
    first.run(|| shell("link set eth1 up"));
    let (theirs, foreign) = second.run(|| (Announcer::open().unwrap(), interface("eth1")));
    eventually("a claim", PATIENCE, || {
        theirs.announce(&foreign, ip(VIPS[0])).unwrap();
        watch.read().unwrap()
    });
}
