//! Slow start: a server that comes back takes 1 % of its weight and of its `maxconn` at first, and
//! linearly more until it has all of it after `slow_start`.
//!
//! Cold caches make a server slow just when a crowd returns to it. HAProxy ramps alike, in steps
//! of 1/16; here a step is 1/256, so that weight 1 among few servers rises smoothly too.

use std::time::{Duration, Instant};

use crate::balance::WEIGHT_SCALE;

/// The first share: one per cent, rounded up to a step.
const FIRST: u32 = WEIGHT_SCALE.div_ceil(100);

/// Shortest time between two steps: a ramp shorter than 256 times this takes larger steps, since
/// each costs a pass over the pool's servers.
const STEP_MIN: Duration = Duration::from_millis(50);

/// The part in force at `now`, in 1/256, of a server that is back since `since`.
pub(super) fn share(since: Instant, duration: Duration, now: Instant) -> u32 {
    let elapsed = now.saturating_duration_since(since);
    if elapsed >= duration {
        return WEIGHT_SCALE;
    }
    // No overflow: a duration has less than 2^95 nanoseconds. No division by zero: it is longer
    // than something.
    let risen = elapsed.as_nanos() * u128::from(WEIGHT_SCALE - FIRST) / duration.as_nanos();
    FIRST + u32::try_from(risen).unwrap_or(0)
}

/// The same in whole per cent, 1 to 100.
pub(super) fn percent(share: u32) -> u8 {
    u8::try_from(share * 100 / WEIGHT_SCALE).unwrap_or(100)
}

/// When the next step after `now` is due. None: beyond the clock's range.
pub(super) fn next_step(since: Instant, duration: Duration, now: Instant) -> Option<Instant> {
    let step = (duration / WEIGHT_SCALE).max(STEP_MIN);
    let end = since.checked_add(duration)?;
    Some(now.checked_add(step)?.min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_rises_linearly_from_one_per_cent_to_all() {
        let since = Instant::now();
        let at = |seconds: u64, millis: u64| {
            let now = since + Duration::from_secs(seconds) + Duration::from_millis(millis);
            let share = share(since, Duration::from_secs(30), now);
            (share, percent(share))
        };
        assert_eq!(at(0, 0), (3, 1));
        assert_eq!(at(3, 0), (28, 10));
        assert_eq!(at(15, 0), (129, 50));
        assert_eq!(at(29, 999), (255, 99));
        assert_eq!(at(30, 0), (256, 100));
        assert_eq!(at(3_000, 0), (256, 100));
    }

    #[test]
    fn durations_at_the_extremes_do_no_harm() {
        let since = Instant::now();
        let later = since + Duration::from_secs(5);
        assert_eq!(share(since, Duration::ZERO, since), 256);
        assert_eq!(share(since, Duration::MAX, later), 3);
        assert_eq!(next_step(since, Duration::MAX, later), None);
        assert_eq!(share(later, Duration::from_secs(1), since), 3, "a clock that lags behind");
    }

    #[test]
    fn steps_are_a_256th_of_the_ramp_but_no_shorter_than_50_ms_and_end_with_it() {
        let since = Instant::now();
        let step = |ramp: u64, now: u64| {
            let now = since + Duration::from_millis(now);
            let next = next_step(since, Duration::from_millis(ramp), now).unwrap();
            next.duration_since(now).as_millis()
        };
        assert_eq!(step(256_000, 0), 1_000);
        assert_eq!(step(256_000, 255_500), 500);
        assert_eq!(step(1_000, 0), 50);
        assert_eq!(step(20, 0), 20);
    }
}
