//! What several rounds say together.

use serde::Serialize;

/// The middle one of several samples, and how far they lie apart.
///
/// Median and range rather than mean and deviation: a round that another program disturbed shows
/// in the range and doesn't move the median.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Summary {
    /// Of these samples; none of no samples. What is no number is left out.
    #[must_use]
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted: Vec<_> =
            samples.iter().copied().filter(|sample| sample.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let lower = if sorted.len() % 2 == 0 { *sorted.get(middle - 1)? } else { upper };
        let median = f64::midpoint(lower, upper);
        Some(Self { median, min: *sorted.first()?, max: *sorted.last()? })
    }

    /// Of the ratios of samples that were taken in the same round. Rounds in which one of the two
    /// is missing are left out.
    #[must_use]
    pub fn of_ratios(numerators: &[Option<f64>], denominators: &[Option<f64>]) -> Option<Self> {
        let ratios: Vec<_> = numerators
            .iter()
            .zip(denominators)
            .filter_map(|(numerator, denominator)| Some((*numerator)? / (*denominator)?))
            .collect();
        Self::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_wild_sample_does_not_move_the_median() {
        let summary = Summary::of(&[3.0, 1.0, 900.0, 2.0, 2.5]).unwrap();
        assert_eq!(summary, Summary { median: 2.5, min: 1.0, max: 900.0 });
        assert_eq!(Summary::of(&[1.0, 3.0]).unwrap().median, 2.0);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was twice as slow in the second round: for both.
        let (ours, theirs) = ([Some(8.0), Some(16.0), None], [Some(10.0), Some(20.0), Some(1.0)]);
        let ratio = Summary::of_ratios(&ours, &theirs).unwrap();
        assert_eq!(ratio, Summary { median: 0.8, min: 0.8, max: 0.8 });
        assert_eq!(Summary::of_ratios(&[Some(1.0)], &[Some(0.0)]), None);
    }

    proptest! {
        #[test]
        fn the_median_lies_within_the_range(samples in prop::collection::vec(-1e9..1e9, 1..50)) {
            let summary = Summary::of(&samples).unwrap();
            prop_assert!(summary.min <= summary.median && summary.median <= summary.max);
        }
    }
}
