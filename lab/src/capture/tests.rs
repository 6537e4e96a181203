use std::time::{Duration, Instant, SystemTime};

use super::{Advert, Checksum, Claim, Frame, Packet};

/// An Ethernet frame of a type with this content, in hexadecimal.
fn frame(kind: &str, content: &str) -> Frame {
    let text = format!("01005e000012525400000051{kind}{content}");
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..text.len()).step_by(2).map(digits).collect();
    let length = bytes.len();
    Frame { at: Instant::now(), wall: SystemTime::now(), outgoing: false, bytes, length }
}

/// The guides' keepalived, as sent from .51.
const SEED: &str = "45c0002800010000ff701e4fac101033e0000012\
                    21016401010513beac1010646d79736563726574";

#[test]
fn an_advert_of_version_2_is_read_with_its_password() {
    let advert = Advert::of(&frame("0800", SEED)).unwrap();
    assert_eq!(advert.source.to_string(), "172.16.16.51");
    assert_eq!((advert.version, advert.router_id, advert.priority), (2, 1, 100));
    assert_eq!((advert.interval, advert.hop_limit), (Duration::from_secs(5), 255));
    assert_eq!(advert.authentication, Some((1, b"mysecret".to_vec())));
    assert_eq!(advert.addresses, ["172.16.16.100".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(advert.checksum, Checksum::Message);
}

#[test]
fn padding_and_options_are_not_part_of_the_message() {
    let padded = format!("{SEED}000000000000");
    assert_eq!(Advert::of(&frame("0800", &padded)).unwrap().checksum, Checksum::Message);
    let with_option = "46c0002c00010000ff708945ac101034e00000129404000021016401010513beac101064\
                       6d79736563726574";
    let advert = Advert::of(&frame("0800", with_option)).unwrap();
    assert_eq!((advert.priority, advert.checksum), (100, Checksum::Message));
}

#[test]
fn the_checksum_of_version_3_tells_its_reading() {
    let header = "45c0002000010000ff701e57ac101033e0000012";
    let of = |message: &str| {
        let advert = Advert::of(&frame("0800", &format!("{header}{message}"))).unwrap();
        (advert.version, advert.interval, advert.checksum)
    };
    let second = Duration::from_secs(1);
    assert_eq!(of("310164010064ae24ac101064"), (3, second, Checksum::Message));
    assert_eq!(of("3101640100641152ac101064"), (3, second, Checksum::PseudoHeader));
    assert_eq!(of("3101640100641153ac101064"), (3, second, Checksum::Wrong));
}

#[test]
fn an_advert_over_ipv6_is_read() {
    let content = "6000000000287 0fffe800000000000000000000000000051ff020000000000000000000000000012\
                   3101640200646e97fe800000000000000000000000000100fd000000000000000000000000000100";
    let advert = Advert::of(&frame("86dd", &content.replace(' ', ""))).unwrap();
    assert_eq!(advert.addresses.len(), 2);
    assert_eq!(advert.checksum, Checksum::PseudoHeader);
}

#[test]
fn claims_are_told_by_form() {
    let arp = |content: &str| Claim::of(&frame("0806", content)).unwrap();
    let request = arp("0001080006040001525400000051ac101064ffffffffffffac101064");
    assert!(request.gratuitous && !request.reply);
    assert_eq!(request.hardware, [0x52, 0x54, 0, 0, 0, 0x51]);
    let reply = arp("0001080006040002525400000051ac101064ffffffffffffac101064");
    assert!(reply.gratuitous && reply.reply);
    let probe = arp("000108000604000152540000005100000000000000000000ac101064");
    assert!(!probe.gratuitous && probe.address.is_unspecified());
    let na = "6000000000203afffd000000000000000000000000000100ff0200000000000000000000000000018800\
              07f920000000fd0000000000000000000000000001000201525400000051";
    let na = Claim::of(&frame("86dd", na)).unwrap();
    assert!(na.gratuitous && na.reply);
    assert_eq!(na.address.to_string(), "fd00::100");
}

#[test]
fn what_is_cut_or_unknown_is_other() {
    for length in [0, 14, 33, 40, 53] {
        let mut cut = frame("0800", SEED);
        cut.bytes.truncate(length);
        assert!(matches!(Packet::of(&cut), Packet::Other), "{length} bytes");
    }
    assert!(matches!(Packet::of(&frame("88cc", SEED)), Packet::Other));
}
