//! Which addresses this node has put where.

use std::net::IpAddr;

use crate::interfaces::{Interfaces, Placed};
use crate::node::Key;

/// What was put on interfaces, or is about to be.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    entries: Vec<Holding>,
    /// Given up, but the kernel didn't let go of them.
    lingering: Vec<Holding>,
}

#[derive(Debug)]
struct Holding {
    key: Key,
    placed: Placed,
}

impl Holdings {
    /// A router is about to put an address somewhere.
    pub(super) fn put(&mut self, key: Key, placed: Placed) {
        self.lingering.retain(|holding| !holding.placed.is_at(&placed));
        if !self.entries.iter().any(|holding| holding.key == key && holding.placed == placed) {
            self.entries.push(Holding { key, placed });
        }
    }

    /// Where a router has put an address.
    pub(super) fn places(&self, key: Key, address: IpAddr) -> impl Iterator<Item = &Placed> {
        let of = self.entries.iter().filter(move |holding| holding.key == key);
        of.map(|holding| &holding.placed).filter(move |placed| placed.address == address)
    }

    /// A router gives an address up. Returns where it is to be taken away: where no other router
    /// has put it.
    pub(super) fn take(&mut self, key: Key, address: IpAddr) -> Vec<Placed> {
        let its = |holding: &mut Holding| holding.key == key && holding.placed.address == address;
        let taken: Vec<_> =
            self.entries.extract_if(.., its).map(|holding| holding.placed).collect();
        let shared = |placed: &Placed| self.entries.iter().any(|other| other.placed.is_at(placed));
        taken.into_iter().filter(|placed| !shared(placed)).collect()
    }

    /// The kernel refuses to take an address away, which is to be tried again.
    pub(super) fn linger(&mut self, key: Key, placed: Placed) {
        self.lingering.push(Holding { key, placed });
    }

    /// Something is to be tried again.
    pub(super) fn is_lingering(&self) -> bool {
        !self.lingering.is_empty()
    }

    /// What is to be tried again. Whatever is refused once more is to [`linger`](Self::linger).
    pub(super) fn take_lingering(&mut self) -> Vec<(Key, Placed)> {
        let lingering = self.lingering.drain(..);
        lingering.map(|holding| (holding.key, holding.placed)).collect()
    }

    /// Routers of which an address isn't where it was put.
    pub(super) fn lost(&self, picture: &Interfaces) -> Vec<Key> {
        let mut keys = Vec::new();
        for Holding { key, placed } in &self.entries {
            if !keys.contains(key) && !picture.has(placed) {
                keys.push(*key);
            }
        }
        keys
    }

    /// All of it, and what could not be taken away.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Placed> {
        self.entries.iter().chain(&self.lingering).map(|holding| &holding.placed)
    }
}

impl Placed {
    /// The same address in the same place, whatever its label.
    fn is_at(&self, other: &Self) -> bool {
        (self.index, self.address, self.prefix_len)
            == (other.index, other.address, other.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::interfaces::{Assigned, Interface, TAG};

    fn placed(index: u32, last: u8) -> Placed {
        let address = IpAddr::from([10, 0, 0, last]);
        Placed { index, interface: "eth0".into(), address, prefix_len: 32, label: None }
    }

    fn picture(there: &[&Placed]) -> Interfaces {
        let mut picture = Interfaces::default();
        let interface = |index: u32| Interface {
            index,
            name: Arc::from(format!("eth{index}")),
            is_up: true,
            mac: None,
            forwards_ipv6: false,
        };
        let assigned = |placed: &&Placed| Assigned {
            index: placed.index,
            address: placed.address,
            prefix_len: placed.prefix_len,
            tag: TAG,
            is_secondary: false,
            is_unusable: false,
        };
        picture.replace(vec![interface(1), interface(2)], there.iter().map(assigned).collect());
        picture
    }

    #[test]
    fn an_address_that_two_routers_have_put_stays_until_both_give_it_up() {
        let (one, two) = (Key::of(1), Key::of(2));
        let mut holdings = Holdings::default();
        holdings.put(one, placed(1, 1));
        holdings.put(two, placed(1, 1));
        holdings.put(two, placed(1, 1));
        let address = placed(1, 1).address;
        assert_eq!(holdings.take(one, address), []);
        assert_eq!(holdings.take(two, address), [placed(1, 1)]);
        assert_eq!((holdings.take(two, address), holdings.iter().count()), (vec![], 0));
    }

    #[test]
    fn what_the_kernel_keeps_is_ours_until_it_goes_or_is_wanted_again() {
        let key = Key::of(1);
        let mut holdings = Holdings::default();
        holdings.put(key, placed(1, 1));
        for placed in holdings.take(key, placed(1, 1).address) {
            holdings.linger(key, placed);
        }
        assert_eq!((holdings.iter().count(), holdings.lost(&picture(&[]))), (1, vec![]));
        assert_eq!(holdings.take_lingering(), [(key, placed(1, 1))]);
        holdings.linger(key, placed(1, 1));
        holdings.put(key, placed(1, 1));
        assert_eq!((holdings.take_lingering(), holdings.iter().count()), (vec![], 1));
    }

    #[test]
    fn a_router_has_lost_an_address_that_is_not_where_it_was_put() {
        let (one, two) = (Key::of(1), Key::of(2));
        let mut holdings = Holdings::default();
        holdings.put(one, placed(1, 1));
        holdings.put(one, placed(1, 2));
        holdings.put(two, placed(2, 3));
        let all = [&placed(1, 1), &placed(1, 2), &placed(2, 3)];
        assert_eq!(holdings.lost(&picture(&all)), []);
        assert_eq!(holdings.lost(&picture(&[&placed(2, 1), &placed(1, 2)])), [one, two]);
        holdings.take(one, placed(1, 1).address);
        assert_eq!(holdings.lost(&picture(&[&placed(1, 2), &placed(2, 3)])), []);
    }
}
