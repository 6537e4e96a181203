//! Reads `[frontend.NAME]`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use halb_lb::config::{Frontend, MaxAge, SniPattern, SniRoute};
use halb_lb::names::{BackendName, FrontendName};
use ipnet::IpNet;
use toml::de::DeValue;

use crate::address::Purpose;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{Entry, Table};
use crate::sides::{name_of, read_side};
use crate::sink::Sink;
use crate::units::{self, DURATION_MAX, DurationText};
use crate::{CONNECTIONS_MAX, HOUR, SECOND, SHORTEST, defaults, forward, keys};

/// A frontend, and where things stand that other tables are compared with.
pub(super) struct FrontendDraft {
    pub(super) frontend: Frontend,
    pub(super) binds: Vec<(SocketAddr, Span)>,
    pub(super) targets: Vec<(BackendName, Span)>,
    pub(super) maxconn_span: Option<Span>,
    /// Where it says that the kernel forwards. None: halb itself does.
    pub(super) kernel: Option<Span>,
}

/// Largest `backlog`: the kernel's accept queue counted in 16 bits until Linux 5.4.
const BACKLOG_MAX: u32 = 65_535;

/// Silence that client-go keeps between its HTTP/2 pings is 30 s; below that and a margin, an idle
/// timeout cuts every quiet watch.
const IDLE_TIMEOUT_WATCHES: Duration = Duration::from_secs(35);

/// Reads one frontend. None: it has no usable name.
pub(super) fn read(sink: &Sink, entry: &Entry<'_>) -> Option<FrontendDraft> {
    let name = name_of(sink, entry, FrontendName::new);
    let table = Table::open(sink, entry, &[&keys::FRONTEND])?;
    let binds = read_binds(&table);
    let kernel = forward::read(&table, &binds);
    let mut targets = Vec::new();
    let routes = read_routes(&table, &mut targets);
    let default_backend = read_default_backend(&table, &mut targets);
    let accept_proxy = table.boolean("accept_proxy").unwrap_or(false);
    let max_age = read_max_age(&table);
    lint_idle_inspection(&table, accept_proxy);
    let (allow, deny) = read_lists(&table);
    let inspect_timeout = table.duration("inspect_timeout", SHORTEST..=HOUR);
    let maxconn = table.count("maxconn", CONNECTIONS_MAX);
    let frontend = Frontend {
        binds: binds.iter().map(|(address, _)| *address).collect(),
        default_backend,
        routes,
        maxconn,
        backlog: table.count("backlog", BACKLOG_MAX).unwrap_or(defaults::BACKLOG),
        accept_rate: read_rate(&table),
        allow,
        deny,
        accept_proxy,
        inspect_timeout: inspect_timeout.unwrap_or(defaults::INSPECT_TIMEOUT),
        idle_timeout: read_idle_timeout(&table),
        max_age,
        client: read_side(&table, defaults::CLIENT_USER_TIMEOUT),
        access_log: table.boolean("access_log").unwrap_or(true),
        // Last, so that everything else has been read where this is wrong.
        name: name?,
    };
    let maxconn_span = table.get("maxconn").map(|entry| entry.span.clone());
    Some(FrontendDraft { frontend, binds, targets, maxconn_span, kernel })
}

fn read_binds(table: &Table<'_>) -> Vec<(SocketAddr, Span)> {
    if table.require("bind", "nobody could connect").is_none() {
        return Vec::new();
    }
    let Some(entries) = table.list("bind") else { return Vec::new() };
    if let (true, Some(entry)) = (entries.is_empty(), table.get("bind")) {
        table.sink.report(
            Diagnostic::error(entry.span.clone(), format!("'{}' is empty", entry.path))
                .consequence("nobody could connect")
                .remedy("write at least one address, such as \"*:6443\""),
        );
    }
    let read = |entry: &Entry<'_>| {
        Some((table.socket_address_of(entry, Purpose::Bind)?, entry.span.clone()))
    };
    entries.iter().filter_map(read).collect()
}

/// A name of a backend, noted so that it is looked up once all are known.
fn read_target(table: &Table<'_>, targets: &mut Vec<(BackendName, Span)>) -> Option<BackendName> {
    let (text, entry) = table.text("backend")?;
    let Ok(name) = BackendName::new(text) else {
        let what = format!("no backend can have the name \"{text}\"");
        table.sink.report(
            Diagnostic::error(entry.span, what)
                .remedy("write the NAME of a [backend.NAME] of this file"),
        );
        return None;
    };
    targets.push((name.clone(), entry.span));
    Some(name)
}

fn read_default_backend(
    table: &Table<'_>,
    targets: &mut Vec<(BackendName, Span)>,
) -> Option<BackendName> {
    let empty = |value: &DeValue<'_>| matches!(value, DeValue::Array(array) if array.is_empty());
    if table.get("routes").is_none_or(|routes| empty(routes.value)) {
        table.require("backend", "connections would have nowhere to go");
    }
    read_target(table, targets)
}

fn read_routes(table: &Table<'_>, targets: &mut Vec<(BackendName, Span)>) -> Vec<SniRoute> {
    let entries = table.list("routes").unwrap_or_default();
    let mut routes: Vec<(SniRoute, Span)> = Vec::new();
    for entry in &entries {
        let Some(route) = Table::open(table.sink, entry, &[&keys::ROUTE]) else { continue };
        route.require("sni", "a route without a name to match would do nothing");
        route.require("backend", "the connections would have nowhere to go");
        let backend = read_target(&route, targets);
        let Some((sni, span)) = read_sni(&route) else { continue };
        lint_shadowed(&route, &routes, &sni, &span);
        if let Some(backend) = backend {
            routes.push((SniRoute { sni, backend }, span));
        }
    }
    routes.into_iter().map(|(route, _)| route).collect()
}

fn read_sni(route: &Table<'_>) -> Option<(SniPattern, Span)> {
    let (text, entry) = route.text("sni")?;
    let lower = text.to_ascii_lowercase();
    let (name, below) = match lower.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (lower.as_str(), false),
    };
    let wrong = |why: &str, remedy: String| {
        let what = format!("\"{text}\" can't be matched: {why}");
        route.sink.report(Diagnostic::error(entry.span.clone(), what).remedy(remedy));
    };
    if lower == "*" {
        wrong("it stands for every name", "write the frontend's `backend` for all others".into());
        return None;
    }
    if name.parse::<IpAddr>().is_ok() {
        wrong("clients send no SNI for an address", "write a host name".into());
        return None;
    }
    if let Some((host, _)) = text.split_once(':') {
        wrong("a server name has no port", format!("write \"{host}\""));
        return None;
    }
    if !is_host_name(name) {
        let bare = text.trim_end_matches('.');
        wrong("it is no host name", format!("write a name such as \"{}\"", suggestion(bare)));
        return None;
    }
    let pattern =
        if below { SniPattern::Below(name.into()) } else { SniPattern::Exact(name.into()) };
    Some((pattern, entry.span))
}

fn suggestion(bare: &str) -> &str {
    if is_host_name(bare) { bare } else { "api.example.com" }
}

/// Labels of letters, digits, dashes and underscores, as they are seen in ClientHellos.
pub(super) fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// A route that an earlier one always answers for.
fn lint_shadowed(route: &Table<'_>, earlier: &[(SniRoute, Span)], sni: &SniPattern, span: &Span) {
    let covers = |pattern: &SniPattern| match (pattern, sni) {
        (SniPattern::Exact(a), SniPattern::Exact(b)) => a == b,
        (SniPattern::Below(a), SniPattern::Exact(b) | SniPattern::Below(b)) if a != b => {
            b.strip_suffix(a.as_str()).is_some_and(|rest| rest.ends_with('.'))
        }
        (SniPattern::Below(a), SniPattern::Below(b)) => a == b,
        (SniPattern::Below(_), SniPattern::Exact(_))
        | (SniPattern::Exact(_), SniPattern::Below(_)) => false,
    };
    if let Some((_, first)) = earlier.iter().find(|(route, _)| covers(&route.sni)) {
        route.sink.report(
            Diagnostic::lint(span.clone(), "this route is never reached")
                .consequence("an earlier route matches all of its names; the first match wins")
                .remedy("remove it, or put it before the other")
                .related(first.clone(), "matches first"),
        );
    }
}

fn read_rate(table: &Table<'_>) -> Option<NonZeroU32> {
    let entry = table.get("accept_rate")?;
    if let DeValue::Integer(number) = entry.value {
        let written = format!("accept_rate = \"{number}/s\"");
        table.report_type(entry, "a rate in quotes", Some(written));
        return None;
    }
    let text = table.text_of(entry)?;
    units::parse_rate(text)
        .map_err(|why| {
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            let number = digits.parse::<u32>().ok().filter(|n| *n > 0 && !text.contains("/m"));
            let remedy = match (&why, number) {
                (units::UnitError::ZeroRate, _) => "leave 'accept_rate' out for no bound".into(),
                (_, Some(number)) => format!("write \"{number}/s\""),
                (_, None) => "write a number of connections in a second, such as \"500/s\"".into(),
            };
            let what = format!("'{}' is no rate: {why}", entry.path);
            table.sink.report(Diagnostic::error(entry.span.clone(), what).remedy(remedy));
        })
        .ok()
}

fn read_lists(table: &Table<'_>) -> (Vec<IpNet>, Vec<IpNet>) {
    let (allow, deny) = (table.prefixes("allow"), table.prefixes("deny"));
    if let (Some(entry), true) = (table.get("allow"), allow.is_empty())
        && matches!(entry.value, DeValue::Array(array) if array.is_empty())
    {
        table.sink.report(
            Diagnostic::error(entry.span.clone(), format!("'{}' is empty", entry.path))
                .consequence("read literally it would serve nobody; left out it serves everyone")
                .remedy("write the prefixes to serve, or leave 'allow' out"),
        );
    }
    for (net, span) in &allow {
        if let Some((wider, denied)) = deny.iter().find(|(wider, _)| wider.contains(net)) {
            table.sink.report(
                Diagnostic::lint(span.clone(), format!("all of {net} is refused by 'deny'"))
                    .consequence(format!("'deny' wins over 'allow', and {wider} holds {net}"))
                    .remedy("narrow the prefix in 'deny', or remove this one")
                    .related(denied.clone(), "refused here"),
            );
        }
    }
    let nets = |list: Vec<(IpNet, Span)>| list.into_iter().map(|(net, _)| net).collect();
    (nets(allow), nets(deny))
}

fn read_idle_timeout(table: &Table<'_>) -> Option<Duration> {
    let idle = table.duration_or_off("idle_timeout", SECOND..=DURATION_MAX)??;
    if let (true, Some(entry)) = (idle < IDLE_TIMEOUT_WATCHES, table.get("idle_timeout")) {
        table.sink.report(
            Diagnostic::lint(
                entry.span.clone(),
                format!(
                    "an idle timeout of {} cuts connections that are in use",
                    DurationText(idle)
                ),
            )
            .consequence(
                "a quiet Kubernetes watch is pinged every 30s only; `kubectl exec` and `logs -f` \
                 may be silent for minutes",
            )
            .remedy("leave it out (dead peers are found without it), or write \"1h\" or more"),
        );
    }
    Some(idle)
}

fn read_max_age(table: &Table<'_>) -> Option<MaxAge> {
    let jitter = table.duration("max_age_jitter", Duration::ZERO..=DURATION_MAX);
    let age = table.duration_or_off("max_age", SECOND..=DURATION_MAX).flatten();
    if let (None, false, Some(entry)) = (age, table.has("max_age"), table.get("max_age_jitter")) {
        table.sink.report_absence(
            Diagnostic::lint(entry.key_span.clone(), "'max_age_jitter' without 'max_age'")
                .consequence("sessions have no greatest age, so there is nothing to spread")
                .remedy("add `max_age = \"12h\"`, or remove this key"),
        );
    }
    let age = age?;
    Some(MaxAge { age, jitter: jitter.unwrap_or(age / defaults::MAX_AGE_JITTER_DIVISOR) })
}

fn lint_idle_inspection(table: &Table<'_>, accept_proxy: bool) {
    let Some(entry) = table.get("inspect_timeout") else { return };
    if !accept_proxy && !table.has("routes") {
        table.sink.report_absence(
            Diagnostic::lint(entry.key_span.clone(), "'inspect_timeout' has no effect here")
                .consequence("without 'routes' and 'accept_proxy' halb waits for no first bytes")
                .remedy("remove it"),
        );
    }
}
