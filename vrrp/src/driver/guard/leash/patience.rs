//! How soon a guard that died is replaced: at once, but not over and over.

use std::time::Duration;

/// Longer and longer pauses, until a guard lives for a while.
#[derive(Debug, Default)]
pub(super) struct Patience {
    next: Duration,
}

impl Patience {
    /// The pause after a guard that lived for so long.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= STEADY {
            self.next = Duration::ZERO;
        }
        let pause = self.next;
        self.next = (pause * 2).clamp(SHORTEST, LONGEST);
        pause
    }
}

/// A guard that lived for so long was a good one.
const STEADY: Duration = Duration::from_secs(10);

/// After the second death in a row.
const SHORTEST: Duration = Duration::from_millis(100);

/// A program that can't be started costs one fork in this time, and one that can again is not
/// missed for longer.
const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pause_is_none_and_the_others_double_up_to_a_bound() {
        let mut patience = Patience::default();
        let pauses: Vec<_> = (0..10).map(|_| patience.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(patience.after(STEADY), Duration::ZERO);
        assert_eq!(patience.after(Duration::ZERO), SHORTEST);
    }
}
