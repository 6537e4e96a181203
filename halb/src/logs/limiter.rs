//! A bound for events of one kind, so that one that repeats a thousand times a second doesn't bury
//! the others: so many pass in a window, the rest is counted and told afterwards. Pure.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The bound is so many events in this time.
pub const WINDOW: Duration = Duration::from_secs(1);

/// Counts events by their kind. Kinds are places in the program, so their number is bounded by it.
#[derive(Debug)]
pub struct Limiter<K> {
    most: NonZeroU32,
    kinds: HashMap<K, Kind>,
}

#[derive(Debug)]
struct Kind {
    window_began: Instant,
    admitted: u32,
    left_out: u64,
    /// The first that was left out.
    like: String,
}

/// What didn't pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// How many events.
    pub count: u64,
    /// The text of the first.
    pub like: String,
}

impl<K: Eq + Hash> Limiter<K> {
    /// Lets `most` events of each kind pass in a [`WINDOW`].
    #[must_use]
    pub fn new(most: NonZeroU32) -> Self {
        Self { most, kinds: HashMap::new() }
    }

    /// From now on `most` pass.
    pub fn set(&mut self, most: NonZeroU32) {
        self.most = most;
    }

    /// Whether an event passes; `text` is asked for the first that doesn't.
    pub fn admit(&mut self, kind: K, now: Instant, text: impl FnOnce() -> String) -> bool {
        let kind = self.kinds.entry(kind).or_insert_with(|| Kind {
            window_began: now,
            admitted: 0,
            left_out: 0,
            like: String::new(),
        });
        if now.saturating_duration_since(kind.window_began) >= WINDOW {
            kind.window_began = now;
            kind.admitted = 0;
        }
        if kind.admitted < self.most.get() {
            kind.admitted += 1;
            return true;
        }
        if kind.left_out == 0 {
            kind.like = text();
        }
        kind.left_out = kind.left_out.saturating_add(1);
        false
    }

    /// What was left out since this was last asked.
    pub fn take(&mut self) -> Vec<LeftOut> {
        let kinds = self.kinds.values_mut().filter(|kind| kind.left_out > 0);
        let taken = kinds.map(|kind| LeftOut {
            count: std::mem::take(&mut kind.left_out),
            like: std::mem::take(&mut kind.like),
        });
        taken.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter<&'static str> {
        Limiter::new(NonZeroU32::new(2).unwrap())
    }

    #[test]
    fn so_many_of_a_kind_pass_in_a_second_and_the_rest_is_told() {
        let (mut limiter, begin) = (limiter(), Instant::now());
        let mut admitted = |kind, millis: u64, text: &str| {
            let now = begin + Duration::from_millis(millis);
            limiter.admit(kind, now, || text.to_owned())
        };
        assert!(admitted("down", 0, "1") && admitted("down", 10, "2"));
        assert!(!admitted("down", 20, "3") && !admitted("down", 999, "4"));
        assert!(admitted("up", 20, "another kind"));
        assert!(admitted("down", 1_000, "5"), "another window");
        assert_eq!(limiter.take(), [LeftOut { count: 2, like: "3".to_owned() }]);
        assert_eq!(limiter.take(), []);
    }

    #[test]
    fn what_goes_on_without_end_is_told_again_and_again() {
        let (mut limiter, begin) = (limiter(), Instant::now());
        for second in 0..3 {
            for event in 0..10 {
                let now = begin + Duration::from_millis(second * 1_000 + event);
                limiter.admit("flood", now, || format!("{second}.{event}"));
            }
            let told = limiter.take();
            assert_eq!(told, [LeftOut { count: 8, like: format!("{second}.2") }]);
        }
        limiter.set(NonZeroU32::new(10).unwrap());
        let now = begin + Duration::from_secs(10);
        assert!((0..10).all(|_| limiter.admit("flood", now, String::new)));
    }
}
