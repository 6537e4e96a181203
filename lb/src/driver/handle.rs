//! The data path as the rest of the process holds it: commands go to the threads that own the
//! state, figures are read from shared counters.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::budget::Descriptors;
use super::mail::{Mailbox, Reply, ToDispatcher, ToWorker};
use super::shared::{Heartbeat, WorkerState};
use super::view::View;
use crate::config::{Config, Weight};
use crate::names::{FrontendName, ServerRef};
use crate::snapshot::{Admin, Health, ProcessSnapshot, SessionSnapshot, Snapshot, WorkerSnapshot};

/// How long a command waits for a thread of the data path. They answer within a round, far below
/// a millisecond; a stuck one must not hang the control socket.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Orders older than this are not carried out any more. The rest of [`ANSWER_MAX`] is for the answer.
const ORDER_AGE_MAX: Duration = Duration::from_secs(4);

/// Which sessions to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionFilter {
    /// The one with this id.
    Id(u64),
    /// Those of a frontend.
    Frontend(FrontendName),
    /// Those at a server.
    Server(ServerRef),
    /// Every one.
    All,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No server of that name.
    #[error("there is no server '{0}'")]
    Unknown(ServerRef),
    /// The data path didn't answer; the order is void.
    #[error("the data path does not answer; nothing was changed")]
    Stuck,
}

/// Why a configuration was not applied. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A new listener can't be opened.
    #[error("can't listen on {address}")]
    Listen {
        /// The address of the `bind` entry.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The data path didn't answer; the configuration is void.
    #[error("the data path does not answer")]
    Stuck,
    /// The engine is stopping.
    #[error("the data path is stopping")]
    Stopping,
}

/// What a new configuration changed, in words fit for a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// One line per change; empty: nothing changed.
    pub changes: Vec<String>,
}

/// Commands and figures of a running engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dispatcher: Mailbox<ToDispatcher>,
    pub(super) workers: Vec<(Mailbox<ToWorker>, Arc<WorkerState>)>,
    pub(super) descriptors: Arc<Descriptors>,
    pub(super) view: Arc<Mutex<Arc<View>>>,
    pub(super) heartbeat: Arc<Heartbeat>,
}

impl Handle {
    /// Changes listeners, servers and settings to those of `config`. Established connections go
    /// on, those of removed servers too. Returns when the change is in force.
    ///
    /// # Errors
    /// A new address can't be bound, or the engine stops or doesn't answer; then nothing has
    /// changed.
    pub fn apply(&self, config: Config) -> Result<Applied, ApplyError> {
        let config = Box::new(config);
        self.ask(|reply| ToDispatcher::Apply { config, reply }).unwrap_or(Err(ApplyError::Stuck))
    }

    /// Tells the verdict of the checks on a server. An unknown one is ignored: it was removed
    /// while its last check ran.
    pub fn set_health(&self, server: &ServerRef, health: Health) {
        self.0.dispatcher.send(ToDispatcher::Health { server: server.clone(), health });
    }

    /// Tells the operator's word on a server.
    ///
    /// # Errors
    /// No server of that name, or no answer.
    pub fn set_admin(&self, server: &ServerRef, admin: Admin) -> Result<(), OrderError> {
        let server = server.clone();
        self.ask(|reply| ToDispatcher::Admin { server, admin, reply })
            .unwrap_or(Err(OrderError::Stuck))
    }

    /// Sets a server's weight until the configuration changes it; none: the configured one.
    ///
    /// # Errors
    /// No server of that name, or no answer.
    pub fn set_weight(&self, server: &ServerRef, weight: Option<Weight>) -> Result<(), OrderError> {
        let server = server.clone();
        self.ask(|reply| ToDispatcher::Weight { server, weight, reply })
            .unwrap_or(Err(OrderError::Stuck))
    }

    /// State and counters at this moment. Costs the data path nothing.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let view = Arc::clone(&self.0.view.lock().unwrap_or_else(PoisonError::into_inner));
        Snapshot {
            process: self.process(&view),
            frontends: view.frontends(),
            backends: view.backends(),
        }
    }

    fn process(&self, view: &View) -> ProcessSnapshot {
        let now = Instant::now();
        let worker = |state: &WorkerState| WorkerSnapshot {
            sessions: state.sessions(),
            heartbeat_age: state.heartbeat.age(now),
        };
        let workers = || self.0.workers.iter().map(|(_, state)| state);
        ProcessSnapshot {
            connections: u64::from(self.0.descriptors.connections()),
            connections_max: u64::from(self.0.descriptors.connections_max()),
            connections_max_reason: view.places_reason.clone(),
            accept_pauses: self.0.descriptors.accept_pauses(),
            pipes: u64::from(self.0.descriptors.pipes()),
            log_records_dropped: self.0.descriptors.records_dropped()
                + workers().map(|state| state.records_dropped.get()).sum::<u64>(),
            dispatcher_heartbeat_age: self.0.heartbeat.age(now),
            workers: workers().map(|state| worker(state)).collect(),
        }
    }

    /// The `limit` oldest sessions, of one server or of all.
    #[must_use]
    pub fn sessions(&self, server: Option<&ServerRef>, limit: usize) -> Vec<SessionSnapshot> {
        let request = |reply| ToWorker::List { server: server.cloned(), limit, reply };
        let mut sessions: Vec<_> = self.ask_workers(request).into_iter().flatten().collect();
        sessions.sort_by_key(|session| session.id);
        sessions.truncate(limit);
        sessions
    }

    /// Ends sessions at once, with a reset on both sides; says how many.
    #[must_use]
    pub fn kill(&self, filter: &SessionFilter) -> u64 {
        let request = |reply| ToWorker::Kill { filter: filter.clone(), reply };
        self.ask_workers(request).into_iter().sum()
    }

    /// Copies of the listening sockets, each with the address of its `bind` entry, for a process
    /// that takes over. Those that are about to close are left out.
    ///
    /// # Errors
    /// There are no descriptors left, or no answer.
    pub fn listeners(&self) -> io::Result<Vec<(SocketAddr, OwnedFd)>> {
        let stuck = || io::Error::new(io::ErrorKind::TimedOut, "the data path does not answer");
        self.ask(|reply| ToDispatcher::Listeners { reply }).unwrap_or_else(|| Err(stuck()))
    }

    /// Accepts from now on, after [`Engine::take_over`](super::Engine::take_over). What was ordered
    /// before is in force by then.
    pub fn begin_accepting(&self) {
        self.0.dispatcher.send(ToDispatcher::BeginAccepting);
    }

    /// Open client connections.
    #[must_use]
    pub fn connections(&self) -> u64 {
        u64::from(self.0.descriptors.connections())
    }

    pub(super) fn ask<T>(&self, letter: impl FnOnce(Reply<T>) -> ToDispatcher) -> Option<T> {
        let (reply, answer) = Reply::new(Instant::now() + ORDER_AGE_MAX);
        self.0.dispatcher.send(letter(reply));
        answer.recv_timeout(ANSWER_MAX).ok()
    }

    /// Asks all workers at once; a stuck one is left out.
    fn ask_workers<T>(&self, letter: impl Fn(mpsc::Sender<T>) -> ToWorker) -> Vec<T> {
        let (reply, answers) = mpsc::channel();
        for (worker, _) in &self.0.workers {
            worker.send(letter(reply.clone()));
        }
        drop(reply);
        let deadline = Instant::now() + ANSWER_MAX;
        let mut collected = Vec::with_capacity(self.0.workers.len());
        while let Ok(answer) =
            answers.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            collected.push(answer);
        }
        collected
    }
}
