//! How many datagrams are looked at.

use std::time::{Duration, Instant};

/// A token bucket: each datagram takes one, and they come back at a rate.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    rate: Rate,
    /// Billionths of a datagram, so that a nanosecond adds `rate` of them and nothing is rounded.
    level: u64,
    filled: Instant,
}

/// What a [`Budget`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

/// One datagram in the bucket's unit.
const ONE: u64 = 1_000_000_000;

impl Budget {
    /// A full one.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, level: rate.capacity(), filled: now }
    }

    /// True if one more may be looked at; it is counted then.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled);
        self.level =
            self.level.saturating_add(self.rate.in_time(elapsed)).min(self.rate.capacity());
        self.filled = self.filled.max(now);
        let left = self.level.checked_sub(ONE);
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }
}

impl Rate {
    fn capacity(self) -> u64 {
        // At most 4.3e18: below 2^64.
        u64::from(self.burst) * ONE
    }

    fn in_time(self, elapsed: Duration) -> u64 {
        let added = elapsed.as_nanos().saturating_mul(u128::from(self.per_second));
        u64::try_from(added).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn a_burst_passes_then_the_rate_and_nothing_piles_up() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate { per_second: 100, burst: 20 }, start);
        assert_eq!(taken(&mut budget, start), 20);
        assert_eq!(taken(&mut budget, start + Duration::from_micros(9_999)), 0);
        assert_eq!(taken(&mut budget, start + Duration::from_millis(10)), 1);
        assert_eq!(taken(&mut budget, start + Duration::from_secs(1 << 40)), 20);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut budget = Budget::new(Rate { per_second: 100, burst: 1 }, start);
        assert_eq!(taken(&mut budget, start), 1);
        assert_eq!(taken(&mut budget, start - Duration::from_secs(5)), 0);
        assert_eq!(taken(&mut budget, start), 0);
    }
}
