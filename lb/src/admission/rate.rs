//! Bound on accepted connections in a second.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// A token bucket: fills at the rate, holds a tenth of a second's worth (at least one
/// connection), and each accepted connection takes one out.
///
/// So no second sees more than 1.1 times the rate (plus one), however the clients come; in the
/// long run it is the rate exactly. HAProxy estimates a sliding second and lets a whole second's
/// worth through at once; a crowd that returns after a failover hits the servers softer here.
/// Integer arithmetic: the bucket holds billionths of a connection, and a nanosecond adds `rate`
/// of them, so nothing is rounded away.
#[derive(Debug, Clone)]
pub struct AcceptRate {
    rate: NonZeroU32,
    /// In billionths of a connection, at `filled`.
    level: u64,
    filled: Instant,
}

/// One connection in the bucket's unit.
const ONE: u64 = 1_000_000_000;

/// Part of a second's worth that the bucket holds.
const BURST_DIVISOR: u64 = 10;

impl AcceptRate {
    /// A full bucket; `rate` in connections per second.
    #[must_use]
    pub fn new(rate: NonZeroU32, now: Instant) -> Self {
        Self { rate, level: capacity(rate), filled: now }
    }

    /// Goes over to another rate, with what the bucket holds.
    pub fn set_rate(&mut self, rate: NonZeroU32, now: Instant) {
        self.fill(now);
        self.rate = rate;
        self.level = self.level.min(capacity(rate));
    }

    /// True if a connection may be accepted now; it is counted then.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let left = self.level.checked_sub(ONE);
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }

    /// When the next connection may be accepted. None: at once. Changes with
    /// [`take`](Self::take) and [`set_rate`](Self::set_rate).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let missing = ONE.checked_sub(self.level).filter(|missing| *missing > 0)?;
        let wait = Duration::from_nanos(missing.div_ceil(u64::from(self.rate.get())));
        self.filled.checked_add(wait).map(|at| (at, "accept rate"))
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled).as_nanos();
        let added = elapsed.saturating_mul(u128::from(self.rate.get()));
        let level = u128::from(self.level).saturating_add(added);
        self.level = u64::try_from(level).unwrap_or(u64::MAX).min(capacity(self.rate));
        self.filled = self.filled.max(now);
    }
}

fn capacity(rate: NonZeroU32) -> u64 {
    // At most 4.3e18: below 2^64.
    (u64::from(rate.get()) * (ONE / BURST_DIVISOR)).max(ONE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(rate: u32, now: Instant) -> AcceptRate {
        AcceptRate::new(NonZeroU32::new(rate).unwrap(), now)
    }

    fn taken(bucket: &mut AcceptRate, now: Instant) -> u32 {
        (0..100_000).map_while(|_| bucket.take(now).then_some(())).map(|()| 1).sum()
    }

    #[test]
    fn a_burst_is_a_tenth_of_a_second_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = bucket(1_000, start);
        assert_eq!(bucket.poll_timeout(), None);
        assert_eq!(taken(&mut bucket, start), 100);
        for millisecond in 1..=900 {
            let now = start + Duration::from_millis(millisecond);
            assert_eq!(bucket.poll_timeout(), Some((now, "accept rate")));
            assert_eq!(taken(&mut bucket, now), 1);
        }
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(3_600)), 100, "no more piles up");
    }

    #[test]
    fn the_slowest_and_the_fastest_rate_work() {
        let start = Instant::now();
        let mut slow = bucket(1, start);
        assert!(slow.take(start));
        assert!(!slow.take(start + Duration::from_nanos(999_999_999)));
        assert!(slow.take(start + Duration::from_secs(1)));
        let mut fast = bucket(u32::MAX, start);
        assert!(fast.take(start) && fast.poll_timeout().is_none());
        assert!(fast.take(start + Duration::from_secs(1 << 40)));
    }

    #[test]
    fn a_clock_that_stands_still_or_steps_back_gives_nothing_away() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = bucket(10, start);
        assert!(bucket.take(start) && !bucket.take(start));
        assert!(!bucket.take(start - Duration::from_secs(5)));
        assert!(!bucket.take(start + Duration::from_millis(99)));
        assert!(bucket.take(start + Duration::from_millis(100)));
    }

    #[test]
    fn a_lower_rate_takes_the_surplus_away() {
        let start = Instant::now();
        let mut bucket = bucket(1_000, start);
        bucket.set_rate(NonZeroU32::new(20).unwrap(), start);
        assert_eq!(taken(&mut bucket, start), 2);
        assert_eq!(bucket.poll_timeout().unwrap().0, start + Duration::from_millis(50));
    }

    proptest! {
        #[test]
        fn no_window_sees_more_than_the_burst_and_the_rate_and_deadlines_are_exact(
            rate in 1_u32..5_000,
            steps in prop::collection::vec(0_u64..30_000_000, 1..300),
        ) {
            let start = Instant::now();
            let mut bucket = bucket(rate, start);
            let (mut now, mut accepted) = (start, 0_u128);
            for step in steps {
                now += Duration::from_nanos(step);
                if let Some((due, _)) = bucket.poll_timeout() {
                    prop_assert!(!bucket.clone().take(due - Duration::from_nanos(1)));
                    prop_assert!(bucket.clone().take(due));
                }
                accepted += u128::from(taken(&mut bucket, now));
                let elapsed = now.duration_since(start).as_nanos();
                let burst = u128::from(capacity(NonZeroU32::new(rate).unwrap()));
                prop_assert!(accepted * u128::from(ONE) <= burst + elapsed * u128::from(rate));
            }
        }
    }
}
