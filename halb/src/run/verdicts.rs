//! Carries the checks' verdicts to the data path and to the virtual IP, and says them in the log as
//! HAProxy does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use halb_healthcheck::fleet::{HealthChange, Reason};
use halb_healthcheck::health::Verdict;
use halb_healthcheck::{Checks, Event};
use halb_lb::driver::Handle;
use halb_lb::names::{BackendName, ServerName, ServerRef};
use halb_lb::snapshot::{Admin, BackendSnapshot, Health, ServerSnapshot};
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::time;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};

use super::changes::{Change, Changes};
use super::forward::Forward;
use super::vip::Vip;

/// From one look at the data path's heartbeats to the next, where the virtual IP depends on them;
/// and from one at the virtual IP's role to the next, where the kernel forwards.
const LOOK_PACE: Duration = Duration::from_millis(200);

/// Carries verdicts to the data path and to the kernel, and what follows from them to the virtual IP.
pub(super) struct Carrier {
    checks: Checks,
    engine: Handle,
    vip: Arc<Vip>,
    changes: Arc<Changes>,
    forward: Arc<Forward>,
    verdicts: Verdicts,
}

impl Carrier {
    /// `changes` are told what is said in the log.
    pub(super) fn new(
        checks: Checks,
        engine: Handle,
        vip: Arc<Vip>,
        forward: Arc<Forward>,
        changes: Arc<Changes>,
    ) -> Self {
        Self { checks, engine, vip, forward, changes, verdicts: Verdicts::default() }
    }

    /// Runs until the checks end. `reloaded` is told after each reload, `changed` after an
    /// operator's order.
    pub(super) async fn carry(
        mut self,
        mut events: Receiver<Event>,
        reloaded: Arc<Notify>,
        changed: Arc<Notify>,
    ) {
        let mut pace = time::interval(LOOK_PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Changed(change)) => self.tell(&change),
                    Some(Event::Moved(change)) => moved(&change),
                    None => return,
                },
                () = reloaded.notified() => self.learn_anew().await,
                () = changed.notified() => self.look(),
                _ = pace.tick(), if self.is_looked_at() => self.look(),
            }
        }
    }

    /// Tells the data path and the virtual IP what the checks know.
    pub(super) async fn learn_anew(&mut self) {
        self.verdicts.forget_all();
        for target in self.checks.status().await {
            self.verdicts.learn(&target.id, target.verdict);
        }
        for backend in self.engine.snapshot().backends {
            for (server, verdict) in self.verdicts.of_backend(&backend) {
                self.engine.set_health(&server, health(verdict));
            }
        }
        self.look();
    }

    fn is_looked_at(&self) -> bool {
        self.vip.tracks_this_process() || self.forward.is_on()
    }

    /// Tells the kernel who serves, and the virtual IP what it depends on, as far as it has changed.
    fn look(&self) {
        let snapshot = self.engine.snapshot();
        self.forward.hold(&self.vip.addresses());
        self.forward.look(&snapshot, |backend, server| self.verdicts.on(backend, server));
        let usable = |backend: &BackendSnapshot| self.verdicts.usable(backend);
        self.vip.look(&snapshot, usable, self.forward.is_applied());
    }

    fn tell(&mut self, change: &HealthChange) {
        // A verdict on a server that a reload has removed, or that it no longer checks.
        let (Some(server), Some(before)) = (server_ref(&change.id), self.verdicts.of(&change.id))
        else {
            return;
        };
        self.verdicts.learn(&change.id, change.verdict);
        self.engine.set_health(&server, health(change.verdict));
        self.look();
        if before != change.verdict && change.reason != Reason::Initial {
            self.log(change, &server);
        }
    }

    fn log(&self, change: &HealthChange, server: &ServerRef) {
        let (id, check) = (&*change.id, change.reason.to_string());
        let took_ms = change.took.map(|took| took.as_millis());
        let snapshot = self.engine.snapshot();
        let backend = snapshot.backends.iter().find(|backend| backend.name == server.backend);
        let left = backend.map_or(0, |backend| self.verdicts.usable(backend));
        match change.verdict {
            Verdict::Up => info!(server = id, check, took_ms, servers_up = left, "server is UP"),
            Verdict::Down => {
                warn!(server = id, check, took_ms, servers_up = left, "server is DOWN");
            }
        }
        self.changes.tell(Change {
            server: id.to_owned(),
            up: change.verdict == Verdict::Up,
            check,
            servers_up: u64::try_from(left).unwrap_or(u64::MAX),
        });
        if left == 0 {
            error!(backend = %server.backend, "backend has no server left, its clients are turned away");
        }
    }
}

fn moved(change: &HealthChange) {
    let (have, of) = change.progress;
    let check = match &change.reason {
        Reason::Check(outcome) => outcome.to_string(),
        Reason::Initial | Reason::Resumed => change.reason.to_string(),
    };
    debug!(server = &*change.id, verdict = %change.verdict, have, of, check, "health moved");
}

fn health(verdict: Verdict) -> Health {
    match verdict {
        Verdict::Up => Health::Up,
        Verdict::Down => Health::Down,
    }
}

/// The server that a check's id means. Ids are made of names, which hold no `/`.
fn server_ref(id: &str) -> Option<ServerRef> {
    let (backend, server) = id.split_once('/')?;
    let backend = BackendName::new(backend).ok()?;
    Some(ServerRef { backend, server: ServerName::new(server).ok()? })
}

/// What was last told of each server under check; bounded by the configuration.
#[derive(Default)]
struct Verdicts(HashMap<String, Verdict>);

impl Verdicts {
    fn of(&self, id: &str) -> Option<Verdict> {
        self.0.get(id).copied()
    }

    fn learn(&mut self, id: &str, verdict: Verdict) {
        self.0.insert(id.to_owned(), verdict);
    }

    fn forget_all(&mut self) {
        self.0.clear();
    }

    /// The verdict on each server of a backend.
    fn of_backend(&self, backend: &BackendSnapshot) -> Vec<(ServerRef, Verdict)> {
        let servers = backend.servers.iter().filter(|server| !server.removed);
        servers.map(|server| (id(backend, server), self.on(backend, server))).collect()
    }

    /// Servers that are up and that no operator took out of service.
    fn usable(&self, backend: &BackendSnapshot) -> usize {
        let servers = backend.servers.iter().filter(|server| !server.removed);
        let ready = servers.filter(|server| server.admin == Admin::Ready && server.weight > 0);
        ready.filter(|server| self.on(backend, server) == Verdict::Up).count()
    }

    /// One that isn't checked is up.
    fn on(&self, backend: &BackendSnapshot, server: &ServerSnapshot) -> Verdict {
        self.of(&id(backend, server).to_string()).unwrap_or(Verdict::Up)
    }
}

fn id(backend: &BackendSnapshot, server: &ServerSnapshot) -> ServerRef {
    ServerRef { backend: backend.name.clone(), server: server.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::samples;

    fn backend() -> BackendSnapshot {
        samples::all_fine().snapshot.backends.remove(0)
    }

    #[test]
    fn a_server_without_a_check_is_up_whatever_was_said_before() {
        let mut verdicts = Verdicts::default();
        verdicts.learn("masters/kmaster1", Verdict::Down);
        let first = |verdicts: &Verdicts| verdicts.of_backend(&backend())[0].1;
        assert_eq!(first(&verdicts), Verdict::Down);
        verdicts.forget_all();
        assert_eq!(first(&verdicts), Verdict::Up);
    }

    #[test]
    fn only_servers_that_are_up_and_in_service_count_as_left() {
        let mut verdicts = Verdicts::default();
        verdicts.learn("masters/kmaster1", Verdict::Down);
        let mut backend = backend();
        assert_eq!(verdicts.usable(&backend), 2);
        backend.servers[1].admin = Admin::Maint;
        assert_eq!(verdicts.usable(&backend), 1);
        // A server that was removed counts neither itself nor for the one that has its name.
        let mut removed = backend.servers[1].clone();
        removed.removed = true;
        removed.admin = Admin::Ready;
        backend.servers.push(removed);
        assert_eq!(verdicts.usable(&backend), 1);
        backend.servers[2].removed = true;
        assert_eq!(verdicts.usable(&backend), 0);
    }

    #[test]
    fn ids_name_servers() {
        assert_eq!(server_ref("a/b").unwrap().to_string(), "a/b");
        assert!(server_ref("a").is_none());
        assert!(server_ref("a/b/c").is_none());
    }
}
