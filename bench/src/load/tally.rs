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
    /// The same time of several, told once: in order and apart from each other.
    #[must_use]
    pub fn united(mut times: Vec<Self>) -> Vec<Self> {
        times.sort_by_key(|time| time.from);
        let mut united: Vec<Self> = Vec::new();
        for time in times {
            match united.last_mut() {
                Some(last) if time.from <= last.to => last.to = last.to.max(time.to),
                _ => united.push(time),
            }
        }
        united
    }

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
    /// Where they are asked for: all waits of which `latencies` tells.
    waits: Option<Vec<Wait>>,
}

/// A unit of work: from when it was due until it was done.
#[derive(Debug, Clone, Copy)]
struct Wait {
    due: Instant,
    took: Duration,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(window: Window) -> Self {
        let latencies = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS)
            .expect("the bounds are those that the library takes");
        Self {
            window,
            done: 0,
            unfinished: 0,
            failed: 0,
            held: 0,
            up: 0,
            down: 0,
            latencies,
            waits: None,
        }
    }

    /// Notes of each latency also when it was, so that [`Tally::leave_out`] knows. Beyond
    /// two million it keeps none of them.
    #[must_use]
    pub fn keeping_waits(self) -> Self {
        Self { waits: Some(Vec::new()), ..self }
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
            self.waited(due, now.saturating_duration_since(due));
        }
    }

    /// A unit of work, due at `due`, isn't done at the end of the load. It would have taken at
    /// least until then, and is counted with that latency.
    pub fn unfinished(&mut self, due: Instant) {
        if self.window.has(due) {
            self.unfinished += 1;
            self.waited(due, self.window.to.saturating_duration_since(due));
        }
    }

    fn waited(&mut self, due: Instant, took: Duration) {
        self.latencies.saturating_record(nanoseconds(took));
        match &mut self.waits {
            Some(waits) if waits.len() < WAITS_MAX => waits.push(Wait { due, took }),
            _ => self.waits = None,
        }
    }

    /// Forgets the latencies of work that waited in one of these times, which are in order and
    /// apart from each other ([`Window::united`]); returns how many. None where they weren't kept.
    pub fn leave_out(&mut self, times: &[Window]) -> u64 {
        let Some(waits) = &mut self.waits else { return 0 };
        let before = waits.len();
        waits.retain(|wait| {
            let next = times.partition_point(|time| time.to <= wait.due);
            times.get(next).is_none_or(|time| wait.due + wait.took < time.from)
        });
        self.latencies.reset();
        for wait in &*waits {
            self.latencies.saturating_record(nanoseconds(wait.took));
        }
        u64::try_from(before - waits.len()).unwrap_or(u64::MAX)
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
        let Self { window: _, done, unfinished, failed, held, up, down, latencies, waits } = other;
        self.done += done;
        self.unfinished += unfinished;
        self.failed += failed;
        self.held += held;
        self.up += up;
        self.down += down;
        self.latencies.add(latencies).expect("all tallies have the same bounds");
        self.waits = match (self.waits.take(), waits) {
            (Some(mut own), Some(others)) if own.len() + others.len() <= WAITS_MAX => {
                own.extend(others);
                Some(own)
            }
            _ => None,
        };
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

/// Waits that are kept, 32 bytes each: minutes of what a thread can ask for at a fixed rate.
const WAITS_MAX: usize = 2_000_000;

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

    #[test]
    fn what_waited_while_the_machine_stood_still_can_be_left_out() {
        let window = window();
        let ms = |count| window.from + Duration::from_millis(count);
        let mut tally = Tally::new(window).keeping_waits();
        for (due, done) in [(0, 1), (9, 11), (12, 14), (19, 40), (20, 21), (90, 91)] {
            tally.done(ms(due), ms(done));
        }
        tally.unfinished(ms(1_999));
        let still = [(10, 13), (12, 20), (1_999, 2_500)];
        let still = still.map(|(from, to)| Window { from: ms(from), to: ms(to) });
        assert_eq!(tally.leave_out(&Window::united(still.to_vec())), 4);
        assert_eq!((tally.latency_count(), tally.done), (3, 6), "work is done all the same");
        assert!(tally.latency(1.0).unwrap() < Duration::from_millis(2));
    }

    #[test]
    fn latencies_of_unknown_times_stay() {
        let window = window();
        let mut tally = Tally::new(window);
        tally.done(window.from, window.from);
        assert_eq!((tally.leave_out(&[window]), tally.latency_count()), (0, 1));
    }

    #[test]
    fn times_are_united_whatever_their_order() {
        let start = window().from;
        let at = |seconds| start + Duration::from_secs(seconds);
        let times = [(8, 9), (1, 5), (2, 3), (5, 6)].map(|(from, to)| (at(from), at(to)));
        let united = Window::united(times.map(|(from, to)| Window { from, to }).to_vec());
        let united: Vec<_> = united.iter().map(|time| (time.from, time.to)).collect();
        assert_eq!(united, [(at(1), at(6)), (at(8), at(9))]);
    }
}
