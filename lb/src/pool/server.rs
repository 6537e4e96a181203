//! One server of a pool: what is configured, what the checks and the operator say, and what
//! follows for its share and its bound.

use std::time::{Duration, Instant};

use crate::balance::{WEIGHT_SCALE, rendezvous};
use crate::config::{Server, Weight};
use crate::pool::ServerView;
use crate::pool::slow_start;
use crate::snapshot::{Admin, Health};

use super::ServerKey;

/// A server with its state. Kept until its last session is gone, also after its removal.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) config: Server,
    pub(super) health: Health,
    pub(super) admin: Admin,
    /// Set at run time; none: as configured.
    pub(super) weight: Option<Weight>,
    /// Left out by a reload.
    pub(super) removed: bool,
    /// When it came back, while it starts slowly.
    pub(super) back_since: Option<Instant>,
    /// Part of its weight and its bound in force, in 1/256.
    pub(super) share: u32,
    /// What the round robin owes it, as of the last change of the rotation (see
    /// `round_robin::to_owed`).
    pub(super) owed: i64,
    /// What the hash knows it by.
    pub(super) seed: u64,
}

impl Entry {
    /// A server is up until a check says otherwise, and starts at full weight: slow start is for
    /// servers that come back.
    pub(super) fn new(config: Server) -> Self {
        let seed = rendezvous::seed_of(config.name.as_str());
        Self {
            config,
            health: Health::Up,
            admin: Admin::Ready,
            weight: None,
            removed: false,
            back_since: None,
            share: WEIGHT_SCALE,
            owed: 0,
            seed,
        }
    }

    /// Weight in force, slow start left out.
    pub(super) fn weight_in_force(&self) -> Weight {
        self.weight.unwrap_or(self.config.weight)
    }

    /// Takes new connections, as far as its own state goes (a backup also needs the others gone).
    pub(super) fn is_eligible(&self) -> bool {
        self.is_running()
            && self.admin == Admin::Ready
            && self.weight_in_force().get() > 0
            && !self.removed
    }

    /// Nobody reaches a server without an address.
    fn health(&self) -> Health {
        match self.config.address {
            Some(_) => self.health,
            None => Health::Down,
        }
    }

    /// Works and may work: what a slow start begins with.
    pub(super) fn is_running(&self) -> bool {
        self.health() == Health::Up && self.admin != Admin::Maint
    }

    /// Share of new connections in 1/256 of a weight; not 0 for an eligible server.
    pub(super) fn effective_weight(&self) -> u32 {
        u32::from(self.weight_in_force().get()) * self.share
    }

    /// Most connections at a time; like the weight it grows while the server starts slowly.
    pub(super) fn limit(&self) -> Option<u32> {
        let full = u64::from(self.config.maxconn?.get());
        let limit = full * u64::from(self.share) / u64::from(WEIGHT_SCALE);
        Some(u32::try_from(limit).unwrap_or(u32::MAX).max(1))
    }

    /// Takes note of `change`, which may begin or end a slow start.
    pub(super) fn change(&mut self, now: Instant, change: impl FnOnce(&mut Self)) {
        let was_running = self.is_running();
        change(self);
        match (was_running, self.is_running()) {
            (false, true) => self.back_since = Some(now),
            (true, false) => self.back_since = None,
            (true, true) | (false, false) => {}
        }
    }

    /// Brings the share up to `now`.
    pub(super) fn advance(&mut self, now: Instant, slow_start: Option<Duration>) {
        let since = self.back_since.filter(|_| !self.removed);
        self.share = match (since, slow_start) {
            (Some(since), Some(duration)) => slow_start::share(since, duration, now),
            (None, _) | (_, None) => WEIGHT_SCALE,
        };
        if self.share == WEIGHT_SCALE {
            self.back_since = None;
        }
    }

    pub(super) fn view(&self, key: ServerKey) -> ServerView<'_> {
        ServerView {
            key,
            config: &self.config,
            health: self.health(),
            admin: self.admin,
            weight: self.weight_in_force(),
            slow_start_percent: slow_start::percent(self.share),
            limit: self.limit(),
            removed: self.removed,
        }
    }
}
