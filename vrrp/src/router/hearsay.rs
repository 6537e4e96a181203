//! What other nodes said of themselves over the link between halbs.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::link::Word;
use crate::router::State;
use crate::track::Health;
use crate::values::Priority;

/// How many nodes' words are remembered: one halb has one peer, and a change of its address must
/// not lose it. Beyond it the one that was silent longest is forgotten.
pub const SPEAKERS_MAX: usize = 8;

/// How long a word counts: four in a row may be lost. Older ones are shown, and decide nothing.
pub const WORD_COUNTS_FOR: Duration = Duration::from_secs(5);

/// The last word of another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overheard {
    /// Which node, by its address on the link.
    pub from: IpAddr,
    /// What it said.
    pub word: Word,
    /// When it came.
    pub at: Instant,
}

/// What decides who is to have the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Worth {
    pub(super) priority: Priority,
    pub(super) health: Health,
    pub(super) source: Option<IpAddr>,
}

impl Worth {
    /// It is to have the addresses that the other one offers. Who offers yields to whoever would
    /// win the election; between equal priorities only to one that is well, or two that are sick
    /// alike would hand the addresses to each other.
    pub(super) fn beats(self, other: Self) -> bool {
        let first = self.health == Health::Well && self.source > other.source;
        self.priority > other.priority || (self.priority == other.priority && first)
    }
}

impl Word {
    pub(super) fn worth(&self) -> Worth {
        Worth { priority: self.effective, health: self.health, source: self.source }
    }
}

/// The last words of other nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Hearsay(Vec<Overheard>);

impl Hearsay {
    pub(super) fn note(&mut self, from: IpAddr, word: Word, now: Instant) {
        self.0.retain(|overheard| overheard.from != from);
        if self.0.len() == SPEAKERS_MAX {
            let oldest = (0..self.0.len()).min_by_key(|index| self.0[*index].at);
            oldest.map(|index| self.0.swap_remove(index));
        }
        self.0.push(Overheard { from, word, at: now });
    }

    /// This node sends from that address now: what was heard of it was an echo, or is over.
    pub(super) fn disown(&mut self, source: IpAddr) {
        self.0.retain(|overheard| overheard.word.source != Some(source));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Overheard> {
        self.0.iter()
    }

    /// Words that still count.
    pub(super) fn fresh(&self, now: Instant) -> impl Iterator<Item = &Word> {
        let counts = move |overheard: &&Overheard| now < overheard.at + WORD_COUNTS_FOR;
        self.0.iter().filter(counts).map(|overheard| &overheard.word)
    }

    /// The best router that is known to listen and that is to have the addresses rather than this
    /// one.
    pub(super) fn successor(&self, own: Worth, now: Instant) -> Option<&Word> {
        self.fresh(now)
            .filter(|word| word.able && word.state != State::Active && word.source.is_some())
            .filter(|word| word.worth().beats(own))
            .max_by_key(|word| (word.effective, word.source))
    }
}
