//! Hosts with interfaces on two segments, and the time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use halb_vrrp::config::{Behaviour, ChecksumChoice, Delivery, Protocol, RouterConfig};
use halb_vrrp::node::{Key, Node};
use halb_vrrp::packet::{Datagram, HOP_LIMIT, VirtualAddresses};
use halb_vrrp::router::{Action, AddressReport, Inbox, Link, Outgoing, State};
use halb_vrrp::settings::{Group, Instance, Placement, Settings};
use halb_vrrp::track::{Readiness, Sighting, Subject, Tracker, Weight};
use halb_vrrp::values::{BasePriority, Centiseconds, VrId};

use crate::dice::Dice;

pub(crate) const HOSTS: usize = 3;
pub(crate) const SEGMENTS: usize = 2;

/// The virtual routers: name, segment, id. The first two may be a group; two share an id.
const ROUTERS: [(&str, usize, u8); 4] = [("A", 0, 1), ("B", 1, 1), ("C", 0, 2), ("D", 1, 3)];

/// How long a packet travels at most.
const DELAY: Duration = Duration::from_millis(2);

/// Longest time until everything has come to rest: offers, stalls and retries included.
const REST: Duration = Duration::from_secs(8);

/// What an operator configures.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) priority: u8,
    pub(crate) grouped: bool,
    /// One of the routers isn't configured.
    pub(crate) left_out: Option<usize>,
    /// A second address.
    pub(crate) more: bool,
}

struct Host {
    node: Option<Node>,
    links: [bool; SEGMENTS],
    /// What its kernel has, and by whose order.
    held: Vec<(Key, IpAddr)>,
}

struct Flight {
    at: Instant,
    to: usize,
    segment: usize,
    source: IpAddr,
    destination: IpAddr,
    message: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    now: Instant,
    hosts: Vec<Host>,
    flights: Vec<Flight>,
}

fn interface(segment: usize) -> Arc<str> {
    Arc::from(format!("eth{segment}"))
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap()
}

fn own(host: usize, segment: usize) -> IpAddr {
    Ipv4Addr::new(10, byte(segment), 0, byte(host + 1)).into()
}

fn vip(router: usize, second: bool) -> IpAddr {
    Ipv4Addr::new(10, byte(ROUTERS[router].1), 1 + u8::from(second), byte(router)).into()
}

fn instance(router: usize, choice: &Choice) -> Instance {
    let (name, segment, vrid) = ROUTERS[router];
    let mut addresses = vec![vip(router, false)];
    addresses.extend(choice.more.then(|| vip(router, true)));
    let interval = Centiseconds::new(10).unwrap();
    let config = RouterConfig::new(
        VrId::new(vrid).unwrap(),
        Protocol::V3 { interval, checksum: ChecksumChoice::Auto },
        VirtualAddresses::new(addresses.clone()).unwrap(),
        Delivery::Multicast,
        Behaviour::default(),
    );
    let placement = |address| Placement { address, prefix_len: 32, interface: None, label: None };
    let subject = Subject::Frontend("web".into());
    let tracker = Tracker { subject, weight: Weight::new(-20).unwrap(), reverse: false };
    Instance {
        name: name.into(),
        interface: interface(segment),
        router: config.unwrap(),
        priority: BasePriority::new(choice.priority).unwrap(),
        source: None,
        placements: addresses.into_iter().map(placement).collect(),
        trackers: vec![tracker],
    }
}

fn settings(choice: &Choice) -> Settings {
    let present = (0..ROUTERS.len()).filter(|router| choice.left_out != Some(*router));
    let instances: Vec<_> = present.map(|router| instance(router, choice)).collect();
    let both = instances.iter().filter(|instance| ["A", "B"].contains(&&*instance.name)).count();
    let group = Group { name: "G".into(), members: vec!["A".into(), "B".into()] };
    let groups = if choice.grouped && both == 2 { vec![group] } else { Vec::new() };
    Settings { instances, groups, realtime: None, freeze_limit: None }
}

impl World {
    pub(crate) fn new(dice: Dice) -> Self {
        let host = || Host { node: None, links: [true; SEGMENTS], held: Vec::new() };
        let hosts = (0..HOSTS).map(|_| host()).collect();
        Self { dice, now: Instant::now(), hosts, flights: Vec::new() }
    }

    pub(crate) fn start(&mut self, host: usize, choice: &Choice) {
        if self.hosts[host].node.is_none() {
            self.hosts[host].node = Some(Node::default());
            self.apply(host, choice);
        }
    }

    pub(crate) fn apply(&mut self, host: usize, choice: &Choice) {
        let links = self.links(host);
        self.tell(host, |node, now| {
            node.apply(&settings(choice), |instance| links(&instance.interface), now);
        });
    }

    pub(crate) fn stop(&mut self, host: usize) {
        self.tell(host, Node::handle_stop);
        self.crash(host);
    }

    /// Power off: nobody says a word.
    pub(crate) fn crash(&mut self, host: usize) {
        self.hosts[host].node = None;
        self.hosts[host].held.clear();
    }

    pub(crate) fn set_link(&mut self, host: usize, segment: usize, is_up: bool) {
        self.hosts[host].links[segment] = is_up;
        let links = self.links(host);
        self.tell(host, |node, now| {
            let members = node.members();
            let members: Vec<_> = members
                .map(|(member, _)| (member.key(), links(&member.settings().interface)))
                .collect();
            members.into_iter().for_each(|(key, link)| node.handle_link(key, link, now));
        });
    }

    fn links(&self, host: usize) -> impl Fn(&Arc<str>) -> Link + use<> {
        let links = self.hosts[host].links;
        move |name| {
            let segment = (0..SEGMENTS).find(|segment| interface(*segment) == *name).unwrap();
            Link { is_up: links[segment], source: Some(own(host, segment)) }
        }
    }

    pub(crate) fn sight(&mut self, host: usize, readiness: Readiness) {
        let sighting = Sighting::Frontend("web", readiness);
        self.tell(host, |node, now| node.handle_sighting(sighting, now));
    }

    pub(crate) fn give_away(&mut self, host: usize) {
        self.tell(host, |node, now| drop(node.give_away(None, now)));
    }

    pub(crate) fn resume(&mut self, host: usize) {
        self.tell(host, |node, now| drop(node.resume(None, now)));
    }

    pub(crate) fn revoke(&mut self, host: usize) {
        self.hosts[host].held.clear();
        self.tell(host, Node::handle_revoked);
    }

    /// Somebody takes an address off an interface.
    pub(crate) fn lose(&mut self, host: usize) {
        if let Some((key, _)) = self.hosts[host].held.pop() {
            self.tell(host, |node, now| node.handle_addresses(key, AddressReport::Lost, now));
        }
    }

    fn tell(&mut self, host: usize, tell: impl FnOnce(&mut Node, Instant)) {
        if let Some(node) = &mut self.hosts[host].node {
            tell(node, self.now);
            self.settle(host);
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let flights = self.flights.iter().map(|flight| flight.at);
            let timers = self.hosts.iter().filter_map(|host| host.node.as_ref()?.poll_timeout());
            let next = flights.chain(timers.map(|(due, _)| due)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.land();
            (0..HOSTS).for_each(|host| self.settle(host));
            self.check();
        }
        self.now = end;
    }

    fn land(&mut self) {
        let now = self.now;
        let mut landed: Vec<_> = self.flights.extract_if(.., |flight| flight.at <= now).collect();
        landed.sort_by_key(|flight| flight.at);
        for Flight { to, segment, source, destination, message, .. } in landed {
            let host = &mut self.hosts[to];
            if let (Some(node), true) = (&mut host.node, host.links[segment]) {
                let hop_limit = HOP_LIMIT;
                let datagram = Datagram { source, destination, hop_limit, message: &message };
                node.handle_datagram(&interface(segment), &datagram, now);
            }
        }
    }

    fn settle(&mut self, host: usize) {
        for _ in 0..50 {
            self.act(host);
            let Some(node) = &mut self.hosts[host].node else { return };
            if node.poll_timeout().is_none_or(|(due, _)| due > self.now) {
                return;
            }
            node.handle_timeout(|_| Inbox::Drained, self.now);
        }
        panic!("a deadline that is due stays due");
    }

    fn act(&mut self, host: usize) {
        while let Some((key, action)) = self.hosts[host].node.as_mut().and_then(Node::poll_action) {
            let instance = self.hosts[host].node.as_ref().unwrap().settings(key).unwrap();
            let segment = (0..SEGMENTS).find(|at| interface(*at) == instance.interface).unwrap();
            match action {
                Action::Send(outgoing) => self.send(host, segment, &outgoing),
                Action::AddAddresses(addresses) => {
                    let held = &mut self.hosts[host].held;
                    held.retain(|(of, held)| *of != key || !addresses.contains(held));
                    held.extend(addresses.into_iter().map(|address| (key, address)));
                    let now = self.now;
                    let node = self.hosts[host].node.as_mut().unwrap();
                    node.handle_addresses(key, AddressReport::Installed, now);
                }
                Action::RemoveAddresses(gone) => {
                    let gone = |(of, held): &(Key, IpAddr)| *of == key && gone.contains(held);
                    self.hosts[host].held.retain(|held| !gone(held));
                }
                Action::Announce { .. }
                | Action::EndAnnouncements
                | Action::AnnounceSource(_)
                | Action::Transition(_)
                | Action::Notice(_)
                | Action::Tell(_) => {}
            }
        }
    }

    fn send(&mut self, from: usize, segment: usize, outgoing: &Outgoing) {
        if !self.hosts[from].links[segment] {
            return;
        }
        for to in (0..HOSTS).filter(|to| *to != from) {
            let at = self.now + self.dice.time(DELAY);
            let Outgoing { source, destination, .. } = *outgoing;
            let message = outgoing.message();
            self.flights.push(Flight { at, to, segment, source, destination, message });
        }
    }

    /// What holds at each instant.
    fn check(&self) {
        for host in &self.hosts {
            let Some(node) = &host.node else { continue };
            let active = node.members().filter(|(_, router)| router.state() == State::Active);
            let mut expected: Vec<_> = active
                .flat_map(|(member, router)| {
                    let addresses = router.config().addresses().as_slice().iter();
                    addresses.map(|address| (member.key(), *address))
                })
                .collect();
            let mut held = host.held.clone();
            expected.sort_unstable();
            held.sort_unstable();
            assert_eq!(held, expected, "an active router has its addresses, and no other has");
            let of_group = node.members().filter(|(member, _)| member.group().is_some());
            let active: Vec<_> =
                of_group.map(|(_, router)| router.state() == State::Active).collect();
            assert!(active.iter().all(|one| *one == active[0]), "a group moves together");
        }
    }

    /// All faults end, every host runs, and all are configured alike but for their priorities.
    pub(crate) fn heal(&mut self) {
        for host in 0..HOSTS {
            let priority = byte(100 + host * 50);
            let choice = Choice { priority, grouped: true, left_out: None, more: false };
            self.start(host, &choice);
            self.apply(host, &choice);
            self.resume(host);
            (0..SEGMENTS).for_each(|segment| self.set_link(host, segment, true));
            let ready = Readiness { accepts: true, workers_on_time: true, servers_up: 1 };
            self.sight(host, ready);
        }
        self.pass(REST);
    }

    /// The best node has every address, and nobody else has any.
    pub(crate) fn check_settled(&self) {
        let mut holders: Vec<_> = (0..HOSTS)
            .flat_map(|host| self.hosts[host].held.iter().map(move |(_, address)| (*address, host)))
            .collect();
        holders.sort_unstable();
        let mut expected: Vec<_> =
            (0..ROUTERS.len()).map(|router| (vip(router, false), HOSTS - 1)).collect();
        expected.sort_unstable();
        assert_eq!(holders, expected);
    }
}
