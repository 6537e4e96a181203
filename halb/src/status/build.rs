//! Puts a [`Status`] together from what the parts of the daemon tell about themselves.

use std::collections::HashMap;

use halb_lb::config::{Balance, Config};
use halb_lb::names::{ServerName, ServerRef};
use halb_lb::snapshot;
use halb_lb::snapshot::{AcceptPause, Snapshot};

use super::forward::View;
use super::names::Resolution;
use super::peer::Peer;
use super::vrrp::Vrrp;
use super::{
    Admin, Backend, Check, FormerDaemon, ForwardedBy, Frontend, FrontendState, Listener,
    OrderedLevel, Process, Reload, Server, ServerChange, Status, VERSION, Worker, readiness,
};

/// What the process knows of itself beside the data path.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Process id.
    pub pid: u32,
    /// Time since the start.
    pub uptime_seconds: f64,
    /// The configuration file.
    pub config_file: String,
    /// Lints of the configuration in force.
    pub config_lints: u64,
    /// The daemon was told to stop.
    pub stopping: bool,
    /// Log lines that the log sink dropped.
    pub log_lines_dropped: u64,
    /// The log level that an operator ordered.
    pub log_level_ordered: Option<OrderedLevel>,
    /// What became of reloads.
    pub reload: Reload,
    /// The last changes of servers.
    pub changes: Vec<ServerChange>,
    /// Daemons that were replaced and still serve.
    pub formers: Vec<FormerDaemon>,
    /// What the names of servers stand for, by `backend/server`.
    pub names: HashMap<String, Resolution>,
}

/// Parts of the daemon that tell of themselves; none: it isn't configured.
#[derive(Debug, Clone, Default)]
pub struct Sections {
    /// The virtual IPs.
    pub vrrp: Option<Vrrp>,
    /// The link to the other balancer.
    pub peer: Option<Peer>,
    /// What the kernel forwards.
    pub forward: Option<View>,
}

/// What the checks know of a server, and HAProxy's words for its health.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckView {
    /// `UP`, `UP 2/3`, `DOWN`, `DOWN 1/2`.
    pub state: String,
    /// The rest.
    pub check: Check,
}

/// The status out of its parts; `config` is the one in force, `checks` are found by
/// `backend/server`.
#[must_use]
pub fn status(
    snapshot: &Snapshot,
    config: &Config,
    checks: &HashMap<String, CheckView>,
    facts: Facts,
    sections: Sections,
) -> Status {
    let process = process(&snapshot.process, &facts);
    let mut frontends: Vec<Frontend> =
        snapshot.frontends.iter().map(|f| frontend(f, config, facts.stopping)).collect();
    let mut backends: Vec<Backend> =
        snapshot.backends.iter().map(|b| backend(b, config, checks, &facts.names)).collect();
    let Sections { vrrp, peer, forward } = sections;
    let forward = forward.map(|view| view.put_in(&mut frontends, &mut backends, facts.stopping));
    let readiness = readiness::judge(&process, &frontends, &backends);
    let Facts { reload, changes, formers, .. } = facts;
    Status {
        version: VERSION,
        readiness,
        process,
        reload,
        formers,
        frontends,
        backends,
        changes,
        vrrp,
        peer,
        forward,
    }
}

/// The process's part of a status.
fn process(lb: &snapshot::ProcessSnapshot, facts: &Facts) -> Process {
    Process {
        halb_version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: facts.pid,
        uptime_seconds: facts.uptime_seconds,
        config_file: facts.config_file.clone(),
        config_lints: facts.config_lints,
        stopping: facts.stopping,
        connections: lb.connections,
        connections_max: lb.connections_max,
        connections_max_reason: lb.connections_max_reason.clone(),
        accept_pauses: lb.accept_pauses,
        pipes: lb.pipes,
        log_lines_dropped: lb.log_records_dropped.saturating_add(facts.log_lines_dropped),
        log_level_ordered: facts.log_level_ordered.clone(),
        dispatcher_heartbeat_age_seconds: lb.dispatcher_heartbeat_age.as_secs_f64(),
        workers: lb.workers.iter().map(worker).collect(),
    }
}

fn worker(worker: &snapshot::WorkerSnapshot) -> Worker {
    let heartbeat_age_seconds = worker.heartbeat_age.as_secs_f64();
    Worker { sessions: worker.sessions, heartbeat_age_seconds }
}

fn frontend(lb: &snapshot::FrontendSnapshot, config: &Config, stopping: bool) -> Frontend {
    let paused = |l: &snapshot::ListenerSnapshot| match l.paused {
        Some(AcceptPause::Full | AcceptPause::Shortage) => true,
        Some(AcceptPause::Rate) | None => false,
    };
    let state = if lb.listeners.is_empty() || stopping {
        FrontendState::Stop
    } else if lb.listeners.iter().any(paused) {
        FrontendState::Full
    } else {
        FrontendState::Open
    };
    Frontend {
        name: lb.name.to_string(),
        state,
        forward: ForwardedBy::Proxy,
        listeners: lb.listeners.iter().map(listener).collect(),
        backends: targets(config, &lb.name),
        connections: lb.connections,
        connections_max: lb.connections_max,
        accepted: lb.accepted,
        denied: lb.denied,
        bytes_in: lb.bytes_in,
        bytes_out: lb.bytes_out,
    }
}

/// The backends that a frontend sends to, the default one first, each once.
fn targets(config: &Config, frontend: &halb_lb::names::FrontendName) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(frontend) = config.frontends().iter().find(|f| &f.name == frontend) {
        let routed = frontend.routes.iter().map(|r| &r.backend);
        for backend in frontend.default_backend.iter().chain(routed) {
            let name = backend.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn listener(lb: &snapshot::ListenerSnapshot) -> Listener {
    let paused = lb.paused.map(|pause| match pause {
        AcceptPause::Full => "as many connections as it may hold",
        AcceptPause::Rate => "as many connections a second as it may accept",
        AcceptPause::Shortage => "no file descriptors or memory left",
    });
    Listener { address: lb.address.to_string(), paused: paused.map(str::to_owned) }
}

fn backend(
    lb: &snapshot::BackendSnapshot,
    config: &Config,
    checks: &HashMap<String, CheckView>,
    names: &HashMap<String, Resolution>,
) -> Backend {
    let configured = config.backends().iter().find(|backend| backend.name == lb.name);
    // Found by name: a walk for each server would cost the square of their number.
    let weights: HashMap<&ServerName, u16> = configured
        .iter()
        .flat_map(|backend| &backend.servers)
        .map(|server| (&server.name, server.weight.get()))
        .collect();
    let servers: Vec<Server> = lb
        .servers
        .iter()
        .map(|s| {
            let id = ServerRef { backend: lb.name.clone(), server: s.name.clone() };
            let id = if s.removed { None } else { Some(id.to_string()) };
            let check = id.as_ref().and_then(|id| checks.get(id));
            let resolution = id.as_ref().and_then(|id| names.get(id));
            let weight = weights.get(&s.name).filter(|_| !s.removed);
            server(s, weight.copied(), check, resolution)
        })
        .collect();
    let servers_up = servers.iter().map(|s| u64::from(s.usable)).sum();
    Backend {
        name: lb.name.to_string(),
        up: servers_up > 0,
        balance: balance(lb.balance).to_owned(),
        servers_up,
        queued: lb.queued,
        refused: lb.refused,
        retries: lb.retries,
        redispatches: lb.redispatches,
        servers,
    }
}

/// The word that the configuration uses.
fn balance(balance: Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "roundrobin",
        Balance::LeastConn => "leastconn",
        Balance::Source => "source",
        Balance::Flow => "flow",
        Balance::Random => "random",
    }
}

fn server(
    lb: &snapshot::ServerSnapshot,
    weight_configured: Option<u16>,
    check: Option<&CheckView>,
    resolution: Option<&Resolution>,
) -> Server {
    let healthy = match lb.health {
        snapshot::Health::Up => true,
        snapshot::Health::Down => false,
    };
    let admin = match lb.admin {
        snapshot::Admin::Ready => Admin::Ready,
        snapshot::Admin::Drain => Admin::Drain,
        snapshot::Admin::Maint => Admin::Maint,
    };
    let ready = admin == Admin::Ready && !lb.removed;
    Server {
        name: lb.name.to_string(),
        address: match (lb.address, resolution) {
            (Some(address), _) => address.to_string(),
            (None, Some(resolution)) => resolution.name.clone(),
            (None, None) => "no address".to_owned(),
        },
        state: state(lb, healthy, admin, check),
        usable: ready && healthy && lb.weight > 0,
        healthy,
        admin,
        check: check.map(|c| c.check.clone()),
        resolution: resolution.cloned(),
        weight: lb.weight,
        weight_configured,
        slow_start_percent: lb.slow_start_percent,
        backup: lb.backup,
        removed: lb.removed,
        connections: lb.connections,
        connections_max: lb.connections_max,
        established: lb.established,
        connect_errors: lb.connect_errors,
        local_errors: lb.local_errors,
        connect_seconds: lb.connect_time.as_secs_f64(),
        bytes_in: lb.bytes_in,
        bytes_out: lb.bytes_out,
    }
}

/// HAProxy's words: what the operator says wins, a server of weight 0 drains too, and the checks
/// refine the rest as long as the data path agrees with them.
fn state(
    lb: &snapshot::ServerSnapshot,
    healthy: bool,
    admin: Admin,
    check: Option<&CheckView>,
) -> String {
    let word = match (admin, check) {
        (Admin::Maint, _) => "MAINT",
        (Admin::Drain, _) => "DRAIN",
        (Admin::Ready, _) if lb.removed => "DRAIN",
        (Admin::Ready, _) if healthy && lb.weight == 0 => "DRAIN",
        (Admin::Ready, Some(view)) if view.state.starts_with("UP") == healthy => &view.state,
        (Admin::Ready, None) if healthy => "no check",
        (Admin::Ready, _) => {
            if healthy {
                "UP"
            } else {
                "DOWN"
            }
        }
    };
    word.to_owned()
}

#[cfg(test)]
mod tests;
