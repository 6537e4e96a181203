//! The last transitions, for people who ask later.

use std::collections::VecDeque;

use super::cause::Transition;

/// How many transitions are kept: a bad night of a flapping link still shows how it began.
pub const JOURNAL_LEN: usize = 64;

/// The last [`JOURNAL_LEN`] transitions.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    entries: VecDeque<Transition>,
    /// How many there were ever.
    total: u64,
}

impl Journal {
    /// Adds the latest; the oldest goes where there is no room.
    pub(crate) fn push(&mut self, transition: Transition) {
        if self.entries.len() == JOURNAL_LEN {
            self.entries.pop_front();
        }
        self.entries.push_back(transition);
        self.total = self.total.saturating_add(1);
    }

    /// From the oldest to the latest.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Transition> {
        self.entries.iter()
    }

    /// The latest.
    #[must_use]
    pub fn last(&self) -> Option<&Transition> {
        self.entries.back()
    }

    /// How many there were ever, forgotten ones included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}
