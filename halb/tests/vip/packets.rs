//! What halb sends, as others read it.

use std::process::Command;
use std::time::Duration;

use halb_lab::eventually;

use crate::support::PATIENCE;
use crate::support::member::Kind;
use crate::support::router::Router;
use crate::support::segment::Segment;

/// What virtual routers send; hosts have other things to say for themselves.
const OF_ROUTERS: &str =
    "ip proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] = 136 and ip6[44] & 0x20 != 0)";

/// Words with which tcpdump complains about a packet. Whole words: an address may well begin with
/// `bad`.
const COMPLAINTS: [&str; 6] = ["bad", "wrong", "incorrect", "invalid", "truncated", "unknown"];

/// What it complains of, if anything; `[|` is its sign for a packet that ends too early.
fn complaint(line: &str) -> Option<&str> {
    let cut_short = line.contains("[|").then_some("[|");
    cut_short.or_else(|| {
        line.split(|letter: char| letter.is_whitespace() || "()[],".contains(letter))
            .find(|word| COMPLAINTS.contains(word))
    })
}

#[test]
#[ignore = "needs root and tcpdump"]
fn tcpdump_reads_all_that_halb_sends_and_finds_every_checksum_right() {
    let six = ["fe80::100", "fd00::100"].map(|text| text.parse().unwrap());
    let cases = [
        (
            Router::of_the_guides(100),
            "VRRPv2, Advertisement, vrid 1, prio 100, authtype simple, intvl 1s",
        ),
        (Router { password: None, ..Router::of_the_guides(100) }, "authtype none"),
        (Router::fast(100), "VRRPv3, Advertisement, vrid 1, prio 100, intvl 20cs, length 12"),
        (
            Router { addresses: six.to_vec(), ..Router::fast(100) },
            "VRRPv3, Advertisement, vrid 1, prio 100, intvl 20cs, length 40",
        ),
    ];
    std::thread::scope(|scope| {
        for (router, wanted) in &cases {
            scope.spawn(move || {
                let vip = *router.addresses.last().unwrap();
                let segment = Segment::with(vip, Duration::from_millis(5));
                let halb = segment.start(0, Kind::Halb, router);
                segment.wait_for_holder(0);
                segment.seen.wait_for("one more", segment.seen.mark(), PATIENCE, |_| true);
                halb.stop();
                eventually("the address is free", PATIENCE, || segment.holders() == [false; 2]);
                let text = read_by_tcpdump(&segment);
                assert!(text.contains(wanted), "{wanted:?} isn't in\n{text}");
                assert!(text.contains("prio 0"), "no release:\n{text}");
                for line in text.lines() {
                    assert_eq!(complaint(line), None, "{line}");
                }
                segment.check_adverts(router);
            });
        }
    });
}

#[test]
fn a_complaint_is_a_word_and_no_part_of_an_address() {
    assert_eq!(complaint("    0x0000:  bada 2de6 033b"), None);
    assert_eq!(complaint("fe80::bad:1 > ff02::12: ip-proto-112 40"), None);
    assert_eq!(complaint("addrs: 172.16.16.100, (bad vrrp cksum 1234)"), Some("bad"));
    assert_eq!(complaint("VRRPv2, [|vrrp]"), Some("[|"));
}

fn read_by_tcpdump(segment: &Segment) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    segment.seen.write_pcap(file.path()).unwrap();
    let mut command = Command::new("tcpdump");
    command.args(["-n", "-vvv", "-r"]).arg(file.path()).arg(OF_ROUTERS);
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}
