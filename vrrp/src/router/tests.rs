use std::time::Duration;

use super::*;
use crate::config::{Announcements, Auth, Behaviour, Delivery, Protocol};
use crate::link::Word;
use crate::packet::{Advert, Body, ChecksumForm, HOP_LIMIT, Password, VirtualAddresses, group};
use crate::timers;
use crate::track::{Health, Readiness, Sighting, Subject, Tracker, Trackers, Weight};
use crate::values::{AdvertInterval, BasePriority, Centiseconds, DownTimerAdverts, Seconds, VrId};

mod announcing;
mod answers;
mod election;
mod faults;
mod forecasts;
mod inheriting;
mod offering;
mod properties;
mod reloading;
mod retiring;
mod stalls;
mod table;
mod words;
mod yielding;

const SECOND: Duration = Duration::from_secs(1);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The node under test; adverts come from greater and lesser addresses.
const OWN: &str = "172.16.16.51";
const GREATER: &str = "172.16.16.52";
const LESSER: &str = "172.16.16.50";
const VIP: &str = "172.16.16.100";

fn addresses(list: &[&str]) -> VirtualAddresses {
    VirtualAddresses::new(list.iter().map(|text| ip(text)).collect()).unwrap()
}

fn v2(interval: u16) -> Protocol {
    Protocol::V2 { interval: Seconds::new(interval).unwrap(), auth: None }
}

fn v3(interval: u16) -> Protocol {
    let interval = Centiseconds::new(interval).unwrap();
    Protocol::V3 { interval, checksum: crate::config::ChecksumChoice::Auto }
}

fn config(protocol: Protocol, behaviour: Behaviour) -> RouterConfig {
    let vrid = VrId::new(1).unwrap();
    RouterConfig::new(vrid, protocol, addresses(&[VIP]), Delivery::Multicast, behaviour).unwrap()
}

fn preempting(preempt: Preempt) -> Behaviour {
    Behaviour { preempt, ..Behaviour::default() }
}

fn down_interval(priority: u8, interval: AdvertInterval) -> Duration {
    timers::down_interval(Priority::new(priority), interval, DownTimerAdverts::default())
}

fn well(base: u8) -> Standing {
    Standing::untracked(BasePriority::new(base).unwrap())
}

/// A frontend is not ready: this is what its weight does.
fn sick(base: u8, weight: i64) -> Standing {
    standing(base, weight, Readiness { accepts: false, workers_on_time: true, servers_up: 1 })
}

/// Exchanges words with another halb.
fn linked() -> Behaviour {
    Behaviour { peer_link: true, ..Behaviour::default() }
}

/// What another node says that listens.
fn word(source: &str, effective: u8, health: Health) -> Word {
    Word {
        vrid: VrId::new(1).unwrap(),
        address: ip(VIP),
        source: Some(ip(source)),
        state: State::Backup,
        able: true,
        base: BasePriority::new(100).unwrap(),
        effective: Priority::new(effective),
        health,
        yielded: false,
        invites: None,
    }
}

/// What another node says that is active and offers its addresses to this one.
fn invitation(source: &str, effective: u8) -> Word {
    let health = Health::Sick;
    Word { state: State::Active, invites: Some(ip(OWN)), ..word(source, effective, health) }
}

/// Before it was looked at.
fn tracking(weight: i64) -> Trackers {
    let subject = Subject::Frontend("kubernetes".into());
    let weight = Weight::new(weight).unwrap();
    Trackers::new(vec![Tracker { subject, weight, reverse: false }])
}

fn standing(base: u8, weight: i64, readiness: Readiness) -> Standing {
    let mut trackers = tracking(weight);
    trackers.handle_sighting(Sighting::Frontend("kubernetes", readiness));
    trackers.standing(BasePriority::new(base).unwrap())
}

/// A router, the time, and what it did: `!98` sent an advert with priority 98, `+` added and `-`
/// removed addresses, `*` announced them, `B>A` changed its state.
struct Bench {
    router: Router,
    now: Instant,
    log: Vec<String>,
    causes: Vec<Cause>,
    notices: Vec<Notice>,
    sent: Vec<Outgoing>,
    words: Vec<Word>,
    /// The kernel answers at once.
    obedient: bool,
    /// The driver may have announcements to repeat.
    announcing: bool,
}

impl Bench {
    fn new(config: RouterConfig, standing: Standing) -> Self {
        let now = Instant::now();
        Self {
            router: Router::new(config, standing, now),
            now,
            log: Vec::new(),
            causes: Vec::new(),
            notices: Vec::new(),
            sent: Vec::new(),
            words: Vec::new(),
            obedient: true,
            announcing: false,
        }
    }

    /// Started with its link up, and a backup.
    fn backup(config: RouterConfig, standing: Standing) -> Self {
        let mut bench = Self::new(config, standing);
        bench.link(true, Some(OWN));
        bench.router.handle_start(bench.now);
        bench.settle();
        assert_eq!(bench.router.state(), State::Backup);
        bench.clear();
        bench
    }

    /// Active for want of others, its announcements done.
    fn active(config: RouterConfig, standing: Standing) -> Self {
        let mut bench = Self::backup(config, standing);
        bench.pass_to_due();
        bench.settle();
        bench.pass(SECOND * 6);
        assert_eq!(bench.router.state(), State::Active);
        bench.clear();
        bench
    }

    fn clear(&mut self) {
        self.log.clear();
        self.causes.clear();
        self.notices.clear();
        self.sent.clear();
        self.words.clear();
    }

    fn link(&mut self, is_up: bool, source: Option<&str>) {
        self.router.handle_link(Link { is_up, source: source.map(ip) }, self.now);
        self.settle();
    }

    fn stand(&mut self, standing: Standing) {
        self.router.handle_standing(standing, self.now);
        self.settle();
    }

    fn overhear(&mut self, word: Word) -> bool {
        let from = ip("10.9.9.2");
        let concerns = self.router.handle_word(from, &word, self.now);
        self.settle();
        concerns
    }

    fn order(&mut self, order: impl FnOnce(&mut Router, Instant)) {
        order(&mut self.router, self.now);
        self.settle();
    }

    fn interval(&self) -> Duration {
        self.router.config().interval().duration()
    }

    /// An advert in this router's own manner.
    fn advert(&self, source: &str, priority: u8) -> Vec<u8> {
        let body = match self.router.config().protocol() {
            Protocol::V2 { interval, auth } => {
                let password = auth.as_ref().map(|auth| auth.password);
                Body::V2 { interval: *interval, password }
            }
            Protocol::V3 { interval, .. } => {
                Body::V3 { interval: *interval, checksum: ChecksumForm::PseudoHeader }
            }
        };
        self.advert_of(source, priority, body)
    }

    fn advert_of(&self, source: &str, priority: u8, body: Body) -> Vec<u8> {
        let config = self.router.config();
        let addresses = config.addresses().clone();
        let destination = group(addresses.family());
        let advert =
            Advert { vrid: config.vrid(), priority: Priority::new(priority), addresses, body };
        advert.message(ip(source), destination)
    }

    fn deliver(&mut self, source: &str, message: &[u8]) {
        let destination = group(self.router.config().addresses().family());
        let datagram = Datagram { source: ip(source), destination, hop_limit: HOP_LIMIT, message };
        self.router.handle_datagram(&datagram, self.now);
    }

    fn hear(&mut self, source: &str, priority: u8) {
        let message = self.advert(source, priority);
        self.deliver(source, &message);
        self.settle();
    }

    /// What a driver does after each event.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.act();
            if self.router.poll_timeout().is_none_or(|(due, _)| due > self.now) {
                return;
            }
            self.router.handle_timeout(Inbox::Drained, self.now);
        }
        panic!("a deadline that is due stays due: {:?}", self.router.poll_timeout());
    }

    fn act(&mut self) {
        while let Some(action) = self.router.poll_action() {
            match action {
                Action::Send(outgoing) => {
                    let offers = outgoing.advert.priority == Priority::RELEASE;
                    assert!(!offers || !self.announcing, "its repeats speak against its offer");
                    self.log.push(format!("!{}", outgoing.advert.priority));
                    self.sent.push(outgoing);
                }
                Action::AddAddresses(_) => {
                    self.log.push("+".into());
                    if self.obedient {
                        self.router.handle_addresses(AddressReport::Installed, self.now);
                    }
                }
                Action::RemoveAddresses(_) => self.log.push("-".into()),
                Action::Announce { .. } => {
                    self.log.push("*".into());
                    self.announcing = true;
                }
                Action::EndAnnouncements => self.announcing = false,
                Action::AnnounceSource(_) => self.log.push("own*".into()),
                Action::Transition(transition) => {
                    self.log.push(format!("{}>{}", letter(transition.from), letter(transition.to)));
                    assert_eq!(transition.at, self.now);
                    self.causes.push(transition.cause);
                }
                Action::Notice(notice) => self.notices.push(notice),
                Action::Tell(word) => self.words.push(word),
            }
        }
    }

    /// Lets time pass, with each deadline met on the dot.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((due, _)) = self.router.poll_timeout().filter(|(due, _)| *due <= end) {
            self.now = due.max(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Lets time pass with nobody awake.
    fn freeze(&mut self, time: Duration) {
        self.now += time;
    }

    fn pass_to_due(&mut self) {
        self.now = self.router.poll_timeout().expect("a deadline").0;
    }

    /// Time to the next deadline.
    fn due_in(&self) -> Duration {
        self.router.poll_timeout().expect("a deadline").0 - self.now
    }

    fn log(&mut self) -> String {
        std::mem::take(&mut self.log).join(" ")
    }
}

fn letter(state: State) -> char {
    match state {
        State::Initialize => 'I',
        State::Backup => 'B',
        State::Active => 'A',
        State::Fault => 'F',
    }
}
