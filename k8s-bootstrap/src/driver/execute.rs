//! Carries a plan out: does what [`Apply`] says and tells it what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::apply::{Apply, End, Outcome, StepEnd};
use crate::plan::Plan;
use crate::progress::Event;

use super::host::Host;
use super::lock::{HostLock, LockError, TakenOver};

mod failure;
mod step;

pub use failure::Failure;
pub use step::{Kubeconfig, Local, Merge};

use step::{Context, Done};

/// What the operator wants of a run that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    No,
    /// Finish the steps that were begun.
    AfterSteps,
    /// Drop everything. What runs on hosts as a unit goes on there.
    Now,
}

/// What a run needs besides its plan.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who runs it, for locks: `alice@laptop, process 4711, since 2026-11-22T12:03:11Z`.
    pub who: String,
    /// The folder of this run's logs.
    pub logs: PathBuf,
    /// What steps need of the operator's side.
    pub local: Local,
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// Whether all is done.
    pub ended: Ended,
    /// Steps that were done.
    pub changed: usize,
    /// Steps whose host was as wanted.
    pub unchanged: usize,
    /// What failed, host by host.
    pub failures: Vec<Failure>,
}

/// Whether all is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// As the plan's steps say.
    Steps(Outcome),
    /// The operator dropped everything.
    Dropped,
    /// Another run took a host over while it was away.
    TakenOver(TakenOver),
}

/// Why a run didn't begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Hosts are locked by others, or can't be locked.
    #[error("{}", .0.iter().map(|error| failure::chain(error)).collect::<Vec<_>>().join("\n"))]
    Locked(Vec<LockError>),
    /// The plan is for a host that isn't there.
    #[error("the plan has the host {0}, and the inventory hasn't")]
    UnknownHost(String),
    /// There is no log.
    #[error("no log can be kept in {}", folder.display())]
    Log {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Carries a plan out on these hosts, telling what happens as it does.
///
/// Whatever ends it, a new plan and another run go on where it stopped: dropping the future is as
/// good as any other end.
///
/// # Errors
/// [`BeginError`]: nothing was done.
pub async fn execute(
    plan: Arc<Plan>,
    hosts: &[Arc<Host>],
    settings: Settings,
    mut stop: watch::Receiver<Stop>,
    tell: &mut (dyn FnMut(Event) + Send),
) -> Result<Report, BeginError> {
    let used = used(&plan, hosts)?;
    let (tell_taken, mut taken_over) = mpsc::channel(used.len().max(1));
    let _locks = lock(&used, &settings.who, &tell_taken).await?;
    let context = Arc::new(Context::new(Arc::clone(&plan), used, settings).await?);
    let mut run = Run {
        apply: Apply::new(&plan),
        context,
        under_way: JoinSet::new(),
        report: Report { ended: Ended::Dropped, changed: 0, unchanged: 0, failures: Vec::new() },
    };
    loop {
        if let Some(outcome) = run.begin(tell) {
            run.report.ended = Ended::Steps(outcome);
            break;
        }
        let again = run.apply.poll_timeout();
        let least = if run.apply.is_cancelled() { Stop::Now } else { Stop::AfterSteps };
        tokio::select! {
            Some(ended) = run.under_way.join_next() => match ended {
                Ok(done) => run.take(done, tell),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = sleep_until(again.unwrap_or_else(Instant::now).into()), if again.is_some() => {}
            wanted = stopped(&mut stop, least) => match wanted {
                Stop::AfterSteps => run.apply.cancel(),
                Stop::No | Stop::Now => break,
            },
            Some(taken) = taken_over.recv() => {
                run.report.ended = Ended::TakenOver(taken);
                break;
            }
        }
    }
    Ok(run.report)
}

struct Run {
    apply: Apply,
    context: Arc<Context>,
    under_way: JoinSet<Done>,
    report: Report,
}

impl Run {
    /// Begins what is to be begun now, and says how it ended if there is nothing left.
    fn begin(&mut self, tell: &mut (dyn FnMut(Event) + Send)) -> Option<Outcome> {
        while let Some((at, phase)) = self.apply.poll_action(Instant::now()) {
            tell(Event::Began(at, phase));
            self.under_way.spawn(step::run(Arc::clone(&self.context), at, phase));
        }
        self.apply.outcome()
    }

    fn take(&mut self, done: Done, tell: &mut (dyn FnMut(Event) + Send)) {
        let Done { at, end, trouble } = done;
        if let (End::Lost, Some(trouble)) = (end, &trouble) {
            tell(Event::Away(at, trouble.what.clone()));
        }
        self.apply.handle_end(Instant::now(), at, end);
        while let Some((at, end)) = self.apply.poll_ended() {
            match end {
                StepEnd::Changed => self.report.changed += 1,
                StepEnd::Unchanged => self.report.unchanged += 1,
                StepEnd::Failed => {
                    let failure = self.context.failure(at, trouble.clone());
                    self.report.failures.push(failure);
                }
            }
            self.context.note_end(at, end);
            tell(Event::Ended(at, end));
        }
    }
}

/// The hosts that a plan has steps for.
fn used(plan: &Plan, hosts: &[Arc<Host>]) -> Result<BTreeMap<String, Arc<Host>>, BeginError> {
    let names = plan.stages.iter().flat_map(|stage| &stage.hosts).map(|host| &host.host);
    let find = |name: &String| match hosts.iter().find(|host| host.name() == name) {
        Some(host) => Ok((name.clone(), Arc::clone(host))),
        None => Err(BeginError::UnknownHost(name.clone())),
    };
    names.map(find).collect()
}

/// Locks all hosts, or none.
async fn lock(
    hosts: &BTreeMap<String, Arc<Host>>,
    who: &str,
    taken_over: &mpsc::Sender<TakenOver>,
) -> Result<Vec<HostLock>, BeginError> {
    let mut taking = JoinSet::new();
    for host in hosts.values() {
        let (host, who, taken_over) = (Arc::clone(host), who.to_owned(), taken_over.clone());
        taking.spawn(async move { HostLock::take(host, &who, taken_over).await });
    }
    let (mut locks, mut errors) = (Vec::new(), Vec::new());
    for taken in taking.join_all().await {
        match taken {
            Ok(lock) => locks.push(lock),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(locks) } else { Err(BeginError::Locked(errors)) }
}

/// Waits for the operator to want at least this much.
async fn stopped(stop: &mut watch::Receiver<Stop>, least: Stop) -> Stop {
    let wanted = stop.wait_for(|stop| *stop >= least).await.map(|stop| *stop);
    match wanted {
        Ok(wanted) => wanted,
        // Nobody is left who could want anything.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_for_a_host_that_is_not_there_is_refused() {
        let plan = crate::testing::plan(&[("kmaster01", 1)]);
        assert!(
            matches!(used(&plan, &[]), Err(BeginError::UnknownHost(host)) if host == "kmaster01")
        );
    }
}
