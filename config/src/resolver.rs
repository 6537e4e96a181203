//! Reads `[resolver]`.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use halb_resolver::config::{Families, Holds, Nameservers, Question, Settings};
use halb_resolver::resolv_conf::{NAMESERVERS_MAX, PORT};

use crate::address::{self, Purpose};
use crate::backend::{BackendDraft, NamedDraft};
use crate::diagnostic::Diagnostic;
use crate::reader::{Entry, Table};
use crate::settings::{NamedServer, Names};
use crate::{DAY, SECOND, defaults, keys};

/// Longest wait for one answer: of several servers, the last is heard within a minute or so.
const TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// Shortest wait for one answer: a name server may itself have to ask.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// Most rounds over all name servers.
const ATTEMPTS_MAX: u32 = 5;

/// `[resolver]`, and which kinds of addresses will do.
pub(super) struct ResolverDraft {
    settings: Settings,
    families: Families,
}

const FAMILIES: &[(&str, Families)] = &[
    ("prefer-ipv4", Families::PreferIpv4),
    ("prefer-ipv6", Families::PreferIpv6),
    ("ipv4", Families::Ipv4),
    ("ipv6", Families::Ipv6),
];

/// Reads the table; without it everything is as by default.
pub(super) fn read(top: &Table<'_>) -> ResolverDraft {
    let table = top.table("resolver", &[&keys::RESOLVER]);
    let table = table.as_ref();
    let duration = |key, range| table.and_then(|table| table.duration(key, range));
    let refresh_min = duration("refresh_min", SECOND..=DAY).unwrap_or(defaults::REFRESH_MIN);
    let refresh_max = duration("refresh_max", SECOND..=DAY);
    if let (Some(most), Some(table)) = (refresh_max, table) {
        check_refresh(table, refresh_min, most);
    }
    let unanswered =
        table.and_then(|table| table.duration_or_off("hold_unanswered", Duration::ZERO..=DAY));
    let settings = Settings {
        nameservers: table
            .and_then(read_nameservers)
            .unwrap_or_else(|| Nameservers::File(PathBuf::from(defaults::RESOLV_CONF))),
        hosts_file: read_hosts_file(table),
        timeout: duration("timeout", TIMEOUT_MIN..=TIMEOUT_MAX).unwrap_or(defaults::LOOKUP_TIMEOUT),
        attempts: table
            .and_then(|table| table.number("attempts", 1..=ATTEMPTS_MAX))
            .and_then(NonZeroU32::new)
            .unwrap_or(defaults::LOOKUP_ATTEMPTS),
        refresh_min,
        refresh_max: refresh_max.unwrap_or(defaults::REFRESH_MAX).max(refresh_min),
        holds: Holds {
            gone: duration("hold_gone", Duration::ZERO..=DAY).unwrap_or(defaults::HOLD_GONE),
            unanswered: unanswered.flatten(),
            obsolete: duration("hold_obsolete", Duration::ZERO..=DAY)
                .unwrap_or(defaults::HOLD_OBSOLETE),
        },
    };
    let families = table.and_then(|table| table.choice("family", FAMILIES));
    ResolverDraft { settings, families: families.unwrap_or(Families::PreferIpv4) }
}

fn check_refresh(table: &Table<'_>, least: Duration, most: Duration) {
    let Some(entry) = table.get("refresh_max").filter(|_| most < least) else { return };
    table.sink.report(
        Diagnostic::error(entry.span.clone(), "'refresh_max' is shorter than 'refresh_min'")
            .consequence("names can't be asked at least and at most so often")
            .remedy("raise it, or lower 'refresh_min'"),
    );
}

fn read_hosts_file(table: Option<&Table<'_>>) -> Option<PathBuf> {
    let own = |table: &Table<'_>| {
        if table.is_off("hosts_file") { Some(None) } else { table.file("hosts_file").map(Some) }
    };
    table.and_then(own).unwrap_or_else(|| Some(PathBuf::from(defaults::HOSTS_FILE)))
}

fn read_nameservers(table: &Table<'_>) -> Option<Nameservers> {
    let entries = table.list("nameservers")?;
    let servers: Vec<_> = entries.iter().filter_map(|entry| nameserver(table, entry)).collect();
    if let Some(entry) = entries.get(NAMESERVERS_MAX) {
        let what = format!("more than {NAMESERVERS_MAX} name servers");
        table.sink.report(
            Diagnostic::error(entry.span.clone(), what)
                .consequence("nobody waits until the last of them has been asked")
                .remedy("remove those that answer least"),
        );
    }
    Some(Nameservers::These(servers))
}

/// An address, with a port where it isn't the usual one.
fn nameserver(table: &Table<'_>, entry: &Entry<'_>) -> Option<SocketAddr> {
    let text = table.text_of(entry)?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, PORT));
    }
    match address::parse_socket_address(text, Purpose::Connect) {
        Ok(server) => Some(server),
        Err(problem) => {
            let what = format!("\"{text}\" is no name server: {}", problem.why);
            table.sink.report(
                Diagnostic::error(entry.span.clone(), what)
                    .remedy("write its address, \"10.0.0.2\" or \"10.0.0.2:5353\""),
            );
            None
        }
    }
}

/// A table that says how names are asked, where there is none.
pub(super) fn lint_unused(top: &Table<'_>, backends: &[BackendDraft]) {
    let named = backends.iter().any(|backend| !backend.named.is_empty());
    if let (Some(entry), false) = (top.get("resolver"), named || top.sink.has_errors()) {
        top.sink.report_absence(
            Diagnostic::lint(entry.key_span.clone(), "no server has a name")
                .consequence("nobody is asked, and '[resolver]' has no effect")
                .remedy("remove it, or write servers as \"NAME:PORT\""),
        );
    }
}

impl ResolverDraft {
    /// The settings, with the servers that are written as names.
    pub(super) fn names<'a>(self, named: impl Iterator<Item = &'a NamedDraft>) -> Names {
        let server = |draft: &NamedDraft| NamedServer {
            server: draft.server.clone(),
            question: Question {
                host: draft.host.clone(),
                families: draft.only.unwrap_or(self.families),
            },
            port: draft.port,
        };
        Names { servers: named.map(server).collect(), resolver: self.settings }
    }
}
