//! What must hold for any bytes that come back for a question to a name server.

use std::net::IpAddr;
use std::time::Duration;

use halb_resolver::config::{Family, HostName};
use halb_resolver::message::{ADDRESSES_MAX, Reply, Said, question, reply};

/// The longest time to live that means anything (RFC 2181 section 8).
const TTL_MAX: Duration = Duration::from_secs(0x7fff_ffff);

/// Panics if a promise of the reader is broken for `input`, whose first two bytes are the id that
/// was asked with: a fuzzer wouldn't find it.
pub(crate) fn check(input: &[u8]) {
    let id = match *input {
        [high, low, ..] => u16::from_be_bytes([high, low]),
        _ => 0,
    };
    let (asked, other) = (host("master01.example"), host("master02.example"));
    for family in [Family::Ipv4, Family::Ipv6] {
        assert_eq!(reply(input, id ^ 1, &asked, family), None, "another question's answer");
        let Some(said) = reply(input, id, &asked, family) else { continue };
        assert_eq!(reply(input, id, &other, family), None, "an answer about one name");
        repeats_the_question(input, &question(id, &asked, family));
        match said {
            Reply::Truncated => assert!(input[2] & 0x02 != 0),
            Reply::Said(Said::Addresses { addresses, ttl }) => {
                check_addresses(&addresses, family, input);
                assert!(ttl <= TTL_MAX);
            }
            Reply::Said(Said::NoSuchName) => assert!(input[3] & 0x0f == 3),
            Reply::Said(Said::NoAddress) => assert!(input[3] & 0x0f == 0),
            Reply::Said(Said::Unanswered(why)) => assert!(!why.is_empty() && why.len() < 100),
        }
    }
}

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

/// One question comes back, and its labels are those that were asked for, in whatever case. They
/// stand there in full: before them is only the header, which has no room for one of them.
fn repeats_the_question(input: &[u8], question: &[u8]) {
    assert_eq!(input[4..6], [0, 1]);
    // Less the root, which may be a reference to any 0 in the header, the type and the class.
    let labels = 12..question.len() - 5;
    assert!(input[labels.clone()].eq_ignore_ascii_case(&question[labels]));
}

/// Some, not too many, each once in order, of the right kind, and none that isn't in the message.
fn check_addresses(addresses: &[IpAddr], family: Family, input: &[u8]) {
    assert!(!addresses.is_empty() && addresses.len() <= ADDRESSES_MAX);
    assert!(addresses.is_sorted_by(|one, next| one < next));
    for address in addresses {
        assert_eq!(Family::of(*address), family);
        assert!(!address.is_unspecified() && !address.is_multicast());
        let is_there = match address {
            IpAddr::V4(v4) => input.windows(4).any(|bytes| bytes == v4.octets()),
            IpAddr::V6(v6) => input.windows(16).any(|bytes| bytes == v6.octets()),
        };
        assert!(is_there, "{address}");
    }
}
