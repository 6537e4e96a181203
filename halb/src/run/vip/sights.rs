//! What the virtual routers are told of this process: whether frontends can serve, and how many
//! servers of a backend are up. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use halb_config::settings::Forwarded;
use halb_lb::config::Config;
use halb_lb::snapshot::{
    AcceptPause, BackendSnapshot, FrontendSnapshot, ProcessSnapshot, Snapshot,
};
use halb_vrrp::driver::OwnedSighting;
use halb_vrrp::settings::Settings;
use halb_vrrp::track::{Readiness, Subject};

use crate::status::words::things;

/// A thread of the data path that came round longer ago than this is stuck. It should come round
/// each second, so that this is three missed rounds.
const HEARTBEAT_LATE: Duration = Duration::from_secs(3);

/// A frontend that could accept nothing for want of descriptors or memory for so long is no use
/// to clients. Shorter wants pass by themselves; a frontend that is full serves whom it has.
const SHORTAGE_MAX: Duration = Duration::from_secs(3);

/// What was told last, and what is to be told.
#[derive(Debug, Default)]
pub(super) struct Sights {
    /// Frontends that are tracked, with the backends that they send to.
    frontends: BTreeMap<Arc<str>, Vec<String>>,
    backends: BTreeMap<Arc<str>, ()>,
    /// Of the frontends, those whose connections the kernel forwards.
    forwarded: BTreeSet<Arc<str>>,
    kernel_forwards: bool,
    /// Since when a frontend is short of something.
    short: HashMap<Arc<str>, Instant>,
    told: HashMap<Arc<str>, OwnedSighting>,
    told_backends: HashMap<Arc<str>, u32>,
}

/// Something to tell, and what it means in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    /// For the virtual routers.
    pub(super) sighting: OwnedSighting,
    /// The subject as trackers display it.
    pub(super) subject: String,
    /// For people.
    pub(super) detail: String,
}

impl Sights {
    /// From now on this is tracked; everything is told anew.
    pub(super) fn configure(&mut self, routers: &Settings, lb: &Config, kernel: &[Forwarded]) {
        *self = Self::default();
        for tracker in routers.instances.iter().flat_map(|instance| &instance.trackers) {
            match &tracker.subject {
                Subject::Frontend(name) => {
                    let of_kernel = kernel.iter().find(|one| one.name.as_str() == &**name);
                    let targets = match of_kernel {
                        Some(forwarded) => {
                            self.forwarded.insert(name.clone());
                            vec![forwarded.backend.to_string()]
                        }
                        None => targets(lb, name),
                    };
                    self.frontends.insert(name.clone(), targets);
                }
                Subject::Backend { name, .. } => {
                    self.backends.insert(name.clone(), ());
                }
                Subject::Interface(_) | Subject::File(_) | Subject::Script { .. } => {}
            }
        }
    }

    /// Whether anything of this process is tracked.
    pub(super) fn is_idle(&self) -> bool {
        self.frontends.is_empty() && self.backends.is_empty()
    }

    /// From now on the kernel has the rules that it should have, or hasn't.
    pub(super) fn kernel_forwards(&mut self, forwards: bool) {
        self.kernel_forwards = forwards;
    }

    /// What has changed since the last look. `usable` says how many servers of a backend take
    /// connections.
    pub(super) fn look(
        &mut self,
        snapshot: &Snapshot,
        usable: impl Fn(&BackendSnapshot) -> usize,
        now: Instant,
    ) -> Vec<Sight> {
        let count = |backend: &BackendSnapshot| u32::try_from(usable(backend)).unwrap_or(u32::MAX);
        let of = |name: &str| snapshot.backends.iter().find(|b| b.name.as_str() == name).map(count);
        let mut sights = Vec::new();
        for (name, targets) in &self.frontends {
            let frontend = snapshot.frontends.iter().find(|f| f.name.as_str() == &**name);
            // No thread of the data path has a hand in what the kernel forwards.
            let is_forwarded = self.forwarded.contains(name);
            let accepts = match is_forwarded {
                true => self.kernel_forwards,
                false => frontend.is_some_and(|f| accepts(f, name, &mut self.short, now)),
            };
            let up = targets.iter().filter_map(|target| of(target));
            let readiness = Readiness {
                accepts,
                workers_on_time: is_forwarded || on_time(&snapshot.process),
                servers_up: up.fold(0, u32::saturating_add),
            };
            let sighting = OwnedSighting::Frontend(name.clone(), readiness);
            if self.told.insert(name.clone(), sighting.clone()).as_ref() != Some(&sighting) {
                let subject = Subject::Frontend(name.clone()).to_string();
                sights.push(Sight { sighting, subject, detail: words(readiness) });
            }
        }
        for name in self.backends.keys() {
            let up = of(name).unwrap_or(0);
            if self.told_backends.insert(name.clone(), up) != Some(up) {
                let subject = format!("backend '{name}'");
                let sighting = OwnedSighting::Backend(name.clone(), up);
                sights.push(Sight { sighting, subject, detail: servers(up) });
            }
        }
        sights
    }
}

/// The backends that a frontend sends to, each once.
fn targets(lb: &Config, frontend: &str) -> Vec<String> {
    let Some(frontend) = lb.frontends().iter().find(|f| f.name.as_str() == frontend) else {
        return Vec::new();
    };
    let routed = frontend.routes.iter().map(|route| &route.backend);
    let all = frontend.default_backend.iter().chain(routed).map(ToString::to_string);
    let mut names: Vec<String> = all.collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn accepts(
    frontend: &FrontendSnapshot,
    name: &Arc<str>,
    short: &mut HashMap<Arc<str>, Instant>,
    now: Instant,
) -> bool {
    if frontend.listeners.iter().any(|l| l.paused == Some(AcceptPause::Shortage)) {
        let since = *short.entry(name.clone()).or_insert(now);
        return now.saturating_duration_since(since) < SHORTAGE_MAX;
    }
    short.remove(name);
    !frontend.listeners.is_empty()
}

fn on_time(process: &ProcessSnapshot) -> bool {
    let workers = process.workers.iter().map(|worker| worker.heartbeat_age);
    std::iter::once(process.dispatcher_heartbeat_age).chain(workers).all(|age| age < HEARTBEAT_LATE)
}

fn words(readiness: Readiness) -> String {
    let accepts = if readiness.accepts { "it accepts" } else { "it accepts nothing" };
    let threads = match readiness.workers_on_time {
        true => "its threads are on time",
        false => "a thread of the data path is stuck",
    };
    format!("{accepts}, {threads}, {}", servers(readiness.servers_up))
}

fn servers(up: u32) -> String {
    format!("{} up", things(u64::from(up), "server", "servers"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::samples;

    const FILE: &str = "[frontend.kubernetes]\nbind = [\"127.0.0.1:6443\"]\nbackend = \"masters\"\n\
                        [backend.masters.server]\nkmaster1 = \"127.0.0.2:6443\"\n";

    fn sights() -> Sights {
        let mut sights = Sights::default();
        let lb = halb_config::parse(FILE, "test.toml").unwrap().settings.lb;
        sights.frontends.insert("kubernetes".into(), targets(&lb, "kubernetes"));
        sights.backends.insert("masters".into(), ());
        sights
    }

    fn up(backend: &BackendSnapshot) -> usize {
        let up = |s: &&halb_lb::snapshot::ServerSnapshot| s.health == halb_lb::snapshot::Health::Up;
        backend.servers.iter().filter(up).count()
    }

    fn readiness(sights: &[Sight]) -> Option<Readiness> {
        sights.iter().find_map(|sight| match sight.sighting {
            OwnedSighting::Frontend(_, readiness) => Some(readiness),
            OwnedSighting::Backend(..) | OwnedSighting::File(..) | OwnedSighting::Script(..) => {
                None
            }
        })
    }

    #[test]
    fn only_what_changed_is_told_and_all_of_it_at_first() {
        let (mut sights, now) = (sights(), Instant::now());
        let mut sample = samples::all_fine();
        let first = sights.look(&sample.snapshot, up, now);
        let told: Vec<_> = first.iter().map(|s| (s.subject.as_str(), s.detail.as_str())).collect();
        assert_eq!(
            told,
            [
                ("frontend 'kubernetes'", "it accepts, its threads are on time, 3 servers up"),
                ("backend 'masters'", "3 servers up")
            ]
        );
        assert!(readiness(&first).unwrap().is_ready());
        assert!(sights.look(&sample.snapshot, up, now).is_empty());
        sample.refuse(0);
        let told = sights.look(&sample.snapshot, up, now);
        assert_eq!(readiness(&told).unwrap().servers_up, 2);
    }

    #[test]
    fn the_last_server_a_stuck_thread_or_a_missing_listener_makes_a_frontend_unready() {
        let now = Instant::now();
        let look = |sample: &samples::Sample| {
            readiness(&sights().look(&sample.snapshot, up, now)).unwrap()
        };
        assert!(!look(&samples::all_down()).is_ready());
        let mut sample = samples::all_fine();
        sample.snapshot.process.workers[1].heartbeat_age = HEARTBEAT_LATE;
        assert!(!look(&sample).is_ready());
        let mut sample = samples::all_fine();
        sample.snapshot.process.dispatcher_heartbeat_age = HEARTBEAT_LATE;
        assert!(!look(&sample).workers_on_time);
        let mut sample = samples::all_fine();
        sample.snapshot.frontends[0].listeners.clear();
        assert!(!look(&sample).is_ready());
        sample.snapshot.frontends.clear();
        assert!(!look(&sample).is_ready(), "a frontend that the data path doesn't have");
    }

    #[test]
    fn a_frontend_that_the_kernel_forwards_is_ready_while_the_kernel_has_its_rules() {
        let file = FILE.replace("bind", "forward = \"kernel\"\nbind").replace("127.0.0", "10.0.0")
            + "[vrrp.VI_1]\ninterface = \"eth1\"\nrouter_id = 1\naddresses = [\"10.0.0.100\"]\n\
               track = [{ frontend = \"kubernetes\" }]\n";
        let settings = halb_config::parse(&file, "test.toml").unwrap().settings;
        let (mut sights, now) = (Sights::default(), Instant::now());
        sights.configure(&settings.vrrp.routers, &settings.lb, &settings.forwarded);
        let mut sample = samples::all_fine();
        sample.snapshot.process.dispatcher_heartbeat_age = HEARTBEAT_LATE;
        assert!(!readiness(&sights.look(&sample.snapshot, up, now)).unwrap().is_ready());
        sights.kernel_forwards(true);
        assert!(readiness(&sights.look(&sample.snapshot, up, now)).unwrap().is_ready());
        (0..3).for_each(|index| sample.refuse(index));
        assert!(!readiness(&sights.look(&sample.snapshot, up, now)).unwrap().is_ready());
    }

    #[test]
    fn a_full_frontend_keeps_the_addresses_and_one_that_is_short_loses_them_late() {
        let (mut sights, now) = (sights(), Instant::now());
        let mut sample = samples::all_fine();
        let mut paused = |pause, after| {
            sample.snapshot.frontends[0].listeners[0].paused = pause;
            sights.look(&sample.snapshot, up, now + after);
            let Some(OwnedSighting::Frontend(_, readiness)) = sights.told.get("kubernetes") else {
                panic!("nothing was told");
            };
            readiness.accepts
        };
        let short = Some(AcceptPause::Shortage);
        assert!(paused(Some(AcceptPause::Full), Duration::ZERO));
        assert!(paused(Some(AcceptPause::Rate), Duration::ZERO));
        assert!(paused(short, Duration::ZERO));
        assert!(paused(None, SHORTAGE_MAX));
        assert!(paused(short, SHORTAGE_MAX), "it begins anew");
        assert!(!paused(short, SHORTAGE_MAX * 2));
        assert!(paused(None, SHORTAGE_MAX * 2));
    }
}
