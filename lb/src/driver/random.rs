//! A small generator for choices that no one must predict but no secret hangs on: jitter, and the
//! two servers that `random` compares.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Seeded from the operating system, as the standard library's hash maps are.
    pub(super) fn seeded() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A length of time up to `most`, evenly spread, in milliseconds.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.next() % millis.saturating_add(1).max(1))
    }
}
