//! All targets under check: who is asked when, how many at a time, and what came of it.
//!
//! The driver's contract: after every call, take actions until there are none; call
//! [`Fleet::handle_timeout`] at [`Fleet::poll_timeout`]; answer every [`Action::StartProbe`] with
//! one [`Fleet::handle_outcome`], unless [`Action::AbortProbe`] comes first, and answer
//! [`Action::ExpireProbe`] at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Target;
use crate::health::{Movement, Verdict};
use crate::monitor::{Expiry, Monitor, PACE_MIN, Timer};
use crate::outcome::Outcome;
use crate::status::TargetStatus;

/// The machines of all targets; pure. One entry per configured target.
pub struct Fleet {
    monitors: HashMap<Arc<str>, Monitor>,
    /// Ids in the order of the configuration.
    order: Vec<Arc<str>>,
    /// Who waits for its next check, soonest first.
    due: BTreeSet<(Instant, Arc<str>)>,
    /// Who waits for the end of its running check, soonest first.
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    /// Running probes; at most [`PROBES_MAX`].
    probes: BTreeMap<ProbeId, Arc<str>>,
    next_probe: u64,
    spread: Spread,
    /// What the driver has yet to take; it takes all after each call.
    actions: VecDeque<Action>,
}

/// One run of a probe; never used twice, so that a late answer can't be taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub(crate) u64);

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the server; answer with [`Fleet::handle_outcome`].
    StartProbe {
        /// The name of this run.
        probe: ProbeId,
        /// Whom and how to ask.
        target: Arc<Target>,
        /// When [`Action::ExpireProbe`] will come; for information.
        deadline: Instant,
    },
    /// The deadline has come: end the probe and answer at once with where it stood.
    ExpireProbe(ProbeId),
    /// The answer is no longer wanted: end the probe.
    AbortProbe(ProbeId),
    /// A target has a verdict: its first, or another than before.
    Changed(HealthChange),
    /// The health moved and the verdict stands.
    Moved(HealthChange),
}

/// A target's health, and why it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChange {
    /// The target.
    pub id: Arc<str>,
    /// Up or down.
    pub verdict: Verdict,
    /// How far from the next verdict: [`Health::progress`](crate::health::Health::progress).
    pub progress: (u32, u32),
    /// What made it so.
    pub reason: Reason,
    /// Time that the check took, if a check made it so.
    pub took: Option<Duration>,
}

/// What made the health what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No check yet: it is as configured.
    Initial,
    /// A check.
    Check(Outcome),
    /// Maintenance ended.
    Resumed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initial => f.write_str("not checked yet"),
            Self::Check(outcome) => outcome.fmt(f),
            Self::Resumed => f.write_str("maintenance ended"),
        }
    }
}

/// Most probes at a time. Each holds a descriptor or a process and up to 100 KiB for a moment. A
/// hung server occupies a slot for `timeout` out of each interval, so at half the interval 512 hung
/// servers keep their cadence. Beyond it checks wait, longest due first.
pub const PROBES_MAX: usize = 256;

/// Part of each interval that is taken off at random, in per cent, so that checks of many servers
/// (and of two balancers) don't fall into step. Taken off and never added: the configured interval
/// stays the longest time from one start to the next, and detection times hold.
pub const JITTER_PERCENT: u32 = 5;

impl Fleet {
    /// No targets yet; `seed` decides how checks are spread in time.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            monitors: HashMap::new(),
            order: Vec::new(),
            due: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            probes: BTreeMap::new(),
            next_probe: 0,
            spread: Spread(seed),
            actions: VecDeque::new(),
        }
    }

    /// These are the targets from now on. Kept ids keep verdict, counters and maintenance; others
    /// go. New ones are first checked spread over the shortest of their intervals, by position.
    /// Of two targets with the same id the first counts.
    pub fn apply(&mut self, now: Instant, targets: Vec<Target>) {
        self.apply_with(now, targets, &[]);
    }

    /// As [`Fleet::apply`]; a new target that is among `former` goes on where another fleet left it:
    /// verdict, counters, history, maintenance, and the time of its next check.
    pub fn apply_with(&mut self, now: Instant, targets: Vec<Target>, former: &[TargetStatus]) {
        let mut ids = HashSet::new();
        let targets: Vec<Arc<Target>> =
            targets.into_iter().filter(|t| ids.insert(t.id.clone())).map(Arc::new).collect();
        let gone =
            self.order.iter().filter(|id| !ids.contains(&***id)).cloned().collect::<Vec<_>>();
        for id in gone {
            self.remove(&id);
        }
        self.order = targets.iter().map(|target| Arc::from(target.id.as_str())).collect();
        let (kept, new): (Vec<_>, Vec<_>) =
            targets.into_iter().partition(|target| self.monitors.contains_key(&*target.id));
        for target in kept {
            self.reconfigure(now, target);
        }
        self.insert_all(now, new, former);
        self.start_due(now);
    }

    fn insert_all(&mut self, now: Instant, new: Vec<Arc<Target>>, former: &[TargetStatus]) {
        let former: HashMap<&str, &TargetStatus> =
            former.iter().map(|status| (status.id.as_str(), status)).collect();
        let first_interval =
            |target: &Arc<Target>| Monitor::new(target.clone(), now, now).interval();
        let Some(span) = new.iter().map(first_interval).min() else { return };
        let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
        for (position, target) in (0..count).zip(new) {
            let id: Arc<str> = target.id.as_str().into();
            // `span / count` keeps the product below `span`.
            let mut monitor = Monitor::new(target, now, now + span / count * position);
            if let Some(former) = former.get(&*id) {
                monitor.resume_from(now, former);
            }
            self.actions.push_back(Action::Changed(HealthChange {
                id: id.clone(),
                verdict: monitor.health().verdict(),
                progress: monitor.health().progress(),
                reason: Reason::Initial,
                took: None,
            }));
            self.arm(&id, monitor.timer());
            self.monitors.insert(id, monitor);
        }
    }

    fn remove(&mut self, id: &Arc<str>) {
        let Some(monitor) = self.monitors.remove(id) else { return };
        self.disarm(id, monitor.timer());
        self.abort(monitor.probe());
    }

    fn reconfigure(&mut self, now: Instant, target: Arc<Target>) {
        let id: Arc<str> = target.id.as_str().into();
        let before = self.monitors.get(&id).map(Monitor::health);
        let stale = self.update(&id, |monitor| monitor.reconfigure(now, target)).flatten();
        self.abort(stale);
        debug_assert_eq!(
            before.map(|health| health.verdict()),
            self.monitors.get(&id).map(|monitor| monitor.health().verdict()),
            "a new description turns no verdict"
        );
    }

    fn abort(&mut self, probe: Option<ProbeId>) {
        if let Some(probe) = probe {
            self.probes.remove(&probe);
            self.actions.push_back(Action::AbortProbe(probe));
        }
    }

    /// A probe has ended. Answers of probes that were aborted are ignored.
    pub fn handle_outcome(&mut self, now: Instant, probe: ProbeId, outcome: Outcome) {
        let Some(id) = self.probes.remove(&probe) else { return };
        let mut spread = self.spread;
        let ended = self.update(&id, |monitor| {
            monitor.finish(now, outcome.clone(), |interval| spread.up_to_percent(interval))
        });
        self.spread = spread;
        if let Some((took, movement)) = ended.flatten() {
            self.report(&id, movement, Reason::Check(outcome), Some(took));
        }
        self.start_due(now);
    }

    /// A client's connect to this server failed; its next check comes forward, at a bounded rate.
    /// Does nothing for an unknown id, a target that isn't `passive`, and one that is down.
    pub fn handle_connect_failed(&mut self, now: Instant, id: &str) {
        self.update_known(id, |monitor| monitor.hurry(now));
        self.start_due(now);
    }

    /// Maintenance: no checks until [`Fleet::resume`]. False if there is no such target.
    pub fn pause(&mut self, now: Instant, id: &str) -> bool {
        let paused = self.update_known(id, Monitor::pause);
        self.abort(paused.flatten());
        self.start_due(now);
        paused.is_some()
    }

    /// Maintenance ends: health as before the first answer (so that by default one failure takes
    /// the server down), and a check at once. False if there is no such target.
    pub fn resume(&mut self, now: Instant, id: &str) -> bool {
        let movement = self.update_known(id, |monitor| monitor.resume(now));
        self.report_known(id, movement, Reason::Resumed);
        self.start_due(now);
        movement.is_some()
    }

    /// Starts checks that are due and ends those past their deadline.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((deadline, id)) = self.deadlines.first() {
            if *deadline > now {
                break;
            }
            let id = id.clone();
            self.expire(now, &id);
        }
        self.start_due(now);
    }

    fn expire(&mut self, now: Instant, id: &Arc<str>) {
        let probe = self.monitors.get(id).and_then(Monitor::probe);
        let expiry = self.update(id, |monitor| monitor.expire(now)).flatten();
        let (Some(probe), Some(expiry)) = (probe, expiry) else { return };
        match expiry {
            Expiry::Server => self.actions.push_back(Action::ExpireProbe(probe)),
            Expiry::Stall(late) => {
                self.actions.push_back(Action::AbortProbe(probe));
                let detail = format!("halb itself stood still for {late:.1?}");
                self.handle_outcome(now, probe, Outcome::inconclusive(&detail));
            }
        }
    }

    fn start_due(&mut self, now: Instant) {
        while self.probes.len() < PROBES_MAX {
            let Some((due, id)) = self.due.first() else { break };
            if *due > now {
                break;
            }
            let id = id.clone();
            let probe = ProbeId(self.next_probe);
            self.next_probe += 1;
            let Some((deadline, target)) =
                self.update(&id, |monitor| (monitor.start(now, probe), monitor.target().clone()))
            else {
                debug_assert!(false, "a timer without a target");
                break;
            };
            self.probes.insert(probe, id);
            self.actions.push_back(Action::StartProbe { probe, target, deadline });
        }
    }

    /// The next thing to do, if any.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Fleet::handle_timeout`] is to be called; changes with every call that takes
    /// `&mut self`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let room = self.probes.len() < PROBES_MAX;
        let due = self.due.first().filter(|_| room);
        [due, self.deadlines.first()].into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Whether there is such a target.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.monitors.contains_key(id)
    }

    /// All targets in the order of the configuration.
    #[must_use]
    pub fn status(&self, now: Instant) -> Vec<TargetStatus> {
        self.order.iter().filter_map(|id| self.monitors.get(id)).map(|m| m.status(now)).collect()
    }

    fn report_known(&mut self, id: &str, movement: Option<Movement>, reason: Reason) {
        if let Some((id, _)) = self.monitors.get_key_value(id) {
            let id = id.clone();
            self.report(&id, movement.unwrap_or(Movement::None), reason, None);
        }
    }

    fn report(
        &mut self,
        id: &Arc<str>,
        movement: Movement,
        reason: Reason,
        took: Option<Duration>,
    ) {
        let Some(health) = self.monitors.get(id).map(Monitor::health) else { return };
        let change = HealthChange {
            id: id.clone(),
            verdict: health.verdict(),
            progress: health.progress(),
            reason,
            took,
        };
        match movement {
            Movement::None => {}
            Movement::Moved => self.actions.push_back(Action::Moved(change)),
            Movement::Flipped => self.actions.push_back(Action::Changed(change)),
        }
    }

    fn update_known<R>(&mut self, id: &str, change: impl FnOnce(&mut Monitor) -> R) -> Option<R> {
        let id = self.monitors.get_key_value(id)?.0.clone();
        self.update(&id, change)
    }

    /// The only way to a monitor that moves its timer.
    fn update<R>(&mut self, id: &Arc<str>, change: impl FnOnce(&mut Monitor) -> R) -> Option<R> {
        let monitor = self.monitors.get_mut(id)?;
        let before = monitor.timer();
        let result = change(monitor);
        let after = monitor.timer();
        if before != after {
            self.disarm(id, before);
            self.arm(id, after);
        }
        Some(result)
    }

    fn arm(&mut self, id: &Arc<str>, timer: Timer) {
        match timer {
            Timer::Due(at) => self.due.insert((at, id.clone())),
            Timer::Deadline(at) => self.deadlines.insert((at, id.clone())),
            Timer::None => false,
        };
    }

    fn disarm(&mut self, id: &Arc<str>, timer: Timer) {
        match timer {
            Timer::Due(at) => self.due.remove(&(at, id.clone())),
            Timer::Deadline(at) => self.deadlines.remove(&(at, id.clone())),
            Timer::None => false,
        };
    }
}

/// A small random number generator as a value (splitmix64): the core owns no source of chance.
#[derive(Debug, Clone, Copy)]
struct Spread(u64);

impl Spread {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between nothing and [`JITTER_PERCENT`] of the interval.
    fn up_to_percent(&mut self, interval: Duration) -> Duration {
        // 1024 steps are finer than any timer here, and keep the arithmetic in `Duration`.
        let step = u32::try_from(self.next() % 1024).unwrap_or(0);
        (interval.max(PACE_MIN) / 100 * JITTER_PERCENT) / 1024 * step
    }
}

#[cfg(test)]
mod tests;
