//! Which addresses this node has put where.

use std::net::IpAddr;

use crate::interfaces::{Interfaces, Placed};
use crate::node::Key;

/// What was put on interfaces, is about to be, or hasn't gone yet.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    entries: Vec<Holding>,
}

#[derive(Debug)]
struct Holding {
    key: Key,
    placed: Placed,
    stage: Stage,
}

/// How far an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The kernel was or will be asked for it.
    Coming,
    /// It was there, and is to stay.
    There,
    /// The kernel was or will be asked to take it away.
    Going,
}

impl Holdings {
    /// A router is about to put an address somewhere.
    pub(super) fn put(&mut self, key: Key, placed: Placed) {
        let same = |holding: &Holding| holding.key == key && holding.placed.is_at(&placed);
        self.entries.retain(|holding| !same(holding));
        self.entries.push(Holding { key, placed, stage: Stage::Coming });
    }

    /// The kernel has put it there. Nothing if it is to go again.
    pub(super) fn confirm(&mut self, key: Key, placed: &Placed) {
        for holding in &mut self.entries {
            let coming = holding.stage == Stage::Coming;
            if coming && holding.key == key && holding.placed.is_at(placed) {
                holding.stage = Stage::There;
            }
        }
    }

    /// The kernel has put it there for this router, and it is to stay.
    pub(super) fn is_there(&self, key: Key, placed: &Placed) -> bool {
        self.entries.iter().any(|holding| {
            let there = holding.stage == Stage::There;
            there && holding.key == key && holding.placed.is_at(placed)
        })
    }

    /// Where a router has put an address, or is about to.
    pub(super) fn places(&self, key: Key, address: IpAddr) -> impl Iterator<Item = &Placed> {
        let live = self.entries.iter().filter(|holding| holding.is_live());
        let of = live.filter(move |holding| holding.key == key);
        of.map(|holding| &holding.placed).filter(move |placed| placed.address == address)
    }

    /// A router gives an address up. Returns where it is to be taken away: where no other router
    /// has put it.
    pub(super) fn take(&mut self, key: Key, address: IpAddr) -> Vec<Placed> {
        let its = |holding: &mut Holding| {
            holding.is_live() && holding.key == key && holding.placed.address == address
        };
        let mut taken: Vec<_> = self.entries.extract_if(.., its).collect();
        let live = |other: &&Holding| other.is_live();
        let shared = |placed: &Placed| {
            self.entries.iter().filter(live).any(|other| other.placed.is_at(placed))
        };
        taken.retain(|holding| !shared(&holding.placed));
        let places = taken.iter().map(|holding| holding.placed.clone()).collect();
        let going = |holding| Holding { stage: Stage::Going, ..holding };
        self.entries.extend(taken.into_iter().map(going));
        places
    }

    /// The kernel has taken it away.
    pub(super) fn gone(&mut self, placed: &Placed) {
        let gone = |holding: &Holding| !holding.is_live() && holding.placed.is_at(placed);
        self.entries.retain(|holding| !gone(holding));
    }

    /// What hasn't gone yet.
    pub(super) fn going(&self) -> impl Iterator<Item = (Key, &Placed)> {
        let going = self.entries.iter().filter(|holding| !holding.is_live());
        going.map(|holding| (holding.key, &holding.placed))
    }

    /// Routers of which an address isn't where it was put.
    pub(super) fn lost(&self, picture: &Interfaces) -> Vec<Key> {
        let mut keys = Vec::new();
        for Holding { key, placed, stage } in &self.entries {
            if *stage == Stage::There && !keys.contains(key) && !picture.has(placed) {
                keys.push(*key);
            }
        }
        keys
    }

    /// All of it.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Placed> {
        self.entries.iter().map(|holding| &holding.placed)
    }
}

impl Holding {
    fn is_live(&self) -> bool {
        self.stage != Stage::Going
    }
}

impl Placed {
    /// The same address in the same place, whatever its label.
    pub(super) fn is_at(&self, other: &Self) -> bool {
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
        assert_eq!((holdings.take(two, address), holdings.iter().count()), (vec![], 1));
        holdings.gone(&placed(1, 1));
        assert_eq!(holdings.iter().count(), 0);
    }

    #[test]
    fn a_router_has_lost_an_address_that_was_there_and_is_not_where_it_was_put() {
        let (one, two) = (Key::of(1), Key::of(2));
        let mut holdings = Holdings::default();
        holdings.put(one, placed(1, 1));
        holdings.put(one, placed(1, 2));
        holdings.put(two, placed(2, 3));
        assert_eq!(holdings.lost(&picture(&[])), [], "none of them has come yet");
        for (key, placed) in [(one, placed(1, 1)), (one, placed(1, 2)), (two, placed(2, 3))] {
            holdings.confirm(key, &placed);
        }
        assert!(holdings.is_there(one, &placed(1, 1)) && !holdings.is_there(two, &placed(1, 1)));
        let all = [&placed(1, 1), &placed(1, 2), &placed(2, 3)];
        assert_eq!(holdings.lost(&picture(&all)), []);
        assert_eq!(holdings.lost(&picture(&[&placed(2, 1), &placed(1, 2)])), [one, two]);
        holdings.put(two, placed(2, 3));
        assert!(!holdings.is_there(two, &placed(2, 3)));
        assert_eq!(holdings.lost(&picture(&[])), [one], "it is put back already");
        holdings.take(one, placed(1, 1).address);
        assert_eq!(holdings.lost(&picture(&[&placed(1, 2), &placed(2, 3)])), []);
    }

    #[test]
    fn what_is_to_go_is_ours_until_it_is_gone_or_wanted_again() {
        let key = Key::of(1);
        let mut holdings = Holdings::default();
        holdings.put(key, placed(1, 1));
        assert_eq!(holdings.take(key, placed(1, 1).address), [placed(1, 1)]);
        holdings.confirm(key, &placed(1, 1));
        assert_eq!(holdings.going().collect::<Vec<_>>(), [(key, &placed(1, 1))]);
        assert_eq!(holdings.places(key, placed(1, 1).address).count(), 0);
        holdings.put(key, placed(1, 1));
        holdings.gone(&placed(1, 1));
        assert_eq!((holdings.going().count(), holdings.iter().count()), (0, 1));
    }
}
