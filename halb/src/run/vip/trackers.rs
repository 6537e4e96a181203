//! Scripts and files that priorities depend on: run and read at a fixed pace, and told to the
//! virtual routers. How results count is theirs to say.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use halb_healthcheck::program::{self, Gate, Program, RunError, Trust};
use halb_vrrp::driver::OwnedSighting;
use halb_vrrp::track::ScriptResult;
use nix::fcntl::OFlag;
use tokio::sync::Semaphore;
use tokio::task::{self, AbortHandle};
use tokio::time::{self, MissedTickBehavior};
use tracing::debug;

use super::details::Details;
use super::hooks::chain;
use crate::status::words::exact;
use halb_config::settings::{TrackedFile, TrackedScript};

/// Tracked files that are read at a time. One on a disk that hangs keeps its place, so that a few
/// such disks don't stop the others.
pub(in crate::run) const TRACKED_READS_MAX: usize = 4;

/// Longest content that is looked at, in bytes: any number is shorter.
const FILE_LEN_MAX: u64 = 64;

/// Where sightings go. Returns at once.
pub(super) type Sight = Arc<dyn Fn(OwnedSighting) + Send + Sync>;

/// The tasks that look at scripts and files.
pub(super) struct Trackers {
    sight: Sight,
    details: Details,
    reads: Arc<Semaphore>,
    tasks: HashMap<Watched, AbortHandle>,
}

/// What a task looks at, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Watched {
    Script { name: Arc<str>, command: Vec<String>, interval: Duration, timeout: Duration },
    File { path: Arc<str>, interval: Duration },
}

impl Watched {
    /// As trackers display it.
    fn subject(&self) -> String {
        match self {
            Self::Script { name, .. } => format!("script '{name}'"),
            Self::File { path, .. } => format!("file '{path}'"),
        }
    }
}

impl Trackers {
    pub(super) fn new(sight: Sight, details: Details) -> Self {
        let reads = Arc::new(Semaphore::new(TRACKED_READS_MAX));
        Self { sight, details, reads, tasks: HashMap::new() }
    }

    /// From now on these are looked at. What stays as it was goes on undisturbed; scripts that go
    /// are killed. Must be called within a tokio runtime.
    pub(super) fn apply(&mut self, scripts: &[TrackedScript], files: &[TrackedFile]) {
        let script = |of: &TrackedScript| Watched::Script {
            name: of.name.clone(),
            command: of.command.clone(),
            interval: of.interval,
            timeout: of.timeout,
        };
        let file =
            |of: &TrackedFile| Watched::File { path: of.path.clone(), interval: of.interval };
        let wanted: Vec<Watched> =
            scripts.iter().map(script).chain(files.iter().map(file)).collect();
        self.tasks.retain(|watched, task| {
            let stays = wanted.contains(watched);
            if !stays {
                task.abort();
                self.details.forget(&watched.subject());
            }
            stays
        });
        for watched in wanted {
            if !self.tasks.contains_key(&watched) {
                let task = task::spawn(self.watch(watched.clone()));
                self.tasks.insert(watched, task.abort_handle());
            }
        }
    }

    fn watch(&self, watched: Watched) -> impl Future<Output = ()> + Send + use<> {
        let (sight, details, reads) =
            (self.sight.clone(), self.details.clone(), self.reads.clone());
        async move {
            match watched {
                Watched::Script { name, command, interval, timeout } => {
                    let program = Program {
                        words: command,
                        environment: Vec::new(),
                        trust: Trust::OwnersOnly,
                    };
                    run_script(&name, program, interval, timeout, &sight, &details).await;
                }
                Watched::File { path, interval } => {
                    read_file(path, interval, &reads, &sight, &details).await;
                }
            }
        }
    }
}

impl Drop for Trackers {
    fn drop(&mut self) {
        self.tasks.values().for_each(AbortHandle::abort);
    }
}

/// Runs are started at a fixed pace; while one runs, turns are skipped.
fn pace(interval: Duration) -> time::Interval {
    let mut pace = time::interval(interval);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    pace
}

async fn run_script(
    name: &Arc<str>,
    program: Program,
    interval: Duration,
    timeout: Duration,
    sight: &Sight,
    details: &Details,
) {
    let gate = Gate::default();
    let mut pace = pace(interval);
    let tell = |result, detail: String| {
        details.tell(format!("script '{name}'"), detail);
        sight(OwnedSighting::Script(name.clone(), result));
    };
    loop {
        pace.tick().await;
        let mut running = match program::start(&program, &gate) {
            Ok(running) => running,
            // Its failure was told when its time was up.
            Err(RunError::Busy) => continue,
            Err(error) => {
                // A shortage of this host says nothing of what the script looks at.
                debug!(script = &**name, error = chain(&error), "tracked script was not started");
                continue;
            }
        };
        match time::timeout(timeout, running.ended()).await {
            Ok(Ok(ended)) if ended.status.success() => {
                tell(ScriptResult::Passed, ended.to_string());
            }
            Ok(Ok(ended)) => tell(ScriptResult::Failed, ended.to_string()),
            Ok(Err(error)) => tell(ScriptResult::Failed, chain(&error)),
            Err(_) => {
                let limit = exact(timeout.as_secs_f64());
                tell(ScriptResult::Failed, format!("ran for more than {limit} and was ended"));
                running.stop().await;
            }
        }
    }
}

async fn read_file(
    path: Arc<str>,
    interval: Duration,
    reads: &Arc<Semaphore>,
    sight: &Sight,
    details: &Details,
) {
    let mut pace = pace(interval);
    loop {
        pace.tick().await;
        let Ok(turn) = reads.clone().acquire_owned().await else { return };
        let wanted = path.clone();
        let read = task::spawn_blocking(move || {
            let read = content(&wanted);
            // It travels with the read, which goes on when this task is aborted.
            drop(turn);
            read
        });
        let Ok(read) = read.await else { return };
        let (value, detail) = number(read);
        details.tell(format!("file '{path}'"), detail);
        sight(OwnedSighting::File(path.clone(), value));
    }
}

/// The beginning of a file. A pipe in its place is not waited for.
fn content(path: &str) -> io::Result<String> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The number in a file, and what to say of it. keepalived's rule: what is no number is 0.
fn number(content: io::Result<String>) -> (i64, String) {
    match content {
        Ok(text) => match text.split_whitespace().next().unwrap_or_default().parse() {
            Ok(value) => (value, format!("it holds {value}")),
            Err(_) => (0, "it holds no whole number, which counts as 0".to_owned()),
        },
        Err(error) => (0, format!("it can't be read, which counts as 0: {error}")),
    }
}

#[cfg(test)]
mod tests;
