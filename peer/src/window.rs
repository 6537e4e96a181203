//! Which sequence numbers of a session have come.

use std::num::NonZeroU64;

/// The highest sequence number that came, and which of the [`WINDOW`] up to it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    highest: NonZeroU64,
    /// Bit n: `highest - n` has come.
    seen: u64,
}

/// How far a datagram may fall behind those sent after it and still be taken: more than any
/// network path reorders, and one word (RFC 4303, section 3.4.3, asks for 32 and prefers 64).
pub(crate) const WINDOW: u64 = 64;

impl Window {
    /// This one has come, and none before it will be taken: of those nobody knows.
    pub(crate) fn starting_with(sequence: NonZeroU64) -> Self {
        Self { highest: sequence, seen: u64::MAX }
    }

    pub(crate) fn highest(&self) -> NonZeroU64 {
        self.highest
    }

    /// True if it hasn't come yet; from now on it has.
    pub(crate) fn take(&mut self, sequence: NonZeroU64) -> bool {
        let (number, highest) = (sequence.get(), self.highest.get());
        if let Some(ahead) = number.checked_sub(highest).filter(|ahead| *ahead > 0) {
            let kept = u32::try_from(ahead).ok().and_then(|ahead| self.seen.checked_shl(ahead));
            self.seen = kept.unwrap_or(0) | 1;
            self.highest = sequence;
            return true;
        }
        let behind = highest - number;
        if behind >= WINDOW {
            return false;
        }
        let bit = 1 << behind;
        let new = self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn number(sequence: u64) -> NonZeroU64 {
        NonZeroU64::new(sequence).unwrap()
    }

    #[test]
    fn the_edge_of_the_window_is_exact() {
        let mut window = Window::starting_with(number(36));
        let mut take = |sequence| window.take(number(sequence));
        assert!(!take(36), "it has come");
        assert!(!take(35), "nobody knows of those before the first");
        assert!(take(100), "a leap to where the first is remembered no longer");
        assert!(take(100 - 63), "the last that is remembered");
        assert!(!take(100 - 63));
        assert!(!take(100 - 64), "beyond it nobody knows");
        assert!(take(163), "a leap within the window");
        assert!(!take(100), "at its edge it is remembered");
        assert!(take(101));
        assert!(take(u64::MAX), "a leap over all of it");
        assert!(!take(163));
        assert!(take(u64::MAX - 1));
    }

    proptest! {
        #[test]
        fn no_number_is_taken_twice_and_none_within_the_window_is_lost(
            steps in prop::collection::vec(-80_i64..90, 1..400),
        ) {
            let first = 1_000_u64;
            let mut highest = first;
            let mut window = Window::starting_with(number(highest));
            let mut taken = BTreeSet::new();
            for step in steps {
                let sequence = highest.saturating_add_signed(step);
                let fits = sequence > first && highest < sequence + WINDOW;
                prop_assert_eq!(window.take(number(sequence)), fits && taken.insert(sequence));
                highest = highest.max(sequence);
                prop_assert_eq!(window.highest(), number(highest));
            }
        }
    }
}
