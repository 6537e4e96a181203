//! What a good file will do, in words: the answer of `halb check`.

mod virtual_ip;

use std::fmt::Write as _;
use std::net::SocketAddr;

use halb_healthcheck::config::{Check, HttpProbe, Probe, Target, TlsOptions, Verify};
use halb_lb::config::{Backend, Balance, Frontend, OnDown, Server, SniPattern};

use crate::check::detection_time;
use crate::settings::{Forwarded, HaproxyLevel, NamedServer, Settings};
use crate::units::DurationText;

/// A few lines for each frontend, backend and virtual IP.
#[must_use]
pub fn text(settings: &Settings) -> String {
    let mut out = String::new();
    for frontend in settings.lb.frontends() {
        push_frontend(&mut out, frontend);
    }
    for forwarded in &settings.forwarded {
        push_forwarded(&mut out, forwarded);
    }
    for backend in settings.lb.backends() {
        let own = format!("{}/", backend.name);
        let targets: Vec<_> =
            settings.checks.iter().filter(|target| target.id.starts_with(&own)).collect();
        push_backend(&mut out, backend, &targets, &settings.names.servers);
    }
    virtual_ip::push_instances(&mut out, &settings.vrrp);
    if let Some(peer) = &settings.peer {
        virtual_ip::push_peer(&mut out, peer);
    }
    let socket = settings.admin.socket.display();
    let http = match settings.admin.http {
        Some(address) => format!("http://{address}"),
        None => "no http".to_owned(),
    };
    push(&mut out, 0, &format!("admin: {http}, socket {socket}"));
    push_haproxy(&mut out, settings);
    out
}

fn push(out: &mut String, depth: usize, line: &str) {
    writeln!(out, "{:indent$}{line}", "", indent = depth * 2).expect("a String takes all");
}

fn push_haproxy(out: &mut String, settings: &Settings) {
    if let Some(socket) = &settings.haproxy.socket {
        let level = match socket.level {
            HaproxyLevel::User | HaproxyLevel::Operator => "change nothing",
            HaproxyLevel::Admin => "change servers",
        };
        let path = socket.path.display();
        push(out, 0, &format!("HAProxy's commands: socket {path}, whose clients may {level}"));
    }
    if settings.haproxy.metrics && settings.admin.http.is_some() {
        push(out, 0, "HAProxy's metric names: with halb's own");
    }
}

fn push_frontend(out: &mut String, frontend: &Frontend) {
    push(out, 0, &format!("frontend {}", frontend.name));
    let binds: Vec<_> = frontend.binds.iter().map(bind).collect();
    push(out, 1, &format!("listens on {}", binds.join(", ")));
    if frontend.accept_proxy {
        push(out, 1, "takes the client's address out of a PROXY header");
    }
    if !frontend.allow.is_empty() {
        let nets: Vec<_> = frontend.allow.iter().map(ToString::to_string).collect();
        push(out, 1, &format!("serves only {}", nets.join(", ")));
    }
    if !frontend.deny.is_empty() {
        let nets: Vec<_> = frontend.deny.iter().map(ToString::to_string).collect();
        push(out, 1, &format!("refuses {}", nets.join(", ")));
    }
    for route in &frontend.routes {
        let name = match &route.sni {
            SniPattern::Exact(name) => name.clone(),
            SniPattern::Below(domain) => format!("*.{domain}"),
        };
        push(out, 1, &format!("sends {name} to {}", route.backend));
    }
    let rest = if frontend.routes.is_empty() { "connections" } else { "all others" };
    let target = match &frontend.default_backend {
        Some(backend) => format!("sends {rest} to {backend}"),
        None => format!("refuses {rest}"),
    };
    push(out, 1, &target);
}

fn push_forwarded(out: &mut String, forwarded: &Forwarded) {
    push(out, 0, &format!("frontend {}: forwarded by the kernel", forwarded.name));
    let binds: Vec<_> = forwarded.binds.iter().map(bind).collect();
    push(out, 1, &format!("takes connections to {}", binds.join(", ")));
    push(out, 1, &format!("sends connections to {}", forwarded.backend));
}

fn bind(address: &SocketAddr) -> String {
    match (address.ip().is_unspecified(), address.is_ipv4()) {
        (true, true) => format!("*:{} (all IPv4 addresses)", address.port()),
        (true, false) => format!("{address} (all IPv6 addresses)"),
        (false, _) => address.to_string(),
    }
}

fn push_backend(out: &mut String, backend: &Backend, targets: &[&Target], named: &[NamedServer]) {
    let servers = match backend.servers.len() {
        1 => "1 server".to_owned(),
        count => format!("{count} servers"),
    };
    push(out, 0, &format!("backend {}: {servers}, {}", backend.name, balance(backend.balance)));
    let width = backend.servers.iter().map(|s| s.name.as_str().len()).max().unwrap_or(0);
    for server in &backend.servers {
        let id = format!("{}/{}", backend.name, server.name);
        let checked = targets.iter().any(|target| target.id == id);
        let own = |named: &&NamedServer| {
            named.server.backend == backend.name && named.server.server == server.name
        };
        let address = match (server.address, named.iter().find(own)) {
            (Some(address), _) => address.to_string(),
            (None, Some(named)) => format!("{}:{}", named.question.host, named.port),
            (None, None) => "nowhere".to_owned(),
        };
        push(out, 1, &server_line(server, &address, width, checked || targets.is_empty()));
    }
    let Some(target) = targets.first() else {
        push(out, 1, "no checks: a server that is dead goes on getting connections");
        return;
    };
    push_check(out, &target.check);
    let time = DurationText(detection_time(&target.check.pace, target.check.threshold.fall));
    let sessions = match backend.on_down {
        OnDown::Reset { spread } => {
            format!("its sessions are reset within {}", DurationText(spread))
        }
        OnDown::Keep => "its sessions are left alone".to_owned(),
    };
    push(out, 1, &format!("a server that dies or hangs is out after at most {time}; {sessions}"));
}

fn server_line(server: &Server, address: &str, width: usize, checked: bool) -> String {
    let mut line = format!("{:width$}  {address}", server.name.as_str());
    let weight = server.weight.get();
    if weight != 1 {
        line.push_str(&format!("  weight {weight}"));
    }
    if let Some(maxconn) = server.maxconn {
        line.push_str(&format!("  at most {maxconn} connections"));
    }
    line.push_str(if server.backup { "  backup" } else { "" });
    line.push_str(if checked { "" } else { "  unchecked" });
    line
}

fn balance(balance: Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "each in turn",
        Balance::LeastConn => "the one with fewest connections",
        Balance::Source => "chosen by the client's address",
        Balance::Flow => "chosen by the client's address and port",
        Balance::Random => "the less busy of two at random",
    }
}

fn push_check(out: &mut String, check: &Check) {
    let (interval, timeout) = (DurationText(check.pace.interval), DurationText(check.pace.timeout));
    push(out, 1, &format!("checked every {interval}: {} within {timeout}", probe(&check.probe)));
    let (fall, rise) = (check.threshold.fall.get(), check.threshold.rise.get());
    push(
        out,
        1,
        &format!("down after {}, up after {}", times(fall, "failure"), times(rise, "success")),
    );
}

fn times(count: u32, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}{plural}") }
}

fn probe(probe: &Probe) -> String {
    match probe {
        Probe::Tcp => "accepts a connection".to_owned(),
        Probe::Tls(tls) => format!("TLS handshake{}", trust(tls)),
        Probe::Http(http) => format!("http {}", request(http)),
        Probe::Https(http, tls) => format!("https {}{}", request(http), trust(tls)),
        Probe::Script(script) => format!("{} ends with status 0", script.command.join(" ")),
    }
}

fn request(http: &HttpProbe) -> String {
    let statuses: Vec<_> = http
        .expect_status
        .iter()
        .map(|range| match (range.start(), range.end()) {
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from}-{to}"),
        })
        .collect();
    let body = if http.expect_body.is_some() { " and the expected text" } else { "" };
    format!("{} {} answers {}{body}", http.method, http.path, statuses.join(", "))
}

fn trust(tls: &TlsOptions) -> String {
    match &tls.verify {
        Verify::None => " (any certificate)".to_owned(),
        Verify::CaFile(path) => format!(" (certificate of {})", path.display()),
    }
}
