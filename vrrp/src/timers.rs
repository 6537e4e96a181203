//! Skew and down interval in whole nanoseconds.
//!
//! The product comes before the quotient, so that nothing vanishes: at the shortest interval two
//! neighbouring priorities still differ by 39 µs, and coarser arithmetic would make them equal.

use std::time::Duration;

use crate::values::{AdvertInterval, DownTimerAdverts, Priority};

/// One for each priority and one more, so that even 255 has a skew.
const STEPS: u64 = 256;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_CENTISECOND: u64 = 10_000_000;

/// How much later than the best a router of this priority acts: RFC 3768 §6.1 (parts of a second
/// whatever the interval) and RFC 9568 §6.1 (parts of the interval). Half nanoseconds are cut off.
#[must_use]
pub fn skew(priority: Priority, interval: AdvertInterval) -> Duration {
    let behind = STEPS - u64::from(priority.get());
    let unit = match interval {
        AdvertInterval::V2(_) => NANOS_PER_SECOND,
        AdvertInterval::V3(centiseconds) => NANOS_PER_CENTISECOND * u64::from(centiseconds.get()),
    };
    Duration::from_nanos(behind * unit / STEPS)
}

/// Silence of the active router after which a backup of this priority takes over; the interval is
/// the active router's.
#[must_use]
pub fn down_interval(
    priority: Priority,
    interval: AdvertInterval,
    missed: DownTimerAdverts,
) -> Duration {
    interval.duration() * u32::from(missed.get()) + skew(priority, interval)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::{Centiseconds, Seconds};

    fn seconds(count: u16) -> AdvertInterval {
        AdvertInterval::V2(Seconds::new(count).unwrap())
    }

    fn centiseconds(count: u16) -> AdvertInterval {
        AdvertInterval::V3(Centiseconds::new(count).unwrap())
    }

    fn down_micros(priority: u8, interval: AdvertInterval) -> f64 {
        let missed = DownTimerAdverts::default();
        down_interval(Priority::new(priority), interval, missed).as_secs_f64() * 1e6
    }

    #[test]
    fn down_intervals_are_those_of_the_formula_to_the_microsecond() {
        let table = [
            (1, [15_996_093.75, 3_996_093.75, 3_996_093.75, 399_609.375, 39_960.937_5]),
            (98, [15_617_187.5, 3_617_187.5, 3_617_187.5, 361_718.75, 36_171.875]),
            (100, [15_609_375.0, 3_609_375.0, 3_609_375.0, 360_937.5, 36_093.75]),
            (101, [15_605_468.75, 3_605_468.75, 3_605_468.75, 360_546.875, 36_054.687_5]),
            (200, [15_218_750.0, 3_218_750.0, 3_218_750.0, 321_875.0, 32_187.5]),
            (254, [15_007_812.5, 3_007_812.5, 3_007_812.5, 300_781.25, 30_078.125]),
        ];
        let intervals =
            [seconds(5), seconds(1), centiseconds(100), centiseconds(10), centiseconds(1)];
        for (priority, expected) in table {
            let got = intervals.map(|interval| down_micros(priority, interval));
            for (got, expected) in got.into_iter().zip(expected) {
                assert!((got - expected).abs() < 0.01, "{priority}: {got} instead of {expected}");
            }
        }
    }

    #[test]
    fn skew_is_exact_where_others_round_it_to_nothing() {
        let skew = |priority, interval| skew(Priority::new(priority), interval);
        assert_eq!(skew(254, centiseconds(1)), Duration::from_nanos(78_125));
        assert_eq!(skew(100, centiseconds(100)), Duration::from_micros(609_375));
        assert_eq!(skew(100, seconds(5)), Duration::from_micros(609_375));
        assert_eq!(skew(255, centiseconds(1)), Duration::from_nanos(39_062));
        assert_eq!(skew(0, centiseconds(4095)), Duration::from_millis(40_950));
    }

    fn any_interval() -> impl Strategy<Value = AdvertInterval> {
        prop_oneof![(1_u16..=255).prop_map(seconds), (1_u16..=4095).prop_map(centiseconds)]
    }

    proptest! {
        #[test]
        fn a_higher_priority_has_a_strictly_earlier_deadline(
            interval in any_interval(),
            low in 0_u8..255,
            above in 1_u8..=255,
        ) {
            let (low, high) = (Priority::new(low), Priority::new(low.saturating_add(above)));
            let down = |priority| down_interval(priority, interval, DownTimerAdverts::default());
            prop_assert!(down(high) < down(low));
            prop_assert!(skew(high, interval) < skew(low, interval));
        }

        #[test]
        fn the_deadline_lies_within_the_interval_after_the_last_missed_advert_of_version_3(
            interval in (1_u16..=4095).prop_map(centiseconds),
            priority in 1_u8..=255,
            missed in 1_u16..=100,
        ) {
            let adverts = DownTimerAdverts::new(missed).unwrap();
            let down = down_interval(Priority::new(priority), interval, adverts);
            prop_assert!(down > interval.duration() * missed.into());
            prop_assert!(down < interval.duration() * (u32::from(missed) + 1));
        }
    }
}
