//! Statuses to render, made the way that the daemon makes them.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use halb_lb::config;
use halb_lb::config::Balance;
use halb_lb::names::{BackendName, FrontendName, ServerName};
use halb_lb::snapshot::{
    Admin, BackendSnapshot, FrontendSnapshot, Health, ListenerSnapshot, ProcessSnapshot,
    ServerSnapshot, Snapshot, WorkerSnapshot,
};
use halb_vrrp::link::Word;
use halb_vrrp::router::State;

use super::build::{CheckView, Facts, Sections};
use super::forward::View;
use super::names::Resolution;
use super::peer::Peer;
use super::vrrp::Vrrp;
use super::{
    Check, FormerDaemon, LastReload, ReloadFailure, ServerChange, Status, build, peer, vrrp,
};

/// What goes into a status; tests change it before they build.
pub(crate) struct Sample {
    pub(crate) snapshot: Snapshot,
    pub(crate) checks: HashMap<String, CheckView>,
    pub(crate) facts: Facts,
    pub(crate) vrrp: Option<Vrrp>,
    pub(crate) peer: Option<Peer>,
    pub(crate) forward: Option<View>,
}

impl Sample {
    pub(crate) fn status(&self) -> Status {
        build::status(
            &self.snapshot,
            &config(),
            &self.checks,
            self.facts.clone(),
            Sections {
                vrrp: self.vrrp.clone(),
                peer: self.peer.clone(),
                forward: self.forward.clone(),
            },
        )
    }

    pub(crate) fn server(&mut self, index: usize) -> &mut ServerSnapshot {
        &mut self.snapshot.backends[0].servers[index]
    }

    fn up(&self) -> u64 {
        let servers = self.snapshot.backends[0].servers.iter();
        servers.map(|server| u64::from(server.health == Health::Up)).sum()
    }

    /// A server down for want of a listener.
    pub(crate) fn refuse(&mut self, index: usize) {
        self.server(index).health = Health::Down;
        self.server(index).connections = 0;
        let id = format!("masters/{}", self.server(index).name);
        let check = Check {
            failures: 3,
            flips: 1,
            since_seconds: 12.3,
            history: "........xxx".to_owned(),
            ..check("L4CON", "connection refused", 0.001)
        };
        self.facts.changes.push(ServerChange {
            at: "2026-11-22T03:03:52Z".to_owned(),
            ago_seconds: 12.3,
            server: id.clone(),
            up: false,
            check: "L4CON: connection refused".to_owned(),
            servers_up: self.up(),
        });
        self.checks.insert(id, CheckView { state: "DOWN".to_owned(), check });
    }
}

/// Three masters with names: one resolved, one that no longer exists, one in doubt.
pub(crate) fn named() -> Sample {
    let mut sample = all_fine();
    sample.server(1).health = Health::Down;
    sample.server(1).address = None;
    sample.checks.remove("masters/kmaster2");
    for number in 1..=3_u8 {
        let address = (number != 2).then(|| format!("172.16.16.10{number}"));
        let last = match number {
            1 => "172.16.16.101 (for 60 s)",
            2 => "there is no such name",
            _ => "name server 172.16.16.2:53: no answer in time",
        };
        let resolution = Resolution {
            name: format!("master0{number}.example:6443"),
            since_seconds: address.as_ref().map(|_| 7_512.0),
            address,
            last_answer: Some(last.to_owned()),
            last_answer_ago_seconds: Some(12.0),
            doubted_seconds: (number > 1).then_some(90.0),
            answers: 500,
            failures: 3,
            changes: 1,
        };
        sample.facts.names.insert(format!("masters/kmaster{number}"), resolution);
    }
    sample
}

/// Three masters behind one frontend, all well.
pub(crate) fn all_fine() -> Sample {
    let servers: Vec<ServerSnapshot> = (1..=3).map(server).collect();
    let checks = servers.iter().map(|s| {
        let check = check("L7OK", "HTTP status 200", 0.003);
        (format!("masters/{}", s.name), CheckView { state: "UP".to_owned(), check })
    });
    Sample {
        checks: checks.collect(),
        snapshot: snapshot(servers),
        facts: facts(),
        vrrp: None,
        peer: None,
        forward: None,
    }
}

pub(crate) fn one_down() -> Sample {
    let mut sample = all_fine();
    sample.refuse(1);
    sample
}

pub(crate) fn all_down() -> Sample {
    let mut sample = all_fine();
    (0..3).for_each(|index| sample.refuse(index));
    sample.snapshot.backends[0].refused = 77;
    sample
}

pub(crate) fn draining() -> Sample {
    let mut sample = all_fine();
    sample.server(0).admin = Admin::Drain;
    sample.server(2).admin = Admin::Maint;
    sample.server(2).connections = 0;
    sample.checks.get_mut("masters/kmaster3").unwrap().check.paused = true;
    sample
}

pub(crate) fn after_failed_reload() -> Sample {
    let mut sample = all_fine();
    sample.facts.reload.failed = 1;
    sample.facts.reload.last = Some(LastReload {
        ago_seconds: 125.0,
        error: Some("/etc/halb/halb.toml has 2 errors\n\nerror: unknown key 'blance'".to_owned()),
        failure: Some(ReloadFailure::BadFile),
        changes: Vec::new(),
        needs_restart: Vec::new(),
    });
    sample
}

/// A node of a pair that is linked: this one is active, what the other says is up to `otherwise`.
pub(crate) fn pair(mut sample: Sample, otherwise: impl FnOnce(&mut Word)) -> Sample {
    let mut node = vrrp::samples::active();
    node.say(|word| {
        word.state = State::Backup;
        otherwise(word);
    });
    sample.vrrp = Some(node.vrrp());
    sample.peer = Some(peer::samples::up());
    sample
}

/// A daemon that was replaced two minutes ago.
pub(crate) fn former() -> FormerDaemon {
    FormerDaemon {
        pid: 4242,
        halb_version: "0.0.9".to_owned(),
        connections: 12,
        since_seconds: 120.0,
        until_seconds: 3480.0,
    }
}

fn facts() -> Facts {
    Facts {
        pid: 4711,
        uptime_seconds: 11_542.0,
        config_file: "/etc/halb/halb.toml".to_owned(),
        ..Facts::default()
    }
}

fn snapshot(servers: Vec<ServerSnapshot>) -> Snapshot {
    let worker = WorkerSnapshot { sessions: 6, heartbeat_age: Duration::from_millis(300) };
    Snapshot {
        process: ProcessSnapshot {
            connections: 12,
            connections_max: 9900,
            connections_max_reason: "20,000 file descriptors, 2 per connection".to_owned(),
            accept_pauses: 0,
            pipes: 4,
            log_records_dropped: 0,
            dispatcher_heartbeat_age: Duration::from_millis(200),
            workers: vec![worker.clone(), worker],
        },
        frontends: vec![FrontendSnapshot {
            name: FrontendName::new("kubernetes").unwrap(),
            listeners: vec![ListenerSnapshot {
                address: "0.0.0.0:6443".parse().unwrap(),
                paused: None,
            }],
            connections: 12,
            connections_max: Some(5000),
            accepted: 1234,
            denied: 3,
            bytes_in: 1_234_567,
            bytes_out: 31_234_567,
        }],
        backends: vec![BackendSnapshot {
            name: BackendName::new("masters").unwrap(),
            balance: Balance::RoundRobin,
            queued: 0,
            refused: 0,
            retries: 0,
            redispatches: 2,
            servers,
        }],
    }
}

fn server(number: u8) -> ServerSnapshot {
    ServerSnapshot {
        name: ServerName::new(&format!("kmaster{number}")).unwrap(),
        address: Some(format!("172.16.16.10{number}:6443").parse().unwrap()),
        health: Health::Up,
        admin: Admin::Ready,
        weight: 1,
        slow_start_percent: 100,
        backup: false,
        removed: false,
        connections: 4,
        connections_max: None,
        established: 411,
        connect_errors: 0,
        local_errors: 0,
        connect_time: Duration::from_millis(900),
        bytes_in: 411_522,
        bytes_out: 10_411_522,
    }
}

fn check(code: &str, detail: &str, duration_seconds: f64) -> Check {
    Check {
        code: code.to_owned(),
        detail: detail.to_owned(),
        duration_seconds: Some(duration_seconds),
        ago_seconds: Some(0.8),
        since_seconds: 11_500.0,
        checks: 5750,
        failures: 0,
        inconclusive: 0,
        flips: 0,
        paused: false,
        history: "...........".to_owned(),
    }
}

/// The configuration behind the samples: it only tells where frontends send to.
fn config() -> config::Config {
    let side = config::SideOptions {
        keepalive: None,
        user_timeout: None,
        fin_timeout: Duration::from_secs(30),
    };
    let frontend = config::Frontend {
        name: FrontendName::new("kubernetes").unwrap(),
        binds: vec!["0.0.0.0:6443".parse().unwrap()],
        default_backend: Some(BackendName::new("masters").unwrap()),
        routes: Vec::new(),
        maxconn: NonZeroU32::new(5000),
        backlog: NonZeroU32::new(4096).unwrap(),
        accept_rate: None,
        allow: Vec::new(),
        deny: Vec::new(),
        accept_proxy: false,
        inspect_timeout: Duration::from_secs(5),
        idle_timeout: None,
        max_age: None,
        client: side,
        access_log: true,
    };
    let backend = config::Backend {
        name: BackendName::new("masters").unwrap(),
        balance: Balance::RoundRobin,
        servers: Vec::new(),
        connect_timeout: Duration::from_secs(2),
        retries: 3,
        redispatch: true,
        queue: config::QueueLimit { max: 1024, timeout: Duration::from_secs(5) },
        on_down: config::OnDown::Keep,
        slow_start: None,
        server: side,
        source: None,
        send_proxy: None,
    };
    config::Config::new(vec![frontend], vec![backend], None).unwrap()
}
