use proptest::prelude::*;

use super::*;

const ID: u16 = 0x1234;

fn host() -> HostName {
    HostName::new("a.bc").unwrap()
}

/// A question for the addresses of `a.bc`, by hand.
const QUESTION: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02bc\x00\x00\x01\x00\x01";

/// An answer: flags, the question, then records, each with a name as given.
fn answer(flags: u16, records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = QUESTION.to_vec();
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[7] = u8::try_from(records.len()).unwrap();
    records.iter().for_each(|record| bytes.extend_from_slice(record));
    bytes
}

/// `a.bc. 60 A 10.0.0.LAST`, with the name compressed.
fn a(last: u8) -> Vec<u8> {
    let mut record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00".to_vec();
    record.push(last);
    record
}

const OK: u16 = 0x8180;

fn read(bytes: &[u8]) -> Option<Reply> {
    reply(bytes, ID, &host(), Family::Ipv4)
}

fn found(addresses: &[[u8; 4]], seconds: u64) -> Option<Reply> {
    let addresses = addresses.iter().map(|address| IpAddr::from(*address)).collect();
    Some(Reply::Said(Said::Addresses { addresses, ttl: Duration::from_secs(seconds) }))
}

#[test]
fn a_question_is_as_the_rfc_has_it() {
    assert_eq!(question(ID, &host(), Family::Ipv4), QUESTION);
    assert_eq!(question(ID, &host(), Family::Ipv6)[19..], *b"\x1c\x00\x01");
}

#[test]
fn addresses_are_sorted_and_each_counts_once() {
    let bytes = answer(OK, &[&a(9), &a(2), &a(9)]);
    assert_eq!(read(&bytes), found(&[[10, 0, 0, 2], [10, 0, 0, 9]], 60));
}

#[test]
fn an_alias_is_followed_and_its_time_to_live_counts() {
    // a.bc. 5 CNAME d.bc.; d.bc. 60 A 10.0.0.4; e.bc. 60 A 10.0.0.5
    let alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x04\x01d\xc0\x0e";
    let target = b"\x01d\xc0\x0e\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x04";
    let other = b"\x01e\xc0\x0e\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x05";
    assert_eq!(read(&answer(OK, &[alias, target, other])), found(&[[10, 0, 0, 4]], 5));
}

#[test]
fn aliases_that_run_in_a_circle_end() {
    let alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x02\xc0\x0c";
    assert!(matches!(read(&answer(OK, &[alias])), Some(Reply::Said(Said::Unanswered(_)))));
}

#[test]
fn what_a_name_server_says_beside_addresses_is_told_apart() {
    assert_eq!(read(&answer(OK, &[])), Some(Reply::Said(Said::NoAddress)));
    assert_eq!(read(&answer(OK | 3, &[])), Some(Reply::Said(Said::NoSuchName)));
    let failed = Said::Unanswered("it answered SERVFAIL".to_owned());
    assert_eq!(read(&answer(OK | 2, &[])), Some(Reply::Said(failed)));
    assert_eq!(read(&answer(OK | 0x0200, &[&a(1)])), Some(Reply::Truncated));
}

#[test]
fn an_answer_to_another_question_is_none() {
    let good = answer(OK, &[&a(1)]);
    assert!(read(&good).is_some());
    assert_eq!(reply(&good, ID + 1, &host(), Family::Ipv4), None);
    assert_eq!(reply(&good, ID, &host(), Family::Ipv6), None);
    assert_eq!(reply(&good, ID, &HostName::new("b.bc").unwrap(), Family::Ipv4), None);
    assert_eq!(read(QUESTION), None, "a question is no answer");
    assert_eq!(read(&good[..11]), None);
}

#[test]
fn addresses_that_nobody_can_connect_to_are_none() {
    let all =
        ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "fe80::1", "::ffff:10.0.0.1"];
    let all = all.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(said(all, Duration::ZERO), Said::NoAddress);
}

#[test]
fn addresses_beyond_the_bound_do_not_count() {
    let many = (0..=255).map(|last| IpAddr::from([10, 0, 0, last])).collect();
    let Said::Addresses { addresses, .. } = said(many, Duration::ZERO) else { panic!() };
    assert_eq!(addresses.len(), ADDRESSES_MAX);
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_change_of_a_good_answer_brings_it_down(
        changes in proptest::collection::vec((0_usize..70, any::<u8>()), 0..8),
        cut in 0_usize..70,
    ) {
        let alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x04\x01d\xc0\x0e";
        let mut bytes = answer(OK, &[alias, &a(1), &a(2)]);
        for (at, byte) in changes {
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        let _ = read(&bytes);
    }
}
