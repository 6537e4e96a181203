//! What is unusual, in sentences, the worst first: the top of `halb status` and of the status page.

use super::words::{count, plain, span, things};
use super::{Admin, Backend, Server, Status, forward, peer, vrrp};

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Clients aren't served.
    Alert,
    /// Something failed; clients may not have noticed.
    Warning,
    /// As ordered, or passing by itself.
    Note,
}

impl Severity {
    /// The sign before the sentence, so that colour never carries the meaning alone.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Alert => "!!",
            Self::Warning => "!",
            Self::Note => "-",
        }
    }
}

/// One unusual thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// A sentence without a final period, printable ASCII.
    pub text: String,
}

/// Everything unusual, the worst first; empty: all is well.
#[must_use]
pub fn of(status: &Status) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut add = |severity, text: String| notices.push(Notice { severity, text: plain(&text) });
    for reason in &status.readiness.reasons {
        add(Severity::Alert, reason.clone());
    }
    if let Some(vrrp) = &status.vrrp {
        vrrp::notices::add_splits(vrrp, &mut add);
    }
    reload(status, &mut add);
    for backend in &status.backends {
        for server in &backend.servers {
            if let Some((severity, text)) = server_notice(backend, server) {
                add(severity, text);
            }
        }
    }
    if let Some(vrrp) = &status.vrrp {
        vrrp::notices::add_all(vrrp, &mut add);
    }
    if let Some(peer) = &status.peer {
        peer::notices::add_all(peer, &mut add);
    }
    if let Some(forward) = &status.forward {
        forward::notices(forward, &mut add);
    }
    process(status, &mut add);
    formers(status, &mut add);
    notices.sort_by_key(|notice| notice.severity);
    notices
}

fn reload(status: &Status, add: &mut impl FnMut(Severity, String)) {
    let Some(last) = &status.reload.last else { return };
    let ago = span(last.ago_seconds);
    if let Some(error) = &last.error {
        let first = error.lines().next().unwrap_or_default();
        add(
            Severity::Warning,
            format!(
                "last reload failed {ago} ago, the configuration before it is in force: {first}"
            ),
        );
    }
    for setting in &last.needs_restart {
        add(Severity::Warning, format!("waits for a restart since {ago}: {setting}"));
    }
}

fn formers(status: &Status, add: &mut impl FnMut(Severity, String)) {
    for former in &status.formers {
        let left = things(former.connections, "connection", "connections");
        let (pid, since) = (former.pid, span(former.since_seconds));
        let until = span(former.until_seconds);
        add(
            Severity::Note,
            format!(
                "process {pid} was replaced {since} ago (halb {}) and still serves {left}, for \
                 {until} at most",
                former.halb_version
            ),
        );
    }
}

fn server_notice(backend: &Backend, server: &Server) -> Option<(Severity, String)> {
    let who = format!("{} of {}", server.name, backend.name);
    let left = things(server.connections, "connection", "connections");
    if server.removed {
        return Some((Severity::Note, format!("{who} was removed by a reload; {left} left")));
    }
    match server.admin {
        Admin::Maint => {
            return Some((Severity::Note, format!("{who} is in MAINT as ordered; {left} left")));
        }
        Admin::Drain => {
            return Some((Severity::Note, format!("{who} is in DRAIN as ordered; {left} left")));
        }
        Admin::Ready => {}
    }
    if let Some(notice) = server.resolution.as_ref().and_then(|name| name.notice(&who)) {
        return Some(notice);
    }
    if let Some(check) = &server.check {
        let last = format!("{} {}", check.code, check.detail);
        if !server.healthy {
            let since = span(check.since_seconds);
            let state = if server.state == "DOWN" {
                format!("is DOWN for {since}")
            } else {
                format!("is DOWN for {since} and coming up ({})", server.state)
            };
            return Some((Severity::Warning, format!("{who} {state}: {last}")));
        }
        if server.state.starts_with("UP ") && check.checks > 0 {
            let state = format!("is going down ({})", server.state);
            return Some((Severity::Warning, format!("{who} {state}: {last}")));
        }
    }
    let configured = server.weight_configured.unwrap_or(server.weight);
    let is_ordered = configured != server.weight;
    if is_ordered || server.weight == 0 {
        let order = if is_ordered {
            format!(" by an order ({configured} in the file)")
        } else {
            String::new()
        };
        let effect = if server.weight == 0 { " and gets no new connections" } else { "" };
        let what = format!("{who} has weight {}{order}{effect}", server.weight);
        return Some((Severity::Note, what));
    }
    if server.usable && server.slow_start_percent < 100 {
        let share = server.slow_start_percent;
        return Some((Severity::Note, format!("{who} starts slowly: {share} % of its weight")));
    }
    None
}

fn process(status: &Status, add: &mut impl FnMut(Severity, String)) {
    let process = &status.process;
    if process.accept_pauses > 0 {
        let times = things(process.accept_pauses, "time", "times");
        add(
            Severity::Warning,
            format!("accepting paused {times} for want of descriptors or memory"),
        );
    }
    if process.log_lines_dropped > 0 {
        let lines = things(process.log_lines_dropped, "log line", "log lines");
        add(Severity::Note, format!("{lines} dropped because their reader was slow"));
    }
    if let Some(ordered) = &process.log_level_ordered {
        let (level, file) = (&ordered.level, &ordered.file);
        let left = ordered.left_seconds.map(|left| format!(" for {} more", span(left)));
        let left = left.unwrap_or_default();
        add(
            Severity::Note,
            format!("the log level is {level} by an order{left} ({file} in the file)"),
        );
    }
    if process.config_lints > 0 {
        let lints = things(process.config_lints, "lint", "lints");
        add(Severity::Note, format!("{lints} in the configuration; see: halb check"));
    }
    for backend in status.backends.iter().filter(|b| b.queued > 0) {
        let queued = count(backend.queued);
        add(Severity::Warning, format!("{queued} waiting for a server of {}", backend.name));
    }
}

#[cfg(test)]
mod tests;
