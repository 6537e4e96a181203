//! A worker thread: one readiness loop, its sessions in a slab, its timers in a wheel.
//!
//! Each round: wait for readiness, mail or the next deadline; note readiness in the sessions; read
//! the mail; accept; let timers fire; then run every session that has something to do, one turn each.

mod connecting;
mod ending;
mod inspecting;
mod mail;
mod relaying;
mod session;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};
use slab::Slab;

use self::session::{Session, State};
use super::budget::Descriptors;
use super::desk::Desk;
use super::engine::PassiveSignal;
use super::mail::{Adopted, Inbox, Mailbox, ToDispatcher, ToWorker, WAKER};
use super::pipe::Pipes;
use super::random::Random;
use super::shared::{Wanted, WorkerState};
use crate::session::{BULK_CHUNK, Side};
use crate::snapshot::ConnectionRecord;
use crate::wheel::Wheel;

/// Readiness events taken from the kernel at a time; more wait for the next round.
const EVENTS_MAX: usize = 1024;

/// Longest sleep, so that the heartbeat tells a stuck worker from an idle one.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// What a worker needs to live.
pub(super) struct Parts {
    pub(super) index: usize,
    pub(super) poll: Poll,
    pub(super) mail: Inbox<ToWorker>,
    pub(super) dispatcher: Mailbox<ToDispatcher>,
    pub(super) desk: Arc<Desk>,
    pub(super) state: Arc<WorkerState>,
    pub(super) descriptors: Arc<Descriptors>,
    pub(super) wanted: Arc<Wanted>,
    pub(super) records: Option<SyncSender<Box<ConnectionRecord>>>,
    pub(super) passive: PassiveSignal,
}

/// The thread's own data.
pub(super) struct Worker {
    index: usize,
    poll: Poll,
    mail: Inbox<ToWorker>,
    dispatcher: Mailbox<ToDispatcher>,
    desk: Arc<Desk>,
    state: Arc<WorkerState>,
    descriptors: Arc<Descriptors>,
    wanted: Arc<Wanted>,
    records: Option<SyncSender<Box<ConnectionRecord>>>,
    passive: PassiveSignal,

    sessions: Slab<Session>,
    /// Connections just accepted; empty between two rounds.
    accepted: Vec<Adopted>,
    /// Sessions that the dispatcher owes an answer, by their id.
    waiting: HashMap<u64, usize>,
    /// Sessions with something to do. One entry per session at most, see [`Session::queued`].
    runnable: VecDeque<usize>,
    wheel: Wheel,
    pipes: Pipes,
    /// What one read brings; written out before the next read.
    buffer: Box<[u8]>,
    random: Random,
    exit: bool,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            index: parts.index,
            poll: parts.poll,
            mail: parts.mail,
            dispatcher: parts.dispatcher,
            desk: parts.desk,
            state: parts.state,
            pipes: Pipes::new(Arc::clone(&parts.descriptors)),
            descriptors: parts.descriptors,
            wanted: parts.wanted,
            records: parts.records,
            passive: parts.passive,
            sessions: Slab::new(),
            accepted: Vec::new(),
            waiting: HashMap::new(),
            runnable: VecDeque::new(),
            wheel: Wheel::new(Instant::now()),
            buffer: vec![0; BULK_CHUNK].into_boxed_slice(),
            random: Random::seeded(),
            exit: false,
        }
    }

    /// The thread's life.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.exit {
            let timeout = self.patience(Instant::now());
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                // epoll_wait fails otherwise only for a bad descriptor or address: a bug.
                unreachable!("epoll_wait: {error}");
            }
            let now = Instant::now();
            self.state.heartbeat.beat(now);
            for event in events.iter().filter(|event| event.token() != WAKER) {
                self.note(event);
            }
            self.read_mail(now);
            self.accept(now);
            self.fire_timers(now);
            self.run_sessions(now);
        }
        self.end_all(Instant::now());
    }

    fn patience(&self, now: Instant) -> Duration {
        if !self.runnable.is_empty() {
            return Duration::ZERO;
        }
        let next = self.wheel.next_deadline().map(|at| at.saturating_duration_since(now));
        next.map_or(HEARTBEAT, |next| next.min(HEARTBEAT))
    }

    /// Accepts who waits, and takes on what is to be served here.
    fn accept(&mut self, now: Instant) {
        let mut accepted = std::mem::take(&mut self.accepted);
        self.desk.accept(self.index, now, &mut accepted);
        for adopted in accepted.drain(..) {
            self.adopt(adopted, now);
        }
        self.accepted = accepted;
    }

    /// Notes what the kernel says about a socket.
    fn note(&mut self, event: &Event) {
        if self.desk.note(event.token()) {
            return;
        }
        let (id, key, side) = unpack(event.token());
        let Some(session) = self.sessions.get_mut(key).filter(|it| low_half(it.id) == id) else {
            return;
        };
        let closing = event.is_read_closed() || event.is_error();
        if event.is_readable() || closing {
            session.note_readable(side, closing);
        }
        if event.is_writable() || event.is_write_closed() {
            session.note_writable(side);
        }
        if event.is_error() || (event.is_read_closed() && event.is_write_closed()) {
            session.note_broken(side);
        }
        self.make_runnable(key);
    }

    fn make_runnable(&mut self, key: usize) {
        if let Some(session) = self.sessions.get_mut(key)
            && !session.queued
        {
            session.queued = true;
            self.runnable.push_back(key);
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some(key) = self.wheel.expire(now) {
            self.make_runnable(key as usize);
        }
    }

    /// One turn for each session that was runnable at the beginning.
    fn run_sessions(&mut self, now: Instant) {
        for _ in 0..self.runnable.len() {
            let Some(key) = self.runnable.pop_front() else { return };
            let Some(session) = self.sessions.get_mut(key) else { continue };
            session.queued = false;
            self.turn(key, now);
        }
    }

    fn turn(&mut self, key: usize, now: Instant) {
        if let Some(end) = self.sessions[key].overdue(now) {
            self.end(key, end, now);
            return;
        }
        match self.sessions[key].state {
            State::Inspecting { .. } => self.inspect(key, now),
            State::Waiting => self.await_answer(key, now),
            State::Pausing { .. } | State::Connecting { .. } => self.connecting(key, now),
            State::Relaying(_) => self.relay(key, now),
        }
        self.arm(key);
    }

    /// Sees to it that the wheel wakes the session in time. Deadlines mostly move away as bytes
    /// flow: the wheel leaves an earlier alarm alone, and it is set anew when it rings.
    fn arm(&mut self, key: usize) {
        if let Some(due) = self.sessions.get(key).and_then(Session::deadline) {
            self.wheel.arm_by(wheel_key(key), due);
        }
    }
}

/// Slab keys are bounded by the descriptor budget, far below 2³².
fn wheel_key(key: usize) -> u32 {
    u32::try_from(key).expect("fewer than 2^32 sessions")
}

const _: () = assert!(usize::BITS == 64, "a token holds a place and half an id");

/// What a session's sockets are watched under: half of its id, its place in the slab, the side. A
/// place is used again at once, and a closed socket may go on to report, as long as a child between
/// fork and exec holds it too: the id tells. It spares a call to take each socket out of the poll.
fn token(session: &Session, key: usize, side: Side) -> Token {
    Token(low_half(session.id) << 32 | key << 1 | usize::from(side == Side::Server))
}

fn unpack(token: Token) -> (usize, usize, Side) {
    let side = if token.0 & 1 == 0 { Side::Client } else { Side::Server };
    (token.0 >> 32, (token.0 & 0xffff_ffff) >> 1, side)
}

fn low_half(id: u64) -> usize {
    usize::try_from(id & 0xffff_ffff).expect("a usize has 64 bits")
}
