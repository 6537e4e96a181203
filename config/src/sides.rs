//! Reads what frontends and backends have in common: names, and how their sockets behave.

use std::time::Duration;

use halb_lb::config::{Keepalive, SideOptions};
use halb_lb::names::{BadName, NAME_LEN_MAX};

use crate::diagnostic::Diagnostic;
use crate::reader::{Entry, Table};
use crate::sink::Sink;
use crate::units::DurationText;
use crate::{DAY, SECOND, defaults, keys};

/// Largest `TCP_KEEPIDLE` and `TCP_KEEPINTVL` that the kernel takes is 32,767 s: nine hours.
const KEEPALIVE_MAX: Duration = Duration::from_secs(9 * 3600);

/// Largest `TCP_KEEPCNT` that the kernel takes.
const KEEPALIVE_COUNT_MAX: u32 = 127;

/// `TCP_USER_TIMEOUT` is a signed number of milliseconds: 24 days.
const USER_TIMEOUT_MAX: Duration = Duration::from_secs(20 * 24 * 3600);

/// A name out of a key, or an error that says what a name may hold.
pub(super) fn name_of<T>(
    sink: &Sink,
    entry: &Entry<'_>,
    new: impl FnOnce(&str) -> Result<T, BadName>,
) -> Option<T> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    new(entry.key)
        .map_err(|bad| {
            let long = entry.key.len() > NAME_LEN_MAX;
            let shown: String = entry.key.chars().take(NAME_LEN_MAX).collect();
            let ellipsis = if long { "…" } else { "" };
            let plain: String = shown.chars().map(|c| if good(c) { c } else { '-' }).collect();
            let remedy = match plain.trim_matches('-') {
                "" => "choose a name".to_owned(),
                plain => format!("write, for instance, '{plain}'"),
            };
            sink.report(
                Diagnostic::error(
                    entry.key_span.clone(),
                    format!("'{shown}{ellipsis}' can't be a name"),
                )
                .consequence(bad.to_string())
                .remedy(remedy),
            );
        })
        .ok()
}

/// `fin_timeout`, `keepalive` and `user_timeout` of one side.
pub(super) fn read_side(table: &Table<'_>, default_user_timeout: Duration) -> SideOptions {
    let fin_timeout = table.duration("fin_timeout", SECOND..=DAY);
    let user_timeout = table.duration_or_off("user_timeout", SECOND..=USER_TIMEOUT_MAX);
    let side = SideOptions {
        keepalive: read_keepalive(table),
        user_timeout: user_timeout.unwrap_or(Some(default_user_timeout)),
        fin_timeout: fin_timeout.unwrap_or(defaults::FIN_TIMEOUT),
    };
    lint_hasty_user_timeout(table, &side);
    side
}

fn read_keepalive(table: &Table<'_>) -> Option<Keepalive> {
    if table.is_off("keepalive") {
        return None;
    }
    let default = defaults::KEEPALIVE;
    let Some(keepalive) = table.table("keepalive", &[&keys::KEEPALIVE]) else {
        return Some(default);
    };
    let seconds = |key| {
        let duration = keepalive.duration(key, SECOND..=KEEPALIVE_MAX)?;
        if duration.subsec_nanos() == 0 {
            return Some(duration);
        }
        let entry = keepalive.get(key)?;
        keepalive.sink.report(
            Diagnostic::error(entry.span.clone(), format!("'{}' has part of a second", entry.path))
                .consequence("the kernel counts keepalive in whole seconds")
                .remedy(format!("write \"{}s\"", duration.as_secs() + 1)),
        );
        None
    };
    Some(Keepalive {
        idle: seconds("idle").unwrap_or(default.idle),
        interval: seconds("interval").unwrap_or(default.interval),
        count: keepalive.count("count", KEEPALIVE_COUNT_MAX).unwrap_or(default.count),
    })
}

/// With `TCP_USER_TIMEOUT` set the kernel gives up at the first probe's turn that finds an earlier
/// probe unanswered for so long: at `idle` + `interval` or less, that is after a single lost probe.
fn lint_hasty_user_timeout(table: &Table<'_>, side: &SideOptions) {
    let (Some(user_timeout), Some(keepalive)) = (side.user_timeout, side.keepalive) else {
        return;
    };
    let second_probe = keepalive.idle + keepalive.interval;
    let Some(entry) = table.get("user_timeout").or_else(|| table.get("keepalive")) else { return };
    if user_timeout > second_probe {
        return;
    }
    let (timeout, second_probe) = (DurationText(user_timeout), DurationText(second_probe));
    table.sink.report(
        Diagnostic::lint(
            entry.span.clone(),
            format!("a user timeout of {timeout} ends before the second keepalive probe"),
        )
        .consequence("a single lost probe ends an idle connection that is healthy")
        .remedy(format!(
            "write a user_timeout above {second_probe} (keepalive idle + interval), or a shorter \
             keepalive"
        )),
    );
}
