//! What holds for any bytes and any advert.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

fn any_body() -> impl Strategy<Value = Body> {
    let password = proptest::option::of("[ -~]{0,12}".prop_map(|text| Password::new(&text)));
    let form = prop_oneof![
        Just(ChecksumForm::Message),
        Just(ChecksumForm::PseudoHeader),
        Just(ChecksumForm::PseudoHeaderOfGroup)
    ];
    prop_oneof![
        (1_u16..=255, password).prop_map(|(interval, password)| v2(interval, password)),
        (1_u16..=4095, form).prop_map(|(interval, form)| v3(interval, form)),
    ]
}

fn any_addresses(body: Body) -> BoxedStrategy<VirtualAddresses> {
    let v4 = btree_set(1_u32..0xe000_0000, 1..=VirtualAddresses::MAX_V4)
        .prop_map(|set| set.into_iter().map(|bits| Ipv4Addr::from(bits).into()).collect());
    let v6 = btree_set(1_u128..0xff << 120, 1..=VirtualAddresses::MAX_V6)
        .prop_map(|set| set.into_iter().map(|bits| Ipv6Addr::from(bits).into()).collect());
    let list: BoxedStrategy<Vec<IpAddr>> = match body {
        Body::V2 { .. } => v4.boxed(),
        Body::V3 { .. } => prop_oneof![v4, v6].boxed(),
    };
    list.prop_map(|list| VirtualAddresses::new(list).unwrap()).boxed()
}

fn any_advert() -> impl Strategy<Value = Advert> {
    let head = (1..=u8::MAX, any::<u8>());
    (head, any_body().prop_flat_map(|body| (Just(body), any_addresses(body)))).prop_map(
        |((vrid, priority), (body, addresses))| Advert {
            vrid: VrId::new(vrid).unwrap(),
            priority: Priority::new(priority),
            addresses,
            body,
        },
    )
}

fn interval_of(body: Body) -> AdvertInterval {
    match body {
        Body::V2 { interval, .. } => AdvertInterval::V2(interval),
        Body::V3 { interval, .. } => AdvertInterval::V3(interval),
    }
}

fn passwords_of(body: Body) -> Vec<Password> {
    match body {
        Body::V2 { password, .. } => password.into_iter().collect(),
        Body::V3 { .. } => Vec::new(),
    }
}

fn ends(family: Family) -> (IpAddr, IpAddr) {
    let source = match family {
        Family::V4 => FROM_51.into(),
        Family::V6 => "fe80::51".parse().unwrap(),
    };
    (source, group(family))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(advert in any_advert()) {
        let family = advert.addresses.family();
        let (source, destination) = ends(family);
        let message = advert.message(source, destination);
        let datagram = Datagram { source, destination, hop_limit: HOP_LIMIT, message: &message };
        let passwords = passwords_of(advert.body);
        let interval = interval_of(advert.body);
        let expected =
            Expectation { vrid: advert.vrid, family, ..expect(interval, &passwords) };
        let read = receive(&datagram, &expected);
        prop_assert!(read.is_ok(), "{read:?}");
        let read = read.unwrap();
        prop_assert_eq!(read.priority, advert.priority);
        prop_assert_eq!(read.interval, interval);
        let addresses: Vec<_> = read.addresses.iter().collect();
        prop_assert_eq!(&addresses[..], advert.addresses.as_slice());
        prop_assert!(read.addresses.matches(&advert.addresses));
    }

    #[test]
    fn a_flipped_bit_is_noticed(advert in any_advert(), bit in any::<prop::sample::Index>()) {
        let family = advert.addresses.family();
        let (source, destination) = ends(family);
        let mut message = advert.message(source, destination);
        let bit = bit.index(message.len() * 8);
        message[bit / 8] ^= 1 << (bit % 8);
        let datagram = Datagram { source, destination, hop_limit: HOP_LIMIT, message: &message };
        let passwords = passwords_of(advert.body);
        let expected = Expectation {
            vrid: advert.vrid,
            family,
            ..expect(interval_of(advert.body), &passwords)
        };
        prop_assert!(receive(&datagram, &expected).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in vec(any::<u8>(), 0..600),
        good_start in any::<bool>(),
        is_v6 in any::<bool>(),
        interval in prop_oneof![Just(seconds(5)), Just(centiseconds(100))],
        secret in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if good_start && bytes.len() > 1 {
            bytes[..2].copy_from_slice(&[interval.version().number() << 4 | 1, 1]);
        }
        let _ = ipv4::parse(&bytes);
        let family = if is_v6 { Family::V6 } else { Family::V4 };
        let (source, destination) = ends(family);
        let datagram = Datagram { source, destination, hop_limit: HOP_LIMIT, message: &bytes };
        let passwords = if secret { vec![mysecret()] } else { Vec::new() };
        let expected = Expectation { family, ..expect(interval, &passwords) };
        if let Ok(read) = receive(&datagram, &expected) {
            prop_assert_eq!(read.addresses.iter().count(), usize::from(bytes[3]));
        }
    }

    #[test]
    fn any_ipv4_packet_is_taken_apart_within_its_bytes(
        mut packet in vec(any::<u8>(), 20..100),
        words in 0_u8..16,
        total in 0_u8..110,
    ) {
        packet[0] = 0x40 | words;
        packet[2..4].copy_from_slice(&[0, total]);
        if let Ok(datagram) = ipv4::parse(&packet) {
            let length = usize::from(total) - usize::from(words) * 4;
            prop_assert_eq!(datagram.message.len(), length);
        }
    }
}

#[test]
fn a_base_priority_is_a_priority_on_the_wire() {
    let base = BasePriority::new(100).unwrap();
    assert_eq!(base.plus(0), Priority::new(100));
}
