//! What HAProxy remembers and halb doesn't: highest values, rates, time spent down, and how
//! connections ended. It looks at a picture again and again (every second is meant) and is told of
//! each connection that ends.
//!
//! What comes and goes between two looks isn't seen: a rate is an average over the time between
//! them, a highest value the highest that was looked at.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::picture::{Past, Picture, Times};

/// Times are averaged over about so many connections (HAProxy's `TIME_STATS_SAMPLES` is 512; its
/// documentation says 1024).
const TIME_SAMPLES: u32 = 1024;

/// Rates aren't computed over less, so that two looks in quick succession make no nonsense of them.
const RATE_TIME_MIN: Duration = Duration::from_millis(500);

/// Everything that was seen. It grows with the configuration alone: what a picture no longer holds
/// is forgotten with the next look.
#[derive(Debug, Default)]
pub struct History {
    proxies: HashMap<String, Proxy>,
    process: Rates,
    bytes_out: Rates,
    processor: Rates,
}

#[derive(Debug, Default)]
struct Proxy {
    frontend: Seen,
    backend: Seen,
    servers: HashMap<String, Seen>,
}

/// What was seen of one frontend, backend or server.
#[derive(Debug, Default)]
struct Seen {
    past: Past,
    rates: Rates,
    ended: u32,
    /// The word of its status, without how far it is to the next one, and since when it holds.
    status: Option<(String, Instant)>,
    last_new: Option<Instant>,
    /// Whether it was down at the last look, and when that was.
    looked: Option<(bool, Instant)>,
    down: Duration,
}

/// A counter at the last look.
#[derive(Debug, Default, Clone, Copy)]
struct Rates {
    last: Option<(u64, Instant)>,
    rate: u64,
    rate_max: u64,
}

/// A connection that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended<'a> {
    /// The backend that it was routed to.
    pub backend: &'a str,
    /// The last server tried or used.
    pub server: Option<&'a str>,
    /// Who broke it off.
    pub aborted: Option<Side>,
    /// Until a server was chosen.
    pub queue: Duration,
    /// Until the server's connection stood; none: it never did.
    pub connect: Option<Duration>,
    /// From beginning to end.
    pub total: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// The last of them went to another server.
    pub redispatched: bool,
}

/// A side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Client,
    /// The server's.
    Server,
}

impl History {
    /// Looks at the daemon, and writes into the picture what was seen up to now.
    pub fn look(&mut self, picture: &mut Picture, now: Instant) {
        let names: Vec<&str> = picture.proxies.iter().map(|proxy| proxy.name.as_str()).collect();
        self.proxies.retain(|name, _| names.contains(&name.as_str()));
        let born = now.checked_sub(seconds(picture.process.uptime_seconds)).unwrap_or(now);
        let (mut accepted, mut bytes_out) = (0_u64, 0_u64);
        for proxy in &mut picture.proxies {
            let seen = self.proxies.entry(proxy.name.clone()).or_default();
            if let Some(frontend) = &mut proxy.frontend {
                accepted = accepted.saturating_add(frontend.connections_total);
                bytes_out = bytes_out.saturating_add(frontend.bytes_out);
                let new = frontend.connections_total.saturating_sub(frontend.denied);
                let look = Look { born, now, sessions: frontend.sessions, queued: 0, new };
                frontend.past = seen.frontend.look(&look, frontend.status, false);
            }
            if let Some(backend) = &mut proxy.backend {
                seen.servers.retain(|name, _| backend.servers.iter().any(|s| &s.name == name));
                for server in &mut backend.servers {
                    let one = seen.servers.entry(server.name.clone()).or_default();
                    let (sessions, new) = (server.sessions, server.established);
                    let look = Look { born, now, sessions, queued: 0, new };
                    let status = server.status();
                    let down = status.starts_with("DOWN") || status == "MAINT";
                    server.past = one.look(&look, word(&status), down);
                }
                let (sessions, new) =
                    (crate::rows::sessions(backend), crate::rows::routed(backend));
                let look = Look { born, now, sessions, queued: backend.queued, new };
                let up = backend.up();
                backend.past = seen.backend.look(&look, if up { "UP" } else { "DOWN" }, !up);
            }
        }
        self.process.count(accepted, now);
        self.bytes_out.count(bytes_out, now);
        picture.process.rate = self.process.rate;
        picture.process.rate_max = self.process.rate_max;
        picture.process.bytes_out_rate = self.bytes_out.rate;
        self.processor.count(picture.process.processor_milliseconds, now);
        // Milliseconds a second are a tenth of per cent.
        let busy = self.processor.rate / 10 / picture.process.threads.max(1);
        picture.process.idle_percent = 100_u64.saturating_sub(busy);
    }

    /// A connection has ended. One of a backend or server that no look has seen yet isn't counted.
    pub fn ended(&mut self, ended: &Ended<'_>) {
        let Some(proxy) = self.proxies.get_mut(ended.backend) else { return };
        proxy.backend.ended(ended);
        if let Some(server) = ended.server.and_then(|name| proxy.servers.get_mut(name)) {
            server.ended(ended);
        }
    }

    /// Forgets highest values, as `clear counters` does.
    pub fn clear_maxima(&mut self) {
        self.process.rate_max = 0;
        for proxy in self.proxies.values_mut() {
            let servers = proxy.servers.values_mut();
            for seen in servers.chain([&mut proxy.frontend, &mut proxy.backend]) {
                seen.rates.rate_max = 0;
                seen.past.sessions_max = 0;
                seen.past.queued_max = 0;
                for times in [
                    &mut seen.past.queue_time,
                    &mut seen.past.connect_time,
                    &mut seen.past.total_time,
                ] {
                    times.longest_ms = 0;
                }
            }
        }
    }
}

/// One look at one frontend, backend or server.
struct Look {
    born: Instant,
    now: Instant,
    sessions: u64,
    queued: u64,
    new: u64,
}

impl Seen {
    fn look(&mut self, look: &Look, status: &str, down: bool) -> Past {
        let now = look.now;
        let before = self.rates.last.map(|(total, _)| total);
        if look.new > before.unwrap_or(0) {
            self.last_new = Some(now);
        }
        self.rates.count(look.new, now);
        if let Some((true, then)) = self.looked {
            self.down = self.down.saturating_add(now.saturating_duration_since(then));
        }
        if let Some((false, _)) = self.looked
            && down
        {
            self.past.downs = self.past.downs.saturating_add(1);
        }
        self.looked = Some((down, now));
        let since = match &self.status {
            Some((word, since)) if word == status => *since,
            // What the first look finds holds since the start.
            None => look.born,
            Some(_) => now,
        };
        self.status = Some((status.to_owned(), since));
        let past = &mut self.past;
        past.sessions_max = past.sessions_max.max(look.sessions);
        past.queued_max = past.queued_max.max(look.queued);
        past.rate = self.rates.rate;
        past.rate_max = self.rates.rate_max;
        past.changed_seconds = now.saturating_duration_since(since).as_secs();
        past.down_seconds = self.down.as_secs();
        past.idle_seconds = self.last_new.map(|then| now.saturating_duration_since(then).as_secs());
        *past
    }

    fn ended(&mut self, ended: &Ended<'_>) {
        self.ended = self.ended.saturating_add(1).min(TIME_SAMPLES);
        let past = &mut self.past;
        match ended.aborted {
            Some(Side::Client) => past.client_aborts = past.client_aborts.saturating_add(1),
            Some(Side::Server) => past.server_aborts = past.server_aborts.saturating_add(1),
            None => {}
        }
        let retries = ended.retries.saturating_sub(u32::from(ended.redispatched));
        past.retries = past.retries.saturating_add(u64::from(retries));
        past.redispatches = past.redispatches.saturating_add(u64::from(ended.redispatched));
        past.queue_time.take(ended.queue, self.ended);
        if let Some(connect) = ended.connect {
            past.connect_time.take(connect, self.ended);
        }
        past.total_time.take(ended.total, self.ended);
    }
}

impl Times {
    fn take(&mut self, time: Duration, of: u32) {
        let milliseconds = time.as_secs_f64() * 1000.0;
        self.average_ms += (milliseconds - self.average_ms) / f64::from(of.max(1));
        let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.longest_ms = self.longest_ms.max(whole);
    }
}

impl Rates {
    fn count(&mut self, total: u64, now: Instant) {
        let Some((before, then)) = self.last else {
            self.last = Some((total, now));
            return;
        };
        let time = now.saturating_duration_since(then);
        if time < RATE_TIME_MIN {
            return;
        }
        let more = u128::from(total.saturating_sub(before)) * 1000;
        self.rate = u64::try_from(more.div_ceil(time.as_millis().max(1))).unwrap_or(u64::MAX);
        self.rate_max = self.rate_max.max(self.rate);
        self.last = Some((total, now));
    }
}

/// The word of a status, without how far it is to the next one.
fn word(status: &str) -> &str {
    if status == "no check" { status } else { status.split(' ').next().unwrap_or(status) }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;
