//! Reads `[log]`.

use std::num::NonZeroU32;

use crate::address::Purpose;
use crate::daemon::socket_path;
use crate::defaults;
use crate::diagnostic::Diagnostic;
use crate::reader::Table;
use crate::settings::{AccessTo, Log, LogFormat, LogLevel, Syslog};

/// More events of one kind in a second than anybody reads in a day.
const BURST_MAX: u32 = 100_000;

/// Reads the table; without it everything is as by default.
pub(super) fn read(table: Option<&Table<'_>>) -> Log {
    let level = table.and_then(|t| t.choice("level", LEVELS));
    let format = table.and_then(|t| t.choice("format", FORMATS));
    let facility = table.and_then(|t| t.choice("facility", FACILITIES));
    let burst = table.and_then(|t| t.number("burst", 1..=BURST_MAX)).and_then(NonZeroU32::new);
    let syslog = table.and_then(read_syslog);
    let access = table.and_then(|table| read_access(table, syslog.is_some()));
    Log {
        level: level.unwrap_or(LogLevel::Info),
        format: format.unwrap_or(LogFormat::Text),
        access: access != Some(Access::Off),
        access_to: match access {
            Some(Access::To(to)) => to,
            Some(Access::Off) | None => AccessTo::Stderr,
        },
        syslog,
        facility: facility.unwrap_or(defaults::SYSLOG_FACILITY),
        burst: burst.unwrap_or(defaults::LOG_BURST),
    }
}

const LEVELS: &[(&str, LogLevel)] = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

/// Those that programs other than the kernel and a few old ones use.
const FACILITIES: &[(&str, u8)] = &[
    ("user", 1),
    ("daemon", 3),
    ("auth", 4),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// An address, or the path of a socket.
fn read_syslog(table: &Table<'_>) -> Option<Syslog> {
    let (text, _) = table.text("syslog")?;
    if text.starts_with('/') {
        return socket_path(table, "syslog", "/dev/log").map(Syslog::Local);
    }
    table.socket_address("syslog", Purpose::Connect).map(Syslog::Udp)
}

/// What `access` says.
#[derive(Debug, PartialEq, Eq)]
enum Access {
    Off,
    To(AccessTo),
}

/// Its words; anything else is a path.
#[derive(Debug, Clone, Copy)]
enum Word {
    Stderr,
    Syslog,
    Off,
}

const ACCESS_WORDS: &[(&str, Word)] =
    &[("stderr", Word::Stderr), ("syslog", Word::Syslog), ("off", Word::Off)];

fn read_access(table: &Table<'_>, has_syslog: bool) -> Option<Access> {
    let (text, entry) = table.text("access")?;
    if text.starts_with('/') {
        return table.file("access").map(AccessTo::File).map(Access::To);
    }
    match table.choice("access", ACCESS_WORDS)? {
        Word::Off => Some(Access::Off),
        Word::Stderr => Some(Access::To(AccessTo::Stderr)),
        Word::Syslog if has_syslog => Some(Access::To(AccessTo::Syslog)),
        Word::Syslog => {
            table.sink.report(
                Diagnostic::error(entry.span, "there is no syslog that it could go to")
                    .remedy("name one: syslog = \"/dev/log\", or a collector's \"ADDRESS:PORT\""),
            );
            None
        }
    }
}
