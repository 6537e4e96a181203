//! The hand-over as the daemon that gives sees it; pure.
//!
//! ```text
//!             Hello               Ready                  Serving
//!  Greeting ─────────▶ Preparing ─────────▶ HandingOver ─────────▶ Over, given
//!      │                   │                     │
//!      └───────────────────┴─────────────────────┴─ refused, gone, too late ─▶ Over, kept
//! ```
//!
//! Up to `Serving` nothing is given away: whatever goes wrong before leaves this daemon as it was.

use std::time::{Duration, Instant};

use super::words::{self, NEWEST, OLDEST, ToOld};

/// A new daemon reads its configuration and greets within this time.
const GREETING_MAX: Duration = Duration::from_secs(15);

/// It opens what it needs within this time.
const PREPARING_MAX: Duration = Duration::from_secs(20);

/// Between `Go` and `Serving` there is next to nothing to do. Where virtual routers stand aside
/// meanwhile it is less.
pub(super) const HANDING_OVER_MAX: Duration = Duration::from_secs(5);

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Preparing,
    HandingOver,
    Over,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// The new daemon said something.
    Heard(ToOld),
    /// It has gone, or can't be understood; how, in words.
    Gone(String),
    /// The deadline has come.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Say that there is no common version.
    SayMismatch(String),
    /// Say which version is spoken, and hand over copies of all doors and the state.
    Welcome(u32),
    /// Stand back, and say `Go`.
    Go,
    /// Go on as if nothing had been.
    TakeBack,
    /// It is over: given to a daemon of this version, or why it isn't.
    Over(Result<String, String>),
}

/// One hand-over.
#[derive(Debug)]
pub(super) struct Giving {
    phase: Phase,
    deadline: Instant,
    /// How long `Serving` is waited for.
    patience: Duration,
    halb_version: String,
}

impl Giving {
    /// The new daemon was started. `patience`: how long this one may stand back for it.
    pub(super) fn new(patience: Duration, now: Instant) -> Self {
        let deadline = now + GREETING_MAX;
        Self { phase: Phase::Greeting, deadline, patience, halb_version: String::new() }
    }

    /// When [`Event::Timeout`] is to come; changes with every event.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What follows from an event, in order. Nothing does once it is over.
    pub(super) fn handle(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match (self.phase, event) {
            (Phase::Over, _) => Vec::new(),
            (Phase::Greeting, Event::Heard(ToOld::Hello { oldest, newest, halb_version })) => {
                self.greet(now, oldest, newest, halb_version)
            }
            (Phase::Preparing, Event::Heard(ToOld::Ready)) => {
                self.enter(Phase::HandingOver, now + self.patience);
                vec![Action::Go]
            }
            (Phase::HandingOver, Event::Heard(ToOld::Serving)) => {
                self.phase = Phase::Over;
                vec![Action::Over(Ok(self.halb_version.clone()))]
            }
            (_, Event::Heard(ToOld::Refused { why })) => self.fail(why),
            (_, Event::Gone(how)) => self.fail(how),
            (phase, Event::Timeout) if now >= self.deadline => {
                self.fail(too_late(phase, self.patience))
            }
            (_, Event::Timeout) => Vec::new(),
            (
                Phase::Greeting | Phase::Preparing | Phase::HandingOver,
                Event::Heard(
                    ToOld::Hello { .. }
                    | ToOld::Ready
                    | ToOld::Serving
                    | ToOld::Standing { .. }
                    | ToOld::Stop { .. },
                ),
            ) => self.fail("the new daemon said something out of turn".to_owned()),
        }
    }

    fn greet(&mut self, now: Instant, oldest: u32, newest: u32, version: String) -> Vec<Action> {
        let Some(protocol) = words::common(oldest, newest) else {
            let why = format!(
                "halb {version} can't take over from halb {} (it knows versions {oldest} to \
                 {newest} of the hand-over, and this one {OLDEST} to {NEWEST}); restart it: \
                 systemctl restart halb",
                env!("CARGO_PKG_VERSION")
            );
            let mut actions = vec![Action::SayMismatch(why.clone())];
            actions.extend(self.fail(why));
            return actions;
        };
        self.halb_version = version;
        self.enter(Phase::Preparing, now + PREPARING_MAX);
        vec![Action::Welcome(protocol)]
    }

    fn enter(&mut self, phase: Phase, deadline: Instant) {
        (self.phase, self.deadline) = (phase, deadline);
    }

    fn fail(&mut self, why: String) -> Vec<Action> {
        let stood_back = self.phase == Phase::HandingOver;
        self.phase = Phase::Over;
        let take_back = stood_back.then_some(Action::TakeBack);
        take_back.into_iter().chain([Action::Over(Err(why))]).collect()
    }
}

fn too_late(phase: Phase, patience: Duration) -> String {
    match phase {
        Phase::Greeting => {
            format!("the new daemon gave no sign of life for {} s", GREETING_MAX.as_secs())
        }
        Phase::Preparing => {
            format!("the new daemon was not ready within {} s", PREPARING_MAX.as_secs())
        }
        Phase::HandingOver | Phase::Over => {
            format!("the new daemon did not serve within {patience:?}")
        }
    }
}

#[cfg(test)]
mod tests;
