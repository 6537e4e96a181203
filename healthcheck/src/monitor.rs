//! One target's machine: when it is checked next, and what the answers make of its health.
//!
//! ```text
//!             due                 answer
//!  Waiting ────────▶ Probing ───────────────▶ Waiting
//!     ▲ │               │ deadline: the driver is asked to end the probe, which is an answer
//!     │ └── pause ──────┴─────────▶ Paused
//!     └──────────── resume ───────────┘
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Target;
use crate::fleet::ProbeId;
use crate::health::{Health, Movement, Verdict};
use crate::outcome::Outcome;
use crate::status::{HISTORY_LEN, LastCheck, Mark, MarkResult, TargetStatus};

pub(crate) struct Monitor {
    target: Arc<Target>,
    health: Health,
    phase: Phase,
    /// When the last check really started.
    last_start: Option<Instant>,
    /// The last check ended because this process stood still.
    stalled: bool,
    /// Start of the verdict.
    since: Instant,
    last: Option<Ended>,
    tally: Tally,
    history: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting { due: Instant },
    Probing(Probing),
    Paused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probing {
    probe: ProbeId,
    /// The start as scheduled; the cadence counts from here, so that it doesn't drift.
    scheduled: Instant,
    started: Instant,
    deadline: Instant,
    /// The driver has been asked to end the probe.
    expired: bool,
    /// A connect of a client failed meanwhile.
    hurried: bool,
}

struct Ended {
    outcome: Outcome,
    took: Duration,
    at: Instant,
}

#[derive(Default)]
struct Tally {
    checks: u64,
    failures: u64,
    inconclusive: u64,
    flips: u64,
}

/// What a monitor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Its next check.
    Due(Instant),
    /// The end of the running one.
    Deadline(Instant),
    /// Somebody else: the driver or an operator.
    None,
}

/// Whose fault a missed deadline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// The server's: it had its time.
    Server,
    /// Ours: this process was not running when the deadline came.
    Stall(Duration),
}

/// Shortest time between two checks of a server, and shortest timeout: a pace of zero must not
/// spin.
pub(crate) const PACE_MIN: Duration = Duration::from_millis(10);

/// Longest interval and timeout that are told apart; keeps sums of times in range.
const PACE_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Failed connects of clients bring a check forward at most this often, unless `fast_interval`
/// says otherwise: a dead server under load is found in well under a second, and one in trouble is
/// not flooded.
pub(crate) const PASSIVE_GAP: Duration = Duration::from_millis(200);

/// A deadline seen so late means that this process stood still (stopped, or its host was), so that
/// the answer may wait in the socket. Well above what a busy host delays a timer.
pub(crate) const STALL_MIN: Duration = Duration::from_millis(250);

impl Monitor {
    pub(crate) fn new(target: Arc<Target>, now: Instant, due: Instant) -> Self {
        Self {
            health: Health::new(target.check.threshold, target.check.initial),
            target,
            phase: Phase::Waiting { due },
            last_start: None,
            stalled: false,
            since: now,
            last: None,
            tally: Tally::default(),
            history: VecDeque::new(),
        }
    }

    pub(crate) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    pub(crate) fn health(&self) -> Health {
        self.health
    }

    pub(crate) fn probe(&self) -> Option<ProbeId> {
        match self.phase {
            Phase::Probing(probing) => Some(probing.probe),
            Phase::Waiting { .. } | Phase::Paused => None,
        }
    }

    /// Changes with every call that takes `&mut self`.
    pub(crate) fn timer(&self) -> Timer {
        match self.phase {
            Phase::Waiting { due } => Timer::Due(due),
            Phase::Probing(probing) if !probing.expired => Timer::Deadline(probing.deadline),
            Phase::Probing(_) | Phase::Paused => Timer::None,
        }
    }

    /// From one start to the next, as things stand (HAProxy's `srv_getinter`).
    pub(crate) fn interval(&self) -> Duration {
        let pace = &self.target.check.pace;
        let interval = if self.health.is_fully_up() {
            pace.interval
        } else if self.health.is_fully_down() {
            pace.down_interval.unwrap_or(pace.interval)
        } else {
            pace.fast_interval.unwrap_or(pace.interval)
        };
        interval.clamp(PACE_MIN, PACE_MAX)
    }

    /// A check starts; returns its deadline.
    pub(crate) fn start(&mut self, now: Instant, probe: ProbeId) -> Instant {
        let Phase::Waiting { due } = self.phase else {
            debug_assert!(false, "a check starts only out of waiting");
            return now;
        };
        let timeout = self.target.check.pace.timeout.clamp(PACE_MIN, PACE_MAX);
        let deadline = now + timeout;
        self.last_start = Some(now);
        self.phase = Phase::Probing(Probing {
            probe,
            scheduled: due.min(now),
            started: now,
            deadline,
            expired: false,
            hurried: false,
        });
        deadline
    }

    /// The running check has reached its deadline. The driver owes an outcome for
    /// [`Expiry::Server`]; for [`Expiry::Stall`] the caller ends the check as inconclusive.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expiry> {
        let Phase::Probing(probing) = &mut self.phase else { return None };
        if probing.expired || now < probing.deadline {
            return None;
        }
        probing.expired = true;
        let late = now - probing.deadline;
        // Never twice in a row: on a host that is always late, timeouts must count.
        self.stalled = late >= STALL_MIN && !self.stalled;
        Some(if self.stalled { Expiry::Stall(late) } else { Expiry::Server })
    }

    /// The running check has ended; `shortening` is taken off the time to the next one (at most
    /// that time). Returns the time it took and what it did to the health.
    pub(crate) fn finish(
        &mut self,
        now: Instant,
        outcome: Outcome,
        shortening: impl FnOnce(Duration) -> Duration,
    ) -> Option<(Duration, Movement)> {
        let Phase::Probing(probing) = self.phase else { return None };
        if !probing.expired {
            self.stalled = false;
        }
        let took = now.saturating_duration_since(probing.started);
        let movement = self.count(now, &outcome, took);
        self.last = Some(Ended { outcome, took, at: now });

        let interval = self.interval();
        let gap = interval.saturating_sub(shortening(interval)).max(PACE_MIN);
        // A check that outlasts the interval delays the next one, which then starts at once.
        let mut due = (probing.scheduled + gap).max(now);
        if probing.hurried && self.health.verdict() == Verdict::Up {
            due = due.min(self.earliest_passive(now));
        }
        self.phase = Phase::Waiting { due };
        Some((took, movement))
    }

    fn count(&mut self, now: Instant, outcome: &Outcome, took: Duration) -> Movement {
        self.tally.checks = self.tally.checks.saturating_add(1);
        if self.history.len() == HISTORY_LEN {
            self.history.pop_front();
        }
        self.history.push_back(Mark { result: MarkResult::from(outcome), took });
        let movement = match outcome {
            Outcome::Passed { .. } => self.health.pass(),
            Outcome::Failed { .. } => {
                self.tally.failures = self.tally.failures.saturating_add(1);
                self.health.fail()
            }
            Outcome::Inconclusive { .. } => {
                self.tally.inconclusive = self.tally.inconclusive.saturating_add(1);
                return Movement::None;
            }
        };
        self.note(now, movement)
    }

    fn note(&mut self, now: Instant, movement: Movement) -> Movement {
        if movement == Movement::Flipped {
            self.tally.flips = self.tally.flips.saturating_add(1);
            self.since = now;
        }
        movement
    }

    /// A client's connect to the server failed: the next check comes at once, but not within
    /// `fast_interval` (or [`PASSIVE_GAP`]) of the last start.
    pub(crate) fn hurry(&mut self, now: Instant) {
        // A server that is down gets no clients, so there is nothing to find out sooner.
        if !self.target.check.passive || self.health.verdict() == Verdict::Down {
            return;
        }
        let earliest = self.earliest_passive(now);
        match &mut self.phase {
            Phase::Waiting { due } => *due = earliest.min(*due),
            Phase::Probing(probing) => probing.hurried = true,
            Phase::Paused => {}
        }
    }

    fn earliest_passive(&self, now: Instant) -> Instant {
        let gap = self.target.check.pace.fast_interval.unwrap_or(PASSIVE_GAP);
        let gap = gap.clamp(PACE_MIN, self.interval());
        self.last_start.map_or(now, |start| now.max(start + gap))
    }

    /// Maintenance begins: no more checks. Returns the probe to abort.
    pub(crate) fn pause(&mut self) -> Option<ProbeId> {
        let probe = self.probe();
        self.phase = Phase::Paused;
        probe
    }

    /// Maintenance ends: the health is as before the first answer, and the check comes at once.
    pub(crate) fn resume(&mut self, now: Instant) -> Movement {
        if self.phase != Phase::Paused {
            return Movement::None;
        }
        self.phase = Phase::Waiting { due: now };
        let movement = self.health.restart(self.target.check.initial);
        self.note(now, movement)
    }

    /// The target is described anew. The verdict stands; counters and history stay. Another
    /// address is another server: it is checked at once, and one answer to the contrary turns the
    /// verdict. Another probe is checked at once as well. Returns the probe to abort.
    pub(crate) fn reconfigure(&mut self, now: Instant, target: Arc<Target>) -> Option<ProbeId> {
        let old = std::mem::replace(&mut self.target, target);
        let (old, new) = (&*old, &*self.target);
        if old == new {
            return None;
        }
        self.health.rescale(new.check.threshold);
        let moved = old.address != new.address;
        if moved {
            self.health.doubt();
        }
        let stale =
            moved || old.check.probe != new.check.probe || old.check.source != new.check.source;
        match self.phase {
            Phase::Waiting { .. } | Phase::Probing(_) if stale => {
                let probe = self.probe();
                self.phase = Phase::Waiting { due: now };
                probe
            }
            Phase::Waiting { .. } | Phase::Probing(_) => {
                self.bring_forward(now);
                None
            }
            Phase::Paused => None,
        }
    }

    /// The interval may have become shorter.
    fn bring_forward(&mut self, now: Instant) {
        let Some(start) = self.last_start else { return };
        let latest = now.max(start + self.interval());
        if let Phase::Waiting { due } = &mut self.phase {
            *due = latest.min(*due);
        }
    }

    /// Goes on where another monitor left the same target. A check that ran there is lost, and due.
    pub(crate) fn resume_from(&mut self, now: Instant, kept: &TargetStatus) {
        if let Some(health) = Health::at(kept.health, kept.rise, kept.fall) {
            self.health = health;
            self.health.rescale(self.target.check.threshold);
        }
        let before = |ago: Duration| now.checked_sub(ago).unwrap_or(now);
        self.since = before(kept.since);
        self.tally = Tally {
            checks: kept.checks,
            failures: kept.failures,
            inconclusive: kept.inconclusive,
            flips: kept.flips,
        };
        let beyond = kept.history.len().saturating_sub(HISTORY_LEN);
        self.history = kept.history.iter().skip(beyond).copied().collect();
        if let Some(last) = &kept.last {
            let (outcome, took, at) = (last.outcome.clone(), last.took, before(last.ago));
            self.last = Some(Ended { outcome, took, at });
            let start = before(last.ago.saturating_add(last.took));
            self.last_start = Some(start);
            self.phase = Phase::Waiting { due: now.max(start + self.interval()) };
        }
        if kept.paused {
            self.phase = Phase::Paused;
        }
    }

    pub(crate) fn status(&self, now: Instant) -> TargetStatus {
        let threshold = self.health.threshold();
        TargetStatus {
            id: self.target.id.clone(),
            verdict: self.health.verdict(),
            health: self.health.value(),
            rise: threshold.rise.get(),
            fall: threshold.fall.get(),
            checking: matches!(self.phase, Phase::Probing(_)),
            paused: self.phase == Phase::Paused,
            checks: self.tally.checks,
            failures: self.tally.failures,
            inconclusive: self.tally.inconclusive,
            flips: self.tally.flips,
            since: now.saturating_duration_since(self.since),
            last: self.last.as_ref().map(|ended| LastCheck {
                outcome: ended.outcome.clone(),
                took: ended.took,
                ago: now.saturating_duration_since(ended.at),
            }),
            history: self.history.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
