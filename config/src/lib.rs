//! The configuration file of halb: TOML in, checked settings or all of its problems out.
//!
//! ```text
//!  file ──▶ Source ──syntax──▶ tree with spans ──reader──▶ frontend, backend, vrrp, … ──▶ Settings
//!                     │                            │             │
//!                     └──────────────▶ Sink ◀──────┴── together ─┘ ──▶ Diagnostics
//! ```
//!
//! One pass finds every problem, each with its place, what comes of it and what to write instead.
//! [`keys`] lists everything that a file may hold, [`defaults`] what holds where it says nothing.
//! `halb check` is the same code that start and reload run. Who else makes or shows something with
//! places in it takes [`diagnostic`], [`source`] and [`render`] for it.
//!
//! What this crate does not do: it reads no file and opens no socket. What a configuration names of
//! its host, certificates, keys and programs, is looked at by a [`Host`].

pub mod defaults;
pub mod diagnostic;
pub mod host;
pub mod keys;
pub mod render;
pub mod settings;
pub mod source;
pub mod summary;
pub mod units;

mod address;
mod backend;
mod check;
mod check_http;
mod check_lints;
mod daemon;
mod forward;
mod frontend;
mod haproxy;
mod log;
mod peer;
mod programs;
mod reader;
mod resolver;
mod sides;
mod sink;
mod syntax;
mod together;
mod vrrp;

use std::fmt;
use std::time::Duration;

use halb_lb::config::Config;
/// What frontends, backends and servers may be called.
pub use halb_lb::names;
/// What the address of a server may be written as.
pub use halb_resolver::config::HostName;

use crate::backend::BackendDraft;
use crate::daemon::Daemon;
use crate::diagnostic::{Diagnostic, Severity};
use crate::frontend::FrontendDraft;
use crate::host::Host;
use crate::peer::PeerDraft;
use crate::reader::{Entry, Table};
use crate::render::Style;
use crate::resolver::ResolverDraft;
use crate::settings::{Haproxy, Settings};
use crate::sink::Sink;
use crate::source::Source;
use crate::vrrp::{GroupDraft, RouterDraft};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Shortest timeout or interval: less is within the noise of a busy host.
const SHORTEST: Duration = Duration::from_millis(10);

/// Largest `maxconn`: far beyond what the ports and descriptors of one host carry.
const CONNECTIONS_MAX: u32 = 10_000_000;

/// A file that is good.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// What is allowed, and probably not wanted.
    pub lints: Vec<Diagnostic>,
    /// The file itself, which the lints point into.
    pub source: Source,
}

impl Loaded {
    /// The lints as text, a blank line between them; empty if there are none.
    #[must_use]
    pub fn lints_text(&self, style: Style) -> String {
        texts(&self.lints, &self.source, style)
    }
}

/// Everything that is wrong with a file, lints included, in the order of the file.
#[derive(Debug, Clone)]
pub struct Report {
    /// At least one is an error.
    pub diagnostics: Vec<Diagnostic>,
    /// The file that they point into; without text if it couldn't be read.
    pub source: Source,
}

impl Report {
    /// Of a file that can't be read, or whose diagnostics somebody else found.
    #[must_use]
    pub fn new(diagnostics: Vec<Diagnostic>, source: Source) -> Self {
        Self { diagnostics, source }
    }

    /// All diagnostics as text, a blank line between them.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        texts(&self.diagnostics, &self.source, style)
    }

    /// How many there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == severity).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(Style::Plain).trim_end())
    }
}

impl std::error::Error for Report {}

fn texts(diagnostics: &[Diagnostic], source: &Source, style: Style) -> String {
    let texts: Vec<_> = diagnostics.iter().map(|d| render::text(d, source, style)).collect();
    texts.join("\n")
}

/// Checks a text; `name` is what diagnostics call it. What it names of a host isn't looked at.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, name: &str) -> Result<Loaded, Report> {
    read(text.to_owned(), name, None)
}

/// Checks a text, and what it names of its host.
///
/// # Errors
/// Everything that is wrong with either.
pub fn parse_for(text: String, name: &str, host: &dyn Host) -> Result<Loaded, Report> {
    read(text, name, Some(host))
}

fn read(text: String, name: &str, host: Option<&dyn Host>) -> Result<Loaded, Report> {
    let source = Source::new(name, text);
    let (settings, diagnostics) = {
        let parsed = syntax::parse(&source);
        let sink = Sink::new(parsed.errors, parsed.broken_lines);
        let settings = read_tree(&sink, parsed.tree.get_ref(), host);
        (settings.filter(|_| !sink.has_errors()), sink.into_diagnostics())
    };
    match settings {
        Some(settings) => Ok(Loaded { settings, lints: diagnostics, source }),
        None => Err(Report::new(diagnostics, source)),
    }
}

fn read_tree<'a>(
    sink: &'a Sink,
    tree: &'a toml::de::DeTable<'a>,
    host: Option<&dyn Host>,
) -> Option<Settings> {
    let top = Table::top(sink, tree);
    report_foreign_tables(&top);
    let named_backends = top.named_tables("backend");
    let named_frontends = top.named_tables("frontend");
    let daemon = daemon::read(&top);
    let drafts = Drafts {
        backends: named_backends.iter().filter_map(|entry| backend::read(sink, entry)).collect(),
        frontends: named_frontends.iter().filter_map(|e| frontend::read(sink, e)).collect(),
        routers: top.named_tables("vrrp").iter().filter_map(|e| vrrp::read(sink, e)).collect(),
        groups: top
            .named_tables("vrrp_group")
            .iter()
            .filter_map(|e| GroupDraft::read(sink, e))
            .collect(),
        peer: peer::read(&top),
        haproxy: haproxy::read(&top, &daemon.admin.socket),
        resolver: resolver::read(&top),
        daemon,
    };
    if !top.has("frontend") {
        report_no_frontend(&top);
    }
    if let Some(host) = host {
        host::check_named(host, sink, &drafts);
    }
    let Drafts { frontends, backends, daemon, .. } = &drafts;
    resolver::lint_unused(&top, backends);
    together::check(sink, frontends, backends, &named_backends, daemon);
    forward::check(sink, frontends, backends);
    let others = vrrp::Others {
        frontends,
        backends,
        named_frontends: &named_frontends,
        named_backends: &named_backends,
        daemon,
        peer: drafts.peer.as_ref(),
        groups: &drafts.groups,
    };
    vrrp::check(sink, &drafts.routers, &others);
    settings(sink, drafts)
}

/// All tables of a file, each by itself.
struct Drafts<'a> {
    frontends: Vec<FrontendDraft>,
    backends: Vec<BackendDraft>,
    routers: Vec<RouterDraft<'a>>,
    groups: Vec<GroupDraft<'a>>,
    peer: Option<PeerDraft>,
    daemon: Daemon,
    haproxy: Haproxy,
    resolver: ResolverDraft,
}

fn settings(sink: &Sink, drafts: Drafts<'_>) -> Option<Settings> {
    if sink.has_errors() {
        return None;
    }
    let Drafts { frontends, backends, routers, groups, peer, daemon, haproxy, resolver } = drafts;
    let vrrp = vrrp::settings(sink, &routers, &groups, &daemon, peer.as_ref());
    let checks = backends.iter().flat_map(|draft| draft.targets.clone()).collect();
    let down: Vec<_> = backends.iter().flat_map(|draft| draft.begin_down.clone()).collect();
    let names = resolver.names(backends.iter().flat_map(|draft| &draft.named));
    let (kernel, proxied): (Vec<_>, Vec<_>) =
        frontends.into_iter().partition(|draft| draft.kernel.is_some());
    let forwarded = kernel.into_iter().filter_map(forward::settings).collect();
    let frontends = proxied.into_iter().map(|draft| draft.frontend).collect();
    let backends = backends.into_iter().map(|draft| draft.backend).collect();
    let Daemon { global, maxconn, log, admin, .. } = daemon;
    match Config::new(frontends, backends, maxconn) {
        Ok(lb) => {
            let lb = lb.with_servers_down(down);
            let peer = peer.and_then(PeerDraft::settings);
            Some(Settings { lb, forwarded, checks, names, vrrp, peer, global, log, admin, haproxy })
        }
        Err(error) => {
            sink.report(Diagnostic::error_of_file(error.to_string()).remedy("correct that"));
            None
        }
    }
}

/// Tables that nobody knows.
fn report_foreign_tables(top: &Table<'_>) {
    for entry in top.entries() {
        if keys::find(&[&keys::ROOT], entry.key).is_none() {
            top.sink.report(reader::unknown_key(entry, "", &[&keys::ROOT]));
        }
    }
}

fn report_no_frontend(top: &Table<'_>) {
    let nearly = |entry: &Entry<'_>| {
        keys::nearest_key(&[&keys::ROOT], entry.key).is_some_and(|key| key.name == "frontend")
    };
    if !top.entries().iter().any(nearly) {
        top.sink.report_absence(
            Diagnostic::error_of_file("there is no frontend")
                .consequence("nobody could connect")
                .remedy("add `[frontend.NAME]` with `bind` and `backend`"),
        );
    }
}

#[cfg(test)]
mod tests;
