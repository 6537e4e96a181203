//! `halb status` in words: one screen of at most [`WIDTH`] columns, the unusual first.

pub(crate) mod table;

use std::fmt::Write as _;

use super::notices::{Notice, Severity};
use super::verdict::Verdict;
use super::words::{clip, count, plain, size, span, things, wrap};
use super::{
    Backend, Frontend, FrontendState, Server, Status, forward, names, notices, peer, verdict, vrrp,
};
use table::{Align, Column};

/// Columns of a terminal that nobody has resized.
pub const WIDTH: usize = 80;

/// Most notices that are spelled out; with more, a thousand servers down would hide the rest.
const NOTICES_MAX: usize = 10;

/// Longest server name and address in a table, so that a row stays on one line.
const NAME_WIDTH: usize = 18;
const ADDRESS_WIDTH: usize = 22;

/// Whether words may be coloured. Colour repeats what the words say, it never adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// ANSI colours.
    Ansi,
    /// None.
    Plain,
}

impl Colour {
    /// `text` in the colour of `severity`.
    pub(crate) fn paint(self, severity: Severity, text: &str) -> String {
        let code = match (self, severity) {
            (Self::Plain, _) | (Self::Ansi, Severity::Note) => return text.to_owned(),
            (Self::Ansi, Severity::Alert) => "1;31",
            (Self::Ansi, Severity::Warning) => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    pub(crate) fn bold(self, text: &str) -> String {
        match self {
            Self::Ansi => format!("\x1b[1m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// The whole screen, lines ended by `\n`.
#[must_use]
pub fn render(status: &Status, colour: Colour) -> String {
    let mut out = String::new();
    let notices = notices::of(status);
    headline(status, &notices, colour, &mut out);
    for notice in notices.iter().take(NOTICES_MAX) {
        let text = format!("{} {}", notice.severity.sign(), notice.text);
        for line in wrap(&text, WIDTH - 2, 3).lines() {
            let _ = writeln!(out, "  {}", colour.paint(notice.severity, line));
        }
    }
    if notices.len() > NOTICES_MAX {
        let more = notices.len() - NOTICES_MAX;
        let _ = writeln!(out, "  … and {more} more, see the tables");
    }
    if let Some(vrrp) = &status.vrrp {
        out.push_str(&vrrp::text::short(vrrp, colour));
    }
    if let Some(peer) = &status.peer {
        out.push_str(&peer::text::short(peer, colour));
    }
    if let Some(forward) = &status.forward {
        let line = format!("Kernel forwarding: {}", forward::sentence(forward));
        let _ = writeln!(out, "\n{}", wrap(&plain(&line), WIDTH, 2));
    }
    for frontend in &status.frontends {
        frontend_lines(frontend, colour, &mut out);
    }
    for backend in &status.backends {
        backend_lines(backend, colour, &mut out);
    }
    process_lines(status, &mut out);
    out
}

/// The verdict in a line, and how bad it is; none: all is well.
#[must_use]
pub fn verdict(status: &Status, notices: &[Notice]) -> (Option<Severity>, String) {
    let servers = status.backends.iter().flat_map(|b| &b.servers).filter(|s| !s.removed);
    let (mut up, mut all) = (0, 0);
    for server in servers {
        all += 1;
        up += u64::from(server.usable);
    }
    let by_kernel = status.forward.as_ref().map_or(0, |forward| forward.connections);
    let connections = status.process.connections.saturating_add(by_kernel);
    let connections = things(connections, "connection", "connections");
    let facts = format!("{up} of {} up, {connections}", things(all, "server", "servers"));
    let worst = notices.first().map(|n| n.severity);
    let words = match verdict::of(status, notices) {
        Verdict::NotReady(why) => format!("NOT READY, {why}"),
        Verdict::SplitBrain => "SPLIT BRAIN, two nodes hold the address".to_owned(),
        Verdict::ServingBut(trouble) => format!("Serving, but {trouble}"),
        Verdict::Serving => "Serving".to_owned(),
        Verdict::Well => "All is well".to_owned(),
    };
    (worst, format!("{words}: {facts}"))
}

fn headline(status: &Status, notices: &[Notice], colour: Colour, out: &mut String) {
    let (worst, line) = verdict(status, notices);
    let line = match worst {
        Some(severity @ (Severity::Alert | Severity::Warning)) => colour.paint(severity, &line),
        Some(Severity::Note) | None => colour.bold(&line),
    };
    let _ = writeln!(out, "{line}");
}

fn frontend_lines(frontend: &Frontend, colour: Colour, out: &mut String) {
    let state = frontend.state.word();
    let state = match frontend.state {
        FrontendState::Open => state.to_owned(),
        FrontendState::Full | FrontendState::Stop => colour.paint(Severity::Alert, state),
    };
    let name = colour.bold(&clip(&frontend.name, NAME_WIDTH));
    let _ = writeln!(out, "\nfrontend {name}  {state}");
    let listeners: Vec<&str> = frontend.listeners.iter().map(|l| l.address.as_str()).collect();
    let (from, to) = (listeners.join(" "), frontend.backends.join(" "));
    let route = format!("{from} -> {to}{}", frontend.forward.told());
    let bound = frontend.connections_max.map(|max| format!(" of {}", count(max)));
    let figures = format!(
        "{} connections now{}, {} so far, {} denied, {} in, {} out",
        count(frontend.connections),
        bound.unwrap_or_default(),
        count(frontend.accepted),
        count(frontend.denied),
        size(frontend.bytes_in),
        size(frontend.bytes_out),
    );
    for text in [route, figures] {
        for line in wrap(&plain(&text), WIDTH - 2, 2).lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
}

fn backend_lines(backend: &Backend, colour: Colour, out: &mut String) {
    let state = if backend.up { "UP".to_owned() } else { colour.paint(Severity::Alert, "DOWN") };
    let listed = backend.servers.iter().filter(|s| !s.removed).count();
    let name = colour.bold(&clip(&backend.name, NAME_WIDTH));
    let _ = writeln!(
        out,
        "\nbackend {name}  {state}  {} of {listed} up, {}",
        backend.servers_up, backend.balance
    );
    let troubles = [
        (backend.queued, "waiting"),
        (backend.refused, "found no server"),
        (backend.retries, "tried again"),
        (backend.redispatches, "moved to another server"),
    ];
    let troubles: Vec<String> = troubles
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(*number)))
        .collect();
    if !troubles.is_empty() {
        let text = format!("connections: {}", troubles.join(", "));
        for line in wrap(&text, WIDTH - 2, 2).lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    let rows: Vec<Vec<String>> = backend.servers.iter().map(row).collect();
    out.push_str(&table::render(&COLUMNS, &rows, WIDTH, |line, index| {
        let server = &backend.servers[index];
        let ordered = server.admin != super::Admin::Ready || server.removed;
        if server.usable || ordered { line } else { colour.paint(Severity::Warning, &line) }
    }));
    names::push_lines(backend, out);
}

const COLUMNS: [Column; 6] = [
    Column { title: "SERVER", align: Align::Left, width_max: NAME_WIDTH },
    Column { title: "ADDRESS", align: Align::Left, width_max: ADDRESS_WIDTH },
    Column { title: "STATE", align: Align::Left, width_max: 10 },
    Column { title: "CONN", align: Align::Right, width_max: 7 },
    Column { title: "TOTAL", align: Align::Right, width_max: 11 },
    Column { title: "LAST CHECK", align: Align::Left, width_max: 30 },
];

fn row(server: &Server) -> Vec<String> {
    let unchecked = || names::in_place_of_check(server).unwrap_or_default().to_owned();
    let check = server.check.as_ref().map_or_else(unchecked, |check| {
        if check.paused {
            return "rests".to_owned();
        }
        let took = check.duration_seconds.map(|s| format!(" {}", span(s)));
        format!("{}{}", check.code, took.unwrap_or_default())
    });
    vec![
        plain(&server.name),
        plain(&server.address),
        plain(&server.state),
        count(server.connections),
        count(server.established),
        plain(&check),
    ]
}

fn process_lines(status: &Status, out: &mut String) {
    let process = &status.process;
    let text = format!(
        "halb {}, pid {}, up {}, {}; room for {} connections: {}",
        process.halb_version,
        process.pid,
        span(process.uptime_seconds),
        process.config_file,
        count(process.connections_max),
        process.connections_max_reason,
    );
    let _ = writeln!(out, "\n{}", wrap(&plain(&text), WIDTH, 2));
}

#[cfg(test)]
mod tests;
