//! Starts and stops the threads of the data path.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::Poll;

use super::budget::Descriptors;
use super::desk::Desk;
use super::dispatcher::{self, Dispatcher};
use super::handle::{ApplyError, Handle, Shared};
use super::mail::{Mailbox, ToDispatcher, ToWorker};
use super::shared::{Heartbeat, Wanted, WorkerState};
use super::view::View;
use super::worker::{self, Worker};
use crate::config::Config;
use crate::names::ServerRef;
use crate::snapshot::ConnectionRecord;

/// Called in a worker when a real connect failed; must not block.
pub type PassiveSignal = Arc<dyn Fn(&ServerRef) + Send + Sync>;

/// How often a stopping engine looks whether its sessions have ended.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Longest wait for the threads to end once they were told to: they come round within a
/// heartbeat, and a stuck one must not hold up the process's end.
const END_MAX: Duration = Duration::from_secs(2);

/// What the engine needs besides the configuration.
pub struct Options {
    /// Worker threads, at least one.
    pub workers: usize,
    /// File descriptors that this process may have open (the soft limit in force).
    pub fd_limit: u64,
    /// Of these, how many the rest of the process may need: checks, control, logs.
    pub fds_elsewhere: u64,
    /// Where records of ended connections go. A full channel drops them and counts. Boxed, since a
    /// bounded channel touches all its slots when it is made.
    pub records: Option<SyncSender<Box<ConnectionRecord>>>,
    /// Told about each failed connect that is the server's fault.
    pub connect_failed: PassiveSignal,
}

/// Why the engine didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be bound.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The kernel refused a thread or a poll.
    #[error("can't start the threads of the data path")]
    Threads(#[source] io::Error),
}

/// Listening sockets of a former process, each with the address of its `bind` entry.
pub type Inherited = Vec<(SocketAddr, TcpListener)>;

/// What was left when the engine stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that had not ended by the deadline and were reset.
    pub remaining: u64,
}

/// A running data path. Dropped without [`Engine::stop`], it resets all sessions.
#[derive(Debug)]
pub struct Engine {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
    hurry: Arc<AtomicBool>,
}

/// Cuts [`Engine::stop`] short.
#[derive(Debug, Clone)]
pub struct Hurry(Arc<AtomicBool>);

impl Hurry {
    /// Whatever session is left is reset now.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Engine {
    /// Binds the listeners of `config` and starts to serve.
    ///
    /// # Errors
    /// An address can't be bound, or the kernel refuses a thread.
    pub fn start(config: Config, options: Options) -> Result<Self, StartError> {
        let engine = Self::take_over(config, options, Inherited::new())?;
        engine.handle.begin_accepting();
        Ok(engine)
    }

    /// Starts on listeners that another process opened, and binds those of `config` that are not
    /// among them; others are closed. Clients are left in the kernel's backlog until
    /// [`Handle::begin_accepting`], so that the other process may go on meanwhile.
    ///
    /// # Errors
    /// An address can't be bound, or the kernel refuses a thread.
    pub fn take_over(
        config: Config,
        options: Options,
        inherited: Inherited,
    ) -> Result<Self, StartError> {
        let epoch = Instant::now();
        let poll = Poll::new().map_err(StartError::Threads)?;
        let (dispatcher_mail, dispatcher_inbox) =
            Mailbox::new(poll.registry()).map_err(StartError::Threads)?;
        let descriptors = Arc::new(Descriptors::new());
        let heartbeat = Arc::new(Heartbeat::new(epoch));
        let wanted = Arc::new(Wanted::default());
        let view = Arc::new(Mutex::new(Arc::new(View::default())));

        let count = options.workers.max(1);
        let poll_of = |_| Poll::new().map_err(StartError::Threads);
        let worker_polls: Vec<Poll> = (0..count).map(poll_of).collect::<Result<_, _>>()?;
        let mut workers = Vec::new();
        let mut inboxes = Vec::new();
        let mut shared_polls = Vec::new();
        for poll in &worker_polls {
            let (mailbox, mail) = Mailbox::new(poll.registry()).map_err(StartError::Threads)?;
            shared_polls.push(poll.registry().try_clone().map_err(StartError::Threads)?);
            workers.push((mailbox, Arc::new(WorkerState::new(epoch))));
            inboxes.push(mail);
        }
        let mut dispatcher = Dispatcher::new(dispatcher::Parts {
            polls: shared_polls,
            mail: dispatcher_inbox,
            workers: workers.clone(),
            descriptors: Arc::clone(&descriptors),
            wanted: Arc::clone(&wanted),
            view: Arc::clone(&view),
            fd_limit: options.fd_limit,
            reserved_elsewhere: options.fds_elsewhere,
            records: options.records.clone(),
            inherited,
        });
        dispatcher.apply(config, Instant::now())?;
        let desk = Arc::new(Desk::new(dispatcher));
        // From here on a failure drops the engine, which tells the threads that run already to end.
        let mut engine = Self {
            handle: Handle(Arc::new(Shared {
                dispatcher: dispatcher_mail.clone(),
                workers: workers.clone(),
                descriptors: Arc::clone(&descriptors),
                view,
                heartbeat: Arc::clone(&heartbeat),
            })),
            threads: Vec::new(),
            hurry: Arc::new(AtomicBool::new(false)),
        };
        let ends = worker_polls.into_iter().zip(inboxes).zip(workers);
        for (index, ((poll, mail), (_, state))) in ends.enumerate() {
            let worker = Worker::new(worker::Parts {
                index,
                poll,
                mail,
                dispatcher: dispatcher_mail.clone(),
                desk: Arc::clone(&desk),
                state,
                descriptors: Arc::clone(&descriptors),
                wanted: Arc::clone(&wanted),
                records: options.records.clone(),
                passive: Arc::clone(&options.connect_failed),
            });
            engine.spawn(format!("halb-worker-{index}"), move || worker.run())?;
        }
        engine.spawn("halb-dispatch".to_owned(), move || desk.keep(poll, &heartbeat))?;
        Ok(engine)
    }

    fn spawn(
        &mut self,
        name: String,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        // A panic here is a bug, and a data path that lost a thread is worse than none: clients
        // would be accepted and forgotten. The service manager starts a whole one.
        let body = move || {
            if panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
                process::abort();
            }
        };
        let thread = thread::Builder::new().name(name).spawn(body).map_err(StartError::Threads)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Commands and figures.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Cuts a later or running [`Engine::stop`] short.
    #[must_use]
    pub fn hurry(&self) -> Hurry {
        Hurry(Arc::clone(&self.hurry))
    }

    /// Stops accepting, lets sessions end by themselves for as long as `drain`, then resets the
    /// rest. Blocks until the threads have ended, or are taken for stuck.
    #[must_use]
    pub fn stop(mut self, drain: Duration) -> Drained {
        let deadline = Instant::now() + drain;
        let _ = self.handle.ask(|reply| ToDispatcher::StopAccepting { reply });
        while self.handle.connections() > 0
            && Instant::now() < deadline
            && !self.hurry.load(Ordering::Relaxed)
        {
            thread::sleep(DRAIN_LOOK);
        }
        let remaining = self.handle.connections();
        self.end_threads();
        Drained { remaining }
    }

    fn end_threads(&mut self) {
        self.handle.0.dispatcher.send(ToDispatcher::Exit);
        for (worker, _) in &self.handle.0.workers {
            worker.send(ToWorker::Exit);
        }
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline && !self.threads.iter().all(JoinHandle::is_finished) {
            thread::sleep(DRAIN_LOOK);
        }
        // A thread that panicked has ended the process; one that is stuck ends with it.
        for thread in self.threads.drain(..).filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end_threads();
    }
}
