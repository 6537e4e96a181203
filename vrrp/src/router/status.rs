//! What a router tells of itself.

use std::sync::Arc;
use std::time::Instant;

use super::cause::{FaultReason, Heard, Kept, Offer, State};
use super::hearsay::Overheard;
use super::peers::Peer;
use super::{Journal, Link, Phase, RefusedSender, Router};
use crate::config::RouterConfig;
use crate::packet::Reason;
use crate::track::Standing;
use crate::values::Priority;

/// Counters since the start, under keepalived's names where it has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Adverts that were accepted.
    pub advert_rcvd: u64,
    /// Adverts that were sent; to all peers counts as one.
    pub advert_sent: u64,
    /// Times that the router became active.
    pub become_master: u64,
    /// Times that it ceased to be active.
    pub release_master: u64,
    /// Accepted adverts with priority 0.
    pub pri_zero_rcvd: u64,
    /// Sent adverts with priority 0.
    pub pri_zero_sent: u64,
    /// Accepted adverts that claim other addresses.
    pub addr_list_err: u64,
    /// Packets that came before the start or in a fault.
    pub ignored: u64,
    /// Timers that came so late that another router may have taken over meanwhile.
    pub stalls: u64,
    /// Times that removed addresses were put back.
    pub repairs: u64,
}

impl Stats {
    pub(super) fn heard(&mut self, heard: Heard) {
        self.advert_rcvd = self.advert_rcvd.saturating_add(1);
        let zero = u64::from(heard.priority == Priority::RELEASE);
        self.pri_zero_rcvd = self.pri_zero_rcvd.saturating_add(zero);
    }

    pub(super) fn said(&mut self, priority: Priority) {
        self.advert_sent = self.advert_sent.saturating_add(1);
        let zero = u64::from(priority == Priority::RELEASE);
        self.pri_zero_sent = self.pri_zero_sent.saturating_add(zero);
    }

    pub(super) fn moved(&mut self, from: State, to: State) {
        let (left, came) = (from == State::Active, to == State::Active);
        self.release_master = self.release_master.saturating_add(u64::from(left));
        self.become_master = self.become_master.saturating_add(u64::from(came));
    }
}

/// A router as it stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// What keeps it from taking part.
    pub fault: Option<FaultReason>,
    /// Its priority and how it comes about.
    pub standing: Arc<Standing>,
    /// Its operator has given the addresses away.
    pub yielded: bool,
    /// It hands its addresses over, and then stops.
    pub retiring: bool,
    /// The active router that it listens to, if one was heard.
    pub active: Option<Heard>,
    /// It offers its addresses to whoever is better.
    pub offer: Option<Offer>,
    /// It was to be relieved the last time that its worth changed, and hasn't offered its addresses.
    pub kept: Option<Kept>,
    /// Its next deadline and what it is for.
    pub next: Option<(Instant, &'static str)>,
    /// When it takes over if nothing more is heard.
    pub takeover_at: Option<Instant>,
    /// What each other router last said in an advert.
    pub peers: Vec<Peer>,
    /// What other nodes last said over the link between halbs. Those older than
    /// [`WORD_COUNTS_FOR`](super::WORD_COUNTS_FOR) decide nothing any more.
    pub words: Vec<Overheard>,
    /// Whose packets aren't taken, and why; the latest last.
    pub refused: Vec<RefusedSender>,
    /// Counters.
    pub stats: Stats,
}

impl Router {
    /// The router as it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let (mut fault, mut active, mut offer, mut takeover_at) = (None, None, None, None);
        match &self.phase {
            Phase::Stopped | Phase::Waiting { .. } => {}
            Phase::Deaf { reason, .. } => fault = Some(*reason),
            Phase::Listening(state) => {
                active = state.last().copied();
                takeover_at = Some(state.due());
            }
            Phase::Holding(state) => offer = state.standing_offer(),
        }
        Status {
            state: self.state(),
            since: self.since,
            fault,
            standing: Arc::clone(&self.standing),
            yielded: self.yielded,
            retiring: self.leaving,
            active,
            offer,
            kept: self.kept,
            next: self.poll_timeout(),
            takeover_at,
            peers: self.peers.iter().copied().collect(),
            words: self.hearsay.iter().copied().collect(),
            refused: self.refusals.recent().copied().collect(),
            stats: self.stats,
        }
    }

    /// Since when it is in its state.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Its interface, as it was told.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link
    }

    /// Its counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Packets that weren't taken for this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refusals.count(reason)
    }

    /// The last transitions.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }
}
