//! What every drill has: how far it is, since when all is good, and what was written down of it.

use std::time::Duration;

use super::Entry;

/// Lines of a timeline; what comes after them is not written down.
const ENTRIES_MAX: usize = 1000;

/// How far a drill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is done before all is good.
    Calm,
    /// Something was taken away.
    Away,
    /// It is to come back.
    Back,
    /// It has ended.
    Over,
}

/// How a drill goes. Times are since any moment before.
#[derive(Debug, Clone)]
pub(super) struct Course {
    phase: Phase,
    phase_begun: Duration,
    /// When something was taken away.
    acted: Option<Duration>,
    /// Since when all is as this phase wants it.
    good_since: Option<Duration>,
    faults: Vec<String>,
    timeline: Vec<Entry>,
}

impl Course {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Calm,
            phase_begun: Duration::ZERO,
            acted: None,
            good_since: None,
            faults: Vec::new(),
            timeline: Vec::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn has_acted(&self) -> bool {
        self.acted.is_some()
    }

    pub(super) fn timeline(&self) -> &[Entry] {
        &self.timeline
    }

    /// All is as this phase wants it, or not.
    pub(super) fn see(&mut self, now: Duration, good: bool) {
        self.good_since = good.then(|| self.good_since.unwrap_or(now));
    }

    /// How long all has been good; none: it isn't.
    pub(super) fn good_for(&self, now: Duration) -> Option<Duration> {
        self.good_since.map(|since| now.saturating_sub(since))
    }

    /// How long this phase lasts already.
    pub(super) fn lasted(&self, now: Duration) -> Duration {
        now.saturating_sub(self.phase_begun)
    }

    /// Something is taken away now; times of the timeline count from here.
    pub(super) fn act(&mut self, now: Duration, what: String) {
        self.acted = Some(now);
        self.enter(Phase::Away, now);
        self.note(now, what);
    }

    pub(super) fn enter(&mut self, phase: Phase, now: Duration) {
        (self.phase, self.phase_begun, self.good_since) = (phase, now, None);
    }

    /// All is as before.
    pub(super) fn end(&mut self, now: Duration, what: String) {
        self.note(now, what);
        self.phase = Phase::Over;
    }

    /// It can't go on.
    pub(super) fn fail(&mut self, now: Duration, why: String) {
        self.fault(now, why);
        self.phase = Phase::Over;
    }

    pub(super) fn fault(&mut self, now: Duration, what: String) {
        self.faults.push(what.clone());
        self.note(now, what);
    }

    pub(super) fn has_fault(&self, what: &str) -> bool {
        self.faults.iter().any(|known| known == what)
    }

    pub(super) fn note(&mut self, now: Duration, what: String) {
        let at_ms = self.acted.map_or(0, |acted| milliseconds(now.saturating_sub(acted)));
        if self.timeline.len() < ENTRIES_MAX {
            self.timeline.push(Entry { at_ms, what });
        }
    }

    /// Why it isn't passed: what was written down, an outage that was too long, and that it has no
    /// end.
    pub(super) fn faults(&self, outage: Option<String>) -> Vec<String> {
        let open = || "it didn't come to its end".to_owned();
        let is_open = self.phase != Phase::Over;
        self.faults.iter().cloned().chain(outage).chain(is_open.then(open)).collect()
    }
}

/// As a timeline and a verdict have it.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
