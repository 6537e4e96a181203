//! A router that holds the addresses.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::announcing::Announcing;
use super::cause::{Cause, Heard, Offer, OfferReason};
use super::listening::Inbox;
use crate::config::{Answers, Preempt};
use crate::timers;
use crate::values::{AdvertInterval, DownTimerAdverts, Priority};

/// What an active router goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) effective: Priority,
    pub(super) interval: AdvertInterval,
    pub(super) preempt: Preempt,
    pub(super) missed: DownTimerAdverts,
    pub(super) answers: Answers,
    pub(super) source: Option<IpAddr>,
}

impl Rules {
    /// Silence after which a backup may have taken over; its skew comes on top. Where backups
    /// wait for a single advert, it still takes a missed one: every silence is as long as that.
    fn silence_max(self) -> Duration {
        self.interval.duration() * u32::from(self.missed.get().max(2))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) advert_at: Instant,
    sent_at: Instant,
    /// Nothing was sent yet: it was invited, and another router holds the addresses until it
    /// hears this one, which first needs them itself.
    unsaid: bool,
    giver: Option<Giver>,
    /// The addresses are offered to whoever is better: adverts have priority 0 until then.
    offer: Option<Offer>,
    /// When the last offer began.
    offered_at: Option<Instant>,
    /// When a leaving router says once more that it leaves.
    again_at: Option<Instant>,
    pub(super) announcing: Announcing,
    /// It has just got a longer interval.
    haste: Option<Haste>,
    send_failures: u8,
    postponed: Option<Instant>,
}

/// Who gave the addresses to this router. An advert that it sent before, and that was overtaken on
/// its way, would make this router yield to one that yields to it; so the first ones are doubted.
#[derive(Debug, Clone, Copy)]
struct Giver {
    source: IpAddr,
    until: Instant,
    /// How many more are doubted.
    doubts: u8,
}

/// After a change to a longer interval: the first advert that says so may be lost, and a backup
/// waits for the next as long as the shorter one says. So a few more keep to that.
#[derive(Debug, Clone, Copy)]
struct Haste {
    /// The shorter interval.
    interval: Duration,
    /// How many adverts still keep to it.
    left: u8,
}

/// As many in a row aren't lost, or the backup would have taken over without a change, too.
const HASTY_MAX: u8 = 2;

/// Each doubt costs an advert in both directions if the giver is indeed active again. More than one,
/// since a packet may come twice.
const DOUBTS_MAX: u8 = 3;

/// What an advert means to an active router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    /// Its sender yields: say at once who is active.
    Insist,
    /// Its sender left: say at once who is active.
    Confirm,
    /// It changes nothing.
    Ignore,
    /// It may be old: ask its sender by saying who is active.
    Doubt,
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
    /// The same, after this process stood still for so long that others may have taken over.
    Resume {
        /// What to advertise.
        priority: Priority,
        /// When it last advertised.
        since: Instant,
        /// How late it is.
        late: Duration,
    },
    /// Give the addresses up and listen.
    StepBack(Cause),
    /// Stop: nobody took the addresses.
    Leave,
}

/// Intervals that an offer stands, besides the skew: a backup acts within its own skew, which is
/// less than an interval, and its advert needs a moment.
const OFFER_INTERVALS: u32 = 2;

/// Quarters of an interval that a leaving router's offer stands, besides the skew of the least
/// priority: even a sick backup acts within that skew and one interval of the last release, which
/// comes [`LEAVE_AGAIN`] parts of an interval after the first; and its advert needs a moment.
const LEAVE_QUARTERS: u32 = 6;
const LEAVE_AGAIN: u32 = 20;

/// Adverts in a row that the kernel refuses before the router gives up: about when backups would
/// take over for want of them.
const SEND_FAILURES_MAX: u8 = 3;

impl Holding {
    /// The first advert has just been sent; `unsaid`: it follows once the kernel has the
    /// addresses, or after an interval in any case.
    pub(super) fn new(interval: AdvertInterval, unsaid: bool, now: Instant) -> Self {
        Self {
            advert_at: now + interval.duration(),
            sent_at: now,
            unsaid,
            giver: None,
            offer: None,
            offered_at: None,
            again_at: None,
            announcing: Announcing::default(),
            haste: None,
            send_failures: 0,
            postponed: None,
        }
    }

    /// The addresses were given up or offered by this one.
    pub(super) fn given_by(
        mut self,
        source: IpAddr,
        interval: AdvertInterval,
        now: Instant,
    ) -> Self {
        let until = now + interval.duration();
        self.giver = Some(Giver { source, until, doubts: DOUBTS_MAX });
        self
    }

    /// An advert was read. RFC 9568 §6.4.3; a losing advert is answered at once, which RFC 3768
    /// didn't ask for and keepalived does in both versions.
    pub(super) fn hear(&mut self, heard: Heard, rules: Rules, now: Instant) -> Response {
        let leaves = self.leaves();
        if heard.priority == Priority::RELEASE {
            if leaves || self.unsaid {
                return Response::Ignore;
            }
            self.offer = None;
            self.hurry(now);
            return Response::Confirm;
        }
        let outranked = heard.priority > rules.effective;
        let by_address = heard.priority == rules.effective && Some(heard.source) > rules.source;
        if leaves || outranked || by_address {
            if self.doubts(heard.source, now) {
                if leaves {
                    self.bid_farewell(rules, now);
                } else if !self.unsaid {
                    self.hurry(now);
                }
                return Response::Doubt;
            }
            return Response::Yield(match self.offer {
                Some(Offer { reason, .. }) => Cause::HandedOver { to: heard, reason },
                None => Cause::Outranked { by: heard, by_address },
            });
        }
        let silent = now.saturating_duration_since(self.sent_at);
        if rules.preempt == Preempt::Never && silent >= rules.silence_max() {
            return Response::Yield(Cause::OwnStall { silent, by: Some(heard) });
        }
        self.announcing.renew(now);
        // An offer that the wrong one took up is taken back at once, whatever is configured.
        if self.offer.take().is_some() || !rules.answers.lower_prio_no_advert {
            self.hurry(now);
        }
        Response::Insist
    }

    /// Whether an advert by which this router would yield may be old. Who gave the addresses away
    /// and is active again repeats it when it hears this router.
    fn doubts(&mut self, source: IpAddr, now: Instant) -> bool {
        let doubted = |giver: &&mut Giver| giver.source == source && now < giver.until;
        let Some(giver) = self.giver.as_mut().filter(doubted) else { return false };
        let doubts = giver.doubts > 0;
        giver.doubts = giver.doubts.saturating_sub(1);
        doubts
    }

    /// The next advert is due now. It is sent after the inbox was read: one answer to a burst. A
    /// router that leaves has said all that it has to say.
    pub(super) fn hurry(&mut self, now: Instant) {
        if !self.leaves() {
            self.advert_at = self.advert_at.min(now);
        }
    }

    /// Offers the addresses to whoever is better, and keeps them until somebody takes them. An
    /// offer that stands isn't prolonged.
    pub(super) fn offer(&mut self, reason: OfferReason, rules: Rules, now: Instant) {
        if self.offer.is_none() {
            let interval = rules.interval;
            let stands =
                timers::skew(rules.effective, interval) + interval.duration() * OFFER_INTERVALS;
            self.offer = Some(Offer { until: now + stands, reason });
            self.offered_at = Some(now);
        }
        self.hurry(now);
    }

    /// Offers the addresses to anybody, once and for all.
    pub(super) fn leave(&mut self, rules: Rules, now: Instant) {
        if !self.leaves() {
            self.offered_at = Some(now);
            self.bid_farewell(rules, now);
        }
    }

    /// It leaves, and hasn't said so for the last time.
    pub(super) fn says_again(&self) -> bool {
        self.offer.is_some_and(|offer| self.leaves() && self.advert_at < offer.until)
    }

    /// Says that it leaves, now and in case that is lost once more; then it is silent until
    /// somebody takes the addresses or [`LEAVE_QUARTERS`] are over. A sick backup waits one
    /// interval after the last release before it takes over, and one that is repeated every
    /// interval would keep it waiting until the addresses are gone.
    pub(super) fn bid_farewell(&mut self, rules: Rules, now: Instant) {
        let interval = rules.interval;
        let stands = timers::skew(Priority::LAST_RESORT, interval)
            + interval.duration() * LEAVE_QUARTERS / 4;
        self.offer = Some(Offer { until: now + stands, reason: OfferReason::Leaving });
        self.again_at = Some(now + interval.duration() / LEAVE_AGAIN);
        self.advert_at = now;
    }

    /// Ends an offer, but for that of a router that leaves, and says what it is worth now.
    pub(super) fn withdraw_offer(&mut self, now: Instant) {
        self.offer.take_if(|offer| offer.reason != OfferReason::Leaving);
        self.hurry(now);
    }

    fn leaves(&self) -> bool {
        self.offer.is_some_and(|offer| offer.reason == OfferReason::Leaving)
    }

    /// An advert goes out now, whatever was due, and from now on at another pace.
    pub(super) fn restart(&mut self, old: AdvertInterval, new: AdvertInterval, now: Instant) {
        let (old, new) = (old.duration(), new.duration());
        let before = self.haste.filter(|haste| haste.left > 0).map_or(old, |h| h.interval.min(old));
        self.haste = (before < new).then_some(Haste { interval: before, left: HASTY_MAX });
        self.unsaid = false;
        self.sent_at = now;
        self.advert_at = now + self.pace(new);
    }

    /// Time to the next advert.
    fn pace(&mut self, interval: Duration) -> Duration {
        let Some(haste) = self.haste.as_mut().filter(|haste| haste.left > 0) else {
            return interval;
        };
        haste.left -= 1;
        haste.interval.min(interval)
    }

    /// What an advert says for this priority: 0 while the addresses are offered.
    pub(super) fn priority(&self, effective: Priority) -> Priority {
        if self.offer.is_some() { Priority::RELEASE } else { effective }
    }

    pub(super) fn standing_offer(&self) -> Option<Offer> {
        self.offer
    }

    pub(super) fn offered_at(&self) -> Option<Instant> {
        self.offered_at
    }

    /// No advert was sent yet.
    pub(super) fn is_unsaid(&self) -> bool {
        self.unsaid
    }

    /// The time has come, perhaps. The caller sends what [`Duty::Advertise`] says.
    pub(super) fn advance(&mut self, inbox: Inbox, rules: Rules, now: Instant) -> Duty {
        let leaves = self.leaves();
        if self.offer.is_some_and(|offer| offer.until <= now) {
            if leaves {
                return Duty::Leave;
            }
            self.withdraw_offer(now);
        }
        if now < self.advert_at {
            return Duty::Rest;
        }
        let interval = rules.interval.duration();
        let since = self.sent_at;
        let silent = now.saturating_duration_since(since);
        let stalled = silent >= rules.silence_max();
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
        self.unsaid = false;
        self.sent_at = now;
        // Absolute times don't drift; missed ones aren't caught up with.
        let pace = self.pace(interval);
        let next = self.advert_at + pace;
        self.advert_at = if next > now && silent >= pace { next } else { now + pace };
        if let Some(offer) = self.offer.filter(|_| leaves) {
            self.advert_at = self.again_at.take().filter(|at| *at > now).unwrap_or(offer.until);
        }
        let priority = self.priority(rules.effective);
        if stalled {
            return Duty::Resume { priority, since, late: silent - interval };
        }
        Duty::Advertise(priority)
    }

    /// Since when it has said nothing, if that is so long that this process must have stood still
    /// and others may have taken over.
    pub(super) fn stands_still_since(&self, rules: Rules, now: Instant) -> Option<Instant> {
        let silent = now.saturating_duration_since(self.sent_at);
        (silent >= rules.silence_max()).then_some(self.sent_at)
    }

    pub(super) fn due(&self) -> (Instant, &'static str) {
        let advert = (self.advert_at, "advert");
        let offer = self.offer.map(|offer| (offer.until, "end of the offer"));
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
}
