//! What went wrong with holding the addresses. It outlives the fault, or each new try would begin
//! as if nothing had been.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::cause::FaultReason;

/// Repairs of removed addresses within [`REPAIR_WINDOW`]; more is a fight with another program,
/// which the other node doesn't have.
const REPAIRS_MAX: usize = 5;
const REPAIR_WINDOW: Duration = Duration::from_secs(60);

/// The longest rest after a fault that nothing will tell the end of. While such a fault lasts,
/// each try makes two nodes hold the addresses for a moment; and once it is over, a node that
/// rests is no spare.
const REST_MAX: Duration = Duration::from_secs(120);

/// A fault so long after the last rest is a new one: longer than the longest rest, so that tries
/// that fail one after the other are never taken for new ones.
const FORGIVEN_AFTER: Duration = Duration::from_secs(300);

/// Faults in a row beyond which a rest isn't doubled any more; [`REST_MAX`] is reached before
/// with any interval.
const DOUBLINGS_MAX: u32 = 16;

/// What went wrong with holding the addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Setbacks {
    repairs: VecDeque<Instant>,
    /// Faults in a row after the first one.
    relapses: u32,
    /// When the last rest ends.
    rested_at: Option<Instant>,
    /// Somebody else removes the addresses: until then, another node is left alone with them.
    contested_until: Option<Instant>,
}

impl Setbacks {
    /// The addresses are gone from the interface; false if that happens too often to repair.
    pub(super) fn may_repair(&mut self, now: Instant) -> bool {
        while self.repairs.front().is_some_and(|first| *first + REPAIR_WINDOW <= now) {
            self.repairs.pop_front();
        }
        if self.repairs.len() >= REPAIRS_MAX {
            return false;
        }
        self.repairs.push_back(now);
        true
    }

    /// How long to rest after this fault: at first as long as the others need to take over, and
    /// twice as long each time that the next try fails, too.
    pub(super) fn rest(&mut self, reason: FaultReason, least: Duration, now: Instant) -> Duration {
        let again = self.rested_at.is_some_and(|at| now < at + FORGIVEN_AFTER);
        self.relapses = if again { (self.relapses + 1).min(DOUBLINGS_MAX) } else { 0 };
        let rest = least.saturating_mul(1 << self.relapses).min(REST_MAX.max(least));
        self.rested_at = Some(now + rest);
        if reason == FaultReason::AddressesContested {
            self.contested_until = Some(now + rest.max(REPAIR_WINDOW));
        }
        rest
    }

    /// Who holds the addresses is to keep them, even if it is worth less.
    pub(super) fn is_contested(&self, now: Instant) -> bool {
        self.contested_until.is_some_and(|until| now < until)
    }
}
