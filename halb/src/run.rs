//! `halb run`: the daemon, in the order in which things happen.
//!
//! ```text
//!  checks ──verdicts──▶ data path ──failed connects──▶ checks
//!                          │ records ──▶ access log ──▶ sink ──▶ stderr
//!  control socket ─┐       │ snapshots
//!  admin address ──┴──▶ daemon (status, orders, reload) ──▶ service manager
//! ```

mod answers;
mod daemon;
mod limits;
mod reload;
mod service;
mod signals;
mod start;
mod verdicts;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::{runtime, task};
use tracing::{error, info, warn};

use crate::cli::Exit;
use crate::config::Loaded;
use crate::config::render::Style;
use crate::logs::Sink;
use crate::{cli, config, logs};
use daemon::Daemon;
use signals::{Signal, Signals};
use start::Started;

/// Threads of everything that isn't forwarding: one works while another gathers a status.
const CONTROL_THREADS: usize = 2;

/// Threads for work that blocks: reloads, statuses, name files of checks. More would only wait for
/// the same disk.
const BLOCKING_THREADS: usize = 8;

/// Patience with the reader of the last log lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Runs until a signal ends it.
pub fn run(config: &Path, socket: Option<&Path>) -> ExitCode {
    let loaded = match config::load(config) {
        Ok(loaded) => loaded,
        Err(report) => {
            cli::complain(&report.text(Style::for_stream(&std::io::stderr())));
            return Exit::BadConfiguration.into();
        }
    };
    let (sink, log) = match start_logging(&loaded) {
        Ok(logging) => logging,
        Err(error) => {
            cli::complain(&format!("halb: {error:#}"));
            return Exit::Failed.into();
        }
    };
    let ended = control_runtime().and_then(|runtime| {
        let ended = runtime.block_on(serve(loaded, config, socket, sink.clone(), log));
        runtime.shutdown_timeout(LAST_LINES);
        ended
    });
    if let Err(error) = &ended {
        error!("{error:#}");
    }
    sink.flush(LAST_LINES);
    if ended.is_ok() { Exit::Done.into() } else { Exit::Failed.into() }
}

fn start_logging(loaded: &Loaded) -> anyhow::Result<(Sink, logs::Level)> {
    let sink = Sink::stderr().context("can't start the log")?;
    let settings = &loaded.settings.log;
    let log =
        logs::install(&sink, settings.format, settings.level).context("can't start the log")?;
    Ok((sink, log))
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
    sink: Sink,
    log: logs::Level,
) -> anyhow::Result<()> {
    let mut signals = Signals::catch().context("can't catch signals")?;
    let started = start::start(loaded, config, socket, sink, log).await?;
    let daemon = Arc::clone(&started.daemon);
    announce(&daemon).await;
    service::ready();
    let watchdog = task::spawn(service::watchdog(Arc::clone(&daemon)));
    while signals.next().await == Signal::Reload {
        reload_now(&daemon).await;
    }
    service::stopping();
    stop(started, signals).await;
    watchdog.abort();
    Ok(())
}

async fn announce(daemon: &Arc<Daemon>) {
    let daemon = Arc::clone(daemon);
    // It only writes to the log.
    let _ = task::spawn_blocking(move || start::announce(&daemon)).await;
}

async fn reload_now(daemon: &Arc<Daemon>) {
    let daemon = Arc::clone(daemon);
    // What became of it is logged and shown in the status.
    let _ = task::spawn_blocking(move || daemon.reload()).await;
}

/// Lets sessions end by themselves until the deadline or the next signal to stop, while status and
/// control still answer.
async fn stop(started: Started, mut signals: Signals) {
    let Started { daemon, engine, access_log, servers } = started;
    let patience = daemon.begin_stop();
    let hurry = engine.hurry();
    info!(drain_timeout = ?patience, connections = daemon.connections(), "stopping");
    let mut draining = task::spawn_blocking(move || engine.stop(patience));
    let drained = loop {
        tokio::select! {
            drained = &mut draining => break drained,
            signal = signals.next() => if signal == Signal::Stop { hurry.now() },
        }
    };
    match drained {
        Ok(drained) if drained.remaining > 0 => {
            warn!(connections = drained.remaining, "stopped; the last connections were reset");
        }
        Ok(_) => info!("stopped; all connections had ended"),
        Err(error) => error!(%error, "the data path did not stop in good order"),
    }
    // Until here, so that sessions that drain know which servers work; scripts end with it.
    daemon.checks.shutdown().await;
    for server in servers {
        server.abort();
        // Its end is what was asked for.
        let _ = server.await;
    }
    if let Some(access_log) = access_log {
        // The engine has dropped the other end, so it ends by itself.
        let _ = task::spawn_blocking(move || access_log.join()).await;
    }
}
