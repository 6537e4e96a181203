//! Hosts and what runs on them.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use halb_lab::{Host, Lab, eventually};
use halb_vrrp::config::{Behaviour, ChecksumChoice, Delivery, Protocol, RouterConfig};
use halb_vrrp::driver::{Event, GuardCommand, Handle, InstanceSnapshot, Options, Stopped, Vrrp};
use halb_vrrp::packet::VirtualAddresses;
use halb_vrrp::router::{State, Transition};
use halb_vrrp::settings::{Instance, Placement, Settings};
use halb_vrrp::values::{BasePriority, Centiseconds, VrId};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const VIP: &str = "172.16.16.100";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A host with its virtual routers.
pub(crate) struct Node {
    pub(crate) host: Host,
    pub(crate) vrrp: Option<Vrrp>,
    events: Mutex<Receiver<Event>>,
    sender: mpsc::Sender<Event>,
    /// Who gets its words.
    pub(crate) listener: Arc<Mutex<Option<Handle>>>,
}

impl Node {
    pub(crate) fn new(lab: &Lab, name: &str, address: &str) -> Self {
        let (sender, events) = mpsc::channel();
        let host = lab.host(name, address).unwrap();
        Self { host, vrrp: None, events: Mutex::new(events), sender, listener: Arc::default() }
    }

    pub(crate) fn start(&mut self, settings: Settings) {
        let (sender, listener) = (self.sender.clone(), Arc::clone(&self.listener));
        let own = self.host.ip();
        let program = env!("CARGO_BIN_EXE_halb-vrrp-part").into();
        let guard = GuardCommand { program, arguments: vec!["guard".into()] };
        let options = Options {
            guard: Some(guard),
            events: Arc::new(move |event| {
                if let (Event::Word { word }, Some(listener)) = (&event, &*listener.lock().unwrap())
                {
                    listener.hear(own, *word);
                }
                let _ = sender.send(event);
            }),
            run_dir: "/nonexistent".into(),
            inherits: false,
        };
        self.vrrp = Some(self.host.run(|| Vrrp::start(settings, options)).unwrap());
    }

    pub(crate) fn vrrp(&self) -> &Vrrp {
        self.vrrp.as_ref().unwrap()
    }

    pub(crate) fn stop(&mut self) -> Stopped {
        self.vrrp.take().unwrap().stop(PATIENCE)
    }

    pub(crate) fn apply(&self, settings: Settings) -> Vec<String> {
        self.vrrp().handle().apply(settings).unwrap()
    }

    pub(crate) fn view(&self) -> InstanceSnapshot {
        self.vrrp().handle().snapshot().instances[0].clone()
    }

    pub(crate) fn state(&self) -> State {
        self.view().status.state
    }

    pub(crate) fn holds(&self, address: &str) -> bool {
        self.host.holds(ip(address)).unwrap()
    }

    /// The next event for which `pick` has something.
    pub(crate) fn event<T>(&self, pick: impl Fn(Event) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let events = self.events.lock().unwrap();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = events.recv_timeout(left).expect("an event that must come");
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    }

    /// Every transition so far that wasn't asked for before.
    pub(crate) fn transitions(&self) -> Vec<Transition> {
        let events = self.events.lock().unwrap();
        let transition = |event| match event {
            Event::Transition { transition, .. } => Some(transition),
            Event::Notice { .. } | Event::Word { .. } | Event::Driver(_) => None,
        };
        events.try_iter().filter_map(transition).collect()
    }

    /// Runs a command on the host.
    pub(crate) fn shell(&self, command: &str) {
        let mut words = command.split_whitespace();
        let mut prepared = Command::new(words.next().unwrap());
        prepared.args(words);
        let output = self.host.run(|| prepared.output()).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
    }
}

/// Waits until the first is active and has the address, and no other is or has.
pub(crate) fn settle_on(first: &Node, others: &[&Node]) {
    settle_with(VIP, first, others);
}

/// The same with another address.
pub(crate) fn settle_with(address: &str, first: &Node, others: &[&Node]) {
    eventually("one node has the address, and the others don't", PATIENCE, || {
        let holds = |node: &Node| node.vrrp.is_some() && node.state() == State::Active;
        let seen: Vec<_> = std::iter::once(&first)
            .chain(others)
            .map(|node| (holds(node), node.holds(address)))
            .collect();
        let right = seen[0] == (true, true) && seen[1..].iter().all(|seen| *seen == (false, false));
        if right { Ok(()) } else { Err(seen) }
    });
}

/// Version 3 at 100 ms on eth1, one address.
pub(crate) fn instance(priority: u8) -> Instance {
    with_addresses(priority, &[VIP])
}

pub(crate) fn with_addresses(priority: u8, addresses: &[&str]) -> Instance {
    let addresses: Vec<_> = addresses.iter().map(|address| ip(address)).collect();
    let checksum = ChecksumChoice::Auto;
    let router = RouterConfig::new(
        VrId::new(51).unwrap(),
        Protocol::V3 { interval: Centiseconds::new(10).unwrap(), checksum },
        VirtualAddresses::new(addresses.clone()).unwrap(),
        Delivery::Multicast,
        Behaviour::default(),
    );
    let placement = |address| Placement { address, prefix_len: 32, interface: None, label: None };
    Instance {
        name: "VI_1".into(),
        interface: "eth1".into(),
        router: router.unwrap(),
        priority: BasePriority::new(priority).unwrap(),
        source: None,
        placements: addresses.into_iter().map(placement).collect(),
        trackers: Vec::new(),
    }
}

/// The same with another delivery, or of the family of another address.
pub(crate) fn delivered(priority: u8, address: &str, delivery: Delivery) -> Instance {
    let mut instance = with_addresses(priority, &[address]);
    let (vrid, protocol) = (instance.router.vrid(), instance.router.protocol().clone());
    let addresses = instance.router.addresses().clone();
    let router = RouterConfig::new(vrid, protocol, addresses, delivery, Behaviour::default());
    instance.router = router.unwrap();
    let prefix_len = if ip(address).is_ipv6() { 128 } else { 32 };
    instance.placements[0].prefix_len = prefix_len;
    instance
}

pub(crate) fn settings(instance: Instance) -> Settings {
    // Real-time, where it can be had: other tests that run beside must not look like a stall.
    let realtime = NonZeroU8::new(10);
    Settings { instances: vec![instance], groups: Vec::new(), realtime, freeze_limit: None }
}

/// Another interval, and real-time scheduling ahead of other tests.
pub(crate) fn paced(centiseconds: u16, mut instance: Instance) -> Settings {
    let addresses = instance.router.addresses().clone();
    let interval = Centiseconds::new(centiseconds).unwrap();
    let protocol = Protocol::V3 { interval, checksum: ChecksumChoice::Auto };
    let (vrid, behaviour) = (instance.router.vrid(), Behaviour::default());
    let router = RouterConfig::new(vrid, protocol, addresses, Delivery::Multicast, behaviour);
    instance.router = router.unwrap();
    Settings { realtime: NonZeroU8::new(50), ..settings(instance) }
}

/// Speaks to another halb.
pub(crate) fn speaking(mut instance: Instance) -> Instance {
    instance.router.behaviour.peer_link = true;
    instance
}

/// Two nodes that hear each other's words, of which the first is active.
pub(crate) fn speaking_pair() -> (Lab, Node, Node) {
    let (lab, one, two) = pair();
    one.apply(settings(speaking(instance(200))));
    two.apply(settings(speaking(instance(100))));
    *one.listener.lock().unwrap() = Some(two.vrrp().handle());
    *two.listener.lock().unwrap() = Some(one.vrrp().handle());
    eventually("each has heard the other", PATIENCE, || {
        [&one, &two].iter().all(|node| !node.view().status.words.is_empty())
    });
    (lab, one, two)
}

/// Two nodes of which the first is active.
pub(crate) fn pair() -> (Lab, Node, Node) {
    let lab = Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let mut two = Node::new(&lab, "two", "172.16.16.52/24");
    one.start(settings(instance(200)));
    two.start(settings(instance(100)));
    settle_on(&one, &[&two]);
    (lab, one, two)
}
