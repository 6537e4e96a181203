//! What the kernel says of interfaces and their addresses, and what follows from it for a router:
//! a picture that is read once and then kept by changes.
//!
//! ```text
//!  reading of everything ──replace──▶ ┌────────────┐ ──link────▶ is it up, what to send from
//!  changes as they come ────apply───▶ │ Interfaces │ ──resolve─▶ where a virtual address belongs
//!                                     └────────────┘ ──holders─▶ is it there, and whose is it
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::packet::announce::Mac;
use crate::router::Link;
use crate::settings::Placement;
use crate::values::Family;

/// The mark (`IFA_PROTO`) on addresses that halb puts on interfaces: VRRP's protocol number.
/// Kernels before 5.18 have no such mark.
pub const TAG: u8 = crate::packet::PROTOCOL;

/// An interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Index, which a new interface of the same name doesn't share.
    pub index: u32,
    /// Name, which may change.
    pub name: Arc<str>,
    /// It is set up and passes packets (`IFF_UP` and `IFF_RUNNING`: operational, RFC 2863).
    pub is_up: bool,
    /// Hardware address, where it has one as Ethernet has.
    pub mac: Option<Mac>,
    /// It forwards IPv6, which neighbour advertisements tell.
    pub forwards_ipv6: bool,
}

/// An address on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix_len: u8,
    /// Who put it there, as the kernel's `IFA_PROTO` tells; 0: unknown. See [`TAG`].
    pub tag: u8,
    /// Another address of the same subnet comes first (IPv4).
    pub is_secondary: bool,
    /// It can't be used: not yet (IPv6, duplicate address detection) or never (it failed).
    pub is_unusable: bool,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An interface is new or different.
    Interface(Interface),
    /// An interface is gone, and its addresses with it.
    InterfaceGone {
        /// Its index.
        index: u32,
    },
    /// An address is new or different.
    Address(Assigned),
    /// An address is gone.
    AddressGone(Assigned),
}

/// A virtual address with the interface that it belongs on, as the kernel needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Index of the interface.
    pub index: u32,
    /// Its name, for messages and as the label's default.
    pub interface: Arc<str>,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix_len: u8,
    /// Label, IPv4 only.
    pub label: Option<Arc<str>>,
}

/// How a router's own address is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceRule {
    /// This one and no other, on whichever interface it is.
    pub wanted: Option<IpAddr>,
    /// A unicast peer: an address in its subnet is preferred. None: adverts are multicast, which
    /// for IPv6 must come from a link-local address (RFC 9568 §5.1.2.1).
    pub towards: Option<IpAddr>,
}

/// Most interfaces that are kept: some hundred containers have one each.
pub const INTERFACES_MAX: usize = 16_384;

/// Most addresses of one interface that are kept: kube-proxy puts every service on one.
pub const ADDRESSES_MAX: usize = 4096;

/// The picture.
#[derive(Debug, Clone, Default)]
pub struct Interfaces {
    entries: BTreeMap<u32, Entry>,
    indices: BTreeMap<Arc<str>, u32>,
    left_out: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    interface: Interface,
    /// In the kernel's order, which has primary addresses first.
    addresses: Vec<Assigned>,
}

impl Interfaces {
    /// Takes a reading of everything in the place of what was known.
    pub fn replace(&mut self, interfaces: Vec<Interface>, addresses: Vec<Assigned>) {
        self.entries.clear();
        self.indices.clear();
        for interface in interfaces {
            self.apply_interface(interface);
        }
        for assigned in addresses {
            self.add(assigned);
        }
    }

    /// Takes a change. One that is known already, or comes for an interface that is gone,
    /// changes nothing.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Interface(interface) => self.apply_interface(interface),
            Change::InterfaceGone { index } => {
                if let Some(gone) = self.entries.remove(&index) {
                    self.forget_name(&gone.interface.name, index);
                }
            }
            Change::Address(assigned) => {
                let entry = self.entries.get_mut(&assigned.index);
                let mut known = entry.into_iter().flat_map(|entry| &mut entry.addresses);
                match known.find(|known| known.is_same(&assigned)) {
                    Some(known) => *known = assigned,
                    None => self.add(assigned),
                }
            }
            Change::AddressGone(gone) => {
                if let Some(entry) = self.entries.get_mut(&gone.index) {
                    entry.addresses.retain(|known| !known.is_same(&gone));
                }
            }
        }
    }

    fn add(&mut self, assigned: Assigned) {
        let Some(entry) = self.entries.get_mut(&assigned.index) else { return };
        if entry.addresses.len() < ADDRESSES_MAX {
            entry.addresses.push(assigned);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    fn apply_interface(&mut self, interface: Interface) {
        let (index, name) = (interface.index, Arc::clone(&interface.name));
        if let Some(entry) = self.entries.get_mut(&index) {
            let old = std::mem::replace(&mut entry.interface, interface);
            if old.name != name {
                self.forget_name(&old.name, index);
            }
        } else if self.entries.len() < INTERFACES_MAX {
            self.entries.insert(index, Entry { interface, addresses: Vec::new() });
        } else {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.indices.insert(name, index);
    }

    /// The name may meanwhile be that of another interface.
    fn forget_name(&mut self, name: &str, index: u32) {
        if self.indices.get(name) == Some(&index) {
            self.indices.remove(name);
        }
    }

    /// The interface of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Interface> {
        self.indexed(*self.indices.get(name)?)
    }

    /// The interface of this index.
    #[must_use]
    pub fn indexed(&self, index: u32) -> Option<&Interface> {
        Some(&self.entries.get(&index)?.interface)
    }

    /// The addresses of an interface, in the kernel's order.
    #[must_use]
    pub fn addresses(&self, index: u32) -> &[Assigned] {
        self.entries.get(&index).map_or(&[], |entry| &entry.addresses)
    }

    /// Everywhere that an address is, whatever its prefix and whoever put it there.
    pub fn holders(&self, address: IpAddr) -> impl Iterator<Item = &Assigned> {
        self.all().filter(move |assigned| assigned.address == address)
    }

    /// Every address that bears halb's mark.
    pub fn tagged(&self) -> impl Iterator<Item = &Assigned> {
        self.all().filter(|assigned| assigned.tag == TAG)
    }

    /// The kernel keeps marks: it shows at least one, be it its own on the loopback address. If it
    /// shows none it may keep them all the same.
    #[must_use]
    pub fn shows_tags(&self) -> bool {
        self.all().any(|assigned| assigned.tag != 0)
    }

    /// Changes that found no room.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What a virtual address needs to be put on its interface, `home` being that of its
    /// instance. None: the interface isn't there.
    #[must_use]
    pub fn resolve(&self, placement: &Placement, home: &str) -> Option<Placed> {
        let interface = self.named(placement.interface.as_deref().unwrap_or(home))?;
        Some(Placed {
            index: interface.index,
            interface: Arc::clone(&interface.name),
            address: placement.address,
            prefix_len: placement.prefix_len,
            label: placement.label.clone(),
        })
    }

    /// The address is where it belongs, and usable.
    #[must_use]
    pub fn has(&self, placed: &Placed) -> bool {
        self.addresses(placed.index).iter().any(|assigned| {
            assigned.address == placed.address
                && assigned.prefix_len == placed.prefix_len
                && !assigned.is_unusable
        })
    }

    /// What a router is told of its interface. `is_virtual` says which addresses are never its
    /// own: those of every virtual router of the node, but for an owner's.
    #[must_use]
    pub fn link(
        &self,
        name: &str,
        family: Family,
        rule: SourceRule,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Link {
        let Some(interface) = self.named(name) else { return Link::default() };
        let source = match rule.wanted {
            Some(wanted) => {
                self.holders(wanted).any(|assigned| !assigned.is_unusable).then_some(wanted)
            }
            None => self.own_address(interface.index, family, rule.towards, is_virtual),
        };
        Link { is_up: interface.is_up, source }
    }

    fn own_address(
        &self,
        index: u32,
        family: Family,
        towards: Option<IpAddr>,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let own = self.addresses(index).iter().filter(|assigned| {
            Family::of(assigned.address) == family
                && !assigned.is_unusable
                && assigned.tag != TAG
                && !is_virtual(assigned.address)
        });
        let fits = |assigned: &&Assigned| match (towards, assigned.address) {
            (Some(peer), _) => assigned.reaches(peer),
            (None, IpAddr::V6(address)) => address.is_unicast_link_local(),
            (None, IpAddr::V4(_)) => !assigned.is_secondary,
        };
        // What doesn't fit serves too, but for multicast of IPv6, which routers would refuse.
        let strict = towards.is_none() && family == Family::V6;
        let any = || own.clone().find(|_| !strict);
        own.clone().find(fits).or_else(any).map(|assigned| assigned.address)
    }

    fn all(&self) -> impl Iterator<Item = &Assigned> {
        self.entries.values().flat_map(|entry| &entry.addresses)
    }
}

impl Assigned {
    /// Both are the same address to the kernel.
    fn is_same(&self, other: &Self) -> bool {
        self.address == other.address && self.prefix_len == other.prefix_len
    }

    /// The other address is in this one's subnet.
    fn reaches(&self, other: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let host_bits = bits - u32::from(self.prefix_len).min(bits);
        (own ^ other).checked_shr(host_bits).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests;
