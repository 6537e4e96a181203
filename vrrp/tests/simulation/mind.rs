//! What runs on a host.

use std::time::Instant;

use halb_vrrp::config::RouterConfig;
use halb_vrrp::packet::Datagram;
use halb_vrrp::router::{Action, Inbox, Link, Outgoing, Router, State};
use halb_vrrp::track::Standing;
use halb_vrrp::values::Priority;

use crate::keepalived::Keepalived;

/// What is installed on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Halb,
    /// It exchanges words with the others of its kind.
    LinkedHalb,
    Keepalived,
}

/// What runs there.
pub(crate) enum Mind {
    Halb(Box<Router>),
    Keepalived(Box<Keepalived>),
}

impl Mind {
    pub(crate) fn new(kind: Kind, config: RouterConfig, standing: Standing, now: Instant) -> Self {
        match kind {
            Kind::Halb | Kind::LinkedHalb => {
                Self::Halb(Box::new(Router::new(config, standing, now)))
            }
            Kind::Keepalived => Self::Keepalived(Box::new(Keepalived::new(config, standing))),
        }
    }

    pub(crate) fn halb(&mut self) -> Option<&mut Router> {
        match self {
            Self::Halb(router) => Some(router),
            Self::Keepalived(_) => None,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        match self {
            Self::Halb(router) => router.state() == State::Active,
            Self::Keepalived(keepalived) => keepalived.is_active(),
        }
    }

    /// Its priority; `standing` is what its trackers say.
    pub(crate) fn worth(&self, standing: &Standing) -> Priority {
        match self {
            Self::Halb(router) => router.status().standing.effective,
            Self::Keepalived(_) => standing.effective,
        }
    }

    pub(crate) fn start(&mut self, link: Link, now: Instant) {
        match self {
            Self::Halb(router) => {
                router.handle_link(link, now);
                router.handle_start(now);
            }
            Self::Keepalived(keepalived) => {
                keepalived.handle_link(link, now);
                keepalived.start(now);
            }
        }
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        match self {
            Self::Halb(router) => router.handle_stop(now),
            Self::Keepalived(keepalived) => keepalived.stop(),
        }
    }

    pub(crate) fn handle_link(&mut self, link: Link, now: Instant) {
        match self {
            Self::Halb(router) => router.handle_link(link, now),
            Self::Keepalived(keepalived) => keepalived.handle_link(link, now),
        }
    }

    pub(crate) fn handle_standing(&mut self, standing: Standing, now: Instant) {
        match self {
            Self::Halb(router) => router.handle_standing(standing, now),
            Self::Keepalived(keepalived) => keepalived.handle_standing(standing, now),
        }
    }

    pub(crate) fn handle_config(&mut self, config: RouterConfig, standing: Standing, now: Instant) {
        match self {
            Self::Halb(router) => {
                router.handle_config(config, standing, now).expect("the same virtual router");
            }
            Self::Keepalived(keepalived) => keepalived.handle_config(config, standing, now),
        }
    }

    pub(crate) fn handle_datagram(&mut self, datagram: &Datagram<'_>, now: Instant) {
        match self {
            Self::Halb(router) => router.handle_datagram(datagram, now),
            Self::Keepalived(keepalived) => keepalived.handle_datagram(datagram, now),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Halb(router) => router.handle_timeout(Inbox::Drained, now),
            Self::Keepalived(keepalived) => keepalived.handle_timeout(now),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Halb(router) => router.poll_timeout().map(|(due, _)| due),
            Self::Keepalived(keepalived) => keepalived.poll_timeout(),
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        match self {
            Self::Halb(router) => router.poll_action(),
            Self::Keepalived(keepalived) => keepalived.poll_action(),
        }
    }

    /// What a guard would say; keepalived has none.
    pub(crate) fn farewell(&self) -> Vec<Outgoing> {
        match self {
            Self::Halb(router) => router.farewell(),
            Self::Keepalived(_) => Vec::new(),
        }
    }
}
