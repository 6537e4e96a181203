//! Addresses that routers want on interfaces or off them. The kernel is asked by the
//! [`hands`](super::hands); what became of it is reported when they are done.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::DriverNotice;
use super::Engine;
use super::hands::{Job, Outcome, Place};
use super::troubles::Need;
use crate::interfaces::Placed;
use crate::node::Key;
use crate::router::AddressReport;
use crate::settings::{Instance, Placement};

/// Time until an address that the kernel didn't let go of is tried again.
const LINGER: Duration = Duration::from_millis(100);

/// Orders to put addresses somewhere that aren't answered yet, one per router at most.
#[derive(Debug, Default)]
pub(super) struct Orders {
    last: u64,
    open: BTreeMap<Key, Open>,
}

/// An order of a router.
#[derive(Debug)]
struct Open {
    number: u64,
    /// Addresses that are left to hear of.
    left: usize,
    trouble: Option<String>,
}

impl Orders {
    /// A router orders so many addresses; what it ordered before counts no more.
    fn begin(&mut self, key: Key, left: usize, trouble: Option<String>) -> u64 {
        self.last += 1;
        self.open.insert(key, Open { number: self.last, left, trouble });
        self.last
    }

    /// One of them was added, or not.
    fn note(&mut self, place: &Place, outcome: Result<(), String>) {
        let open = self.open.get_mut(&place.key).filter(|open| open.number == place.order);
        if let Some(open) = open {
            open.left -= 1;
            if let Err(trouble) = outcome {
                open.trouble = Some(trouble);
            }
        }
    }

    /// What became of a router's order, once nothing is left to hear of.
    fn take_done(&mut self, key: Key) -> Option<Result<(), String>> {
        self.open.get(&key).filter(|open| open.left == 0)?;
        let open = self.open.remove(&key)?;
        Some(open.trouble.map_or(Ok(()), Err))
    }
}

impl Engine {
    /// Puts addresses on their interfaces. The guard knows of them before.
    pub(super) fn add(
        &mut self,
        key: Key,
        instance: &Instance,
        addresses: &[IpAddr],
        now: Instant,
    ) {
        let wanted = instance.placements.iter().filter(|of| addresses.contains(&of.address));
        self.place(key, instance, wanted, now);
        self.probe(instance);
    }

    /// Has addresses put where they belong, but for those that are there: of an owner they are its
    /// own and stay so, and others were put there before.
    fn place<'a>(
        &mut self,
        key: Key,
        instance: &Instance,
        wanted: impl Iterator<Item = &'a Placement>,
        now: Instant,
    ) {
        let (mut places, mut trouble) = (Vec::new(), None);
        for placement in wanted {
            match self.network.picture.resolve(placement, &instance.interface) {
                Some(placed) => places.push(placed),
                None => {
                    let interface = placement.interface.as_ref().unwrap_or(&instance.interface);
                    let Placement { address, .. } = placement;
                    trouble = Some(format!("cannot put {address} anywhere: no {interface}"));
                }
            }
        }
        let (holdings, picture) = (&self.holdings, &self.network.picture);
        let known = |placed: &_| instance.priority.is_owner() || holdings.is_there(key, placed);
        places.retain(|placed| !known(placed) || !picture.has(placed));
        let order = self.orders.begin(key, places.len(), trouble);
        self.plan_is_old = true;
        for placed in places {
            self.holdings.put(key, placed.clone());
            let name = Arc::clone(&instance.name);
            self.hands.want(Job::Add(Place { key, name, order, placed, is_leftover: false }));
        }
        self.report_placed(key, &instance.name, now);
    }

    fn report_placed(&mut self, key: Key, name: &Arc<str>, now: Instant) {
        let Some(outcome) = self.orders.take_done(key) else { return };
        let installed = self.note_outcome(key, name, Need::Add, outcome);
        let report = if installed { AddressReport::Installed } else { AddressReport::Refused };
        self.node.handle_addresses(key, report, now);
    }

    /// Takes addresses away: those that were put somewhere, and those that lie where the router
    /// would put them, left over from an earlier life.
    pub(super) fn remove(&mut self, key: Key, instance: &Instance, addresses: &[IpAddr]) {
        self.announcements.cancel(key, addresses);
        for address in addresses {
            let is_leftover = self.holdings.places(key, *address).next().is_none();
            let places = if is_leftover {
                self.leftovers(instance, *address)
            } else {
                self.holdings.take(key, *address)
            };
            places
                .into_iter()
                .for_each(|placed| self.take_away(key, instance, placed, is_leftover));
        }
    }

    fn take_away(&mut self, key: Key, instance: &Instance, placed: Placed, is_leftover: bool) {
        let name = Arc::clone(&instance.name);
        self.hands.want(Job::Remove(Place { key, name, order: 0, placed, is_leftover }));
    }

    fn leftovers(&self, instance: &Instance, address: IpAddr) -> Vec<Placed> {
        // What a router of this node has put there is no leftover.
        if instance.priority.is_owner() || self.holdings.iter().any(|held| held.address == address)
        {
            return Vec::new();
        }
        let placement = instance.placements.iter().find(|placement| placement.address == address);
        let picture = &self.network.picture;
        let home = placement.and_then(|of| picture.resolve(of, &instance.interface));
        let Some(home) = home else { return Vec::new() };
        let there = picture.addresses(home.index).iter();
        let there = there.filter(|assigned| assigned.address == address);
        there.map(|found| Placed { prefix_len: found.prefix_len, ..home.clone() }).collect()
    }

    /// Addresses that a router keeps are to be placed in another way.
    pub(super) fn move_addresses(
        &mut self,
        key: Key,
        from: &[Placement],
        to: &[Placement],
        now: Instant,
    ) {
        let Some(instance) = self.settings_of(key) else { return };
        for old in from {
            for placed in self.holdings.take(key, old.address) {
                self.take_away(key, &instance, placed, false);
            }
        }
        self.place(key, &instance, to.iter(), now);
    }

    /// Has the hands begin with what is wanted. The guard knows what may be there from now on, and
    /// that this is an act which lasts.
    pub(super) fn set_hands_to_work(&mut self) {
        if self.plan_is_old {
            self.publish_plan();
        }
        if !self.hands.are_free() {
            return;
        }
        // Without leave the router learns that it is no longer active.
        if self.hands.is_to_add() && self.leash.begin().is_err() {
            self.hands.forget_additions();
        }
        self.hands.begin();
    }

    /// Hears what the hands have done.
    pub(super) fn hear_hands(&mut self, now: Instant) {
        let Some(outcomes) = self.hands.take_outcomes() else { return };
        self.leash.end();
        for outcome in outcomes {
            match outcome {
                Outcome::Added(place, outcome) => {
                    if outcome.is_ok() {
                        self.holdings.confirm(place.key, &place.placed);
                    }
                    self.orders.note(&place, outcome);
                    self.report_placed(place.key, &place.name, now);
                }
                Outcome::Removed(place, outcome) => self.note_removal(&place, outcome, now),
                Outcome::Read(reading) => self.take_reading(reading, now),
            }
        }
        self.act(now);
        self.set_hands_to_work();
        self.published.touch();
    }

    fn note_removal(&mut self, place: &Place, outcome: Result<bool, String>, now: Instant) {
        let was_there = matches!(outcome, Ok(true));
        if self.note_outcome(place.key, &place.name, Need::Remove, outcome.map(drop)) {
            self.holdings.gone(&place.placed);
            self.plan_is_old = true;
        } else {
            self.linger_at = Some(now + LINGER);
        }
        if was_there && place.is_leftover {
            let (interface, address) = (Arc::clone(&place.placed.interface), place.placed.address);
            self.notice(DriverNotice::LeftoverRemoved { interface, address });
        }
    }

    /// Tries again what the kernel refused to take away.
    pub(super) fn take_away_lingering(&mut self, now: Instant) {
        if self.linger_at.is_none_or(|at| now < at) || !self.hands.are_idle() {
            return;
        }
        self.linger_at = None;
        let going = self.holdings.going().map(|(key, placed)| (key, placed.clone()));
        for (key, placed) in going.collect::<Vec<_>>() {
            let name = self.node.settings(key).map(|instance| Arc::clone(&instance.name));
            let name = name.unwrap_or_else(|| Arc::clone(&placed.interface));
            let place = Place { key, name, order: 0, placed, is_leftover: false };
            self.hands.want(Job::Remove(place));
        }
        self.set_hands_to_work();
    }
}
