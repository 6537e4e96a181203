//! Another process of this node takes over, or is taken over from.
//!
//! ```text
//!  old:  acts ──StandAside──▶ says an advert, is silent ──Depart──▶ ends, nothing given up
//!                                      └──TakeBack──▶ acts
//!  new:  waits, its guard without a plan ──Inherit──▶ says an advert, acts
//! ```
//!
//! One that stands aside still beats, and its guard keeps its plan: if this process dies now, the
//! addresses go as ever. The new one publishes its own plan before it answers; only then does the
//! old one depart. At no moment is there neither.

use std::sync::Arc;
use std::time::Instant;

use super::super::mailbox::{Answer, Order, OwnedSighting};
use super::super::{OrderError, Role};
use super::{Engine, Stopping};
use crate::node::Inheritance;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::track::{Sighting, Subject};

/// Sightings that are kept until there are routers to tell: as many as lie in the mailbox at most.
const SIGHTINGS_MAX: usize = 1024;

/// Where the engine is in a hand-over.
#[derive(Debug)]
pub(super) enum Handover {
    /// There is none.
    None,
    /// Another process is about to hand over; what was seen meanwhile.
    Awaited(Vec<OwnedSighting>),
    /// It is to stand aside at the end of this turn.
    Asked(Answer<Result<Vec<Role>, OrderError>>),
    /// It stands aside.
    Aside,
    /// Another process has everything.
    Departed,
}

impl Handover {
    pub(super) fn is_aside(&self) -> bool {
        matches!(self, Self::Aside | Self::Departed)
    }

    /// Nothing is said, heard or changed: another process does.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_aside() || self.is_awaited()
    }

    pub(super) fn is_departed(&self) -> bool {
        matches!(self, Self::Departed)
    }

    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited(_))
    }

    /// Keeps a sighting for later, or gives it back.
    pub(super) fn pass(&mut self, sighting: OwnedSighting) -> Option<OwnedSighting> {
        let Self::Awaited(kept) = self else { return Some(sighting) };
        if kept.len() < SIGHTINGS_MAX {
            kept.push(sighting);
        }
        None
    }
}

impl Engine {
    /// What is ordered while another process is about to take over or to hand over.
    pub(super) fn carry_out_at_handover(&mut self, order: Order, now: Instant) {
        match order {
            Order::Inherit(of, answer) if self.handover.is_awaited() => {
                let (settings, roles) = *of;
                self.inherit(settings, &roles, now);
                self.publish_at_once(now);
                answer.give(Ok(()));
            }
            Order::TakeBack(answer) if self.handover.is_aside() => {
                self.handover = Handover::None;
                answer.give(Ok(()));
            }
            Order::Depart(answer) if self.handover.is_aside() => {
                self.depart();
                answer.give(Ok(()));
            }
            Order::Apply(_, answer) => answer.give(Err(OrderError::Busy)),
            Order::GiveAway(_, answer) | Order::Resume(_, answer) => {
                answer.give(Err(OrderError::Busy));
            }
            Order::StandAside(answer) => answer.give(Err(OrderError::Busy)),
            Order::Inherit(_, answer) | Order::TakeBack(answer) | Order::Depart(answer) => {
                answer.give(Err(OrderError::Busy));
            }
        }
    }

    fn inherit(&mut self, settings: Settings, roles: &[Role], now: Instant) {
        let kept = match std::mem::replace(&mut self.handover, Handover::None) {
            Handover::Awaited(kept) => kept,
            Handover::None | Handover::Asked(_) | Handover::Aside | Handover::Departed => {
                Vec::new()
            }
        };
        let interfaces = self.interfaces_seen(&settings);
        let seen = interfaces.iter().map(|(name, is_up)| Sighting::Interface(name, *is_up));
        let sightings: Vec<_> = kept.iter().map(OwnedSighting::borrow).chain(seen).collect();
        let inheritance = Inheritance { roles, sightings: &sightings };
        self.take_settings_with(settings, Some(inheritance), now);
    }

    fn interfaces_seen(&self, settings: &Settings) -> Vec<(Arc<str>, bool)> {
        let trackers = settings.instances.iter().flat_map(|instance| &instance.trackers);
        let names = trackers.filter_map(|tracker| match &tracker.subject {
            Subject::Interface(name) => Some(Arc::clone(name)),
            Subject::Frontend(_)
            | Subject::Backend { .. }
            | Subject::File(_)
            | Subject::Script { .. } => None,
        });
        let is_up = |name: &str| self.network.picture.named(name).is_some_and(|one| one.is_up);
        names.map(|name| (Arc::clone(&name), is_up(&name))).collect()
    }

    /// Whoever is active says so once more, so that nobody misses an advert meanwhile.
    pub(super) fn begin_to_stand_aside(
        &mut self,
        answer: Answer<Result<Vec<Role>, OrderError>>,
        now: Instant,
    ) {
        let offering = self.node.members().any(|(_, router)| router.is_offering());
        let busy = offering || !self.hands.are_idle() || self.leash.is_revoked();
        if busy || self.stopping != Stopping::No {
            answer.give(Err(OrderError::Busy));
            return;
        }
        self.node.handle_haste(now);
        self.handover = Handover::Asked(answer);
    }

    /// Stands aside if that was asked for, now that all deadlines of this turn were judged.
    pub(super) fn stand_aside(&mut self, now: Instant) {
        if !matches!(self.handover, Handover::Asked(_)) {
            return;
        }
        let asked = std::mem::replace(&mut self.handover, Handover::None);
        let Handover::Asked(answer) = asked else { return };
        // Something has just happened: a better node was heard, or an address was lost.
        if !self.hands.are_idle() {
            answer.give(Err(OrderError::Busy));
            return;
        }
        let role = |(member, router): (&crate::node::Member, &crate::router::Router)| Role {
            instance: Arc::clone(&member.settings().name),
            state: router.state(),
            yielded: router.is_yielded(),
            scripts: member.scripts(),
        };
        let roles = self.node.members().map(role).collect();
        self.handover = Handover::Aside;
        self.published.touch();
        self.publish(now);
        answer.give(Ok(roles));
    }

    /// Another process has everything: the guard is to give nothing up any more, and the thread
    /// ends.
    fn depart(&mut self) {
        let nothing = Plan::default();
        // An empty plan is never too long.
        if self.leash.publish(&nothing).is_ok() {
            self.plan = nothing;
        }
        self.handover = Handover::Departed;
        self.stopping = Stopping::Done;
    }
}
