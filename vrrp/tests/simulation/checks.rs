//! What must hold at each instant.
//!
//! The segment is *sound* while it is in one piece, loses nothing, and no host is frozen. Packets
//! may be late and doubled even then, and hosts wake late.
//!
//! 1. On a sound segment two hosts hold the addresses for at most one interval (the longest that
//!    is configured) and the time a packet takes; counted from when the segment became sound.
//! 2. On a sound segment with a host that can serve, nobody holds them for at most the longest
//!    down interval and the time a packet takes; counted from the last disturbance.
//! 3. Without a disturbance they don't move ([`Checks::expect_calm`]), and with planned changes
//!    only (priorities, trackers, reloads, orders, stops) there is no gap at all ([`Checks::forbid_gaps`]),
//!    provided that no change comes while the adverts of the last move are still on their way:
//!    a router that falls from best to worst within that time may yield to an old advert of the
//!    one that yields to it, and then nobody holds the addresses for a skew.
//! 4. Each transition's cause is true: a release has priority 0, a better advert is better, only
//!    a router that may preempt preempts.
//! 5. A host that is active has all addresses that it is configured with, and any other has none;
//!    and none is before its start-up delay is over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use halb_vrrp::config::Preempt;
use halb_vrrp::router::{Cause, OfferReason, State, Transition};
use halb_vrrp::timers;
use halb_vrrp::values::{AdvertInterval, DownTimerAdverts, Priority};

use crate::world::World;

/// Transitions that a failure shows.
const TRAIL_LEN: usize = 30;

pub(crate) struct Checks {
    begin: Instant,
    two_max: Duration,
    none_max: Duration,
    sound_since: Option<Instant>,
    two_since: Option<Instant>,
    none_since: Option<Instant>,
    disturbed_at: Instant,
    moved_at: Instant,
    late: Duration,
    gaps_forbidden: bool,
    calm: bool,
    /// Times that a router became active.
    pub(crate) moves: usize,
    /// Times that it did so by invitation.
    pub(crate) invited: usize,
    trail: VecDeque<String>,
}

impl Checks {
    pub(crate) fn new(begin: Instant) -> Self {
        Self {
            begin,
            two_max: Duration::ZERO,
            none_max: Duration::ZERO,
            sound_since: None,
            two_since: None,
            none_since: None,
            disturbed_at: begin,
            moved_at: begin,
            late: Duration::ZERO,
            gaps_forbidden: false,
            calm: false,
            moves: 0,
            invited: 0,
            trail: VecDeque::new(),
        }
    }

    /// The longest interval in use, and how late packets and hosts are together.
    pub(crate) fn set_bounds(&mut self, longest: AdvertInterval, late: Duration) {
        self.late = late;
        self.two_max = longest.duration() + late;
        let missed = DownTimerAdverts::default();
        self.none_max = timers::down_interval(Priority::LAST_RESORT, longest, missed) + late;
    }

    /// Time after which a sound segment has come to rest.
    pub(crate) fn rest(&self) -> Duration {
        (self.none_max + self.two_max) * 3
    }

    /// How late packets and hosts are together.
    pub(crate) fn late(&self) -> Duration {
        self.late
    }

    /// Time until the adverts of the last move have arrived.
    pub(crate) fn unsettled(&self, now: Instant) -> Duration {
        (self.moved_at + self.late).saturating_duration_since(now)
    }

    pub(crate) fn disturb(&mut self, now: Instant) {
        self.disturbed_at = now;
    }

    pub(crate) fn forbid_gaps(&mut self) {
        self.gaps_forbidden = true;
    }

    pub(crate) fn expect_calm(&mut self, calm: bool) {
        self.calm = calm;
    }

    /// Nothing changes from `world.now` to `until`.
    pub(crate) fn look(world: &mut World, until: Instant) {
        let (now, sound) = (world.now, world.is_sound());
        let holders = world.holders().len();
        let able = world.able().count() > 0;
        let out_of_order = world.nodes.iter().position(|node| !node.is_in_order(now));
        let checks = &mut world.checks;
        if let Some(node) = out_of_order {
            checks.hold(false, &format!("host {node} has other addresses than it should"));
        }
        let keep = |since: &mut Option<Instant>, holds: bool| {
            *since = holds.then(|| since.unwrap_or(now));
        };
        keep(&mut checks.sound_since, sound);
        keep(&mut checks.two_since, holders > 1);
        keep(&mut checks.none_since, holders == 0 && able);
        if let (Some(sound), Some(two)) = (checks.sound_since, checks.two_since) {
            let lasted = until.saturating_duration_since(sound.max(two));
            checks.hold(lasted <= checks.two_max, &format!("two hold it for {lasted:?}"));
        }
        if let (Some(sound), Some(none)) = (checks.sound_since, checks.none_since) {
            let from = sound.max(none).max(checks.disturbed_at);
            let lasted = until.saturating_duration_since(from);
            checks.hold(lasted <= checks.none_max, &format!("nobody holds it for {lasted:?}"));
            checks.hold(!checks.gaps_forbidden || until <= none, "nobody holds it");
        }
    }

    fn hold(&self, holds: bool, what: &str) {
        assert!(holds, "{what}, after:\n{}", self.trail());
    }

    /// What happened last.
    pub(crate) fn trail(&self) -> String {
        self.trail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn say(&mut self, now: Instant, what: &str) {
        if self.trail.len() == TRAIL_LEN {
            self.trail.pop_front();
        }
        self.trail.push_back(format!("{:?} {what}", now - self.begin));
    }

    pub(crate) fn note(&mut self, node: usize, transition: Transition, preempt: Preempt) {
        self.say(transition.at, &format!("host {node}: {transition}"));
        self.moved_at = transition.at;
        self.hold(!self.calm, "a move without a cause");
        self.moves += usize::from(transition.to == State::Active);
        self.invited += usize::from(matches!(transition.cause, Cause::Invited { .. }));
        let own = transition.standing.effective;
        let is_true = match transition.cause {
            Cause::Released { by } => by.priority == Priority::RELEASE,
            Cause::Outranked { by, by_address: false } => by.priority > own,
            Cause::Outranked { by, by_address: true } => {
                by.priority == own && Some(by.source) > transition.source
            }
            Cause::HandedOver { to, reason } => {
                reason == OfferReason::Leaving
                    || (to.priority, Some(to.source)) > (own, transition.source)
            }
            Cause::Invited { priority, .. } => priority <= own,
            Cause::Preempted { rival } => {
                rival.priority < own && (preempt != Preempt::Never || own == Priority::OWNER)
            }
            Cause::OwnStall { .. } => preempt == Preempt::Never,
            Cause::Silence { last, waited } => {
                let heard = |at: Instant| transition.at.saturating_duration_since(at) >= waited;
                last.is_none_or(|last| heard(last.at))
            }
            Cause::TrackerFailed => transition.standing.is_failed(),
            Cause::Started
            | Cause::Inherited
            | Cause::Owner
            | Cause::Fault(_)
            | Cause::Recovered
            | Cause::Stopped
            | Cause::Revoked
            | Cause::Group => true,
        };
        self.hold(is_true, "a cause that isn't true");
    }
}
