//! Whether clients are served: what `/readyz` answers and what the watchdog looks at.

use std::iter;
use std::time::Duration;

use super::{Backend, Frontend, FrontendState, Process, Readiness};

/// A thread of the data path that came round longer ago than this is stuck: it should come round
/// each second, and a host too busy to run it for five serves nobody well.
pub const HEARTBEAT_LATE: Duration = Duration::from_secs(5);

/// Judges from the parts of a status.
#[must_use]
pub fn judge(process: &Process, frontends: &[Frontend], backends: &[Backend]) -> Readiness {
    let mut reasons = Vec::new();
    if process.stopping {
        reasons.push("the daemon is stopping".to_owned());
    }
    reasons.extend(stuck_threads(process));
    for frontend in frontends {
        judge_frontend(frontend, backends, &mut reasons);
    }
    Readiness { ready: reasons.is_empty(), reasons }
}

/// One sentence for each thread of the data path that no longer comes round its loop.
#[must_use]
pub fn stuck_threads(process: &Process) -> Vec<String> {
    let workers = process.workers.iter().map(|worker| worker.heartbeat_age_seconds);
    late(process.dispatcher_heartbeat_age_seconds, workers)
}

/// The same from the ages of the heartbeats alone, in seconds.
pub(crate) fn late(dispatcher: f64, workers: impl Iterator<Item = f64>) -> Vec<String> {
    let workers = workers.enumerate().map(|(i, age)| (format!("worker {i}"), age));
    iter::once(("the dispatcher".to_owned(), dispatcher))
        .chain(workers)
        .filter(|(_, age)| *age > HEARTBEAT_LATE.as_secs_f64())
        .map(|(who, age)| format!("{who} has not come round for {age:.1} s"))
        .collect()
}

fn judge_frontend(frontend: &Frontend, backends: &[Backend], reasons: &mut Vec<String>) {
    let name = &frontend.name;
    match frontend.state {
        FrontendState::Open => {}
        FrontendState::Full => {
            let why = frontend.listeners.iter().find_map(|l| l.paused.as_deref());
            let why = why.unwrap_or("full");
            reasons.push(format!("frontend {name} accepts no connections: {why}"));
        }
        FrontendState::Stop => reasons.push(format!("frontend {name} has no listener")),
    }
    for backend in &frontend.backends {
        if backends.iter().any(|b| &b.name == backend && !b.up) {
            reasons
                .push(format!("no server of backend {backend} is up (frontend {name} needs one)"));
        }
    }
}

#[cfg(test)]
mod tests;
