//! Waking at a moment: epoll's own timeout counts whole milliseconds, in which ten requests are due.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use mio::{Interest, Registry, Token, unix::SourceFd};
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

/// Moments at which keys want to be looked at, and the timer that wakes a readiness loop for the
/// first of them.
pub(super) struct Alarm {
    timer: TimerFd,
    /// As many as there are connections: each sets its next one when the last one has rung.
    moments: BinaryHeap<Reverse<(Instant, usize)>>,
    armed: Option<Instant>,
}

impl Alarm {
    /// A timer that shows up as `token`.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        registry.register(&mut SourceFd(&timer.as_fd().as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer, moments: BinaryHeap::new(), armed: None })
    }

    /// Has a key looked at when `at` has come.
    pub(super) fn set(&mut self, at: Instant, key: usize) {
        self.moments.push(Reverse((at, key)));
    }

    /// The next key whose moment has come.
    pub(super) fn ring(&mut self, now: Instant) -> Option<usize> {
        let Reverse((at, key)) = *self.moments.peek()?;
        (at <= now).then(|| self.moments.pop())?;
        Some(key)
    }

    /// Before the loop sleeps: sets the timer to the first moment.
    pub(super) fn arm(&mut self, now: Instant) -> io::Result<()> {
        let first = self.moments.peek().map(|Reverse((at, _))| *at);
        // An edge-triggered timer that was set anew needs no reading.
        if first.is_some() && (first != self.armed || self.armed.is_some_and(|at| at <= now)) {
            let left = first.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            // Zero would disarm it.
            let left = TimeSpec::from_duration(left.max(Duration::from_nanos(1)));
            self.timer.set(Expiration::OneShot(left), TimerSetTimeFlags::empty())?;
        }
        self.armed = first;
        Ok(())
    }
}
