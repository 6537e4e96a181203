//! HAProxy's Prometheus names, out of the same rows as `show stat`. Labels are HAProxy's: `proxy`,
//! `server`, `state`. What a column leaves empty is `NaN`, as there.

pub mod names;

use std::fmt::Write as _;

use crate::columns::COLUMNS;
use crate::info;
use crate::picture::Picture;
use crate::rows::{Row, Value, rows};
use names::{Kind, Metric, Source};

/// States of a frontend or a backend.
const PROXY_STATES: &[&str] = &["DOWN", "UP"];

/// States of a server.
const SERVER_STATES: &[&str] = &["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];

/// Codes that a last check can have, in HAProxy's order.
const CHECK_STATES: &[&str] = &[
    "HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP", "L7TOUT", "L7RSP",
    "L7OK", "L7OKC", "L7STS", "PROCERR", "PROCTOUT", "PROCOK",
];

/// All of them, in the text format.
#[must_use]
pub fn render(picture: &Picture) -> String {
    let rows = rows(picture);
    let of = |kind| rows.iter().filter(|row| row.kind == kind).collect::<Vec<_>>();
    let (frontends, backends) = (of(crate::rows::Kind::Frontend), of(crate::rows::Kind::Backend));
    let servers = of(crate::rows::Kind::Server);
    let mut out = String::new();
    process(picture, &mut out);
    for metric in names::FRONTEND {
        family(metric, &frontends, &servers, &mut out);
    }
    for metric in names::BACKEND {
        family(metric, &backends, &servers, &mut out);
    }
    for metric in names::SERVER {
        family(metric, &servers, &servers, &mut out);
    }
    out
}

fn process(picture: &Picture, out: &mut String) {
    let lines = info::lines(picture);
    for metric in names::PROCESS {
        let Source::Column(name) = metric.source else { continue };
        let Some(line) = lines.iter().find(|line| line.name == name) else { continue };
        head(metric, &format!("'{name}' of show info"), out);
        match &line.value {
            Value::Text(text) => sample(metric.name, &[("version", text)], "1", out),
            Value::Count(number) => sample(metric.name, &[], &number.to_string(), out),
            Value::Never => sample(metric.name, &[], "-1", out),
        }
    }
}

/// A metric of all rows that have it.
fn family(metric: &Metric, rows: &[&Row], servers: &[&Row], out: &mut String) {
    if rows.is_empty() {
        return;
    }
    let help = match metric.source {
        Source::Column(name) | Source::Milliseconds(name) => help(name),
        Source::Status => help("status"),
        Source::CheckStatus => help("check_status"),
        Source::ServersByStatus => help("agg_server_status"),
        Source::ServersByCheck => help("agg_check_status"),
    };
    head(metric, help, out);
    for row in rows {
        one(metric, row, servers, out);
    }
}

fn one(metric: &Metric, row: &Row, servers: &[&Row], out: &mut String) {
    let labels = labels(row);
    let flag = |is: bool| if is { "1" } else { "0" };
    match metric.source {
        Source::Column(name) if row.text("check_status").is_empty() && of_check(name) => {}
        Source::Milliseconds(name) if row.text("check_status").is_empty() && of_check(name) => {}
        Source::Column(name) => {
            let never = if name == "check_code" { "0" } else { "NaN" };
            sample(metric.name, &labels, &number(row.value(name), never), out);
        }
        Source::Milliseconds(name) => {
            sample(metric.name, &labels, &seconds(row.value(name)), out);
        }
        Source::Status => {
            let states =
                if row.kind == crate::rows::Kind::Server { SERVER_STATES } else { PROXY_STATES };
            for state in states {
                let labels = [labels.as_slice(), &[("state", state)]].concat();
                sample(metric.name, &labels, flag(state_of(row) == *state), out);
            }
        }
        Source::CheckStatus => {
            let code = row.text("check_status");
            for state in CHECK_STATES.iter().filter(|_| !code.is_empty()) {
                let labels = [labels.as_slice(), &[("state", state)]].concat();
                sample(metric.name, &labels, flag(code == *state), out);
            }
        }
        Source::ServersByStatus => {
            let of = |server: &Row, state: &str| state_of(server) == state;
            by_state(metric, row, servers, SERVER_STATES, of, out);
        }
        Source::ServersByCheck => {
            let of = |server: &Row, state: &str| server.text("check_status") == state;
            by_state(metric, row, servers, CHECK_STATES, of, out);
        }
    }
}

/// How many servers of a backend are in each state.
fn by_state(
    metric: &Metric,
    row: &Row,
    servers: &[&Row],
    states: &[&str],
    of: impl Fn(&Row, &str) -> bool,
    out: &mut String,
) {
    for state in states {
        let there = servers.iter().filter(|server| server.proxy == row.proxy && of(server, state));
        let labels = [("proxy", row.text("pxname")), ("state", state)];
        sample(metric.name, &labels, &there.count().to_string(), out);
    }
}

/// Columns that only a server under check has.
fn of_check(name: &str) -> bool {
    matches!(name, "check_code" | "check_duration")
}

/// The state label of a status: what isn't `UP` 1/2 is `UP`, and a server without check is up.
fn state_of(row: &Row) -> &'static str {
    let status = row.text("status");
    let word = status.split(' ').next().unwrap_or(status);
    match word {
        "DOWN" | "STOP" => "DOWN",
        "MAINT" => "MAINT",
        "DRAIN" => "DRAIN",
        "NOLB" => "NOLB",
        _ => "UP",
    }
}

fn labels(row: &Row) -> Vec<(&'static str, &str)> {
    match row.kind {
        crate::rows::Kind::Server => {
            vec![("proxy", row.text("pxname")), ("server", row.text("svname"))]
        }
        crate::rows::Kind::Frontend | crate::rows::Kind::Backend => {
            vec![("proxy", row.text("pxname"))]
        }
    }
}

fn help(column: &'static str) -> &'static str {
    COLUMNS.iter().find(|known| known.name == column).map_or(column, |known| known.help)
}

fn number(value: Option<&Value>, never: &str) -> String {
    match value {
        Some(Value::Count(number)) => number.to_string(),
        Some(Value::Never) => "-1".to_owned(),
        Some(Value::Text(_)) | None => never.to_owned(),
    }
}

fn seconds(value: Option<&Value>) -> String {
    match value {
        Some(Value::Count(milliseconds)) => {
            format!("{}.{:03}000", milliseconds / 1000, milliseconds % 1000)
        }
        Some(Value::Never | Value::Text(_)) | None => "NaN".to_owned(),
    }
}

fn head(metric: &Metric, help: &str, out: &mut String) {
    let kind = match metric.kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
    };
    // Writing to a String can't fail, here and below.
    let _ = write!(out, "# HELP {0} {help}\n# TYPE {0} {kind}\n", metric.name);
}

fn sample(name: &str, labels: &[(&str, &str)], value: &str, out: &mut String) {
    out.push_str(name);
    for (index, (label, text)) in labels.iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        let _ = write!(out, "{label}=\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""));
    }
    if !labels.is_empty() {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

#[cfg(test)]
mod tests;
