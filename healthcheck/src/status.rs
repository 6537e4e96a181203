//! What the checks tell about themselves: one entry per target at one moment.

use std::time::Duration;

use crate::health::{Verdict, progress};
use crate::outcome::{CheckCode, Outcome};

/// One target at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetStatus {
    /// Whatever the owner calls it.
    pub id: String,
    /// Up or down.
    pub verdict: Verdict,
    /// 0 to `rise + fall - 1`; up from `rise` on.
    pub health: u32,
    /// Successes that make it up.
    pub rise: u32,
    /// Failures that make it down.
    pub fall: u32,
    /// A check runs at this moment.
    pub checking: bool,
    /// In maintenance: no checks.
    pub paused: bool,
    /// Checks ended since the start, inconclusive ones included.
    pub checks: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that this host couldn't make for want of something.
    pub inconclusive: u64,
    /// Changes of the verdict since the start.
    pub flips: u64,
    /// Time since the last change of the verdict, or since the target came.
    pub since: Duration,
    /// The last check that ended.
    pub last: Option<LastCheck>,
    /// The last [`HISTORY_LEN`] checks, oldest first.
    pub history: Vec<Mark>,
}

impl TargetStatus {
    /// HAProxy's word for the last check.
    #[must_use]
    pub fn code(&self) -> CheckCode {
        self.last.as_ref().map_or(CheckCode::Ini, |last| last.outcome.code())
    }

    /// How far from the next verdict, as HAProxy shows it (`UP 2/3`): `(failures it still survives
    /// + 1, fall)` while up, `(successes counted, rise)` while down.
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        progress(self.health, self.rise, self.fall)
    }
}

/// The last check of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct LastCheck {
    /// How it ended.
    pub outcome: Outcome,
    /// From its start to its end.
    pub took: Duration,
    /// Time since its end.
    pub ago: Duration,
}

/// One check in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// How it ended.
    pub result: MarkResult,
    /// From its start to its end.
    pub took: Duration,
}

/// How a check in the history ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkResult {
    /// The server answered as it should.
    Passed,
    /// It didn't.
    Failed,
    /// This host couldn't ask.
    Inconclusive,
}

impl From<&Outcome> for MarkResult {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Passed { .. } => Self::Passed,
            Outcome::Failed { .. } => Self::Failed,
            Outcome::Inconclusive { .. } => Self::Inconclusive,
        }
    }
}

/// Checks kept for the history: about two minutes at the usual pace, a strip as wide as a table.
pub const HISTORY_LEN: usize = 64;
