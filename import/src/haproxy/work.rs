//! What translating needs at hand and adds to.

use super::model::{Proxy, settle, shown};
use super::parse::{Line, place_of};
use super::translate::Chosen;
use super::words::{Variables, Word};
use crate::finding::{Class, Hint};
use crate::ledger::Ledger;
use crate::source::{Place, Surroundings};

/// Findings and hints so far, and the host.
pub(super) struct Work<'a> {
    pub(super) ledger: Ledger,
    pub(super) hints: Vec<Hint>,
    pub(super) variables: Variables<'a>,
    pub(super) surroundings: &'a dyn Surroundings,
    /// Where the log goes.
    pub(super) syslog: Chosen,
    /// Servers with names.
    pub(super) named: Vec<Named>,
}

/// How HAProxy is told to follow the name of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The section that says who is asked. None: it asks the C library, once.
    pub(super) resolvers: Option<String>,
    /// `resolve-prefer`.
    pub(super) prefer: Option<String>,
}

impl Work<'_> {
    /// A line as a whole.
    pub(super) fn settle(&mut self, line: &Line, class: Class) {
        settle(line, class, &mut self.ledger);
    }

    /// The first line of a section.
    pub(super) fn settle_header(&mut self, proxy: &Proxy<'_>, class: Class) {
        self.settle_words(proxy.header_words(), class);
    }

    /// Some words of a line; none of them: nothing to settle.
    pub(super) fn settle_words(&mut self, words: &[Word], class: Class) {
        if !words.is_empty() {
            let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            self.ledger.settle(&place_of(words), shown(&texts), class);
        }
    }

    /// What could be better, once for each place and text.
    pub(super) fn hint(&mut self, place: Place, text: impl Into<String>, help: impl Into<String>) {
        let hint = Hint { place, text: text.into(), help: help.into() };
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }
}
