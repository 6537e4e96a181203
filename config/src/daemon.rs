//! Reads `[global]` and `[admin]`.

use std::num::{NonZeroU8, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use halb_vrrp::settings::FREEZE_LIMIT_MIN;

use crate::address::Purpose;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::Table;
use crate::settings::{Admin, Global, Log};
use crate::{CONNECTIONS_MAX, DAY, defaults, keys, log};

/// The tables of the process, and where things stand that other tables are compared with.
pub(super) struct Daemon {
    pub(super) global: Global,
    pub(super) maxconn: Option<NonZeroU32>,
    pub(super) log: Log,
    pub(super) admin: Admin,
    pub(super) admin_http_span: Option<Span>,
    /// `realtime_priority`, and where it stands.
    pub(super) realtime: Option<(NonZeroU8, Span)>,
    /// `freeze_limit`, and where it stands.
    pub(super) freeze_limit: Option<(Duration, Span)>,
    /// `notify_fifo`, and where it stands.
    pub(super) notify_fifo: Option<(PathBuf, Span)>,
}

/// What `SCHED_FIFO` knows, 1 to 99.
const REALTIME_MAX: u8 = 99;

/// Longest time that a frozen daemon may keep addresses.
const FREEZE_LIMIT_LONGEST: Duration = Duration::from_secs(60);

/// Longest path of a unix socket, in bytes: `sun_path` holds 108 with the zero at the end.
const SOCKET_PATH_LEN_MAX: usize = 107;

/// `TimeoutStopSec=` of packaging/systemd/halb.service.
const UNIT_STOP_TIMEOUT: Duration = Duration::from_secs(90);

/// Reads the three tables; each may be left out.
pub(super) fn read(top: &Table<'_>) -> Daemon {
    let global = top.table("global", &[&keys::GLOBAL]);
    let (admin, admin_http_span) = read_admin(top.table("admin", &[&keys::ADMIN]).as_ref());
    let span = |key| Some(global.as_ref()?.get(key)?.span.clone());
    let realtime =
        global.as_ref().and_then(|table| table.number("realtime_priority", 1..=REALTIME_MAX));
    let freeze_limit = global
        .as_ref()
        .and_then(|table| table.duration("freeze_limit", FREEZE_LIMIT_MIN..=FREEZE_LIMIT_LONGEST));
    let notify_fifo = global.as_ref().and_then(|table| table.file("notify_fifo"));
    Daemon {
        realtime: realtime.and_then(NonZeroU8::new).zip(span("realtime_priority")),
        freeze_limit: freeze_limit.zip(span("freeze_limit")),
        notify_fifo: notify_fifo.zip(span("notify_fifo")),
        maxconn: global.as_ref().and_then(|table| table.count("maxconn", CONNECTIONS_MAX)),
        global: read_global(global.as_ref()),
        log: log::read(top.table("log", &[&keys::LOG]).as_ref()),
        admin,
        admin_http_span,
    }
}

fn read_global(table: Option<&Table<'_>>) -> Global {
    let drain = table.and_then(|t| t.duration("drain_timeout", Duration::ZERO..=DAY));
    if let Some(table) = table
        && drain.is_some_and(|drain| drain >= UNIT_STOP_TIMEOUT)
    {
        lint_long_drain(table);
    }
    Global {
        workers: table.and_then(|t| t.count("workers", defaults::WORKERS_MAX)),
        drain_timeout: drain.unwrap_or(defaults::DRAIN_TIMEOUT),
        upgrade_drain_timeout: table
            .and_then(|t| t.duration("upgrade_drain_timeout", Duration::ZERO..=DAY))
            .unwrap_or(defaults::UPGRADE_DRAIN_TIMEOUT),
        state_dir: table
            .and_then(|table| table.file("state_dir"))
            .unwrap_or_else(|| PathBuf::from(defaults::STATE_DIR)),
    }
}

fn lint_long_drain(table: &Table<'_>) {
    let Some(entry) = table.get("drain_timeout") else { return };
    let patience = UNIT_STOP_TIMEOUT.as_secs();
    table.sink.report(
        Diagnostic::lint(
            entry.span.clone(),
            format!("systemd waits {patience} s for the end of halb.service"),
        )
        .consequence("it kills the daemon, and with it all connections, before they have drained")
        .remedy(format!(
            "write less than {patience}s, or raise `TimeoutStopSec=` (systemctl edit halb)"
        )),
    );
}

fn read_admin(table: Option<&Table<'_>>) -> (Admin, Option<Span>) {
    let mut admin =
        Admin { http: Some(defaults::ADMIN_HTTP), socket: PathBuf::from(defaults::ADMIN_SOCKET) };
    let Some(table) = table else { return (admin, None) };
    if table.is_off("http") {
        admin.http = None;
    } else if let Some(address) = table.socket_address("http", Purpose::Bind) {
        admin.http = Some(address);
        if address.ip().is_unspecified() {
            lint_open_admin(table);
        }
    }
    if let Some(socket) = socket_path(table, "socket", defaults::ADMIN_SOCKET) {
        admin.socket = socket;
    }
    (admin, table.get("http").map(|entry| entry.span.clone()))
}

fn lint_open_admin(table: &Table<'_>) {
    let Some(entry) = table.get("http") else { return };
    table.sink.report(
        Diagnostic::lint(entry.span.clone(), "the status page listens on all addresses")
            .consequence("whoever reaches this host reads servers, metrics and client addresses")
            .remedy("write the address of the management network, or 127.0.0.1"),
    );
}

/// The path of a unix socket; `such_as` is one that would do.
pub(super) fn socket_path(table: &Table<'_>, key: &'static str, such_as: &str) -> Option<PathBuf> {
    let socket = table.file(key)?;
    let (text, entry) = table.text(key)?;
    if text.len() > SOCKET_PATH_LEN_MAX {
        let what = format!("'{}' is longer than {SOCKET_PATH_LEN_MAX} bytes", entry.path);
        table.sink.report(
            Diagnostic::error(entry.span, what)
                .consequence("the kernel takes no longer path for a unix socket")
                .remedy(format!("write a shorter path, such as \"{such_as}\"")),
        );
        return None;
    }
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_as_patient_as_the_lint_says() {
        let unit = include_str!("../../packaging/systemd/halb.service");
        let line = format!("\nTimeoutStopSec={}s\n", UNIT_STOP_TIMEOUT.as_secs());
        assert!(unit.contains(&line), "no line {line:?} in\n{unit}");
    }
}
