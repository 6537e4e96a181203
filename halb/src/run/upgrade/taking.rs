//! The hand-over as the daemon that takes over sees it; pure.
//!
//! ```text
//!            Welcome              Complete             Go               Main
//!  Greeting ────────▶ Gathering ──────────▶ Preparing ────▶ Serving ─────────▶ Over
//! ```
//!
//! Until `Go` it has nothing that the other doesn't have, too, so that it may end at any time.

use std::time::{Duration, Instant};

use super::words::{self, ToNew};

/// The other daemon is at hand, and answers at once.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Gathering,
    Preparing,
    Serving,
    Over,
}

/// What a word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait for more.
    Wait,
    /// Keep what it says.
    Keep,
    /// All is there: prepare, then say `Ready`.
    Prepare,
    /// Accept, then say `Serving`.
    Serve,
    /// Tell the service manager; the hand-over is over.
    Announce,
}

/// Why nothing is taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TakingError {
    /// Its version doesn't fit.
    #[error("{0}")]
    Mismatch(String),
    /// A word that nobody expects.
    #[error("the running daemon said something out of turn")]
    OutOfTurn,
    /// Silence.
    #[error("the running daemon said nothing for {} s", ANSWER_MAX.as_secs())]
    Silent,
}

/// One hand-over.
#[derive(Debug)]
pub(super) struct Taking {
    phase: Phase,
    deadline: Instant,
}

impl Taking {
    /// `Hello` was said.
    pub(super) fn new(now: Instant) -> Self {
        Self { phase: Phase::Greeting, deadline: now + ANSWER_MAX }
    }

    /// When silence has lasted too long; changes with every word.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Preparing took its time; from now on the other daemon is waited for.
    pub(super) fn prepared(&mut self, now: Instant) {
        self.deadline = now + ANSWER_MAX;
    }

    /// Nothing was said until the deadline.
    pub(super) fn silence(&mut self) -> TakingError {
        self.phase = Phase::Over;
        TakingError::Silent
    }

    /// What is to be done about a word.
    pub(super) fn hear(&mut self, now: Instant, word: &ToNew) -> Result<Step, TakingError> {
        let heard = self.judge(word);
        match heard {
            Ok((phase, _)) => self.phase = phase,
            Err(_) => self.phase = Phase::Over,
        }
        self.deadline = now + ANSWER_MAX;
        heard.map(|(_, step)| step)
    }

    fn judge(&self, word: &ToNew) -> Result<(Phase, Step), TakingError> {
        match (self.phase, word) {
            (Phase::Greeting, ToNew::Welcome { protocol }) => {
                match words::common(*protocol, *protocol) {
                    Some(_) => Ok((Phase::Gathering, Step::Wait)),
                    None => Err(TakingError::OutOfTurn),
                }
            }
            (Phase::Greeting, ToNew::Mismatch { why }) => Err(TakingError::Mismatch(why.clone())),
            (
                Phase::Gathering,
                ToNew::Door { .. }
                | ToNew::Checks { .. }
                | ToNew::Orders { .. }
                | ToNew::Routers { .. }
                | ToNew::Report(_),
            ) => Ok((Phase::Gathering, Step::Keep)),
            (Phase::Gathering, ToNew::Complete) => Ok((Phase::Preparing, Step::Prepare)),
            (Phase::Preparing, ToNew::Go { .. }) => Ok((Phase::Serving, Step::Serve)),
            (Phase::Serving, ToNew::Main) => Ok((Phase::Over, Step::Announce)),
            (
                Phase::Greeting
                | Phase::Gathering
                | Phase::Preparing
                | Phase::Serving
                | Phase::Over,
                ToNew::Welcome { .. }
                | ToNew::Mismatch { .. }
                | ToNew::Door { .. }
                | ToNew::Checks { .. }
                | ToNew::Orders { .. }
                | ToNew::Complete
                | ToNew::Go { .. }
                | ToNew::Routers { .. }
                | ToNew::Main
                | ToNew::Report(_),
            ) => Err(TakingError::OutOfTurn),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::words::{Door, NEWEST, Report};
    use super::*;

    fn words() -> [ToNew; 9] {
        [
            ToNew::Welcome { protocol: NEWEST },
            ToNew::Mismatch { why: "restart".to_owned() },
            ToNew::Door { door: Door::Control("/run/halb/admin.sock".into()) },
            ToNew::Checks { targets: Vec::new() },
            ToNew::Orders { servers: Vec::new() },
            ToNew::Complete,
            ToNew::Go { roles: Vec::new() },
            ToNew::Main,
            ToNew::Report(Box::<Report>::default()),
        ]
    }

    fn at(phase: Phase) -> Taking {
        Taking { phase, deadline: Instant::now() }
    }

    /// Every word in every phase; `-` is out of turn.
    #[test]
    fn every_word_in_every_phase() {
        let keep = Some(Step::Keep);
        let table = [
            (Phase::Greeting, [Some(Step::Wait), None, None, None, None, None, None, None, None]),
            (
                Phase::Gathering,
                [None, None, keep, keep, keep, Some(Step::Prepare), None, None, keep],
            ),
            (Phase::Preparing, [None, None, None, None, None, None, Some(Step::Serve), None, None]),
            (
                Phase::Serving,
                [None, None, None, None, None, None, None, Some(Step::Announce), None],
            ),
            (Phase::Over, [None; 9]),
        ];
        for (phase, steps) in table {
            for (word, step) in words().iter().zip(steps) {
                let heard = at(phase).hear(Instant::now(), word);
                assert_eq!(heard.ok(), step, "{word:?} while {phase:?}");
            }
        }
    }

    #[test]
    fn a_mismatch_is_passed_on_and_an_unknown_version_refused() {
        let why = at(Phase::Greeting).hear(Instant::now(), &words()[1]).unwrap_err();
        assert_eq!(why.to_string(), "restart");
        let word = ToNew::Welcome { protocol: NEWEST + 1 };
        assert!(at(Phase::Greeting).hear(Instant::now(), &word).is_err());
    }

    proptest! {
        /// Whatever is said, it serves only once, after it was told to go, having had all.
        #[test]
        fn it_serves_only_when_told_to_after_all_was_there(
            said in prop::collection::vec(0..9_usize, 0..20),
        ) {
            let mut taking = Taking::new(Instant::now());
            let steps: Vec<Step> = said
                .iter()
                .map_while(|word| taking.hear(Instant::now(), &words()[*word]).ok())
                .collect();
            let at = |step| steps.iter().position(|one| *one == step);
            if let Some(served) = at(Step::Serve) {
                prop_assert!(at(Step::Prepare).is_some_and(|prepared| prepared < served));
                prop_assert_eq!(steps.iter().filter(|step| **step == Step::Serve).count(), 1);
            }
        }
    }
}
