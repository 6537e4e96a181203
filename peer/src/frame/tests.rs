use proptest::prelude::*;

use super::*;

const OLD: &str = "0123456789abcdef";
const NEW: &str = "fedcba9876543210";

/// Sixteen digits, four times.
fn key(digits: &str) -> Key {
    Key::from_hex(&digits.repeat(4)).unwrap()
}

fn ring(sign: &str, also: Option<&str>) -> Keyring {
    Keyring::new(&Keys { sign: key(sign), also: also.map(key) })
}

fn header() -> Header {
    let number = |number| NonZeroU64::new(number).unwrap();
    Header {
        channel: 3,
        from: Session::from_random(0x1111_2222_3333_4444),
        to: Some(Session::from_random(0x5555_6666_7777_8888)),
        sequence: number(7),
        echo: Some(Echo { sequence: number(6), held: Duration::from_micros(1_500) }),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Written by hand, and signed by Python's `hmac`.
const GOLDEN: &str = "68616c62010300041111222233334444555566667777888800000000000000070000000000000006\
                      000005dc776f726469147746922ac1140d9c9a3bee6015c96bedf4b3cd162fd174853896845c1856";

#[test]
fn a_frame_is_what_its_description_says() {
    let frame = bytes(GOLDEN);
    let ring = ring(OLD, None);
    assert_eq!(ring.seal(&header(), b"word").unwrap(), frame);
    let read = parse(&frame).unwrap().verify(&ring).unwrap();
    assert_eq!((read.header, read.payload), (header(), b"word".as_slice()));
    assert_eq!(read.key, SignedWith::Sign);
}

#[test]
fn a_hello_of_somebody_who_knows_nobody_names_nobody_and_echoes_nothing() {
    let ring = ring(OLD, None);
    let hello = Header { channel: 0, to: None, echo: None, ..header() };
    let frame = ring.seal(&hello, b"").unwrap();
    assert_eq!(frame.len(), 76);
    assert_eq!(frame[16..24], [0; 8]);
    assert_eq!(frame[32..44], [0; 12]);
    assert_eq!(parse(&frame).unwrap().verify(&ring).unwrap().header, hello);
}

#[test]
fn the_longest_payload_fits_into_one_packet_and_one_more_byte_does_not() {
    let ring = ring(OLD, None);
    let frame = ring.seal(&header(), &[7; PAYLOAD_LEN_MAX]).unwrap();
    assert_eq!(frame.len(), FRAME_LEN_MAX);
    // Headers of IPv6 and UDP.
    assert_eq!(frame.len() + 40 + 8, 1_280);
    assert_eq!(parse(&frame).unwrap().verify(&ring).unwrap().payload.len(), PAYLOAD_LEN_MAX);
    let longer = ring.seal(&header(), &[7; PAYLOAD_LEN_MAX + 1]);
    assert_eq!(longer, Err(PayloadTooLong(PAYLOAD_LEN_MAX + 1)));
}

#[test]
fn what_cannot_be_a_frame_is_refused_with_its_reason() {
    let frame = bytes(GOLDEN);
    let changed = |at: usize, with: &[u8]| {
        let mut frame = frame.clone();
        frame[at..at + with.len()].copy_from_slice(with);
        frame
    };
    let table = [
        (Vec::new(), Refusal::NotOurs),
        (b"hal".to_vec(), Refusal::NotOurs),
        (changed(0, b"H"), Refusal::NotOurs),
        (b"halb".to_vec(), Refusal::TooShort(4)),
        (changed(4, &[0]), Refusal::Version(0)),
        (changed(4, &[2]), Refusal::Version(2)),
        (b"halb\x02".to_vec(), Refusal::Version(2)),
        ([b"halb\x02".as_slice(), &[0; 2_000]].concat(), Refusal::Version(2)),
        (frame[..75].to_vec(), Refusal::TooShort(75)),
        (frame[..79].to_vec(), Refusal::Malformed("length")),
        ([frame.as_slice(), &[0]].concat(), Refusal::Malformed("length")),
        (changed(6, &[0, 5]), Refusal::Malformed("length")),
        (changed(6, &[0xff, 0xff]), Refusal::Malformed("length")),
        ([frame.as_slice(), &[0; FRAME_LEN_MAX]].concat(), Refusal::TooLong),
        (changed(8, &[0; 8]), Refusal::Malformed("session")),
        (changed(24, &[0; 8]), Refusal::Malformed("sequence number")),
    ];
    for (datagram, refusal) in table {
        assert_eq!(parse(&datagram), Err(refusal), "{datagram:x?}");
    }
}

#[test]
fn no_flipped_bit_gets_past_the_signature() {
    let frame = bytes(GOLDEN);
    let ring = ring(OLD, None);
    for bit in 0..frame.len() * 8 {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let read = parse(&flipped).and_then(|frame| frame.verify(&ring).map(|_| ()));
        assert!(read.is_err(), "bit {bit}");
        if bit >= 8 * 8 {
            assert_eq!(read, Err(Refusal::WrongKey), "bit {bit}");
        }
    }
}

#[test]
fn either_key_of_a_ring_fits_and_no_other() {
    let frame = ring(NEW, None).seal(&header(), b"word").unwrap();
    let with = |ring: &Keyring| parse(&frame).unwrap().verify(ring).map(|frame| frame.key);
    assert_eq!(with(&ring(NEW, Some(OLD))), Ok(SignedWith::Sign));
    assert_eq!(with(&ring(OLD, Some(NEW))), Ok(SignedWith::Also));
    assert_eq!(with(&ring(OLD, None)), Err(Refusal::WrongKey));
    assert_eq!(with(&ring(OLD, Some("0011223344556677"))), Err(Refusal::WrongKey));
}

#[test]
fn a_hold_longer_than_its_field_is_the_longest_that_fits() {
    let ring = ring(OLD, None);
    let held = Duration::from_secs(90_000);
    let header = Header { echo: header().echo.map(|echo| Echo { held, ..echo }), ..header() };
    let frame = ring.seal(&header, b"").unwrap();
    let echo = parse(&frame).unwrap().claims().echo.unwrap();
    assert_eq!(echo.held, Duration::from_micros(u64::from(u32::MAX)));
}

#[test]
fn session_zero_is_never_drawn() {
    assert_eq!(Session::from_random(0), Session::from_random(u64::MAX));
}

fn any_header() -> impl Strategy<Value = Header> {
    let number = || (1..=u64::MAX).prop_map(|number| NonZeroU64::new(number).unwrap());
    let echo = (number(), any::<u32>()).prop_map(|(sequence, micros)| Echo {
        sequence,
        held: Duration::from_micros(u64::from(micros)),
    });
    let sessions = (any::<u64>(), prop::option::of(any::<u64>()));
    (any::<u8>(), sessions, number(), prop::option::of(echo)).prop_map(
        |(channel, (from, to), sequence, echo)| Header {
            channel,
            from: Session::from_random(from),
            to: to.map(Session::from_random),
            sequence,
            echo,
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_sealed_reads_the_same_and_no_beginning_of_it_does(
        header in any_header(),
        payload in prop::collection::vec(any::<u8>(), 0..=PAYLOAD_LEN_MAX),
        cut in any::<prop::sample::Index>(),
    ) {
        let ring = ring(OLD, None);
        let frame = ring.seal(&header, &payload).unwrap();
        let read = parse(&frame).unwrap().verify(&ring).unwrap();
        prop_assert_eq!(read.header, header);
        prop_assert_eq!(read.payload, &payload);
        let cut = &frame[..cut.index(frame.len())];
        prop_assert!(parse(cut).and_then(|frame| frame.verify(&ring).map(|_| ())).is_err());
    }
}
