//! Reads `[haproxy]`.

use std::path::Path;

use crate::daemon::socket_path;
use crate::diagnostic::Diagnostic;
use crate::reader::Table;
use crate::settings::{Haproxy, HaproxyLevel, HaproxySocket};
use crate::{defaults, keys};

/// Reads the table; without it nothing is offered. `control` is the control socket.
pub(super) fn read(top: &Table<'_>, control: &Path) -> Haproxy {
    let Some(table) = top.table("haproxy", &[&keys::HAPROXY]) else { return Haproxy::default() };
    let level = table.choice("level", LEVELS).unwrap_or(HaproxyLevel::Operator);
    let mode = table.choice("permissions", MODES).unwrap_or(defaults::HAPROXY_SOCKET_MODE);
    let path = socket_path(&table, "socket", defaults::HAPROXY_SOCKET);
    if let (true, Some(entry)) = (path.as_deref() == Some(control), table.get("socket")) {
        table.sink.report(
            Diagnostic::error(entry.span.clone(), "that is the control socket")
                .consequence("the two speak different languages")
                .remedy(format!("write another path, such as \"{}\"", defaults::HAPROXY_SOCKET)),
        );
    }
    Haproxy {
        socket: path.map(|path| HaproxySocket { path, level, mode }),
        metrics: table.boolean("metrics").unwrap_or(false),
    }
}

const LEVELS: &[(&str, HaproxyLevel)] = &[
    ("user", HaproxyLevel::User),
    ("operator", HaproxyLevel::Operator),
    ("admin", HaproxyLevel::Admin),
];

/// Others have no use for a socket: who may write to it may talk to it, and nothing else matters.
const MODES: &[(&str, u32)] = &[("0600", 0o600), ("0660", 0o660), ("0666", 0o666)];
