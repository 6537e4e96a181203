//! One end of the link: signs what goes out, judges what comes in, knows whether the peer is there.
//!
//! The driver's contract: after every call, send what [`Link::poll_transmit`] gives and take what
//! [`Link::poll_event`] gives until there is no more; call [`Link::handle_timeout`] at
//! [`Link::poll_timeout`].
//!
//! ```text
//!            a fresh frame of the peer
//!  Waiting ──────────────────────────▶ Up ──nothing fresh for AGE_MAX──▶ Silent
//!     ▲                                 ▲                                  │
//!     └── another address (apply)       └─────────── a fresh frame ────────┘
//! ```
//!
//! # Why nothing old is taken, though no clocks are compared
//! Each start of a node has a *session*, a random number that no other start has, and numbers its
//! frames from 1. Each frame names its sender's session, the session that it is meant for, and the
//! highest number that its sender has from frames that named it (the *echo*). All of it is signed.
//! So a frame that names us and echoes our number n was written after we sent n.
//!
//! 1. *Not from before our start:* a frame counts only if it names our session, and nobody knew
//!    that before we told it.
//! 2. *Not held back:* it counts only if the number that it echoes was sent within [`AGE_MAX`],
//!    which our own clock tells. What somebody records and sends on later is [`Refusal::Stale`].
//! 3. *Not twice:* within a session of the peer each number counts once ([`Refusal::Replayed`]),
//!    and none below the first that counted.
//! 4. *Not from an earlier start of the peer:* a frame of another session than the one that we
//!    know is taken only if it echoes a number above all that were echoed before. A new start of
//!    the peer echoes only frames that name it, so what was sent when it was there; all that was
//!    written before it echoes lower numbers. So a recording never brings back a session that was
//!    left.
//!
//! A signed frame that doesn't name us, or echoes nothing, is an *introduction*: nothing in it
//! counts, and it is answered with a hello that names its sender, for a peer that is alive to echo.
//! After a silence of both ends all that either could echo is too old. So the number of a stale
//! frame is echoed too, though nothing else of it counts: with the second hello the link is back.
//!
//! ```text
//!   A                                  B
//!   ── from A, to nobody ────────────▶     introduction
//!   ◀──────────── from B, to A ───────     introduction: it names A, but echoes nothing
//!   ── from A, to B, echo of B's 1 ──▶     fresh: B is up
//!   ◀──── from B, to A, echo of A's 2 ─    fresh: A is up
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::budget::{Budget, Rate};
use crate::config::{Channel, Config};
use crate::frame::{Keyring, Session, SignedWith};
use crate::refusal::{Reason, Refusal};

mod receiving;
mod refusals;
mod remote;
mod sending;
mod stamps;

pub use refusals::{Refused, TELL_PAUSE};
pub use sending::SendError;

use refusals::Refusals;
use remote::Remote;
use stamps::Stamps;

/// From one hello to the next. A hello is 76 bytes; a second suits people who look at the status,
/// and messages that can't wait don't.
pub const HELLO_INTERVAL: Duration = Duration::from_secs(1);

/// Oldest number that a frame may echo, and longest silence of a peer that counts as up: three
/// hellos may be lost in a row.
pub const AGE_MAX: Duration = Duration::from_millis(3_500);

/// Frames that wait to be sent, for a driver that is slow to take them.
pub const TRANSMITS_MAX: usize = 64;

/// Events that wait to be taken; beyond it datagrams are dropped unread.
pub const EVENTS_MAX: usize = 64;

/// Datagrams that claim both sessions of the link, which only somebody knows who sees its traffic.
/// A signature costs about a microsecond, so these are a hundredth of a processor.
const PAIR_RATE: Rate = Rate { per_second: 10_000, burst: 1_000 };

/// Other datagrams from the peer's address: the first of a session, and what strangers send in its
/// name. They have their own bucket, so that a flood of them can't displace the pair's.
const STRANGERS_RATE: Rate = Rate { per_second: 100, burst: 20 };

/// One end of a link; pure.
#[derive(Debug)]
pub struct Link {
    config: Config,
    keyring: Keyring,
    /// Of this start.
    session: Session,
    /// Highest sequence number used.
    sequence: u64,
    /// When numbers were used.
    stamps: Stamps,
    /// What is known of the peer's session; none before the first fresh frame.
    remote: Option<Remote>,
    /// Highest number that a fresh frame echoed.
    echoed: u64,
    state: State,
    since: Instant,
    next_hello: Instant,
    pair: Budget,
    strangers: Budget,
    counts: Counts,
    refusals: Refusals,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

/// A datagram to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// What whoever owns the link is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer is there: for the first time, after a silence, or after it began anew. What it
    /// should know is to be sent again.
    Up {
        /// True if it remembers nothing of before: this is another start of it than the last.
        anew: bool,
    },
    /// Nothing fresh came for [`AGE_MAX`].
    Down,
    /// A message, fresh and for the first time.
    Received {
        /// Who sent it.
        from: SocketAddr,
        /// What it is about.
        channel: Channel,
        /// Of two messages of one session, the one with the larger number was sent later.
        sequence: u64,
        /// What it says; from the peer, but checked by nobody yet.
        payload: Vec<u8>,
    },
    /// A datagram wasn't taken. Told once per reason until something valid came, and not again
    /// within [`TELL_PAUSE`].
    Refused {
        /// Who sent it, or whose address was forged.
        from: SocketAddr,
        /// Why.
        refusal: Refusal,
    },
}

/// Whether the peer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was never heard.
    Waiting,
    /// Fresh frames come, so each hears the other.
    Up,
    /// It was heard, and then not for [`AGE_MAX`].
    Silent,
}

/// What went over the link. Hellos are frames, not messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames handed to the driver.
    pub frames_sent: u64,
    /// Frames that were fresh.
    pub frames_received: u64,
    /// Messages among those sent.
    pub messages_sent: u64,
    /// Messages among those received.
    pub messages_received: u64,
    /// Messages that weren't sent, because nobody was there or too many waited.
    pub messages_unsent: u64,
    /// Signed frames that proved nothing and were needed to prove something: some come at each start
    /// of either node and after a silence. More are recordings that somebody sends.
    pub introductions: u64,
    /// Starts of the peer that were seen.
    pub sessions: u64,
}

/// One look at a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The peer's address.
    pub peer: SocketAddr,
    /// Whether it is there.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// When the latest fresh frame came.
    pub heard: Option<Instant>,
    /// Time to the peer and back, without what it waited there; smoothed as RFC 6298 does.
    pub round_trip: Option<Duration>,
    /// The key that the peer signs with.
    pub signed_with: Option<SignedWith>,
    /// What went over it.
    pub counts: Counts,
    /// What wasn't taken; an entry per reason that occurred.
    pub refused: Vec<Refused>,
}

impl Link {
    /// A link that says its first hello at once. `session` is drawn anew for each.
    #[must_use]
    pub fn new(config: Config, session: Session, now: Instant) -> Self {
        Self {
            keyring: Keyring::new(&config.keys),
            config,
            session,
            sequence: 0,
            stamps: Stamps::default(),
            remote: None,
            echoed: 0,
            state: State::Waiting,
            since: now,
            next_hello: now,
            pair: Budget::new(PAIR_RATE, now),
            strangers: Budget::new(STRANGERS_RATE, now),
            counts: Counts::default(),
            refusals: Refusals::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// This holds from now on. Other keys or channels leave the link as it is; with another address
    /// it begins with [`State::Waiting`], and counters go on.
    pub fn apply(&mut self, now: Instant, config: Config) {
        if config.keys != self.config.keys {
            self.keyring = Keyring::new(&config.keys);
        }
        if config.peer != self.config.peer {
            self.transmits.clear();
            self.remote = None;
            self.next_hello = now;
            if self.state == State::Up {
                self.events.push_back(Event::Down);
            }
            self.turn(State::Waiting, now);
        }
        self.config = config;
    }

    /// When [`Link::handle_timeout`] wants to be called, and for what. Changes with every call.
    #[must_use]
    pub fn poll_timeout(&self) -> (Instant, &'static str) {
        let hello = (self.next_hello, "hello");
        match self.silent_at().filter(|silent_at| *silent_at < self.next_hello) {
            Some(silent_at) => (silent_at, "silence"),
            None => hello,
        }
    }

    /// Says hello and notices silence, if it is time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.silent_at().is_some_and(|silent_at| silent_at <= now) {
            self.turn(State::Silent, now);
            self.events.push_back(Event::Down);
        }
        if self.next_hello <= now {
            self.hello(now);
            self.next_hello = now + HELLO_INTERVAL;
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// One look at it.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            peer: self.config.peer,
            state: self.state,
            since: self.since,
            heard: self.remote.map(|remote| remote.heard),
            round_trip: self.remote.and_then(|remote| remote.round_trip),
            signed_with: self.remote.map(|remote| remote.signed_with),
            counts: self.counts,
            refused: self.refusals.list(),
        }
    }

    fn silent_at(&self) -> Option<Instant> {
        let remote = self.remote.filter(|_| self.state == State::Up)?;
        Some(remote.heard + AGE_MAX)
    }

    fn turn(&mut self, state: State, now: Instant) {
        if state != self.state {
            self.state = state;
            self.since = now;
        }
    }

    fn refuse(&mut self, now: Instant, from: SocketAddr, refusal: Refusal) {
        let tell = self.refusals.note(now, from, refusal);
        if tell && self.events.len() < EVENTS_MAX {
            self.events.push_back(Event::Refused { from, refusal });
        }
    }

    /// How many datagrams weren't taken for this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refusals.count(reason)
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests;
