//! What routers ask for, done and reported back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::guard::Revoked;
use super::super::netlink::Removed;
use super::super::{DriverNotice, Event};
use super::troubles::Need;
use super::{Engine, words};
use crate::interfaces::{Interface, Placed};
use crate::node::Key;
use crate::router::{Action, AddressReport, Notice, Outgoing};
use crate::settings::{Instance, Placement};

/// Addresses that are announced in a turn, each with two frames at most: what adverts can wait
/// for.
const ANNOUNCED_PER_TURN: usize = 32;

/// Addresses of a router that are probed at a time.
const PROBED_MAX: usize = 32;

/// Time until an address that the kernel didn't let go of is tried again.
const LINGER: Duration = Duration::from_millis(100);

/// Whether an advert left: to any of those who were to hear it.
type Sent = Vec<(Key, bool)>;

impl Engine {
    /// Does what the routers ask for, until they ask for nothing more.
    pub(super) fn act(&mut self, now: Instant) {
        let mut sent = Sent::new();
        loop {
            while let Some((key, action)) = self.node.poll_action() {
                // An advert to several peers is one; whatever else comes ends it.
                let of_same =
                    matches!(action, Action::Send(_)) && sent.iter().all(|(of, _)| *of == key);
                if !of_same {
                    self.report_sent(&mut sent, now);
                }
                self.carry_out(key, action, &mut sent, now);
                self.published.touch();
            }
            if sent.is_empty() {
                return;
            }
            self.report_sent(&mut sent, now);
        }
    }

    fn report_sent(&mut self, sent: &mut Sent, now: Instant) {
        for (key, succeeded) in sent.drain(..) {
            self.node.handle_sent(key, succeeded, now);
        }
    }

    fn carry_out(&mut self, key: Key, action: Action, sent: &mut Sent, now: Instant) {
        let Some(instance) = self.settings_of(key) else { return };
        match action {
            Action::Send(outgoing) => self.send(key, &instance, &outgoing, sent),
            Action::AddAddresses(addresses) => self.add(key, &instance, &addresses, now),
            Action::RemoveAddresses(addresses) => self.remove(key, &instance, &addresses),
            Action::Announce { addresses, repeats } => {
                self.announcements.begin(key, addresses.as_slice(), repeats, now);
                // An advert that follows lets another node drop the addresses: clients come first.
                self.announce(now);
            }
            Action::AnnounceSource(source) => self.announcements.begin(key, &[source], 1, now),
            Action::Transition(transition) => {
                self.note_transition(key, &instance, &transition, now);
                let transition = *transition;
                let instance = Arc::clone(&instance.name);
                self.outbox.tell(Event::Transition { instance, transition });
                self.published.hurry();
            }
            Action::Notice(notice) => {
                if let Notice::Stalled { .. } = notice {
                    self.probe(&instance);
                }
                let instance = Arc::clone(&instance.name);
                self.outbox.tell(Event::Notice { instance, notice });
            }
            Action::Tell(word) => self.outbox.tell(Event::Word { word }),
        }
    }

    /// What a router was told; of one that is no more, what it was told last.
    fn settings_of(&mut self, key: Key) -> Option<Arc<Instance>> {
        self.node.settings(key).map(Arc::clone)
    }

    fn send(&mut self, key: Key, instance: &Instance, outgoing: &Outgoing, sent: &mut Sent) {
        let outcome = self.leash.act(|| self.network.send(instance, outgoing));
        // Without leave the router learns that it is no longer active.
        let Ok(outcome) = outcome else { return };
        let succeeded = self.note_outcome(key, instance, Need::Send, outcome);
        match sent.last_mut().filter(|(of, _)| *of == key) {
            Some((_, any)) => *any |= succeeded,
            None => sent.push((key, succeeded)),
        }
    }

    /// Puts addresses on their interfaces and reports it. The guard knows of them before.
    fn add(&mut self, key: Key, instance: &Instance, addresses: &[IpAddr], now: Instant) {
        let wanted = instance.placements.iter().filter(|of| addresses.contains(&of.address));
        let outcome = self.place(key, instance, wanted);
        let Ok(outcome) = outcome else { return };
        let installed = self.note_outcome(key, instance, Need::Add, outcome);
        let report = if installed { AddressReport::Installed } else { AddressReport::Refused };
        self.node.handle_addresses(key, report, now);
        self.probe(instance);
    }

    /// Puts addresses where they belong. An owner's that is there already is its own, and stays
    /// so.
    fn place<'a>(
        &mut self,
        key: Key,
        instance: &Instance,
        wanted: impl Iterator<Item = &'a Placement>,
    ) -> Result<Result<(), String>, Revoked> {
        let mut outcome = Ok(());
        let mut places = Vec::new();
        for placement in wanted {
            match self.network.picture.resolve(placement, &instance.interface) {
                Some(placed) => places.push(placed),
                None => {
                    let interface = placement.interface.as_ref().unwrap_or(&instance.interface);
                    let Placement { address, .. } = placement;
                    outcome = Err(format!("cannot put {address} anywhere: no {interface}"));
                }
            }
        }
        if instance.priority.is_owner() {
            places.retain(|placed| !self.network.picture.has(placed));
        }
        places.iter().for_each(|placed| self.holdings.put(key, placed.clone()));
        self.publish_plan();
        for placed in &places {
            let added = self.leash.act(|| self.network.netlink.add_address(placed))?;
            if let Err(error) = added {
                outcome = Err(words(&error));
            }
        }
        Ok(outcome)
    }

    /// Takes addresses away: those that were put somewhere, and those that lie where the router
    /// would put them, left over from an earlier life.
    fn remove(&mut self, key: Key, instance: &Arc<Instance>, addresses: &[IpAddr]) {
        self.announcements.cancel(key, addresses);
        for address in addresses {
            if self.holdings.places(key, *address).next().is_some() {
                self.take_away(key, instance, *address);
                continue;
            }
            for placed in self.leftovers(instance, *address) {
                let (interface, address) = (Arc::clone(&placed.interface), *address);
                if self.remove_from(key, instance, placed) {
                    self.notice(DriverNotice::LeftoverRemoved { interface, address });
                }
            }
        }
        self.publish_plan();
    }

    fn take_away(&mut self, key: Key, instance: &Instance, address: IpAddr) {
        for placed in self.holdings.take(key, address) {
            self.remove_from(key, instance, placed);
        }
    }

    /// Takes an address off its interface. True: it was there.
    fn remove_from(&mut self, key: Key, instance: &Instance, placed: Placed) -> bool {
        let removed = self.network.netlink.remove_address(&placed);
        let gone = matches!(removed, Ok(Removed::Gone));
        let outcome = removed.map(drop).map_err(|error| words(&error));
        if !self.note_outcome(key, instance, Need::Remove, outcome) {
            self.holdings.linger(key, placed);
        }
        gone
    }

    /// Tries again what the kernel refused to take away.
    pub(super) fn take_away_lingering(&mut self, now: Instant) {
        if self.holdings.is_lingering() && self.linger_at.is_none_or(|at| at <= now) {
            for (key, placed) in self.holdings.take_lingering() {
                let refused = self.network.netlink.remove_address(&placed).is_err();
                if refused {
                    self.holdings.linger(key, placed);
                }
            }
            self.publish_plan();
        }
        self.linger_at = self.holdings.is_lingering().then_some(now + LINGER);
    }

    fn leftovers(&self, instance: &Instance, address: IpAddr) -> Vec<Placed> {
        // What another router of this node has put there is no leftover.
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
            self.take_away(key, &instance, old.address);
        }
        let Ok(outcome) = self.place(key, &instance, to.iter()) else { return };
        let installed = self.note_outcome(key, &instance, Need::Add, outcome);
        let report = if installed { AddressReport::Installed } else { AddressReport::Refused };
        self.node.handle_addresses(key, report, now);
    }

    /// Sends what is to be announced now, a little at a time.
    pub(super) fn announce(&mut self, now: Instant) {
        for _ in 0..ANNOUNCED_PER_TURN {
            let Some((key, address)) = self.announcements.next(now) else { return };
            let Some(instance) = self.settings_of(key) else { continue };
            let Some(interface) = self.whereabouts(key, &instance, address) else { continue };
            let announced = self.leash.act(|| self.network.announcer.announce(&interface, address));
            let Ok(outcome) = announced else { continue };
            let outcome = outcome.map_err(|error| words(&error));
            if self.note_outcome(key, &instance, Need::Announce, outcome) {
                let count = self.announced.entry(key).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    /// On which interface an address is announced: where it was put, or (the node's own) at home.
    fn whereabouts(&self, key: Key, instance: &Instance, address: IpAddr) -> Option<Interface> {
        let picture = &self.network.picture;
        let placed = self.holdings.places(key, address).next();
        let held = placed.and_then(|placed| picture.indexed(placed.index));
        held.or_else(|| picture.named(&instance.interface)).cloned()
    }

    /// Asks who else has the addresses of a router. Answers come as claims.
    pub(super) fn probe(&self, instance: &Instance) {
        for placement in instance.placements.iter().take(PROBED_MAX) {
            let picture = &self.network.picture;
            let placed = picture.resolve(placement, &instance.interface);
            let interface = placed.and_then(|placed| picture.indexed(placed.index));
            if let Some(interface) = interface.filter(|interface| interface.is_up) {
                // A question that doesn't leave is one that isn't answered.
                let _ = self.network.announcer.probe(interface, placement.address);
            }
        }
    }

    /// Tells of a trouble when it begins. True: there is none.
    pub(super) fn note_outcome(
        &mut self,
        key: Key,
        instance: &Instance,
        need: Need,
        outcome: Result<(), String>,
    ) -> bool {
        match outcome {
            Ok(()) => {
                self.troubles.end(key, need);
                true
            }
            Err(what) => {
                if self.troubles.begin(key, need) {
                    let instance = Some(Arc::clone(&instance.name));
                    self.notice(DriverNotice::Failed { instance, what });
                }
                false
            }
        }
    }

    /// A trouble of all routers of an interface.
    pub(super) fn trouble_on(&mut self, interface: &str, need: Need, what: &str) {
        for (key, instance) in self.members_on(interface) {
            self.note_outcome(key, &instance, need, Err(what.to_owned()));
        }
    }

    pub(super) fn no_trouble_on(&mut self, interface: &str, need: Need) {
        for (key, _) in self.members_on(interface) {
            self.troubles.end(key, need);
        }
    }

    fn members_on(&self, interface: &str) -> Vec<(Key, Arc<Instance>)> {
        let members = self.node.members().map(|(member, _)| member);
        let there = members.filter(|member| *member.settings().interface == *interface);
        there.map(|member| (member.key(), Arc::clone(member.settings()))).collect()
    }
}
