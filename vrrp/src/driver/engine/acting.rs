//! What routers ask for, done and reported back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::super::{DriverNotice, Event};
use super::troubles::Need;
use super::{Engine, words};
use crate::interfaces::Interface;
use crate::node::Key;
use crate::router::{Action, Notice, Outgoing};
use crate::settings::Instance;

/// Addresses that are announced in a turn, each with two frames at most: what adverts can wait
/// for.
const ANNOUNCED_PER_TURN: usize = 32;

/// Addresses of a router that are probed at a time.
const PROBED_MAX: usize = 32;

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
                break;
            }
            self.report_sent(&mut sent, now);
        }
        self.set_hands_to_work();
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
            Action::EndAnnouncements => self.announcements.end(key),
            Action::AnnounceSource(source) => self.announcements.begin(key, &[source], 1, now),
            Action::Transition(transition) => {
                self.note_transition(key, &instance, &transition, now);
                self.plan_is_old = true;
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
    pub(super) fn settings_of(&self, key: Key) -> Option<Arc<Instance>> {
        self.node.settings(key).map(Arc::clone)
    }

    fn send(&mut self, key: Key, instance: &Instance, outgoing: &Outgoing, sent: &mut Sent) {
        let outcome = self.leash.act(|| self.network.send(instance, outgoing));
        // Without leave the router learns that it is no longer active.
        let Ok(outcome) = outcome else { return };
        let succeeded = self.note_outcome(key, &instance.name, Need::Send, outcome);
        match sent.last_mut().filter(|(of, _)| *of == key) {
            Some((_, any)) => *any |= succeeded,
            None => sent.push((key, succeeded)),
        }
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
            if self.note_outcome(key, &instance.name, Need::Announce, outcome) {
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
        name: &Arc<str>,
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
                    let instance = Some(Arc::clone(name));
                    self.notice(DriverNotice::Failed { instance, what });
                }
                false
            }
        }
    }

    /// A trouble of all routers of an interface.
    pub(super) fn trouble_on(&mut self, interface: &str, need: Need, what: &str) {
        for (key, instance) in self.members_on(interface) {
            self.note_outcome(key, &instance.name, need, Err(what.to_owned()));
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
