//! The running daemon as control, admin pages and signals hold it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use halb_healthcheck::Checks;
use halb_lb::driver::Handle;
use halb_lb::snapshot::Snapshot;
use tokio::runtime;
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore};
use tracing::{error, info};

use super::changes::Changes;
use super::forward::Forward;
use super::haproxy::Compatibility;
use super::names::Names;
use super::peer::Peer;
use super::upgrade::Upgrades;
use super::vip::Vip;
use super::{reload, service};
use crate::config;
use crate::logs;
use crate::logs::Logs;
use crate::logs::access::Switch;
use crate::status::build::{CheckView, Facts, Sections};
use crate::status::{
    LastReload, OrderedLevel, Reload, ReloadFailure, Status, build, checks, readiness,
};
use halb_config::Loaded;
use halb_config::settings::Settings;

/// All that can be asked of the daemon.
pub(super) struct Daemon {
    pub(super) engine: Handle,
    pub(super) checks: Checks,
    pub(super) runtime: runtime::Handle,
    pub(super) config_file: PathBuf,
    pub(super) logs: Logs,
    pub(super) access_log: Switch,
    pub(super) started: Instant,
    pub(super) stopping: AtomicBool,
    pub(super) in_force: Mutex<InForce>,
    /// Held for the length of a reload, so that two don't mix.
    pub(super) reloading: Arc<tokio::sync::Mutex<()>>,
    /// Held by orders while they wait for the data path.
    pub(super) orders: Arc<Semaphore>,
    /// Tells [`super::verdicts`] to look at all servers anew.
    pub(super) reloaded: Arc<Notify>,
    /// Tells [`super::verdicts`] that an operator changed what servers may do.
    pub(super) changed: Arc<Notify>,
    /// Tells [`super::spare_pages`] that somebody looked or ordered.
    pub(super) stirred: Arc<Notify>,
    /// What checks changed lately.
    pub(super) changes: Arc<Changes>,
    pub(super) vip: Arc<Vip>,
    pub(super) forward: Arc<Forward>,
    pub(super) peer: Arc<Peer>,
    pub(super) haproxy: Arc<Compatibility>,
    pub(super) upgrades: Upgrades,
    pub(super) names: Names,
}

/// What holds until the next reload.
pub(super) struct InForce {
    pub(super) settings: Settings,
    pub(super) lints: u64,
    pub(super) reloads: Reloads,
}

/// What became of reloads.
#[derive(Default)]
pub(super) struct Reloads {
    applied: u64,
    failed: u64,
    last: Option<(Instant, LastReload)>,
}

impl Reloads {
    fn count(&mut self, outcome: LastReload) {
        let counter = if outcome.error.is_none() { &mut self.applied } else { &mut self.failed };
        *counter = counter.saturating_add(1);
        self.last = Some((Instant::now(), outcome));
    }

    fn status(&self) -> Reload {
        let last = self.last.as_ref().map(|(when, outcome)| LastReload {
            ago_seconds: when.elapsed().as_secs_f64(),
            ..outcome.clone()
        });
        Reload { applied: self.applied, failed: self.failed, last }
    }
}

impl Daemon {
    pub(super) fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the checks, from a thread that may block.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    /// The status tree. Waits for no file and no thread of the data path.
    pub(super) async fn status(&self) -> Status {
        self.stirred.notify_one();
        let checks = self.checks.status().await;
        let checks: HashMap<String, CheckView> =
            checks.iter().map(|target| (target.id.clone(), checks::view(target))).collect();
        let named = self.in_force().settings.names.servers.clone();
        let names = self.names.status(&named).await;
        let (snapshot, reload) = self.counted();
        let in_force = self.in_force();
        let facts = Facts {
            pid: process::id(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            config_file: self.config_file.display().to_string(),
            config_lints: in_force.lints,
            stopping: self.stopping.load(Ordering::Relaxed),
            log_lines_dropped: self.logs.outlets().dropped(),
            log_level_ordered: self.log_level_ordered(),
            changes: self.changes.status(),
            reload,
            formers: self.upgrades.formers(),
            names,
        };
        let mut vrrp = self.vip.status();
        if let Some(vrrp) = &mut vrrp {
            self.upgrades.add_to_routers(vrrp);
        }
        let sections = Sections { vrrp, peer: self.peer.status(), forward: self.forward.view() };
        build::status(&snapshot, &in_force.settings.lb, &checks, facts, sections)
    }

    /// The data path and the reloads, with what the daemons before this one have counted.
    pub(super) fn counted(&self) -> (Snapshot, Reload) {
        let (mut snapshot, mut reload) = (self.engine.snapshot(), self.in_force().reloads.status());
        self.upgrades.add_to(&mut snapshot, &mut reload);
        (snapshot, reload)
    }

    fn log_level_ordered(&self) -> Option<OrderedLevel> {
        let levels = self.logs.level();
        let (level, left) = levels.ordered(Instant::now())?;
        Some(OrderedLevel {
            level: logs::word(level).to_owned(),
            file: logs::word(levels.of_file()).to_owned(),
            left_seconds: left.map(|left| left.as_secs_f64()),
        })
    }

    /// Open client connections.
    pub(super) fn connections(&self) -> u64 {
        self.engine.connections()
    }

    /// Threads of the data path that no longer come round, in words.
    pub(super) fn stuck_threads(&self) -> Vec<String> {
        let process = self.engine.snapshot().process;
        let workers = process.workers.iter().map(|worker| worker.heartbeat_age.as_secs_f64());
        readiness::late(process.dispatcher_heartbeat_age.as_secs_f64(), workers)
    }

    /// From now on the daemon is stopping; returns how long sessions may take to end.
    pub(super) fn begin_stop(&self) -> Duration {
        self.stopping.store(true, Ordering::Relaxed);
        self.in_force().settings.global.drain_timeout
    }

    /// Lets the kernel forward as configured, unless it does.
    ///
    /// # Errors
    /// It can't.
    pub(super) fn forward_anew(&self) -> anyhow::Result<()> {
        let settings = self.in_force().settings.clone();
        let (lb, _) = self.names.place(&settings);
        self.forward.apply(&settings.forwarded, &lb, &self.vip.addresses()).map(drop)
    }

    /// Reads the configuration file and puts it into force, or changes nothing and says why.
    /// Blocks on files and on the data path; `_alone` is the lock of [`Daemon::reloading`].
    pub(super) fn reload(&self, _alone: OwnedMutexGuard<()>) -> LastReload {
        service::reloading();
        let outcome = match config::load(&self.config_file) {
            Ok(_) if self.stopping.load(Ordering::Relaxed) => {
                failed(ReloadFailure::NotApplied, "halb is stopping".to_owned())
            }
            Ok(loaded) => self.put_into_force(loaded),
            Err(report) => failed(ReloadFailure::BadFile, report.to_string()),
        };
        self.stirred.notify_one();
        match &outcome.error {
            None => {
                let (changes, waiting) = (&outcome.changes, &outcome.needs_restart);
                info!(changes = changes.join("; "), "configuration reloaded");
                if !waiting.is_empty() {
                    info!(settings = waiting.join("; "), "settings wait for a restart");
                }
            }
            Some(error) => error!("reload changed nothing: {error}"),
        }
        self.in_force().reloads.count(outcome.clone());
        if !self.stopping.load(Ordering::Relaxed) {
            service::ready();
        }
        outcome
    }

    /// Moves servers to the addresses that their names have now. Blocks on the data path and on the
    /// kernel; `_alone` is the lock of [`Daemon::reloading`].
    ///
    /// # Errors
    /// The data path stops, or doesn't answer; or the kernel can't forward.
    pub(super) fn move_servers(&self, _alone: OwnedMutexGuard<()>) -> anyhow::Result<()> {
        if self.stopping.load(Ordering::Relaxed) {
            return Ok(());
        }
        let settings = self.in_force().settings.clone();
        let (lb, checks) = self.names.place(&settings);
        self.engine.apply(lb.clone())?;
        self.wait(self.checks.apply(checks));
        self.forward.apply(&settings.forwarded, &lb, &self.vip.addresses())?;
        self.reloaded.notify_one();
        Ok(())
    }

    fn put_into_force(&self, loaded: Loaded) -> LastReload {
        let settings = loaded.settings;
        self.wait(self.names.follow(&settings.names));
        let (lb, checks) = self.names.place(&settings);
        let applied = match self.engine.apply(lb.clone()) {
            Ok(applied) => applied,
            // So ends a reload that a stop overtook, too: the data path takes the two in turn.
            Err(error) => {
                let before = self.in_force().settings.names.clone();
                self.wait(self.names.follow(&before));
                let error = format!("{:#}", anyhow::Error::new(error));
                return failed(ReloadFailure::NotApplied, error);
            }
        };
        self.wait(self.checks.apply(checks));
        let mut changes = applied.changes;
        let vip = self.vip.apply(&settings);
        let forward = self.forward.apply(&settings.forwarded, &lb, &self.vip.addresses());
        let peer = self.peer.apply(settings.peer.as_ref());
        self.reloaded.notify_one();
        self.logs.apply(&settings.log);
        self.access_log.store(settings.log.access, Ordering::Relaxed);
        self.haproxy.apply(&settings.haproxy);
        let mut in_force = self.in_force();
        let running = &in_force.settings;
        let mut needs_restart = reload::needs_restart(running, &settings);
        // What waits for a restart keeps being compared with what runs.
        let mut merged = reload::merged(running, settings);
        match vip {
            Ok(more) => changes.extend(more),
            Err(error) => {
                needs_restart.push(format!("[vrrp] is as before: {error:#}"));
                merged.vrrp = running.vrrp.clone();
            }
        }
        match forward {
            Ok(more) => changes.extend(more),
            Err(error) => {
                needs_restart.push(format!("kernel forwarding is as before: {error:#}"));
                merged.forwarded = running.forwarded.clone();
            }
        }
        match peer {
            Ok(more) => changes.extend(more),
            Err(error) => {
                needs_restart.push(format!("[peer] is as before: {error:#}"));
                merged.peer = running.peer.clone();
            }
        }
        in_force.settings = merged;
        in_force.lints = u64::try_from(loaded.lints.len()).unwrap_or(u64::MAX);
        LastReload { ago_seconds: 0.0, error: None, failure: None, changes, needs_restart }
    }
}

fn failed(failure: ReloadFailure, error: String) -> LastReload {
    LastReload {
        ago_seconds: 0.0,
        error: Some(error),
        failure: Some(failure),
        changes: Vec::new(),
        needs_restart: Vec::new(),
    }
}
