//! All names: who is asked when, how many at a time, and what came of it.
//!
//! The driver's contract: after every call, take actions until there are none; call
//! [`Book::handle_timeout`] at [`Book::poll_timeout`]; answer every [`Action::Ask`] with one
//! [`Book::handle_answer`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use crate::config::{Question, Settings};
use crate::name::{Answer, Change, Name, Status};

/// Most names that are asked at a time. Each holds a socket for each kind of address; name servers
/// that don't answer keep a place for `attempts` timeouts each. Beyond it names wait, longest due
/// first.
pub const LOOKUPS_MAX: usize = 16;

/// One lookup; never used twice, so that a late answer can't be taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(u64);

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask; answer with [`Book::handle_answer`].
    Ask {
        /// The name of this run.
        lookup: LookupId,
        /// What to ask.
        question: Question,
    },
    /// Something has changed.
    Changed(Question, Change),
}

/// The machines of all names; an entry for each that the configuration holds.
#[derive(Debug)]
pub struct Book {
    settings: Settings,
    names: BTreeMap<Question, Name>,
    /// Names that wait to be asked, soonest first.
    due: BTreeSet<(Instant, Question)>,
    /// Running lookups; at most [`LOOKUPS_MAX`].
    asked: BTreeMap<LookupId, Question>,
    next_lookup: u64,
    /// What the driver has yet to take; it takes all after each call.
    actions: VecDeque<Action>,
}

impl Book {
    /// No names yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            names: BTreeMap::new(),
            due: BTreeSet::new(),
            asked: BTreeMap::new(),
            next_lookup: 0,
            actions: VecDeque::new(),
        }
    }

    /// These are the names from now on, and so are they asked. Kept ones keep their address; if
    /// what answers may have changed, they are asked at once.
    pub fn apply(
        &mut self,
        now: Instant,
        settings: Settings,
        questions: impl IntoIterator<Item = Question>,
    ) {
        let wanted: BTreeSet<Question> = questions.into_iter().collect();
        let changed = self.settings != settings;
        self.settings = settings;
        self.names.retain(|question, _| wanted.contains(question));
        self.due.retain(|(_, question)| wanted.contains(question));
        // Who is asked about a name that has gone still answers, for the place that it holds.
        for question in wanted {
            if !self.names.contains_key(&question) {
                self.due.insert((now, question.clone()));
                self.names.insert(question.clone(), Name::new(question, now));
            }
        }
        if changed {
            self.ask_all(now);
        }
        self.start_due(now);
    }

    /// Whatever answers may have changed: all names are asked again, at once.
    pub fn ask_all(&mut self, now: Instant) {
        self.due.clear();
        for (question, name) in &mut self.names {
            name.hurry(now);
            self.due.extend(name.due().map(|due| (due, question.clone())));
        }
        self.start_due(now);
    }

    /// A lookup has ended.
    pub fn handle_answer(&mut self, now: Instant, lookup: LookupId, answer: &Answer) {
        let Some(question) = self.asked.remove(&lookup) else { return };
        // Removed and added again meanwhile: the new one waits for its own turn.
        if let Some(name) = self.names.get_mut(&question).filter(|name| name.due().is_none()) {
            for change in name.answer(now, answer, &self.settings) {
                self.actions.push_back(Action::Changed(question.clone(), change));
            }
            self.due.extend(name.due().map(|due| (due, question)));
        }
        self.start_due(now);
    }

    /// Asks names that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.start_due(now);
    }

    fn start_due(&mut self, now: Instant) {
        while self.asked.len() < LOOKUPS_MAX {
            let Some((due, _)) = self.due.first() else { break };
            if *due > now {
                break;
            }
            let Some((_, question)) = self.due.pop_first() else { break };
            let Some(name) = self.names.get_mut(&question) else { continue };
            name.ask();
            let lookup = LookupId(self.next_lookup);
            self.next_lookup += 1;
            self.asked.insert(lookup, question.clone());
            self.actions.push_back(Action::Ask { lookup, question });
        }
    }

    /// The next thing to do, if any.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Book::handle_timeout`] is to be called; changes with every call that takes
    /// `&mut self`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let room = self.asked.len() < LOOKUPS_MAX;
        self.due.first().filter(|_| room).map(|(due, _)| *due)
    }

    /// How names are asked.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The address of each name that has one.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<Question, IpAddr> {
        let resolved =
            |(question, name): (&Question, &Name)| Some((question.clone(), name.address()?));
        self.names.iter().filter_map(resolved).collect()
    }

    /// Names that no answer of any kind has come for yet.
    #[must_use]
    pub fn unheard(&self) -> usize {
        self.names.values().filter(|name| !name.is_answered()).count()
    }

    /// All names.
    #[must_use]
    pub fn status(&self, now: Instant) -> Vec<Status> {
        self.names.values().map(|name| name.status(now)).collect()
    }
}

#[cfg(test)]
mod tests;
