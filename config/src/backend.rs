//! Reads `[backend.NAME]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use halb_healthcheck::config::{Initial, Probe, Target};
use halb_lb::config::{Backend, Balance, OnDown, ProxyVersion, QueueLimit, Server, Weight};
use halb_lb::names::{BackendName, ServerName, ServerRef};
use halb_resolver::config::{Families, HostName};
use toml::de::DeValue;

use crate::address::ServerAddress;
use crate::check::{self, CheckDraft, PlacedCheck};
use crate::check_lints::{self, API_SERVER_PORT};
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{Entry, Table, noun};
use crate::sides::{name_of, read_side};
use crate::sink::Sink;
use crate::{CONNECTIONS_MAX, DAY, HOUR, SECOND, SHORTEST, defaults, keys};

/// A backend, and where things stand that other tables are compared with.
pub(super) struct BackendDraft {
    pub(super) backend: Backend,
    pub(super) name_span: Span,
    pub(super) servers: Vec<(ServerAddress, Span)>,
    /// Its servers that are written as names.
    pub(super) named: Vec<NamedDraft>,
    pub(super) targets: Vec<Target>,
    /// Servers that serve nobody before their first check has passed.
    pub(super) begin_down: Vec<ServerRef>,
    pub(super) check: Option<PlacedCheck>,
    /// Where its `source` stands.
    pub(super) source_span: Option<Span>,
    /// All of its keys, and where each stands.
    pub(super) keys: Vec<(String, Span)>,
}

/// A server that is written as a name.
#[derive(Debug, Clone)]
pub(super) struct NamedDraft {
    pub(super) server: ServerRef,
    pub(super) host: HostName,
    pub(super) port: u16,
    /// The only kind of address that reaches from the backend's `source`; none: both will do.
    pub(super) only: Option<Families>,
}

/// A server, whether it is checked, and where its address stands.
struct ServerDraft {
    server: Server,
    address: ServerAddress,
    checked: bool,
    span: Span,
}

/// Most attempts after the first; each may take a whole `connect_timeout`.
const RETRIES_MAX: u32 = 100;

/// Most connections that wait: each holds a descriptor, and a million is beyond any limit of them.
const QUEUE_MAX: u32 = 1_000_000;

/// The kernel repeats a lost SYN after one second.
const SYN_REPEAT: Duration = Duration::from_secs(1);

/// Reads one backend. None: it has no usable name, or no servers.
pub(super) fn read(sink: &Sink, entry: &Entry<'_>) -> Option<BackendDraft> {
    let name = name_of(sink, entry, BackendName::new);
    let table = Table::open(sink, entry, &[&keys::BACKEND])?;
    let balance = table.choice("balance", BALANCES).unwrap_or(Balance::RoundRobin);
    let drafts = read_servers(&table);
    let source = table.ip("source");
    let check = read_check(&table, source.as_ref().map(|(ip, _)| *ip));
    let send_proxy = table.choice("send_proxy", PROXY_VERSIONS);
    check_source_family(&table, source.as_ref(), &drafts);
    let servers: Vec<_> = drafts.iter().map(|d| (d.address.clone(), d.span.clone())).collect();
    if let Some(check) = &check {
        check_lints::report(check, &servers, send_proxy.is_some());
    }
    lint_proxied_api_server(&table, &drafts);
    let backend = Backend {
        balance,
        servers: drafts.iter().map(|draft| draft.server.clone()).collect(),
        connect_timeout: read_connect_timeout(&table),
        retries: table.number("retries", 0..=RETRIES_MAX).unwrap_or(defaults::RETRIES),
        redispatch: table.boolean("redispatch").unwrap_or(true),
        queue: read_queue(&table),
        on_down: read_on_down(&table),
        slow_start: table.duration_or_off("slow_start", SECOND..=DAY).flatten(),
        server: read_side(&table, defaults::SERVER_USER_TIMEOUT),
        source: source.map(|(ip, _)| ip),
        send_proxy,
        // Last, so that everything else has been read where this is wrong.
        name: name?,
    };
    let named = named(&backend, &drafts);
    let targets = targets(&backend.name, &drafts, check.as_ref());
    let begin_down = begin_down(&backend.name, &drafts, check.as_ref());
    let check = check.map(CheckDraft::into_placed);
    let name_span = entry.key_span.clone();
    let source_span = table.get("source").map(|entry| entry.span.clone());
    let key = |entry: &Entry<'_>| (entry.key.to_owned(), entry.key_span.clone());
    let keys = table.entries().iter().map(key).collect();
    Some(BackendDraft {
        backend,
        name_span,
        servers,
        named,
        targets,
        begin_down,
        check,
        source_span,
        keys,
    })
}

const BALANCES: &[(&str, Balance)] = &[
    ("roundrobin", Balance::RoundRobin),
    ("leastconn", Balance::LeastConn),
    ("source", Balance::Source),
    ("flow", Balance::Flow),
    ("random", Balance::Random),
];

const PROXY_VERSIONS: &[(&str, ProxyVersion)] =
    &[("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)];

fn read_servers(table: &Table<'_>) -> Vec<ServerDraft> {
    let Some(entry) = table.require("server", "connections would have nowhere to go") else {
        return Vec::new();
    };
    let DeValue::Table(_) = entry.value else {
        let what = format!("'{}' takes a table of servers by name", entry.path);
        table.sink.report(
            Diagnostic::error(entry.span.clone(), what)
                .consequence("logs, metrics and commands need a name for each server")
                .remedy(format!(
                    "write `[{}]` on a line of its own, and `NAME = \"ADDRESS:PORT\"` below",
                    entry.path
                )),
        );
        return Vec::new();
    };
    let entries = table.entries_by_name(entry);
    if entries.is_empty() {
        table.sink.report_absence(
            Diagnostic::error(entry.key_span.clone(), format!("'{}' holds no server", entry.path))
                .consequence("every connection would be closed at once")
                .remedy("add one, such as `kmaster1 = \"172.16.16.101:6443\"`"),
        );
    }
    let drafts: Vec<_> = entries.iter().filter_map(|entry| read_server(table, entry)).collect();
    lint_servers(table, entry, &drafts);
    drafts
}

fn read_server(table: &Table<'_>, entry: &Entry<'_>) -> Option<ServerDraft> {
    let name = name_of(table.sink, entry, ServerName::new);
    if !matches!(entry.value, DeValue::Table(_) | DeValue::String(_)) {
        let what = format!("'{}' is no server but {}", entry.path, noun(entry.value));
        let remedy = format!("write `{} = \"ADDRESS:PORT\"`", entry.key);
        table.sink.report(Diagnostic::error(entry.span.clone(), what).remedy(remedy));
        return None;
    }
    if !matches!(entry.value, DeValue::Table(_)) {
        let address = table.server_address_of(entry)?;
        let server = Server {
            name: name?,
            address: address.ip(),
            weight: Weight::DEFAULT,
            backup: false,
            maxconn: None,
        };
        return Some(ServerDraft { server, address, checked: true, span: entry.span.clone() });
    }
    let server = Table::open(table.sink, entry, &[&keys::SERVER])?;
    let written = server.require("address", "there is nothing to connect to");
    let address = written.and_then(|entry| server.server_address_of(entry));
    let span = written.map(|entry| entry.span.clone());
    let weight = server.number("weight", 0..=Weight::MAX).and_then(Weight::new);
    let backup = server.boolean("backup").unwrap_or(false);
    let checked = server.boolean("check").unwrap_or(true);
    let maxconn = server.count("maxconn", CONNECTIONS_MAX);
    let weight = weight.unwrap_or(Weight::DEFAULT);
    let address = address?;
    let server = Server { name: name?, address: address.ip(), weight, backup, maxconn };
    Some(ServerDraft { server, address, checked, span: span? })
}

fn lint_servers(table: &Table<'_>, entry: &Entry<'_>, drafts: &[ServerDraft]) {
    for (index, draft) in drafts.iter().enumerate() {
        let same = |other: &&ServerDraft| other.address == draft.address;
        if let Some(first) = drafts[..index].iter().find(same) {
            let what = format!(
                "'{}' and '{}' have the same address",
                first.server.name, draft.server.name
            );
            table.sink.report(
                Diagnostic::lint(draft.span.clone(), what)
                    .consequence("one server gets two shares, and a retry may meet it again")
                    .remedy("correct the address, or use 'weight' for a larger share")
                    .related(first.span.clone(), "the same here"),
            );
        }
        lint_short_name(table, draft);
    }
    let serving = drafts.iter().any(|draft| draft.server.weight.get() > 0);
    if !drafts.is_empty() && !serving {
        table.sink.report_absence(
            Diagnostic::lint(entry.key_span.clone(), "all servers have weight 0")
                .consequence("none of them takes a new connection")
                .remedy("give at least one a weight of 1"),
        );
    }
}

/// The C library completes a name without a dot; halb doesn't.
fn lint_short_name(table: &Table<'_>, draft: &ServerDraft) {
    let ServerAddress::Name(host, _) = &draft.address else { return };
    if host.as_str().contains('.') {
        return;
    }
    table.sink.report(
        Diagnostic::lint(draft.span.clone(), format!("'{host}' is a name without a domain"))
            .consequence("it is asked as it stands: search lists of /etc/resolv.conf don't count")
            .remedy("write the name in full, unless /etc/hosts has it"),
    );
}

/// The servers that are written as names.
fn named(backend: &Backend, drafts: &[ServerDraft]) -> Vec<NamedDraft> {
    let only = backend.source.map(|source| match source {
        IpAddr::V4(_) => Families::Ipv4,
        IpAddr::V6(_) => Families::Ipv6,
    });
    let named = |draft: &ServerDraft| match &draft.address {
        ServerAddress::Ip(_) => None,
        ServerAddress::Name(host, port) => Some(NamedDraft {
            server: ServerRef { backend: backend.name.clone(), server: draft.server.name.clone() },
            host: host.clone(),
            port: *port,
            only,
        }),
    };
    drafts.iter().filter_map(named).collect()
}

/// The check of a backend; a lint where nothing is said.
fn read_check<'a>(table: &Table<'a>, source: Option<IpAddr>) -> Option<CheckDraft<'a>> {
    if table.is_off("check") {
        return None;
    }
    let Some(entry) = table.get("check") else {
        table.sink.report_absence(
            Diagnostic::lint(table.key_span.clone(), format!("'{}' has no 'check'", table.path))
                .consequence("a server that is dead or hangs goes on getting connections")
                .remedy("add `check = { type = \"tcp\" }` or better, or `check = false`"),
        );
        return None;
    };
    if let DeValue::Boolean(true) = entry.value {
        let what = format!("'{}' says that, but not how, servers are checked", entry.path);
        table.sink.report(
            Diagnostic::error(entry.span.clone(), what)
                .remedy("write `check = { type = \"tcp\" }`, or better what fits the service"),
        );
        return None;
    }
    check::read(table.table("check", check::SECTIONS)?, source)
}

fn targets(
    backend: &BackendName,
    drafts: &[ServerDraft],
    check: Option<&CheckDraft<'_>>,
) -> Vec<Target> {
    let Some(check) = check else { return Vec::new() };
    let checked = drafts.iter().filter(|draft| draft.checked);
    checked
        .map(|draft| {
            let mut probed = check.check.clone();
            let address = match &draft.address {
                ServerAddress::Ip(address) => *address,
                ServerAddress::Name(host, port) => {
                    ask_by_name(&mut probed.probe, host, *port);
                    SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), *port)
                }
            };
            Target {
                id: format!("{backend}/{}", draft.server.name),
                address: check.address_for(address),
                check: probed,
            }
        })
        .collect()
}

/// A server with a name is asked by it, where the file says nothing else.
fn ask_by_name(probe: &mut Probe, host: &HostName, port: u16) {
    let (http, tls) = match probe {
        Probe::Tcp | Probe::Script(_) => (None, None),
        Probe::Tls(tls) => (None, Some(tls)),
        Probe::Http(http) => (Some(http), None),
        Probe::Https(http, tls) => (Some(http), Some(tls)),
    };
    if let Some(http) = http {
        http.host.get_or_insert_with(|| format!("{host}:{port}"));
    }
    if let Some(tls) = tls {
        tls.server_name.get_or_insert_with(|| host.to_string());
    }
}

fn begin_down(
    backend: &BackendName,
    drafts: &[ServerDraft],
    check: Option<&CheckDraft<'_>>,
) -> Vec<ServerRef> {
    let down = |check: &&CheckDraft<'_>| match check.check.initial {
        Initial::Down | Initial::FullyDown => true,
        Initial::Up | Initial::FullyUp => false,
    };
    if check.filter(down).is_none() {
        return Vec::new();
    }
    let checked = drafts.iter().filter(|draft| draft.checked);
    let reference = |draft: &ServerDraft| ServerRef {
        backend: backend.clone(),
        server: draft.server.name.clone(),
    };
    checked.map(reference).collect()
}

/// A socket of one address family can't connect to the other.
fn check_source_family(table: &Table<'_>, source: Option<&(IpAddr, Span)>, drafts: &[ServerDraft]) {
    let Some((source, span)) = source else { return };
    let differs = |address: SocketAddr| address.is_ipv4() != source.is_ipv4();
    let other = drafts.iter().find(|draft| draft.server.address.is_some_and(differs));
    if let Some(other) = other {
        let what = format!("{source} and '{}' are of different families", other.server.name);
        table.sink.report(
            Diagnostic::error(span.clone(), what)
                .consequence("a connection from IPv4 to IPv6, or the reverse, can't be made")
                .remedy("write a source of the servers' family, or a backend for each family")
                .related(other.span.clone(), "can't be reached from it"),
        );
    }
}

fn lint_proxied_api_server(table: &Table<'_>, drafts: &[ServerDraft]) {
    let Some(entry) = table.get("send_proxy") else { return };
    let api_server = drafts.iter().find(|draft| draft.address.port() == API_SERVER_PORT);
    if let Some(server) = api_server {
        table.sink.report(
            Diagnostic::lint(entry.key_span.clone(), "kube-apiserver knows no PROXY protocol")
                .consequence("it takes the header for a broken TLS handshake and closes")
                .remedy("remove 'send_proxy', if these are API servers")
                .related(server.span.clone(), "the port of the Kubernetes API"),
        );
    }
}

fn read_connect_timeout(table: &Table<'_>) -> Duration {
    let timeout = table.duration("connect_timeout", SHORTEST..=HOUR);
    if let (Some(timeout), Some(entry)) = (timeout, table.get("connect_timeout"))
        && timeout <= SYN_REPEAT
    {
        table.sink.report(
            Diagnostic::lint(entry.span.clone(), "a connect timeout of 1s or less is hasty")
                .consequence(
                    "the kernel repeats a lost SYN after 1s; one lost packet fails the attempt",
                )
                .remedy("write \"2s\", unless the next server is to be tried that soon"),
        );
    }
    timeout.unwrap_or(defaults::CONNECT_TIMEOUT)
}

fn read_queue(table: &Table<'_>) -> QueueLimit {
    let queue = table.table("queue", &[&keys::QUEUE]);
    let max = queue.as_ref().and_then(|queue| queue.number("max", 0..=QUEUE_MAX));
    let timeout = queue.as_ref().and_then(|queue| queue.duration("timeout", SHORTEST..=HOUR));
    QueueLimit {
        max: max.unwrap_or(defaults::QUEUE_MAX),
        timeout: timeout.unwrap_or(defaults::QUEUE_TIMEOUT),
    }
}

fn read_on_down(table: &Table<'_>) -> OnDown {
    let reset = table.choice("on_down", &[("reset", true), ("keep", false)]).unwrap_or(true);
    let spread = table.duration("on_down_spread", Duration::ZERO..=HOUR);
    if reset {
        return OnDown::Reset { spread: spread.unwrap_or(defaults::ON_DOWN_SPREAD) };
    }
    if let Some(entry) = table.get("on_down_spread") {
        table.sink.report(
            Diagnostic::lint(entry.key_span.clone(), "'on_down_spread' has no effect here")
                .consequence("with on_down = \"keep\" no session is reset")
                .remedy("remove it, or write `on_down = \"reset\"`"),
        );
    }
    OnDown::Keep
}
