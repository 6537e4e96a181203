//! A new configuration: first everything that can fail, then everything that can't.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use super::super::handle::{Applied, ApplyError};
use super::super::shared::{
    BackendNow, BackendStats, FrontendNow, FrontendStats, PerThread, ServerShared,
};
use super::super::{shared::Count, sockets, sys};
use super::{BackendEntry, Dispatcher, FrontendEntry, Servers, listeners};
use crate::admission::{AcceptRate, AccessList, Capacity};
use crate::config::{Backend, Config, Frontend};
use crate::names::{BackendName, FrontendName};
use crate::pool::{Effect, Pool, PoolChange, ServerKey};
use crate::snapshot::Health;

impl Dispatcher {
    /// Goes over to `config`.
    ///
    /// # Errors
    /// A new listener can't be opened; nothing has changed then.
    pub(in crate::driver) fn apply(
        &mut self,
        config: Config,
        now: Instant,
    ) -> Result<Applied, ApplyError> {
        if self.stopped {
            return Err(ApplyError::Stopping);
        }
        let mut applied = Applied::default();
        let opened = self.open_listeners(&config)?;
        self.inherited.clear();
        self.keep_and_retire_listeners(&config, now, &mut applied);
        self.apply_frontends(&config, &opened, now, &mut applied);
        self.apply_backends(&config, now, &mut applied);
        let capacity = Capacity::new(self.fd_limit, self.reserved_fds(), config.maxconn());
        self.descriptors.resize(capacity.connections(), capacity.fits());
        self.places_reason = capacity.to_string();
        self.expire_waiters(now);
        self.serve_queues(now);
        self.publish();
        Ok(applied)
    }

    /// Descriptors that aren't for connections: the rest of the process's, a poll and a waker for
    /// each thread, the dispatcher's own ones of the workers' polls, and listeners.
    fn reserved_fds(&self) -> u64 {
        let (threads, shared) = (self.workers.len() as u64 + 1, self.polls.len() as u64);
        self.reserved_elsewhere + 2 * threads + shared + self.listeners.len() as u64
    }

    /// Opens what isn't open yet. All or nothing, and whatever is open stays as it is: this is the
    /// one step that can fail.
    fn open_listeners(&mut self, config: &Config) -> Result<Vec<usize>, ApplyError> {
        let mut opened = Vec::new();
        let mut failure = None;
        for frontend in config.frontends() {
            for address in &frontend.binds {
                if failure.is_some() || self.listener_at(*address).is_some() {
                    continue;
                }
                match self.open_listener(*address, frontend, config) {
                    Ok(key) => opened.push(key),
                    Err(error) => failure = Some(error),
                }
            }
        }
        for (_, listener) in &self.listeners {
            // An option of an open socket; nothing to be done where it fails.
            let _ = sockets::allow_overlap(&listener.socket, false);
        }
        match failure {
            None => Ok(opened),
            Some(failure) => {
                opened.into_iter().for_each(|key| drop(self.listeners.remove(key)));
                Err(failure)
            }
        }
    }

    /// Takes what another process has opened, or opens it.
    fn open_listener(
        &mut self,
        address: SocketAddr,
        frontend: &Frontend,
        config: &Config,
    ) -> Result<usize, ApplyError> {
        if let Some(at) = self.inherited.iter().position(|(of, _)| *of == address) {
            let (_, socket) = self.inherited.swap_remove(at);
            return listeners::adopt(&mut self.listeners, &self.polls, address, frontend, socket);
        }
        let outgoing = self.outgoing_on_port(config, address.port());
        listeners::open(&mut self.listeners, &self.polls, address, frontend, &outgoing)
    }

    /// Copies of the listeners that stay.
    pub(super) fn copy_listeners(&self) -> io::Result<Vec<(SocketAddr, OwnedFd)>> {
        let listeners = self.listeners.iter().map(|(_, listener)| listener);
        listeners
            .filter(|listener| listener.closes_at.is_none())
            .map(|listener| Ok((listener.address, listener.socket.as_fd().try_clone_to_owned()?)))
            .collect()
    }

    /// Closes a listener here. Another process may have it, too, so that closing alone would leave
    /// it in the polls, and its clients would wake the workers.
    fn close_listener(&mut self, key: usize) {
        let listener = self.listeners.remove(key);
        for poll in &self.polls {
            // A socket that can't be taken out wasn't in.
            let _ = sys::unwatch_shared(poll, &listener.socket);
        }
    }

    fn listener_at(&self, address: SocketAddr) -> Option<usize> {
        let found = self.listeners.iter().find(|(_, listener)| listener.address == address);
        found.map(|(key, _)| key)
    }

    /// Listeners on `port` that `config` no longer has; a new address may overlap theirs.
    fn outgoing_on_port(&self, config: &Config, port: u16) -> Vec<usize> {
        let listeners = self.listeners.iter();
        listeners
            .filter(|(_, listener)| listener.address.port() == port)
            .filter(|(_, listener)| !config.binds(listener.address))
            .map(|(key, _)| key)
            .collect()
    }

    /// Keeps the listeners that the new configuration has, those about to leave as well, and sends
    /// the others away.
    fn keep_and_retire_listeners(&mut self, config: &Config, now: Instant, applied: &mut Applied) {
        for (_, listener) in &mut self.listeners {
            if config.binds(listener.address) {
                listener.stay();
            }
        }
        let outgoing: Vec<usize> = self
            .listeners
            .iter()
            .filter(|(_, listener)| listener.closes_at.is_none())
            .filter(|(_, listener)| !config.binds(listener.address))
            .map(|(key, _)| key)
            .collect();
        for key in outgoing {
            // Who waits in it was let in under the old configuration, and is served by it.
            self.listeners[key].leave(now);
            self.empty_queue(key, now);
            let address = self.listeners[key].address;
            applied.changes.push(format!("listens on {address} no more"));
        }
    }

    /// Closes the listeners whose leave is over, and forgets frontends that had no others.
    pub(super) fn close_listeners(&mut self, now: Instant) {
        let over = |listener: &super::Listener| listener.closes_at.is_some_and(|at| at <= now);
        let keys: Vec<usize> = self
            .listeners
            .iter()
            .filter(|(_, listener)| over(listener))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.empty_queue(key, now);
            self.close_listener(key);
        }
        if self.listeners.iter().all(|(_, listener)| listener.closes_at.is_none()) {
            // They come last, so the indices of the others stay.
            self.frontends.retain(|entry| !entry.retired);
        }
    }

    /// Closes all listeners for good, after serving who waits in them.
    pub(super) fn stop_accepting(&mut self, now: Instant) {
        self.stopped = true;
        let keys: Vec<usize> = self.listeners.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.empty_queue(key, now);
            self.close_listener(key);
        }
        for entry in &mut self.frontends {
            entry.listeners.clear();
        }
        self.publish();
    }

    fn apply_frontends(
        &mut self,
        config: &Config,
        opened: &[usize],
        now: Instant,
        applied: &mut Applied,
    ) {
        let leaving = self.leaving_listeners();
        let mut former: HashMap<FrontendName, FrontendEntry> = std::mem::take(&mut self.frontends)
            .into_iter()
            .map(|entry| (entry.now.options.name.clone(), entry))
            .collect();
        for (index, frontend) in config.frontends().iter().enumerate() {
            let before = former.remove(&frontend.name);
            match &before {
                None => applied.changes.push(format!("frontend {} added", frontend.name)),
                Some(before) if before.now.options != *frontend => {
                    applied.changes.push(format!("frontend {} changed", frontend.name));
                }
                Some(_) => {}
            }
            let listeners = self.assign_listeners(index, frontend, opened, applied);
            self.frontends.push(frontend_entry(
                frontend,
                before,
                listeners,
                self.workers.len(),
                now,
            ));
        }
        for (name, mut entry) in former {
            if !entry.retired {
                applied.changes.push(format!("frontend {name} removed"));
            }
            entry.retired = true;
            entry.listeners.clear();
            self.frontends.push(entry);
        }
        for (key, name) in leaving {
            let own = |entry: &FrontendEntry| entry.now.options.name == name;
            let index = self.frontends.iter().position(own);
            self.listeners[key].frontend = index.expect("retired frontends were kept");
        }
    }

    /// Listeners that leave, with the frontends that they still accept for.
    fn leaving_listeners(&self) -> Vec<(usize, FrontendName)> {
        let leaving = self.listeners.iter().filter(|(_, listener)| listener.closes_at.is_some());
        let name = |frontend: usize| self.frontends[frontend].now.options.name.clone();
        leaving.map(|(key, listener)| (key, name(listener.frontend))).collect()
    }

    /// Gives the frontend its listeners, and kept ones the options of this configuration.
    fn assign_listeners(
        &mut self,
        index: usize,
        frontend: &Frontend,
        opened: &[usize],
        applied: &mut Applied,
    ) -> Vec<usize> {
        let mut own = Vec::with_capacity(frontend.binds.len());
        for (key, listener) in &mut self.listeners {
            if !frontend.binds.contains(&listener.address) {
                continue;
            }
            listener.frontend = index;
            if opened.contains(&key) {
                let address = listener.address;
                applied.changes.push(format!("frontend {}: listens on {address}", frontend.name));
            } else {
                // Socket options of an open listener fail only for bad values, which the
                // configuration can't hold.
                let _ = sockets::reconfigure(&listener.socket, frontend.backlog, &frontend.client);
            }
            own.push(key);
        }
        own
    }

    fn apply_backends(&mut self, config: &Config, now: Instant, applied: &mut Applied) {
        let mut former: HashMap<BackendName, BackendEntry> = std::mem::take(&mut self.backends)
            .into_iter()
            .map(|entry| (entry.now.options.name.clone(), entry))
            .collect();
        for backend in config.backends() {
            let entry = match former.remove(&backend.name) {
                Some(entry) => entry.change(backend, config, self.workers.len(), now, applied),
                None => {
                    applied.changes.push(format!("backend {} added", backend.name));
                    BackendEntry::new(backend, config, self.workers.len(), now)
                }
            };
            self.backends.push(entry);
        }
        for (name, entry) in former {
            if !entry.removed {
                applied.changes.push(format!("backend {name} removed, its servers drain"));
            }
            self.backends.push(entry.retire(now));
        }
    }
}

fn frontend_entry(
    frontend: &Frontend,
    before: Option<FrontendEntry>,
    listeners: Vec<usize>,
    workers: usize,
    now: Instant,
) -> FrontendEntry {
    let (stats, former_rate) = match before {
        Some(before) => (Arc::clone(&before.now.stats), before.rate),
        None => (Arc::new(FrontendStats::new(workers)), None),
    };
    let rate = frontend.accept_rate.map(|rate| match former_rate {
        Some(mut former) => {
            former.set_rate(rate, now);
            former
        }
        None => AcceptRate::new(rate, now),
    });
    FrontendEntry {
        access: AccessList::new(&frontend.allow, &frontend.deny),
        now: Arc::new(FrontendNow { options: frontend.clone(), stats }),
        rate,
        listeners,
        retired: false,
    }
}

impl BackendEntry {
    fn new(backend: &Backend, config: &Config, workers: usize, now: Instant) -> Self {
        let stats = Arc::new(BackendStats::new(workers));
        let mut entry = Self {
            now: Arc::new(BackendNow { options: backend.clone(), stats }),
            pool: Pool::new(backend.clone()),
            servers: Servers::default(),
            removed: false,
        };
        let keys: Vec<ServerKey> = entry.pool.servers().map(|view| view.key).collect();
        entry.share(&keys, workers);
        entry.begin(&keys, config, now);
        entry
    }

    fn change(
        mut self,
        backend: &Backend,
        config: &Config,
        workers: usize,
        now: Instant,
        applied: &mut Applied,
    ) -> Self {
        if self.now.options == *backend && !self.removed {
            return self;
        }
        let before = Arc::clone(&self.now);
        let PoolChange { added, revived, removed, kept, wake_queue: _ } =
            self.pool.apply(backend.clone(), now); // queues are served after every change
        self.share(&added, workers);
        self.begin(&added, config, now);
        self.begin(&revived, config, now);
        self.removed = false;
        let stats = Arc::clone(&self.now.stats);
        self.now = Arc::new(BackendNow { options: backend.clone(), stats });

        let mut say = |keys: &[ServerKey], what: &str| {
            for server in keys.iter().filter_map(|key| self.pool.server(*key)) {
                applied
                    .changes
                    .push(format!("server {}/{} {what}", backend.name, server.config.name));
            }
        };
        say(&added, "added");
        say(&revived, "added again");
        say(&removed, "removed, it drains");
        let differs = |key: &&ServerKey| {
            self.pool.server(**key).is_some_and(|now| !before.options.servers.contains(now.config))
        };
        let changed: Vec<ServerKey> = kept.iter().filter(differs).copied().collect();
        say(&changed, "changed");
        if !same_settings(&before.options, backend) {
            applied.changes.push(format!("backend {} changed", backend.name));
        }
        self
    }

    /// Takes no more connections; ends with its last session.
    fn retire(mut self, now: Instant) -> Self {
        let options = Backend { servers: Vec::new(), ..self.now.options.clone() };
        // Waiters are told by the caller, who empties the queue next.
        let _: PoolChange = self.pool.apply(options, now);
        self.removed = true;
        self
    }

    /// Gives new servers the health that they begin with.
    fn begin(&mut self, keys: &[ServerKey], config: &Config, now: Instant) {
        for key in keys {
            let reference = self.servers.0.get(key).map(|server| server.reference());
            if reference.is_some_and(|reference| config.begins_down(&reference)) {
                // They have no sessions yet, and queues are served after every change.
                let _: Effect = self.pool.set_health(*key, Health::Down, now);
            }
        }
    }

    fn share(&mut self, keys: &[ServerKey], workers: usize) {
        for server in keys.iter().filter_map(|key| self.pool.server(*key)) {
            let shared = ServerShared {
                key: server.key,
                backend: self.now.options.name.clone(),
                name: server.config.name.clone(),
                address: server.config.address,
                assigned: Count::default(),
                workers: PerThread::new(workers),
            };
            self.servers.0.insert(server.key, Arc::new(shared));
        }
    }
}

/// Everything but the servers is the same.
fn same_settings(one: &Backend, other: &Backend) -> bool {
    let bare = |backend: &Backend| Backend { servers: Vec::new(), ..backend.clone() };
    bare(one) == bare(other)
}
