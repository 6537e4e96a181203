//! What came of a load, counted within a window of time.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The time that counts: what happens before it warms up, what happens after it is late.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Its beginning.
    pub from: Instant,
    /// Its end, which isn't part of it.
    pub to: Instant,
}

impl Window {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn has(&self, moment: Instant) -> bool {
        self.from <= moment && moment < self.to
    }
}

/// What was done in the window by some connections with the same work.
#[derive(Debug, Clone)]
pub struct Tally {
    window: Window,
    /// Units of work done: exchanges, or events of a watch.
    pub done: u64,
    /// Work that was due in the window and not done at its end.
    pub unfinished: u64,
    /// Connections that were refused, reset, ended or silent for too long, at any time.
    pub failed: u64,
    /// Connections that stood at the end.
    pub held: u64,
    /// Bytes sent.
    pub up: u64,
    /// Bytes received.
    pub down: u64,
    latencies: Histogram<u64>,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(window: Window) -> Self {
        let latencies = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS)
            .expect("the bounds are those that the library takes");
        Self { window, done: 0, unfinished: 0, failed: 0, held: 0, up: 0, down: 0, latencies }
    }

    /// The window that it counts in.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// A unit of work, due at `due`, was done.
    pub fn done(&mut self, due: Instant, now: Instant) {
        if self.window.has(now) {
            self.done += 1;
            self.latencies.saturating_record(nanoseconds(now.saturating_duration_since(due)));
        }
    }

    /// A unit of work, due at `due`, isn't done at the end of the load. It would have taken at
    /// least until then, and is counted with that latency.
    pub fn unfinished(&mut self, due: Instant) {
        if self.window.has(due) {
            self.unfinished += 1;
            let least = self.window.to.saturating_duration_since(due);
            self.latencies.saturating_record(nanoseconds(least));
        }
    }

    /// Bytes were sent.
    pub fn sent(&mut self, bytes: u64, now: Instant) {
        if self.window.has(now) {
            self.up += bytes;
        }
    }

    /// Bytes were received.
    pub fn received(&mut self, bytes: u64, now: Instant) {
        if self.window.has(now) {
            self.down += bytes;
        }
    }

    /// Adds what other connections did in the same window.
    pub fn add(&mut self, other: &Self) {
        let Self { window: _, done, unfinished, failed, held, up, down, latencies } = other;
        self.done += done;
        self.unfinished += unfinished;
        self.failed += failed;
        self.held += held;
        self.up += up;
        self.down += down;
        self.latencies.add(latencies).expect("all tallies have the same bounds");
    }

    /// The latency that a share (0 to 1) of all work didn't exceed; none where nothing was done.
    #[must_use]
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let nanoseconds = self.latencies.value_at_quantile(share);
        (!self.latencies.is_empty()).then_some(Duration::from_nanos(nanoseconds))
    }

    /// How many latencies are known.
    #[must_use]
    pub fn latency_count(&self) -> u64 {
        self.latencies.len()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What is quicker is told apart no further.
const LOWEST_NS: u64 = 100;

/// What is slower counts as this much: a minute, after which a connection has long been given up.
const HIGHEST_NS: u64 = 60_000_000_000;

/// Significant digits of a latency.
const DIGITS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        let from = Instant::now() + Duration::from_secs(1);
        Window { from, to: from + Duration::from_secs(2) }
    }

    #[test]
    fn only_what_happens_in_the_window_counts() {
        let window = window();
        let mut tally = Tally::new(window);
        let before = window.from - Duration::from_millis(1);
        for moment in [before, window.to] {
            tally.done(before, moment);
            tally.sent(5, moment);
            tally.received(6, moment);
            tally.unfinished(moment);
        }
        assert_eq!((tally.done, tally.up, tally.down, tally.unfinished), (0, 0, 0, 0));
        assert_eq!(tally.latency(0.5), None);
        tally.done(before, window.from);
        tally.sent(5, window.from);
        tally.received(6, window.from);
        assert_eq!((tally.done, tally.up, tally.down), (1, 5, 6));
    }

    #[test]
    fn a_latency_has_three_digits_and_saturates_at_a_minute() {
        let window = window();
        let mut tally = Tally::new(window);
        let now = window.from;
        tally.done(now - Duration::from_micros(250), now);
        let close = tally.latency(1.0).unwrap().as_secs_f64() / 250e-6;
        assert!((0.999..1.001).contains(&close), "{close}");
        let mut hours = Tally::new(window);
        hours.latencies.saturating_record(nanoseconds(Duration::from_secs(7_200)));
        let told = hours.latency(1.0).unwrap();
        assert!(told >= Duration::from_secs(60) && told < Duration::from_secs(70), "{told:?}");
    }

    #[test]
    fn what_was_due_and_is_not_done_counts_as_at_least_so_slow() {
        let window = window();
        let mut tally = Tally::new(window);
        tally.unfinished(window.from + Duration::from_millis(500));
        assert_eq!((tally.unfinished, tally.done), (1, 0));
        assert!(tally.latency(0.5).unwrap() >= Duration::from_millis(1_490));
    }

    #[test]
    fn tallies_of_several_threads_add_up() {
        let window = window();
        let (mut one, mut other) = (Tally::new(window), Tally::new(window));
        one.done(window.from, window.from);
        other.done(window.from, window.from + Duration::from_millis(1));
        other.failed = 3;
        one.add(&other);
        assert_eq!((one.done, one.failed, one.latency_count()), (2, 3, 2));
    }
}
