//! What a server counts.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Counts since the server was started, restarts included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// TCP connections open now.
    pub connections_open: u64,
    /// TCP connections accepted.
    pub connections_total: u64,
    /// Requests whose header arrived.
    pub requests_total: u64,
    /// Requests by path, without the query; paths beyond [`MAX_PATHS`] count as `other`.
    pub requests_by_path: BTreeMap<String, u64>,
}

/// Paths that are counted apart: more than a test asks for, too few to matter.
pub const MAX_PATHS: usize = 256;

/// The counts of a running server.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Counts>);

/// An open connection; counts down when it is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection<'a>(&'a Counters);

impl Counters {
    pub(super) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    pub(super) fn connection(&self) -> OpenConnection<'_> {
        let mut counts = self.lock();
        counts.connections_open += 1;
        counts.connections_total += 1;
        OpenConnection(self)
    }

    pub(super) fn request(&self, path: &str) {
        let mut counts = self.lock();
        counts.requests_total += 1;
        let paths = &mut counts.requests_by_path;
        let known = paths.len() < MAX_PATHS || paths.contains_key(path);
        *paths.entry(if known { path } else { "other" }.to_owned()).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.lock().connections_open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_beyond_the_bound_are_counted_together() {
        let counters = Counters::default();
        for n in 0..MAX_PATHS + 10 {
            counters.request(&format!("/{n}"));
        }
        counters.request("/0");
        let counts = counters.counts();
        assert_eq!(counts.requests_by_path.len(), MAX_PATHS + 1);
        assert_eq!((counts.requests_by_path["/0"], counts.requests_by_path["other"]), (2, 10));
        assert_eq!(counts.requests_total, u64::try_from(MAX_PATHS).unwrap() + 11);
    }

    #[test]
    fn a_connection_is_open_until_it_is_dropped() {
        let counters = Counters::default();
        let connection = counters.connection();
        assert_eq!(counters.counts().connections_open, 1);
        drop(connection);
        let counts = counters.counts();
        assert_eq!((counts.connections_open, counts.connections_total), (0, 1));
    }
}
