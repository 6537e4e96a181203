//! When sequence numbers were used, as far back as it matters.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::AGE_MAX;

/// Some numbers with their time, both rising.
#[derive(Debug, Default)]
pub(super) struct Stamps(VecDeque<(u64, Instant)>);

/// From one stamp to the next; so far an age may be overstated.
const GRAIN: Duration = Duration::from_millis(250);

/// Enough for one each [`GRAIN`] over twice [`AGE_MAX`].
const STAMPS_MAX: usize = 29;

const _: () = assert!(STAMPS_MAX as u128 > 2 * AGE_MAX.as_millis() / GRAIN.as_millis());

impl Stamps {
    /// The number is used now. It has a stamp if the last one is old enough: answers that somebody
    /// provokes push no other number out.
    pub(super) fn note(&mut self, now: Instant, sequence: u64) {
        let recent = |(_, at): &(u64, Instant)| now.saturating_duration_since(*at) < GRAIN;
        if self.0.back().is_some_and(recent) {
            return;
        }
        if self.0.len() == STAMPS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((sequence, now));
    }

    /// A time at or before which the number wasn't used yet; none if that is long ago.
    pub(super) fn not_before(&self, sequence: u64) -> Option<Instant> {
        let after = self.0.partition_point(|(stamped, _)| *stamped <= sequence);
        let (_, at) = self.0.get(after.checked_sub(1)?)?;
        Some(*at)
    }

    /// When the number was used, if it has a stamp.
    pub(super) fn exactly(&self, sequence: u64) -> Option<Instant> {
        let index = self.0.binary_search_by_key(&sequence, |(stamped, _)| *stamped).ok()?;
        self.0.get(index).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_overstated_by_a_grain_at_most_and_never_understated() {
        let start = Instant::now();
        let mut stamps = Stamps::default();
        assert_eq!(stamps.not_before(1), None);
        let used: Vec<_> = (1..=2_000).map(|n| (n, start + Duration::from_millis(7) * n)).collect();
        for (sequence, at) in &used {
            stamps.note(*at, u64::from(*sequence));
        }
        let now = used.last().unwrap().1;
        let mut exact = 0;
        for (sequence, at) in used {
            let stamp = stamps.not_before(u64::from(sequence));
            if now.duration_since(at) <= 2 * AGE_MAX {
                let stamp = stamp.unwrap();
                assert!(stamp <= at && at.duration_since(stamp) < GRAIN + Duration::from_millis(7));
            }
            if let Some(stamped) = stamps.exactly(u64::from(sequence)) {
                assert_eq!(stamped, at);
                exact += 1;
            }
        }
        assert_eq!((stamps.0.len(), exact), (STAMPS_MAX, STAMPS_MAX));
        assert_eq!(stamps.not_before(1), None, "long ago");
    }
}
