//! The dispatcher: accepts, chooses a server, and says which worker serves the connection. It owns
//! everything that must be decided in one place: listeners, pools, queues, limits. Who works on it
//! is the [desk](super::desk)'s business.

mod accepting;
mod applying;
mod listeners;
mod routing;

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::Registry;
use slab::Slab;

use self::listeners::Listener;
use super::budget::Descriptors;
use super::desk::Marks;
use super::engine::Inherited;
use super::handle::OrderError;
use super::mail::{Adopted, Inbox, Mailbox, Ticket, ToDispatcher, ToWorker};
use super::random::Random;
use super::shared::{BackendNow, FrontendNow, ServerShared, Wanted, WorkerState};
use super::view::{BackendView, FrontendView, ServerState, View};
use crate::admission::{AcceptRate, AccessList};
use crate::config::OnDown;
use crate::names::{BackendName, ServerRef};
use crate::pool::{Effect, Loads, Pool, ServerKey};
use crate::snapshot::{Admin, Cause, ConnectionRecord, Health};

/// How often removed servers whose last session has ended are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// What the dispatcher needs to live.
pub(super) struct Parts {
    /// The workers' polls, which report clients.
    pub(super) polls: Vec<Registry>,
    pub(super) mail: Inbox<ToDispatcher>,
    pub(super) workers: Vec<(Mailbox<ToWorker>, Arc<WorkerState>)>,
    pub(super) descriptors: Arc<Descriptors>,
    pub(super) wanted: Arc<Wanted>,
    pub(super) view: Arc<Mutex<Arc<View>>>,
    pub(super) fd_limit: u64,
    pub(super) reserved_elsewhere: u64,
    pub(super) records: Option<SyncSender<Box<ConnectionRecord>>>,
    pub(super) inherited: Inherited,
}

/// Everything that is decided in one place.
pub(super) struct Dispatcher {
    polls: Vec<Registry>,
    mail: Inbox<ToDispatcher>,
    workers: Vec<(Mailbox<ToWorker>, Arc<WorkerState>)>,
    descriptors: Arc<Descriptors>,
    wanted: Arc<Wanted>,
    view: Arc<Mutex<Arc<View>>>,
    fd_limit: u64,
    /// Descriptors that the rest of the process may need.
    reserved_elsewhere: u64,

    listeners: Slab<Listener>,
    /// Opened by another process, and not yet wanted here.
    inherited: Inherited,
    /// Clients are left in the backlog: the other process still accepts.
    held: bool,
    frontends: Vec<FrontendEntry>,
    backends: Vec<BackendEntry>,
    /// Sessions in a backend's queue, by their id: whom to answer, and whose queue it is.
    waiting: HashMap<u64, (Ticket, BackendName)>,
    places_reason: String,
    next_id: u64,
    /// The worker that wins a tie.
    turn: usize,
    /// The worker that accepts at the moment, and what it is to serve itself.
    at_desk: Option<usize>,
    kept: Vec<Adopted>,
    random: Random,
    /// Accepting rests until then: the kernel was short of something.
    shortage_until: Option<Instant>,
    swept_at: Instant,
    records: Option<SyncSender<Box<ConnectionRecord>>>,
    /// Something that readers see has changed.
    unpublished: bool,
    /// No listener is opened any more.
    stopped: bool,
    exit: bool,
}

pub(super) struct FrontendEntry {
    now: Arc<FrontendNow>,
    access: AccessList,
    rate: Option<AcceptRate>,
    listeners: Vec<usize>,
    /// Left out by a reload; forgotten when its listeners have closed.
    retired: bool,
}

pub(super) struct BackendEntry {
    now: Arc<BackendNow>,
    pool: Pool,
    servers: Servers,
    /// Left out by a reload; forgotten with its last server.
    removed: bool,
}

/// The shared part of each server of a pool.
#[derive(Default)]
pub(super) struct Servers(HashMap<ServerKey, Arc<ServerShared>>);

impl Loads for Servers {
    fn active(&self, server: ServerKey) -> u32 {
        self.0.get(&server).map_or(0, |server| server.active())
    }
}

impl Dispatcher {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            polls: parts.polls,
            mail: parts.mail,
            workers: parts.workers,
            descriptors: parts.descriptors,
            wanted: parts.wanted,
            view: parts.view,
            fd_limit: parts.fd_limit,
            reserved_elsewhere: parts.reserved_elsewhere,
            listeners: Slab::new(),
            inherited: parts.inherited,
            held: true,
            frontends: Vec::new(),
            backends: Vec::new(),
            waiting: HashMap::new(),
            places_reason: String::new(),
            next_id: 1,
            turn: 0,
            at_desk: None,
            kept: Vec::new(),
            random: Random::seeded(),
            shortage_until: None,
            swept_at: Instant::now(),
            records: parts.records,
            unpublished: false,
            stopped: false,
            exit: false,
        }
    }

    /// What the thread at the desk does each time it is woken, or something is due.
    pub(super) fn round(&mut self, marks: Marks, now: Instant) {
        self.note(marks);
        self.read_mail(now);
        self.work(now);
    }

    /// A worker accepts; into `kept` go the connections that it is to serve itself.
    pub(super) fn accept_for(
        &mut self,
        worker: usize,
        marks: Marks,
        now: Instant,
        kept: &mut Vec<Adopted>,
    ) {
        self.at_desk = Some(worker);
        std::mem::swap(&mut self.kept, kept);
        self.note(marks);
        self.work(now);
        std::mem::swap(&mut self.kept, kept);
        self.at_desk = None;
        // The desk's own thread keeps the time, and sleeps: it doesn't know what became due here.
        if !self.waiting.is_empty() || self.accept_due(now).is_some() {
            self.mail.ring();
        }
    }

    /// Does what is due, and accepts.
    fn work(&mut self, now: Instant) {
        self.keep_time(now);
        self.accept(now);
        // Last: a server that became free after a choice above fell on "wait" is seen here, or
        // by the wake-up that this asks for.
        self.serve_queues(now);
        if self.unpublished {
            self.publish();
        }
    }

    fn note(&mut self, marks: Marks) {
        for (key, listener) in &mut self.listeners {
            listener.ready |= marks.contain(key);
        }
    }

    /// How long nothing is due.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        let pools = self.backends.iter().filter_map(|backend| backend.pool.poll_timeout());
        let due = pools.map(|(at, _)| at).chain(self.accept_due(now)).min();
        due.map_or(Duration::MAX, |at| at.saturating_duration_since(now))
    }

    /// It was told to end.
    pub(super) fn is_over(&self) -> bool {
        self.exit
    }

    fn read_mail(&mut self, now: Instant) {
        self.mail.open();
        while let Some(letter) = self.mail.next() {
            match letter {
                ToDispatcher::Ask(question) => self.answer(*question, now),
                ToDispatcher::Cancel { id } => self.cancel(id),
                ToDispatcher::Health { server, health } => {
                    let changed = self.change(&server, Cause::Down, |pool, key| {
                        pool.set_health(key, health, now)
                    });
                    // A verdict on a server that was removed meanwhile is void.
                    let _: Result<(), OrderError> = changed;
                }
                ToDispatcher::Admin { server, admin, reply } => reply.answer(now, || {
                    self.ordered(&server, |pool, key| pool.set_admin(key, admin, now))
                }),
                ToDispatcher::Weight { server, weight, reply } => reply.answer(now, || {
                    self.ordered(&server, |pool, key| pool.set_weight(key, weight, now))
                }),
                ToDispatcher::Apply { config, reply } => {
                    reply.answer(now, || self.apply(*config, now));
                }
                ToDispatcher::Listeners { reply } => reply.answer(now, || self.copy_listeners()),
                ToDispatcher::BeginAccepting => self.held = false,
                ToDispatcher::StopAccepting { reply } => {
                    reply.answer(now, || self.stop_accepting(now));
                }
                ToDispatcher::Exit => self.exit = true,
            }
        }
    }

    /// Does what an operator wants of a server; the next look at it, which may come as soon as the
    /// operator is answered, shows it.
    fn ordered(
        &mut self,
        server: &ServerRef,
        change: impl FnOnce(&mut Pool, ServerKey) -> Effect,
    ) -> Result<(), OrderError> {
        let done = self.change(server, Cause::Killed, change);
        self.publish();
        done
    }

    /// Changes one server's state and does what follows from it.
    fn change(
        &mut self,
        server: &ServerRef,
        cause: Cause,
        change: impl FnOnce(&mut Pool, ServerKey) -> Effect,
    ) -> Result<(), OrderError> {
        let unknown = || OrderError::Unknown(server.clone());
        let entry = self.backend_mut(&server.backend).ok_or_else(unknown)?;
        let key = entry.pool.find(&server.server).ok_or_else(unknown)?;
        let effect = change(&mut entry.pool, key);
        let spread = match entry.now.options.on_down {
            OnDown::Reset { spread } if effect.reset_sessions => Some(spread),
            OnDown::Reset { .. } | OnDown::Keep => None,
        };
        let gone = entry
            .pool
            .server(key)
            .is_some_and(|server| server.health == Health::Down || server.admin == Admin::Maint);
        if let (true, Some(server)) = (effect.changed && gone, entry.servers.0.get(&key)) {
            let server = Arc::clone(server);
            for (worker, _) in &self.workers {
                let server = Arc::clone(&server);
                worker.send(ToWorker::ServerLost { server, spread, cause });
            }
        }
        self.unpublished = true;
        Ok(())
    }

    /// Slow start goes on, waiters time out, drained servers are forgotten.
    fn keep_time(&mut self, now: Instant) {
        for entry in &mut self.backends {
            if entry.pool.poll_timeout().is_some_and(|(at, _)| at <= now) {
                let _: Effect = entry.pool.handle_timeout(now); // queues are served next anyway
                self.unpublished = true;
            }
        }
        self.expire_waiters(now);
        self.close_listeners(now);
        if now >= self.swept_at + SWEEP {
            self.swept_at = now;
            self.forget_drained();
        }
    }

    fn forget_drained(&mut self) {
        for entry in &mut self.backends {
            let views = entry.pool.servers();
            let gone: Vec<ServerKey> = views
                .filter(|view| view.removed && entry.servers.active(view.key) == 0)
                .map(|view| view.key)
                .collect();
            for key in gone {
                entry.pool.forget(key);
                entry.servers.0.remove(&key);
                self.unpublished = true;
            }
        }
        self.backends.retain(|entry| !(entry.removed && entry.servers.0.is_empty()));
    }

    fn backend_mut(&mut self, name: &BackendName) -> Option<&mut BackendEntry> {
        self.backends.iter_mut().find(|entry| entry.now.options.name == *name && !entry.removed)
    }

    /// Shows readers the present state.
    fn publish(&mut self) {
        let view = View {
            frontends: self
                .frontends
                .iter()
                .filter(|entry| !entry.retired)
                .map(|entry| self.frontend_view(entry))
                .collect(),
            backends: self.backends.iter().map(BackendEntry::view).collect(),
            places_reason: self.places_reason.clone(),
        };
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        self.unpublished = false;
    }

    fn frontend_view(&self, entry: &FrontendEntry) -> FrontendView {
        let listeners = entry.listeners.iter().map(|key| Arc::clone(&self.listeners[*key].state));
        FrontendView { frontend: Arc::clone(&entry.now), listeners: listeners.collect() }
    }
}

impl BackendEntry {
    fn view(&self) -> BackendView {
        let servers = self.pool.servers().filter_map(|view| {
            Some(ServerState {
                server: Arc::clone(self.servers.0.get(&view.key)?),
                health: view.health,
                admin: view.admin,
                weight: view.weight.get(),
                slow_start_percent: view.slow_start_percent,
                backup: view.config.backup,
                removed: view.removed,
                connections_max: view.limit.map(u64::from),
            })
        });
        BackendView { backend: Arc::clone(&self.now), servers: servers.collect() }
    }
}
