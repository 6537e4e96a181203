//! When this node tells another halb how it stands.

use std::time::{Duration, Instant};

use super::{Action, Phase, Router};
use crate::link::Word;
use crate::values::Priority;

/// What was told last, and when that is repeated.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Telling {
    last: Option<Word>,
    next_at: Option<Instant>,
    /// Quick repetitions that are left.
    repeats: u8,
}

/// Pace at which a word is repeated that hasn't changed: slow, since adverts decide; and several
/// times within [`WORD_COUNTS_FOR`](super::WORD_COUNTS_FOR).
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What has changed is repeated soon, in case it is lost: once, and an invitation several times;
/// not for ever, since the offer's adverts say the same.
const REPEAT_AFTER: Duration = Duration::from_millis(20);
const REPEATS: u8 = 1;
const INVITATION_REPEATS: u8 = 5;

impl Telling {
    pub(super) fn due(&self) -> Option<(Instant, &'static str)> {
        self.next_at.map(|at| (at, "word to the other node"))
    }
}

impl Router {
    /// Tells what has changed since the last word.
    pub(super) fn tell_changes(&mut self, now: Instant) {
        if !self.config.behaviour.peer_link {
            self.telling = Telling::default();
            return;
        }
        // Before its first start it has nothing to say.
        if matches!(self.phase, Phase::Stopped) && self.telling.last.is_none() {
            return;
        }
        let word = self.word(now);
        if self.telling.last != Some(word) {
            let invites = word.invites.is_some();
            self.telling.repeats = if invites { INVITATION_REPEATS } else { REPEATS };
            self.tell_word(word, now);
        }
    }

    pub(super) fn tell_due(&mut self, now: Instant) {
        if self.telling.next_at.is_some_and(|at| at <= now) {
            let word = self.word(now);
            self.tell_word(word, now);
        }
    }

    fn tell_word(&mut self, word: Word, now: Instant) {
        let telling = &mut self.telling;
        telling.last = Some(word);
        let pause = if telling.repeats > 0 { REPEAT_AFTER } else { TELL_EVERY };
        telling.repeats = telling.repeats.saturating_sub(1);
        let silent = matches!(self.phase, Phase::Stopped);
        telling.next_at = (!silent).then_some(now + pause);
        self.actions.push_back(Action::Tell(word));
    }

    fn word(&self, now: Instant) -> Word {
        let offers = self.is_offering();
        let successor = offers.then(|| self.hearsay.successor(self.worth(), now)).flatten();
        Word {
            vrid: self.config.vrid(),
            address: self.config.addresses().principal(),
            source: self.link.source,
            state: self.state(),
            able: matches!(self.phase, Phase::Listening(_) | Phase::Holding(_)),
            base: self.standing.base,
            effective: if self.leaving { Priority::RELEASE } else { self.standing.effective },
            health: self.standing.health(),
            yielded: self.standing.yielded,
            invites: successor.and_then(|word| word.source),
        }
    }
}
