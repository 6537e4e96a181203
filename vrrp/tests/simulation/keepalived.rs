//! keepalived as its sources say it behaves, written apart from halb's router: no offers, no
//! words, no guard; FAULT is deaf; a changed priority is told with the next advert.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use halb_vrrp::config::{ChecksumChoice, Preempt, Protocol, RouterConfig};
use halb_vrrp::packet::{
    Accepted, Advert, Body, ChecksumForm, Datagram, Expectation, HOP_LIMIT, Origin, group, receive,
};
use halb_vrrp::router::{Action, Link, Outgoing};
use halb_vrrp::track::Standing;
use halb_vrrp::values::{AdvertInterval, Priority};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Init,
    Backup { down_at: Instant },
    Master { advert_at: Instant },
    Fault,
}

pub(crate) struct Keepalived {
    config: RouterConfig,
    standing: Standing,
    link: Link,
    state: State,
    /// The active router's interval, as far as it is known.
    learned: AdvertInterval,
    preempt_at: Option<Instant>,
    actions: VecDeque<Action>,
}

impl Keepalived {
    pub(crate) fn new(config: RouterConfig, standing: Standing) -> Self {
        let learned = config.interval();
        let (link, state) = (Link::default(), State::Init);
        let actions = VecDeque::new();
        Self { config, standing, link, state, learned, preempt_at: None, actions }
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state, State::Master { .. })
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.state = State::Fault;
        self.refresh(now);
    }

    pub(crate) fn stop(&mut self) {
        self.leave_master(true);
        self.state = State::Init;
    }

    pub(crate) fn handle_link(&mut self, link: Link, now: Instant) {
        // The last word goes out over what is left of the link.
        if link.is_up {
            self.link = link;
        }
        self.refresh_with(link.is_up, now);
        self.link = link;
    }

    pub(crate) fn handle_standing(&mut self, standing: Standing, now: Instant) {
        let before = self.skew();
        self.standing = standing;
        if let State::Backup { down_at } = &mut self.state {
            *down_at = (*down_at + skew(self.standing.effective, self.learned))
                .checked_sub(before)
                .unwrap();
        }
        self.refresh(now);
    }

    pub(crate) fn handle_config(&mut self, config: RouterConfig, standing: Standing, now: Instant) {
        let old = std::mem::replace(&mut self.config, config);
        if self.is_active() {
            let (before, after) = (old.addresses().as_slice(), self.config.addresses().as_slice());
            let beyond = |list: &[IpAddr], other: &[IpAddr]| {
                list.iter().filter(|address| !other.contains(address)).copied().collect()
            };
            self.actions.push_back(Action::RemoveAddresses(beyond(before, after)));
            self.actions.push_back(Action::AddAddresses(beyond(after, before)));
        }
        self.preempt_at = None;
        self.handle_standing(standing, now);
    }

    fn refresh(&mut self, now: Instant) {
        self.refresh_with(self.link.is_up, now);
    }

    fn refresh_with(&mut self, is_up: bool, now: Instant) {
        let fits = is_up && !self.standing.is_failed();
        match self.state {
            State::Init => {}
            State::Fault if fits => {
                self.learned = self.config.interval();
                self.become_backup(now);
            }
            State::Backup { .. } | State::Master { .. } if !fits => {
                self.leave_master(true);
                self.state = State::Fault;
            }
            State::Fault | State::Backup { .. } | State::Master { .. } => {}
        }
    }

    pub(crate) fn handle_datagram(&mut self, datagram: &Datagram<'_>, now: Instant) {
        let expected = Expectation {
            vrid: self.config.vrid(),
            family: self.config.addresses().family(),
            interval: self.config.interval(),
            passwords: &[],
            origin: Origin::Multicast,
            hop_limit_min: HOP_LIMIT,
            own: self.link.source,
        };
        let Ok(accepted) = receive(datagram, &expected) else { return };
        match self.state {
            State::Init | State::Fault => {}
            State::Backup { .. } => self.backup_rx(&accepted, now),
            State::Master { .. } => self.master_rx(&accepted, now),
        }
    }

    fn backup_rx(&mut self, heard: &Accepted<'_>, now: Instant) {
        let lower = heard.priority < self.standing.effective;
        let preempt = match self.standing.effective {
            Priority::OWNER => Preempt::Immediately,
            _ => self.config.behaviour.preempt,
        };
        let ignores = match preempt {
            Preempt::Immediately => true,
            Preempt::Never => false,
            Preempt::After(delay) if lower => now >= *self.preempt_at.get_or_insert(now + delay),
            Preempt::After(_) => false,
        };
        if heard.priority == Priority::RELEASE {
            self.state = State::Backup { down_at: now + self.skew() };
        } else if !(lower && ignores) {
            if !lower {
                self.preempt_at = None;
            }
            self.learned = heard.interval;
            self.become_backup(now);
        }
    }

    fn master_rx(&mut self, heard: &Accepted<'_>, now: Instant) {
        let own = (self.standing.effective, self.link.source);
        if heard.priority != Priority::RELEASE && (heard.priority, Some(heard.source)) > own {
            self.leave_master(false);
            self.learned = heard.interval;
            self.become_backup(now);
        } else {
            self.advertise(self.standing.effective);
        }
    }

    fn become_backup(&mut self, now: Instant) {
        self.state = State::Backup { down_at: now + self.learned.duration() * 3 + self.skew() };
    }

    fn leave_master(&mut self, says_so: bool) {
        if self.is_active() {
            if says_so {
                self.advertise(Priority::RELEASE);
            }
            let addresses = self.config.addresses().as_slice().to_vec();
            self.actions.push_back(Action::RemoveAddresses(addresses));
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Init | State::Fault => None,
            State::Backup { down_at } => Some(down_at),
            State::Master { advert_at } => Some(advert_at),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.advertise(self.standing.effective);
        if !self.is_active() {
            self.learned = self.config.interval();
            let addresses = self.config.addresses().as_slice().to_vec();
            self.actions.push_back(Action::AddAddresses(addresses));
        }
        self.state = State::Master { advert_at: now + self.config.interval().duration() };
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn advertise(&mut self, priority: Priority) {
        let addresses = self.config.addresses().clone();
        let body = match self.config.protocol() {
            Protocol::V2 { interval, .. } => Body::V2 { interval: *interval, password: None },
            Protocol::V3 { interval, checksum } => {
                let checksum = match checksum {
                    ChecksumChoice::Auto => ChecksumForm::PseudoHeader,
                    ChecksumChoice::Fixed(form) => *form,
                };
                Body::V3 { interval: *interval, checksum }
            }
        };
        self.actions.push_back(Action::Send(Outgoing {
            source: self.link.source.unwrap(),
            destination: group(addresses.family()),
            advert: Advert { vrid: self.config.vrid(), priority, addresses, body },
        }));
    }

    fn skew(&self) -> Duration {
        skew(self.standing.effective, self.learned)
    }
}

fn skew(priority: Priority, interval: AdvertInterval) -> Duration {
    let whole = match interval {
        AdvertInterval::V2(_) => Duration::from_secs(1),
        AdvertInterval::V3(_) => interval.duration(),
    };
    whole * (256 - u32::from(priority.get())) / 256
}
