//! Messages between the threads of the data path.
//!
//! The channels need no bound of their own: a session has at most one question open, and an answer
//! only for it, and sessions are bounded by the descriptor budget; requests of handles wait for
//! their answer before the next one.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Registry, Token, Waker};

use super::shared::{BackendNow, FrontendNow, ServerShared, Target};
use crate::config::{Config, Weight};
use crate::names::{BackendName, ServerRef};
use crate::pool::ServerKey;
use crate::snapshot::{Admin, Cause, Health, SessionSnapshot};

use super::handle::{Applied, ApplyError, OrderError, SessionFilter};

/// The token of every thread's waker; no session or listener gets so high a key.
pub(super) const WAKER: Token = Token(usize::MAX);

/// The sending end of a thread's mailbox.
#[derive(Debug)]
pub(super) struct Mailbox<T> {
    sender: Sender<T>,
    bell: Arc<Bell>,
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    receiver: Receiver<T>,
    bell: Arc<Bell>,
}

/// Wakes a thread once, however many letters come before it looks.
#[derive(Debug)]
struct Bell {
    waker: Waker,
    /// It rang, and the thread hasn't looked since.
    rung: AtomicBool,
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), bell: Arc::clone(&self.bell) }
    }
}

impl<T> Inbox<T> {
    /// Begins to look: whatever is sent from now on rings again. To be called before the letters
    /// are read, and before anything that a wake-up without a letter is about is looked at.
    pub(super) fn open(&self) {
        // Acquire, by a swap: the letters of those who found the bell rung are seen.
        self.bell.rung.swap(false, Ordering::AcqRel);
    }

    /// Wakes the thread that reads this.
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// The next letter, if there is one.
    pub(super) fn next(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<T> Mailbox<T> {
    /// A mailbox whose letters wake the poll that `registry` belongs to.
    pub(super) fn new(registry: &Registry) -> io::Result<(Self, Inbox<T>)> {
        let (sender, receiver) = mpsc::channel();
        let waker = Waker::new(registry, WAKER)?;
        let bell = Arc::new(Bell { waker, rung: AtomicBool::new(false) });
        Ok((Self { sender, bell: Arc::clone(&bell) }, Inbox { receiver, bell }))
    }

    /// Sends and wakes. A letter to a thread that has ended is dropped: so is all that it would
    /// have been about.
    pub(super) fn send(&self, letter: T) {
        if self.sender.send(letter).is_ok() {
            self.wake();
        }
    }

    /// Wakes without a letter.
    pub(super) fn wake(&self) {
        self.bell.ring();
    }
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Fails only when the eventfd is at its maximum, which is a wake-up in itself.
            let _ = self.waker.wake();
        }
    }
}

/// A session that waits for the dispatcher's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) worker: usize,
    /// The session's id.
    pub(super) id: u64,
}

/// To a worker.
#[derive(Debug)]
pub(super) enum ToWorker {
    /// A connection was accepted.
    Adopt(Box<Adopted>),
    /// The server that a session asked for.
    Assign { ticket: Ticket, target: Target },
    /// No server: the session ends.
    Refuse { ticket: Ticket, why: Refused },
    /// A server went down or to maintenance.
    ServerLost { server: Arc<ServerShared>, spread: Option<Duration>, cause: Cause },
    /// End matching sessions now.
    Kill { filter: SessionFilter, reply: Sender<u64> },
    /// Describe sessions.
    List { server: Option<ServerRef>, limit: usize, reply: Sender<Vec<SessionSnapshot>> },
    /// End all sessions and the thread.
    Exit,
}

/// A connection on its way from the dispatcher to a worker.
#[derive(Debug)]
pub(super) struct Adopted {
    pub(super) id: u64,
    pub(super) stream: TcpStream,
    pub(super) client: SocketAddr,
    pub(super) accepted_at: Instant,
    pub(super) frontend: Arc<FrontendNow>,
    pub(super) opening: Opening,
}

/// How far the dispatcher got with a connection.
#[derive(Debug)]
pub(super) enum Opening {
    /// The client's first bytes decide.
    Inspect,
    /// It is in this backend's queue.
    Queued(Arc<BackendNow>),
    /// Its server is known.
    Chosen(Target),
    /// There is no server for it.
    Refused(Option<Arc<BackendNow>>, Refused),
}

/// Why a session gets no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No route matches and there is no default backend.
    NoRoute,
    /// No server takes connections.
    NoServer,
    /// The queue is full.
    QueueFull,
    /// It waited too long.
    QueueTimeout,
}

/// To the dispatcher.
#[derive(Debug)]
pub(super) enum ToDispatcher {
    /// A session needs a server.
    Ask(Box<Question>),
    /// A session that waited has ended.
    Cancel { id: u64 },
    /// A verdict of the checks.
    Health { server: ServerRef, health: Health },
    /// The operator's word.
    Admin { server: ServerRef, admin: Admin, reply: Reply<Result<(), OrderError>> },
    /// A weight set at run time; none: the configured one.
    Weight { server: ServerRef, weight: Option<Weight>, reply: Reply<Result<(), OrderError>> },
    /// A new configuration.
    Apply { config: Box<Config>, reply: Reply<Result<Applied, ApplyError>> },
    /// Copies of the listening sockets, for a process that takes over.
    Listeners { reply: Reply<io::Result<Vec<(SocketAddr, OwnedFd)>>> },
    /// Accept from now on.
    BeginAccepting,
    /// Serve who waits in the listeners, and close them for good; sessions go on.
    StopAccepting { reply: Reply<()> },
    /// End the thread.
    Exit,
}

/// Where the answer to an order goes, as long as somebody waits for it. An order that is read too
/// late isn't carried out: its sender was told that it wasn't.
#[derive(Debug)]
pub(super) struct Reply<T> {
    sender: Sender<T>,
    until: Instant,
}

impl<T> Reply<T> {
    pub(super) fn new(until: Instant) -> (Self, Receiver<T>) {
        let (sender, receiver) = mpsc::channel();
        (Self { sender, until }, receiver)
    }

    pub(super) fn answer(self, now: Instant, carry_out: impl FnOnce() -> T) {
        if now < self.until {
            // The asker waits a little longer than `until`.
            let _ = self.sender.send(carry_out());
        }
    }
}

/// What a session asks the dispatcher.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) ticket: Ticket,
    pub(super) client: SocketAddr,
    pub(super) subject: Subject,
    pub(super) tried: Vec<ServerKey>,
}

/// Where the session wants to go.
#[derive(Debug)]
pub(super) enum Subject {
    /// Wherever its frontend's routes say for this server name.
    Route { frontend: Arc<FrontendNow>, sni: Option<Box<str>> },
    /// To another server of the same backend.
    Backend(BackendName),
}
