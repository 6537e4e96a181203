//! Lists of virtual addresses: configured ones, and those in a packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::values::Family;

/// The addresses of a virtual router: at least one, of one family, none twice. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VirtualAddresses {
    family: Family,
    addresses: Arc<[IpAddr]>,
}

/// Why addresses can't be those of a virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressesError {
    /// There is none.
    #[error("a virtual router needs at least one address")]
    Empty,
    /// They don't fit into an advert.
    #[error("{got} addresses do not fit into an advert, which holds {max}")]
    TooMany {
        /// How many there are.
        got: usize,
        /// How many fit.
        max: usize,
    },
    /// IPv4 and IPv6 together.
    #[error(
        "'{0}' is of another family than the first address; give it a virtual router of its own"
    )]
    MixedFamilies(IpAddr),
    /// An address twice.
    #[error("'{0}' is given twice")]
    Duplicate(IpAddr),
    /// No interface can have it.
    #[error("'{0}' is not an address that an interface can have")]
    Unusable(IpAddr),
}

impl VirtualAddresses {
    /// The count is one byte.
    pub const MAX_V4: usize = 255;
    /// What fits into an Ethernet frame: fragments of adverts would be lost in half of all
    /// filters.
    pub const MAX_V6: usize = (1500 - 40 - super::HEADER_LEN) / 16;

    /// Checks the list. Of IPv6, link-local addresses come first (RFC 9568 §5.2.9, erratum 8300),
    /// and otherwise the order stays.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(mut addresses: Vec<IpAddr>) -> Result<Self, AddressesError> {
        let first = addresses.first().ok_or(AddressesError::Empty)?;
        let (family, max) = match first {
            IpAddr::V4(_) => (Family::V4, Self::MAX_V4),
            IpAddr::V6(_) => (Family::V6, Self::MAX_V6),
        };
        if addresses.len() > max {
            return Err(AddressesError::TooMany { got: addresses.len(), max });
        }
        for (index, address) in addresses.iter().enumerate() {
            if Family::of(*address) != family {
                return Err(AddressesError::MixedFamilies(*address));
            }
            if addresses[..index].contains(address) {
                return Err(AddressesError::Duplicate(*address));
            }
            let broadcast = *address == IpAddr::V4(Ipv4Addr::BROADCAST);
            if address.is_unspecified() || address.is_multicast() || broadcast {
                return Err(AddressesError::Unusable(*address));
            }
        }
        let link_local = |address: &IpAddr| match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        addresses.sort_by_key(|address| !link_local(address));
        Ok(Self { family, addresses: addresses.into() })
    }

    /// The family of all of them.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The addresses in the order of the advert.
    #[must_use]
    pub fn as_slice(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The one that tells it from other virtual routers: no link-local one if there is another,
    /// since the same link-local address may be virtual on several interfaces.
    #[must_use]
    pub fn principal(&self) -> IpAddr {
        *self.addresses.last().expect("the constructor refuses an empty list")
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }
}

/// The addresses in a received packet, read where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressList<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> AddressList<'a> {
    /// `bytes` is as long as its addresses; a rest would be left out.
    pub(super) fn new(family: Family, bytes: &'a [u8]) -> Self {
        Self { family, bytes }
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.bytes.len() / size(self.family)
    }

    /// There is none; a packet without addresses is refused.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Each in the order of the packet.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> + 'a {
        let family = self.family;
        self.bytes.chunks_exact(size(family)).filter_map(move |bytes| read(family, bytes))
    }

    /// The same addresses in whatever order. A sender that repeats one of them differs, since the
    /// configured list repeats none.
    #[must_use]
    pub fn matches(self, own: &VirtualAddresses) -> bool {
        self.len() == own.as_slice().len()
            && own.as_slice().iter().all(|address| self.iter().any(|other| other == *address))
    }
}

/// Length of an address on the wire.
pub(crate) fn size(family: Family) -> usize {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}

/// An address of as many bytes as its family has; none if there are more or fewer.
pub(crate) fn read(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        Family::V6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
    }
}

/// Adds the bytes of an address to a message.
pub(crate) fn write(address: IpAddr, message: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => message.extend(address.octets()),
        IpAddr::V6(address) => message.extend(address.octets()),
    }
}
