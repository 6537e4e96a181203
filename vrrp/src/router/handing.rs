//! Addresses that change hands by arrangement: an operator gives them away, the daemon stops, or
//! another halb offers its own.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::cause::{Cause, Kept, OfferReason};
use super::hearsay::Worth;
use super::{Phase, Router};
use crate::link::Word;
use crate::values::Priority;

/// Least time between the beginnings of two offers that words of other nodes bring about. A node
/// that says it is well, takes over and fails at once must not make the addresses go to and fro.
const OFFER_PAUSE: Duration = Duration::from_secs(10);

/// The same in intervals. An offer repeats its release for up to three of them, and a sick backup
/// that words don't reach takes over one interval and its skew after the last: a new offer before
/// that would keep it waiting for ever.
const OFFER_PAUSE_INTERVALS: u32 = 6;

impl Router {
    /// An operator gives the addresses away: others are to serve first, until
    /// [`Router::resume`]. An active router offers its addresses and keeps them until they are
    /// taken; if nobody takes them it goes on with [`Priority::YIELDED`]. Holds over stops and
    /// changes of the configuration.
    ///
    /// A router of a group is told by [`SyncGroup::give_away`](crate::group::SyncGroup::give_away).
    pub fn give_away(&mut self, now: Instant) {
        self.yielded = true;
        self.restand(self.standing.as_ref().clone(), true, now);
        self.finish(now);
    }

    /// Takes [`Router::give_away`] back.
    pub fn resume(&mut self, now: Instant) {
        self.yielded = false;
        self.restand(self.standing.as_ref().clone(), false, now);
        self.finish(now);
    }

    /// An operator has given the addresses away, and not taken that back.
    #[must_use]
    pub fn is_yielded(&self) -> bool {
        self.yielded
    }

    /// Stops it as soon as that leaves no gap: an active router offers its addresses, keeps them
    /// until another one is heard, and then stops without a word; if none is heard for as long as
    /// any backup takes to answer, it stops as [`Router::handle_stop`] does. Any other stops at
    /// once. [`Router::is_retired`] says when it is done.
    ///
    /// A router of a group is told by [`SyncGroup::retire`](crate::group::SyncGroup::retire).
    pub fn retire(&mut self, now: Instant) {
        let rules = self.holding_rules();
        match &mut self.phase {
            Phase::Stopped => {}
            Phase::Waiting { .. } | Phase::Deaf { .. } | Phase::Listening(_) => {
                self.handle_stop(now);
            }
            Phase::Holding(state) => {
                self.leaving = true;
                state.leave(rules, now);
            }
        }
        self.finish(now);
    }

    /// It is active and offers its addresses: another router may claim them any moment, and
    /// rightly so.
    #[must_use]
    pub fn is_offering(&self) -> bool {
        match &self.phase {
            Phase::Holding(state) => state.standing_offer().is_some(),
            Phase::Stopped | Phase::Waiting { .. } | Phase::Deaf { .. } | Phase::Listening(_) => {
                false
            }
        }
    }

    /// It has stopped, after [`Router::retire`] or otherwise.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        matches!(self.phase, Phase::Stopped)
    }

    /// Another halb said something; `from` is its address on the link. True if it concerns this
    /// virtual router: the same id, and an address that is among its own. A word of this node's
    /// own that comes back is no concern.
    ///
    /// A word alone never makes a router give its addresses up. It can make one offer them, or
    /// take those that are offered to it: at once, and with its advert only after the addresses
    /// are here, so that there is no moment without them.
    pub fn handle_word(&mut self, from: IpAddr, word: &Word, now: Instant) -> bool {
        let own = word.source.is_some() && word.source == self.link.source;
        let same = word.vrid == self.config.vrid();
        if own || !same || !self.config.addresses().contains(word.address) {
            return false;
        }
        self.hearsay.note(from, *word, now);
        match &self.phase {
            Phase::Stopped | Phase::Waiting { .. } | Phase::Deaf { .. } => {}
            Phase::Listening(_) if self.is_invited(word, now) => {
                let by = word.source.unwrap_or(from);
                let cause = Cause::Invited { by, priority: word.effective };
                if self.membership.grouped {
                    self.membership.wants = Some(cause);
                } else {
                    self.take_over(cause, now);
                }
            }
            Phase::Listening(_) => {}
            Phase::Holding(_) => self.reconsider(now),
        }
        self.finish(now);
        true
    }

    pub(super) fn worth(&self) -> Worth {
        let priority = if self.leaving { Priority::RELEASE } else { self.standing.effective };
        Worth { priority, health: self.standing.health(), source: self.link.source }
    }

    /// It is asked to take over, and its advert will be yielded to.
    fn is_invited(&self, word: &Word, now: Instant) -> bool {
        word.invites.is_some()
            && word.invites == self.link.source
            && self.worth().beats(word.worth())
            && !self.another_is_active(word.source, now)
    }

    /// The last that was heard is an advert of a router that is active, and not of this one: an
    /// invitation by this one is late.
    fn another_is_active(&self, than: Option<IpAddr>, now: Instant) -> bool {
        let missed = u32::from(self.config.behaviour.down_timer_adverts.get());
        self.peers.iter().map(|peer| peer.last).max_by_key(|last| last.at).is_some_and(|last| {
            Some(last.source) != than
                && last.priority != Priority::RELEASE
                && now < last.at + last.interval.duration() * missed
        })
    }

    /// Some known router would win against one of this worth; or none is known, so that one may be
    /// there. Routers that speak over the link are known by their words, the others by their
    /// adverts, both only for a while.
    pub(super) fn may_beat(&self, own: Worth, now: Instant) -> bool {
        let mut told = false;
        for word in self.hearsay.fresh(now) {
            if word.able && word.worth().beats(own) {
                return true;
            }
            told = true;
        }
        let speaks = |source| self.hearsay.fresh(now).any(|word| word.source == Some(source));
        let mut named = self
            .peers
            .iter()
            .filter_map(|peer| Some((peer.recent_priority(now)?, peer.last.source)))
            .filter(|(_, source)| !speaks(*source))
            .peekable();
        (named.peek().is_none() && !told)
            || named.any(|(priority, source)| (priority, Some(source)) > (own.priority, own.source))
    }

    /// The best of the routers of which [`Router::may_beat`] knows that none would win.
    pub(super) fn no_better(&self, now: Instant) -> Option<Kept> {
        let told: Vec<_> = self
            .hearsay
            .fresh(now)
            .filter_map(|word| Some((word.effective, word.source?, word.yielded)))
            .collect();
        let heard = self
            .peers
            .iter()
            .filter_map(|peer| Some((peer.recent_priority(now)?, peer.last.source, false)))
            .filter(|(_, source, _)| told.iter().all(|(_, speaker, _)| speaker != source));
        let (priority, source, yielded) = told.iter().copied().chain(heard).max()?;
        Some(if yielded {
            Kept::YieldedToo { source }
        } else {
            Kept::NoBetter { source, priority }
        })
    }

    /// Another node's word came while this one is active: whether to offer may look different now.
    fn reconsider(&mut self, now: Instant) {
        let own = self.worth();
        let may_beat = self.may_beat(own, now);
        let wanted = self.standing.is_sick()
            && self
                .hearsay
                .successor(own, now)
                .is_some_and(|word| self.standing.yielded || word.health > own.health);
        let (rules, reason) = (self.holding_rules(), self.offer_reason());
        let pause = OFFER_PAUSE.max(rules.interval.duration() * OFFER_PAUSE_INTERVALS);
        let Phase::Holding(state) = &mut self.phase else { return };
        if state.standing_offer().is_some() {
            if !may_beat {
                state.withdraw_offer(now);
            }
        } else if wanted && state.offered_at().is_none_or(|at| at + pause <= now) {
            state.offer(reason, rules, now);
        }
    }

    pub(super) fn offer_reason(&self) -> OfferReason {
        if self.yielded { OfferReason::Yielded } else { OfferReason::Sick }
    }
}
