//! The Internet checksum (RFC 1071), and what VRRP sums up in it.

use std::net::IpAddr;

use super::{GROUP_V4, PROTOCOL};

/// What an IPv4 advert of version 3 sums up besides itself. RFC 5798 left that open and
/// implementations differ, so all readings are accepted, and the one to send is configurable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumForm {
    /// Only the message: RFC 9568 §5.2.8, Cisco, Juniper, holo.
    Message,
    /// A pseudo-header with the real source and destination too: keepalived and FRR by default.
    PseudoHeader,
    /// A pseudo-header with the multicast group for destination, although the packet went to one
    /// peer: FRR, and keepalived before its `old_unicast_checksum`.
    PseudoHeaderOfGroup,
}

impl ChecksumForm {
    /// All readings, the likeliest first: it is the name of a packet that fits several.
    pub(super) const ALL: [Self; 3] =
        [Self::PseudoHeader, Self::Message, Self::PseudoHeaderOfGroup];

    /// The sum of what comes on top of the message.
    pub(super) fn pseudo_header(self, source: IpAddr, destination: IpAddr, length: usize) -> Sum {
        match self {
            Self::Message => Sum::default(),
            Self::PseudoHeader => Sum::default().pseudo_header(source, destination, length),
            Self::PseudoHeaderOfGroup => {
                Sum::default().pseudo_header(source, GROUP_V4.into(), length)
            }
        }
    }
}

/// A one's-complement sum in the making.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds bytes that begin on an even offset; an odd last one counts as the high byte.
    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let words = bytes.chunks(2).map(|pair| {
            let low = pair.get(1).copied().unwrap_or(0);
            u64::from(u16::from_be_bytes([pair[0], low]))
        });
        Self(self.0.saturating_add(words.sum()))
    }

    /// RFC 8200 §8.1; for IPv4 the same fields as TCP has.
    pub(super) fn pseudo_header(self, source: IpAddr, destination: IpAddr, length: usize) -> Self {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.address(source).address(destination).bytes(&length.to_be_bytes()).bytes(&[0, PROTOCOL])
    }

    fn address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
    }

    /// The checksum to send.
    pub(super) fn complement(self) -> u16 {
        !self.folded()
    }

    /// The sum includes a checksum that fits.
    pub(super) fn is_right(self) -> bool {
        self.folded() == u16::MAX
    }

    fn folded(self) -> u16 {
        let mut sum = self.0;
        // Each step takes off what exceeds 16 bits; three suffice for any 64-bit sum of words.
        while sum > u64::from(u16::MAX) {
            sum = (sum & u64::from(u16::MAX)) + (sum >> 16);
        }
        u16::try_from(sum).unwrap_or(u16::MAX)
    }
}
