//! The name, help, unit and labels of each metric, as data: the one place that says them.
//! docs/metrics.md repeats them for people; a test compares the two and what is served.
//!
//! Names are `halb_<area>_<thing>_<unit>`, counters end in `_total`, units are base units. Label
//! values are names out of the configuration, so their number is bounded by the file.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// Its unit; empty: a plain number.
    pub unit: &'static str,
    /// Its labels, in the order served.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and starts at 0 with the daemon.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often something took how long; it only grows.
    Histogram,
}

impl Kind {
    /// Prometheus' word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels, help }
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels, help }
}

const fn histogram(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram, unit, labels, help }
}

const PROCESS: &[&str] = &[];
const FRONTEND: &[&str] = &["frontend"];
const BACKEND: &[&str] = &["backend"];
const SERVER: &[&str] = &["backend", "server"];

macro_rules! metrics {
    ($($constant:ident = $kind:ident($name:literal, $unit:literal, $labels:expr, $help:literal);)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = $kind($name, $unit, $labels, $help);
        )*

        /// All metrics of this part.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}
pub mod forward;
pub mod peer;
pub mod vrrp;

/// All metrics.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().chain(vrrp::METRICS).chain(peer::METRICS).chain(forward::METRICS)
}

metrics! {
    READY = gauge(
        "halb_ready", "", PROCESS,
        "1 if clients are served (as /readyz says), 0 if something stands in the way"
    );
    UPTIME = gauge(
        "halb_process_uptime_seconds", "seconds", PROCESS,
        "Time since the daemon's start"
    );
    CONNECTIONS = gauge(
        "halb_process_connections", "", PROCESS,
        "Open client connections, without those that the kernel forwards"
    );
    CONNECTIONS_MAX = gauge(
        "halb_process_connections_max", "", PROCESS,
        "Most client connections that are let in at a time"
    );
    PIPES = gauge(
        "halb_process_pipes", "", PROCESS,
        "Pipes held for splicing, in use or spare"
    );
    ACCEPT_PAUSES = counter(
        "halb_process_accept_pauses_total", "", PROCESS,
        "Accept pauses for want of file descriptors or memory"
    );
    LOG_LINES_DROPPED = counter(
        "halb_process_log_lines_dropped_total", "", PROCESS,
        "Log lines dropped because their reader was slow"
    );
    HEARTBEAT_AGE = gauge(
        "halb_process_heartbeat_age_seconds", "seconds", PROCESS,
        "Time since the data path's thread that is furthest behind last came round its loop; above 5 it is stuck"
    );
    CONFIG_LINTS = gauge(
        "halb_config_lints", "", PROCESS,
        "Lints of the configuration in force"
    );
    RELOADS = counter(
        "halb_config_reloads_total", "", PROCESS,
        "Reloads that were applied"
    );
    RELOADS_FAILED = counter(
        "halb_config_reload_failures_total", "", PROCESS,
        "Reloads that changed nothing because the file was bad or didn't fit"
    );
    RELOAD_LAST_SUCCESS = gauge(
        "halb_config_reload_last_success", "", PROCESS,
        "0 if the last reload failed, 1 otherwise"
    );
    FRONTEND_CONNECTIONS = gauge(
        "halb_frontend_connections", "", FRONTEND,
        "Open client connections"
    );
    FRONTEND_CONNECTIONS_MAX = gauge(
        "halb_frontend_connections_max", "", FRONTEND,
        "Most client connections at a time; not served where there is no bound"
    );
    FRONTEND_PAUSED = gauge(
        "halb_frontend_listeners_paused", "", FRONTEND,
        "Listeners that leave clients in the backlog at the moment"
    );
    FRONTEND_ACCEPTED = counter(
        "halb_frontend_connections_total", "", FRONTEND,
        "Client connections accepted"
    );
    FRONTEND_DENIED = counter(
        "halb_frontend_denied_total", "", FRONTEND,
        "Client connections refused by a list, a bad PROXY header or for want of a route"
    );
    FRONTEND_IN = counter(
        "halb_frontend_received_bytes_total", "bytes", FRONTEND,
        "Bytes from clients"
    );
    FRONTEND_OUT = counter(
        "halb_frontend_sent_bytes_total", "bytes", FRONTEND,
        "Bytes to clients"
    );
    BACKEND_SERVERS_UP = gauge(
        "halb_backend_servers_up", "", BACKEND,
        "Servers that take new connections"
    );
    BACKEND_QUEUED = gauge(
        "halb_backend_queued", "", BACKEND,
        "Connections that wait for a server"
    );
    BACKEND_DRAINING = gauge(
        "halb_backend_draining_connections", "", BACKEND,
        "Open connections at servers that a reload removed"
    );
    BACKEND_REFUSED = counter(
        "halb_backend_refused_total", "", BACKEND,
        "Connections that found no server: none up, queue full, or waited too long"
    );
    BACKEND_RETRIES = counter(
        "halb_backend_retries_total", "", BACKEND,
        "Connect attempts repeated on the same server"
    );
    BACKEND_REDISPATCHES = counter(
        "halb_backend_redispatches_total", "", BACKEND,
        "Connect attempts moved to another server"
    );
    SERVER_UP = gauge(
        "halb_server_up", "", SERVER,
        "1 if it takes new connections: healthy, ready, weight above 0"
    );
    SERVER_HEALTHY = gauge(
        "halb_server_healthy", "", SERVER,
        "1 if the checks say that it is up (also where it isn't checked)"
    );
    SERVER_DRAIN = gauge(
        "halb_server_drain", "", SERVER,
        "1 if an operator put it in drain"
    );
    SERVER_MAINT = gauge(
        "halb_server_maint", "", SERVER,
        "1 if an operator put it in maintenance"
    );
    SERVER_WEIGHT = gauge(
        "halb_server_weight", "", SERVER,
        "Weight in force, 0 to 256"
    );
    SERVER_CONNECTIONS = gauge(
        "halb_server_connections", "", SERVER,
        "Open connections, attempts included"
    );
    SERVER_CONNECTIONS_MAX = gauge(
        "halb_server_connections_max", "", SERVER,
        "Most connections at a time; not served where there is no bound"
    );
    SERVER_ESTABLISHED = counter(
        "halb_server_connections_total", "", SERVER,
        "Connections established"
    );
    SERVER_CONNECT_ERRORS = counter(
        "halb_server_connect_errors_total", "", SERVER,
        "Connect attempts that the server refused, reset or left unanswered"
    );
    SERVER_LOCAL_ERRORS = counter(
        "halb_server_local_errors_total", "", SERVER,
        "Connect attempts that failed for want of something on this host, or that its firewall forbade"
    );
    SERVER_CONNECT_TIME = gauge(
        "halb_server_connect_time_seconds", "seconds", SERVER,
        "Time that established connects took, summed since the start; its rate over that of halb_server_connections_total is their mean"
    );
    SERVER_IN = counter(
        "halb_server_sent_bytes_total", "bytes", SERVER,
        "Bytes from clients to the server"
    );
    SERVER_OUT = counter(
        "halb_server_received_bytes_total", "bytes", SERVER,
        "Bytes from the server to clients"
    );
    NAME_RESOLVED = gauge(
        "halb_server_name_resolved", "", SERVER,
        "1 if its name has an address; not served where the configuration has the address itself"
    );
    NAME_ANSWERS = counter(
        "halb_server_name_answers_total", "", SERVER,
        "Answers with an address to the question for its name"
    );
    NAME_FAILURES = counter(
        "halb_server_name_failures_total", "", SERVER,
        "Questions for its name that were answered without an address, or not at all"
    );
    NAME_CHANGES = counter(
        "halb_server_name_changes_total", "", SERVER,
        "Changes of the address that its name stands for, the first one included"
    );
    CHECK_RUNS = counter(
        "halb_check_runs_total", "", SERVER,
        "Checks done"
    );
    CHECK_FAILURES = counter(
        "halb_check_failures_total", "", SERVER,
        "Checks that failed"
    );
    CHECK_INCONCLUSIVE = counter(
        "halb_check_inconclusive_total", "", SERVER,
        "Checks that this host couldn't make for want of something; they count for nothing"
    );
    CHECK_FLIPS = counter(
        "halb_check_flips_total", "", SERVER,
        "Changes of the verdict"
    );
    CHECK_STATE_AGE = gauge(
        "halb_check_state_age_seconds", "seconds", SERVER,
        "Time since the verdict last changed"
    );
    CHECK_DURATION = gauge(
        "halb_check_duration_seconds", "seconds", SERVER,
        "Time that the last check took"
    );
}
