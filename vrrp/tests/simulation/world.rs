//! The segment, the link, and the time.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use halb_vrrp::config::RouterConfig;
use halb_vrrp::link::Word;
use halb_vrrp::packet::{Datagram, HOP_LIMIT};
use halb_vrrp::router::{Action, AddressReport, Outgoing, Router, Transition};
use halb_vrrp::track::Standing;

use crate::checks::Checks;
use crate::dice::Dice;
use crate::host::{Freeze, Frozen, Host, Node, Packet};
use crate::mind::{Kind, Mind};

/// What a socket buffers for a host that doesn't read.
const INBOX_MAX: usize = 100;

/// Time that the guard needs from its decision to the removal.
const GUARD_ACTS_IN: Duration = Duration::from_millis(20);

struct Flight {
    at: Instant,
    to: usize,
    packet: Packet,
}

/// How the segment behaves, or the link that carries words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segment {
    pub(crate) loss_percent: u64,
    pub(crate) double_percent: u64,
    pub(crate) delay_max: Duration,
    /// How late hosts wake.
    pub(crate) lateness_max: Duration,
    /// Hosts with different numbers don't hear each other.
    pub(crate) sides: Vec<u64>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) dice: Dice,
    pub(crate) nodes: Vec<Node>,
    pub(crate) segment: Segment,
    pub(crate) link: Segment,
    pub(crate) checks: Checks,
    flights: Vec<Flight>,
}

impl World {
    pub(crate) fn new(dice: Dice, hosts: Vec<Host>, segment: Segment) -> Self {
        let now = Instant::now();
        let nodes: Vec<_> = hosts
            .into_iter()
            .zip(1..)
            .map(|(Host { kind, config, standing }, number)| Node {
                kind,
                mind: None,
                retiring: false,
                config,
                standing,
                link_up: true,
                source: Ipv4Addr::new(10, 0, 0, number).into(),
                held: Vec::new(),
                able_from: now,
                inbox: VecDeque::new(),
                frozen: None,
                wake_at: None,
            })
            .collect();
        let checks = Checks::new(now);
        let segment = Segment { sides: vec![0; nodes.len()], ..segment };
        let link = segment.clone();
        Self { now, dice, nodes, segment, link, checks, flights: Vec::new() }
    }

    /// The segment delivers everything in time, and every host that runs is awake.
    pub(crate) fn is_sound(&self) -> bool {
        let whole = self.segment.sides.iter().all(|side| *side == self.segment.sides[0]);
        whole && self.segment.loss_percent == 0 && !self.nodes.iter().any(Node::is_frozen)
    }

    pub(crate) fn start(&mut self, node: usize) {
        if self.nodes[node].mind.is_some() {
            return;
        }
        let Node { kind, config, standing, .. } = &self.nodes[node];
        let mut mind = Mind::new(*kind, config.clone(), standing.clone(), self.now);
        mind.start(self.nodes[node].link(), self.now);
        (self.nodes[node].mind, self.nodes[node].retiring) = (Some(mind), false);
        let delay = self.nodes[node].config.behaviour.startup_delay;
        let waits = self.nodes[node].kind != Kind::Keepalived;
        self.nodes[node].able_from = self.now + if waits { delay } else { Duration::ZERO };
        self.checks.disturb(self.now);
        self.settle(node);
    }

    /// A clean stop of the daemon.
    pub(crate) fn stop(&mut self, node: usize) {
        if self.nodes[node].is_frozen() {
            return;
        }
        self.tell(node, Mind::stop);
        self.switch_off(node);
    }

    fn switch_off(&mut self, node: usize) {
        (self.nodes[node].mind, self.nodes[node].wake_at) = (None, None);
        self.checks.disturb(self.now);
    }

    /// An order to a halb; keepalived takes none.
    pub(crate) fn order(&mut self, node: usize, order: impl FnOnce(&mut Router, Instant)) {
        if !self.nodes[node].is_frozen() {
            self.tell(node, |mind, now| {
                if let Some(router) = mind.halb() {
                    order(router, now);
                }
            });
        }
    }

    /// A stop that hands over first; keepalived just stops.
    pub(crate) fn retire(&mut self, node: usize) {
        if self.nodes[node].kind == Kind::Keepalived {
            return self.stop(node);
        }
        if !self.nodes[node].is_frozen() {
            self.nodes[node].retiring = true;
            self.order(node, Router::retire);
        }
    }

    /// The daemon dies, and its guard says so and removes the addresses; or the power fails.
    pub(crate) fn crash(&mut self, node: usize, guarded: bool) {
        if guarded && !self.nodes[node].held.is_empty() {
            self.release(node);
        }
        let node = &mut self.nodes[node];
        (node.mind, node.frozen, node.wake_at) = (None, None, None);
        node.held.clear();
        node.inbox.clear();
        self.checks.disturb(self.now);
    }

    pub(crate) fn set_link(&mut self, node: usize, is_up: bool) {
        self.nodes[node].link_up = is_up;
        let link = self.nodes[node].link();
        self.checks.disturb(self.now);
        if !self.nodes[node].is_frozen() {
            self.tell(node, |mind, now| mind.handle_link(link, now));
        }
    }

    pub(crate) fn freeze(&mut self, node: usize, how: Freeze, time: Duration) {
        if self.nodes[node].is_off() || self.nodes[node].is_frozen() {
            return;
        }
        let interval = self.nodes[node].config.interval().duration();
        let limit = (interval * 3).clamp(Duration::from_millis(30), Duration::from_secs(2));
        let guarded = self.nodes[node].kind != Kind::Keepalived;
        let guard_at = self.now + if guarded { limit + GUARD_ACTS_IN } else { time };
        let frozen = Frozen { how, until: self.now + time, guard_at, revoked: false };
        self.nodes[node].frozen = Some(frozen);
        self.checks.disturb(self.now);
    }

    /// The priority changes, by trackers or (`None`) with the configuration.
    pub(crate) fn stand(&mut self, node: usize, standing: Standing) {
        self.nodes[node].standing = standing.clone();
        if !self.nodes[node].is_frozen() {
            self.tell(node, |mind, now| mind.handle_standing(standing, now));
        }
    }

    pub(crate) fn reload(&mut self, node: usize, config: RouterConfig, standing: Standing) {
        if self.nodes[node].is_frozen() {
            return;
        }
        self.nodes[node].config = config.clone();
        self.nodes[node].standing = standing.clone();
        self.tell(node, |mind, now| mind.handle_config(config, standing, now));
    }

    fn tell(&mut self, node: usize, tell: impl FnOnce(&mut Mind, Instant)) {
        if let Some(mind) = &mut self.nodes[node].mind {
            tell(mind, self.now);
            self.settle(node);
        }
    }

    /// All faults end; hosts that are off stay off.
    pub(crate) fn heal(&mut self) {
        for wire in [&mut self.segment, &mut self.link] {
            wire.loss_percent = 0;
            wire.sides.fill(0);
        }
        for node in 0..self.nodes.len() {
            if let Some(frozen) = &mut self.nodes[node].frozen {
                frozen.until = self.now;
                self.thaw(node);
            }
            if !self.nodes[node].link_up {
                self.set_link(node, true);
            }
        }
        self.checks.disturb(self.now);
    }

    /// Lets time pass, event by event.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.move_to(next);
            self.land_flights();
            for node in 0..self.nodes.len() {
                self.attend(node);
            }
        }
        self.move_to(end);
    }

    /// Lets time pass until nothing is on its way.
    pub(crate) fn let_flights_land(&mut self) {
        while let Some(last) = self.flights.iter().map(|flight| flight.at).max() {
            self.pass(last.saturating_duration_since(self.now));
        }
    }

    fn move_to(&mut self, time: Instant) {
        Checks::look(self, time);
        self.now = time.max(self.now);
    }

    fn next_event(&self) -> Option<Instant> {
        let flights = self.flights.iter().map(|flight| flight.at);
        let nodes = self.nodes.iter().filter_map(|node| match &node.frozen {
            Some(frozen) if frozen.how == Freeze::Daemon && !frozen.revoked => {
                Some(frozen.guard_at.min(frozen.until))
            }
            Some(frozen) => Some(frozen.until),
            None => node.wake_at,
        });
        flights.chain(nodes).min()
    }

    fn land_flights(&mut self) {
        let now = self.now;
        let (landed, flying) = self.flights.drain(..).partition(|flight| flight.at <= now);
        self.flights = flying;
        let mut landed: Vec<Flight> = landed;
        landed.sort_by_key(|flight| flight.at);
        for Flight { to, packet, .. } in landed {
            let node = &mut self.nodes[to];
            let asleep = node.frozen.as_ref().is_some_and(|frozen| frozen.how == Freeze::Machine);
            if node.is_off() || !node.link_up || asleep || node.inbox.len() >= INBOX_MAX {
                continue;
            }
            node.inbox.push_back(packet);
            node.wake_at = Some(now);
        }
    }

    fn attend(&mut self, node: usize) {
        let now = self.now;
        let due = self.nodes[node].wake_at.is_some_and(|wake_at| wake_at <= now);
        match &mut self.nodes[node].frozen {
            Some(frozen) if frozen.until <= now => self.thaw(node),
            Some(frozen) if frozen.how == Freeze::Daemon && frozen.guard_at <= now => {
                frozen.revoked = true;
                self.revoke(node);
            }
            Some(_) => {}
            None if due => self.settle(node),
            None => {}
        }
    }

    /// The guard gives up waiting.
    fn revoke(&mut self, node: usize) {
        if !self.nodes[node].held.is_empty() {
            self.release(node);
            self.nodes[node].held.clear();
            self.checks.disturb(self.now);
        }
    }

    fn thaw(&mut self, node: usize) {
        let Some(frozen) = self.nodes[node].frozen.take() else { return };
        self.checks.disturb(self.now);
        let link = self.nodes[node].link();
        let standing = self.nodes[node].standing.clone();
        // What waits in the sockets comes first; then the rest of what happened meanwhile.
        self.read_inbox(node);
        let Some(mind) = &mut self.nodes[node].mind else { return };
        if let Some(router) = mind.halb().filter(|_| frozen.revoked) {
            router.handle_revoked(self.now);
        }
        mind.handle_link(link, self.now);
        mind.handle_standing(standing, self.now);
        self.settle(node);
    }

    /// Adverts come first.
    fn read_inbox(&mut self, node: usize) {
        let now = self.now;
        let node = &mut self.nodes[node];
        let Some(mind) = &mut node.mind else { return };
        let mut words = Vec::new();
        for packet in node.inbox.drain(..) {
            match packet {
                Packet::Advert { source, destination, message } => {
                    let message = &message;
                    let hop_limit = HOP_LIMIT;
                    mind.handle_datagram(
                        &Datagram { source, destination, hop_limit, message },
                        now,
                    );
                }
                Packet::Word { from, message } => words.push((from, message)),
            }
        }
        for (from, message) in words {
            let word = Word::decode(&message).unwrap();
            if let Some(router) = mind.halb() {
                let concerns = router.config().addresses().contains(word.address);
                assert_eq!(router.handle_word(from, &word, now), concerns);
            }
        }
    }

    /// What a driver does when it wakes.
    fn settle(&mut self, node: usize) {
        self.read_inbox(node);
        for _ in 0..20 {
            self.act(node);
            let timeout = self.nodes[node].mind.as_ref().and_then(Mind::poll_timeout);
            match timeout {
                Some(due) if due <= self.now => {
                    let mind = self.nodes[node].mind.as_mut().expect("it has a deadline");
                    mind.handle_timeout(self.now);
                }
                Some(due) => {
                    let lateness = self.dice.time(self.segment.lateness_max);
                    self.nodes[node].wake_at = Some(due + lateness);
                    return;
                }
                None => {
                    self.nodes[node].wake_at = None;
                    let mind = self.nodes[node].mind.as_mut().and_then(Mind::halb);
                    let retired = mind.is_some_and(|router| router.is_retired());
                    if retired && self.nodes[node].retiring {
                        self.switch_off(node);
                    }
                    return;
                }
            }
        }
        panic!("a deadline that is due stays due");
    }

    fn act(&mut self, node: usize) {
        let now = self.now;
        while let Some(action) = self.nodes[node].mind.as_mut().and_then(Mind::poll_action) {
            match action {
                Action::Send(outgoing) => self.transmit(node, &outgoing),
                Action::AddAddresses(addresses) => {
                    let held = &mut self.nodes[node].held;
                    held.retain(|address| !addresses.contains(address));
                    held.extend(addresses);
                    if let Some(router) = self.nodes[node].mind.as_mut().and_then(Mind::halb) {
                        router.handle_addresses(AddressReport::Installed, now);
                    }
                }
                Action::RemoveAddresses(addresses) => {
                    self.nodes[node].held.retain(|address| !addresses.contains(address));
                }
                Action::Announce { addresses, .. } => {
                    let held = &self.nodes[node].held;
                    let there = addresses.as_slice().iter().all(|address| held.contains(address));
                    assert!(there, "announced without the addresses");
                }
                Action::Transition(transition) => self.note(node, *transition),
                Action::Tell(word) => {
                    let from = self.nodes[node].source;
                    let message = word.encode();
                    self.carry(node, &Packet::Word { from, message });
                }
                Action::EndAnnouncements | Action::AnnounceSource(_) | Action::Notice(_) => {}
            }
        }
    }

    fn note(&mut self, node: usize, transition: Transition) {
        let preempt = self.nodes[node].config.behaviour.preempt;
        self.checks.note(node, transition, preempt);
    }

    /// What a guard sends: the packet that was prepared for it.
    fn release(&mut self, node: usize) {
        let farewell = self.nodes[node].mind.as_ref().map(Mind::farewell).unwrap_or_default();
        for outgoing in farewell {
            self.transmit(node, &outgoing);
        }
    }

    fn transmit(&mut self, node: usize, outgoing: &Outgoing) {
        let Outgoing { source, destination, .. } = *outgoing;
        let message = outgoing.message();
        self.carry(node, &Packet::Advert { source, destination, message });
    }

    /// Adverts go over the segment to all, words over the link to those who have one.
    fn carry(&mut self, from: usize, packet: &Packet) {
        if !self.nodes[from].link_up {
            return;
        }
        let is_word = matches!(packet, Packet::Word { .. });
        let wire = if is_word { self.link.clone() } else { self.segment.clone() };
        for to in 0..self.nodes.len() {
            let deaf = is_word && self.nodes[to].kind != Kind::LinkedHalb;
            if to == from || deaf || wire.sides[to] != wire.sides[from] {
                continue;
            }
            let copies = 1 + u32::from(self.dice.percent(wire.double_percent));
            for _ in 0..copies {
                if self.dice.percent(wire.loss_percent) {
                    continue;
                }
                let at = self.now + self.dice.time(wire.delay_max);
                self.flights.push(Flight { at, to, packet: packet.clone() });
            }
        }
    }

    pub(crate) fn holders(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].holds()).collect()
    }

    pub(crate) fn able(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_able(self.now))
    }

    /// Those that can serve, and aren't about to stop.
    pub(crate) fn staying(&self) -> impl Iterator<Item = &Node> {
        self.able().filter(|node| !node.retiring)
    }

    /// The only holder, which its router knows of.
    pub(crate) fn holder(&self) -> usize {
        let holders = self.holders();
        assert_eq!(holders.len(), 1, "exactly one holder: {holders:?}");
        let mind = self.nodes[holders[0]].mind.as_ref().expect("a holder runs");
        assert!(mind.is_active());
        holders[0]
    }
}
