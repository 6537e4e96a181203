//! What stands in which column: a row of `show stat` for each frontend, backend and server. Where
//! HAProxy in `mode tcp` leaves a column empty, so does halb; where it counts what can't happen
//! (HTTP errors, compression, idle connections), both say 0.

use crate::columns::COLUMNS;
use crate::picture::{Admin, Backend, Check, Frontend, Picture, Server, Times};

/// HAProxy's number of the first proxy of a file; 1 is its own socket.
const FIRST_PROXY: u64 = 2;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A frontend.
    Frontend,
    /// A backend.
    Backend,
    /// A server.
    Server,
}

impl Kind {
    /// Its bit in the `type` argument of `show stat`.
    #[must_use]
    pub fn bit(self) -> i64 {
        match self {
            Self::Frontend => 1,
            Self::Backend => 2,
            Self::Server => 4,
        }
    }

    /// Its number in the column `type`.
    fn number(self) -> u64 {
        match self {
            Self::Frontend => 0,
            Self::Backend => 1,
            Self::Server => 2,
        }
    }
}

/// What stands in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Count(u64),
    /// "Never", which HAProxy writes as -1.
    Never,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub kind: Kind,
    /// Number of the proxy, from 2.
    pub proxy: u64,
    /// Number of the server within its backend, from 1; 0 for others.
    pub server: u64,
    /// A value for each column that has one.
    values: Vec<Option<Value>>,
}

impl Row {
    fn new(kind: Kind, proxy: u64, server: u64, filled: Vec<(&'static str, Value)>) -> Self {
        let mut values: Vec<Option<Value>> = vec![None; COLUMNS.len()];
        let common = [("pid", 1), ("iid", proxy), ("sid", server), ("type", kind.number())];
        let common = common.map(|(name, number)| (name, Value::Count(number)));
        for (name, value) in filled.into_iter().chain(common) {
            let index = COLUMNS.iter().position(|column| column.name == name);
            debug_assert!(index.is_some(), "{name} is no column");
            if let Some(place) = index.and_then(|index| values.get_mut(index)) {
                *place = Some(value);
            }
        }
        Self { kind, proxy, server, values }
    }

    /// The value in the column of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        let index = COLUMNS.iter().position(|column| column.name == name)?;
        self.values.get(index)?.as_ref()
    }

    /// The values of all columns in order.
    #[must_use]
    pub fn values(&self) -> &[Option<Value>] {
        &self.values
    }

    /// The text in the column of this name; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            Some(Value::Count(_) | Value::Never) | None => "",
        }
    }
}

/// All rows, in HAProxy's order: of each proxy the frontend, the servers, the backend.
#[must_use]
pub fn rows(picture: &Picture) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, proxy) in picture.proxies.iter().enumerate() {
        let id = proxy_number(index);
        if let Some(one) = &proxy.frontend {
            rows.push(Row::new(Kind::Frontend, id, 0, frontend(&proxy.name, one)));
        }
        if let Some(one) = &proxy.backend {
            for (index, server) in one.servers.iter().enumerate() {
                let values = self::server(&proxy.name, server);
                rows.push(Row::new(Kind::Server, id, server_number(index), values));
            }
            rows.push(Row::new(Kind::Backend, id, 0, backend(&proxy.name, one)));
        }
    }
    rows
}

/// HAProxy's number of the proxy at this place of a picture.
#[must_use]
pub fn proxy_number(index: usize) -> u64 {
    count(index).saturating_add(FIRST_PROXY)
}

/// HAProxy's number of the server at this place of its backend.
#[must_use]
pub fn server_number(index: usize) -> u64 {
    count(index).saturating_add(1)
}

/// A number of things; what doesn't fit can't be held in memory either.
#[must_use]
pub fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}

/// Connections at a backend: at its servers, and those that wait.
#[must_use]
pub fn sessions(backend: &Backend) -> u64 {
    backend.servers.iter().map(|server| server.sessions).sum::<u64>().saturating_add(backend.queued)
}

/// Connections that came to a backend.
#[must_use]
pub fn routed(backend: &Backend) -> u64 {
    let served: u64 = backend.servers.iter().map(|server| server.established).sum();
    served.saturating_add(backend.refused)
}

type Values = Vec<(&'static str, Value)>;

/// Puts numbers into a list of values.
fn numbers<const N: usize>(values: &mut Values, named: [(&'static str, u64); N]) {
    values.extend(named.map(|(name, number)| (name, Value::Count(number))));
}

fn text(values: &mut Values, name: &'static str, text: impl Into<String>) {
    values.push((name, Value::Text(text.into())));
}

fn zeros(values: &mut Values, names: &[&'static str]) {
    values.extend(names.iter().map(|name| (*name, Value::Count(0))));
}

/// What HAProxy's TLS counts; halb passes TLS on.
const TLS: &[&str] = &["ssl_sess", "ssl_reused_sess", "ssl_failed_handshake"];

/// What HAProxy's HTTP counts of frontends and backends; halb passes HTTP on.
const HTTP: &[&str] = &[
    "comp_in",
    "comp_out",
    "comp_byp",
    "comp_rsp",
    "wrew",
    "eint",
    "h2_headers_rcvd",
    "h2_data_rcvd",
    "h2_settings_rcvd",
    "h2_rst_stream_rcvd",
    "h2_goaway_rcvd",
    "h2_detected_conn_protocol_errors",
    "h2_detected_strm_protocol_errors",
    "h2_rst_stream_resp",
    "h2_goaway_resp",
    "h2_open_connections",
    "h2_backend_open_streams",
    "h2_total_connections",
    "h2_backend_total_streams",
    "h1_open_connections",
    "h1_open_streams",
    "h1_total_connections",
    "h1_total_streams",
    "h1_bytes_in",
    "h1_bytes_out",
    "h1_spliced_bytes_in",
    "h1_spliced_bytes_out",
];

fn frontend(name: &str, frontend: &Frontend) -> Values {
    let mut values = Vec::new();
    text(&mut values, "pxname", name);
    text(&mut values, "svname", "FRONTEND");
    text(&mut values, "status", frontend.status);
    text(&mut values, "mode", "tcp");
    let past = &frontend.past;
    numbers(
        &mut values,
        [
            ("scur", frontend.sessions),
            ("smax", past.sessions_max.max(frontend.sessions)),
            ("slim", frontend.sessions_limit),
            ("stot", frontend.connections_total.saturating_sub(frontend.denied)),
            ("bin", frontend.bytes_in),
            ("bout", frontend.bytes_out),
            ("rate", past.rate),
            ("rate_lim", frontend.rate_limit.unwrap_or(0)),
            ("rate_max", past.rate_max),
            ("conn_rate", past.rate),
            ("conn_rate_max", past.rate_max),
            ("conn_tot", frontend.connections_total),
            ("dcon", frontend.denied),
        ],
    );
    zeros(&mut values, &["dreq", "dresp", "ereq", "req_rate", "req_rate_max", "req_tot", "dses"]);
    zeros(&mut values, HTTP);
    zeros(&mut values, TLS);
    values
}

fn backend(name: &str, backend: &Backend) -> Values {
    let mut values = Vec::new();
    text(&mut values, "pxname", name);
    text(&mut values, "svname", "BACKEND");
    text(&mut values, "status", if backend.up() { "UP" } else { "DOWN" });
    text(&mut values, "mode", "tcp");
    text(&mut values, "algo", backend.algorithm.as_str());
    let past = &backend.past;
    let sum = |of: fn(&Server) -> u64| backend.servers.iter().map(of).sum::<u64>();
    let weight = backend.usable().map(|server| u64::from(server.weight)).sum();
    let errors = sum(|server| server.connect_errors);
    numbers(
        &mut values,
        [
            ("qcur", backend.queued),
            ("qmax", past.queued_max.max(backend.queued)),
            ("scur", sessions(backend)),
            ("smax", past.sessions_max.max(sessions(backend))),
            ("slim", backend.full.max(1)),
            ("stot", routed(backend)),
            ("bin", sum(|server| server.bytes_in)),
            ("bout", sum(|server| server.bytes_out)),
            ("econ", errors.saturating_add(backend.refused)),
            ("wretr", backend.retries),
            ("wredis", backend.redispatches),
            ("weight", weight),
            ("act", backend.count_up(false)),
            ("bck", backend.count_up(true)),
            ("chkdown", past.downs),
            ("lastchg", past.changed_seconds),
            ("lbtot", sum(|server| server.established)),
            ("rate", past.rate),
            ("rate_max", past.rate_max),
            ("connect", sum(|server| server.established).saturating_add(errors)),
            ("uweight", weight),
        ],
    );
    if !backend.servers.is_empty() {
        numbers(&mut values, [("downtime", past.down_seconds)]);
    }
    ended(&mut values, past);
    let aggregates = ["agg_server_status", "agg_server_check_status", "agg_check_status"];
    zeros(&mut values, &["dreq", "dresp", "eresp", "reuse"]);
    zeros(&mut values, &aggregates);
    zeros(&mut values, HTTP);
    zeros(&mut values, TLS);
    values
}

fn server(proxy: &str, server: &Server) -> Values {
    let mut values = Vec::new();
    text(&mut values, "pxname", proxy);
    text(&mut values, "svname", server.name.as_str());
    text(&mut values, "status", server.status());
    text(&mut values, "mode", "tcp");
    text(&mut values, "addr", server.address.to_string());
    let past = &server.past;
    let weight = u64::from(server.weight) * u64::from(server.throttle_percent) / 100;
    numbers(
        &mut values,
        [
            ("scur", server.sessions),
            ("smax", past.sessions_max.max(server.sessions)),
            ("stot", server.established),
            ("bin", server.bytes_in),
            ("bout", server.bytes_out),
            ("econ", server.connect_errors),
            ("wretr", past.retries),
            ("wredis", past.redispatches),
            // A server that starts slowly has at least the least weight.
            ("weight", weight.max(u64::from(server.weight.min(1)))),
            ("act", u64::from(!server.backup)),
            ("bck", u64::from(server.backup)),
            ("lastchg", past.changed_seconds),
            ("lbtot", server.established),
            ("rate", past.rate),
            ("rate_max", past.rate_max),
            ("connect", server.established.saturating_add(server.connect_errors)),
            ("used_conn_cur", server.sessions),
            ("need_conn_est", past.sessions_max.max(server.sessions)),
            ("uweight", u64::from(server.weight)),
        ],
    );
    if let Some(limit) = server.sessions_limit {
        numbers(&mut values, [("slim", limit)]);
    }
    if server.throttle_percent < 100 {
        numbers(&mut values, [("throttle", u64::from(server.throttle_percent))]);
    }
    if let Some(check) = &server.check {
        checked(&mut values, server, check);
    }
    ended(&mut values, past);
    let idle = ["srv_icur", "idle_conn_cur", "safe_conn_cur"];
    zeros(&mut values, &["qcur", "qmax", "dresp", "eresp", "wrew", "reuse", "eint"]);
    zeros(&mut values, &idle);
    zeros(&mut values, TLS);
    values
}

/// What checks say; in maintenance HAProxy shows none of their results.
fn checked(values: &mut Values, server: &Server, check: &Check) {
    let downtime = ("downtime", server.past.down_seconds);
    numbers(values, [("chkfail", check.failures), ("chkdown", check.downs), downtime]);
    if server.admin == Admin::Maint {
        return;
    }
    text(values, "check_status", check.code.as_str());
    text(values, "check_desc", description(&check.code));
    // That it was the connect is what the status says.
    let why = check.detail.strip_prefix("connect: ").unwrap_or(&check.detail);
    text(values, "last_chk", if passed(&check.code) { "" } else { why });
    if let Some(status) = check.http_status {
        numbers(values, [("check_code", status)]);
    }
    let (rise, fall) = (("check_rise", check.rise), ("check_fall", check.fall));
    let took = ("check_duration", check.milliseconds);
    numbers(values, [took, rise, fall, ("check_health", check.health)]);
}

/// How connections ended.
fn ended(values: &mut Values, past: &crate::picture::Past) {
    let average = |times: &Times| whole(times.average_ms);
    numbers(
        values,
        [
            ("cli_abrt", past.client_aborts),
            ("srv_abrt", past.server_aborts),
            ("qtime", average(&past.queue_time)),
            ("ctime", average(&past.connect_time)),
            ("rtime", 0),
            ("ttime", average(&past.total_time)),
            ("qtime_max", past.queue_time.longest_ms),
            ("ctime_max", past.connect_time.longest_ms),
            ("rtime_max", 0),
            ("ttime_max", past.total_time.longest_ms),
        ],
    );
    values.push(("lastsess", past.idle_seconds.map_or(Value::Never, Value::Count)));
}

/// Milliseconds without their fraction.
fn whole(milliseconds: f64) -> u64 {
    let time = std::time::Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default();
    u64::try_from(time.as_micros().saturating_add(500) / 1000).unwrap_or(u64::MAX)
}

/// Whether a check of this code passed.
#[must_use]
pub fn passed(code: &str) -> bool {
    CODES.iter().any(|known| known.0 == code && known.0.ends_with("OK"))
}

/// HAProxy's words for a code (src/check.c, `check_statuses`).
fn description(code: &str) -> &'static str {
    CODES.iter().find(|known| known.0 == code).map_or("Unknown", |known| known.2)
}

/// HAProxy's number of a code, as `show servers state` has it (`enum healthcheck_status`).
#[must_use]
pub fn code_number(code: &str) -> u64 {
    CODES.iter().find(|known| known.0 == code).map_or(0, |known| known.1)
}

/// Codes of checks with HAProxy's number and words.
pub const CODES: &[(&str, u64, &str)] = &[
    ("INI", 1, "Initializing"),
    ("SOCKERR", 5, "Socket error"),
    ("L4OK", 6, "Layer4 check passed"),
    ("L4TOUT", 7, "Layer4 timeout"),
    ("L4CON", 8, "Layer4 connection problem"),
    ("L6OK", 9, "Layer6 check passed"),
    ("L6TOUT", 10, "Layer6 timeout"),
    ("L6RSP", 11, "Layer6 invalid response"),
    ("L7TOUT", 12, "Layer7 timeout"),
    ("L7RSP", 13, "Layer7 invalid response"),
    ("L7OK", 15, "Layer7 check passed"),
    ("L7STS", 17, "Layer7 wrong status"),
    ("PROCERR", 18, "External check error"),
    ("PROCTOUT", 19, "External check timeout"),
    ("PROCOK", 20, "External check passed"),
];

#[cfg(test)]
mod tests;
