//! Frames that tell a segment who has an address now: gratuitous ARP and unsolicited neighbour
//! advertisements, with their Ethernet headers; and the probe that asks whether anybody has it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::HOP_LIMIT;
use super::checksum::Sum;

/// A hardware address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
const NOBODY: Mac = [0; 6];
pub(super) const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
pub(super) const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];

/// Ethernet, IPv4, and the lengths of their addresses.
pub(super) const ARP_HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;

pub(super) const ICMPV6: u8 = 58;
pub(super) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
pub(super) const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];

/// Length of an ARP frame; the driver of the interface pads it.
const ARP_LEN: usize = 42;

/// Both forms of a gratuitous ARP, a request as keepalived sends it and a reply: some devices
/// learn from requests only, others from replies only.
#[must_use]
pub fn gratuitous_arp(mac: Mac, address: Ipv4Addr) -> [[u8; ARP_LEN]; 2] {
    [ARP_REQUEST, ARP_REPLY].map(|operation| arp(operation, mac, address, BROADCAST, address))
}

/// Asks whether anybody has the address, without claiming it (RFC 5227 §2.1.1).
#[must_use]
pub fn arp_probe(mac: Mac, address: Ipv4Addr) -> [u8; ARP_LEN] {
    arp(ARP_REQUEST, mac, Ipv4Addr::UNSPECIFIED, NOBODY, address)
}

fn arp(
    operation: u8,
    mac: Mac,
    sender: Ipv4Addr,
    target_mac: Mac,
    target: Ipv4Addr,
) -> [u8; ARP_LEN] {
    let mut frame = [0; ARP_LEN];
    let parts: [&[u8]; 9] = [
        &BROADCAST,
        &mac,
        &ETHERTYPE_ARP,
        &ARP_HEAD,
        &[0, operation],
        &mac,
        &sender.octets(),
        &target_mac,
        &target.octets(),
    ];
    for (to, from) in frame.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    frame
}

/// Tells all nodes that the address is here now (RFC 4861 §7.2.6), with the Override flag so that
/// their caches change. `router`: this node forwards IPv6.
#[must_use]
pub fn neighbour_advertisement(mac: Mac, address: Ipv6Addr, router: bool) -> Vec<u8> {
    let flags = if router { ROUTER | OVERRIDE } else { OVERRIDE };
    let mut message = vec![NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    message.extend(address.octets());
    message.extend([TARGET_LINK_LAYER_ADDRESS, 1]);
    message.extend(mac);
    icmpv6((mac, address), (ALL_NODES_MAC, ALL_NODES), message)
}

/// Asks whether anybody has the address, without claiming it: as a node does before it takes one
/// (RFC 4862 §5.4.2). Whoever has it answers to all nodes.
#[must_use]
pub fn neighbour_probe(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(address.octets());
    // The solicited-node group, RFC 4291 §2.7.1, and its hardware address, RFC 2464 §7.
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let group_mac = [0x33, 0x33, 0xff, a, b, c];
    icmpv6((mac, Ipv6Addr::UNSPECIFIED), (group_mac, group), message)
}

/// A frame around an ICMPv6 message whose checksum is still 0.
fn icmpv6(from: (Mac, Ipv6Addr), to: (Mac, Ipv6Addr), mut message: Vec<u8>) -> Vec<u8> {
    let length = u8::try_from(message.len()).unwrap_or(u8::MAX);
    let checksum = Sum::default()
        .bytes(&from.1.octets())
        .bytes(&to.1.octets())
        .bytes(&[0, length, 0, ICMPV6])
        .bytes(&message)
        .complement();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut frame = Vec::new();
    frame.extend(to.0);
    frame.extend(from.0);
    frame.extend(ETHERTYPE_IPV6);
    frame.extend([0x60, 0, 0, 0, 0, length, ICMPV6, HOP_LIMIT]);
    frame.extend(from.1.octets());
    frame.extend(to.1.octets());
    frame.extend(message);
    frame
}
