//! `forward = "kernel"`: what a proxy has and the kernel can't, and what is forwarded instead.

use std::net::SocketAddr;

use halb_forward::table::{self, Limits, Standing, Strays, Table as Forwarding};
use halb_lb::admission::canonical;
use halb_lb::config::{Backend, Balance, OnDown, Server};
use ipnet::IpNet;

use crate::backend::BackendDraft;
use crate::defaults;
use crate::diagnostic::{Diagnostic, Span};
use crate::frontend::FrontendDraft;
use crate::reader::Table;
use crate::settings::Forwarded;
use crate::sink::Sink;

/// What a frontend may not say where the kernel forwards: keys, and what they would need.
const OF_PROXIES: &[(&[&str], &str)] = &[
    (
        &["routes", "accept_proxy", "inspect_timeout"],
        "the kernel reads nothing of what clients send",
    ),
    (&["backlog"], "the kernel hands connections on as they come, and none waits here"),
    (
        &["idle_timeout", "max_age", "max_age_jitter", "fin_timeout", "keepalive", "user_timeout"],
        "connections are the two ends' own; the kernel forgets one by \
         net.netfilter.nf_conntrack_tcp_timeout_…",
    ),
    (&["access_log"], "no process sees connections end, so that none is logged"),
];

/// What a backend may not say, since its servers would be chosen or reached otherwise than told.
const OF_PROXIED_SERVERS: &[(&str, &str)] = &[
    ("send_proxy", "the kernel adds nothing to what clients send"),
    ("source", "the kernel keeps the address that clients use as source"),
];

/// What a backend may say in vain.
const WITHOUT_EFFECT: &[&str] = &[
    "connect_timeout",
    "retries",
    "redispatch",
    "queue",
    "slow_start",
    "fin_timeout",
    "keepalive",
    "user_timeout",
];

const TO_PROXY: &str = "remove it, or let halb itself move bytes: forward = \"proxy\"";

/// Reads `forward` of a frontend. None: halb itself moves bytes.
pub(super) fn read(table: &Table<'_>, binds: &[(SocketAddr, Span)]) -> Option<Span> {
    let is_kernel = table.choice("forward", &[("proxy", false), ("kernel", true)])?;
    let kernel = table.get("forward").filter(|_| is_kernel)?.span.clone();
    for (keys, why) in OF_PROXIES {
        for entry in keys.iter().filter_map(|key| table.get(key)) {
            let what = format!("'{}' can't be kept where the kernel forwards", entry.key);
            table.sink.report(
                Diagnostic::error(entry.key_span.clone(), what)
                    .consequence(*why)
                    .remedy(TO_PROXY)
                    .related(kernel.clone(), "the kernel forwards"),
            );
        }
    }
    for (bind, span) in binds.iter().filter(|(bind, _)| bind.ip().is_unspecified()) {
        table.sink.report(
            Diagnostic::error(span.clone(), format!("the kernel can't forward {bind}"))
                .consequence("it would take this port away from everything on this host")
                .remedy(format!(
                    "write the address that clients use, such as \"172.16.16.100:{}\"",
                    bind.port()
                ))
                .related(kernel.clone(), "the kernel forwards"),
        );
    }
    Some(kernel)
}

/// Compares frontends whose connections the kernel forwards with their backends.
pub(super) fn check(sink: &Sink, frontends: &[FrontendDraft], backends: &[BackendDraft]) {
    let mut forwarding = Vec::new();
    for frontend in frontends {
        let Some(kernel) = &frontend.kernel else { continue };
        let target = frontend.frontend.default_backend.as_ref();
        let Some(backend) = backends.iter().find(|b| Some(&b.backend.name) == target) else {
            continue;
        };
        check_backend(sink, backend, kernel);
        check_servers(sink, backend, kernel);
        check_families(sink, frontend, backend);
        if !sink.has_errors() {
            lint_backend(sink, backend, frontend, frontends);
        }
        if let Some(forwarded) = forwarded(frontend) {
            let all = |server: &Server| (Standing::Serving, server.weight.get());
            forwarding.push(forwarded.frontend(&backend.backend, all));
        }
    }
    // What was found above is said better there.
    if let (false, Err(error)) = (sink.has_errors(), Forwarding::new(forwarding)) {
        sink.report(
            Diagnostic::error_of_file(error.to_string())
                .consequence("the kernel can't forward that")
                .remedy("correct it, or let halb itself move bytes: forward = \"proxy\""),
        );
    }
}

fn check_backend(sink: &Sink, draft: &BackendDraft, kernel: &Span) {
    let key = |name: &str| draft.keys.iter().find(|(key, _)| key == name).map(|(_, span)| span);
    if let (None, Some(span)) = (balance(draft.backend.balance), key("balance")) {
        sink.report(
            Diagnostic::error(span.clone(), "the kernel can't balance like that")
                .consequence("it knows neither how many connections a server has nor who is busy")
                .remedy("write `balance = \"roundrobin\"`, \"flow\" or \"source\"")
                .related(kernel.clone(), "the kernel forwards"),
        );
    }
    for (name, why) in OF_PROXIED_SERVERS {
        let Some(span) = key(name) else { continue };
        let what = format!("'{name}' can't be kept where the kernel forwards");
        sink.report(
            Diagnostic::error(span.clone(), what)
                .consequence(*why)
                .remedy(TO_PROXY)
                .related(kernel.clone(), "the kernel forwards"),
        );
    }
}

fn check_servers(sink: &Sink, draft: &BackendDraft, kernel: &Span) {
    for (server, (written, span)) in draft.backend.servers.iter().zip(&draft.servers) {
        let name = &server.name;
        let wrong = |what: String, why: &str, remedy: &str| {
            sink.report(
                Diagnostic::error(span.clone(), what)
                    .consequence(why)
                    .remedy(remedy)
                    .related(kernel.clone(), "the kernel forwards"),
            );
        };
        if let Some(address) = written.ip().filter(|address| address.ip().is_loopback()) {
            wrong(
                format!("the kernel can't forward to {address}"),
                "packets from the network never reach a loopback address",
                "write an address of the server on the network",
            );
        }
        if server.backup {
            wrong(
                format!("'{name}' can't be a backup where the kernel forwards"),
                "each server that is up has a share of connections",
                "remove 'backup', or let halb itself move bytes: forward = \"proxy\"",
            );
        }
        if server.maxconn.is_some() {
            wrong(
                format!("'{name}' can't have a 'maxconn' where the kernel forwards"),
                "the kernel counts connections of a frontend, and not those of a server",
                "remove 'maxconn', or let halb itself move bytes: forward = \"proxy\"",
            );
        }
    }
}

/// Packets don't change their family on the way. Which one a name will have nobody knows yet.
fn check_families(sink: &Sink, frontend: &FrontendDraft, backend: &BackendDraft) {
    for (bind, span) in &frontend.binds {
        let fits = |ip: SocketAddr| ip.is_ipv4() == bind.is_ipv4();
        if backend.servers.iter().any(|(server, _)| server.ip().is_none_or(fits)) {
            continue;
        }
        let family = if bind.is_ipv4() { "IPv4" } else { "IPv6" };
        sink.report(
            Diagnostic::error(
                span.clone(),
                format!("no server of '{}' has an {family} address", backend.backend.name),
            )
            .consequence("the kernel translates addresses within one family only")
            .remedy("add such a server, or remove this address")
            .related(backend.name_span.clone(), "the servers"),
        );
    }
}

/// Only of a backend that no proxying frontend uses as well.
fn lint_backend(
    sink: &Sink,
    draft: &BackendDraft,
    frontend: &FrontendDraft,
    frontends: &[FrontendDraft],
) {
    let uses = |f: &FrontendDraft| f.targets.iter().any(|(name, _)| *name == draft.backend.name);
    let is_first = frontends
        .iter()
        .find(|f| uses(f))
        .is_some_and(|first| first.frontend.name == frontend.frontend.name);
    if !is_first || frontends.iter().any(|f| f.kernel.is_none() && uses(f)) {
        return;
    }
    let in_vain = draft.keys.iter().filter(|(key, _)| WITHOUT_EFFECT.contains(&key.as_str()));
    for (key, span) in in_vain {
        sink.report(
            Diagnostic::lint(span.clone(), format!("'{key}' has no effect here"))
                .consequence(format!(
                    "connections of frontend '{}' are forwarded by the kernel",
                    frontend.frontend.name
                ))
                .remedy("remove it"),
        );
    }
}

fn forwarded(draft: &FrontendDraft) -> Option<Forwarded> {
    let name = draft.frontend.name.clone();
    let backend = draft.frontend.default_backend.clone()?;
    let frontend = &draft.frontend;
    let prefixes = |list: &[IpNet]| list.iter().copied().map(canonical).collect();
    let limits = Limits {
        allow: prefixes(&frontend.allow),
        deny: prefixes(&frontend.deny),
        maxconn: frontend.maxconn,
        accept_rate: frontend.accept_rate,
    };
    Some(Forwarded { name, binds: frontend.binds.clone(), backend, limits })
}

/// What a good draft amounts to.
pub(super) fn settings(draft: FrontendDraft) -> Option<Forwarded> {
    forwarded(&draft)
}

fn balance(balance: Balance) -> Option<table::Balance> {
    match balance {
        Balance::RoundRobin => Some(table::Balance::RoundRobin),
        Balance::Source => Some(table::Balance::Source),
        Balance::Flow => Some(table::Balance::Flow),
        Balance::LeastConn | Balance::Random => None,
    }
}

impl Forwarded {
    /// As the kernel is told it: `backend` is [`Forwarded::backend`], and `standing` says whether a
    /// server takes connections, and its share of them. Servers without an address are left out.
    #[must_use]
    pub fn frontend(
        &self,
        backend: &Backend,
        standing: impl Fn(&Server) -> (Standing, u16),
    ) -> table::Frontend {
        let spread = match backend.on_down {
            OnDown::Reset { spread } => spread,
            OnDown::Keep => defaults::ON_DOWN_SPREAD,
        };
        let server = |server: &Server| {
            let address = server.address?;
            let (standing, weight) = standing(server);
            let standing = match (standing, backend.on_down) {
                // It gets no new connection, and what it has is left alone.
                (Standing::Down, OnDown::Keep) => Standing::Draining,
                (standing, OnDown::Keep | OnDown::Reset { .. }) => standing,
            };
            Some(table::Server { address, weight, standing })
        };
        table::Frontend {
            name: self.name.to_string(),
            binds: self.binds.clone(),
            // A good configuration has no other.
            balance: balance(backend.balance).unwrap_or(table::Balance::RoundRobin),
            servers: backend.servers.iter().filter_map(server).collect(),
            spread,
            strays: Strays::Drop,
            limits: self.limits.clone(),
        }
    }
}
