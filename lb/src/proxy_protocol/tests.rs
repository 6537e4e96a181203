use super::*;
use Invalid::{
    Signature, V1DestinationAddress, V1DestinationPort, V1LineEnd, V1Protocol, V1SourceAddress,
    V1SourcePort, V1TooLong, V2AddressTruncated, V2Checksum, V2Command, V2Family, V2TlvLength,
    V2TlvTruncated, V2TooLong, V2Transport, V2Version,
};

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn ends(source: &str, destination: &str) -> Option<Endpoints> {
    Some(Endpoints { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

fn header(input: &[u8]) -> Header<'_> {
    match parse(input) {
        Ok(Parsed::Header(header)) => header,
        other => panic!("{other:?} for {}", input.escape_ascii()),
    }
}

/// A version 2 header with its length filled in.
fn v2_header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[command, family], &len, body].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], len.as_slice(), value].concat()
}

/// The error appears with the last byte of `input` and not before.
fn assert_last_byte_is_wrong(input: &[u8], reason: Invalid) {
    assert_eq!(parse(input), Err(reason), "{}", input.escape_ascii());
    let before = parse(&input[..input.len() - 1]);
    assert!(matches!(before, Ok(Parsed::Incomplete { .. })), "{before:?} {}", input.escape_ascii());
}

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../../fuzz/corpus/proxy_protocol/", $name)).as_slice()
    };
}

/// Headers as HAProxy 2.6.12 sent them, each followed by a request.
#[test]
fn headers_sent_by_haproxy_are_understood() {
    use ProxyVersion::{V1, V2};
    let table = [
        (recorded!("haproxy-v1-tcp4"), V1, "127.0.0.1:47374", "127.0.0.1:53717", 0),
        (recorded!("haproxy-v1-tcp6"), V1, "[::1]:33432", "[::1]:57315", 0),
        (recorded!("haproxy-v2-tcp4"), V2, "127.0.0.1:37730", "127.0.0.1:47571", 0),
        (recorded!("haproxy-v2-tcp6"), V2, "[::1]:47710", "[::1]:41817", 0),
        (recorded!("haproxy-v2-crc32c"), V2, "[::1]:57842", "[::1]:34715", 1),
        (recorded!("haproxy-v2-unique-id"), V2, "127.0.0.1:57160", "127.0.0.1:54629", 2),
        (recorded!("haproxy-v2-tls"), V2, "127.0.0.1:60560", "127.0.0.1:47263", 2),
    ];
    for (input, version, source, destination, tlvs) in table {
        let header = header(input);
        assert_eq!(header.version, version);
        assert_eq!(header.endpoints, ends(source, destination));
        assert_eq!(header.tlvs.count(), tlvs);
        assert_eq!(&input[header.len..], b"GET / HTTP/1.0\r\n\r\n");
    }
}

#[test]
fn encoded_headers_are_those_of_haproxy() {
    for input in [
        recorded!("haproxy-v1-tcp4"),
        recorded!("haproxy-v1-tcp6"),
        recorded!("haproxy-v2-tcp4"),
        recorded!("haproxy-v2-tcp6"),
    ] {
        let header = header(input);
        let mut out = [0; ENCODED_LEN_MAX];
        let len = encode(header.version, header.endpoints, &mut out);
        assert_eq!(out[..len].escape_ascii().to_string(), input[..len].escape_ascii().to_string());
        assert_eq!(len, header.len);
    }
}

#[test]
fn the_example_of_the_specification_is_understood() {
    let header = header(recorded!("v1-spec-example"));
    assert_eq!(header.endpoints, ends("192.168.0.1:56324", "192.168.0.11:443"));
    assert_eq!(header.len, 47);
}

#[test]
fn lines_of_version_1_that_are_unusual_but_right_are_understood() {
    let table: [(&[u8], Option<Endpoints>); 7] = [
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN \r\n", None),
        (b"PROXY UNKNOWN \xff\0 what ever\r\n", None),
        (
            b"PROXY TCP4 255.255.255.255 0.0.0.0 0 65535\r\n",
            ends("255.255.255.255:0", "0.0.0.0:65535"),
        ),
        (b"PROXY TCP6 :: FFFF::a 1 2\r\n", ends("[::]:1", "[ffff::a]:2")),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", ends("[::ffff:192.0.2.1]:1", "[::1]:2")),
        (
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
              ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            ends(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
    ];
    for (input, endpoints) in table {
        let header = header(input);
        assert_eq!((header.endpoints, header.len), (endpoints, input.len()));
    }
}

#[test]
fn a_line_of_version_1_is_refused_at_the_first_wrong_byte() {
    let table: [(&[u8], Invalid); 36] = [
        (b"PRI", Signature),
        (b"PROXY\r", Signature),
        (b"PROXY  ", V1Protocol),
        (b"PROXY tcp4 1.2.3.4"[..7].as_ref(), V1Protocol),
        (b"PROXY TCP5", V1Protocol),
        (b"PROXY TCP4\t", V1Protocol),
        (b"PROXY UNKNOWNX", V1Protocol),
        (b"PROXY UNKNOWN\n", V1LineEnd),
        (b"PROXY UNKNOWN\r\r", V1LineEnd),
        (b"PROXY UNKNOWN 1 2 3\n", V1LineEnd),
        (b"PROXY TCP4  ", V1SourceAddress),
        (b"PROXY TCP4 :", V1SourceAddress),
        (b"PROXY TCP4 a", V1SourceAddress),
        (b"PROXY TCP4 01", V1SourceAddress),
        (b"PROXY TCP4 256", V1SourceAddress),
        (b"PROXY TCP4 1..", V1SourceAddress),
        (b"PROXY TCP4 1.2.3.4.", V1SourceAddress),
        (b"PROXY TCP4 1.2.3 ", V1SourceAddress),
        (b"PROXY TCP4 1.2.3.4\r", V1SourceAddress),
        (b"PROXY TCP4 1.2.3.4 ::"[..20].as_ref(), V1DestinationAddress),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8\r", V1DestinationAddress),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 -", V1SourcePort),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 +", V1SourcePort),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8  ", V1SourcePort),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 00", V1SourcePort),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 65536", V1SourcePort),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 0x", V1DestinationPort),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 ", V1DestinationPort),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", V1DestinationPort),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rG", V1LineEnd),
        (b"PROXY TCP6 1.", V1SourceAddress),
        (b"PROXY TCP6 12345", V1SourceAddress),
        (b"PROXY TCP6 :::", V1SourceAddress),
        (b"PROXY TCP6 1::2::", V1SourceAddress),
        (b"PROXY TCP6 1:2:3:4:5:6:7:8:", V1SourceAddress),
        (b"PROXY TCP6 fe80::1%", V1SourceAddress),
    ];
    for (input, reason) in table {
        assert_last_byte_is_wrong(input, reason);
    }
}

#[test]
fn a_line_of_version_1_may_have_107_bytes_and_no_more() {
    let longest = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 91], b"\r\n"].concat();
    assert_eq!(header(&longest).len, V1_LEN_MAX);
    let too_long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 92]].concat();
    assert_last_byte_is_wrong(&too_long, V1TooLong);
}

#[test]
fn local_connections_keep_their_own_ends_whatever_the_block_holds() {
    for input in
        [v2_header(0x20, 0, b""), v2_header(0x20, 0xff, b"abcde"), v2_header(0x20, 0x11, b"x")]
    {
        let header = header(&input);
        assert_eq!((header.endpoints, header.len), (None, input.len()));
        assert_eq!(header.tlvs.count(), 0);
    }
}

#[test]
fn other_transports_than_tcp_keep_the_connections_own_ends() {
    let tlv = tlv(0xe0, b"zone");
    let table = [
        (0x00, 0),
        (0x01, 0),
        (0x02, 0),
        (0x10, 0),
        (0x20, 0),
        (0x30, 0),
        (0x12, 12),
        (0x22, 36),
        (0x31, 216),
        (0x32, 216),
    ];
    for (family, addresses_len) in table {
        let input = v2_header(0x21, family, &[vec![1; addresses_len], tlv.clone()].concat());
        let header = header(&input);
        assert_eq!((header.endpoints, header.len), (None, input.len()), "{family:#x}");
        assert_eq!(header.tlvs.count(), usize::from(addresses_len > 0), "{family:#x}");
    }
}

#[test]
fn a_binary_header_is_refused_at_the_first_wrong_byte() {
    let begin = |rest: &[u8]| [V2_SIGNATURE, rest].concat();
    let table = [
        (b"\r\n\r\n\r".to_vec(), Signature),
        (begin(&[0x11]), V2Version),
        (begin(&[0x31]), V2Version),
        (begin(&[0x22]), V2Command),
        (begin(&[0x21, 0x40]), V2Family),
        (begin(&[0x21, 0x13]), V2Transport),
        (begin(&[0x21, 0x11, 0x10]), V2TooLong),
        (begin(&[0x21, 0x11, 0x0f, 0xf1]), V2TooLong),
        (begin(&[0x20, 0x00, 0x0f, 0xf1]), V2TooLong),
        (begin(&[0x21, 0x11, 0, 11]), V2AddressTruncated),
        (begin(&[0x21, 0x21, 0, 35]), V2AddressTruncated),
        (begin(&[0x21, 0x31, 0, 215]), V2AddressTruncated),
    ];
    for (input, reason) in table {
        assert_last_byte_is_wrong(&input, reason);
    }
}

#[test]
fn the_longest_binary_header_is_accepted() {
    let padding = HEADER_LEN_MAX - 16 - 12 - 3;
    let input = v2_header(0x21, 0x11, &[vec![9; 12], tlv(4, &vec![0; padding])].concat());
    assert_eq!(header(&input).len, HEADER_LEN_MAX);
}

#[test]
fn malformed_tlvs_are_refused() {
    let table = [
        (vec![1], V2TlvTruncated),
        (vec![1, 0], V2TlvTruncated),
        (vec![1, 0, 1], V2TlvTruncated),
        ([tlv(4, b""), vec![4, 0, 9, b'h']].concat(), V2TlvTruncated),
        (tlv(2, &[b'a'; 256]), V2TlvLength),
        (tlv(5, &[b'a'; 129]), V2TlvLength),
        (tlv(3, &[0; 3]), V2TlvLength),
        (tlv(3, &[0; 5]), V2TlvLength),
        (tlv(3, &[0; 4]), V2Checksum),
    ];
    for (tlvs, reason) in table {
        let input = v2_header(0x21, 0x11, &[vec![0; 12], tlvs].concat());
        assert_eq!(parse(&input), Err(reason), "{input:x?}");
    }
}

#[test]
fn tlvs_are_told_in_order() {
    let tlvs = [tlv(1, b"h2"), tlv(4, b""), tlv(2, b"api.example.com")].concat();
    let input = v2_header(0x21, 0x11, &[vec![0; 12], tlvs].concat());
    let told: Vec<_> = header(&input).tlvs.map(|tlv| (tlv.kind, tlv.value)).collect();
    assert_eq!(told, [(1, b"h2".as_slice()), (4, b""), (2, b"api.example.com")]);
}

#[test]
fn no_flipped_bit_gets_past_the_checksum() {
    let input = recorded!("haproxy-v2-crc32c");
    let len = header(input).len;
    for bit in 0..len * 8 {
        let mut flipped = input[..len].to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // What is left: a command or family whose block is discarded, or another type of TLV.
        let accepted = match parse(&flipped) {
            Ok(Parsed::Header(mut header)) => {
                header.endpoints.is_some() && header.tlvs.any(|tlv| tlv.kind == 3)
            }
            Ok(Parsed::Incomplete { .. }) | Err(_) => false,
        };
        assert!(!accepted, "bit {bit}");
    }
}

/// RFC 3720, appendix B.4.
#[test]
fn crc32c_gives_the_published_values() {
    assert_eq!(crc32c::checksum([0; 32].into_iter()), 0x8a91_36aa);
    assert_eq!(crc32c::checksum([0xff; 32].into_iter()), 0x62a8_ab43);
    assert_eq!(crc32c::checksum(0..32), 0x46dd_794e);
    assert_eq!(crc32c::checksum(b"123456789".iter().copied()), 0xe306_9283);
}

#[test]
fn what_has_no_ends_is_encoded_as_unknown_or_local() {
    let mut out = [0; ENCODED_LEN_MAX];
    let len = encode(ProxyVersion::V1, None, &mut out);
    assert_eq!(&out[..len], b"PROXY UNKNOWN\r\n");
    let len = encode(ProxyVersion::V2, None, &mut out);
    assert_eq!(&out[..len], v2_header(0x20, 0, b""));
}

#[test]
fn ends_of_different_families_are_encoded_as_ipv6() {
    let mixed = ends("192.0.2.1:1024", "[2001:db8::7]:443");
    let mapped = ends("[::ffff:192.0.2.1]:1024", "[2001:db8::7]:443");
    let mut out = [0; ENCODED_LEN_MAX];
    let len = encode(ProxyVersion::V1, mixed, &mut out);
    assert_eq!(&out[..len], b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::7 1024 443\r\n");
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let len = encode(version, mixed, &mut out);
        assert_eq!(header(&out[..len]).endpoints, mapped);
    }
}
