use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::config::{Behaviour, Delivery, Protocol, RouterConfig};
use crate::packet::{Advert, Body, HOP_LIMIT, VirtualAddresses, group};
use crate::router::{Cause, FaultReason, Notice, State, Transition};
use crate::settings::{Group, Placement, Settings};
use crate::track::{Readiness, Subject, Tracker, Weight};
use crate::values::{BasePriority, Centiseconds, Priority, VrId};

mod inheriting;
mod properties;
mod reloading;

const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

fn own() -> Link {
    Link { is_up: true, source: Some(Ipv4Addr::new(10, 0, 0, 1).into()) }
}

fn vip(vrid: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 1, vrid).into()
}

fn placement(address: IpAddr) -> Placement {
    Placement { address, prefix_len: 32, interface: None, label: None }
}

/// Version 3 at 100 ms, priority 100, one address.
fn instance(name: &str, interface: &str, vrid: u8) -> Instance {
    let addresses = vec![vip(vrid)];
    Instance {
        name: name.into(),
        interface: interface.into(),
        router: router(vrid, addresses.clone()),
        priority: BasePriority::new(100).unwrap(),
        source: None,
        placements: addresses.into_iter().map(placement).collect(),
        trackers: Vec::new(),
    }
}

/// Another address for a test elsewhere.
pub(crate) fn with_address(name: &str, address: IpAddr) -> Instance {
    let placements = vec![placement(address)];
    Instance { router: router(1, vec![address]), placements, ..instance(name, "eth0", 1) }
}

fn router(vrid: u8, addresses: Vec<IpAddr>) -> RouterConfig {
    let interval = Centiseconds::new(10).unwrap();
    let checksum = crate::config::ChecksumChoice::Auto;
    RouterConfig::new(
        VrId::new(vrid).unwrap(),
        Protocol::V3 { interval, checksum },
        VirtualAddresses::new(addresses).unwrap(),
        Delivery::Multicast,
        Behaviour::default(),
    )
    .unwrap()
}

fn settings(instances: Vec<Instance>) -> Settings {
    Settings { instances, groups: Vec::new(), realtime: None, freeze_limit: None }
}

fn grouped(instances: Vec<Instance>, members: &[&str]) -> Settings {
    let members = members.iter().map(|name| Arc::from(*name)).collect();
    Settings { groups: vec![Group { name: "G".into(), members }], ..settings(instances) }
}

/// A node and what its driver remembers.
struct Driven {
    node: Node,
    now: Instant,
    /// Addresses that were asked for, by key.
    held: Vec<(Key, IpAddr)>,
    transitions: Vec<(Key, Transition)>,
    notices: Vec<(Key, Notice)>,
    sent: Vec<(Key, Priority)>,
}

impl Driven {
    fn new(settings: &Settings) -> Self {
        let now = Instant::now();
        let (held, transitions, notices, sent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut driven = Self { node: Node::default(), now, held, transitions, notices, sent };
        driven.apply(settings);
        driven
    }

    fn apply(&mut self, settings: &Settings) -> Applied {
        let applied = self.node.apply(settings, |_| own(), self.now);
        self.act();
        applied
    }

    fn key(&self, name: &str) -> Key {
        self.node.named(name).unwrap()
    }

    fn states(&self) -> Vec<State> {
        self.node.members().map(|(_, router)| router.state()).collect()
    }

    fn act(&mut self) {
        while let Some((key, action)) = self.node.poll_action() {
            assert!(self.node.settings(key).is_some(), "{key} is known until its last action");
            match action {
                Action::Send(outgoing) => {
                    self.sent.push((key, outgoing.advert.priority));
                    self.node.handle_sent(key, true, self.now);
                }
                Action::AddAddresses(addresses) => {
                    self.held.extend(addresses.into_iter().map(|address| (key, address)));
                    self.node.handle_addresses(key, AddressReport::Installed, self.now);
                }
                Action::RemoveAddresses(addresses) => {
                    self.held.retain(|(of, held)| *of != key || !addresses.contains(held));
                }
                Action::Transition(transition) => self.transitions.push((key, *transition)),
                Action::Notice(notice) => self.notices.push((key, notice)),
                Action::Announce { .. }
                | Action::EndAnnouncements
                | Action::AnnounceSource(_)
                | Action::Tell(_) => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut at_once = 0;
        while let Some((due, _)) = self.node.poll_timeout().filter(|(due, _)| *due <= end) {
            at_once = if due > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 50, "a deadline that is due stays due");
            self.now = self.now.max(due);
            self.node.handle_timeout(|_| Inbox::Drained, self.now);
            self.act();
        }
        self.now = end;
    }

    fn hear(&mut self, interface: &str, vrid: u8, priority: u8) -> Option<Key> {
        let destination = group(Family::V4);
        let body = Body::V3 {
            interval: Centiseconds::new(10).unwrap(),
            checksum: crate::packet::ChecksumForm::PseudoHeader,
        };
        let advert = Advert {
            vrid: VrId::new(vrid).unwrap(),
            priority: Priority::new(priority),
            addresses: VirtualAddresses::new(vec![vip(vrid)]).unwrap(),
            body,
        };
        let message = advert.message(OTHER, destination);
        self.hear_message(interface, OTHER, &message)
    }

    fn hear_message(&mut self, interface: &str, source: IpAddr, message: &[u8]) -> Option<Key> {
        let destination = group(Family::V4);
        let datagram = Datagram { source, destination, hop_limit: HOP_LIMIT, message };
        let key = self.node.handle_datagram(&interface.into(), &datagram, self.now);
        self.act();
        key
    }

    fn activate(&mut self) {
        self.pass(Duration::from_secs(1));
        assert!(self.states().iter().all(|state| *state == State::Active), "{:?}", self.states());
    }
}

fn two() -> Settings {
    settings(vec![instance("A", "eth0", 1), instance("B", "eth1", 2)])
}

#[test]
fn a_packet_goes_to_the_router_of_its_interface_and_id_alone() {
    let mut driven =
        Driven::new(&settings(vec![instance("A", "eth0", 1), instance("B", "eth1", 1)]));
    assert_eq!(driven.hear("eth1", 1, 200), Some(driven.key("B")));
    let heard = |name| driven.node.member(driven.key(name)).unwrap().1.stats().advert_rcvd;
    assert_eq!((heard("A"), heard("B")), (0, 1));
    assert_eq!(driven.node.strays_total(), 0);
}

#[test]
fn packets_for_nobody_are_counted_by_sender_and_bounded() {
    let mut driven = Driven::new(&two());
    for _ in 0..3 {
        assert_eq!(driven.hear("eth0", 2, 200), None, "of another interface");
    }
    assert_eq!(driven.hear("eth0", 9, 200), None, "of no router");
    assert_eq!(driven.hear_message("eth0", OTHER, &[0x31]), None, "too short for an id");
    let strays: Vec<_> =
        driven.node.strays().map(|stray| (stray.vrid, stray.source, stray.count)).collect();
    assert_eq!(strays, [(Some(2), OTHER, 3), (Some(9), OTHER, 1), (None, OTHER, 1)]);
    for number in 0..1000_u16 {
        let [high, low] = number.to_be_bytes();
        driven.hear_message("eth0", Ipv4Addr::new(10, 9, high, low).into(), &[0x31, 9]);
    }
    assert_eq!((driven.node.strays().count(), driven.node.strays_total()), (STRAYS_MAX, 1005));
    assert_eq!(driven.node.strays().last().unwrap().source, IpAddr::from([10, 9, 3, 231]));
    driven.activate();
}

#[test]
fn each_router_has_its_own_deadline_and_the_first_one_counts() {
    let mut driven = Driven::new(&two());
    driven.pass(Duration::from_millis(50));
    driven.hear("eth1", 2, 200);
    let key = driven.key("A");
    let first = driven.node.member(key).unwrap().1.poll_timeout();
    assert_eq!(driven.node.poll_timeout(), first);
    driven.pass(Duration::from_millis(320));
    assert_eq!(driven.states(), [State::Active, State::Backup]);
    driven.pass(Duration::from_millis(60));
    assert_eq!(driven.states(), [State::Active, State::Active]);
}

#[test]
fn an_interface_whose_packets_wait_holds_up_its_own_routers_alone() {
    let mut driven = Driven::new(&two());
    driven.now += Duration::from_millis(361);
    let waits = |interface: &str| match interface {
        "eth0" => Inbox::MayHoldMore,
        _ => Inbox::Drained,
    };
    driven.node.handle_timeout(waits, driven.now);
    driven.act();
    assert_eq!(driven.states(), [State::Backup, State::Active]);
}

#[test]
fn a_sighting_reaches_every_router_that_tracks_it_and_no_other() {
    let subject = Subject::Frontend("web".into());
    let tracker = Tracker { subject, weight: Weight::new(-20).unwrap(), reverse: false };
    let tracking = |name, interface, vrid| Instance {
        trackers: vec![tracker.clone()],
        ..instance(name, interface, vrid)
    };
    let mut driven = Driven::new(&settings(vec![
        tracking("A", "eth0", 1),
        instance("B", "eth0", 2),
        tracking("C", "eth1", 3),
    ]));
    let down = Readiness { accepts: false, workers_on_time: true, servers_up: 1 };
    driven.node.handle_sighting(Sighting::Frontend("web", down), driven.now);
    let effective = |driven: &Driven, name| {
        let (_, router) = driven.node.member(driven.key(name)).unwrap();
        router.status().standing.effective.get()
    };
    assert_eq!(["A", "B", "C"].map(|name| effective(&driven, name)), [80, 100, 80]);
    driven.node.handle_sighting(Sighting::Frontend("other", down), driven.now);
    assert_eq!(["A", "B", "C"].map(|name| effective(&driven, name)), [80, 100, 80]);
}

#[test]
fn routers_of_a_group_move_together_and_others_by_themselves() {
    let mut driven = Driven::new(&grouped(
        vec![instance("A", "eth0", 1), instance("B", "eth1", 2), instance("C", "eth1", 3)],
        &["A", "B"],
    ));
    driven.activate();
    driven.node.handle_link(driven.key("A"), Link { is_up: false, source: None }, driven.now);
    driven.act();
    assert_eq!(driven.states(), [State::Fault, State::Fault, State::Active]);
    let cause = &driven.transitions.last().unwrap().1.cause;
    assert_eq!(*cause, Cause::Fault(FaultReason::Group));
    driven.node.handle_link(driven.key("A"), own(), driven.now);
    driven.act();
    assert_eq!(driven.states(), [State::Backup, State::Backup, State::Active]);
}

#[test]
fn revocation_and_stop_reach_everyone() {
    let mut driven = Driven::new(&two());
    driven.activate();
    driven.node.handle_revoked(driven.now);
    driven.act();
    assert_eq!((driven.states(), driven.held.len()), (vec![State::Backup; 2], 0));
    driven.activate();
    driven.sent.clear();
    driven.node.handle_stop(driven.now);
    driven.act();
    assert_eq!((driven.states(), driven.held.len()), (vec![State::Initialize; 2], 0));
    let released = ["A", "B"].map(|name| (driven.key(name), Priority::RELEASE));
    assert_eq!(driven.sent, released);
    assert_eq!(driven.node.poll_timeout(), None);
}

#[test]
fn an_operator_gives_one_router_away_or_all_and_with_one_its_group() {
    let mut driven = Driven::new(&grouped(
        vec![instance("A", "eth0", 1), instance("B", "eth1", 2), instance("C", "eth1", 3)],
        &["A", "B"],
    ));
    let yielded = |driven: &Driven| {
        let members = driven.node.members();
        members.map(|(_, router)| router.is_yielded()).collect::<Vec<_>>()
    };
    let names = |names: &[&str]| Some(names.iter().map(|name| Arc::from(*name)).collect());
    assert_eq!(driven.node.give_away(Some("X"), driven.now), None);
    assert_eq!(driven.node.give_away(Some("B"), driven.now), names(&["A", "B"]));
    assert_eq!(yielded(&driven), [true, true, false]);
    assert_eq!(driven.node.give_away(None, driven.now), names(&["A", "B", "C"]));
    assert_eq!(driven.node.resume(Some("C"), driven.now), names(&["C"]));
    assert_eq!(yielded(&driven), [true, true, false]);
    assert_eq!(driven.node.resume(None, driven.now), names(&["A", "B", "C"]));
    assert_eq!(yielded(&driven), [false; 3]);
}

#[test]
fn a_node_that_retires_hands_over_and_ends_without_anybody_after_the_offer() {
    let mut driven = Driven::new(&two());
    driven.activate();
    driven.hear("eth0", 1, 50);
    driven.node.retire(driven.now);
    driven.act();
    assert!(!driven.node.is_retired() && driven.held.len() == 2, "kept until somebody takes them");
    driven.pass(Duration::from_millis(50));
    driven.hear("eth0", 1, 50);
    let held: Vec<_> = driven.held.iter().map(|(_, address)| *address).collect();
    assert_eq!((driven.node.is_retired(), held), (false, vec![vip(2)]));
    driven.pass(Duration::from_secs(2));
    assert!(driven.node.is_retired() && driven.held.is_empty());
}

#[test]
fn a_word_reaches_the_router_that_it_is_about() {
    let mut driven = Driven::new(&two());
    let word = Word {
        vrid: VrId::new(2).unwrap(),
        address: vip(2),
        source: Some(OTHER),
        state: State::Backup,
        able: true,
        base: BasePriority::new(90).unwrap(),
        effective: Priority::new(90),
        health: crate::track::Health::Well,
        yielded: false,
        invites: None,
    };
    assert!(driven.node.handle_word(OTHER, &word, driven.now));
    let told = driven.node.members().map(|(_, router)| router.status().words.len());
    assert_eq!(told.collect::<Vec<_>>(), [0, 1]);
    assert!(!driven.node.handle_word(OTHER, &Word { address: vip(1), ..word }, driven.now));
}

#[test]
fn the_farewell_is_of_those_that_are_active() {
    let mut driven = Driven::new(&two());
    driven.pass(Duration::from_millis(50));
    driven.hear("eth1", 2, 200);
    driven.pass(Duration::from_millis(320));
    let farewells: Vec<_> = driven.node.farewells().collect();
    assert_eq!(farewells.len(), 1);
    assert_eq!((farewells[0].0, farewells[0].1.len()), (driven.key("A"), 1));
    assert_eq!(farewells[0].1[0].advert.priority, Priority::RELEASE);
}

#[test]
fn times_between_adverts_and_lateness_are_counted() {
    let mut driven = Driven::new(&two());
    for _ in 0..4 {
        driven.hear("eth0", 1, 200);
        driven.now += Duration::from_millis(100);
    }
    driven.hear_message("eth0", OTHER, &[0x31, 1, 200, 1]);
    let (member, _) = driven.node.member(driven.key("A")).unwrap();
    let arrivals: Vec<_> = member.arrivals().buckets().filter(|(_, count)| *count > 0).collect();
    assert_eq!(arrivals, [(Duration::from_millis(150), 3)]);
    let due = driven.node.poll_timeout().unwrap().0;
    driven.now = due + Duration::from_micros(20);
    driven.node.handle_timeout(|_| Inbox::Drained, driven.now);
    let (member, _) = driven.node.member(driven.key("B")).unwrap();
    assert_eq!(
        (member.lateness().count(), member.lateness().sum()),
        (1, Duration::from_micros(20))
    );
}

#[test]
fn an_owner_may_send_from_its_addresses_and_others_not() {
    let owner = Instance { priority: BasePriority::new(255).unwrap(), ..instance("B", "eth1", 2) };
    let driven = Driven::new(&settings(vec![instance("A", "eth0", 1), owner]));
    assert_eq!(driven.node.virtual_addresses().collect::<Vec<_>>(), [vip(1)]);
}
