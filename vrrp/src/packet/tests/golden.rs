//! Packets of keepalived, of the RFCs' readings and of third parties, byte by byte.

use super::*;

const VIP: &str = "172.16.16.100";

/// Priority, interval, password, message.
const VERSION_2: [(u8, u16, Option<&str>, &str); 7] = [
    (100, 5, Some("mysecret"), "21016401010513beac1010646d79736563726574"),
    (98, 5, Some("mysecret"), "21016201010515beac1010646d79736563726574"),
    (0, 5, Some("mysecret"), "21010001010577beac1010646d79736563726574"),
    (100, 5, None, "210164010005be83ac1010640000000000000000"),
    (100, 5, Some("abc"), "210164010105f920ac1010646162630000000000"),
    (100, 5, Some("mysecretlong"), "21016401010513beac1010646d79736563726574"),
    (255, 1, None, "2101ff0100012387ac1010640000000000000000"),
];

#[test]
fn version_2_is_written_and_read_byte_by_byte_as_keepalived_does() {
    for (priority, interval, password, golden) in VERSION_2 {
        let password = password.map(Password::new);
        let written = advert(priority, v2(interval, password), &[VIP]);
        let written = written.message(FROM_51.into(), GROUP_V4.into());
        assert_eq!(written, hex(golden));

        let passwords: Vec<_> = password.into_iter().collect();
        let read = receive(&to_group(&written), &expect(seconds(interval), &passwords)).unwrap();
        assert_eq!(read.priority.get(), priority);
        assert_eq!(read.interval, seconds(interval));
        assert!(read.addresses.matches(&addresses_of(&[VIP])));
        assert_eq!(read.checksum, None);
    }
}

#[test]
fn whole_ipv4_packets_are_written_and_read_byte_by_byte() {
    let goldens = [
        (
            100,
            FROM_51,
            "45c0002800010000ff701e4fac101033e000001221016401010513beac1010646d79736563726574",
        ),
        (
            0,
            FROM_52,
            "45c0002800010000ff701e4eac101034e000001221010001010577beac1010646d79736563726574",
        ),
    ];
    for (priority, source, golden) in goldens {
        let message = advert(priority, v2(5, Some(mysecret())), &[VIP]);
        let message = message.message(source.into(), GROUP_V4.into());
        let packet = ipv4::packet(source, GROUP_V4, 1, &message);
        assert_eq!(packet, hex(golden));
        let datagram = ipv4::parse(&packet).unwrap();
        assert_eq!(datagram, Datagram { source: source.into(), ..to_group(&message) });
    }
}

#[test]
fn ip_options_are_skipped() {
    let packet = hex(
        "46c0002c00010000ff708945ac101034e00000129404000021016401010513beac1010646d79736563726574",
    );
    let datagram = ipv4::parse(&packet).unwrap();
    let read = receive(&datagram, &expect(seconds(5), &[mysecret()])).unwrap();
    assert_eq!(read.source, IpAddr::from(FROM_52));
    assert_eq!(read.priority.get(), 100);
}

#[test]
fn the_padding_of_a_short_frame_is_cut_off_and_other_surplus_refused() {
    let message = advert(100, v2(5, Some(mysecret())), &[VIP]);
    let message = message.message(FROM_51.into(), GROUP_V4.into());
    let mut packet = ipv4::packet(FROM_51, GROUP_V4, 1, &message);
    packet.resize(46, 0);
    let datagram = ipv4::parse(&packet).unwrap();
    assert!(receive(&datagram, &expect(seconds(5), &[mysecret()])).is_ok());

    packet.push(0);
    assert_eq!(ipv4::parse(&packet), Err(Refusal::Length { got: 47, expected: 40 }));
    assert_eq!(ipv4::parse(&packet[..39]), Err(Refusal::Length { got: 39, expected: 40 }));
    // Within the IP packet nothing may follow the advert.
    let mut long = message.clone();
    long.push(0);
    let refused = receive(&to_group(&long), &expect(seconds(5), &[mysecret()]));
    assert_eq!(refused, Err(Refusal::Length { got: 21, expected: 20 }));
}

#[test]
fn version_3_is_accepted_in_each_reading_of_its_checksum_and_the_reading_is_told() {
    use ChecksumForm::{Message, PseudoHeader, PseudoHeaderOfGroup};
    let peers = [IpAddr::from(FROM_51)];
    let multicast = expect(centiseconds(100), &[]);
    let unicast = Expectation { origin: Origin::Unicast(&peers), ..multicast };
    let one = Datagram { destination: FROM_52.into(), ..to_group(&[]) };
    let goldens = [
        (to_group(&[]), multicast, 100, Message, "310164010064ae24ac101064"),
        (to_group(&[]), multicast, 100, PseudoHeader, "3101640100641152ac101064"),
        (one, unicast, 100, PseudoHeader, "3101640100643520ac101064"),
        (one, unicast, 100, PseudoHeaderOfGroup, "3101640100641152ac101064"),
        (to_group(&[]), multicast, 1, Message, "310164010001ae87ac101064"),
        (to_group(&[]), multicast, 4095, Message, "310164010fff9e89ac101064"),
    ];
    for (way, expected, interval, form, golden) in goldens {
        let message = hex(golden);
        let written = advert(100, v3(interval, form), &[VIP]).message(way.source, way.destination);
        assert_eq!(written, message);
        let read = receive(&Datagram { message: &message, ..way }, &expected).unwrap();
        assert_eq!((read.checksum, read.interval), (Some(form), centiseconds(interval)));
    }
    let release = hex("3101000100641225ac101064");
    let written = advert(0, v3(100, Message), &[VIP]).message(FROM_51.into(), GROUP_V4.into());
    assert_eq!(written, release);
    assert_eq!(receive(&to_group(&release), &multicast).unwrap().priority, Priority::RELEASE);
}

#[test]
fn reserved_bits_of_version_3_are_ignored() {
    let message = hex("31016401f064be23ac101064");
    let read = receive(&to_group(&message), &expect(centiseconds(100), &[])).unwrap();
    assert_eq!(read.interval, centiseconds(100));
}

fn to_group_v6<'a>(source: &str, message: &'a [u8]) -> Datagram<'a> {
    let source = source.parse().unwrap();
    Datagram { source, destination: GROUP_V6.into(), hop_limit: HOP_LIMIT, message }
}

#[test]
fn version_3_over_ipv6_is_written_and_read_byte_by_byte() {
    let golden =
        hex("3101640200646e97fe800000000000000000000000000100fd000000000000000000000000000100");
    // The link-local address comes first whatever the configuration says.
    let written = advert(100, v3(100, ChecksumForm::Message), &["fd00::100", "fe80::100"]);
    let datagram = to_group_v6("fe80::51", &golden);
    assert_eq!(written.message(datagram.source, datagram.destination), golden);
    let expected = Expectation { family: Family::V6, ..expect(centiseconds(100), &[]) };
    let read = receive(&datagram, &expected).unwrap();
    assert_eq!(read.checksum, None);
    assert!(read.addresses.matches(&addresses_of(&["fe80::100", "fd00::100"])));
}

#[test]
fn packets_of_third_parties_are_read() {
    let expected = |interval| Expectation { vrid: VrId::new(10).unwrap(), ..expect(interval, &[]) };
    let from = IpAddr::from([192, 0, 2, 251]);
    let read = |message: &str, interval| {
        let message = hex(message);
        let datagram = Datagram { source: from, ..to_group(&message) };
        receive(&datagram, &expected(interval)).map(|read| (read.priority.get(), read.checksum))
    };
    let v2 = "210ac802000192edc0000201c00002020000000000000000";
    assert_eq!(read(v2, seconds(1)), Ok((200, None)));
    let message_only = "310ac8020064828ac0000201c0000202";
    assert_eq!(read(message_only, centiseconds(9)), Ok((200, Some(ChecksumForm::Message))));
    let pseudo = "310ac8020064defbc0000201c0000202";
    assert_eq!(read(pseudo, centiseconds(9)), Ok((200, Some(ChecksumForm::PseudoHeader))));

    let v6 =
        hex("310a640200643f5dfe80000000000000000000000000000120010db8000000000000000000000001");
    let expected = Expectation { family: Family::V6, ..expected(centiseconds(9)) };
    let read = receive(&to_group_v6("fe80::c8", &v6), &expected).unwrap();
    assert_eq!((read.priority.get(), read.interval), (100, centiseconds(100)));
}

#[test]
fn announcements_are_written_byte_by_byte() {
    let mac = [0x52, 0x54, 0, 0, 0, 0x51];
    let vip = Ipv4Addr::new(172, 16, 16, 100);
    let [request, reply] = announce::gratuitous_arp(mac, vip);
    let golden =
        "ffffffffffff52540000005108060001080006040001525400000051ac101064ffffffffffffac101064";
    assert_eq!(request.to_vec(), hex(golden));
    let golden =
        "ffffffffffff52540000005108060001080006040002525400000051ac101064ffffffffffffac101064";
    assert_eq!(reply.to_vec(), hex(golden));
    let golden =
        "ffffffffffff5254000000510806000108000604000152540000005100000000000000000000ac101064";
    assert_eq!(announce::arp_probe(mac, vip).to_vec(), hex(golden));
    let virtual_mac = [0, 0, 0x5e, 0, 1, 1];
    let golden =
        "ffffffffffff00005e0001010806000108000604000100005e000101ac101064ffffffffffffac101064";
    assert_eq!(announce::gratuitous_arp(virtual_mac, vip)[0].to_vec(), hex(golden));
}

#[test]
fn a_neighbour_advertisement_overrides_from_the_address_to_all_nodes() {
    let mac = [0x52, 0x54, 0, 0, 0, 0x51];
    let frame = announce::neighbour_advertisement(mac, "fd00::100".parse().unwrap(), false);
    let golden = "33330000000152540000005186dd6000000000203afffd000000000000000000000000000100ff020000000000000000000000000001880007f920000000fd0000000000000000000000000001000201525400000051";
    assert_eq!(frame, hex(golden));
    let router = announce::neighbour_advertisement(mac, "fd00::100".parse().unwrap(), true);
    assert_eq!(router[58], 0xa0, "override and router");
}
