//! An advert of this router, and how it goes onto the wire.

use std::net::IpAddr;

use super::VirtualAddresses;
use super::addresses::{size, write};
use super::checksum::Sum;
use super::receive::auth_type;
use super::{CHECKSUM_AT, ChecksumForm, HEADER_LEN, Password, TYPE_ADVERTISEMENT};
use crate::values::{Centiseconds, Family, Priority, Seconds, Version, VrId};

/// An advert of this router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// The virtual router.
    pub vrid: VrId,
    /// Its priority; 0 releases the addresses.
    pub priority: Priority,
    /// The addresses that it claims.
    pub addresses: VirtualAddresses,
    /// What the versions don't share.
    pub body: Body,
}

/// What the versions don't share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// RFC 3768, with RFC 2338's password.
    V2 {
        /// The interval.
        interval: Seconds,
        /// The password, if there is one.
        password: Option<Password>,
    },
    /// RFC 9568.
    V3 {
        /// The interval.
        interval: Centiseconds,
        /// How an IPv4 packet is summed; IPv6 knows one way only.
        checksum: ChecksumForm,
    },
}

impl Advert {
    /// The message as it travels between these addresses, which must be of its family: checksums
    /// depend on them.
    #[must_use]
    pub fn message(&self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let family = self.addresses.family();
        debug_assert!(Family::of(source) == family && Family::of(destination) == family);
        let addresses = self.addresses.as_slice();
        // The constructor of the list bounds it to what a byte counts.
        let count = u8::try_from(addresses.len()).unwrap_or(u8::MAX);
        let (version, [high, low]) = match self.body {
            Body::V2 { interval, password } => {
                (Version::V2, [auth_type(password.as_ref()), interval.get()])
            }
            Body::V3 { interval, .. } => (Version::V3, interval.get().to_be_bytes()),
        };
        let first = version.number() << 4 | TYPE_ADVERTISEMENT;
        let longest = HEADER_LEN + addresses.len() * size(family) + Password::LEN;
        let mut message = Vec::with_capacity(longest);
        message.extend([first, self.vrid.get(), self.priority.get(), count, high, low, 0, 0]);
        addresses.iter().for_each(|address| write(*address, &mut message));
        let pseudo_header = match self.body {
            Body::V2 { password, .. } => {
                message.extend(password.as_ref().map_or(&[0; Password::LEN], Password::field));
                Sum::default()
            }
            Body::V3 { checksum, .. } => match family {
                Family::V4 => checksum.pseudo_header(source, destination, message.len()),
                Family::V6 => Sum::default().pseudo_header(source, destination, message.len()),
            },
        };
        let checksum = pseudo_header.bytes(&message).complement();
        message[CHECKSUM_AT..HEADER_LEN].copy_from_slice(&checksum.to_be_bytes());
        message
    }
}
