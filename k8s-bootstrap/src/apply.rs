//! Which step comes next, and what becomes of the rest when one fails, a connection is lost or the
//! operator has had enough.
//!
//! ```text
//!                    ┌────────── lost: wait, look again ──────────┐
//!                    ▼                                            │
//!  (next step) ──▶ probe ──to do──▶ act ──done──▶ verify ──holds──▶ step is changed
//!                    │               │              │  ▲
//!              as wanted           failed       not yet, and time is left
//!                    ▼               ▼
//!            step is unchanged   host has failed
//! ```
//!
//! A host does one step at a time, in its order. Stages follow each other; within one, as many hosts
//! work at once as its pace allows. A failure ends its host: others that have begun in this stage
//! finish it, and nothing else begins. Cancelling ends each host before its next act: an act that
//! was begun is finished and verified, so that no host is left in the middle of one.
//!
//! [`Apply`] is pure. Whoever drives it takes [`poll_action`](Apply::poll_action) until there is
//! none, does what it says, tells what came of it, and comes back at
//! [`poll_timeout`](Apply::poll_timeout) if nothing else happens before.

use std::time::{Duration, Instant};

use crate::plan::step::Step;
use crate::plan::{Pace, Plan};

/// Hosts that work at once where the plan allows several: the operator's own network and the package
/// mirror are what more of them would wait for.
pub const HOSTS_AT_ONCE_MAX: usize = 10;

/// How long a host may be away before its step counts as failed: longer than any server needs to
/// boot.
pub const AWAY_MAX: Duration = Duration::from_secs(600);

/// Pause before a connection is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);

/// Pause before a verification is asked again.
const VERIFY_PAUSE: Duration = Duration::from_secs(2);

/// A step of a plan, by its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepAt {
    /// Which stage of the plan.
    pub stage: usize,
    /// Which host of the stage.
    pub host: usize,
    /// Which step of the host.
    pub step: usize,
}

impl StepAt {
    /// The step in its plan.
    ///
    /// # Panics
    /// If it is another plan's.
    #[must_use]
    pub fn of(self, plan: &Plan) -> &Step {
        &plan.stages[self.stage].hosts[self.host].steps[self.step]
    }

    /// The name of its host.
    ///
    /// # Panics
    /// If it is another plan's.
    #[must_use]
    pub fn host_of(self, plan: &Plan) -> &str {
        &plan.stages[self.stage].hosts[self.host].host
    }
}

/// What is under way on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking whether it is as wanted.
    Probe,
    /// Doing it.
    Act,
    /// Looking whether it worked.
    Verify,
}

/// What came of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Probe: all is as wanted. Act: it is done. Verify: it worked.
    Good,
    /// Probe: there is something to do. Verify: it doesn't show yet.
    NotYet,
    /// It can't be done.
    Failed,
    /// The connection was lost, and what came of it is unknown.
    Lost,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd {
    /// It was as wanted before.
    Unchanged,
    /// It was done.
    Changed,
    /// It failed, and its host with it.
    Failed,
}

/// Where one host is in its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Nothing of it has begun.
    Waiting,
    /// About to begin with a phase.
    Ready(Phase),
    /// A phase is under way.
    Busy(Phase),
    /// A phase is asked again later.
    Paused(Phase, Instant),
    /// All its steps are done.
    Finished,
    /// A step failed.
    Failed,
    /// It was stopped between two acts.
    Stopped,
}

#[derive(Debug, Clone)]
struct Host {
    /// For each step, whether it has a probe, and how long its verification may take if it has one.
    steps: Vec<(bool, Option<Duration>)>,
    /// The step that it is at.
    step: usize,
    stand: Stand,
    /// Until when the step's verification may say «not yet».
    patience: Option<Instant>,
    /// Since when the host is away.
    away: Option<Instant>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every step of the plan is done.
    Done,
    /// A step failed.
    Failed,
    /// The operator had enough, and no step failed.
    Cancelled,
}

/// A plan that is carried out.
#[derive(Debug, Clone)]
pub struct Apply {
    stages: Vec<(Pace, Vec<Host>)>,
    stage: usize,
    cancelled: bool,
    /// Steps that ended and that nobody was told of.
    ended: Vec<(StepAt, StepEnd)>,
}

impl Apply {
    /// Nothing done yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let host = |steps: &[Step]| Host {
            steps: steps
                .iter()
                .map(|step| (step.probe.is_some(), step.verify.as_ref().map(|it| it.timeout)))
                .collect(),
            step: 0,
            stand: Stand::Waiting,
            patience: None,
            away: None,
        };
        let stages = plan
            .stages
            .iter()
            .map(|stage| (stage.pace, stage.hosts.iter().map(|of| host(&of.steps)).collect()));
        Self { stages: stages.collect(), stage: 0, cancelled: false, ended: Vec::new() }
    }

    /// What to begin now, if anything. It changes with everything that is told, and at
    /// [`poll_timeout`](Self::poll_timeout).
    pub fn poll_action(&mut self, now: Instant) -> Option<(StepAt, Phase)> {
        while self.stage_is_over() {
            self.stage += 1;
        }
        let stage = self.stage;
        self.begin_hosts();
        let cancelled = self.cancelled;
        let (_, hosts) = self.stages.get_mut(stage)?;
        for (number, host) in hosts.iter_mut().enumerate() {
            let phase = match host.stand {
                Stand::Ready(phase) => phase,
                Stand::Paused(phase, until) if until <= now => phase,
                Stand::Waiting
                | Stand::Busy(_)
                | Stand::Paused(..)
                | Stand::Finished
                | Stand::Failed
                | Stand::Stopped => continue,
            };
            if cancelled && phase != Phase::Verify {
                host.stand = Stand::Stopped;
                continue;
            }
            host.stand = Stand::Busy(phase);
            return Some((StepAt { stage, host: number, step: host.step }, phase));
        }
        None
    }

    /// When to ask again if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (_, hosts) = self.stages.get(self.stage)?;
        let pauses = hosts.iter().filter_map(|host| match host.stand {
            Stand::Paused(_, until) => Some(until),
            Stand::Waiting
            | Stand::Ready(_)
            | Stand::Busy(_)
            | Stand::Finished
            | Stand::Failed
            | Stand::Stopped => None,
        });
        pauses.min()
    }

    /// A step that ended since this was last asked.
    pub fn poll_ended(&mut self) -> Option<(StepAt, StepEnd)> {
        (!self.ended.is_empty()).then(|| self.ended.remove(0))
    }

    /// What came of the phase that is under way at a step.
    pub fn handle_end(&mut self, now: Instant, at: StepAt, end: End) {
        let hosts = self.stages.get_mut(at.stage).filter(|_| at.stage == self.stage);
        let Some(host) = hosts.and_then(|(_, hosts)| hosts.get_mut(at.host)) else { return };
        let Stand::Busy(phase) = host.stand else { return };
        if host.step != at.step {
            return;
        }
        if end != End::Lost {
            host.away = None;
        }
        let ended = match (phase, end) {
            (Phase::Probe, End::Good) => host.finish(StepEnd::Unchanged),
            (Phase::Verify, End::Good) => host.finish(StepEnd::Changed),
            (Phase::Probe, End::NotYet) => host.go(Phase::Act),
            (Phase::Act, End::Good) => host.acted(now),
            (Phase::Verify, End::NotYet) => host.verify_again(now),
            (_, End::Lost) => host.lost(phase, now),
            (Phase::Act, End::NotYet) | (_, End::Failed) => host.fail(),
        };
        if let Some(ended) = ended {
            self.ended.push((at, ended));
        }
    }

    /// The operator has had enough: acts that were begun are finished, nothing else begins.
    pub fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// Whether [`cancel`](Self::cancel) was said.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// How it ended; none while something is under way or to be begun.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        let Some((_, hosts)) = self.stages.get(self.stage) else { return Some(Outcome::Done) };
        let failed = hosts.iter().any(|host| host.stand == Stand::Failed);
        let under_way = |host: &Host| match host.stand {
            Stand::Waiting => !failed && !self.cancelled,
            Stand::Ready(_) | Stand::Busy(_) | Stand::Paused(..) => true,
            Stand::Finished | Stand::Failed | Stand::Stopped => false,
        };
        if hosts.iter().any(under_way) {
            None
        } else if failed {
            Some(Outcome::Failed)
        } else if self.cancelled {
            let last = self.stage + 1 == self.stages.len();
            let done = last && hosts.iter().all(|host| host.stand == Stand::Finished);
            Some(if done { Outcome::Done } else { Outcome::Cancelled })
        } else {
            // The next stage begins when it is asked for.
            (self.stage + 1 == self.stages.len()).then_some(Outcome::Done)
        }
    }

    fn stage_is_over(&self) -> bool {
        let over =
            |(_, hosts): &(Pace, Vec<Host>)| hosts.iter().all(|host| host.stand == Stand::Finished);
        !self.cancelled && self.stages.get(self.stage).is_some_and(over)
    }

    /// Lets as many hosts begin as the stage's pace allows.
    fn begin_hosts(&mut self) {
        if self.cancelled {
            return;
        }
        let Some((pace, hosts)) = self.stages.get_mut(self.stage) else { return };
        if hosts.iter().any(|host| host.stand == Stand::Failed) {
            return;
        }
        let at_once = match pace {
            Pace::AtOnce => HOSTS_AT_ONCE_MAX,
            Pace::OneByOne => 1,
        };
        let working = hosts.iter().filter(|host| host.is_working()).count();
        let free = at_once.saturating_sub(working);
        let waiting = hosts.iter_mut().filter(|host| host.stand == Stand::Waiting);
        waiting.take(free).for_each(Host::begin_step);
    }
}

impl Host {
    fn is_working(&self) -> bool {
        match self.stand {
            Stand::Ready(_) | Stand::Busy(_) | Stand::Paused(..) => true,
            Stand::Waiting | Stand::Finished | Stand::Failed | Stand::Stopped => false,
        }
    }

    /// Begins with the step that it is at, or finishes if there is none.
    fn begin_step(&mut self) {
        (self.patience, self.away) = (None, None);
        self.stand = match self.steps.get(self.step) {
            Some((true, _)) => Stand::Ready(Phase::Probe),
            Some((false, _)) => Stand::Ready(Phase::Act),
            None => Stand::Finished,
        };
    }

    fn go(&mut self, phase: Phase) -> Option<StepEnd> {
        self.stand = Stand::Ready(phase);
        None
    }

    fn finish(&mut self, end: StepEnd) -> Option<StepEnd> {
        self.step += 1;
        self.begin_step();
        Some(end)
    }

    fn fail(&mut self) -> Option<StepEnd> {
        self.stand = Stand::Failed;
        Some(StepEnd::Failed)
    }

    fn verify_limit(&self) -> Option<Duration> {
        self.steps.get(self.step).and_then(|(_, verify)| *verify)
    }

    fn acted(&mut self, now: Instant) -> Option<StepEnd> {
        let Some(limit) = self.verify_limit() else { return self.finish(StepEnd::Changed) };
        self.patience = Some(now + limit);
        self.go(Phase::Verify)
    }

    fn verify_again(&mut self, now: Instant) -> Option<StepEnd> {
        if self.patience.is_none_or(|until| now >= until) {
            return self.fail();
        }
        self.stand = Stand::Paused(Phase::Verify, now + VERIFY_PAUSE);
        None
    }

    /// What was under way may have been done or not: whoever can looks first.
    fn lost(&mut self, phase: Phase, now: Instant) -> Option<StepEnd> {
        let since = *self.away.get_or_insert(now);
        if now.saturating_duration_since(since) >= AWAY_MAX {
            return self.fail();
        }
        let probes = self.steps.get(self.step).is_some_and(|(probe, _)| *probe);
        let again = match phase {
            Phase::Probe | Phase::Act if probes => Phase::Probe,
            Phase::Probe | Phase::Act => Phase::Act,
            Phase::Verify => {
                // While it was away nobody could see whether it worked.
                self.patience = self.verify_limit().map(|limit| now + limit);
                Phase::Verify
            }
        };
        self.stand = Stand::Paused(again, now + RECONNECT_PAUSE);
        None
    }
}

#[cfg(test)]
mod tests;
