//! The last changes of servers, for whoever looks at the status.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use crate::status::ServerChange;
use crate::status::words::utc;

/// Changes that are kept: an evening's worth of a cluster, a minute's of one that flaps. The log has
/// all of them.
const CHANGES_MAX: usize = 50;

/// A server's verdict changed.
pub(super) struct Change {
    /// `backend/server`.
    pub(super) server: String,
    /// The new verdict.
    pub(super) up: bool,
    /// What the check said.
    pub(super) check: String,
    /// Servers of its backend that are up from now on.
    pub(super) servers_up: u64,
}

/// The last of them, the latest last.
#[derive(Default)]
pub(super) struct Changes(Mutex<VecDeque<(Instant, SystemTime, Change)>>);

impl Changes {
    pub(super) fn tell(&self, change: Change) {
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.len() == CHANGES_MAX {
            changes.pop_front();
        }
        changes.push_back((Instant::now(), SystemTime::now(), change));
    }

    /// As the status tells them.
    pub(super) fn status(&self) -> Vec<ServerChange> {
        let changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changes
            .iter()
            .map(|(since, at, change)| ServerChange {
                at: utc(*at),
                ago_seconds: since.elapsed().as_secs_f64(),
                server: change.server.clone(),
                up: change.up,
                check: change.check.clone(),
                servers_up: change.servers_up,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_flaps_leaves_the_last_changes_and_no_more() {
        let changes = Changes::default();
        for number in 0..1_000_u64 {
            let (server, check) = ("masters/kmaster1".to_owned(), "L4CON".to_owned());
            changes.tell(Change { server, up: number % 2 == 0, check, servers_up: number });
        }
        let told = changes.status();
        assert_eq!(told.len(), CHANGES_MAX);
        assert_eq!(told.last().map(|change| (change.servers_up, change.up)), Some((999, false)));
    }
}
