//! Sections to render, made by real routers on a virtual clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use halb_vrrp::config::{Auth, Behaviour, Delivery, Protocol, RouterConfig};
use halb_vrrp::driver::{
    AddressMarks, GuardReport, GuardSnapshot, InstanceSnapshot, MemoryLock, Scheduling, Snapshot,
    ThreadSnapshot,
};
use halb_vrrp::histogram::Histogram;
use halb_vrrp::link::Word;
use halb_vrrp::packet::{
    Advert, Body, Datagram, HOP_LIMIT, Password, Reason, VirtualAddresses, group,
};
use halb_vrrp::router::{Action, AddressReport, Inbox, Link, Router};
use halb_vrrp::settings::{Instance, Placement};
use halb_vrrp::track::{Health, Readiness, Sighting, Subject, Tracker, Trackers, Weight};
use halb_vrrp::values::{BasePriority, Family, Priority, Seconds, VrId};

use super::build::{self, Facts};
use super::{
    ForeignClaim, ForeignClaims, Hooks, JournalFile, Noticed, NotifyFifo, State, Stray, Transition,
    TransitionCount, Vrrp, why,
};

pub(crate) const OWN: &str = "172.16.16.51";
pub(crate) const OTHER: &str = "172.16.16.52";
const VIP: &str = "172.16.16.100";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A node whose router hears what a test says.
pub(crate) struct Node {
    router: Router,
    trackers: Trackers,
    settings: Instance,
    now: Instant,
    present: bool,
    link: Link,
    servers: u32,
    pub(crate) yielded: bool,
    pub(crate) guard: GuardSnapshot,
    /// What guards did; how the one that watches is scheduled follows from the thread.
    did: GuardReport,
    pub(crate) marks: AddressMarks,
    pub(crate) scheduling: Scheduling,
}

impl Node {
    /// The seed's virtual router with its frontend ready, started with its link up.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let interval = Seconds::new(1).unwrap();
        let auth = Some(Auth { password: Password::new("mysecret"), also: None });
        let config = RouterConfig::new(
            VrId::new(1).unwrap(),
            Protocol::V2 { interval, auth },
            VirtualAddresses::new(vec![ip(VIP)]).unwrap(),
            Delivery::Multicast,
            Behaviour::default(),
        );
        let weight = Weight::new(-2).unwrap();
        let subject = Subject::Frontend("kubernetes".into());
        let settings = Instance {
            name: "VI_1".into(),
            interface: "eth1".into(),
            router: config.unwrap(),
            priority: BasePriority::new(100).unwrap(),
            source: None,
            placements: vec![Placement {
                address: ip(VIP),
                prefix_len: 32,
                interface: None,
                label: None,
            }],
            trackers: vec![Tracker { subject, weight, reverse: false }],
        };
        let mut trackers = Trackers::new(settings.trackers.clone());
        trackers.handle_sighting(Sighting::Frontend("kubernetes", ready(3)));
        let standing = trackers.standing(settings.priority);
        let mut node = Self {
            router: Router::new(settings.router.clone(), standing, now),
            trackers,
            settings,
            now,
            present: false,
            link: Link::default(),
            servers: 3,
            yielded: false,
            guard: GuardSnapshot::Alive { pid: 4712, replaced: 0 },
            did: GuardReport::default(),
            marks: AddressMarks::Kept,
            scheduling: Scheduling::Fifo(10),
        };
        node.link(true);
        node.router.handle_start(now);
        node.settle();
        node
    }

    pub(crate) fn link(&mut self, is_up: bool) {
        self.link = Link { is_up, source: Some(ip(OWN)) };
        self.router.handle_link(self.link, self.now);
        self.settle();
    }

    /// This process stood still, and its guard gave everything up within this time.
    pub(crate) fn revoke(&mut self, took: Duration) {
        self.did.revocations += 1;
        (self.did.revoked_at, self.did.sweep) = (Some(self.now), Some(took));
        self.router.handle_revoked(self.now);
        self.settle();
    }

    /// So many servers of the frontend are up.
    pub(crate) fn servers(&mut self, up: u32) {
        self.servers = up;
        self.trackers.handle_sighting(Sighting::Frontend("kubernetes", ready(up)));
        let standing = self.trackers.standing(self.settings.priority);
        self.router.handle_standing(standing, self.now);
        self.settle();
    }

    /// Another node says this.
    pub(crate) fn hear(&mut self, source: &str, priority: u8, password: &str) {
        let advert = Advert {
            vrid: VrId::new(1).unwrap(),
            priority: Priority::new(priority),
            addresses: VirtualAddresses::new(vec![ip(VIP)]).unwrap(),
            body: Body::V2 {
                interval: Seconds::new(1).unwrap(),
                password: Some(Password::new(password)),
            },
        };
        let (source, destination) = (ip(source), group(Family::V4));
        let message = advert.message(source, destination);
        let datagram = Datagram { source, destination, hop_limit: HOP_LIMIT, message: &message };
        self.router.handle_datagram(&datagram, self.now);
        self.settle();
    }

    /// The other halb says that it is well and active, or what `otherwise` makes of it.
    pub(crate) fn say(&mut self, otherwise: impl FnOnce(&mut Word)) {
        let mut word = Word {
            vrid: VrId::new(1).unwrap(),
            address: ip(VIP),
            source: Some(ip(OTHER)),
            state: halb_vrrp::router::State::Active,
            able: true,
            base: BasePriority::new(101).unwrap(),
            effective: Priority::new(101),
            health: Health::Well,
            yielded: false,
            invites: None,
        };
        otherwise(&mut word);
        self.router.handle_word(ip(OTHER), &word, self.now);
        self.settle();
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((due, _)) = self.router.poll_timeout().filter(|(due, _)| *due <= end) {
            self.now = due.max(self.now);
            self.router.handle_timeout(Inbox::Drained, self.now);
            self.settle();
        }
        self.now = end;
    }

    fn settle(&mut self) {
        while let Some(action) = self.router.poll_action() {
            match action {
                Action::AddAddresses(_) => {
                    self.present = true;
                    self.router.handle_addresses(AddressReport::Installed, self.now);
                }
                Action::RemoveAddresses(_) => self.present = false,
                Action::Send(_)
                | Action::Announce { .. }
                | Action::AnnounceSource(_)
                | Action::EndAnnouncements
                | Action::Tell(_)
                | Action::Transition(_)
                | Action::Notice(_) => {}
            }
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let refused = Reason::ALL.map(|reason| (reason, self.router.refused(reason)));
        let instance = InstanceSnapshot {
            settings: Arc::new(self.settings.clone()),
            group: Some("edge".into()),
            index: Some(7),
            mac: Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            link: self.link,
            status: self.router.status(),
            journal: self.router.journal().iter().cloned().collect(),
            transitions: self.router.journal().total(),
            refused: refused.to_vec(),
            announcements: 20,
            arrivals: Histogram::of_arrivals(),
            lateness: Histogram::of_lateness(),
            present: if self.present { vec![ip(VIP)] } else { Vec::new() },
            yielded: self.yielded,
            forecast: self.router.forecast(self.now),
        };
        let thread = ThreadSnapshot {
            scheduling: self.scheduling.clone(),
            memory: MemoryLock::Locked,
            guard: self.guard,
            guard_report: self.guard_report(),
            netlink_overruns: 0,
            events_dropped: 0,
            strays: 0,
            broken: 0,
        };
        Snapshot { at: self.now, instances: vec![instance], strays: Vec::new(), thread }
    }

    fn guard_report(&self) -> GuardReport {
        let watches = matches!(self.guard, GuardSnapshot::Alive { .. });
        let ready = watches.then(|| (self.scheduling.clone(), MemoryLock::Locked));
        GuardReport { ready, ..self.did.clone() }
    }

    /// The section, looked at 200 ms later on the 22nd of November 2026 at 3:04:05.
    pub(crate) fn vrrp(&self) -> Vrrp {
        let now = self.now + Duration::from_millis(200);
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_316_645);
        let transition = |transition: &halb_vrrp::router::Transition| {
            let ago = now - transition.at;
            Transition {
                at: crate::status::words::utc(wall - ago),
                ago_seconds: ago.as_secs_f64(),
                from: why::state(transition.from),
                to: why::state(transition.to),
                reason: why::reason(&transition.cause).to_owned(),
                why: why::event(&transition.cause),
                priority: why::sum(&transition.standing),
                earlier_process: false,
            }
        };
        let history: Vec<_> = self.router.journal().iter().map(transition).collect();
        let count = TransitionCount { to: State::Backup, reason: "started".to_owned(), count: 1 };
        let ready = format!("it accepts, its workers are on time, {} servers up", self.servers);
        let facts = Facts {
            now,
            wall,
            freeze_limit: Duration::from_secs(2),
            marks: self.marks.clone(),
            details: HashMap::from([("frontend 'kubernetes'".to_owned(), ready)]),
            history: HashMap::from([("VI_1".to_owned(), history)]),
            counts: HashMap::from([("VI_1".to_owned(), vec![count])]),
            claims: HashMap::from([("VI_1".to_owned(), long_ago())]),
            hooks: Hooks::default(),
            fifo: None,
            journal: JournalFile { path: Some("/var/lib/halb/vip.jsonl".to_owned()), error: None },
            notices: Vec::new(),
        };
        build::vrrp(&self.snapshot(), &facts)
    }
}

/// A split that is over since hours.
fn long_ago() -> ForeignClaims {
    let claim = ForeignClaim {
        address: "172.16.16.100".to_owned(),
        hardware: "52:54:00:00:00:53".to_owned(),
        ago_seconds: 20_000.0,
    };
    ForeignClaims { count: 2, last: vec![claim] }
}

fn ready(servers_up: u32) -> Readiness {
    Readiness { accepts: true, workers_on_time: true, servers_up }
}

/// Another node was active, fell silent, and this one took over an hour ago.
pub(crate) fn active() -> Node {
    let mut node = Node::new();
    node.hear(OTHER, 100, "mysecret");
    node.pass(Duration::from_secs(3600));
    node
}

/// Another node is active; a third one has the wrong password.
pub(crate) fn backup() -> Node {
    let mut node = Node::new();
    for _ in 0..30 {
        node.pass(Duration::from_secs(1));
        node.hear(OTHER, 101, "mysecret");
    }
    node.hear("172.16.16.53", 101, "wrong");
    node.hear("172.16.16.53", 101, "wrong");
    node.pass(Duration::from_millis(300));
    node
}

/// No server is up, nobody took the offered addresses.
pub(crate) fn sick() -> Node {
    let mut node = active();
    node.servers(0);
    node.pass(Duration::from_secs(60));
    node
}

/// The interface has gone down.
pub(crate) fn fault() -> Node {
    let mut node = active();
    node.guard = GuardSnapshot::Dead { replaced: 2 };
    node.scheduling = Scheduling::Refused("Operation not permitted".to_owned());
    node.link(false);
    node.pass(Duration::from_secs(125));
    node
}

/// A section in which no list is empty.
pub(crate) fn full() -> Vrrp {
    let mut node = backup();
    node.say(|_| {});
    let mut vrrp = node.vrrp();
    let text = "the guard process died and was replaced".to_owned();
    let at = vrrp.instances[0].since.clone();
    vrrp.strays.push(Stray {
        interface: "eth1".to_owned(),
        address: "172.16.16.9".to_owned(),
        router_id: Some(51),
        count: 4711,
        ago_seconds: 0.4,
    });
    let (path, lost) = ("/run/halb/notify".to_owned(), 2);
    let error = Some("nobody reads it (Resource temporarily unavailable)".to_owned());
    vrrp.fifo = Some(NotifyFifo { path, lost, error });
    vrrp.notices.push(Noticed { at, ago_seconds: 12.0, instance: Some("VI_1".to_owned()), text });
    vrrp
}
