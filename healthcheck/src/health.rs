//! HAProxy's model of a server's health: one integer that successes and failures move.
//!
//! ```text
//!        down                              up
//!  0 ──▶ 1 ──▶ … rise-1 ══▶ │ rise … rise+fall-2 ──▶ rise+fall-1
//!  ▲     │                  │   │                        │
//!  └─────┴── failure ───────┴───┴──── one failure: -1 ───┘
//! ```
//!
//! A success moves one up, and once it reaches `rise` on to the top; a failure moves one down, and
//! once it falls below `rise` on to 0. So `rise` and `fall` count *consecutive* answers.

use std::fmt;
use std::num::NonZeroU32;

use crate::config::{Initial, Threshold};

/// What the checks say of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It takes connections.
    Up,
    /// It doesn't.
    Down,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// Health of one server: 0 to `rise + fall - 1`; up from `rise` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    value: u32,
    threshold: Threshold,
}

/// What an answer did to the health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// Nothing: it was at that end already.
    None,
    /// It moved, and the verdict stands.
    Moved,
    /// The verdict is the other one now.
    Flipped,
}

impl Health {
    /// The health before the first answer, and again after maintenance.
    #[must_use]
    pub fn new(threshold: Threshold, initial: Initial) -> Self {
        let rise = threshold.rise.get();
        let value = match initial {
            Initial::FullyUp => top(threshold),
            Initial::Up => rise,
            Initial::Down => rise - 1,
            Initial::FullyDown => 0,
        };
        Self { value, threshold }
    }

    /// The health as it stood somewhere under these thresholds; none: one of them is zero.
    #[must_use]
    pub fn at(value: u32, rise: u32, fall: u32) -> Option<Self> {
        let threshold = Threshold { rise: NonZeroU32::new(rise)?, fall: NonZeroU32::new(fall)? };
        Some(Self { value: value.min(top(threshold)), threshold })
    }

    /// The integer; changes with every call that reports a [`Movement`] other than `None`.
    #[must_use]
    pub fn value(self) -> u32 {
        self.value
    }

    /// Answers that make a verdict.
    #[must_use]
    pub fn threshold(self) -> Threshold {
        self.threshold
    }

    /// Up or down.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        if self.value >= self.threshold.rise.get() { Verdict::Up } else { Verdict::Down }
    }

    /// At the top: it takes `fall` failures to bring it down.
    #[must_use]
    pub fn is_fully_up(self) -> bool {
        self.value == top(self.threshold)
    }

    /// At 0: it takes `rise` successes to bring it up.
    #[must_use]
    pub fn is_fully_down(self) -> bool {
        self.value == 0
    }

    /// A check passed.
    pub fn pass(&mut self) -> Movement {
        let next = self.value.saturating_add(1).min(top(self.threshold));
        let next = if next >= self.threshold.rise.get() { top(self.threshold) } else { next };
        self.move_to(next)
    }

    /// A check failed.
    pub fn fail(&mut self) -> Movement {
        let next = self.value.saturating_sub(1);
        let next = if next < self.threshold.rise.get() { 0 } else { next };
        self.move_to(next)
    }

    /// Back to the state before the first answer (maintenance is over).
    pub fn restart(&mut self, initial: Initial) -> Movement {
        self.move_to(Self::new(self.threshold, initial).value)
    }

    /// The verdict stands, but one answer to the contrary turns it.
    pub fn doubt(&mut self) -> Movement {
        let rise = self.threshold.rise.get();
        self.move_to(match self.verdict() {
            Verdict::Up => rise,
            Verdict::Down => rise - 1,
        })
    }

    /// Other thresholds. The verdict stands, and so does the distance to its end: who was fully up
    /// (or down) is so again, and otherwise as many more answers turn it as before, at most the
    /// new count.
    pub fn rescale(&mut self, threshold: Threshold) {
        let rise = threshold.rise.get();
        self.value = match self.verdict() {
            Verdict::Up if self.is_fully_up() => top(threshold),
            Verdict::Up => {
                let more_failures = self.value - self.threshold.rise.get();
                rise.saturating_add(more_failures).min(top(threshold))
            }
            Verdict::Down if self.is_fully_down() => 0,
            Verdict::Down => {
                let successes_needed = self.threshold.rise.get() - self.value;
                rise.saturating_sub(successes_needed)
            }
        };
        self.threshold = threshold;
    }

    /// How far from the next verdict, as HAProxy shows it: `(failures it still survives + 1, fall)`
    /// while up, `(successes counted, rise)` while down.
    #[must_use]
    pub fn progress(self) -> (u32, u32) {
        progress(self.value, self.threshold.rise.get(), self.threshold.fall.get())
    }

    fn move_to(&mut self, value: u32) -> Movement {
        let before = *self;
        self.value = value;
        if before.verdict() != self.verdict() {
            Movement::Flipped
        } else if before.value != value {
            Movement::Moved
        } else {
            Movement::None
        }
    }
}

fn top(threshold: Threshold) -> u32 {
    threshold.rise.get().saturating_add(threshold.fall.get() - 1)
}

/// See [`Health::progress`].
pub(crate) fn progress(value: u32, rise: u32, fall: u32) -> (u32, u32) {
    match value.checked_sub(rise) {
        Some(survives) => (survives.saturating_add(1), fall),
        None => (value, rise),
    }
}

#[cfg(test)]
mod tests;
