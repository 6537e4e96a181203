//! A changed configuration: what stays, what comes, what goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::config::{Backend, Server};
use crate::names::ServerName;
use crate::pool::server::Entry;
use crate::pool::{Pool, Rules, ServerKey};
use crate::snapshot::Admin;

/// What a reload did to a pool.
#[must_use]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolChange {
    /// New servers. Each is up until a verdict says otherwise, so the caller passes on what the
    /// checks know of it.
    pub added: Vec<ServerKey>,
    /// Servers that had been removed, still had sessions, and are back; also up until a verdict.
    pub revived: Vec<ServerKey>,
    /// Servers left out now. They take no new connections; their sessions stay, and
    /// [`Pool::forget`] is due when the last one has ended.
    pub removed: Vec<ServerKey>,
    /// Servers that stay, with their health, what the operator said, and their sessions.
    pub kept: Vec<ServerKey>,
    /// As [`Effect::wake_queue`](crate::pool::Effect::wake_queue).
    pub wake_queue: bool,
}

impl Pool {
    /// Goes over to a changed configuration of the same backend.
    ///
    /// A server is the same iff name and address are. With another address it is a new server,
    /// and the old one is removed. What the operator said at run time survives, also on a new
    /// address: drain and maint always, a weight unless the file changed that very weight
    /// (HAProxy's rule for its server state: a changed configuration beats a saved state).
    pub fn apply(&mut self, backend: Backend, now: Instant) -> PoolChange {
        self.rules = Rules::of(&backend);
        let before = std::mem::take(&mut self.order);
        let mut named: BTreeMap<ServerName, Vec<ServerKey>> = BTreeMap::new();
        for key in &before {
            // Live servers come first in the order, so a live one heads its namesakes.
            let name = self.servers[key].config.name.clone();
            named.entry(name).or_default().push(*key);
        }
        let mut change = PoolChange::default();
        for server in backend.servers {
            let namesakes = named.get(&server.name).map_or(&[][..], Vec::as_slice);
            let key = self.take_over(server, namesakes, &mut change);
            self.order.push(key);
        }
        let stays: BTreeSet<ServerKey> = self.order.iter().copied().collect();
        for key in before.into_iter().filter(|key| !stays.contains(key)) {
            self.order.push(key);
            if let Some(entry) = self.servers.get_mut(&key).filter(|entry| !entry.removed) {
                entry.removed = true;
                change.removed.push(key);
            }
        }
        change.wake_queue = self.refresh(now);
        // The way to balance may have changed as well.
        self.line_up();
        change
    }

    fn take_over(
        &mut self,
        server: Server,
        namesakes: &[ServerKey],
        change: &mut PoolChange,
    ) -> ServerKey {
        let predecessor = namesakes.first().map(|key| &self.servers[key]);
        let predecessor = predecessor.filter(|entry| !entry.removed);
        let admin = predecessor.map_or(Admin::Ready, |entry| entry.admin);
        let weight = predecessor
            .and_then(|entry| entry.weight.filter(|_| entry.config.weight == server.weight));
        let same = |key: &ServerKey| self.servers[key].config.address == server.address;
        let same = namesakes.iter().copied().find(same);
        let fresh = |server| Entry { admin, weight, ..Entry::new(server) };
        match same.and_then(|key| Some((key, self.servers.get_mut(&key)?))) {
            None => {
                let key = self.add(fresh(server));
                change.added.push(key);
                key
            }
            Some((key, entry)) if entry.removed => {
                *entry = fresh(server);
                change.revived.push(key);
                key
            }
            Some((key, entry)) => {
                entry.config = server;
                entry.weight = weight;
                change.kept.push(key);
                key
            }
        }
    }
}
