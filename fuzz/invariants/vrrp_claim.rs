//! What must hold for any frame of a segment that is looked at for claims to an address.

use std::net::IpAddr;

use halb_vrrp::packet::announce::{gratuitous_arp, neighbour_advertisement};
use halb_vrrp::packet::claim::{Claim, read};

/// Ethernet header, and what ARP or an advertisement has at least.
const ARP_LEN_MIN: usize = 14 + 18;
const ADVERTISEMENT_LEN_MIN: usize = 14 + 40 + 24;

/// Up to the end of an advertisement's first option: all that is ever looked at.
const LOOKED_AT: usize = ADVERTISEMENT_LEN_MIN + 8;

/// Panics if a promise of the reader is broken for `input`.
pub(crate) fn check(input: &[u8]) {
    let claim = read(input);
    assert_eq!(read(&input[..input.len().min(LOOKED_AT)]), claim, "what follows tells nothing");
    if let Some(claim) = claim {
        check_claim(input, claim);
    }
    // A frame that was cut claims what the whole one does, or by the sender of the frame, or nothing.
    for length in 0..input.len().min(LOOKED_AT) {
        if let Some(cut) = read(&input[..length]) {
            assert_eq!(Some(cut.address), claim.map(|claim| claim.address), "cut at {length}");
        }
    }
}

fn check_claim(input: &[u8], claim: Claim) {
    let contains = |bytes: &[u8]| input.windows(bytes.len()).any(|window| window == bytes);
    assert!(contains(&claim.mac), "a hardware address that isn't in the frame");
    match claim.address {
        IpAddr::V4(address) => {
            assert!(input.len() >= ARP_LEN_MIN && input[12..14] == [0x08, 0x06]);
            assert!(contains(&address.octets()) && !address.is_unspecified());
            for frame in gratuitous_arp(claim.mac, address) {
                assert_eq!(read(&frame), Some(claim), "what we would say of it is the same");
            }
        }
        IpAddr::V6(address) => {
            assert!(input.len() >= ADVERTISEMENT_LEN_MIN && input[12..14] == [0x86, 0xdd]);
            assert!(contains(&address.octets()));
            assert_eq!(input[14 + 7], 255, "one that was forwarded claims nothing");
            for router in [false, true] {
                let frame = neighbour_advertisement(claim.mac, address, router);
                assert_eq!(read(&frame), Some(claim), "what we would say of it is the same");
            }
        }
    }
}
