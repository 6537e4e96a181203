//! The virtual IP within the daemon: what it is told of this process, and what becomes of what it
//! tells.
//!
//! ```text
//!  verdicts, heartbeats ──sights──▶ ┌─────────────────┐ ──told──▶ log, journal, counters
//!  scripts, files ───trackers─────▶ │ thread halb-vrrp│            └──▶ hooks
//!  halb vip yield, reload ────────▶ └─────────────────┘ ──Snapshot──▶ status
//! ```
//!
//! Nothing here is waited for by the thread of the virtual routers.

mod claims;
mod details;
mod fifo;
mod groups;
mod hooks;
mod journal;
pub(super) mod orders;
mod sights;
mod told;
mod trackers;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use halb_lb::snapshot::{BackendSnapshot, Snapshot};
use halb_vrrp::driver;
use halb_vrrp::driver::{GuardCommand, GuardSnapshot, Handle, OrderError, Role, Stopped};
use halb_vrrp::link::Word;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{self, AbortHandle};
use tokio::{runtime, time};
use tracing::{error, info, warn};

use super::Begin;
use crate::status::vrrp::{self, JournalFile, build};
use details::Details;
use halb_config::defaults;
use halb_config::settings::{Settings, Vrrp};
use hooks::Hooks;
use sights::Sights;
use told::{Carry, Told};
use trackers::Trackers;

pub(super) use trackers::TRACKED_READS_MAX;

/// Orders to virtual routers at a time, and blocking threads for them: people give them one by
/// one.
pub(super) const ORDERS_MAX: usize = 1;

/// Journals that are written at a time, and blocking threads for it.
pub(super) const JOURNAL_WRITES_MAX: usize = 1;

/// Patience with the disk at the start: a balancer comes up without its history rather than late.
const JOURNAL_READ_TIME: Duration = Duration::from_secs(2);

/// Patience with hooks and with the journal at the end.
const LAST_HOOKS: Duration = Duration::from_secs(5);
const LAST_JOURNAL: Duration = Duration::from_secs(1);

/// Patience with the thread that hands over the last events: it writes a few lines into memory.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// How long the guard of a process that takes over may take to start.
const GUARD_MAX: Duration = Duration::from_secs(10);

/// How long addresses may be under way before a hand-over to another process is given up.
const ASIDE_MAX: Duration = Duration::from_secs(2);

/// How often either is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Beyond what an offer needs: the thread's turns, and addresses that are removed.
const HAND_OVER_MARGIN: Duration = Duration::from_secs(1);

/// Longest patience with a hand-over, whatever the intervals: a stop must end.
const HAND_OVER_MAX: Duration = Duration::from_secs(30);

/// The virtual IPs of this daemon; there may be none.
pub(super) struct Vip {
    driver: Mutex<Option<Running>>,
    /// None: none is configured. It outlasts the driver by the time of a hand-over.
    handle: Mutex<Option<Handle>>,
    run_dir: PathBuf,
    runtime: runtime::Handle,
    told: Told,
    hooks: Hooks,
    details: Details,
    trackers: Mutex<Trackers>,
    sights: Mutex<Sights>,
    journal: Arc<Mutex<JournalFile>>,
    freeze_limit: Mutex<Duration>,
    /// Held by orders while the thread of the virtual routers takes them.
    ordering: Arc<Semaphore>,
    tasks: Vec<AbortHandle>,
}

/// The driver, and when all that it had to tell was told: the other end is dropped then.
struct Running {
    driver: driver::Vrrp,
    all_told: mpsc::Receiver<()>,
}

impl Running {
    /// Returns once the addresses are off, or patience has ended, and all was told.
    fn stop(self, patience: Duration) -> Stopped {
        let stopped = self.driver.stop(patience);
        // Nothing is ever sent: it ends with its other end, or for want of patience.
        let _ = self.all_told.recv_timeout(LAST_EVENTS);
        stopped
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vip {
    /// Starts it as configured, or to take over the roles of another process; words for the other balancer go to `carry`. Must be called within a
    /// tokio runtime, by a thread that may wait for the kernel.
    pub(super) async fn start(
        settings: &Settings,
        socket: &Path,
        carry: Carry,
        begin: Begin,
    ) -> anyhow::Result<Arc<Self>> {
        let (journal, file) = read_journal(&settings.global.state_dir).await;
        if let (Some(error), false) = (&file.error, settings.vrrp.routers.instances.is_empty()) {
            info!(error, "transitions of virtual IPs are kept in memory only");
        }
        let hooks = Hooks::default();
        let told = Told::new(settings.vrrp.clone(), journal, hooks.clone(), carry);
        let details = Details::default();
        let journal = Arc::new(Mutex::new(file));
        let writing = task::spawn(write_journal(told.clone(), Arc::clone(&journal)));
        let running = task::spawn(hooks.clone().serve());
        let vip = Arc::new_cyclic(|vip: &std::sync::Weak<Self>| {
            let vip = vip.clone();
            let sight = Arc::new(move |sighting| {
                if let Some(handle) = vip.upgrade().and_then(|vip| vip.handle()) {
                    handle.sight(sighting);
                }
            });
            Self {
                driver: Mutex::default(),
                handle: Mutex::default(),
                run_dir: socket.parent().unwrap_or_else(|| Path::new(defaults::RUN_DIR)).to_owned(),
                runtime: runtime::Handle::current(),
                told,
                hooks,
                trackers: Mutex::new(Trackers::new(sight, details.clone())),
                details,
                sights: Mutex::default(),
                journal,
                freeze_limit: Mutex::new(Duration::ZERO),
                ordering: Arc::new(Semaphore::new(ORDERS_MAX)),
                tasks: vec![writing.abort_handle(), running.abort_handle()],
            }
        });
        vip.begin(&settings.vrrp, begin)?;
        vip.watch(settings);
        Ok(vip)
    }

    /// Starts the driver, if there is something to run.
    fn begin(&self, settings: &Vrrp, begin: Begin) -> Result<(), driver::StartError> {
        if settings.routers.instances.is_empty() {
            return Ok(());
        }
        let told = self.told.clone();
        let (telling, all_told) = mpsc::channel();
        let guard = GuardCommand {
            program: PathBuf::from("/proc/self/exe"),
            arguments: vec!["guard".into()],
        };
        let options = driver::Options {
            guard: Some(guard),
            events: Arc::new(move |event| {
                // Dropped with this closure, when the last event was told.
                let _until_then: &mpsc::Sender<()> = &telling;
                told.tell(event);
            }),
            run_dir: self.run_dir.clone(),
            inherits: begin == Begin::TakeOver,
        };
        *lock(&self.freeze_limit) = settings.routers.freeze_limit();
        let driver = driver::Vrrp::start(settings.routers.clone(), options)?;
        *lock(&self.handle) = Some(driver.handle());
        *lock(&self.driver) = Some(Running { driver, all_told });
        Ok(())
    }

    /// From now on what these settings name is looked at.
    fn watch(&self, settings: &Settings) {
        // A reload calls from a blocking thread, which knows of no runtime by itself.
        let _within = self.runtime.enter();
        lock(&self.sights).configure(&settings.vrrp.routers, &settings.lb, &settings.forwarded);
        lock(&self.trackers).apply(&settings.vrrp.scripts, &settings.vrrp.files);
    }

    fn handle(&self) -> Option<Handle> {
        lock(&self.handle).clone()
    }

    /// The other balancer sent a word. Returns at once.
    pub(super) fn hear(&self, from: IpAddr, word: Word) {
        if let Some(handle) = self.handle() {
            handle.hear(from, word);
        }
    }

    /// Whether anything of this process is tracked.
    pub(super) fn tracks_this_process(&self) -> bool {
        !lock(&self.sights).is_idle()
    }

    /// Each address of a virtual router, and whether this node holds it.
    pub(super) fn addresses(&self) -> Vec<(IpAddr, bool)> {
        let Some(handle) = self.handle() else { return Vec::new() };
        let of_router = |one: &driver::InstanceSnapshot| {
            let is_held = one.status.state == halb_vrrp::router::State::Active;
            let addresses = one.settings.router.addresses().as_slice().to_vec();
            addresses.into_iter().map(move |address| (address, is_held))
        };
        handle.snapshot().instances.iter().flat_map(of_router).collect()
    }

    /// Tells the virtual routers what has changed in this process; the kernel has the rules that it
    /// should have, or hasn't. Returns at once.
    pub(super) fn look(
        &self,
        snapshot: &Snapshot,
        usable: impl Fn(&BackendSnapshot) -> usize,
        kernel_forwards: bool,
    ) {
        let mut watched = lock(&self.sights);
        watched.kernel_forwards(kernel_forwards);
        let sights = watched.look(snapshot, usable, Instant::now());
        drop(watched);
        let Some(handle) = self.handle() else { return };
        for sight in sights {
            handle.sight(sight.sighting);
            self.details.tell(sight.subject, sight.detail);
        }
    }

    /// Puts changed settings into force, and says what changed in words. Blocks for some seconds,
    /// or if no virtual IP is left for as long as it takes to hand them over.
    pub(super) fn apply(&self, settings: &Settings) -> anyhow::Result<Vec<String>> {
        let wanted = &settings.vrrp;
        // Before anything happens that is to be told by these names and hooks.
        self.told.configure(wanted.clone());
        self.watch(settings);
        let changes = match (self.handle(), wanted.routers.instances.is_empty()) {
            (Some(handle), false) => handle.apply(wanted.routers.clone())?,
            (None, true) => Vec::new(),
            (None, false) => {
                self.begin(wanted, Begin::Anew)?;
                vec!["virtual IPs are held from now on".to_owned()]
            }
            (Some(handle), true) => {
                let (running, patience) =
                    (lock(&self.driver).take(), hand_over_time(&handle.snapshot()));
                info!(?patience, "handing the virtual IPs over, as none is configured any more");
                let stopped = running.map(|running| running.stop(patience));
                *lock(&self.handle) = None;
                anyhow::ensure!(
                    stopped != Some(Stopped::Stuck),
                    "the thread of the virtual routers does not end; restart halb"
                );
                vec!["virtual IPs are no longer held".to_owned()]
            }
        };
        *lock(&self.freeze_limit) = wanted.routers.freeze_limit();
        Ok(changes)
    }

    /// The section of the status; none: no virtual IP is configured.
    pub(super) fn status(&self) -> Option<vrrp::Vrrp> {
        let handle = self.handle()?;
        let snapshot = handle.snapshot();
        let (now, wall) = (Instant::now(), SystemTime::now());
        let facts = build::Facts {
            now,
            wall,
            freeze_limit: *lock(&self.freeze_limit),
            marks: handle.marks(),
            details: self.details.all(),
            history: self.told.history(wall),
            counts: self.told.counts(),
            claims: self.told.claims(now),
            hooks: self.hooks.told(),
            fifo: self.told.fifo(),
            journal: lock(&self.journal).clone(),
            notices: self.told.notices(now, wall),
        };
        Some(build::vrrp(&snapshot, &facts))
    }

    /// Hands the addresses over, or gives them up if nobody takes them, then waits for the last
    /// hooks. `hurry` cuts it short; true if it did. Trackers go on until it is done.
    pub(super) async fn hand_over(&self, hurry: impl Future<Output = ()>) -> bool {
        let (Some(running), Some(handle)) = (lock(&self.driver).take(), self.handle()) else {
            return false;
        };
        let patience = hand_over_time(&handle.snapshot());
        info!(?patience, "handing the virtual IPs over");
        let (done, mut stopping) = oneshot::channel();
        let stop = move || {
            // Who waits may have given up.
            let _ = done.send(running.stop(patience));
        };
        if let Err(error) = thread::Builder::new().name("halb-vip-stop".to_owned()).spawn(stop) {
            error!(%error, "there is no thread to hand the virtual IPs over in; they go at once");
        }
        tokio::pin!(hurry);
        let (stopped, hurried) = tokio::select! {
            stopped = &mut stopping => (stopped, false),
            () = &mut hurry => {
                handle.stop_now();
                (stopping.await, true)
            }
        };
        match stopped {
            Ok(Stopped::Done) => info!("the virtual IPs are off this node"),
            Ok(Stopped::Stuck) => error!(
                "the thread of the virtual IPs does not end; its guard takes off what it held"
            ),
            // It was dropped without having run, or it panicked, which was printed.
            Err(_) => error!("the virtual IPs were not handed over in good order"),
        }
        if !hurried && time::timeout(LAST_HOOKS, self.hooks.done()).await.is_err() {
            warn!("hooks did not end in time");
        }
        *lock(&self.handle) = None;
        self.keep_journal().await;
        self.tasks.iter().for_each(AbortHandle::abort);
        hurried
    }

    /// Waits until the guard is on its watch, for which there is nothing to give up yet.
    ///
    /// # Errors
    /// It doesn't come.
    pub(super) async fn await_guard(&self) -> anyhow::Result<()> {
        let Some(handle) = self.handle() else { return Ok(()) };
        let deadline = Instant::now() + GUARD_MAX;
        while !matches!(handle.snapshot().thread.guard, GuardSnapshot::Alive { .. }) {
            anyhow::ensure!(Instant::now() < deadline, "the guard of the virtual IP doesn't come");
            time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Takes over roles of another process, which stands aside. Blocks for a moment.
    pub(super) fn inherit(&self, settings: &Vrrp, roles: Vec<Role>) -> Result<(), OrderError> {
        match self.handle() {
            Some(handle) => handle.inherit(settings.routers.clone(), roles),
            None => Ok(()),
        }
    }

    /// How long all of them may stand aside without another node noticing: an interval, since
    /// backups wait for three. None: there are none.
    pub(super) fn patience_aside(&self) -> Option<Duration> {
        let snapshot = self.handle()?.snapshot();
        let intervals = snapshot.instances.iter().map(|one| one.settings.router.interval());
        intervals.map(|interval| interval.duration()).min()
    }

    /// Stands aside for another process of this node, and says which roles it had. Blocks for some
    /// seconds where addresses are just under way.
    pub(super) fn stand_aside(&self) -> Result<Vec<Role>, OrderError> {
        let Some(handle) = self.handle() else { return Ok(Vec::new()) };
        let deadline = Instant::now() + ASIDE_MAX;
        loop {
            match handle.stand_aside() {
                Err(OrderError::Busy) if Instant::now() < deadline => thread::sleep(LOOK_AGAIN),
                answered => return answered,
            }
        }
    }

    /// Goes on after all.
    pub(super) fn take_back(&self) {
        if let Some(Err(error)) = self.handle().map(|handle| handle.take_back()) {
            // One that didn't stand aside goes on anyway.
            info!(%error, "the virtual IPs were not taken back");
        }
    }

    /// Another process has the roles: nothing is given up, and nothing is written any more.
    pub(super) fn depart(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        if let Some(Err(error)) = self.handle().map(|handle| handle.depart()) {
            error!(%error, "the thread of the virtual IPs did not depart");
        }
        *lock(&self.handle) = None;
        drop(lock(&self.driver).take());
    }

    async fn keep_journal(&self) {
        let Some(path) = lock(&self.journal).path.clone() else { return };
        let text = self.told.journal_text();
        let write = task::spawn_blocking(move || journal::replace(Path::new(&path), &text));
        if time::timeout(LAST_JOURNAL, write).await.is_err() {
            warn!("the disk was too slow for the last lines of the journal of transitions");
        }
    }
}

/// How long an offer may take: what it needs with the slowest virtual router, within reason.
fn hand_over_time(snapshot: &driver::Snapshot) -> Duration {
    let active = snapshot
        .instances
        .iter()
        .filter(|one| one.status.state == halb_vrrp::router::State::Active);
    let offer = active.map(|one| one.settings.router.interval().duration() * 3).max();
    (offer.unwrap_or_default() + HAND_OVER_MARGIN).min(HAND_OVER_MAX)
}

async fn read_journal(state_dir: &Path) -> (journal::Journal, JournalFile) {
    let path = journal::file(state_dir);
    let reading = path.clone();
    let read = task::spawn_blocking(move || journal::read(&reading));
    let error = match time::timeout(JOURNAL_READ_TIME, read).await {
        Ok(Ok(Ok(journal))) => {
            let file = JournalFile { path: Some(path.display().to_string()), error: None };
            return (journal, file);
        }
        Ok(Ok(Err(error))) => format!("can't read {}: {error}", path.display()),
        Ok(Err(_)) | Err(_) => format!("{} was not read in time", path.display()),
    };
    (journal::Journal::default(), JournalFile { path: None, error: Some(error) })
}

/// Writes the journal whenever it has grown; what comes while the disk is slow is written at once.
async fn write_journal(told: Told, file: Arc<Mutex<JournalFile>>) {
    loop {
        told.grown.notified().await;
        let Some(path) = lock(&file).path.clone() else { continue };
        let text = told.journal_text();
        let write = task::spawn_blocking(move || journal::replace(Path::new(&path), &text));
        let Ok(written) = write.await else { return };
        let error = written.err().map(|error| error.to_string());
        let before = std::mem::replace(&mut lock(&file).error, error.clone());
        if let (Some(error), None) = (&error, before) {
            warn!(error, "the journal of transitions can't be written");
        }
    }
}
