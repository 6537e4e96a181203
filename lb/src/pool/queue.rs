//! The queue of a pool: who waits, since when, and for which server.
//!
//! One order of arrival for all. With a hash, each waiter stands in the line of the server that it
//! belongs to; otherwise any server will do and nobody stands in a line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::pool::{ServerKey, Waiter};

/// Those who wait. Its owner bounds it by the backend's `QueueLimit`.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// By order of arrival.
    waiting: BTreeMap<Arrival, Waiting>,
    /// Tickets to arrivals.
    tickets: BTreeMap<u64, Arrival>,
    /// Arrivals that wait for one server.
    lines: BTreeSet<(ServerKey, Arrival)>,
    arrivals: u64,
}

/// Place in the order of arrival; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival(u64);

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) waiter: Waiter,
    pub(super) since: Instant,
    line: Option<ServerKey>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends a waiter, to the line of a server if its client belongs to one.
    pub(super) fn push(&mut self, waiter: Waiter, now: Instant, line: Option<ServerKey>) {
        let arrival = Arrival(self.arrivals);
        self.arrivals += 1;
        let before = self.tickets.insert(waiter.ticket, arrival);
        debug_assert!(before.is_none(), "ticket {} waits twice", waiter.ticket);
        self.lines.extend(line.map(|server| (server, arrival)));
        self.waiting.insert(arrival, Waiting { waiter, since: now, line });
    }

    /// The one who waits longest.
    pub(super) fn first(&self) -> Option<(Arrival, &Waiting)> {
        self.waiting.first_key_value().map(|(arrival, waiting)| (*arrival, waiting))
    }

    /// The one who waits longest for `server`.
    pub(super) fn first_in_line(&self, server: ServerKey) -> Option<Arrival> {
        let line = (server, Arrival(0))..=(server, Arrival(u64::MAX));
        self.lines.range(line).next().map(|(_, arrival)| *arrival)
    }

    pub(super) fn remove(&mut self, arrival: Arrival) -> Option<Waiter> {
        let Waiting { waiter, line, .. } = self.waiting.remove(&arrival)?;
        self.tickets.remove(&waiter.ticket);
        if let Some(server) = line {
            self.lines.remove(&(server, arrival));
        }
        Some(waiter)
    }

    pub(super) fn cancel(&mut self, ticket: u64) -> bool {
        let arrival = self.tickets.get(&ticket).copied();
        arrival.and_then(|arrival| self.remove(arrival)).is_some()
    }

    /// Lines up everyone anew; the order of arrival stays.
    pub(super) fn line_up(&mut self, mut line_of: impl FnMut(&Waiter) -> Option<ServerKey>) {
        self.lines.clear();
        for (arrival, waiting) in &mut self.waiting {
            waiting.line = line_of(&waiting.waiter);
            self.lines.extend(waiting.line.map(|server| (server, *arrival)));
        }
    }

    /// When the one who waits longest has waited for `timeout`. None: nobody waits, or the moment
    /// is beyond the clock's range.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        self.first().and_then(|(_, waiting)| waiting.since.checked_add(timeout))
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert_eq!(self.waiting.len(), self.tickets.len());
        for (ticket, arrival) in &self.tickets {
            assert_eq!(self.waiting[arrival].waiter.ticket, *ticket);
        }
        let lines = self.waiting.iter().filter_map(|(arrival, w)| Some((w.line?, *arrival)));
        assert_eq!(lines.collect::<BTreeSet<_>>(), self.lines);
        assert!(self.waiting.values().is_sorted_by_key(|waiting| waiting.since));
    }
}
