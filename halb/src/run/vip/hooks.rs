//! Hooks: commands that are run after a change of state, in the order of the changes, one at a
//! time. keepalived's arguments are appended: `INSTANCE NAME STATE PRIORITY`, with STATE one of
//! MASTER, BACKUP, FAULT and STOP, or `GROUP NAME STATE 0`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halb_healthcheck::program::{self, Gate, Program, RunError, Trust};
use tokio::sync::Notify;
use tokio::time;
use tracing::{debug, warn};

use crate::status::vrrp::{Hooks as Told, State};
use crate::status::words::exact;
use halb_config::settings::{Hook, HookSubject};

/// Changes that wait for their hooks. Beyond it one that waits is skipped for a later one of the
/// same hook, so that each hook still learns the latest state.
const WAITING_MAX: usize = 64;

/// A change of state, as a hook is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The group that changed as a whole; none: a virtual router did.
    pub(super) group: Option<Arc<str>>,
    /// The virtual router; of a group the one whose change made it.
    pub(super) instance: Arc<str>,
    /// The state before.
    pub(super) from: State,
    /// The state after.
    pub(super) to: State,
    /// Why, in a word.
    pub(super) reason: &'static str,
    /// Why.
    pub(super) why: String,
    /// The priority in force.
    pub(super) priority: u8,
    /// How it comes about.
    pub(super) sum: String,
    /// The virtual addresses.
    pub(super) addresses: String,
    /// The interface.
    pub(super) interface: Arc<str>,
}

impl Change {
    fn subject(&self) -> HookSubject {
        match &self.group {
            Some(group) => HookSubject::Group(Arc::clone(group)),
            None => HookSubject::Instance(Arc::clone(&self.instance)),
        }
    }
}

/// A run of a hook.
#[derive(Debug, Clone)]
struct Call {
    hook: Hook,
    change: Change,
    /// Earlier changes that this run stands for, too.
    skipped: u64,
}

/// What waits, and what became of what ran.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Call>,
    told: Told,
}

impl Queue {
    fn push(&mut self, mut call: Call) {
        if self.waiting.len() >= WAITING_MAX {
            let same = |waiting: &Call| waiting.hook == call.hook;
            let old = self.waiting.iter().position(same);
            if let Some(old) = old.and_then(|index| self.waiting.remove(index)) {
                call.skipped = old.skipped.saturating_add(1);
                self.told.skipped = self.told.skipped.saturating_add(1);
            }
        }
        self.waiting.push_back(call);
    }
}

/// The one queue of all hooks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Hooks {
    queue: Arc<Mutex<Queue>>,
    pushed: Arc<Notify>,
    idle: Arc<Notify>,
}

impl Hooks {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the hooks of this change run when it is their turn. Returns at once.
    pub(super) fn push(&self, hooks: &[Hook], change: &Change) {
        let subject = change.subject();
        for hook in hooks.iter().filter(|hook| hook.subject == subject) {
            let call = Call { hook: hook.clone(), change: change.clone(), skipped: 0 };
            self.queue().push(call);
        }
        self.pushed.notify_one();
    }

    /// What became of them so far.
    pub(super) fn told(&self) -> Told {
        let queue = self.queue();
        let waiting = u64::try_from(queue.waiting.len()).unwrap_or(u64::MAX);
        Told { waiting, ..queue.told.clone() }
    }

    /// Returns once nothing waits or runs.
    pub(super) async fn done(&self) {
        let idle = self.idle.notified();
        self.pushed.notify_one();
        idle.await;
    }

    /// Runs them, for ever.
    pub(super) async fn serve(self) {
        let gate = Gate::default();
        loop {
            self.pushed.notified().await;
            while let Some(call) = { self.queue().waiting.pop_front() } {
                let outcome = run(&call, &gate).await;
                self.note(&call, outcome);
            }
            self.idle.notify_waiters();
        }
    }

    fn note(&self, call: &Call, outcome: Result<String, String>) {
        let change = &call.change;
        let (name, to) =
            (change.group.as_ref().unwrap_or(&change.instance), change.to.keepalived());
        let command = call.hook.command.join(" ");
        let told = &mut self.queue().told;
        match outcome {
            Ok(end) => {
                told.succeeded = told.succeeded.saturating_add(1);
                debug!(name = &**name, to, command, end, "hook ended");
            }
            Err(error) => {
                told.failed = told.failed.saturating_add(1);
                warn!(name = &**name, to, command, error, "hook failed");
                told.last_failure = Some(format!("{command}: {error}"));
            }
        }
    }
}

async fn run(call: &Call, gate: &Gate) -> Result<String, String> {
    let mut running = match program::start(&program(call), gate) {
        Ok(running) => running,
        Err(error) => return Err(chain(&error)),
    };
    match time::timeout(call.hook.timeout, running.ended()).await {
        Ok(Ok(ended)) if ended.status.success() => Ok(ended.to_string()),
        Ok(Ok(ended)) => Err(ended.to_string()),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => {
            running.stop().await;
            Err(format!(
                "ended, as it ran for more than {}",
                exact(call.hook.timeout.as_secs_f64())
            ))
        }
    }
}

/// An error with its causes on one line.
pub(super) fn chain(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn program(call: &Call) -> Program {
    let change = &call.change;
    let priority = change.priority.to_string();
    let mut words = call.hook.command.clone();
    let added = match &change.group {
        None => ["INSTANCE", &change.instance, change.to.keepalived(), &priority],
        // A group has no priority, and keepalived says 0.
        Some(group) => ["GROUP", group, change.to.keepalived(), "0"],
    };
    words.extend(added.map(str::to_owned));
    let environment = [
        ("HALB_VIP_INSTANCE", change.instance.to_string()),
        ("HALB_VIP_GROUP", change.group.as_deref().unwrap_or_default().to_owned()),
        ("HALB_VIP_STATE", change.to.word().to_owned()),
        ("HALB_VIP_PREVIOUS_STATE", change.from.word().to_owned()),
        ("HALB_VIP_REASON", change.reason.to_owned()),
        ("HALB_VIP_WHY", change.why.clone()),
        ("HALB_VIP_PRIORITY", priority),
        ("HALB_VIP_PRIORITY_SUM", change.sum.clone()),
        ("HALB_VIP_ADDRESSES", change.addresses.clone()),
        ("HALB_VIP_INTERFACE", change.interface.to_string()),
        ("HALB_VIP_SKIPPED", call.skipped.to_string()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Program { words, environment, trust: Trust::OwnersOnly }
}

#[cfg(test)]
mod tests;
