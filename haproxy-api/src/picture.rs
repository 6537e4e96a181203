//! The daemon at one moment, as far as HAProxy has a word for it.

use std::net::SocketAddr;

/// The daemon at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Picture {
    /// The process.
    pub process: Process,
    /// Frontends and backends by name, in the order in which they are shown.
    pub proxies: Vec<Proxy>,
}

/// The process as a whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Process {
    /// Version of halb.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Name of the host.
    pub node: String,
    /// Time since the start.
    pub uptime_seconds: f64,
    /// When it started, in seconds since 1970.
    pub started_at: u64,
    /// Descriptors that the process may have.
    pub descriptors: u64,
    /// Time that it has spent on processors, in milliseconds.
    pub processor_milliseconds: u64,
    /// Threads that forward.
    pub threads: u64,
    /// Open client connections.
    pub connections: u64,
    /// Most that are let in at a time.
    pub connections_max: u64,
    /// Pipes held for splicing.
    pub pipes: u64,
    /// Log lines that were dropped.
    pub logs_dropped: u64,
    /// The daemon was told to stop.
    pub stopping: bool,
    /// Connections and sessions a second.
    pub rate: u64,
    /// Highest of these.
    pub rate_max: u64,
    /// Bytes a second to clients.
    pub bytes_out_rate: u64,
    /// Share of the last second that its threads didn't work, in per cent.
    pub idle_percent: u64,
}

/// A name under which connections come in, go out, or both (HAProxy's `listen`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proxy {
    /// Its name.
    pub name: String,
    /// Where clients connect.
    pub frontend: Option<Frontend>,
    /// Where they are sent.
    pub backend: Option<Backend>,
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frontend {
    /// `OPEN`, `FULL` or `STOP`.
    pub status: &'static str,
    /// Listening sockets.
    pub listeners: u64,
    /// Open connections.
    pub sessions: u64,
    /// Most at a time.
    pub sessions_limit: u64,
    /// Connections accepted, refused ones included.
    pub connections_total: u64,
    /// Connections that a list, a bad header or a missing route refused.
    pub denied: u64,
    /// Most connections a second; none: no limit.
    pub rate_limit: Option<u64>,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// What was seen of it in the course of time.
    pub past: Past,
}

/// Servers that stand in for each other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backend {
    /// How a server is chosen.
    pub algorithm: String,
    /// A tenth of what its frontends let in (HAProxy's `fullconn` where none is given).
    pub full: u64,
    /// Connections that wait for a server.
    pub queued: u64,
    /// Connections that found no server.
    pub refused: u64,
    /// Attempts repeated on the same server.
    pub retries: u64,
    /// Attempts moved to another server.
    pub redispatches: u64,
    /// Servers in the order of the file.
    pub servers: Vec<Server>,
    /// What was seen of it in the course of time.
    pub past: Past,
}

/// A server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name, unique within its backend.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What the operator says.
    pub admin: Admin,
    /// What its checks say; a server that isn't checked is up.
    pub up: bool,
    /// What is known of its checks; none: it isn't checked.
    pub check: Option<Check>,
    /// Weight in force.
    pub weight: u16,
    /// Weight of the configuration.
    pub weight_configured: u16,
    /// Share of its weight in force, in per cent; 100 unless it starts slowly.
    pub throttle_percent: u8,
    /// It serves only while no other does.
    pub backup: bool,
    /// Open connections, attempts included.
    pub sessions: u64,
    /// Most at a time, if bounded.
    pub sessions_limit: Option<u64>,
    /// Connections established.
    pub established: u64,
    /// Attempts that failed.
    pub connect_errors: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// What was seen of it in the course of time.
    pub past: Past,
}

/// What the operator says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admin {
    /// Its health decides.
    Ready,
    /// No new connections.
    Drain,
    /// No connections, no checks.
    Maint,
}

/// What is known of a server's checks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Check {
    /// HAProxy's code of the last result: `L4OK`, `L7STS`, …; `INI` before the first.
    pub code: String,
    /// The last result in words.
    pub detail: String,
    /// Status of the last HTTP answer.
    pub http_status: Option<u64>,
    /// How long the last check took.
    pub milliseconds: u64,
    /// Successes that make a server up.
    pub rise: u64,
    /// Failures that make it down.
    pub fall: u64,
    /// 0 to `rise + fall - 1`; up from `rise` on.
    pub health: u64,
    /// Failed checks.
    pub failures: u64,
    /// Changes from up to down.
    pub downs: u64,
}

/// What was seen of a frontend, backend or server in the course of time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Past {
    /// Most connections at a time.
    pub sessions_max: u64,
    /// Most that waited at a time.
    pub queued_max: u64,
    /// New connections in the last second.
    pub rate: u64,
    /// Highest of these.
    pub rate_max: u64,
    /// Time since the status changed.
    pub changed_seconds: u64,
    /// Time spent down.
    pub down_seconds: u64,
    /// Changes from up to down.
    pub downs: u64,
    /// Time since the last new connection; none: there was none.
    pub idle_seconds: Option<u64>,
    /// Connections that clients broke off.
    pub client_aborts: u64,
    /// Connections that servers broke off.
    pub server_aborts: u64,
    /// Attempts repeated on the same server, by connections that have ended.
    pub retries: u64,
    /// Connections that came after an attempt elsewhere had failed, of those that have ended.
    pub redispatches: u64,
    /// Until a server was chosen.
    pub queue_time: Times,
    /// Until the server's connection stood.
    pub connect_time: Times,
    /// From beginning to end.
    pub total_time: Times,
}

/// Times of connections that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Times {
    /// Average of about the last 1024, in milliseconds.
    pub average_ms: f64,
    /// The longest, in milliseconds.
    pub longest_ms: u64,
}

impl Process {
    /// The version that is told: the interface's, then halb's own.
    #[must_use]
    pub fn told_version(&self) -> String {
        format!("{}-halb{}", crate::INTERFACE, self.version)
    }
}

impl Backend {
    /// Whether connections find a server. One without servers counts as up, as in HAProxy.
    #[must_use]
    pub fn up(&self) -> bool {
        self.servers.is_empty() || self.usable().next().is_some()
    }

    /// Servers that get new connections: backups only while no other is there.
    pub fn usable(&self) -> impl Iterator<Item = &Server> {
        let actives = self.servers.iter().any(|server| server.takes() && !server.backup);
        self.servers.iter().filter(move |server| server.takes() && server.backup != actives)
    }

    /// Its servers that are up, backups or the others; drained ones are not among them.
    #[must_use]
    pub fn count_up(&self, backup: bool) -> u64 {
        let up = self.servers.iter().filter(|server| server.takes() && server.backup == backup);
        crate::rows::count(up.count())
    }
}

impl Server {
    /// It may get new connections.
    #[must_use]
    pub fn takes(&self) -> bool {
        self.up && self.admin == Admin::Ready && self.weight > 0
    }

    /// HAProxy's words (src/stats.c, `stats_fill_sv_stats`): maintenance, then health, then drain.
    #[must_use]
    pub fn status(&self) -> String {
        if self.admin == Admin::Maint {
            return "MAINT".to_owned();
        }
        let progress = |check: &Check| match (self.up, check.health) {
            (true, health) if health + 1 >= check.rise + check.fall => None,
            (true, health) => Some((health.saturating_sub(check.rise) + 1, check.fall)),
            (false, 0) => None,
            (false, health) => Some((health, check.rise)),
        };
        let word = match (self.up, self.admin, &self.check) {
            (false, ..) => "DOWN",
            (true, Admin::Drain, _) => "DRAIN",
            (true, _, None) => "no check",
            (true, ..) => "UP",
        };
        match self.check.as_ref().and_then(progress) {
            Some((have, of)) => format!("{word} {have}/{of}"),
            None => word.to_owned(),
        }
    }
}
