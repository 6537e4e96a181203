//! What the driver's guard is to do if the daemon can't: which adverts of priority 0 it sends and
//! which addresses it removes. And how that lies in the page that the two share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::{Delivery, PEERS_MAX};
use crate::packet::VirtualAddresses;
use crate::settings::{Instance, Settings};
use crate::values::Family;

/// What this node holds, and how it is given up. An empty plan: nothing is held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The adverts, in the order in which they go out.
    pub farewells: Vec<Farewell>,
    /// The addresses that are removed then.
    pub addresses: Vec<Held>,
}

/// An advert of priority 0, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Index of the interface that it leaves by.
    pub interface: u32,
    /// Where it comes from; of the same family as the destination.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// The message, without a header of IP.
    pub message: Vec<u8>,
}

/// An address that the daemon put, or is about to put, on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Index of the interface.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix_len: u8,
}

/// A plan is longer than the page has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the virtual routers need {needed} bytes to be given up by the guard, which has room for \
     {PLAN_LEN_MAX}; use fewer addresses or unicast peers, or split the routers between nodes"
)]
pub struct PlanTooLong {
    /// Its length in bytes.
    pub needed: usize,
}

/// Room for a plan: one virtual router with all addresses and peers that it can have needs
/// [`INSTANCE_LEN_MAX`], one with an address on the segment about a hundred bytes. Room that isn't
/// used takes no memory.
pub const PLAN_LEN_MAX: usize = 16 * INSTANCE_LEN_MAX;

/// What the largest virtual router needs, rounded up to whole words: IPv6 addresses are longer, but of
/// IPv4 ones there may be more.
pub const INSTANCE_LEN_MAX: usize = {
    let v4 = PEERS_MAX * (FAREWELL_HEAD + message_len(4, VirtualAddresses::MAX_V4))
        + VirtualAddresses::MAX_V4 * HELD_LEN;
    let v6 = PEERS_MAX * (FAREWELL_HEAD + message_len(16, VirtualAddresses::MAX_V6))
        + VirtualAddresses::MAX_V6 * HELD_LEN;
    (if v4 > v6 { v4 } else { v6 }).next_multiple_of(8)
};

/// Header, addresses, and a password.
const fn message_len(address: usize, addresses: usize) -> usize {
    8 + addresses * address + 8
}

/// Kind and interface begin each entry.
const ENTRY_HEAD: usize = 1 + 4;
/// Then source, destination and length of the message.
const FAREWELL_HEAD: usize = ENTRY_HEAD + 2 * ADDRESS_LEN + 2;
/// Or the address and the length of its prefix.
const HELD_LEN: usize = ENTRY_HEAD + ADDRESS_LEN + 1;
/// Family, and the address padded to the longest.
const ADDRESS_LEN: usize = 1 + 16;

const FAREWELL: u8 = 1;
const HELD: u8 = 2;
const V4: u8 = 4;
const V6: u8 = 6;

/// Whether everything that these routers can come to hold at once can be given up by the guard.
///
/// # Errors
/// With the length that is needed.
pub fn check(settings: &Settings) -> Result<(), PlanTooLong> {
    fits(settings.instances.iter().map(needed).sum())
}

/// Bytes that a virtual router takes in a plan.
fn needed(instance: &Instance) -> usize {
    let router = &instance.router;
    let count = router.addresses().as_slice().len();
    let message = match router.addresses().family() {
        Family::V4 => message_len(4, count),
        Family::V6 => message_len(16, count),
    };
    let destinations = match router.delivery() {
        Delivery::Multicast => 1,
        Delivery::Unicast { peers, .. } => peers.len(),
    };
    destinations * (FAREWELL_HEAD + message) + count * HELD_LEN
}

fn fits(needed: usize) -> Result<(), PlanTooLong> {
    if needed <= PLAN_LEN_MAX { Ok(()) } else { Err(PlanTooLong { needed }) }
}

impl Plan {
    /// Nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.farewells.is_empty() && self.addresses.is_empty()
    }

    /// The plan as bytes, [`PLAN_LEN_MAX`] of them at most; none for an empty one.
    ///
    /// # Errors
    /// With the length that is needed.
    pub fn encode(&self) -> Result<Vec<u8>, PlanTooLong> {
        let mut bytes = Vec::new();
        for Farewell { interface, source, destination, message } in &self.farewells {
            let length = u16::try_from(message.len());
            let length = length.map_err(|_| PlanTooLong { needed: message.len() })?;
            begin(&mut bytes, FAREWELL, *interface);
            put(&mut bytes, *source);
            put(&mut bytes, *destination);
            bytes.extend(length.to_be_bytes());
            bytes.extend(message);
        }
        for Held { interface, address, prefix_len } in &self.addresses {
            begin(&mut bytes, HELD, *interface);
            put(&mut bytes, *address);
            bytes.push(*prefix_len);
        }
        fits(bytes.len()).map(|()| bytes)
    }

    /// The plan that these bytes are; none if they are no plan, which only a fault of our own can
    /// bring about.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut plan = Self::default();
        while let Some((kind, rest)) = reader.0.split_first() {
            reader.0 = rest;
            let interface = u32::from_be_bytes(reader.array()?);
            match *kind {
                FAREWELL => {
                    let (source, destination) = (reader.address()?, reader.address()?);
                    let length = usize::from(u16::from_be_bytes(reader.array()?));
                    let message = reader.take(length)?.to_vec();
                    plan.farewells.push(Farewell { interface, source, destination, message });
                }
                HELD => {
                    let address = reader.address()?;
                    let [prefix_len] = reader.array()?;
                    plan.addresses.push(Held { interface, address, prefix_len });
                }
                _ => return None,
            }
        }
        Some(plan)
    }
}

fn begin(bytes: &mut Vec<u8>, kind: u8, interface: u32) {
    bytes.push(kind);
    bytes.extend(interface.to_be_bytes());
}

fn put(bytes: &mut Vec<u8>, address: IpAddr) {
    let (family, padded) = match address {
        IpAddr::V4(address) => {
            let mut padded = [0; 16];
            padded[..4].copy_from_slice(&address.octets());
            (V4, padded)
        }
        IpAddr::V6(address) => (V6, address.octets()),
    };
    bytes.push(family);
    bytes.extend(padded);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn address(&mut self) -> Option<IpAddr> {
        let [family] = self.array()?;
        let padded: [u8; 16] = self.array()?;
        match family {
            V4 => {
                let [a, b, c, d, ..] = padded;
                Some(Ipv4Addr::new(a, b, c, d).into())
            }
            V6 => Some(Ipv6Addr::from(padded).into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
