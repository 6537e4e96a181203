//! Histograms with fixed buckets: counting costs no memory.

use std::time::Duration;

/// Number of bounded buckets of a [`Histogram`].
pub const BUCKETS: usize = 15;

/// Bounds between the multiples of usual intervals, so that an advert in time, one that was missed
/// and two that were fall into different buckets.
const ARRIVAL_BOUNDS: [Duration; BUCKETS] = [
    Duration::from_millis(1),
    Duration::from_millis(3),
    Duration::from_millis(7),
    Duration::from_millis(15),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(75),
    Duration::from_millis(150),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1500),
    Duration::from_millis(2500),
    Duration::from_secs(7),
    Duration::from_secs(15),
    Duration::from_secs(60),
];

/// From what a timer of the kernel costs up to what makes a node look dead.
const LATENESS_BOUNDS: [Duration; BUCKETS] = [
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// How often something took how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram {
    bounds: &'static [Duration; BUCKETS],
    counts: [u64; BUCKETS],
    over: u64,
    sum: Duration,
}

impl Histogram {
    /// Of the time between adverts.
    #[must_use]
    pub fn of_arrivals() -> Self {
        Self::new(&ARRIVAL_BOUNDS)
    }

    /// Of how late timers are.
    #[must_use]
    pub fn of_lateness() -> Self {
        Self::new(&LATENESS_BOUNDS)
    }

    fn new(bounds: &'static [Duration; BUCKETS]) -> Self {
        Self { bounds, counts: [0; BUCKETS], over: 0, sum: Duration::ZERO }
    }

    pub(crate) fn note(&mut self, time: Duration) {
        let bucket = self.bounds.iter().position(|bound| time <= *bound);
        let count = bucket.map_or(&mut self.over, |bucket| &mut self.counts[bucket]);
        *count = count.saturating_add(1);
        self.sum = self.sum.saturating_add(time);
    }

    /// Each bound with how many took at most that long and longer than the bound before.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.bounds.iter().copied().zip(self.counts)
    }

    /// How many there were, those beyond the last bound included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(self.over, |sum, count| sum.saturating_add(*count))
    }

    /// All times together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_counts_in_the_first_bucket_that_holds_it_or_beyond_all() {
        let mut histogram = Histogram::of_arrivals();
        for millis in [10, 10, 20, 30, 1_000, 100_000] {
            histogram.note(Duration::from_millis(millis));
        }
        let counted: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        let millis = Duration::from_millis;
        assert_eq!(counted, [(millis(15), 2), (millis(25), 1), (millis(50), 1), (millis(1500), 1)]);
        assert_eq!((histogram.count(), histogram.sum()), (6, millis(101_070)));
        let mut histogram = Histogram::of_lateness();
        histogram.note(Duration::MAX);
        histogram.note(Duration::MAX);
        assert_eq!((histogram.count(), histogram.sum()), (2, Duration::MAX));
    }

    #[test]
    fn bounds_rise() {
        for bounds in [ARRIVAL_BOUNDS, LATENESS_BOUNDS] {
            assert!(bounds.is_sorted_by(|one, next| one < next));
        }
    }
}
