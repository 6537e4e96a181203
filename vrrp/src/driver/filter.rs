//! Filters that the kernel runs for a socket (classic BPF, bpf(4) of the BSDs and
//! linux/filter.h), so that nothing wakes this process but what it asked for.

use std::net::{IpAddr, Ipv6Addr};

use socket2::SockFilter;

/// Takes nothing.
pub(super) const NOTHING: [SockFilter; 1] = [give(DROP)];

const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

const DROP: u32 = 0;
const TAKE: u32 = u32::MAX;

/// The kernel's own bound, `BPF_MAXINSNS`.
const LONGEST: usize = 4096;

/// Where what is compared lies in an Ethernet frame.
const ARP_SENDER: u32 = 28;
const IPV6_NEXT_HEADER: u32 = 20;
const ICMPV6_TYPE: u32 = 54;
const TARGET_END: u32 = 74;

const ICMPV6: u32 = 58;
const NEIGHBOUR_ADVERTISEMENT: u32 = 136;

/// ARP frames in which somebody says that it has one of the addresses. The socket takes nothing but
/// ARP.
pub(super) fn arp_claims(addresses: &[IpAddr]) -> Vec<SockFilter> {
    let program = vec![load(LOAD_WORD, ARP_SENDER)];
    let wanted = addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(address.to_bits()),
        IpAddr::V6(_) => None,
    });
    any_of(program, wanted)
}

/// Neighbour advertisements in which somebody says so, by the last four bytes of the address; the
/// reader compares the others. The socket takes nothing but IPv6.
pub(super) fn neighbour_claims(addresses: &[IpAddr]) -> Vec<SockFilter> {
    let program = vec![
        load(LOAD_BYTE, IPV6_NEXT_HEADER),
        skip_if(ICMPV6, 1),
        give(DROP),
        load(LOAD_BYTE, ICMPV6_TYPE),
        skip_if(NEIGHBOUR_ADVERTISEMENT, 1),
        give(DROP),
        load(LOAD_WORD, TARGET_END),
    ];
    let last_word = |address: &Ipv6Addr| {
        let [.., a, b, c, d] = address.octets();
        u32::from_be_bytes([a, b, c, d])
    };
    let wanted = addresses.iter().filter_map(|address| match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(last_word(address)),
    });
    any_of(program, wanted)
}

/// Takes it if what is loaded is one of these. Each costs two steps; those beyond what a program
/// may hold are left out, and there are never so many.
fn any_of(mut program: Vec<SockFilter>, wanted: impl Iterator<Item = u32>) -> Vec<SockFilter> {
    let room = LONGEST.saturating_sub(program.len() + 1) / 2;
    for value in wanted.take(room) {
        program.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, value));
        program.push(give(TAKE));
    }
    program.push(give(DROP));
    program
}

const fn load(size: u16, at: u32) -> SockFilter {
    SockFilter::new(size, 0, 0, at)
}

/// Skips so many steps if what is loaded is this.
const fn skip_if(value: u32, steps: u8) -> SockFilter {
    SockFilter::new(JUMP_IF_EQUAL, steps, 0, value)
}

const fn give(length: u32) -> SockFilter {
    SockFilter::new(RETURN, 0, 0, length)
}
