//! Tests of the pool as a whole. Each part of it has its own beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use super::*;
use crate::config::{Balance, SideOptions};
use crate::names::BackendName;

mod choosing;
mod eligibility;
mod model;
mod reload;
mod simulation;
mod slow_start;
mod waiting;
mod world;

const SECOND: Duration = Duration::from_secs(1);

/// A server of weight 1 whose address follows from its name's last letter.
fn server(name: &str) -> Server {
    let last = name.bytes().last().unwrap_or(0);
    Server {
        name: ServerName::new(name).unwrap(),
        address: Some(SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 6443))),
        weight: Weight::DEFAULT,
        backup: false,
        maxconn: None,
    }
}

fn weighted(name: &str, weight: u16) -> Server {
    Server { weight: Weight::new(weight).unwrap(), ..server(name) }
}

fn limited(name: &str, maxconn: u32) -> Server {
    Server { maxconn: NonZeroU32::new(maxconn), ..server(name) }
}

fn backup(name: &str) -> Server {
    Server { backup: true, ..server(name) }
}

/// A backend whose queue holds 4 for 10 seconds, and that resets sessions of servers that go down.
fn backend(balance: Balance, servers: Vec<Server>) -> Backend {
    Backend {
        name: BackendName::new("masters").unwrap(),
        balance,
        servers,
        connect_timeout: SECOND,
        retries: 3,
        redispatch: true,
        queue: QueueLimit { max: 4, timeout: 10 * SECOND },
        on_down: OnDown::Reset { spread: SECOND },
        slow_start: None,
        server: SideOptions { keepalive: None, user_timeout: None, fin_timeout: SECOND },
        source: None,
        send_proxy: None,
    }
}

fn client(number: u32) -> SocketAddr {
    let [_, b, c, d] = number.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, b, c, d)), 40_000)
}

/// Open connections by server.
#[derive(Debug, Clone, Default)]
struct Counts(BTreeMap<ServerKey, u32>);

impl Loads for Counts {
    fn active(&self, server: ServerKey) -> u32 {
        self.0.get(&server).copied().unwrap_or(0)
    }
}

/// A pool with its counters and its clock, used as the driver does.
struct Stand {
    pool: Pool,
    loads: Counts,
    now: Instant,
    random: u64,
}

impl Stand {
    fn new(backend: Backend) -> Self {
        let pool = Pool::new(backend);
        pool.check_invariants();
        Self { pool, loads: Counts::default(), now: Instant::now(), random: 1 }
    }

    fn key(&self, name: &str) -> ServerKey {
        self.pool.find(&ServerName::new(name).unwrap()).expect("the server is there")
    }

    fn name(&self, key: ServerKey) -> String {
        self.pool.server(key).unwrap().config.name.to_string()
    }

    /// A further random number (SplitMix64, as good as any for a test).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Chooses for `client` and counts the connection.
    fn open(&mut self, client: SocketAddr, tried: &[ServerKey]) -> Choice {
        let random = self.next_random();
        let choice = self.pool.choose(&Demand { client, random, tried }, &self.loads, self.now);
        if let Choice::Server(key) = choice {
            *self.loads.0.entry(key).or_default() += 1;
        }
        self.pool.check_invariants();
        choice
    }

    /// The names of the next servers chosen; `-` for a wait, `!` for a refusal.
    fn opened(&mut self, count: usize) -> String {
        let names = (0..count).map(|_| match self.open(client(1), &[]) {
            Choice::Server(key) => self.name(key),
            Choice::Wait => "-".to_owned(),
            Choice::Refuse(Refusal::NoServer) => "!".to_owned(),
        });
        names.collect::<Vec<_>>().join(" ")
    }

    fn close(&mut self, key: ServerKey) {
        *self.loads.0.get_mut(&key).unwrap() -= 1;
    }

    fn wait(&mut self, ticket: u64, client: SocketAddr) -> Result<(), QueueFull> {
        let waiting = self.pool.enqueue(Waiter { ticket, client, tried: Vec::new() }, self.now);
        self.pool.check_invariants();
        waiting
    }

    /// Serves whoever can be served now: tickets and the names of their servers.
    fn served(&mut self) -> Vec<(u64, String)> {
        let mut served = Vec::new();
        loop {
            let random = self.next_random();
            let next = self.pool.next_waiter(&self.loads, self.now, random);
            self.pool.check_invariants();
            let Some((ticket, key)) = next else { return served };
            *self.loads.0.entry(key).or_default() += 1;
            served.push((ticket, self.name(key)));
        }
    }

    fn expired(&mut self) -> Vec<(u64, Expiry)> {
        let expired = std::iter::from_fn(|| self.pool.expire(self.now));
        let expired = expired.map(|expired| (expired.ticket, expired.why)).collect();
        self.pool.check_invariants();
        expired
    }

    fn health(&mut self, name: &str, health: Health) -> Effect {
        let key = self.key(name);
        let effect = self.pool.set_health(key, health, self.now);
        self.pool.check_invariants();
        effect
    }

    fn admin(&mut self, name: &str, admin: Admin) -> Effect {
        let key = self.key(name);
        let effect = self.pool.set_admin(key, admin, self.now);
        self.pool.check_invariants();
        effect
    }

    fn weight(&mut self, name: &str, weight: Option<u16>) -> Effect {
        let key = self.key(name);
        let weight = weight.map(|weight| Weight::new(weight).unwrap());
        let effect = self.pool.set_weight(key, weight, self.now);
        self.pool.check_invariants();
        effect
    }

    fn apply(&mut self, backend: Backend) -> PoolChange {
        let change = self.pool.apply(backend, self.now);
        self.pool.check_invariants();
        change
    }
}

impl Pool {
    /// What holds between any two calls.
    fn check_invariants(&self) {
        self.queue.check_invariants();
        let ordered: BTreeSet<ServerKey> = self.order.iter().copied().collect();
        assert!(ordered.iter().eq(self.servers.keys()), "order and servers go together");
        assert_eq!(ordered.len(), self.order.len());
        assert!(self.servers.keys().all(|key| key.0 < self.next_key));
        let removed: Vec<bool> = self.servers().map(|server| server.removed).collect();
        assert!(removed.is_sorted(), "removed servers come last");
        assert!(self.servers.values().all(|entry| (1..=256).contains(&entry.share)));

        let eligible = |server: &ServerView<'_>| {
            server.health == Health::Up
                && server.admin == Admin::Ready
                && server.weight.get() > 0
                && !server.removed
        };
        let (backups, others): (Vec<_>, Vec<_>) =
            self.servers().filter(eligible).partition(|server| server.config.backup);
        let expected = if others.is_empty() { backups } else { others };
        let expected: Vec<ServerKey> = expected.iter().map(|server| server.key).collect();
        self.rotation.check_invariants(&expected);

        let stranded = self.rotation.is_empty() && !self.queue.is_empty();
        assert_eq!(self.stranded_since.is_some(), stranded);
        let ramping = self.servers.values().any(|entry| entry.back_since.is_some());
        assert_eq!(self.next_step.is_some(), ramping, "a slow start has its next step");
    }
}
