use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use proptest::prelude::*;

use super::*;

fn bytes(message: RouteNetlinkMessage, sequence: u32) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn link(family: AddressFamily) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.header.interface_family = family;
    link.header.index = 7;
    link.header.flags = LinkFlags::Up | LinkFlags::Running;
    link.attributes = vec![
        LinkAttribute::IfName("eth1".to_owned()),
        LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
    ];
    link
}

fn address(flags: AddressFlags) -> AddressMessage {
    let mut address = AddressMessage::default();
    address.header.family = AddressFamily::Inet;
    address.header.prefix_len = 32;
    address.header.index = 7;
    let own = IpAddr::from([10, 0, 0, 1]);
    address.attributes = vec![
        AddressAttribute::Address(IpAddr::from([10, 0, 0, 2])),
        AddressAttribute::Local(own),
        AddressAttribute::Flags(flags),
        AddressAttribute::Protocol(AddressProtocol::Other(112)),
    ];
    address
}

fn answers(bytes: &[u8]) -> Vec<Answer> {
    Messages::new(bytes).map(|message| message.answer).collect()
}

#[test]
fn every_message_of_a_datagram_is_read() {
    let datagram = [
        bytes(RouteNetlinkMessage::NewLink(link(AddressFamily::Unspec)), 1),
        bytes(RouteNetlinkMessage::NewAddress(address(AddressFlags::Secondary)), 2),
        bytes(RouteNetlinkMessage::DelAddress(address(AddressFlags::Tentative)), 3),
        bytes(RouteNetlinkMessage::DelLink(link(AddressFamily::Unspec)), 4),
    ]
    .concat();
    let interface = Interface {
        index: 7,
        name: "eth1".into(),
        is_up: true,
        mac: Some([2, 0, 0, 0, 0, 1]),
        forwards_ipv6: false,
    };
    let assigned = Assigned {
        index: 7,
        address: IpAddr::from([10, 0, 0, 1]),
        prefix_len: 32,
        tag: 112,
        is_secondary: true,
        is_unusable: false,
    };
    let gone = Assigned { is_secondary: false, is_unusable: true, ..assigned };
    let expected = [
        Change::Interface(interface),
        Change::Address(assigned),
        Change::AddressGone(gone),
        Change::InterfaceGone { index: 7 },
    ];
    assert_eq!(answers(&datagram), expected.map(Answer::Change));
    let sequences: Vec<_> = Messages::new(&datagram).map(|message| message.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
}

#[test]
fn what_a_bridge_says_of_its_ports_is_not_about_links() {
    let left = bytes(RouteNetlinkMessage::DelLink(link(AddressFamily::Bridge)), 0);
    assert_eq!(answers(&left), [Answer::Other]);
}

#[test]
fn a_link_without_ethernet_address_has_none() {
    let mut tunnel = link(AddressFamily::Unspec);
    tunnel.attributes[1] = LinkAttribute::Address(vec![10, 0, 0, 1]);
    let told = answers(&bytes(RouteNetlinkMessage::NewLink(tunnel), 0));
    assert!(
        matches!(&told[..], [Answer::Change(Change::Interface(told))] if told.mac.is_none()),
        "{told:?}"
    );
}

#[test]
fn ends_carry_the_kernels_error() {
    let end = |kind: u16, code: i32| {
        let mut bytes = [20_u32.to_ne_bytes(), [0; 4], [0; 4], [0; 4], code.to_ne_bytes()].concat();
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes
    };
    let refused = -(Errno::EEXIST as i32);
    assert_eq!(answers(&end(NLMSG_ERROR, refused)), [Answer::End(Err(Errno::EEXIST))]);
    assert_eq!(answers(&end(NLMSG_ERROR, 0)), [Answer::End(Ok(()))]);
    assert_eq!(answers(&end(NLMSG_DONE, 0)), [Answer::End(Ok(()))]);
    assert_eq!(answers(&end(NLMSG_ERROR, i32::MIN)).len(), 1);
    let mut short = end(NLMSG_ERROR, 0);
    short.truncate(16);
    short[0] = 16;
    assert_eq!(answers(&short), [Answer::End(Err(Errno::EBADMSG))]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic_and_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let count = Messages::new(&bytes).count();
        prop_assert!(count <= bytes.len() / MESSAGE_HEADER);
    }

    #[test]
    fn a_message_with_any_byte_changed_is_read_without_panic(at in 0_usize..200, byte in any::<u8>()) {
        let mut bytes = [
            bytes(RouteNetlinkMessage::NewLink(link(AddressFamily::Unspec)), 1),
            bytes(RouteNetlinkMessage::NewAddress(address(AddressFlags::empty())), 2),
        ]
        .concat();
        let at = at % bytes.len();
        bytes[at] = byte;
        prop_assert!(Messages::new(&bytes).count() <= bytes.len() / MESSAGE_HEADER);
    }
}
