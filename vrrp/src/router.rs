//! One virtual router: who holds its addresses, decided from adverts, timers, the interface and
//! the trackers.
//!
//! ```text
//!              start, delay over,                silence, release,
//!              trackers known                    only lower heard
//!  Initialize ───────────────────▶ Backup ───────────────────────▶ Active
//!    ▲  │ priority 255: at once      │ ▲ ◀────────────────────────── │ ▲
//!    │  └────────────────────────────┼─┼── a better advert ──────────┼─┘
//!    │                        fault  ▼ │ recovered                   │
//!    └── stop (from anywhere)       Fault ◀───────── fault ──────────┘
//! ```
//!
//! A pure core with one owner: no clock, socket, lock or log inside. The driver
//! 1. hands over what happened (`handle_*`), packets first and all of them,
//! 2. calls [`Router::handle_timeout`] if [`Router::poll_timeout`] is due,
//! 3. does what [`Router::poll_action`] says until it says nothing,
//! 4. sleeps until `poll_timeout`.
//!
//! - Packets come before timers, so that after a stall the adverts that waited in the socket are
//!   heard before their absence is judged. A timer that is judged later than an interval is put
//!   off once: while a whole machine stands still, no packet is queued for it either.
//! - A lost tracker is no reason to vanish: an active router *offers* its addresses. It sends
//!   priority 0, so that a backup takes over within its skew, but keeps the addresses until that
//!   backup is heard. If none is, it goes on with the priority that is left to it. It doesn't
//!   offer what every known peer would hand back.
//! - A failed tracker of weight 0 makes the router `Fault`, in which it listens with the least
//!   priority there is. Without interface or address it neither listens nor serves.
//! - Whatever must be said at once is due at once: `poll_timeout` says so, and one advert answers
//!   a whole burst.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Preempt, RouterConfig};
use crate::packet::{Accepted, Datagram, Expectation, receive};
use crate::track::Standing;
use crate::values::{Family, Priority};

mod action;
mod announcing;
mod cause;
mod entering;
mod forecast;
mod handing;
mod hearsay;
mod holding;
mod journal;
mod listening;
mod membership;
mod peers;
mod refusals;
mod reload;
mod setbacks;
mod status;
mod telling;

pub use action::{Action, Notice, Outgoing};
pub use cause::{Cause, FaultReason, Heard, Kept, Offer, OfferReason, State, Transition};
pub use forecast::{Forecast, IfPeersDie, IfServiceDies};
pub use hearsay::{Overheard, SPEAKERS_MAX, WORD_COUNTS_FOR};
pub use journal::{JOURNAL_LEN, Journal};
pub use listening::Inbox;
pub use peers::{Peer, SENDERS_MAX};
pub use refusals::{REFUSED_MAX, RefusedSender};
pub use reload::NotTheSameRouter;
pub use status::{Stats, Status};

use hearsay::Hearsay;
use holding::{Duty, Holding, Response};
use listening::{Judgement, Listening};
use membership::Membership;
use peers::Peers;
use refusals::Refusals;
use setbacks::Setbacks;
use telling::Telling;

/// The interface as the kernel describes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Link {
    /// It is there, is up and has carrier.
    pub is_up: bool,
    /// The address to send from: of the right family, and no virtual one.
    pub source: Option<IpAddr>,
}

/// What became of an order to put addresses on the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressReport {
    /// All of them are there.
    Installed,
    /// The kernel refused at least one.
    Refused,
    /// At least one that was there has gone, without this router having asked for it.
    Lost,
}

/// One virtual router.
#[derive(Debug)]
pub struct Router {
    config: RouterConfig,
    standing: Arc<Standing>,
    link: Link,
    phase: Phase,
    since: Instant,
    peers: Peers,
    hearsay: Hearsay,
    refusals: Refusals,
    setbacks: Setbacks,
    stats: Stats,
    journal: Journal,
    actions: VecDeque<Action>,
    told: Told,
    telling: Telling,
    membership: Membership,
    /// An operator has given the addresses away.
    yielded: bool,
    /// It holds the addresses until another router is heard, and then stops.
    leaving: bool,
    /// It was to be relieved, and hasn't offered its addresses.
    kept: Option<Kept>,
}

/// What was told since the last change, and isn't told again for each packet.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// When.
    rival: Option<Instant>,
    same_priority: bool,
    other_addresses: bool,
}

impl Told {
    /// This router stood still since then: whoever became active meanwhile is news again.
    fn forget_rival(&mut self, since: Instant) {
        self.rival.take_if(|told_at| *told_at <= since);
    }
}

#[derive(Debug)]
enum Phase {
    /// Not started, or stopped.
    Stopped,
    /// Started; takes part once its delay is over and its trackers are known.
    Waiting {
        since: Instant,
        ready_at: Instant,
    },
    /// Neither listens nor serves.
    Deaf {
        reason: FaultReason,
        /// When it tries again, where nothing will tell that it could.
        retry_at: Option<Instant>,
    },
    Listening(Listening),
    Holding(Holding),
}

/// Notices that wait for the driver; more are dropped. Everything else that waits is bounded by
/// the events since the driver's last turn.
const NOTICES_MAX: usize = 64;

impl Router {
    /// A router that isn't started.
    #[must_use]
    pub fn new(config: RouterConfig, standing: Standing, now: Instant) -> Self {
        Self {
            config,
            standing: Arc::new(standing),
            link: Link::default(),
            phase: Phase::Stopped,
            since: now,
            peers: Peers::default(),
            hearsay: Hearsay::default(),
            refusals: Refusals::default(),
            setbacks: Setbacks::default(),
            stats: Stats::default(),
            journal: Journal::default(),
            actions: VecDeque::new(),
            told: Told::default(),
            telling: Telling::default(),
            membership: Membership::default(),
            yielded: false,
            leaving: false,
            kept: None,
        }
    }

    /// Starts it: addresses that an earlier life left on the interface go first, so that they
    /// aren't taken for the node's own (an owner's are its own). Nothing if it is started.
    pub fn handle_start(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Stopped) {
            return;
        }
        if !self.standing.base.is_owner() {
            self.remove_all();
        }
        let ready_at = now + self.config.behaviour.startup_delay;
        self.enter(Phase::Waiting { since: now, ready_at }, Cause::Started, now);
        self.begin(now);
        self.finish(now);
    }

    /// Starts it in the role that another process of this node had until now, and steps aside with:
    /// an active router goes on at once, with its addresses where they are, and nobody else sees a
    /// change. Any other listens, without a start-up delay. Nothing if it is started.
    pub fn handle_inheritance(&mut self, role: State, now: Instant) {
        if !matches!(self.phase, Phase::Stopped) {
            return;
        }
        self.enter(Phase::Waiting { since: now, ready_at: now }, Cause::Inherited, now);
        match (role, self.obstacle()) {
            (State::Active, None) => self.take_over(Cause::Inherited, now),
            (State::Backup, None) if !self.standing.is_pending() => {
                self.listen(Cause::Inherited, now);
            }
            (State::Initialize | State::Backup | State::Active | State::Fault, _) => {
                if !self.standing.base.is_owner() {
                    self.remove_all();
                }
                self.begin(now);
            }
        }
        self.finish(now);
    }

    /// An advert is due now, if the router is active.
    pub fn handle_haste(&mut self, now: Instant) {
        self.hurry(now);
        self.finish(now);
    }

    /// Stops it: an active router says that it leaves before its addresses go.
    pub fn handle_stop(&mut self, now: Instant) {
        self.release();
        self.enter(Phase::Stopped, Cause::Stopped, now);
        self.finish(now);
    }

    /// The interface or its address has changed.
    ///
    /// An address of the other family, or a virtual one that isn't this node's own, counts as
    /// none.
    pub fn handle_link(&mut self, mut link: Link, now: Instant) {
        let (own, owner) = (self.config.addresses(), self.standing.base.is_owner());
        link.source = link.source.filter(|source| {
            Family::of(*source) == own.family() && (owner || !own.contains(*source))
        });
        let old = std::mem::replace(&mut self.link, link);
        if let Some(source) = link.source {
            self.hearsay.disown(source);
        }
        if let Some(reason) = self.obstacle() {
            // What is left of the old link may carry a last word.
            self.link = old;
            self.fall(reason, None, now);
            self.link = link;
        } else {
            if old.source != link.source {
                self.hurry(now);
            }
            self.begin(now);
        }
        self.finish(now);
    }

    /// Trackers have changed what the node is worth. The base priority in it is that of the
    /// configuration; for a new one see [`Router::handle_config`].
    pub fn handle_standing(&mut self, standing: Standing, now: Instant) {
        let lost = standing.effective < self.standing.effective && standing.is_sick();
        self.restand(standing, lost, now);
        self.finish(now);
    }

    /// A packet came. Before the start, in a start-up delay and while deaf it is not looked at.
    pub fn handle_datagram(&mut self, datagram: &Datagram<'_>, now: Instant) {
        match self.phase {
            Phase::Stopped | Phase::Waiting { .. } | Phase::Deaf { .. } => {
                self.stats.ignored = self.stats.ignored.saturating_add(1);
                return;
            }
            Phase::Listening(_) | Phase::Holding(_) => {}
        }
        let passwords = self.config.passwords();
        let (origin, hop_limit_min) = self.config.origin();
        let expected = Expectation {
            vrid: self.config.vrid(),
            family: self.config.addresses().family(),
            interval: self.config.interval(),
            passwords: &passwords,
            origin,
            hop_limit_min,
            own: self.link.source,
        };
        match receive(datagram, &expected) {
            Ok(accepted) => self.hear(&accepted, now),
            Err(refusal) => {
                if self.refusals.note(datagram.source, refusal, now) {
                    self.notice(Notice::Refused { source: datagram.source, refusal });
                }
            }
        }
        self.finish(now);
    }

    fn hear(&mut self, accepted: &Accepted<'_>, now: Instant) {
        let Accepted { source, priority, interval, .. } = *accepted;
        let heard = Heard { source, priority, interval, at: now };
        self.stats.heard(heard);
        let same_addresses = accepted.addresses.matches(self.config.addresses());
        self.peers.note(heard, accepted.checksum, same_addresses);
        let (listening, holding) = (self.listening_rules(now), self.holding_rules());
        match &mut self.phase {
            Phase::Stopped | Phase::Waiting { .. } | Phase::Deaf { .. } => {}
            Phase::Listening(state) => {
                let before = state.last().map(|last| last.source);
                state.hear(heard, listening, now);
                // Of a router that leaves, or offers, more of the same is to be expected.
                if priority != Priority::RELEASE {
                    self.membership.wants = None;
                }
                if state.last().map(|last| last.source) != before {
                    self.rearm();
                }
            }
            Phase::Holding(state) => {
                if let Some(since) = state.stands_still_since(holding, now) {
                    self.told.forget_rival(since);
                }
                match state.hear(heard, holding, now) {
                    Response::Confirm | Response::Ignore | Response::Doubt => {}
                    Response::Insist if self.told.rival.is_some() => {}
                    Response::Insist => {
                        self.told.rival = Some(now);
                        self.notice(Notice::Rival(heard));
                    }
                    Response::Yield(cause) => {
                        self.answer_better(cause);
                        self.yield_to(Some(heard), cause, now);
                    }
                }
            }
        }
        // Of a sick node it says nothing about the configuration.
        let is_tie = priority == self.standing.effective && !self.standing.is_sick();
        if is_tie && !std::mem::replace(&mut self.told.same_priority, true) {
            self.notice(Notice::SamePriority(heard));
        }
        if !same_addresses {
            // RFC 9568 erratum 8298: worth a word, and no reason to discard.
            self.stats.addr_list_err = self.stats.addr_list_err.saturating_add(1);
            if !std::mem::replace(&mut self.told.other_addresses, true) {
                self.notice(Notice::OtherAddresses { source });
            }
        }
    }

    /// The time of [`Router::poll_timeout`] has come. A call before it does nothing.
    pub fn handle_timeout(&mut self, inbox: Inbox, now: Instant) {
        let (listening, holding) = (self.listening_rules(now), self.holding_rules());
        match &mut self.phase {
            Phase::Stopped => {}
            Phase::Waiting { .. } | Phase::Deaf { .. } => self.begin(now),
            Phase::Listening(state) => match state.judge(inbox, listening, now) {
                Judgement::Listen => {}
                Judgement::Stalled(late) => self.note_stall(late),
                Judgement::TakeOver(cause) if self.membership.grouped => {
                    self.membership.wants = Some(cause);
                }
                Judgement::TakeOver(cause) => self.take_over(cause, now),
            },
            Phase::Holding(state) => {
                match state.advance(inbox, holding, now) {
                    Duty::Rest => {}
                    Duty::Advertise(priority) => self.advertise(priority),
                    Duty::Resume { priority, since, late } => {
                        self.told.forget_rival(since);
                        self.note_stall(late);
                        self.advertise(priority);
                    }
                    Duty::StepBack(cause) => self.yield_to(None, cause, now),
                    Duty::Leave => self.handle_stop(now),
                }
                self.announce_due(now);
            }
        }
        self.tell_due(now);
        self.finish(now);
    }

    /// What became of [`Action::AddAddresses`], or of addresses that were there.
    pub fn handle_addresses(&mut self, report: AddressReport, now: Instant) {
        let Phase::Holding(state) = &mut self.phase else { return };
        match report {
            AddressReport::Installed => {
                state.announcing.installed(now);
                if state.is_unsaid() {
                    // Clients come here before the other node hears that it may let go.
                    state.hurry(now);
                    self.announce_due(now);
                }
            }
            AddressReport::Lost if self.setbacks.may_repair(now) => {
                state.announcing.uninstalled();
                self.stats.repairs = self.stats.repairs.saturating_add(1);
                self.notice(Notice::Repairing);
                self.add_all();
            }
            AddressReport::Lost => self.fall_for_a_while(FaultReason::AddressesContested, now),
            AddressReport::Refused => self.fall_for_a_while(FaultReason::AddressesRefused, now),
        }
        self.finish(now);
    }

    /// Whether an advert could be sent; with several peers: to any of them.
    pub fn handle_sent(&mut self, succeeded: bool, now: Instant) {
        let Phase::Holding(state) = &mut self.phase else { return };
        if !state.sent(succeeded) {
            self.fall_for_a_while(FaultReason::SendFailures, now);
        }
        self.finish(now);
    }

    /// The guard has taken the addresses off the interface, because this process stood still: it
    /// starts again as a backup.
    pub fn handle_revoked(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Holding(_)) {
            self.remove_all();
            self.listen(Cause::Revoked, now);
        }
        self.finish(now);
    }

    /// What the driver has to do next. Changes with every call that takes `&mut self`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Router::handle_timeout`] has something to do, and what. Changes with every call
    /// that takes `&mut self`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let own = match &self.phase {
            Phase::Stopped => None,
            // A pending tracker ends the wait, not the clock.
            Phase::Waiting { .. } if self.standing.is_pending() => None,
            Phase::Waiting { ready_at, .. } => Some((*ready_at, "end of the start-up delay")),
            Phase::Deaf { retry_at, .. } => retry_at.map(|at| (at, "another try")),
            Phase::Listening(_) if self.membership.wants.is_some() => None,
            Phase::Listening(state) => Some((state.due(), "takeover")),
            Phase::Holding(state) => Some(state.due()),
        };
        own.into_iter().chain(self.telling.due()).min_by_key(|(at, _)| *at)
    }

    /// keepalived's `higher_prio_send_advert`. One that leaves may be better than who takes over,
    /// and must not say so.
    fn answer_better(&mut self, cause: Cause) {
        let better = matches!(
            cause,
            Cause::Outranked { .. }
                | Cause::HandedOver { reason: OfferReason::Sick | OfferReason::Yielded, .. }
        );
        if better && self.config.behaviour.answers.higher_prio_send_advert {
            self.advertise(self.standing.effective);
        }
    }

    /// Packets are worth telling of again. Not after refused ones, or forged packets would fill
    /// the log.
    fn rearm(&mut self) {
        self.refusals.rearm();
        self.told = Told::default();
    }

    fn notice(&mut self, notice: Notice) {
        if self.actions.len() < NOTICES_MAX {
            self.actions.push_back(Action::Notice(notice));
        }
    }

    fn note_stall(&mut self, late: Duration) {
        self.stats.stalls = self.stats.stalls.saturating_add(1);
        self.notice(Notice::Stalled { late });
    }

    fn listening_rules(&self, now: Instant) -> listening::Rules {
        let contested = self.setbacks.is_contested(now);
        listening::Rules {
            effective: self.standing.effective,
            preempt: if contested { Preempt::Never } else { self.preempt() },
            missed: self.config.behaviour.down_timer_adverts,
            sick: self.standing.is_sick(),
        }
    }

    fn holding_rules(&self) -> holding::Rules {
        holding::Rules {
            effective: self.standing.effective,
            interval: self.config.interval(),
            preempt: self.preempt(),
            missed: self.config.behaviour.down_timer_adverts,
            answers: self.config.behaviour.answers,
            source: self.link.source,
        }
    }

    fn preempt(&self) -> Preempt {
        match self.standing.effective {
            Priority::OWNER => Preempt::Immediately,
            _ => self.config.behaviour.preempt,
        }
    }

    /// After each event.
    fn finish(&mut self, now: Instant) {
        self.tell_changes(now);
        debug_assert!(
            !matches!(self.phase, Phase::Holding(_)) || self.obstacle().is_none(),
            "an active router can send and receive"
        );
        debug_assert!(self.membership.wants.is_none() || self.membership.grouped);
    }
}

#[cfg(test)]
mod tests;
