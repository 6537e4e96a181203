//! The desk of the dispatcher: a thread of its own sits at it, to keep time and take orders, and
//! workers come to accept. So a connection is accepted by a thread that is awake, or woken for it,
//! and mostly served by the same one, while all decisions about it still fall in one place.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::dispatcher::Dispatcher;
use super::mail::{Adopted, WAKER};
use super::shared::Heartbeat;

/// Readiness events taken at a time by the desk's own thread: its waker's.
const EVENTS_MAX: usize = 4;

/// Longest sleep, so that the heartbeat tells a stuck dispatcher from an idle one.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Listeners told apart when the kernel reports clients. Where there are more, several share a mark
/// and are looked at together.
const MARKS: usize = 64;

/// The first of [`MARKS`] tokens, the highest below [`WAKER`]; no session gets so high a key.
const FIRST_TOKEN: usize = WAKER.0 - MARKS;

/// The token under which every worker's poll reports clients of this listener.
pub(super) fn listener_token(key: usize) -> Token {
    Token(FIRST_TOKEN + key % MARKS)
}

/// Listeners that the kernel reported clients of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks(u64);

impl Marks {
    pub(super) fn contain(self, key: usize) -> bool {
        self.0 >> (key % MARKS) & 1 == 1
    }
}

/// The dispatcher, and what was left on its desk.
pub(super) struct Desk {
    dispatcher: Mutex<Dispatcher>,
    /// A bit for each listener that has clients, as far as nobody has looked yet.
    marks: AtomicU64,
}

impl Desk {
    pub(super) fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher: Mutex::new(dispatcher), marks: AtomicU64::new(0) }
    }

    /// Notes an event of a poll; false if it is about no listener.
    pub(super) fn note(&self, token: Token) -> bool {
        let is_listener = (FIRST_TOKEN..WAKER.0).contains(&token.0);
        if is_listener {
            self.marks.fetch_or(1 << (token.0 - FIRST_TOKEN), Ordering::SeqCst);
        }
        is_listener
    }

    /// A worker accepts who waits; `kept` are the connections that it is to serve itself.
    ///
    /// It doesn't wait: whoever is at the desk looks at the marks again after leaving it.
    pub(super) fn accept(&self, worker: usize, now: Instant, kept: &mut Vec<Adopted>) {
        while self.marks.load(Ordering::SeqCst) != 0 {
            let mut dispatcher = match self.dispatcher.try_lock() {
                Ok(dispatcher) => dispatcher,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            let marks = self.take_marks();
            dispatcher.accept_for(worker, marks, now, kept);
        }
    }

    /// The life of the thread at the desk.
    pub(super) fn keep(&self, mut poll: Poll, heartbeat: &Arc<Heartbeat>) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut patience = Duration::ZERO;
        loop {
            if let Err(error) = poll.poll(&mut events, Some(patience.min(HEARTBEAT)))
                && error.kind() != io::ErrorKind::Interrupted
            {
                // epoll_wait fails otherwise only for a bad descriptor or address: a bug.
                unreachable!("epoll_wait: {error}");
            }
            let mut dispatcher = self.sit_down();
            let now = Instant::now();
            heartbeat.beat(now);
            dispatcher.round(self.take_marks(), now);
            if dispatcher.is_over() {
                return;
            }
            patience = dispatcher.patience(now);
            drop(dispatcher);
            if self.marks.load(Ordering::SeqCst) != 0 {
                patience = Duration::ZERO;
            }
        }
    }

    fn sit_down(&self) -> MutexGuard<'_, Dispatcher> {
        // A thread that panics ends the process.
        self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_marks(&self) -> Marks {
        Marks(self.marks.swap(0, Ordering::SeqCst))
    }
}
