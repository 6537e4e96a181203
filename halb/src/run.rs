//! `halb run`: the daemon, in the order in which things happen.
//!
//! ```text
//!  checks ──verdicts──▶ data path ──failed connects──▶ checks
//!         └───────────▶ kernel's rules (frontends that it forwards)
//!                          │ records ──▶ access log ──▶ sinks ──▶ stderr, syslog, a file
//!  control socket ─┐       │ snapshots
//!  admin address ──┴──▶ daemon (status, orders, reload) ──▶ service manager
//! ```
//!
//! What may block, where it does, and what bounds it, so that nothing that hangs (a disk, a data
//! path) keeps signals, the watchdog or a status waiting:
//!
//! | work | on | bounded by |
//! |---|---|---|
//! | files that checks name | blocking threads | `FILE_READS_MAX`, then the check's deadline |
//! | orders and lists of sessions | blocking threads | `ORDERS_MAX`; the data path's 5 s each |
//! | reload: its files, the data path | a blocking thread | one at a time; who asks meanwhile is told |
//! | servers that move with their names | a blocking thread | one at a time, and never beside a reload |
//! | the files that names are found in | a blocking thread | `FILE_READS_MAX` of names; what was read before stays |
//! | files that trackers of the virtual IP name | blocking threads | `TRACKED_READS_MAX` |
//! | orders to the virtual IP | blocking threads | `vip::ORDERS_MAX`; its thread's 5 s each |
//! | the journal of transitions | a blocking thread | one write at a time; 1 s at the end |
//! | the hand-over of the virtual IP at the end | a thread of its own | three intervals, a second signal |
//! | the drain at the end | a thread of its own | `drain_timeout`, a second signal |
//! | handing over to another binary, and what follows | threads of their own | its deadlines, `upgrade_drain_timeout` |
//! | opening log files anew | a blocking thread | whoever rotates logs |
//! | writing log lines | threads of their own | queues that drop and count |
//! | waiting for scripts and hooks | a thread each | their timeouts; one a server, a tracker, and of hooks |
//! | everything else | the control threads | it only waits for events |

mod answers;
mod changes;
mod daemon;
mod forward;
mod haproxy;
mod limits;
mod names;
mod peer;
mod reload;
mod service;
mod signals;
mod spare_pages;
mod start;
mod upgrade;
mod verdicts;
mod vip;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use halb_healthcheck::FILE_READS_MAX;
use halb_lb::driver::Engine;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};
use tokio::{runtime, task, time};
use tracing::{error, info, warn};

use crate::cli::Exit;
use crate::logs::Logs;
use crate::logs::outlets::Outlets;
use crate::{cli, config, logs};
use daemon::Daemon;
use halb_config::Loaded;
use halb_config::render::Style;
use signals::{Signal, Signals};
use start::Started;
use upgrade::{Given, Reporter, Taker};

/// Threads of everything that isn't forwarding: one works while another gathers a status.
const CONTROL_THREADS: usize = 2;

/// Orders to the data path at a time. Each takes microseconds, or five seconds where the data path
/// is stuck; people give them one by one.
const ORDERS_MAX: usize = 2;

/// Log files opened anew at a time: whoever rotates logs asks once a day.
const REOPENINGS_MAX: usize = 1;

/// Threads for work that blocks: the table above, so that none of it waits for a thread.
const BLOCKING_THREADS: usize = FILE_READS_MAX
    + ORDERS_MAX
    + vip::TRACKED_READS_MAX
    + vip::JOURNAL_WRITES_MAX
    + vip::ORDERS_MAX
    + REOPENINGS_MAX
    + halb_resolver::driver::FILE_READS_MAX
    + 1;

/// Patience with checks that end. They let go of everything at once, and kill their scripts.
const LAST_CHECKS: Duration = Duration::from_secs(2);

/// Patience with a former daemon beyond its deadline: it tells its last figures.
const LAST_FORMER: Duration = Duration::from_secs(2);

/// Patience with those who talk on the control socket of a daemon that was replaced: one that says
/// nothing is sent away before.
const LAST_ANSWERS: Duration = Duration::from_secs(15);

/// Patience with the reader of the last log lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How a daemon begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// On its own.
    Anew,
    /// With what the daemon at the other end of the standard input hands over.
    TakeOver,
}

/// Runs until a signal or another daemon ends it.
pub fn run(config: &Path, socket: Option<&Path>, begin: Begin) -> ExitCode {
    spare_pages::cut();
    let mut taker = match begin {
        Begin::Anew => None,
        Begin::TakeOver => match Taker::at_stdin() {
            Ok(taker) => Some(taker),
            Err(error) => {
                cli::complain(&format!("halb: no daemon to take over from: {error}"));
                return Exit::Failed.into();
            }
        },
    };
    let loaded = match config::load(config) {
        Ok(loaded) => loaded,
        Err(report) => {
            if let Some(taker) = &mut taker {
                taker.refuse(&format!("its configuration is bad:\n{report}"));
            }
            cli::complain(&report.text(Style::for_stream(&std::io::stderr())));
            return Exit::BadConfiguration.into();
        }
    };
    let logs = match start_logging(&loaded) {
        Ok(logs) => logs,
        Err(error) => {
            cli::complain(&format!("halb: {error:#}"));
            return Exit::Failed.into();
        }
    };
    let ended = control_runtime().and_then(|runtime| {
        let ended = runtime.block_on(serve(loaded, config, socket, logs.clone(), taker));
        runtime.shutdown_timeout(LAST_LINES);
        ended
    });
    if let Err(error) = &ended {
        error!("{error:#}");
    }
    logs.end(LAST_LINES);
    if ended.is_ok() { Exit::Done.into() } else { Exit::Failed.into() }
}

fn start_logging(loaded: &Loaded) -> anyhow::Result<Logs> {
    let settings = &loaded.settings.log;
    logs::install(Outlets::open(settings)?, settings).context("can't start the log")
}

fn control_runtime() -> anyhow::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("halb-control")
        .enable_all()
        .build()
        .context("can't start the control threads")
}

async fn serve(
    loaded: Loaded,
    config: &Path,
    socket: Option<&Path>,
    logs: Logs,
    taker: Option<Taker>,
) -> anyhow::Result<()> {
    let mut signals = Signals::catch().context("can't catch signals")?;
    let started = start::start(loaded, config, socket, logs, taker).await?;
    let daemon = Arc::clone(&started.daemon);
    start::announce(&daemon).await;
    service::ready();
    let told = Arc::new(Notify::new());
    let reloads = task::spawn(reload_when(Arc::clone(&told), Arc::clone(&daemon)));
    let spare_pages = task::spawn(spare_pages::release_at_rest(Arc::clone(&daemon.stirred)));
    let watchdog = task::spawn(service::watchdog(Arc::clone(&daemon)));
    let given = loop {
        tokio::select! {
            given = daemon.upgrades.handed_over() => break Some(given),
            signal = signals.next() => match signal {
                Signal::Reload => told.notify_one(),
                Signal::Reopen => reopen(&daemon),
                Signal::Stop => break None,
            },
        }
    };
    match given {
        Some(given) => retire(started, given, async || signals.next().await).await,
        None => {
            service::stopping();
            stop(started, async || signals.next().await).await;
        }
    }
    reloads.abort();
    spare_pages.abort();
    watchdog.abort();
    Ok(())
}

/// Reloads whenever it is told to; what it is told meanwhile is one more reload, not lost.
async fn reload_when(told: Arc<Notify>, daemon: Arc<Daemon>) {
    loop {
        told.notified().await;
        let alone = Arc::clone(&daemon.reloading).lock_owned().await;
        let daemon = Arc::clone(&daemon);
        // What became of it is logged and shown in the status.
        let _ = task::spawn_blocking(move || daemon.reload(alone)).await;
    }
}

/// Lets the access log go on in a new file, on a thread that may block.
fn reopen(daemon: &Daemon) {
    let logs = daemon.logs.clone();
    // What became of it is logged.
    drop(task::spawn_blocking(move || match logs.reopen() {
        Ok(()) => info!("logs were opened anew"),
        Err(error) => error!("{}", cli::chain(&error)),
    }));
}

/// Lets sessions end by themselves until the deadline or the next signal to stop, while status and
/// control still answer.
async fn stop(started: Started, mut next_signal: impl AsyncFnMut() -> Signal) {
    let Started { daemon, engine, access_log, servers } = started;
    // First, while everything is still served.
    let another = async { while next_signal().await != Signal::Stop {} };
    let hurried = daemon.vip.hand_over(another).await;
    let drain_timeout = daemon.begin_stop();
    let patience = if hurried { Duration::ZERO } else { drain_timeout };
    daemon.upgrades.stop_former(patience);
    let former_deadline = time::Instant::now() + patience + LAST_FORMER;
    info!(drain_timeout = ?patience, connections = daemon.connections(), "stopping");
    drain(engine, access_log, patience, next_signal).await;
    // The service manager would kill those before this one when it has ended.
    if time::timeout_at(former_deadline, daemon.upgrades.former_end()).await.is_err() {
        warn!("a former daemon still serves connections");
    }
    // Until here, so that sessions that drain know which servers work; scripts end with it.
    end_checks(&daemon).await;
    daemon.peer.stop().await;
    daemon.forward.stop();
    end_servers(servers).await;
}

/// Another daemon serves. Lets sessions end by themselves until the deadline or a signal to stop,
/// and tells the other one of them.
async fn retire(started: Started, given: Given, next_signal: impl AsyncFnMut() -> Signal) {
    let Started { daemon, engine, access_log, servers } = started;
    let patience = daemon.in_force().settings.global.upgrade_drain_timeout;
    // Whoever knocks is answered by the other one, which also checks servers.
    end_servers(servers).await;
    end_checks(&daemon).await;
    let deadline = Instant::now() + patience;
    let reporter = Reporter::start(given, Arc::clone(&daemon), engine.hurry(), deadline);
    // Its share of the deadline is the reporter's, who may be told of a shorter one.
    drain(engine, access_log, patience, next_signal).await;
    let left = deadline.saturating_duration_since(Instant::now()).max(LAST_FORMER);
    if time::timeout(left, daemon.upgrades.former_end()).await.is_err() {
        warn!("a daemon before this one still serves connections");
    }
    match reporter {
        Ok(reporter) => {
            // It ends within a moment; a panic of it was printed.
            let _ = task::spawn_blocking(move || reporter.end()).await;
        }
        Err(error) => warn!(%error, "there was no thread to tell the new daemon of connections in"),
    }
    if time::timeout(LAST_ANSWERS, daemon.upgrades.answers_end()).await.is_err() {
        warn!("somebody still talks on the control socket");
    }
}

/// Accepts no more, and lets sessions end by themselves for as long as `patience`, or until a
/// signal to stop.
async fn drain(
    engine: Engine,
    access_log: thread::JoinHandle<()>,
    patience: Duration,
    mut next_signal: impl AsyncFnMut() -> Signal,
) {
    let hurry = engine.hurry();
    let (done, mut draining) = oneshot::channel();
    let drain = move || {
        let drained = engine.stop(patience);
        // The engine has dropped the other end, so it ends by itself; a panic of it was printed.
        let _ = access_log.join();
        // Who waits may have given up.
        let _ = done.send(drained);
    };
    if let Err(error) = thread::Builder::new().name("halb-drain".to_owned()).spawn(drain) {
        error!(%error, "there is no thread to drain connections in, so they are reset");
    }
    let drained = loop {
        tokio::select! {
            drained = &mut draining => break drained,
            signal = next_signal() => if signal == Signal::Stop { hurry.now() },
        }
    };
    match drained {
        Ok(drained) if drained.remaining > 0 => {
            warn!(connections = drained.remaining, "stopped; the last connections were reset");
        }
        Ok(_) => info!("stopped; all connections had ended"),
        Err(error) => error!(%error, "the data path did not stop in good order"),
    }
}

async fn end_checks(daemon: &Daemon) {
    if time::timeout(LAST_CHECKS, daemon.checks.shutdown()).await.is_err() {
        warn!("checks did not end in time");
    }
}

async fn end_servers(servers: Vec<task::JoinHandle<()>>) {
    for server in servers {
        server.abort();
        // Its end is what was asked for.
        let _ = server.await;
    }
}

#[cfg(test)]
mod tests;
