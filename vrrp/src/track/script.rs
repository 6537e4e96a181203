//! keepalived's counter of script results: one integer that says both how a script stands and how
//! far it is from turning.
//!
//! It runs from 0 to rise + fall - 1 and means up from rise on. While up, each failure takes one
//! off and one success restores all; while down, each success adds one and one failure takes all.

use std::num::NonZeroU32;

use crate::values::OutOfRange;

/// How many results in a row change a verdict; each 1 to [`RiseFall::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RiseFall {
    rise: NonZeroU32,
    fall: NonZeroU32,
}

impl RiseFall {
    /// Far beyond use; keeps sums in range.
    pub const MAX: u32 = 1_000_000;

    /// Checks the range of both.
    ///
    /// # Errors
    /// For 0 and for more than [`MAX`](Self::MAX).
    pub fn new(rise: u32, fall: u32) -> Result<Self, OutOfRange> {
        let check = |what, value: u32| {
            let error = OutOfRange { what, got: value.into(), min: 1, max: Self::MAX.into() };
            NonZeroU32::new(value).filter(|value| value.get() <= Self::MAX).ok_or(error)
        };
        Ok(Self { rise: check("rise", rise)?, fall: check("fall", fall)? })
    }

    fn rise(self) -> u32 {
        self.rise.get()
    }

    fn best(self) -> u32 {
        self.rise.get() + self.fall.get() - 1
    }
}

/// How a run of a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptResult {
    /// Exit status 0.
    Passed,
    /// Another status, a signal, or no end within the timeout.
    Failed,
}

/// The counter of one script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptCounter {
    rise_fall: RiseFall,
    count: u32,
    /// No result yet: the first one decides alone.
    initial: bool,
}

/// How a script stands, whatever its thresholds: what one process hands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptStanding {
    /// It is up.
    pub is_up: bool,
    /// Results that were counted towards turning that.
    pub contrary: u32,
}

impl ScriptCounter {
    /// Before the first result, which decides alone in either direction.
    #[must_use]
    pub fn new(rise_fall: RiseFall) -> Self {
        Self { rise_fall, count: rise_fall.rise() - 1, initial: true }
    }

    /// Failed until it has passed `rise` times in a row.
    #[must_use]
    pub fn failed(rise_fall: RiseFall) -> Self {
        Self { rise_fall, count: 0, initial: false }
    }

    /// As a script stood elsewhere, as far as that fits these thresholds.
    #[must_use]
    pub fn resumed(rise_fall: RiseFall, standing: ScriptStanding) -> Self {
        let (rise, best) = (rise_fall.rise(), rise_fall.best());
        let count = match standing.is_up {
            true => best.saturating_sub(standing.contrary).max(rise),
            false => standing.contrary.min(rise - 1),
        };
        Self { rise_fall, count, initial: false }
    }

    /// How the script stands; none before the first result.
    #[must_use]
    pub fn standing(self) -> Option<ScriptStanding> {
        let is_up = self.is_up();
        let contrary = if is_up { self.rise_fall.best() - self.count } else { self.count };
        (!self.initial).then_some(ScriptStanding { is_up, contrary })
    }

    /// The script is up.
    #[must_use]
    pub fn is_up(self) -> bool {
        self.count >= self.rise_fall.rise()
    }

    /// Counts a result; true if the script is up after it.
    pub fn count(&mut self, result: ScriptResult) -> bool {
        let rise = self.rise_fall.rise();
        match result {
            ScriptResult::Passed if self.count < rise - 1 => self.count += 1,
            ScriptResult::Passed => self.count = self.rise_fall.best(),
            ScriptResult::Failed if self.count > rise => self.count -= 1,
            ScriptResult::Failed => self.count = 0,
        }
        self.initial = false;
        self.is_up()
    }

    /// Carries the count over to new thresholds: the verdict stays, and as many results as before
    /// have been counted towards turning it, as far as they fit.
    pub fn rescale(&mut self, rise_fall: RiseFall) {
        *self = match self.standing() {
            Some(standing) => Self::resumed(rise_fall, standing),
            None => Self::new(rise_fall),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counter(rise: u32, fall: u32) -> ScriptCounter {
        ScriptCounter::new(RiseFall::new(rise, fall).unwrap())
    }

    /// Counts the results of a line of S and F; `^` stands for up and `_` for down after each.
    fn verdicts(counter: &mut ScriptCounter, results: &str) -> String {
        let result = |letter| match letter {
            'S' => ScriptResult::Passed,
            _ => ScriptResult::Failed,
        };
        results
            .chars()
            .map(|letter| if counter.count(result(letter)) { '^' } else { '_' })
            .collect()
    }

    #[test]
    fn five_failures_in_a_row_are_needed_and_one_success_wipes_four() {
        let mut script = counter(2, 5);
        assert_eq!(verdicts(&mut script, "SFFFFSFFFFF"), "^^^^^^^^^^_");
        assert_eq!(verdicts(&mut script, "SFSFSS"), "_____^", "a failure wipes a success");
    }

    #[test]
    fn the_first_result_decides_alone() {
        assert_eq!(verdicts(&mut counter(3, 5), "S"), "^");
        assert_eq!(verdicts(&mut counter(3, 5), "FSSS"), "___^");
        assert!(!counter(3, 5).is_up(), "before it nothing is up");
    }

    #[test]
    fn a_script_that_begins_as_failed_needs_all_its_successes() {
        let mut script = ScriptCounter::failed(RiseFall::new(3, 1).unwrap());
        assert_eq!(verdicts(&mut script, "SSSF"), "__^_");
    }

    #[test]
    fn with_rise_and_fall_of_one_each_result_counts() {
        assert_eq!(verdicts(&mut counter(1, 1), "SFSSF"), "^_^^_");
    }

    #[test]
    fn new_thresholds_keep_the_verdict_and_what_was_counted() {
        let mut script = counter(2, 5);
        verdicts(&mut script, "SFFF");
        script.rescale(RiseFall::new(4, 4).unwrap());
        assert_eq!(verdicts(&mut script, "F"), "_", "the fourth failure");

        let mut script = counter(2, 5);
        verdicts(&mut script, "SFFFF");
        script.rescale(RiseFall::new(1, 2).unwrap());
        assert!(script.is_up(), "a reload turns nothing");
        assert_eq!(verdicts(&mut script, "F"), "_");

        let mut script = counter(3, 1);
        verdicts(&mut script, "FSS");
        script.rescale(RiseFall::new(2, 1).unwrap());
        assert!(!script.is_up());
        assert_eq!(verdicts(&mut script, "S"), "^");

        let mut fresh = counter(3, 1);
        fresh.rescale(RiseFall::new(5, 1).unwrap());
        assert_eq!(verdicts(&mut fresh, "S"), "^", "the first result still decides");
    }

    #[test]
    fn before_the_first_result_there_is_no_standing() {
        assert_eq!(counter(2, 5).standing(), None);
        let failed = ScriptCounter::failed(RiseFall::new(2, 5).unwrap());
        assert_eq!(failed.standing(), Some(ScriptStanding { is_up: false, contrary: 0 }));
    }

    proptest! {
        #[test]
        fn a_script_stands_elsewhere_as_it_stood_here(
            rise in 1_u32..6, fall in 1_u32..6, results in "[SF]{1,20}", then in "[SF]{0,20}",
        ) {
            let mut here = counter(rise, fall);
            verdicts(&mut here, &results);
            let mut there = ScriptCounter::resumed(here.rise_fall, here.standing().unwrap());
            prop_assert_eq!(there.is_up(), here.is_up());
            prop_assert_eq!(verdicts(&mut there, &then), verdicts(&mut here, &then));
        }
    }

    #[test]
    fn thresholds_of_zero_are_refused() {
        assert!(RiseFall::new(0, 1).is_err() && RiseFall::new(1, 0).is_err());
        assert!(RiseFall::new(RiseFall::MAX + 1, 1).is_err());
    }
}
