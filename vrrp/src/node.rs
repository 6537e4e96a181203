//! All virtual routers of this node: brings what happens to the router that it concerns, and says
//! what is to be done for which of them.
//!
//! ```text
//!  Settings ──apply────────────▶ ┌───────────────────────────┐
//!  interfaces ──handle_link────▶ │ Node                      │ ──poll_action──▶ (key, Action)
//!  segments ──handle_datagram──▶ │  router, router, SyncGroup│ ──poll_timeout─▶ deadline
//!  trackers ──handle_sighting──▶ └───────────────────────────┘
//! ```
//!
//! A pure core with one owner, driven like a [`Router`]: what happened comes in first, then
//! [`Node::handle_timeout`] if it is due, then [`Node::poll_action`] until there is none.
//!
//! - A router is known by its [`Key`], which no later router has: one that is replaced or removed
//!   keeps its own until its last actions are taken.
//! - A packet goes to the one router with its interface, family and id. If there is none, its
//!   sender is remembered among the [`Stray`]s.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::group::SyncGroup;
use crate::histogram::Histogram;
use crate::link::Word;
use crate::packet::Datagram;
use crate::router::{Action, AddressReport, Inbox, Link, Outgoing, Router};
use crate::settings::Instance;
use crate::track::{ScriptStanding, Sighting, Standing, Trackers};
use crate::values::Family;

mod apply;
mod changes;
mod strays;

pub use apply::{Applied, Inheritance, Moved, Role};
pub use strays::{STRAYS_MAX, Stray};

use strays::Strays;

/// A virtual router of this node. Keys are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

#[cfg(test)]
impl Key {
    /// A key for a test that has no node.
    pub(crate) const fn of(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// All virtual routers of this node. A new one has none; see [`Node::apply`].
#[derive(Debug, Default)]
pub struct Node {
    /// In the order of the configuration.
    members: Vec<Member>,
    units: Vec<Unit>,
    /// Stopped, with actions that wait to be taken.
    retired: Vec<Retired>,
    strays: Strays,
    keys: u64,
}

/// A virtual router, but for the router itself, which may be in a group.
#[derive(Debug)]
pub struct Member {
    key: Key,
    settings: Arc<Instance>,
    group: Option<Arc<str>>,
    trackers: Trackers,
    arrivals: Arrivals,
    lateness: Histogram,
    seat: Seat,
}

/// Where a router is.
#[derive(Debug, Clone, Copy, Default)]
struct Seat {
    unit: usize,
    place: usize,
}

#[derive(Debug)]
enum Unit {
    Alone(Box<Router>),
    Group(SyncGroup),
}

#[derive(Debug)]
struct Retired {
    key: Key,
    settings: Arc<Instance>,
    router: Router,
}

/// When adverts of others came.
#[derive(Debug, Clone, Copy)]
struct Arrivals {
    last: Option<Instant>,
    times: Histogram,
}

impl Member {
    fn new(key: Key, settings: Arc<Instance>) -> Self {
        let trackers = Trackers::new(settings.trackers.clone());
        let arrivals = Arrivals { last: None, times: Histogram::of_arrivals() };
        let lateness = Histogram::of_lateness();
        let seat = Seat::default();
        Self { key, settings, group: None, trackers, arrivals, lateness, seat }
    }

    /// Which one it is.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &Arc<Instance> {
        &self.settings
    }

    /// The group that it moves with.
    #[must_use]
    pub fn group(&self) -> Option<&Arc<str>> {
        self.group.as_ref()
    }

    /// Time between accepted adverts of others.
    #[must_use]
    pub fn arrivals(&self) -> Histogram {
        self.arrivals.times
    }

    /// How late its timers were.
    #[must_use]
    pub fn lateness(&self) -> Histogram {
        self.lateness
    }

    /// How its scripts stand that have ended at least once.
    #[must_use]
    pub fn scripts(&self) -> Vec<(Arc<str>, ScriptStanding)> {
        self.trackers.scripts()
    }

    fn standing(&self) -> Standing {
        self.trackers.standing(self.settings.priority)
    }

    fn is_at(&self, interface: &str, family: Family) -> bool {
        *self.settings.interface == *interface
            && self.settings.router.addresses().family() == family
    }
}

impl Arrivals {
    fn note(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.times.note(now.saturating_duration_since(last));
        }
    }
}

impl Unit {
    fn routers(&self) -> &[Router] {
        match self {
            Self::Alone(router) => std::slice::from_ref(router),
            Self::Group(group) => group.members(),
        }
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match self {
            Self::Alone(router) => router.poll_timeout(),
            Self::Group(group) => group.poll_timeout(),
        }
    }
}

impl Node {
    /// Its virtual routers in the order of the configuration.
    pub fn members(&self) -> impl Iterator<Item = (&Member, &Router)> {
        self.members.iter().filter_map(|member| Some((member, self.seated(member.seat)?)))
    }

    /// One of them; not one that was removed.
    #[must_use]
    pub fn member(&self, key: Key) -> Option<(&Member, &Router)> {
        let member = self.members.iter().find(|member| member.key == key)?;
        Some((member, self.seated(member.seat)?))
    }

    /// What a router was told; of one that was removed, until its last action is taken.
    #[must_use]
    pub fn settings(&self, key: Key) -> Option<&Arc<Instance>> {
        let member = self.members.iter().find(|member| member.key == key);
        let retired = || self.retired.iter().find(|retired| retired.key == key);
        member.map(|member| &member.settings).or_else(|| Some(&retired()?.settings))
    }

    /// The router of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Key> {
        self.members.iter().find(|member| *member.settings.name == *name).map(Member::key)
    }

    /// Packets that no router is for.
    pub fn strays(&self) -> impl Iterator<Item = &Stray> {
        self.strays.recent()
    }

    /// How many packets no router was for.
    #[must_use]
    pub fn strays_total(&self) -> u64 {
        self.strays.total()
    }

    /// What each active router would say if this node left now; see [`Router::farewell`].
    pub fn farewells(&self) -> impl Iterator<Item = (Key, Vec<Outgoing>)> {
        let active = self.members().filter(|(_, router)| router.is_active());
        active.map(|(member, router)| (member.key, router.farewell()))
    }

    /// Addresses that are never one to send from: every virtual one but those of an owner.
    pub fn virtual_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let lent = self.members.iter().filter(|member| !member.settings.priority.is_owner());
        lent.flat_map(|member| member.settings.router.addresses().as_slice()).copied()
    }

    /// A packet came on an interface. Returns whose it is, if it is one's.
    pub fn handle_datagram(
        &mut self,
        interface: &Arc<str>,
        datagram: &Datagram<'_>,
        now: Instant,
    ) -> Option<Key> {
        let vrid = datagram.message.get(1).copied();
        let family = Family::of(datagram.source);
        let member = self.members.iter_mut().position(|member| {
            member.is_at(interface, family) && Some(member.settings.router.vrid().get()) == vrid
        });
        let Some(at) = member else {
            self.strays.note(interface, datagram.source, vrid, now);
            return None;
        };
        let key = self.members[at].key;
        let accepted = self.tell(key, now, |router| {
            let before = router.stats().advert_rcvd;
            router.handle_datagram(datagram, now);
            router.stats().advert_rcvd != before
        });
        if accepted == Some(true) {
            self.members[at].arrivals.note(now);
        }
        Some(key)
    }

    /// An interface has changed, as one router sees it.
    pub fn handle_link(&mut self, key: Key, link: Link, now: Instant) {
        self.tell(key, now, |router| router.handle_link(link, now));
    }

    /// Something was seen of a tracker's subject.
    pub fn handle_sighting(&mut self, sighting: Sighting<'_>, now: Instant) {
        for at in 0..self.members.len() {
            if self.members[at].trackers.handle_sighting(sighting) {
                let (key, standing) = (self.members[at].key, self.members[at].standing());
                self.tell(key, now, |router| router.handle_standing(standing, now));
            }
        }
    }

    /// What became of [`Action::AddAddresses`], or of addresses that were there.
    pub fn handle_addresses(&mut self, key: Key, report: AddressReport, now: Instant) {
        self.tell(key, now, |router| router.handle_addresses(report, now));
    }

    /// Whether an advert could be sent; with several peers: to any of them.
    pub fn handle_sent(&mut self, key: Key, succeeded: bool, now: Instant) {
        self.tell(key, now, |router| router.handle_sent(succeeded, now));
    }

    /// The guard has taken all addresses off the interfaces, because this process stood still.
    pub fn handle_revoked(&mut self, now: Instant) {
        for at in 0..self.members.len() {
            self.tell(self.members[at].key, now, |router| router.handle_revoked(now));
        }
    }

    /// Active routers send an advert as soon as their deadlines are judged.
    pub fn handle_haste(&mut self, now: Instant) {
        for at in 0..self.members.len() {
            self.tell(self.members[at].key, now, |router| router.handle_haste(now));
        }
    }

    /// Another halb said something; `from` is its address on the link. True if it concerns a
    /// router of this node.
    pub fn handle_word(&mut self, from: IpAddr, word: &Word, now: Instant) -> bool {
        let mut concerned = false;
        for at in 0..self.members.len() {
            let told = |router: &mut Router| router.handle_word(from, word, now);
            concerned |= self.tell(self.members[at].key, now, told) == Some(true);
        }
        concerned
    }

    /// An operator gives the addresses of one router away, or those of all; see
    /// [`Router::give_away`]. Returns the names of those that it concerns: with a router go the
    /// others of its group. None: there is no router of this name.
    pub fn give_away(&mut self, instance: Option<&str>, now: Instant) -> Option<Vec<Arc<str>>> {
        self.order(instance, |unit| match unit {
            Unit::Alone(router) => router.give_away(now),
            Unit::Group(group) => group.give_away(now),
        })
    }

    /// Takes [`Node::give_away`] back.
    pub fn resume(&mut self, instance: Option<&str>, now: Instant) -> Option<Vec<Arc<str>>> {
        self.order(instance, |unit| match unit {
            Unit::Alone(router) => router.resume(now),
            Unit::Group(group) => group.resume(now),
        })
    }

    fn order(
        &mut self,
        instance: Option<&str>,
        order: impl FnMut(&mut Unit),
    ) -> Option<Vec<Arc<str>>> {
        let of = |name: &str| self.members.iter().find(|member| *member.settings.name == *name);
        let units = match instance {
            Some(name) => {
                let unit = of(name)?.seat.unit;
                unit..unit + 1
            }
            None => 0..self.units.len(),
        };
        let concerned = self.members.iter().filter(|member| units.contains(&member.seat.unit));
        let names = concerned.map(|member| Arc::clone(&member.settings.name)).collect();
        self.units.get_mut(units)?.iter_mut().for_each(order);
        Some(names)
    }

    /// This node is to stop: each router stops as soon as that leaves no gap, see
    /// [`Router::retire`].
    pub fn retire(&mut self, now: Instant) {
        for unit in &mut self.units {
            match unit {
                Unit::Alone(router) => router.retire(now),
                Unit::Group(group) => group.retire(now),
            }
        }
    }

    /// Every router has stopped.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.members().all(|(_, router)| router.is_retired())
    }

    /// This node stops now: active routers say so, and their addresses go.
    pub fn handle_stop(&mut self, now: Instant) {
        for at in 0..self.members.len() {
            self.tell(self.members[at].key, now, |router| router.handle_stop(now));
        }
    }

    /// The time of [`Node::poll_timeout`] has come. A call before it does nothing. `inbox` says
    /// of an interface whether all that came there was handed over.
    pub fn handle_timeout(&mut self, inbox: impl Fn(&str) -> Inbox, now: Instant) {
        self.note_lateness(now);
        for (at, unit) in self.units.iter_mut().enumerate() {
            if unit.poll_timeout().is_none_or(|(due, _)| due > now) {
                continue;
            }
            let of_unit = self.members.iter().filter(|member| member.seat.unit == at);
            let full = of_unit.map(|member| inbox(&member.settings.interface));
            let inbox = full.fold(Inbox::Drained, |all, one| match one {
                Inbox::Drained => all,
                Inbox::MayHoldMore => one,
            });
            match unit {
                Unit::Alone(router) => router.handle_timeout(inbox, now),
                Unit::Group(group) => group.handle_timeout(inbox, now),
            }
        }
    }

    fn note_lateness(&mut self, now: Instant) {
        for member in &mut self.members {
            let unit = self.units.get(member.seat.unit);
            let router = unit.and_then(|unit| unit.routers().get(member.seat.place));
            let due = router.and_then(|router| Some(router.poll_timeout()?.0));
            // What is due at this very moment was made so by what has just happened.
            if let Some(due) = due.filter(|due| *due < now) {
                member.lateness.note(now - due);
            }
        }
    }

    /// When [`Node::handle_timeout`] has something to do, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.units.iter().filter_map(Unit::poll_timeout).min_by_key(|(due, _)| *due)
    }

    /// What is to be done next, and for which router. What removed routers leave comes first, so
    /// that an address which changes hands is taken away before it is put on anew.
    pub fn poll_action(&mut self) -> Option<(Key, Action)> {
        while let Some(retired) = self.retired.first_mut() {
            if let Some(action) = retired.router.poll_action() {
                return Some((retired.key, action));
            }
            self.retired.remove(0);
        }
        for (at, unit) in self.units.iter_mut().enumerate() {
            let polled = match unit {
                Unit::Alone(router) => router.poll_action().map(|action| (0, action)),
                Unit::Group(group) => group.poll_action(),
            };
            let Some((place, action)) = polled else { continue };
            let is_it = |member: &&Member| member.seat.unit == at && member.seat.place == place;
            let member = self.members.iter().find(is_it).expect("each router has a member");
            return Some((member.key, action));
        }
        None
    }

    fn seated(&self, seat: Seat) -> Option<&Router> {
        self.units.get(seat.unit)?.routers().get(seat.place)
    }

    /// Lets a router take an event, and its group follow.
    fn tell<R>(
        &mut self,
        key: Key,
        now: Instant,
        event: impl FnOnce(&mut Router) -> R,
    ) -> Option<R> {
        let seat = self.members.iter().find(|member| member.key == key)?.seat;
        match self.units.get_mut(seat.unit)? {
            Unit::Alone(router) => Some(event(router)),
            Unit::Group(group) => group.handle(seat.place, now, event),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
