//! What is told of the source while it is read.

use crate::finding::{Class, Finding, Hint};
use crate::ledger::Ledger;
use crate::source::Place;

/// Most hints that are told: beyond it a file says the same again and again.
const HINTS_MAX: usize = 200;

/// Findings and hints so far.
#[derive(Debug, Default)]
pub(super) struct Account {
    ledger: Ledger,
    hints: Vec<Hint>,
}

impl Account {
    /// Notes what becomes of the directive at a place.
    pub(super) fn settle(&mut self, place: &Place, words: impl Into<String>, class: Class) {
        self.ledger.settle(place, words, class);
    }

    /// Notes what could be better, once.
    pub(super) fn hint(&mut self, place: &Place, text: impl Into<String>, help: impl Into<String>) {
        let hint = Hint { place: place.clone(), text: text.into(), help: help.into() };
        if self.hints.len() < HINTS_MAX && !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    /// Both, each in the order of the sources.
    pub(super) fn into_parts(self) -> (Vec<Finding>, Vec<Hint>) {
        let mut hints = self.hints;
        hints.sort_by_key(|hint| hint.place.start());
        (self.ledger.into_findings(), hints)
    }
}
