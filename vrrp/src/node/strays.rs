//! Packets that no virtual router of this node is for.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// How many senders are kept for people who ask: a segment has few, and forged ones must not grow
/// memory.
pub const STRAYS_MAX: usize = 32;

/// A sender whose packets are for a virtual router that this node doesn't have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Where they came.
    pub interface: Arc<str>,
    /// Who.
    pub source: IpAddr,
    /// The id in them; none: too short to have one.
    pub vrid: Option<u8>,
    /// How many came since it is kept.
    pub count: u64,
    /// When the latest came.
    pub at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Strays {
    /// The latest last.
    recent: VecDeque<Stray>,
    total: u64,
}

impl Strays {
    pub(super) fn note(
        &mut self,
        interface: &Arc<str>,
        source: IpAddr,
        vrid: Option<u8>,
        now: Instant,
    ) {
        self.total = self.total.saturating_add(1);
        let same = |stray: &Stray| {
            stray.source == source && stray.vrid == vrid && stray.interface == *interface
        };
        let known = self.recent.iter().position(same).and_then(|index| self.recent.remove(index));
        if self.recent.len() == STRAYS_MAX {
            self.recent.pop_front();
        }
        let count = known.map_or(0, |known| known.count).saturating_add(1);
        let interface = Arc::clone(interface);
        self.recent.push_back(Stray { interface, source, vrid, count, at: now });
    }

    pub(super) fn recent(&self) -> impl Iterator<Item = &Stray> {
        self.recent.iter()
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }
}
