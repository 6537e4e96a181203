//! Changes of state, and what belongs to each of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::cause::{Cause, FaultReason, Heard, State, Transition};
use super::holding::Holding;
use super::listening::Listening;
use super::{Action, Outgoing, Phase, Router};
use crate::config::{ChecksumChoice, Delivery, Protocol};
use crate::packet::{Advert, Body, ChecksumForm, group};
use crate::timers;
use crate::track::Standing;
use crate::values::Priority;

impl Router {
    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Stopped | Phase::Waiting { .. } => State::Initialize,
            Phase::Deaf { .. } => State::Fault,
            Phase::Listening(_) if self.standing.is_failed() => State::Fault,
            Phase::Listening(_) => State::Backup,
            Phase::Holding(_) => State::Active,
        }
    }

    /// Goes into another phase; a change that can be seen is told and noted. A router that leaves
    /// goes nowhere but out.
    pub(super) fn enter(&mut self, phase: Phase, cause: Cause, now: Instant) {
        let from = self.state();
        self.phase = if std::mem::take(&mut self.leaving) { Phase::Stopped } else { phase };
        self.membership.wants = None;
        self.kept = None;
        self.tell(from, cause, now);
    }

    fn tell(&mut self, from: State, cause: Cause, now: Instant) {
        let to = self.state();
        if from == to {
            return;
        }
        self.since = now;
        self.rearm();
        self.stats.moved(from, to);
        let transition = Transition {
            at: now,
            from,
            to,
            cause,
            standing: Arc::clone(&self.standing),
            source: self.link.source,
        };
        self.journal.push(transition.clone());
        self.actions.push_back(Action::Transition(Box::new(transition)));
    }

    /// What keeps the router from sending and receiving.
    pub(super) fn obstacle(&self) -> Option<FaultReason> {
        if !self.link.is_up {
            Some(FaultReason::LinkDown)
        } else if self.link.source.is_none() {
            Some(FaultReason::NoSource)
        } else if self.membership.fault {
            Some(FaultReason::Group)
        } else {
            None
        }
    }

    /// Takes part, if it waited to and nothing is in the way any more.
    pub(super) fn begin(&mut self, now: Instant) {
        match &self.phase {
            Phase::Waiting { ready_at, .. } if *ready_at > now || self.standing.is_pending() => {}
            Phase::Waiting { .. } => match self.obstacle() {
                Some(reason) => self.fall(reason, None, now),
                None if self.standing.effective == Priority::OWNER && !self.membership.grouped => {
                    self.take_over(Cause::Owner, now);
                }
                None => self.listen(Cause::Started, now),
            },
            Phase::Deaf { retry_at: Some(retry_at), .. } if *retry_at > now => {}
            Phase::Deaf { reason, .. } if self.obstacle().is_some() => {
                // Only the obstacle is left to wait for.
                self.phase = Phase::Deaf { reason: *reason, retry_at: None };
            }
            Phase::Deaf { .. } => {
                if let (Delivery::Unicast { .. }, Some(source)) =
                    (self.config.delivery(), self.link.source)
                {
                    self.actions.push_back(Action::AnnounceSource(source));
                }
                self.listen(Cause::Recovered, now);
            }
            Phase::Stopped | Phase::Listening(_) | Phase::Holding(_) => {}
        }
    }

    /// Listens for a whole down interval.
    pub(super) fn listen(&mut self, cause: Cause, now: Instant) {
        let listening = Listening::new(self.listening_rules(now), self.config.interval(), now);
        self.enter(Phase::Listening(listening), cause, now);
    }

    /// Becomes active. The advert goes first, so that an active router of lower priority drops
    /// its addresses before they appear here; they are announced once the kernel has them.
    ///
    /// By invitation it is the other way round: who invites keeps the addresses until it hears
    /// the advert, and so they are announced from here before that.
    pub(super) fn take_over(&mut self, cause: Cause, now: Instant) {
        let invited = matches!(cause, Cause::Invited { .. });
        if !invited {
            self.advertise(self.standing.effective);
        }
        self.add_all();
        let interval = self.config.interval();
        let mut holding = Holding::new(interval, invited, now);
        if let Cause::Invited { by, .. } | Cause::Released { by: Heard { source: by, .. } } = cause
        {
            holding = holding.given_by(by, interval, now);
        }
        self.enter(Phase::Holding(holding), cause, now);
    }

    /// Another router is active, or may be: the addresses go, without a word.
    pub(super) fn yield_to(&mut self, better: Option<Heard>, cause: Cause, now: Instant) {
        self.remove_all();
        let rules = self.listening_rules(now);
        let listening = match better {
            Some(heard) => Listening::after(rules, heard, now),
            None => Listening::hear_out(rules, self.config.interval(), now),
        };
        self.enter(Phase::Listening(listening), cause, now);
    }

    /// Can't take part any more, until the obstacle is gone or `retry_at`.
    pub(super) fn fall(&mut self, reason: FaultReason, retry_at: Option<Instant>, now: Instant) {
        match &self.phase {
            Phase::Stopped => return,
            Phase::Waiting { ready_at, .. } => {
                if *ready_at > now || self.standing.is_pending() {
                    return;
                }
            }
            Phase::Deaf { .. } | Phase::Listening(_) | Phase::Holding(_) => {}
        }
        self.release();
        self.enter(Phase::Deaf { reason, retry_at }, Cause::Fault(reason), now);
    }

    /// Can't hold the addresses, and nothing will tell when it can: the others get a down
    /// interval to take over before it tries again, and longer each time that it fails.
    pub(super) fn fall_for_a_while(&mut self, reason: FaultReason, now: Instant) {
        let missed = self.config.behaviour.down_timer_adverts;
        let least = timers::down_interval(self.standing.effective, self.config.interval(), missed);
        let rest = self.setbacks.rest(reason, least, now);
        self.fall(reason, Some(now + rest), now);
    }

    /// An active router says that it leaves, unless it never said that it is there; then its
    /// addresses go.
    pub(super) fn release(&mut self) {
        if let Phase::Holding(state) = &self.phase {
            if !state.is_unsaid() {
                self.advertise(Priority::RELEASE);
            }
            self.remove_all();
        }
    }

    /// Takes a new priority. `lost`: the node can't serve as it should, and a better one is
    /// wanted at once.
    pub(super) fn restand(&mut self, standing: Standing, lost: bool, now: Instant) {
        let from = self.state();
        let standing = standing.lowered(self.yielded, self.membership.failed);
        let old = std::mem::replace(&mut self.standing, Arc::new(standing));
        let (before, after) = (old.effective, self.standing.effective);
        let (rules, listening) = (self.holding_rules(), self.listening_rules(now));
        let (may_beat, reason) = (self.may_beat(self.worth(), now), self.offer_reason());
        self.kept = (self.is_active() && lost && !may_beat).then(|| self.no_better(now)).flatten();
        match &mut self.phase {
            Phase::Stopped | Phase::Deaf { .. } => {}
            Phase::Waiting { .. } => self.begin(now),
            Phase::Listening(state) => {
                // It listened all the while, so that a failed tracker that recovers needs no new
                // wait (keepalived's FAULT is deaf, and waits a whole down interval).
                state.shift(before, listening);
                let recovered = old.is_failed() && !self.standing.is_failed();
                let cause = if recovered { Cause::Recovered } else { Cause::TrackerFailed };
                self.tell(from, cause, now);
            }
            Phase::Holding(state) => {
                let stands = state.standing_offer().is_some() && self.standing.is_sick();
                if lost && may_beat {
                    state.offer(reason, rules, now);
                } else if stands && may_beat {
                    // Whoever is better is still wanted, whatever has changed beside.
                } else if before != after || state.standing_offer().is_some() {
                    state.withdraw_offer(now);
                }
            }
        }
    }

    /// An advert is due now, if the router is active.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let Phase::Holding(state) = &mut self.phase {
            state.hurry(now);
        }
    }

    /// Sends an advert to everybody who is to hear it.
    pub(super) fn advertise(&mut self, priority: Priority) {
        if priority == Priority::RELEASE {
            self.actions.push_back(Action::EndAnnouncements);
        }
        let outgoing = self.outgoing(priority);
        if !outgoing.is_empty() {
            self.stats.said(priority);
        }
        self.actions.extend(outgoing.into_iter().map(Action::Send));
    }

    /// What this router would say if it left now: for a guard that says it if this process can't
    /// any more. Changes with the configuration, the link and what peers' checksums look like.
    #[must_use]
    pub fn farewell(&self) -> Vec<Outgoing> {
        self.outgoing(Priority::RELEASE)
    }

    fn outgoing(&self, priority: Priority) -> Vec<Outgoing> {
        let Some(source) = self.link.source else { return Vec::new() };
        let destinations = match self.config.delivery() {
            Delivery::Multicast => vec![group(self.config.addresses().family())],
            Delivery::Unicast { peers, .. } => peers.clone(),
        };
        let to = |destination| Outgoing {
            source,
            destination,
            advert: Advert {
                vrid: self.config.vrid(),
                priority,
                addresses: self.config.addresses().clone(),
                body: self.body(destination),
            },
        };
        destinations.into_iter().map(to).collect()
    }

    fn body(&self, destination: IpAddr) -> Body {
        match self.config.protocol() {
            Protocol::V2 { interval, auth } => {
                let password = auth.as_ref().map(|auth| auth.password);
                Body::V2 { interval: *interval, password }
            }
            Protocol::V3 { interval, checksum } => {
                let checksum = match checksum {
                    ChecksumChoice::Fixed(form) => *form,
                    ChecksumChoice::Auto => {
                        self.peers.checksum(destination).unwrap_or(ChecksumForm::PseudoHeader)
                    }
                };
                Body::V3 { interval: *interval, checksum }
            }
        }
    }

    pub(super) fn add_all(&mut self) {
        let addresses = self.config.addresses().as_slice().to_vec();
        self.actions.push_back(Action::AddAddresses(addresses));
    }

    pub(super) fn remove_all(&mut self) {
        let addresses = self.config.addresses().as_slice().to_vec();
        self.actions.push_back(Action::RemoveAddresses(addresses));
    }

    pub(super) fn announce_due(&mut self, now: Instant) {
        let Phase::Holding(state) = &mut self.phase else { return };
        let policy = &self.config.behaviour.announcements;
        if state.announcing.take_due(policy, now) {
            let addresses = self.config.addresses().clone();
            self.actions.push_back(Action::Announce { addresses, repeats: policy.repeats });
        }
    }
}
