//! Frames in which somebody says that it has an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::HOP_LIMIT;
use super::announce::{
    ARP_HEAD, ETHERTYPE_ARP, ETHERTYPE_IPV6, ICMPV6, Mac, NEIGHBOUR_ADVERTISEMENT,
    TARGET_LINK_LAYER_ADDRESS,
};

/// Somebody has, or says that it has, an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// Who.
    pub mac: Mac,
}

/// What a frame claims, be it asked for or not: ARP of either kind by its sender fields (RFC 826),
/// a neighbour advertisement by its target (RFC 4861 §7.2). A probe, whose sender has no address
/// yet, claims nothing.
#[must_use]
pub fn read(frame: &[u8]) -> Option<Claim> {
    let (_, rest) = frame.split_first_chunk::<6>()?;
    let (source, rest) = rest.split_first_chunk::<6>()?;
    let (kind, payload) = rest.split_first_chunk::<2>()?;
    match *kind {
        ETHERTYPE_ARP => arp(payload),
        ETHERTYPE_IPV6 => neighbour_advertisement(*source, payload),
        _ => None,
    }
}

fn arp(payload: &[u8]) -> Option<Claim> {
    let (head, rest) = payload.split_first_chunk::<6>()?;
    let (_operation, rest) = rest.split_first_chunk::<2>()?;
    let (mac, rest) = rest.split_first_chunk::<6>()?;
    let (sender, _) = rest.split_first_chunk::<4>()?;
    let address = Ipv4Addr::from(*sender);
    let claims = *head == ARP_HEAD && !address.is_unspecified();
    claims.then_some(Claim { address: address.into(), mac: *mac })
}

fn neighbour_advertisement(source: Mac, packet: &[u8]) -> Option<Claim> {
    let (header, message) = packet.split_first_chunk::<40>()?;
    if header[6] != ICMPV6 || header[7] != HOP_LIMIT {
        return None;
    }
    let (head, rest) = message.split_first_chunk::<8>()?;
    if head[0] != NEIGHBOUR_ADVERTISEMENT {
        return None;
    }
    let (target, options) = rest.split_first_chunk::<16>()?;
    // Its option says who answers; without one it is whoever sent the frame.
    let named = match options.split_first_chunk::<8>() {
        Some(([TARGET_LINK_LAYER_ADDRESS, 1, mac @ ..], _)) => Some(*mac),
        _ => None,
    };
    Some(Claim { address: Ipv6Addr::from(*target).into(), mac: named.unwrap_or(source) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::announce;
    use super::*;

    const MAC: Mac = [0x52, 0x54, 0, 0, 0, 0x51];

    #[test]
    fn announcements_of_every_kind_are_claims() {
        let address = Ipv4Addr::new(172, 16, 16, 100);
        for frame in announce::gratuitous_arp(MAC, address) {
            assert_eq!(read(&frame), Some(Claim { address: address.into(), mac: MAC }));
        }
        let address: Ipv6Addr = "fd00::100".parse().unwrap();
        let frame = announce::neighbour_advertisement(MAC, address, true);
        assert_eq!(read(&frame), Some(Claim { address: address.into(), mac: MAC }));
    }

    #[test]
    fn the_option_of_an_advertisement_says_whose_it_is_and_else_its_frame() {
        let address: Ipv6Addr = "fd00::100".parse().unwrap();
        let mut frame = announce::neighbour_advertisement(MAC, address, false);
        let relay = [2, 0, 0, 0, 0, 9];
        frame[6..12].copy_from_slice(&relay);
        assert_eq!(read(&frame).map(|claim| claim.mac), Some(MAC));
        frame.truncate(frame.len() - 8);
        assert_eq!(read(&frame).map(|claim| claim.mac), Some(relay));
    }

    #[test]
    fn probes_solicitations_and_forwarded_advertisements_claim_nothing() {
        let v6: Ipv6Addr = "fd00::100".parse().unwrap();
        assert_eq!(read(&announce::arp_probe(MAC, Ipv4Addr::new(172, 16, 16, 100))), None);
        assert_eq!(read(&announce::neighbour_probe(MAC, v6)), None);
        let mut frame = announce::neighbour_advertisement(MAC, v6, false);
        frame[14 + 7] = 64;
        assert_eq!(read(&frame), None);
        assert_eq!(read(&[]), None);
    }

    proptest! {
        #[test]
        fn any_frame_is_read_without_panic(
            kind in prop_oneof![Just([8, 6]), Just([0x86, 0xdd])],
            rest in prop::collection::vec(any::<u8>(), 0..128),
        ) {
            let frame = [&[0; 12], &kind[..], &rest[..]].concat();
            let long_enough = rest.len() >= 18;
            prop_assert!(read(&frame).is_none() || long_enough);
        }

        #[test]
        fn a_frame_cut_anywhere_is_read_without_panic(length in 0_usize..86) {
            let address = "fd00::100".parse().unwrap();
            let frame = announce::neighbour_advertisement(MAC, address, false);
            let claim = read(&frame[..length]);
            prop_assert_eq!(claim.is_some(), length >= 14 + 40 + 24);
        }
    }
}
