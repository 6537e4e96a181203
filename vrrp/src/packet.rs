//! Adverts of VRRPv2 and VRRPv3: how they are checked, read and written.
//!
//! ```text
//!  version 2: 21 vrid prio count auth interval(s)   checksum  addresses  password (8 bytes)
//!  version 3: 31 vrid prio count reserved|interval(cs) checksum  addresses
//! ```
//!
//! The codec is written by hand: a packet is eight bytes and a list, and each way to be wrong is
//! to be told apart in keepalived's order. pnet has no type for VRRP, and its checksums hide
//! what was summed, which is the question here (see [`ChecksumForm`]).
//!
//! Reading never allocates.

pub(crate) mod addresses;
mod advert;
pub mod announce;
mod checksum;
pub mod claim;
pub mod ipv4;
mod password;
mod receive;
mod refusal;

pub use addresses::{AddressList, AddressesError, VirtualAddresses};
pub use advert::{Advert, Body};
pub use checksum::ChecksumForm;
pub use password::Password;
pub use receive::{Accepted, Datagram, Expectation, Origin, receive};
pub use refusal::{Reason, Refusal};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::values::Family;

/// Protocol number (IPv4) and next header (IPv6) of VRRP.
pub const PROTOCOL: u8 = 112;

/// Time to live and hop limit of every advert: a packet that was forwarded has less.
pub const HOP_LIMIT: u8 = 255;

/// Group that IPv4 adverts go to, RFC 9568 §5.1.1.2.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Group that IPv6 adverts go to, RFC 9568 §5.1.2.2.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The group of a family.
#[must_use]
pub fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => GROUP_V4.into(),
        Family::V6 => GROUP_V6.into(),
    }
}

/// The only type of packet that VRRP has.
const TYPE_ADVERTISEMENT: u8 = 1;

/// Version, type, id, priority, count, interval, checksum: the same length in both versions.
const HEADER_LEN: usize = 8;

/// Where the checksum lies in it.
const CHECKSUM_AT: usize = 6;

#[cfg(test)]
mod tests;
