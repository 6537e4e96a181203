//! A router that holds the addresses.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::announcing::Announcing;
use super::cause::{Cause, Heard};
use super::listening::Inbox;
use crate::config::Preempt;
use crate::timers;
use crate::values::{AdvertInterval, Priority};

/// What an active router goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) effective: Priority,
    pub(super) interval: AdvertInterval,
    pub(super) preempt: Preempt,
    pub(super) source: Option<IpAddr>,
}

#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) advert_at: Instant,
    sent_at: Instant,
    /// The addresses are offered to whoever is better: adverts have priority 0 until then.
    offered_until: Option<Instant>,
    pub(super) announcing: Announcing,
    repairs: VecDeque<Instant>,
    send_failures: u8,
    postponed: Option<Instant>,
}

/// What an advert means to an active router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    /// Its sender yields: say at once who is active.
    Insist,
    /// Its sender left: say at once who is active.
    Confirm,
    /// This router yields.
    Yield(Cause),
}

/// What an active router does when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Nothing yet.
    Rest,
    /// Send an advert of this priority.
    Advertise(Priority),
    /// Give the addresses up and listen.
    StepBack(Cause),
}

/// Silence after which a backup may have taken over, in intervals; its skew comes on top.
const SILENCE_MAX: u32 = 3;

/// Intervals that an offer stands, besides the skew: a backup acts within its own skew, which is
/// less than an interval, and its advert needs a moment.
const OFFER_INTERVALS: u32 = 2;

/// Adverts in a row that the kernel refuses before the router gives up: about when backups would
/// take over for want of them.
const SEND_FAILURES_MAX: u8 = 3;

/// Repairs of removed addresses within [`REPAIR_WINDOW`]; more is a fight with another program,
/// which the other node doesn't have.
const REPAIRS_MAX: usize = 5;
const REPAIR_WINDOW: Duration = Duration::from_secs(60);

impl Holding {
    /// The first advert has just been sent.
    pub(super) fn new(interval: AdvertInterval, now: Instant) -> Self {
        Self {
            advert_at: now + interval.duration(),
            sent_at: now,
            offered_until: None,
            announcing: Announcing::default(),
            repairs: VecDeque::new(),
            send_failures: 0,
            postponed: None,
        }
    }

    /// An advert was read. RFC 9568 §6.4.3; a losing advert is answered at once, which RFC 3768
    /// didn't ask for and keepalived does in both versions.
    pub(super) fn hear(&mut self, heard: Heard, rules: Rules, now: Instant) -> Response {
        if heard.priority == Priority::RELEASE {
            self.offered_until = None;
            self.hurry(now);
            return Response::Confirm;
        }
        let outranked = heard.priority > rules.effective;
        let by_address = heard.priority == rules.effective && Some(heard.source) > rules.source;
        if outranked || by_address {
            return Response::Yield(Cause::Outranked { by: heard, by_address });
        }
        let silent = now.saturating_duration_since(self.sent_at);
        if rules.preempt == Preempt::Never && silent >= rules.interval.duration() * SILENCE_MAX {
            return Response::Yield(Cause::OwnStall { silent, by: Some(heard) });
        }
        self.offered_until = None;
        self.announcing.renew(now);
        self.hurry(now);
        Response::Insist
    }

    /// The next advert is due now. It is sent after the inbox was read: one answer to a burst.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.advert_at = self.advert_at.min(now);
    }

    /// Offers the addresses to whoever is better, and keeps them until somebody takes them.
    pub(super) fn offer(&mut self, rules: Rules, now: Instant) {
        let interval = rules.interval;
        let stands =
            timers::skew(rules.effective, interval) + interval.duration() * OFFER_INTERVALS;
        self.offered_until.get_or_insert(now + stands);
        self.hurry(now);
    }

    pub(super) fn withdraw_offer(&mut self, now: Instant) {
        self.offered_until = None;
        self.hurry(now);
    }

    /// An advert goes out now, whatever was due.
    pub(super) fn restart(&mut self, interval: AdvertInterval, now: Instant) {
        self.sent_at = now;
        self.advert_at = now + interval.duration();
    }

    /// What an advert says for this priority: 0 while the addresses are offered.
    pub(super) fn priority(&self, effective: Priority) -> Priority {
        if self.offered_until.is_some() { Priority::RELEASE } else { effective }
    }

    pub(super) fn offered_until(&self) -> Option<Instant> {
        self.offered_until
    }

    /// The time has come, perhaps. The caller sends what [`Duty::Advertise`] says.
    pub(super) fn advance(&mut self, inbox: Inbox, rules: Rules, now: Instant) -> Duty {
        if self.offered_until.is_some_and(|until| until <= now) {
            self.withdraw_offer(now);
        }
        if now < self.advert_at {
            return Duty::Rest;
        }
        let interval = rules.interval.duration();
        let silent = now.saturating_duration_since(self.sent_at);
        let stalled = silent >= interval * SILENCE_MAX;
        // Whether another router took over meanwhile may be waiting to be read.
        if stalled && inbox == Inbox::MayHoldMore {
            let since = *self.postponed.get_or_insert(now);
            if now < since + interval {
                return Duty::Rest;
            }
        }
        if stalled && rules.preempt == Preempt::Never {
            return Duty::StepBack(Cause::OwnStall { silent, by: None });
        }
        self.postponed = None;
        self.sent_at = now;
        // Absolute times don't drift; missed ones aren't caught up with.
        let next = self.advert_at + interval;
        self.advert_at = if next > now && silent >= interval { next } else { now + interval };
        Duty::Advertise(self.priority(rules.effective))
    }

    pub(super) fn due(&self) -> (Instant, &'static str) {
        let advert = (self.advert_at, "advert");
        let offer = self.offered_until.map(|at| (at, "end of the offer"));
        let announce = self.announcing.due().map(|at| (at, "announcement"));
        [offer, announce]
            .into_iter()
            .flatten()
            .fold(advert, |first, other| if other.0 < first.0 { other } else { first })
    }

    /// Whether an advert could be sent; false if too many in a row could not.
    pub(super) fn sent(&mut self, succeeded: bool) -> bool {
        self.send_failures = if succeeded { 0 } else { self.send_failures.saturating_add(1) };
        self.send_failures < SEND_FAILURES_MAX
    }

    /// The addresses are gone from the interface; false if that happens too often to repair.
    pub(super) fn repair(&mut self, now: Instant) -> bool {
        while self.repairs.front().is_some_and(|first| *first + REPAIR_WINDOW <= now) {
            self.repairs.pop_front();
        }
        if self.repairs.len() >= REPAIRS_MAX {
            return false;
        }
        self.repairs.push_back(now);
        self.announcing.uninstalled();
        true
    }
}
