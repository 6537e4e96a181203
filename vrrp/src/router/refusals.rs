//! Packets that weren't taken: counted all, told rarely.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use crate::packet::{Reason, Refusal};

/// How many pairs of sender and reason are kept for people who ask.
pub const REFUSED_MAX: usize = 32;

/// A sender whose packets aren't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedSender {
    /// Who.
    pub source: IpAddr,
    /// The latest refusal.
    pub refusal: Refusal,
    /// How many there were for this reason.
    pub count: u64,
    /// When the latest came.
    pub at: Instant,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Refusals {
    counts: BTreeMap<Reason, u64>,
    /// Reasons that were told since the last change.
    told: BTreeSet<Reason>,
    /// The latest last.
    recent: VecDeque<RefusedSender>,
}

impl Refusals {
    /// Counts a refusal; true if it is to be told.
    pub(super) fn note(&mut self, source: IpAddr, refusal: Refusal, now: Instant) -> bool {
        let reason = refusal.reason();
        let count = self.counts.entry(reason).or_default();
        *count = count.saturating_add(1);
        let same =
            |sender: &RefusedSender| sender.source == source && sender.refusal.reason() == reason;
        let known = self.recent.iter().position(same).and_then(|index| self.recent.remove(index));
        if self.recent.len() == REFUSED_MAX {
            self.recent.pop_front();
        }
        let count = known.map_or(0, |sender| sender.count).saturating_add(1);
        self.recent.push_back(RefusedSender { source, refusal, count, at: now });
        self.told.insert(reason)
    }

    /// Each reason is worth telling again.
    pub(super) fn rearm(&mut self) {
        self.told.clear();
    }

    pub(super) fn count(&self, reason: Reason) -> u64 {
        self.counts.get(&reason).copied().unwrap_or_default()
    }

    pub(super) fn recent(&self) -> impl Iterator<Item = &RefusedSender> {
        self.recent.iter()
    }
}
