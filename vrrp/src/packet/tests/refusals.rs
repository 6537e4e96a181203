//! Each way for a packet to be wrong, and which comes first.

use super::*;

/// The seed's advert with some bytes replaced; the checksum is not mended.
fn seed_with(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut message = hex("21016401010513beac1010646d79736563726574");
    for (at, byte) in changes {
        message[*at] = *byte;
    }
    message
}

fn refusal(message: &[u8]) -> Refusal {
    receive(&to_group(message), &expect(seconds(5), &[mysecret()])).unwrap_err()
}

#[test]
fn each_fault_has_its_own_refusal() {
    let second = std::time::Duration::from_secs;
    let cases: [(Vec<u8>, Refusal); 11] = [
        (seed_with(&[])[..7].to_vec(), Refusal::TooShort(7)),
        (seed_with(&[(1, 9)]), Refusal::ForeignVrId { ours: 1, theirs: 9 }),
        (seed_with(&[(1, 0)]), Refusal::ForeignVrId { ours: 1, theirs: 0 }),
        (seed_with(&[(0, 0x31)]), Refusal::Version { ours: Version::V2, theirs: 3 }),
        (seed_with(&[(3, 0)]), Refusal::NoAddress),
        (seed_with(&[(3, 2)]), Refusal::Length { got: 20, expected: 24 }),
        (seed_with(&[(4, 3)]), Refusal::AuthTypeInvalid(3)),
        (seed_with(&[(4, 2)]), Refusal::AuthTypeMismatch { ours: 1, theirs: 2 }),
        (seed_with(&[(19, b'T')]), Refusal::AuthFailure),
        (seed_with(&[(5, 1)]), Refusal::Interval { ours: second(5), theirs: second(1) }),
        (seed_with(&[(0, 0x22)]), Refusal::Type(2)),
    ];
    for (message, expected) in cases {
        assert_eq!(refusal(&message), expected);
    }
    assert_eq!(refusal(&seed_with(&[(2, 99)])), Refusal::Checksum);
}

#[test]
fn a_packet_of_version_2_without_its_eight_bytes_of_authentication_is_refused() {
    let message = seed_with(&[]);
    let expected = Refusal::Length { got: 12, expected: 20 };
    assert_eq!(refusal(&message[..12]), expected);
}

#[test]
fn the_checksum_of_version_2_covers_the_authentication_data() {
    // A password that is right for the second key, with the checksum of the first.
    let message = seed_with(&[(19, b'T')]);
    let passwords = [mysecret(), Password::new("mysecreT")];
    let refused = receive(&to_group(&message), &expect(seconds(5), &passwords));
    assert_eq!(refused, Err(Refusal::Checksum));
}

#[test]
fn each_of_two_passwords_is_accepted_and_no_third_one() {
    let body = |password: &str| v2(5, Some(Password::new(password)));
    let passwords = [mysecret(), Password::new("another")];
    for (password, fits) in [("mysecret", true), ("another", true), ("third", false)] {
        let message = advert(100, body(password), &["172.16.16.100"]);
        let message = message.message(FROM_51.into(), GROUP_V4.into());
        let read = receive(&to_group(&message), &expect(seconds(5), &passwords));
        assert_eq!(read.is_ok(), fits, "{password}");
    }
}

#[test]
fn a_password_counts_with_all_of_its_first_eight_bytes() {
    assert_eq!(Password::new("mysecretlong"), mysecret());
    assert_ne!(Password::new("mysecreX"), mysecret());
    assert_ne!(Password::new("abc"), Password::new("abcd"));
    assert_ne!(Password::new("Xysecret"), mysecret());
    assert!(Password::cuts("mysecretlong") && !Password::cuts("mysecret"));
    assert_eq!(format!("{:?}", mysecret()), "Password(…)", "logs don't tell it");
}

#[test]
fn a_packet_that_was_forwarded_is_refused_unless_its_peer_may_be_far() {
    let message = seed_with(&[]);
    let far = Datagram { hop_limit: 254, ..to_group(&message) };
    let expected = expect(seconds(5), &[]);
    let refused = receive(&far, &expected);
    assert_eq!(refused, Err(Refusal::HopLimit { got: 254, min: 255 }));
    let passwords = [mysecret()];
    let lenient = Expectation { hop_limit_min: 254, passwords: &passwords, ..expected };
    assert!(receive(&far, &lenient).is_ok());
}

#[test]
fn our_own_packet_is_refused_as_such_before_its_content_counts() {
    let message = seed_with(&[(4, 3)]);
    let expected = Expectation { own: Some(FROM_51.into()), ..expect(seconds(5), &[]) };
    assert_eq!(receive(&to_group(&message), &expected), Err(Refusal::Own));
}

#[test]
fn multicast_and_unicast_do_not_hear_each_other_nor_strangers() {
    let message = seed_with(&[]);
    let passwords = [mysecret()];
    let multicast = expect(seconds(5), &passwords);
    let one = Datagram { destination: FROM_52.into(), ..to_group(&message) };
    assert_eq!(receive(&one, &multicast), Err(Refusal::Delivery { unicast: false }));

    let peers = [IpAddr::from(FROM_51)];
    let unicast = Expectation { origin: Origin::Unicast(&peers), ..multicast };
    assert!(receive(&one, &unicast).is_ok());
    let refused = receive(&to_group(&message), &unicast);
    assert_eq!(refused, Err(Refusal::Delivery { unicast: true }));
    let stranger = Datagram { source: [172, 16, 16, 53].into(), ..one };
    assert_eq!(receive(&stranger, &unicast), Err(Refusal::UnknownPeer));
}

#[test]
fn the_first_fault_in_keepalived_s_order_is_the_one_that_counts() {
    // Everything is wrong; faults are mended one by one in the order of the checks.
    let mut message = seed_with(&[(0, 0x32), (1, 9), (3, 0), (4, 7), (5, 1), (19, 0), (2, 1)]);
    let mut way = Datagram { hop_limit: 1, destination: FROM_52.into(), ..to_group(&[]) };
    let passwords = [mysecret()];
    let mut expected = expect(seconds(5), &passwords);
    expected.own = Some(FROM_51.into());
    let mut seen = Vec::new();
    for step in 0..11 {
        let refused = receive(&Datagram { message: &message, ..way }, &expected).unwrap_err();
        seen.push(refused.reason());
        match step {
            0 => message[1] = 1,
            1 => expected.own = None,
            2 => way.hop_limit = 255,
            3 => message[0] = 0x22,
            4 => message[3] = 1,
            5 => message[4] = 0,
            6 => message[4] = 1,
            7 => message[19] = b't',
            8 => message[5] = 5,
            9 => message[0] = 0x21,
            _ => message[2] = 100,
        }
    }
    let last = receive(&Datagram { message: &message, ..way }, &expected).unwrap_err();
    seen.push(last.reason());
    assert_eq!(seen, Reason::ALL[1..13]);
}

#[test]
fn version_3_without_an_interval_is_refused() {
    let message = hex("310164010000ae88ac101064");
    let refused = receive(&to_group(&message), &expect(centiseconds(100), &[])).unwrap_err();
    assert!(matches!(refused, Refusal::IntervalRange(_)));
    assert_eq!(refused.reason(), Reason::Interval);
}

#[test]
fn version_3_with_a_checksum_in_no_reading_is_refused() {
    let message = hex("310164010064ae25ac101064");
    let refused = receive(&to_group(&message), &expect(centiseconds(100), &[]));
    assert_eq!(refused, Err(Refusal::Checksum));
}

#[test]
fn counters_have_distinct_names() {
    let mut names = Reason::ALL.map(Reason::name).to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len());
}

#[test]
fn address_lists_match_in_any_order_and_only_whole() {
    let three = advert(1, v2(1, None), &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    let message = three.message(FROM_51.into(), GROUP_V4.into());
    let read = receive(&to_group(&message), &expect(seconds(1), &[])).unwrap();
    let matches = |addresses: &[&str]| read.addresses.matches(&addresses_of(addresses));
    assert!(matches(&["10.0.0.3", "10.0.0.1", "10.0.0.2"]));
    assert!(!matches(&["10.0.0.3", "10.0.0.1"]));
    assert!(!matches(&["10.0.0.3", "10.0.0.1", "10.0.0.4"]));
    assert!(!matches(&["10.0.0.3", "10.0.0.1", "10.0.0.2", "10.0.0.4"]));
}

#[test]
fn the_principal_address_is_no_link_local_one_if_there_is_another() {
    let list = |list: &[&str]| {
        VirtualAddresses::new(list.iter().map(|text| text.parse().unwrap()).collect()).unwrap()
    };
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(list(&["fd00::1", "fe80::1"]).principal(), ip("fd00::1"));
    assert_eq!(list(&["fe80::1"]).principal(), ip("fe80::1"));
    assert_eq!(list(&["10.0.0.1"]).principal(), ip("10.0.0.1"));
}

#[test]
fn lists_that_no_virtual_router_can_have_are_refused() {
    let new = |list: &[&str]| {
        VirtualAddresses::new(list.iter().map(|text| text.parse().unwrap()).collect())
    };
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(new(&[]), Err(AddressesError::Empty));
    let twice = new(&["10.0.0.1", "10.0.0.1"]);
    assert_eq!(twice, Err(AddressesError::Duplicate(ip("10.0.0.1"))));
    let mixed = new(&["10.0.0.1", "fd00::1"]);
    assert_eq!(mixed, Err(AddressesError::MixedFamilies(ip("fd00::1"))));
    for unusable in ["0.0.0.0", "224.0.0.18", "255.255.255.255", "::", "ff02::12"] {
        assert_eq!(new(&[unusable]), Err(AddressesError::Unusable(ip(unusable))));
    }
    let many =
        |count: u32| VirtualAddresses::new((1..=count).map(|n| Ipv4Addr::from(n).into()).collect());
    assert!(many(255).is_ok());
    assert_eq!(many(256), Err(AddressesError::TooMany { got: 256, max: 255 }));
    let many = |count: u32| {
        let address = |n: u32| Ipv6Addr::from(0xfd00 << 112 | u128::from(n)).into();
        VirtualAddresses::new((1..=count).map(address).collect())
    };
    assert!(many(90).is_ok());
    assert_eq!(many(91), Err(AddressesError::TooMany { got: 91, max: 90 }));
}
