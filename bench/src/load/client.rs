//! One connection's work, as a machine: what to do next, given what happened and what time it is.
//!
//! ```text
//!   Away ──▶ Connecting ──▶ Open ──▶ Sending ──▶ Receiving ──▶ Open, Closing or Held
//!                 │           ▲                      │
//!                 │           └──────── kept ────────┘
//!                 ├──▶ Streaming, Watching
//!   any ── lost ──▶ Away, for RETRY
//! ```

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use super::{
    order::{LEN, Order},
    schedule::Schedule,
    tally::Tally,
};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Requests and answers, one at a time.
    Exchanges {
        /// Bytes of a request, besides its order.
        up: u32,
        /// Bytes of an answer.
        down: u32,
        /// When the next one is due.
        pace: Pace,
        /// How long a connection is used.
        life: Life,
    },
    /// Bytes as fast as they go.
    Stream {
        /// From the client.
        up: bool,
        /// To the client.
        down: bool,
    },
    /// Events that the backend sends by itself.
    Watch {
        /// Bytes of an event.
        event: u32,
        /// From one event to the next.
        every: Duration,
    },
    /// One small exchange, so that the connection stands all the way, then silence.
    Idle,
}

impl Work {
    /// Whether it is due at a fixed rate.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        matches!(self, Self::Exchanges { pace: Pace::Every(_), .. })
    }
}

/// When an exchange is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As soon as the last one is done (a closed loop): it finds how fast it goes.
    Closed,
    /// At this distance, done or not (an open loop): it finds how long one waits.
    Every(Duration),
}

/// How long a connection is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// For all exchanges.
    Kept,
    /// For so many; the latency of the first one has the connect in it.
    Exchanges(NonZeroU32),
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Open a connection; answer with [`Client::connected`] or [`Client::lost`].
    Connect,
    /// Send up to `send` bytes, which come after the first `sent` of this exchange (its order is
    /// among those), and receive up to `receive`.
    Move {
        /// Bytes that went out before.
        sent: u64,
        /// Bytes to send.
        send: u64,
        /// Bytes to receive.
        receive: u64,
    },
    /// Nothing before this moment, or nothing at all. Nothing is expected from the peer either.
    Rest(Option<Instant>),
    /// Close the connection; answer with [`Client::closed`].
    Close,
}

/// One connection, and its successors where it is closed and opened again.
#[derive(Debug)]
pub struct Client {
    work: Work,
    schedule: Option<Schedule>,
    state: State,
    /// Exchanges on this connection.
    exchanges: u32,
    /// When what is under way began.
    since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Away { until: Instant },
    Connecting { due: Option<Instant> },
    Open,
    Sending { due: Instant, sent: u64 },
    Receiving { due: Instant, left: u64 },
    Closing,
    Streaming { sent: u64 },
    Watching { sent: u64, got: u64, next: Option<Instant> },
    Held,
}

impl Client {
    /// A connection that begins its work at `begins`; an open loop is due for the first time then.
    #[must_use]
    pub fn new(work: Work, begins: Instant) -> Self {
        let schedule = match work {
            Work::Exchanges { pace: Pace::Every(period), .. } => {
                Some(Schedule::new(begins, period))
            }
            Work::Exchanges { pace: Pace::Closed, .. }
            | Work::Stream { .. }
            | Work::Watch { .. }
            | Work::Idle => None,
        };
        let state = State::Away { until: begins };
        Self { work, schedule, state, exchanges: 0, since: begins }
    }

    /// What it orders from the backend.
    #[must_use]
    pub fn order(&self) -> Order {
        order(self.work)
    }

    /// What to do next. Ask again after each answer, and when the time has come that it told.
    pub fn want(&mut self, now: Instant) -> Want {
        match self.state {
            State::Away { until } if now < until => Want::Rest(Some(until)),
            State::Away { .. } => self.set_out(now),
            State::Connecting { .. } => Want::Rest(None),
            State::Open => match self.due(now) {
                Ok(due) => {
                    (self.state, self.since) = (State::Sending { due, sent: 0 }, now);
                    self.want(now)
                }
                Err(next) => Want::Rest(Some(next)),
            },
            State::Sending { sent, .. } => {
                Want::Move { sent, send: self.request_len() - sent, receive: 0 }
            }
            State::Receiving { left, .. } => Want::Move { sent: 0, send: 0, receive: left },
            State::Closing => Want::Close,
            State::Streaming { sent } => {
                let (endless_up, endless_down) = match self.work {
                    Work::Stream { up, down } => (up, down),
                    Work::Exchanges { .. } | Work::Watch { .. } | Work::Idle => (false, false),
                };
                let order = (LEN as u64).saturating_sub(sent);
                let send = if endless_up { u64::MAX } else { order };
                Want::Move { sent, send, receive: if endless_down { u64::MAX } else { 0 } }
            }
            State::Watching { sent, .. } => {
                let send = (LEN as u64).saturating_sub(sent);
                Want::Move { sent, send, receive: u64::MAX }
            }
            State::Held => Want::Rest(None),
        }
    }

    /// Begins a connection if there is something to do on it.
    fn set_out(&mut self, now: Instant) -> Want {
        let due = match self.work {
            Work::Exchanges { life: Life::Exchanges(_), .. } => match self.due(now) {
                Ok(due) => Some(due),
                Err(next) => return Want::Rest(Some(next)),
            },
            Work::Exchanges { life: Life::Kept, .. }
            | Work::Stream { .. }
            | Work::Watch { .. }
            | Work::Idle => None,
        };
        (self.state, self.since, self.exchanges) = (State::Connecting { due }, now, 0);
        Want::Connect
    }

    /// The moment at which the exchange that is next was due, or when it will be.
    fn due(&mut self, now: Instant) -> Result<Instant, Instant> {
        self.schedule
            .as_mut()
            .map_or(Ok(now), |schedule| schedule.take(now).ok_or_else(|| schedule.next()))
    }

    fn request_len(&self) -> u64 {
        let up = match self.work {
            Work::Exchanges { up, .. } => up.into(),
            Work::Idle => 1,
            Work::Stream { .. } | Work::Watch { .. } => 0,
        };
        LEN as u64 + up
    }

    /// The connection stands.
    pub fn connected(&mut self, now: Instant) {
        let State::Connecting { due } = self.state else { return };
        self.since = now;
        self.state = match (self.work, due) {
            (Work::Stream { .. }, _) => State::Streaming { sent: 0 },
            (Work::Watch { .. }, _) => State::Watching { sent: 0, got: 0, next: None },
            (Work::Exchanges { .. } | Work::Idle, Some(due)) => State::Sending { due, sent: 0 },
            (Work::Exchanges { .. } | Work::Idle, None) => State::Open,
        };
    }

    /// So many bytes went out.
    pub fn sent(&mut self, count: u64, now: Instant, tally: &mut Tally) {
        tally.sent(count, now);
        let len = self.request_len();
        match &mut self.state {
            State::Sending { due, sent } => {
                *sent += count;
                if *sent == len {
                    self.state = State::Receiving { due: *due, left: self.answer_len() };
                    // An answer of no bytes is there at once.
                    self.received(0, now, tally);
                }
            }
            State::Streaming { sent } | State::Watching { sent, .. } => *sent += count,
            State::Away { .. }
            | State::Connecting { .. }
            | State::Open
            | State::Receiving { .. }
            | State::Closing
            | State::Held => {}
        }
    }

    fn answer_len(&self) -> u64 {
        match self.work {
            Work::Exchanges { down, .. } => down.into(),
            Work::Idle => 1,
            Work::Stream { .. } | Work::Watch { .. } => 0,
        }
    }

    /// So many bytes came.
    pub fn received(&mut self, count: u64, now: Instant, tally: &mut Tally) {
        tally.received(count, now);
        match &mut self.state {
            State::Receiving { due, left } => {
                *left -= count;
                if *left == 0 {
                    tally.done(*due, now);
                    self.exchanges = self.exchanges.saturating_add(1);
                    self.state = self.after_exchange();
                }
            }
            State::Watching { got, next, .. } => {
                let Work::Watch { event, every } = self.work else { return };
                *got += count;
                while *got >= event.into() {
                    *got -= u64::from(event);
                    // The first event sets the pace that the others are held to.
                    let due = next.unwrap_or(now).min(now);
                    *next = Some(next.map_or(now, |next| next) + every);
                    tally.done(due, now);
                }
            }
            State::Away { .. }
            | State::Connecting { .. }
            | State::Open
            | State::Sending { .. }
            | State::Closing
            | State::Streaming { .. }
            | State::Held => {}
        }
    }

    fn after_exchange(&self) -> State {
        match self.work {
            Work::Idle => State::Held,
            Work::Exchanges { life: Life::Exchanges(most), .. } if self.exchanges >= most.get() => {
                State::Closing
            }
            Work::Exchanges { .. } | Work::Stream { .. } | Work::Watch { .. } => State::Open,
        }
    }

    /// The connection was closed as wanted.
    pub fn closed(&mut self, now: Instant) {
        self.state = State::Away { until: now };
    }

    /// The connection couldn't be opened, or ended by itself. It is tried again after [`RETRY`].
    pub fn lost(&mut self, now: Instant, tally: &mut Tally) {
        tally.failed += 1;
        if let Some(due) = self.current() {
            tally.unfinished(due);
        }
        self.state = State::Away { until: now + RETRY };
    }

    /// Whether something has been under way for longer than [`PATIENCE`]; close it then, and say
    /// that it was lost.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        let is_busy = matches!(
            self.state,
            State::Connecting { .. } | State::Sending { .. } | State::Receiving { .. }
        );
        is_busy && now.saturating_duration_since(self.since) > PATIENCE
    }

    /// Whether a connect is under way.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting { .. })
    }

    /// The load is over: counts what was due at a fixed pace and isn't done.
    pub fn finish(&mut self, tally: &mut Tally) {
        let end = tally.window().to;
        if let Some(mut schedule) = self.schedule {
            if let Some(due) = self.current() {
                tally.unfinished(due);
            }
            while schedule.next() < end
                && let Some(due) = schedule.take(end)
            {
                tally.unfinished(due);
            }
        }
        if matches!(self.state, State::Held | State::Watching { .. }) {
            tally.held += 1;
        }
    }

    /// When the exchange under way was due.
    fn current(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { due } => due,
            State::Sending { due, .. } | State::Receiving { due, .. } => Some(due),
            State::Away { .. }
            | State::Open
            | State::Closing
            | State::Streaming { .. }
            | State::Watching { .. }
            | State::Held => None,
        }
    }
}

/// What work orders from the backend.
#[must_use]
pub fn order(work: Work) -> Order {
    match work {
        Work::Exchanges { up, down, .. } => Order::Exchange { up: up.into(), down: down.into() },
        Work::Stream { up, down } => Order::Stream { up, down },
        Work::Watch { event, every } => Order::Watch { event, every },
        Work::Idle => Order::Exchange { up: 1, down: 1 },
    }
}

/// Rest after a failure, so that a subject that refuses isn't asked as fast as the kernel can say
/// no.
pub const RETRY: Duration = Duration::from_millis(10);

/// A connect or an exchange that takes longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
