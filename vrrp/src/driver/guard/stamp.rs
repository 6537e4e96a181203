//! Time that two processes of a host have in common.

use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

/// Time on the host's monotonic clock, in nanoseconds since some moment that all its processes
/// agree on. An `Instant` says the same, but can't be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(u64);

impl Stamp {
    /// So many nanoseconds after the start of the clock.
    pub(super) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(super) const fn nanos(self) -> u64 {
        self.0
    }

    /// The time now, by `CLOCK_MONOTONIC`, which stands still while the host is suspended.
    pub(super) fn now() -> Self {
        let nanos = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        // The clock exists on every Linux; the error is for others.
        nanos.map_or_else(|_: Errno| Self(0), |time| Self(clamp(time)))
    }

    /// So much later; the end of time at most.
    pub(super) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(clamp(time)))
    }

    /// How long after `earlier` it is; zero if it is before.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// In nanoseconds; 584 years at most.
pub(super) fn clamp(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
