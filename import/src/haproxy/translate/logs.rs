//! `log` lines: where HAProxy sends its log becomes `[log] syslog`.
//!
//! HAProxy sends each message to any number of places, and each section has its own. halb has its
//! standard error, which systemd keeps, and one syslog beside it.

use std::net::{IpAddr, SocketAddr};

use super::super::model::Proxy;
use super::super::parse::Line;
use super::super::work::Work;
use crate::document::Table;
use crate::finding::Class;

/// Where syslog listens where no port is written.
const PORT: u16 = 514;

/// Longest path of a unix socket, in bytes.
const PATH_LEN_MAX: usize = 107;

/// Facilities that halb takes.
const FACILITIES: [&str; 11] = [
    "user", "daemon", "auth", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// Levels that let a line for each connection pass; HAProxy writes it with `info`.
const LEVELS_OF_CONNECTIONS: [&str; 2] = ["info", "debug"];

/// A place that a line names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// As `[log] syslog` takes it.
    Syslog(String),
    /// A stream, or the lines that `global` has.
    Stream,
    /// Neither; ends a sentence.
    Neither(&'static str),
}

/// The syslog of the result.
#[derive(Debug, Clone, Default)]
pub(in crate::haproxy) struct Chosen {
    /// Place and facility of the line that it comes from.
    syslog: Option<(String, String)>,
}

impl Chosen {
    /// The first line that names a syslog, of those that say most; `global` before sections.
    pub(super) fn among<'a>(lines: impl Iterator<Item = &'a Line> + Clone) -> Self {
        let syslog = |line: &'a Line| match target(line) {
            Target::Syslog(to) => Some((to, facility(line).to_owned())),
            Target::Stream | Target::Neither(_) => None,
        };
        let saying_all = lines.clone().filter(|line| tells_connections(line)).find_map(syslog);
        Self { syslog: saying_all.or_else(|| lines.clone().find_map(syslog)) }
    }

    /// What becomes of a line.
    pub(super) fn class(&self, line: &Line) -> Class {
        let to = match target(line) {
            Target::Syslog(to) => to,
            Target::Stream => {
                let because =
                    "halb's log goes to the standard error, and by systemd to the journal";
                return Class::meaningless(because);
            }
            Target::Neither(because) => {
                return Class::lost(because).instead("a syslog that listens on UDP, or /dev/log");
            }
        };
        match &self.syslog {
            Some((chosen, own)) if *chosen == to && own == facility(line) => {
                Class::to("log.syslog")
            }
            Some((chosen, _)) if *chosen == to => {
                Class::left_out("halb sends each message once, with one facility")
            }
            Some(_) | None => {
                Class::lost("halb sends its log to one syslog").instead("let that one forward it")
            }
        }
    }

    /// `[log]`.
    pub(super) fn translate(
        &self,
        lines: &[&Line],
        proxies: &[Proxy<'_>],
        work: &mut Work<'_>,
    ) -> Table {
        let mut table = Table::new(["log"]);
        let Some((to, facility)) = &self.syslog else { return table };
        table.set("syslog", to.as_str());
        let knows = FACILITIES.contains(&facility.as_str());
        let own = |line: &&&Line| self.class(line) == Class::to("log.syslog");
        let all =
            || lines.iter().copied().chain(proxies.iter().flat_map(|p| p.lines.iter().copied()));
        let named: Vec<&Line> = all().filter(|line| line.word(0) == "log").collect();
        let Some(line) = named.iter().find(|line| own(line)) else { return table };
        if knows && facility != "daemon" {
            table.set("facility", facility.as_str());
        } else if !knows {
            let text = format!("halb has no facility '{facility}', and sends with 'daemon'");
            work.hint(line.place(), text, "have a look at the rules of the syslog");
        }
        if named.iter().any(|line| own(&line) && tells_connections(line)) {
            table.set_because("access", "syslog", "the line for each connection");
        }
        table
    }
}

/// Whether a line that HAProxy writes for each connection passes.
fn tells_connections(line: &Line) -> bool {
    let (_, level) = behind_target(line);
    level.is_none_or(|level| LEVELS_OF_CONNECTIONS.contains(&level))
}

fn facility(line: &Line) -> &str {
    behind_target(line).0
}

/// Facility and highest level; options with an argument may stand before them.
fn behind_target(line: &Line) -> (&str, Option<&str>) {
    let mut rest = line.words.iter().skip(2).map(|word| word.text.as_str());
    while let Some(word) = rest.next() {
        match word {
            "len" | "format" | "sample" | "profile" => {
                rest.next();
            }
            facility => return (facility, rest.next()),
        }
    }
    ("daemon", None)
}

/// Where a line sends.
fn target(line: &Line) -> Target {
    let text = if line.word(0) == "no" { "" } else { line.word(1) };
    let streams = ["", "stdout", "stderr", "global"];
    if streams.contains(&text) || text.starts_with("ring@") || text.starts_with("fd@") {
        return Target::Stream;
    }
    let schemes = ["udp@", "udp4@", "udp6@", "ipv4@", "ipv6@", "uxdg@", "unix@"];
    let bare = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    if bare.starts_with('/') {
        return if bare.len() <= PATH_LEN_MAX {
            Target::Syslog(bare.to_owned())
        } else {
            Target::Neither("no path of a unix socket is so long")
        };
    }
    if bare.contains('@') {
        return Target::Neither("halb speaks syslog over UDP and over sockets of this host");
    }
    match address(bare) {
        Some(address) => Target::Syslog(address.to_string()),
        None => Target::Neither("halb takes the address of a syslog, not a name"),
    }
}

/// `ADDRESS`, `ADDRESS:PORT`; IPv6 with or without brackets. `localhost` is this host.
fn address(text: &str) -> Option<SocketAddr> {
    let text = text.replace("localhost", "127.0.0.1");
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address);
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(&text);
    let bare = bare.strip_suffix(':').unwrap_or(bare);
    bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, PORT))
}
