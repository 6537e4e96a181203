//! Randomness that can be had again.

use std::time::Duration;

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.roll(1);
        dice
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(length).unwrap())).unwrap()
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    /// Up to this time.
    pub(crate) fn time(&mut self, max: Duration) -> Duration {
        let max = u64::try_from(max.as_nanos()).unwrap().min((1 << 31) * 1_000);
        Duration::from_nanos(self.roll((max / 1_000).max(1)) * 1_000)
    }
}

/// The seeds of a run: so many (`HALB_SIM_SEEDS` says how many others), or the one of
/// `HALB_SIM_SEED`.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    match number("HALB_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("HALB_SIM_SEEDS").unwrap_or(count)).collect(),
    }
}
