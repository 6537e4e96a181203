//! Reads the `check` of a backend.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use halb_healthcheck::config::{
    Check, ClientIdentity, Initial, Pace, Probe, ScriptProbe, Threshold, TlsOptions, Verify,
};
use toml::de::DeValue;

use crate::diagnostic::{Diagnostic, Span};
use crate::frontend::is_host_name;
use crate::keys::{self, Section};
use crate::reader::Table;
use crate::{DAY, HOUR, SHORTEST, check_http, defaults, programs};

/// Everything that the check of some type takes.
pub(super) static SECTIONS: &[&Section] =
    &[&keys::CHECK, &keys::CHECK_CONNECT, &keys::CHECK_TLS, &keys::CHECK_HTTP, &keys::CHECK_SCRIPT];

/// What may be asked, before the details are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Tls,
    Http,
    Https,
    Script,
}

impl Kind {
    /// As it is written.
    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Https => "https",
            Self::Script => "script",
        }
    }

    /// Whether a check of this kind takes the keys of a table.
    fn takes(self, section: &Section) -> bool {
        let is = |other: &Section| std::ptr::eq(section, other);
        let connects = self != Self::Script;
        let tls = matches!(self, Self::Tls | Self::Https);
        let http = matches!(self, Self::Http | Self::Https);
        is(&keys::CHECK)
            || (is(&keys::CHECK_CONNECT) && connects)
            || (is(&keys::CHECK_TLS) && tls)
            || (is(&keys::CHECK_HTTP) && http)
            || (is(&keys::CHECK_SCRIPT) && !connects)
    }
}

const KINDS: &[(&str, Kind)] = &[
    ("tcp", Kind::Tcp),
    ("tls", Kind::Tls),
    ("http", Kind::Http),
    ("https", Kind::Https),
    ("script", Kind::Script),
];

const INITIALS: &[(&str, Initial)] = &[
    ("fully-up", Initial::FullyUp),
    ("up", Initial::Up),
    ("down", Initial::Down),
    ("fully-down", Initial::FullyDown),
];

/// Most failures or successes that are asked for.
const THRESHOLD_MAX: u32 = 1000;

/// A check, and where things stand that the backend compares it with.
pub(super) struct CheckDraft<'a> {
    pub(super) check: Check,
    pub(super) kind: Kind,
    pub(super) table: Table<'a>,
    /// Its own `source`, not the backend's.
    pub(super) own_source: Option<IpAddr>,
    address: Option<IpAddr>,
    port: Option<u16>,
}

impl CheckDraft<'_> {
    /// Where the probe of a server connects.
    pub(super) fn address_for(&self, server: SocketAddr) -> SocketAddr {
        let (address, port) = (server.ip(), server.port());
        SocketAddr::new(self.address.unwrap_or(address), self.port.unwrap_or(port))
    }

    /// The check and where it stands, without its table.
    pub(super) fn into_placed(self) -> PlacedCheck {
        let files = FILE_KEYS.iter().filter_map(|key| {
            let entry = self.table.get(key)?;
            let name = match entry.value {
                DeValue::String(text) => text.to_string(),
                DeValue::Array(array) => array.first()?.get_ref().as_str()?.to_owned(),
                DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Table(_) => return None,
            };
            Some((name, entry.span.clone()))
        });
        PlacedCheck { files: files.collect(), span: self.table.key_span.clone(), check: self.check }
    }

    /// Whether the probe meets the same port that clients are sent to.
    pub(super) fn asks_the_service(&self) -> bool {
        self.address.is_none() && self.port.is_none()
    }
}

/// A check with the places that matter once the file is read.
pub(super) struct PlacedCheck {
    pub(super) check: Check,
    pub(super) span: Span,
    /// What it names of this host, and where.
    pub(super) files: Vec<(String, Span)>,
}

/// Keys that name a file or a program.
const FILE_KEYS: [&str; 5] = ["ca_file", "cert_file", "key_file", "bearer_token_file", "command"];

/// Reads a check. None: it can't be told what is asked.
pub(super) fn read(table: Table<'_>, backend_source: Option<IpAddr>) -> Option<CheckDraft<'_>> {
    table.require("type", "it can't be told what the servers are asked");
    let kind = table.choice("type", KINDS)?;
    report_misplaced_keys(&table, kind);
    let probe = read_probe(&table, kind);
    let own_source = if kind == Kind::Script { None } else { table.ip("source") };
    let own_source = own_source.map(|(ip, _)| ip);
    let address = table.ip("address").map(|(ip, _)| ip);
    let port = table.number("port", 1..=u16::MAX);
    let check = Check {
        pace: read_pace(&table),
        threshold: Threshold {
            rise: table.count("rise", THRESHOLD_MAX).unwrap_or(defaults::CHECK_RISE),
            fall: table.count("fall", THRESHOLD_MAX).unwrap_or(defaults::CHECK_FALL),
        },
        initial: table.choice("initial", INITIALS).unwrap_or(Initial::Up),
        source: own_source.or(backend_source),
        passive: table.boolean("passive").unwrap_or(true),
        // Last, so that everything else has been read where this is wrong.
        probe: probe?,
    };
    Some(CheckDraft { check, kind, table, own_source, address, port })
}

/// Keys that checks of other types take.
fn report_misplaced_keys(table: &Table<'_>, kind: Kind) {
    for entry in table.entries() {
        let homes = || SECTIONS.iter().filter(|s| keys::find(&[s], entry.key).is_some());
        if homes().next().is_none() || homes().any(|section| kind.takes(section)) {
            continue;
        }
        let takers: Vec<_> = KINDS
            .iter()
            .filter(|(_, kind)| homes().any(|section| kind.takes(section)))
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let takers = takers.join(" or ");
        let what = format!("a check of type \"{}\" takes no '{}'", kind.as_str(), entry.key);
        table.sink.report(
            Diagnostic::error(entry.key_span.clone(), what)
                .consequence("it would do nothing, so the file is refused")
                .remedy(format!("remove it, or make the type {takers}")),
        );
    }
}

fn read_probe(table: &Table<'_>, kind: Kind) -> Option<Probe> {
    match kind {
        Kind::Tcp => Some(Probe::Tcp),
        Kind::Tls => read_tls(table).map(Probe::Tls),
        Kind::Http => check_http::read(table).map(Probe::Http),
        Kind::Https => {
            let (http, tls) = (check_http::read(table), read_tls(table));
            Some(Probe::Https(http?, tls?))
        }
        Kind::Script => read_script(table).map(Probe::Script),
    }
}

fn read_pace(table: &Table<'_>) -> Pace {
    let interval = table.duration("interval", SHORTEST..=DAY).unwrap_or(defaults::CHECK_INTERVAL);
    let timeout = table.duration("timeout", SHORTEST..=HOUR);
    Pace {
        interval,
        fast_interval: table.duration("fast_interval", SHORTEST..=DAY),
        down_interval: table.duration("down_interval", SHORTEST..=DAY),
        // An interval below the default timeout shortens that along, so that a short interval
        // alone is never a lint.
        timeout: timeout.unwrap_or_else(|| defaults::CHECK_TIMEOUT.min(interval)),
    }
}

fn read_tls(table: &Table<'_>) -> Option<TlsOptions> {
    let verify = read_verify(table);
    let server_name = read_server_name(table);
    let client = read_client_identity(table);
    Some(TlsOptions { verify: verify?, server_name, client })
}

fn read_verify(table: &Table<'_>) -> Option<Verify> {
    let ca_file = table.file("ca_file");
    let none = read_no_verification(table);
    match (table.get("ca_file"), table.get("verify")) {
        (None, None) => {
            let missing = Diagnostic::error(
                table.key_span.clone(),
                format!("'{}' doesn't say which certificates to trust", table.path),
            );
            table.sink.report_absence(
                missing
                    .consequence("halb never skips verification unasked, and knows no authority")
                    .remedy(
                        "add `ca_file = \"/etc/halb/ca.crt\"`, or `verify = \"none\"` to take any \
                         certificate",
                    ),
            );
            None
        }
        (Some(ca_file), Some(verify)) if none.is_some() => {
            table.sink.report(
                Diagnostic::error(verify.span.clone(), "verify = \"none\" beside a 'ca_file'")
                    .consequence("it can't be told whether certificates are to be verified")
                    .remedy("remove one of them")
                    .related(ca_file.key_span.clone(), "verify against this"),
            );
            None
        }
        (Some(_), _) => ca_file.map(Verify::CaFile),
        (None, Some(_)) => none.map(|()| Verify::None),
    }
}

/// `Some` where verification is switched off.
fn read_no_verification(table: &Table<'_>) -> Option<()> {
    let (text, entry) = table.text("verify")?;
    if text == "none" {
        return Some(());
    }
    table.sink.report(
        Diagnostic::error(entry.span, format!("'{}' can't be \"{text}\"", entry.path)).remedy(
            "remove it: with a 'ca_file' certificates are verified; or write \"none\" to take any",
        ),
    );
    None
}

fn read_server_name(table: &Table<'_>) -> Option<String> {
    let (text, entry) = table.text("server_name")?;
    if is_host_name(text) || text.parse::<IpAddr>().is_ok() {
        return Some(text.to_owned());
    }
    table.sink.report(
        Diagnostic::error(entry.span, format!("\"{text}\" is no host name or address"))
            .remedy("write the name that the certificate carries, such as \"kubernetes\""),
    );
    None
}

fn read_client_identity(table: &Table<'_>) -> Option<ClientIdentity> {
    let (cert_file, key_file) = (table.file("cert_file"), table.file("key_file"));
    for (here, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if let (Some(entry), false) = (table.get(here), table.has(other)) {
            table.sink.report_absence(
                Diagnostic::error(entry.key_span.clone(), format!("'{here}' without '{other}'"))
                    .consequence("a client certificate takes both: the certificate and its key")
                    .remedy(format!("add '{other}', or remove '{here}'")),
            );
        }
    }
    Some(ClientIdentity { cert_file: cert_file?, key_file: key_file? })
}

fn read_script(table: &Table<'_>) -> Option<ScriptProbe> {
    table.require("command", "there is nothing to run")?;
    let command = programs::read(table, "command", "/usr/local/bin/check")?;
    Some(ScriptProbe { command })
}

/// The longest time from a server's death (it falls silent) to the verdict, where each check runs
/// into its timeout.
pub(super) fn detection_time(pace: &Pace, fall: NonZeroU32) -> Duration {
    let first = pace.interval.max(pace.timeout);
    let next = pace.fast_interval.unwrap_or(pace.interval).max(pace.timeout);
    first.saturating_add(next.saturating_mul(fall.get() - 1)).saturating_add(pace.timeout)
}
