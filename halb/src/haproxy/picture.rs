//! The status tree as a picture in HAProxy's terms.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use halb_haproxy_api::picture::{
    Admin, Backend, Check, Frontend, Past, Picture, Process, Proxy, Server,
};
use halb_healthcheck::status::TargetStatus;
use halb_lb::config::Config;

use crate::status;
use crate::status::{FrontendState, Status};

/// What a picture needs beside the status.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Name of the host.
    pub node: String,
    /// When the daemon started, in seconds since 1970.
    pub started_at: u64,
    /// Descriptors that the process may have.
    pub descriptors: u64,
    /// Time that it has spent on processors.
    pub processor_milliseconds: u64,
}

/// Draws the daemon. `config` is the one in force, `targets` are the checks by `backend/server`.
#[must_use]
pub fn draw(
    status: &Status,
    config: &Config,
    targets: &HashMap<&str, &TargetStatus>,
    facts: Facts,
) -> Picture {
    let mut proxies = Vec::new();
    for one in &status.frontends {
        let name = one.name.clone();
        let frontend = Some(frontend(one, config, status.process.connections_max));
        // HAProxy's `listen` is both, and import makes two tables of one name of it.
        let same = status.backends.iter().find(|backend| backend.name == one.name);
        let backend = same.map(|backend| self::backend(backend, status, config, targets));
        proxies.push(Proxy { name, frontend, backend });
    }
    for one in &status.backends {
        if proxies.iter().all(|proxy| proxy.name != one.name) {
            let backend = Some(backend(one, status, config, targets));
            proxies.push(Proxy { name: one.name.clone(), frontend: None, backend });
        }
    }
    Picture { process: process(status, facts), proxies }
}

fn process(status: &Status, facts: Facts) -> Process {
    let process = &status.process;
    Process {
        version: process.halb_version.clone(),
        pid: process.pid,
        node: facts.node,
        uptime_seconds: process.uptime_seconds,
        started_at: facts.started_at,
        descriptors: facts.descriptors,
        processor_milliseconds: facts.processor_milliseconds,
        threads: count(process.workers.len()),
        connections: process.connections,
        connections_max: process.connections_max,
        pipes: process.pipes,
        logs_dropped: process.log_lines_dropped,
        stopping: process.stopping,
        ..Process::default()
    }
}

fn frontend(one: &status::Frontend, config: &Config, connections_max: u64) -> Frontend {
    let configured = config.frontends().iter().find(|frontend| frontend.name.as_str() == one.name);
    let rate_limit = configured.and_then(|frontend| frontend.accept_rate);
    Frontend {
        status: match one.state {
            FrontendState::Open => "OPEN",
            FrontendState::Full => "FULL",
            FrontendState::Stop => "STOP",
        },
        listeners: count(one.listeners.len()),
        sessions: one.connections,
        sessions_limit: one.connections_max.unwrap_or(connections_max),
        connections_total: one.accepted,
        denied: one.denied,
        rate_limit: rate_limit.map(|rate| u64::from(rate.get())),
        bytes_in: one.bytes_in,
        bytes_out: one.bytes_out,
        past: Past::default(),
    }
}

fn backend(
    one: &status::Backend,
    status: &Status,
    config: &Config,
    targets: &HashMap<&str, &TargetStatus>,
) -> Backend {
    let configured = config.backends().iter().find(|backend| backend.name.as_str() == one.name);
    let feeds = status.frontends.iter().filter(|frontend| frontend.backends.contains(&one.name));
    let let_in =
        feeds.map(|frontend| frontend.connections_max.unwrap_or(status.process.connections_max));
    let server = |server: &status::Server| {
        let weight = configured
            .and_then(|backend| backend.servers.iter().find(|s| s.name.as_str() == server.name))
            .map_or(server.weight, |server| server.weight.get());
        let id = format!("{}/{}", one.name, server.name);
        self::server(server, weight, targets.get(id.as_str()).copied())
    };
    // Those that a reload removed have no name of their own any more.
    let servers = one.servers.iter().filter(|server| !server.removed);
    Backend {
        algorithm: one.balance.clone(),
        full: let_in.sum::<u64>().div_ceil(10),
        queued: one.queued,
        refused: one.refused,
        retries: one.retries,
        redispatches: one.redispatches,
        servers: servers.filter_map(server).collect(),
        past: Past::default(),
    }
}

/// While its name has no address, its address is 0.0.0.0, as HAProxy has it. None: not even its
/// port can be told, which the status never says.
fn server(
    one: &status::Server,
    weight_configured: u16,
    target: Option<&TargetStatus>,
) -> Option<Server> {
    let nowhere = || {
        let (_, port) = one.address.rsplit_once(':')?;
        Some(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port.parse().ok()?))
    };
    let address: SocketAddr = one.address.parse().ok().or_else(nowhere)?;
    Some(Server {
        name: one.name.clone(),
        address,
        admin: match one.admin {
            status::Admin::Ready => Admin::Ready,
            status::Admin::Drain => Admin::Drain,
            status::Admin::Maint => Admin::Maint,
        },
        up: one.healthy,
        check: one.check.as_ref().map(|check| self::check(check, one.healthy, target)),
        weight: one.weight,
        weight_configured,
        throttle_percent: one.slow_start_percent,
        backup: one.backup,
        sessions: one.connections,
        sessions_limit: one.connections_max,
        established: one.established,
        connect_errors: one.connect_errors.saturating_add(one.local_errors),
        bytes_in: one.bytes_in,
        bytes_out: one.bytes_out,
        past: Past::default(),
    })
}

fn check(one: &status::Check, healthy: bool, target: Option<&TargetStatus>) -> Check {
    let seconds = one.duration_seconds.unwrap_or(0.0);
    let took = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let (rise, fall, health) = target.map_or((0, 0, 0), |t| (t.rise, t.fall, t.health));
    Check {
        code: one.code.clone(),
        detail: one.detail.clone(),
        http_status: http_status(&one.detail),
        milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        rise: rise.into(),
        fall: fall.into(),
        health: health.into(),
        failures: one.failures,
        // Changes go up and down in turn, so every other one went down; of an odd number, one more
        // if the last did.
        downs: one.flips / 2 + u64::from(!healthy && one.flips % 2 == 1),
    }
}

/// The number that a check's detail tells of an HTTP answer.
fn http_status(detail: &str) -> Option<u64> {
    let told = detail.strip_prefix("HTTP status ")?;
    told.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
