//! Datagrams that weren't taken: counted all, told rarely.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::refusal::{Reason, Refusal};

/// What was refused for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The latest, which also tells the reason.
    pub refusal: Refusal,
    /// Who sent the latest, or whose address was forged.
    pub from: SocketAddr,
    /// When it came.
    pub at: Instant,
    /// How many there were.
    pub count: u64,
}

/// A reason that was told is told again after so long at the earliest, and only if something valid
/// came in between: whoever sends rubbish beside a healthy peer fills no log.
pub const TELL_PAUSE: Duration = Duration::from_secs(60);

/// An entry per reason, of which there are few.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<Reason, Entry>);

#[derive(Debug)]
struct Entry {
    refused: Refused,
    told: Instant,
    /// Something valid came since it was told.
    rearmed: bool,
}

impl Refusals {
    /// Counts a refusal; true if it is to be told.
    pub(super) fn note(&mut self, now: Instant, from: SocketAddr, refusal: Refusal) -> bool {
        let Some(entry) = self.0.get_mut(&refusal.reason()) else {
            let refused = Refused { refusal, from, at: now, count: 1 };
            self.0.insert(refusal.reason(), Entry { refused, told: now, rearmed: false });
            return true;
        };
        let count = entry.refused.count.saturating_add(1);
        entry.refused = Refused { refusal, from, at: now, count };
        let tell = entry.rearmed && now.saturating_duration_since(entry.told) >= TELL_PAUSE;
        if tell {
            (entry.told, entry.rearmed) = (now, false);
        }
        tell
    }

    /// Something valid came.
    pub(super) fn rearm(&mut self) {
        self.0.values_mut().for_each(|entry| entry.rearmed = true);
    }

    pub(super) fn count(&self, reason: Reason) -> u64 {
        self.0.get(&reason).map_or(0, |entry| entry.refused.count)
    }

    pub(super) fn list(&self) -> Vec<Refused> {
        self.0.values().map(|entry| entry.refused).collect()
    }
}
