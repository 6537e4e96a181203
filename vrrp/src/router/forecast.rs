//! What would happen next if something died now, for people who ask.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::cause::FaultReason;
use super::hearsay::Worth;
use super::{Phase, Router};
use crate::track::Health;
use crate::values::Priority;

/// What would happen if something died now. Nobody can know what else happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// If every other router fell silent.
    pub peers_die: IfPeersDie,
    /// If each frontend of this process that is tracked went down.
    pub service_dies: IfServiceDies,
}

/// What would happen if every other router fell silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfPeersDie {
    /// Nobody would have the addresses: this router isn't started, or waits for its start-up
    /// delay or its trackers.
    NotStarted,
    /// Nobody would have the addresses: this keeps the router from taking part.
    InFault(FaultReason),
    /// Nothing: the addresses are here.
    Stays,
    /// It takes over.
    TakesOver {
        /// In this time.
        within: Duration,
        /// And serves as well as this.
        health: Health,
        /// Provided that the other routers of its group do so too.
        with_group: bool,
    },
}

/// What would happen if each frontend of this process that is tracked went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfServiceDies {
    /// Nothing, since no frontend is tracked: the addresses would stay where nobody serves.
    NotTracked,
    /// The priority would stay as it is: they are down already, or the router owns the addresses.
    Unchanged,
    /// It has no addresses to lose, and would be worth this.
    Falls {
        /// The priority after it.
        to: Priority,
    },
    /// It would offer the addresses, and this router would take them at once, told over the link.
    HandsOver {
        /// Its source.
        to: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// It would offer the addresses; a better router takes them within its skew.
    Offers {
        /// The best by its last advert, however old, if that is better; otherwise whoever is there.
        to: Option<IpAddr>,
        /// The priority that is left if nobody takes them.
        left: Priority,
    },
    /// It would keep the addresses: every router that it knows of is worth less.
    Keeps {
        /// The priority after it.
        left: Priority,
    },
}

impl Router {
    /// What would happen if something died now.
    #[must_use]
    pub fn forecast(&self, now: Instant) -> Forecast {
        Forecast { peers_die: self.if_peers_die(now), service_dies: self.if_service_dies(now) }
    }

    fn if_peers_die(&self, now: Instant) -> IfPeersDie {
        match &self.phase {
            Phase::Stopped | Phase::Waiting { .. } => IfPeersDie::NotStarted,
            Phase::Deaf { reason, .. } => IfPeersDie::InFault(*reason),
            Phase::Listening(state) => IfPeersDie::TakesOver {
                within: state.due().saturating_duration_since(now),
                health: self.standing.health(),
                with_group: self.membership.grouped,
            },
            Phase::Holding(_) => IfPeersDie::Stays,
        }
    }

    fn if_service_dies(&self, now: Instant) -> IfServiceDies {
        let Some(after) = self.standing.without_frontends() else {
            return IfServiceDies::NotTracked;
        };
        let left = after.effective;
        if left == self.standing.effective {
            return IfServiceDies::Unchanged;
        }
        match &self.phase {
            Phase::Stopped | Phase::Waiting { .. } | Phase::Deaf { .. } | Phase::Listening(_) => {
                return IfServiceDies::Falls { to: left };
            }
            Phase::Holding(_) => {}
        }
        let own = Worth { priority: left, health: after.health(), source: self.link.source };
        let successor = self.hearsay.successor(own, now);
        match successor.and_then(|word| Some((word.source?, word.effective))) {
            Some((to, priority)) if self.config.behaviour.peer_link => {
                IfServiceDies::HandsOver { to, priority }
            }
            Some(_) | None if self.may_beat(own, now) => {
                IfServiceDies::Offers { to: self.best_heard(own), left }
            }
            Some(_) | None => IfServiceDies::Keeps { left },
        }
    }

    fn best_heard(&self, own: Worth) -> Option<IpAddr> {
        let heard = self.peers.iter().filter_map(|peer| Some((peer.priority?, peer.last.source)));
        heard
            .filter(|(priority, source)| (*priority, Some(*source)) > (own.priority, own.source))
            .max()
            .map(|(_, source)| source)
    }
}
