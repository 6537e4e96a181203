//! The pool of a backend: which servers take connections, which one takes the next, and who waits.
//!
//! ```text
//!  configuration ─apply──────▶ ┌────────────┐ ◀─choose────── a client (or one whose server failed)
//!  health checks ─set_health─▶ │    Pool    │ ──────────────▶ a server │ wait │ refuse
//!  operator ─set_admin/weight▶ │ rotation   │ ◀─enqueue, cancel
//!  clock ───handle_timeout───▶ │ queue      │ ──next_waiter─▶ (ticket, server)
//!  counters (Loads) ─────────▶ └────────────┘ ──expire──────▶ (ticket, why)
//! ```
//!
//! A pure core with one owner: no clock, socket, lock, randomness or log inside. Connections are
//! counted outside and read through [`Loads`], so a count can't leak in here.
//!
//! - A server is **eligible** iff it is up, [`Admin::Ready`], of a weight above 0 and not removed.
//!   The eligible servers share new connections; backups do, all of them alike, only while no
//!   other server is eligible. With none eligible a connection is refused at once, never parked
//!   and never sent to a server that is down: with two of three masters dead, a "panic mode" as
//!   Envoy's would send two thirds of the clients to their death.
//! - A server at its `maxconn` is full. Where any server will do, a client waits only if all are
//!   full; with `source` and `flow` it waits for its own server although others may have room,
//!   since affinity is what was asked for (HAProxy queues alike).
//! - Servers already tried in vain are avoided while another one has room (with `source` and
//!   `flow`: while another one is eligible); else they are tried again, as HAProxy does.
//! - Who waits is served in order of arrival. Each waiter leaves exactly once: by `next_waiter`,
//!   `expire` or `cancel`.
//!
//! Removed servers stay until [`Pool::forget`], so the owner bounds them by calling it when a
//! removed server's last session has ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::{Backend, OnDown, QueueLimit, Server, Weight};
use crate::names::ServerName;
use crate::pool::method::Method;
use crate::pool::queue::Queue;
use crate::pool::rotation::{Change, Rotation};
use crate::pool::server::Entry;
use crate::snapshot::{Admin, Health};

mod method;
mod queue;
mod reload;
mod rotation;
mod server;
mod slow_start;
mod waiting;

pub use reload::PoolChange;
pub use waiting::{Expired, Expiry, QueueFull, Waiter};

/// A server of a pool, also after its removal or another server's arrival under its name. Never
/// used again within the pool's life; counted up from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(u32);

impl ServerKey {
    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

/// Where connections are counted.
pub trait Loads {
    /// Open connections to the server, attempts included. A connection that the pool has given to
    /// a server counts before the pool is asked again.
    fn active(&self, server: ServerKey) -> u32;
}

/// A connection that needs a server.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// The client, as the PROXY header says where one is accepted.
    pub client: SocketAddr,
    /// Uniformly random bits, for [`Balance::Random`](crate::config::Balance::Random).
    pub random: u64,
    /// Servers that this connection has tried in vain.
    pub tried: &'a [ServerKey],
}

/// Where a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// To this server.
    Server(ServerKey),
    /// Nowhere yet: each server that may take it is full, or others wait already. The caller may
    /// [`enqueue`](Pool::enqueue) it.
    Wait,
    /// Nowhere.
    Refuse(Refusal),
}

/// Why a connection gets no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No server is eligible.
    NoServer,
}

/// What the caller has to do after a change.
#[must_use]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    /// Something is other than before: worth a log line.
    pub changed: bool,
    /// The server's sessions are to be reset, spread as `on_down` says.
    pub reset_sessions: bool,
    /// Waiters may have room now, or no server any more: call [`Pool::next_waiter`] and
    /// [`Pool::expire`], each until it returns none.
    pub wake_queue: bool,
}

/// A server as the pool sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerView<'a> {
    /// Its key.
    pub key: ServerKey,
    /// Its configuration.
    pub config: &'a Server,
    /// What the checks say; up until they say anything.
    pub health: Health,
    /// What the operator says.
    pub admin: Admin,
    /// Weight in force, as configured or set at run time.
    pub weight: Weight,
    /// Part of that weight and of `maxconn` in force, 1 to 100; below 100 while it starts slowly.
    pub slow_start_percent: u8,
    /// Most connections at a time at the moment, slow start considered.
    pub limit: Option<u32>,
    /// Left out by a reload; ends with its last session.
    pub removed: bool,
}

/// The servers of a backend with their state, and the connections that wait for one.
#[derive(Debug)]
pub struct Pool {
    rules: Rules,
    servers: BTreeMap<ServerKey, Entry>,
    /// The order of the file; removed servers after it.
    order: Vec<ServerKey>,
    next_key: u32,
    rotation: Rotation,
    queue: Queue,
    /// When slow starts go on.
    next_step: Option<Instant>,
    /// Since when waiters have no server left to wait for.
    stranded_since: Option<Instant>,
}

/// What of a backend's configuration the pool goes by, its servers apart.
#[derive(Debug)]
struct Rules {
    method: Method,
    queue: QueueLimit,
    on_down: OnDown,
    slow_start: Option<Duration>,
}

impl Rules {
    fn of(backend: &Backend) -> Self {
        Self {
            method: Method::of(backend.balance),
            queue: backend.queue,
            on_down: backend.on_down,
            slow_start: backend.slow_start,
        }
    }

    fn resets(&self) -> bool {
        match self.on_down {
            OnDown::Reset { .. } => true,
            OnDown::Keep => false,
        }
    }
}

impl Pool {
    /// The pool at the start of the process: each server up, ready and at its full weight.
    #[must_use]
    pub fn new(backend: Backend) -> Self {
        let mut pool = Self {
            rules: Rules::of(&backend),
            servers: BTreeMap::new(),
            order: Vec::new(),
            next_key: 0,
            rotation: Rotation::default(),
            queue: Queue::default(),
            next_step: None,
            stranded_since: None,
        };
        for server in backend.servers {
            let key = pool.add(Entry::new(server));
            pool.order.push(key);
        }
        pool.rotation.rebuild(&mut pool.servers, &pool.order);
        pool
    }

    /// Chooses a server for a connection. Nothing is allocated. The connection must count in
    /// [`Loads`] before the next call.
    ///
    /// Two calls with the same demand differ, since turns move on; with `source` and `flow` they
    /// differ only if the eligible servers, their weights or their room changed in between.
    pub fn choose(&mut self, demand: &Demand<'_>, loads: &impl Loads, now: Instant) -> Choice {
        // Weights are right even if the timer comes late; with someone waiting, the timer itself
        // must come, since it wakes the queue.
        if self.queue.is_empty() && self.next_step.is_some_and(|due| due <= now) {
            self.refresh(now);
        }
        if self.rotation.is_empty() {
            return Choice::Refuse(Refusal::NoServer);
        }
        let server = match self.rules.method {
            Method::Any(_) if !self.queue.is_empty() => None,
            Method::Any(spread) => self.rotation.pick(spread, demand.tried, loads, demand.random),
            Method::Own(affinity) => {
                let own = self.rotation.winner(affinity.point(demand.client), demand.tried);
                own.filter(|own| self.queue.first_in_line(*own).is_none())
                    .filter(|own| self.rotation.has_room(*own, loads))
            }
        };
        server.map_or(Choice::Wait, Choice::Server)
    }

    /// Takes a verdict of the checks. A server that isn't there (any more) is no concern: a
    /// verdict may cross with a reload.
    pub fn set_health(&mut self, key: ServerKey, health: Health, now: Instant) -> Effect {
        let changed = |entry: &Entry| entry.health != health;
        // In maintenance its sessions have been reset already.
        let resets = |entry: &Entry| health == Health::Down && entry.is_running() && changed(entry);
        self.change(key, now, changed, resets, |entry| entry.health = health)
    }

    /// Takes the operator's word on a server.
    pub fn set_admin(&mut self, key: ServerKey, admin: Admin, now: Instant) -> Effect {
        let changed = |entry: &Entry| entry.admin != admin;
        let resets = |entry: &Entry| admin == Admin::Maint && changed(entry);
        self.change(key, now, changed, resets, |entry| entry.admin = admin)
    }

    /// Sets a weight at run time; none: back to the configured one.
    pub fn set_weight(&mut self, key: ServerKey, weight: Option<Weight>, now: Instant) -> Effect {
        let changed = |entry: &Entry| entry.weight != weight;
        self.change(key, now, changed, |_| false, |entry| entry.weight = weight)
    }

    fn change(
        &mut self,
        key: ServerKey,
        now: Instant,
        changed: impl Fn(&Entry) -> bool,
        resets: impl Fn(&Entry) -> bool,
        change: impl FnOnce(&mut Entry),
    ) -> Effect {
        let Some(entry) = self.servers.get_mut(&key).filter(|entry| changed(entry)) else {
            return Effect::default();
        };
        let reset_sessions = self.rules.resets() && resets(entry);
        entry.change(now, change);
        let wake_queue = self.refresh(now);
        Effect { changed: true, reset_sessions, wake_queue }
    }

    /// Drops a removed server whose last session has ended. One that isn't removed stays.
    pub fn forget(&mut self, key: ServerKey) {
        if self.servers.get(&key).is_some_and(|entry| entry.removed) {
            self.servers.remove(&key);
            self.order.retain(|other| *other != key);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) and [`expire`](Self::expire) have something
    /// to do, and what. Changes with every call that isn't a read.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let deadline = self.queue.deadline(self.rules.queue.timeout);
        [
            self.stranded_since.map(|since| (since, "no server is left to wait for")),
            deadline.map(|deadline| (deadline, "queue timeout")),
            self.next_step.map(|step| (step, "slow start step")),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(due, _)| *due)
    }

    /// Lets slow starts go on. Waiters whose time is over leave by [`expire`](Self::expire).
    pub fn handle_timeout(&mut self, now: Instant) -> Effect {
        if self.next_step.is_none_or(|due| due > now) {
            return Effect::default();
        }
        let wake_queue = self.refresh(now);
        Effect { wake_queue, ..Effect::default() }
    }

    /// All servers: those of the file in its order, then removed ones.
    pub fn servers(&self) -> impl Iterator<Item = ServerView<'_>> {
        self.order.iter().filter_map(|key| self.server(*key))
    }

    /// One server, removed or not.
    #[must_use]
    pub fn server(&self, key: ServerKey) -> Option<ServerView<'_>> {
        self.servers.get(&key).map(|entry| entry.view(key))
    }

    /// The server that the file names so; never a removed one.
    #[must_use]
    pub fn find(&self, name: &ServerName) -> Option<ServerKey> {
        self.servers().find(|server| server.config.name == *name && !server.removed).map(|s| s.key)
    }

    /// How many servers share new connections at the moment. 0: all are refused.
    #[must_use]
    pub fn in_rotation(&self) -> usize {
        self.rotation.len()
    }

    /// How many connections wait for a server.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    fn add(&mut self, entry: Entry) -> ServerKey {
        let key = ServerKey(self.next_key);
        // 2^32 additions are out of reach of reloads.
        self.next_key = self.next_key.saturating_add(1);
        self.servers.insert(key, entry);
        key
    }

    /// Brings rotation, slow starts and lines up to date; true if the queue is to be woken.
    fn refresh(&mut self, now: Instant) -> bool {
        let slow_start = self.rules.slow_start;
        for entry in self.servers.values_mut() {
            entry.advance(now, slow_start);
        }
        let change = self.rotation.rebuild(&mut self.servers, &self.order);
        let steps = self
            .servers
            .values()
            .filter_map(|entry| slow_start::next_step(entry.back_since?, slow_start?, now));
        self.next_step = steps.min();
        if change == Change::Members {
            self.line_up();
        }
        self.note_stranded(now);
        change != Change::None && !self.queue.is_empty()
    }

    fn note_stranded(&mut self, now: Instant) {
        let stranded = self.rotation.is_empty() && !self.queue.is_empty();
        self.stranded_since = stranded.then(|| self.stranded_since.unwrap_or(now));
    }
}

#[cfg(test)]
mod tests;
