//! When work is due at a fixed rate, whether or not anybody is free to do it.

use std::time::{Duration, Instant};

/// Moments at equal distances, taken one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    first: Instant,
    period: Duration,
    taken: u32,
}

impl Schedule {
    /// Due at `first` and every `period` after it.
    ///
    /// A period of zero would be due without end; it becomes a nanosecond.
    #[must_use]
    pub fn new(first: Instant, period: Duration) -> Self {
        Self { first, period: period.max(Duration::from_nanos(1)), taken: 0 }
    }

    /// The next moment that wasn't taken, past or to come.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.first + self.period * self.taken
    }

    /// Takes the next moment if it has come, however long ago.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next();
        if due > now {
            return None;
        }
        self.taken = self.taken.saturating_add(1);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_late_taker_gets_every_moment_that_it_missed_in_order() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut schedule = Schedule::new(start + ms(5), ms(10));
        assert_eq!(schedule.take(start), None);
        let late = start + ms(30);
        let taken: Vec<_> = std::iter::from_fn(|| schedule.take(late)).collect();
        assert_eq!(taken, [start + ms(5), start + ms(15), start + ms(25)]);
        assert_eq!(schedule.next(), start + ms(35));
    }

    proptest! {
        /// What is due depends on time alone, never on when somebody looked.
        #[test]
        fn the_moments_are_the_same_whoever_looks(
            period in 1..1_000_u64,
            looks in prop::collection::vec(0..50_000_u64, 1..100),
        ) {
            let start = Instant::now();
            let end = looks.iter().max().copied().unwrap_or_default();
            let mut schedule = Schedule::new(start, Duration::from_micros(period));
            let mut looks = looks;
            looks.sort_unstable();
            let mut taken = Vec::new();
            for look in looks {
                let now = start + Duration::from_micros(look);
                while let Some(due) = schedule.take(now) {
                    prop_assert!(due <= now);
                    taken.push(due);
                }
            }
            let expected: Vec<_> =
                (0..=end / period).map(|n| start + Duration::from_micros(period * n)).collect();
            prop_assert_eq!(taken, expected);
        }
    }
}
