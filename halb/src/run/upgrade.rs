//! `halb upgrade`: another binary takes over from the running daemon, and no client notices.
//!
//! ```text
//!  halb upgrade ──▶ old daemon ──starts──▶ new daemon        one socket between them
//!                      │   listeners, checks, orders, counters ──▶ │
//!                      │ ◀────────────── ready; serves ─────────── │
//!                   its connections end by themselves         accepts
//!                      │   counters, connections left ───────────▶ │  halb status
//! ```
//!
//! `giving` and `taking` are the two ends of the conversation, pure; `words` are what they say,
//! `wire` carries it, `state` and `counters` are what is handed over. `taker` is the new daemon
//! until it serves, `former` is what both do afterwards. Until the new daemon serves the old one
//! has given nothing away but copies of its sockets: whatever fails leaves it as it was.

mod counters;
mod former;
mod giver;
mod giving;
mod roles;
mod state;
mod taker;
mod taking;
mod wire;
mod words;

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use halb_lb::snapshot::Snapshot;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::control::bound::{BoundSocket, Share};
use crate::status::vrrp::Vrrp;
use crate::status::{FormerDaemon, Reload};
use counters::Counters;
use roles::RouterCounters;
use state::Standing;
use words::{Door, Report, ToOld};

pub(super) use former::{Former, Given, Reporter};
pub(super) use giver::{Order, another_is_installed, give, may};
pub(super) use taker::{Estate, Taker};

/// Daemons that may still serve connections when another one takes over. Each is a process with
/// its threads; who upgrades more often than their connections end has to wait.
const FORMERS_MAX: usize = 32;

/// What a daemon has to do with those before and after it.
pub(super) struct Upgrades {
    /// `--socket` of the command line.
    socket: Option<PathBuf>,
    /// Copies of listening sockets, until they are given away.
    doors: Mutex<Vec<(Door, OwnedFd)>>,
    /// Sockets whose files go with whoever serves last.
    files: Vec<Share>,
    /// What the former daemon last said, and when.
    report: Mutex<(Report, Instant)>,
    /// What virtual routers of this daemon and those before it had counted when last asked.
    routers: Mutex<Vec<RouterCounters>>,
    /// A former daemon still serves.
    has_former: watch::Sender<bool>,
    telling: Mutex<Telling>,
    given: Mutex<Option<Given>>,
    /// This daemon was replaced.
    handed_over: Notify,
}

/// What the former daemon was told, and is to be told.
#[derive(Default)]
struct Telling {
    standings: Vec<Standing>,
    stop: Option<Duration>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a daemon gives away beside the listeners of its data path.
#[derive(Default)]
pub(super) struct Doors {
    copies: Vec<(Door, OwnedFd)>,
    files: Vec<Share>,
}

impl Doors {
    /// The control socket.
    pub(super) fn control(&mut self, socket: &BoundSocket) {
        self.socket(socket, Door::Control);
    }

    /// HAProxy's runtime socket.
    pub(super) fn haproxy(&mut self, socket: &BoundSocket) {
        self.socket(socket, Door::Haproxy);
    }

    fn socket(&mut self, socket: &BoundSocket, door: fn(PathBuf) -> Door) {
        self.files.push(socket.share());
        // Without a copy the next daemon binds it anew.
        self.copies.extend(socket.copy().map(|copy| (door(socket.path().to_owned()), copy)));
    }

    /// The admin address.
    pub(super) fn admin(&mut self, listener: &TcpListener, address: SocketAddr) {
        let copy = listener.as_fd().try_clone_to_owned();
        self.copies.extend(copy.map(|copy| (Door::Admin(address), copy)));
    }
}

impl Upgrades {
    /// Of a daemon with this `--socket` and these sockets, and what it has taken over.
    pub(super) fn new(socket: Option<PathBuf>, doors: Doors, estate: &mut Estate) -> Self {
        Self {
            socket,
            doors: Mutex::new(doors.copies),
            files: doors.files,
            report: Mutex::new((estate.take_report(), Instant::now())),
            routers: Mutex::default(),
            has_former: watch::Sender::new(false),
            telling: Mutex::default(),
            given: Mutex::default(),
            handed_over: Notify::new(),
        }
    }

    /// Files of sockets go with this daemon from now on, or with another one.
    pub(super) fn own_files(&self, owned: bool) {
        self.files.iter().for_each(|file| file.own(owned));
    }

    /// Returns when this daemon was replaced; its connections are all that is left to it.
    pub(super) async fn handed_over(&self) -> Given {
        loop {
            self.handed_over.notified().await;
            if let Some(given) = lock(&self.given).take() {
                return given;
            }
        }
    }

    fn give(&self, given: Given) {
        self.own_files(false);
        lock(&self.doors).clear();
        *lock(&self.given) = Some(given);
        self.handed_over.notify_one();
    }

    /// Returns when the order that led to it was answered, and everybody else.
    pub(super) async fn answers_end(&self) {
        for file in &self.files {
            file.conversations_end().await;
        }
    }

    /// Adds to counters what daemons before this one have counted.
    pub(super) fn add_to(&self, snapshot: &mut Snapshot, reload: &mut Reload) {
        let (report, _) = &*lock(&self.report);
        report.counters.add_to(snapshot);
        report.counters.add_to_reloads(reload);
    }

    /// The same for virtual routers.
    pub(super) fn add_to_routers(&self, vrrp: &mut Vrrp) {
        let (report, _) = &*lock(&self.report);
        roles::add_to(report.counters.routers(), vrrp);
    }

    /// What virtual routers have counted; those that were handed over count elsewhere.
    fn routers(&self, now: Option<Vrrp>) -> Vec<RouterCounters> {
        let mut counted = lock(&self.routers);
        if let Some(mut vrrp) = now {
            self.add_to_routers(&mut vrrp);
            *counted = roles::counters(&vrrp);
        }
        counted.clone()
    }

    /// Daemons before this one that still serve connections, the newest first.
    pub(super) fn formers(&self) -> Vec<FormerDaemon> {
        let (report, at) = &*lock(&self.report);
        let passed = at.elapsed().as_secs_f64();
        let as_now = |former: &FormerDaemon| FormerDaemon {
            since_seconds: former.since_seconds + passed,
            until_seconds: (former.until_seconds - passed).max(0.0),
            ..former.clone()
        };
        report.formers.iter().map(as_now).collect()
    }

    fn learn(&self, report: Report) {
        *lock(&self.report) = (report, Instant::now());
    }

    fn former_begins(&self) {
        self.has_former.send_replace(true);
    }

    /// What it counted is kept.
    fn former_ended(&self) {
        lock(&self.report).0.formers.clear();
        self.has_former.send_replace(false);
    }

    /// Tells the former daemon that its connections have so long to end.
    pub(super) fn stop_former(&self, patience: Duration) {
        lock(&self.telling).stop = Some(patience);
    }

    /// Returns when no daemon before this one serves any more.
    pub(super) async fn former_end(&self) {
        // The other end is in `self`.
        let _ = self.has_former.subscribe().wait_for(|has_former| !has_former).await;
    }

    /// What the former daemon has to know that it wasn't told.
    fn to_tell(&self, standings: impl FnOnce() -> Vec<Standing>) -> Vec<ToOld> {
        let mut telling = lock(&self.telling);
        let mut words = Vec::new();
        let now = standings();
        if telling.standings != now {
            words.push(ToOld::Standing { servers: now.clone() });
            telling.standings = now;
        }
        if let Some(patience) = telling.stop.take() {
            let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            words.push(ToOld::Stop { patience_ms });
        }
        words
    }
}

impl super::daemon::Daemon {
    /// What the next daemon is told; `me`, while this one still serves: since when, and for how
    /// long at most.
    fn report(&self, me: Option<(Duration, Duration)>) -> Report {
        let (snapshot, reload) = self.counted();
        let dropped = self.logs.outlets().dropped();
        let counters =
            Counters::of(&snapshot, dropped, &reload, self.upgrades.routers(self.vip.status()));
        let me = me.map(|(since, until)| FormerDaemon {
            pid: std::process::id(),
            halb_version: env!("CARGO_PKG_VERSION").to_owned(),
            connections: self.connections(),
            since_seconds: since.as_secs_f64(),
            until_seconds: until.as_secs_f64(),
        });
        let formers = me.into_iter().chain(self.upgrades.formers()).collect();
        Report { counters, formers }
    }
}
