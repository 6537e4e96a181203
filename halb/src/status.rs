//! What the daemon tells about itself: one tree for `halb status`, the status page, `/status.json`,
//! `/readyz` and `/metrics`, so that they can't contradict each other. docs/status.md describes it.
//!
//! Times are seconds as floating point, sizes are bytes, counters count since the daemon's start.
//! Fields are only added within one [`VERSION`]; readers ignore those that they don't know.

pub mod build;
pub mod checks;
pub mod forward;
pub mod names;
pub mod notices;
pub mod peer;
pub mod rates;
pub mod readiness;
#[cfg(test)]
pub(crate) mod samples;
pub mod text;
pub mod timeline;
pub mod verdict;
pub mod vrrp;
pub mod words;

use serde::{Deserialize, Serialize};

/// Version of the tree. It changes when a field goes away or changes its meaning.
pub const VERSION: u32 = 1;

/// The daemon at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// Whether clients are served, and if not, why.
    pub readiness: Readiness,
    /// The process.
    pub process: Process,
    /// What became of reloads.
    pub reload: Reload,
    /// Daemons that were replaced by `halb upgrade` and still serve connections, the newest first.
    #[serde(default)]
    pub formers: Vec<FormerDaemon>,
    /// Frontends in the order of the file, those that the kernel forwards last.
    pub frontends: Vec<Frontend>,
    /// Backends in the order of the file.
    pub backends: Vec<Backend>,
    /// The last changes of servers, as checks saw them, the latest last.
    #[serde(default)]
    pub changes: Vec<ServerChange>,
    /// Virtual IPs; none: none is configured.
    #[serde(default)]
    pub vrrp: Option<vrrp::Vrrp>,
    /// The link to the other balancer; none: none is configured.
    #[serde(default)]
    pub peer: Option<peer::Peer>,
    /// What the kernel forwards; none: nothing.
    #[serde(default)]
    pub forward: Option<forward::Forward>,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Readiness {
    /// Nothing stands in the way.
    pub ready: bool,
    /// One sentence for each thing that does.
    pub reasons: Vec<String>,
}

/// Figures of the process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Process {
    /// Version of halb.
    pub halb_version: String,
    /// Process id.
    pub pid: u32,
    /// Time since the start.
    pub uptime_seconds: f64,
    /// The configuration file.
    pub config_file: String,
    /// Lints of the configuration in force: not wrong, but worth a look (`halb check` shows them).
    pub config_lints: u64,
    /// The daemon was told to stop and waits for its last sessions.
    pub stopping: bool,
    /// Open client connections.
    pub connections: u64,
    /// Most that are let in at a time.
    pub connections_max: u64,
    /// Where that bound comes from.
    pub connections_max_reason: String,
    /// Accept pauses for want of file descriptors or memory.
    pub accept_pauses: u64,
    /// Pipes held for splicing.
    pub pipes: u64,
    /// Lines of the access log and of the event log that a slow sink made the daemon drop.
    pub log_lines_dropped: u64,
    /// The level that events are logged from, as an order has it; none: as the file says.
    pub log_level_ordered: Option<OrderedLevel>,
    /// Time since the dispatcher's thread of the data path last came round its loop.
    pub dispatcher_heartbeat_age_seconds: f64,
    /// Worker threads of the data path.
    pub workers: Vec<Worker>,
}

/// A log level that an operator ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderedLevel {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// What the file says.
    pub file: String,
    /// For how long it still holds; none: until it is ordered otherwise.
    pub left_seconds: Option<f64>,
}

/// A worker thread of the data path.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Worker {
    /// Sessions that it holds.
    pub sessions: u64,
    /// Time since it last came round its loop.
    pub heartbeat_age_seconds: f64,
}

/// A daemon that was replaced by `halb upgrade` and still serves connections.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FormerDaemon {
    /// Process id.
    pub pid: u32,
    /// Version of halb.
    pub halb_version: String,
    /// Client connections that it still serves, a second ago at most.
    pub connections: u64,
    /// Time since it was replaced.
    pub since_seconds: f64,
    /// Time until it closes what is left.
    pub until_seconds: f64,
}

/// What became of reloads since the start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reload {
    /// Reloads that were applied.
    pub applied: u64,
    /// Reloads that changed nothing because the file was bad or didn't fit.
    pub failed: u64,
    /// The last one.
    pub last: Option<LastReload>,
}

/// The last reload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastReload {
    /// Time since.
    pub ago_seconds: f64,
    /// Why it changed nothing; none: it was applied.
    pub error: Option<String>,
    /// Where that lies; none: it was applied.
    pub failure: Option<ReloadFailure>,
    /// What it changed, in words.
    pub changes: Vec<String>,
    /// Settings that differ from the file until the daemon is restarted, in words.
    pub needs_restart: Vec<String>,
}

/// Where it lies that a reload changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReloadFailure {
    /// The file can't be read or has problems.
    BadFile,
    /// The file is good, but could not be put into force: a port in use, a daemon that stops.
    NotApplied,
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frontend {
    /// Its name.
    pub name: String,
    /// Whether it accepts.
    pub state: FrontendState,
    /// Who moves its bytes.
    #[serde(default)]
    pub forward: ForwardedBy,
    /// Its listening sockets.
    pub listeners: Vec<Listener>,
    /// Backends that it sends to, the default one first.
    pub backends: Vec<String>,
    /// Open client connections.
    pub connections: u64,
    /// Most at a time, if bounded.
    pub connections_max: Option<u64>,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused by a list, a bad PROXY header or for want of a route.
    pub denied: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// Who moves the bytes of a frontend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardedBy {
    /// This process.
    #[default]
    Proxy,
    /// The kernel.
    Kernel,
}

impl ForwardedBy {
    /// What people are told behind where its connections go; nothing, where it is as usual.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Proxy => "",
            Self::Kernel => ", by the kernel",
        }
    }
}

/// HAProxy's words for a frontend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FrontendState {
    /// It accepts.
    Open,
    /// It waits: for room, for its accept rate, or for the kernel to have descriptors.
    Full,
    /// It has no listener.
    Stop,
}

impl FrontendState {
    /// The word that people read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Full => "FULL",
            Self::Stop => "STOP",
        }
    }
}

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its address and port.
    pub address: String,
    /// Why it leaves clients in the kernel's backlog at the moment.
    pub paused: Option<String>,
}

/// Servers that stand in for each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// At least one server takes connections.
    pub up: bool,
    /// How a server is chosen, as the configuration calls it.
    pub balance: String,
    /// Servers that take new connections.
    pub servers_up: u64,
    /// Connections that wait for a server.
    pub queued: u64,
    /// Connections that found no server.
    pub refused: u64,
    /// Connect attempts repeated on the same server.
    pub retries: u64,
    /// Connect attempts moved to another server.
    pub redispatches: u64,
    /// Servers in the order of the file, then those that drain after their removal.
    pub servers: Vec<Server>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its name, unique within its backend.
    pub name: String,
    /// Where it listens; while its name has no address, that name and the port.
    pub address: String,
    /// HAProxy's words: `UP`, `UP 2/3` (going down), `DOWN`, `DOWN 1/2` (coming up), `DRAIN`,
    /// `MAINT`, `no check`.
    pub state: String,
    /// It takes new connections.
    pub usable: bool,
    /// The checks' verdict.
    pub healthy: bool,
    /// What the operator says.
    pub admin: Admin,
    /// What the checks know; none: it isn't checked.
    pub check: Option<Check>,
    /// What its name stands for; none: it is written as an address.
    pub resolution: Option<names::Resolution>,
    /// Weight in force.
    pub weight: u16,
    /// Weight in the configuration; none: a reload removed it.
    pub weight_configured: Option<u16>,
    /// Share of its weight in force, in per cent; below 100 while it starts slowly.
    pub slow_start_percent: u8,
    /// It serves only while no other does.
    pub backup: bool,
    /// A reload removed it; it ends with its last session.
    pub removed: bool,
    /// Open connections, attempts included.
    pub connections: u64,
    /// Most at a time, if bounded.
    pub connections_max: Option<u64>,
    /// Connections established.
    pub established: u64,
    /// Attempts that the server refused, reset or left unanswered.
    pub connect_errors: u64,
    /// Attempts that failed for want of something on this host.
    pub local_errors: u64,
    /// Sum of the time of established connects.
    pub connect_seconds: f64,
    /// Bytes from clients to the server.
    pub bytes_in: u64,
    /// Bytes from the server to clients.
    pub bytes_out: u64,
}

/// A server went up or down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerChange {
    /// When, as people write it, UTC.
    pub at: String,
    /// Time since.
    pub ago_seconds: f64,
    /// `backend/server`.
    pub server: String,
    /// It went up. False: down.
    pub up: bool,
    /// What the check said.
    pub check: String,
    /// Servers of its backend that took new connections from then on.
    pub servers_up: u64,
}

/// What the operator says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admin {
    /// Its health decides.
    Ready,
    /// No new connections; old ones stay, checks go on.
    Drain,
    /// No connections, checks rest.
    Maint,
}

impl Admin {
    /// The word of the command line and of the JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// What the checks know of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// HAProxy's code of the last result: `L4OK`, `L4CON`, `L7STS`, …; `INI` before the first.
    pub code: String,
    /// The last result in words.
    pub detail: String,
    /// How long the last check took.
    pub duration_seconds: Option<f64>,
    /// Time since the last result.
    pub ago_seconds: Option<f64>,
    /// Time since the verdict last changed (or since the check began).
    pub since_seconds: f64,
    /// Checks done.
    pub checks: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Checks that this host couldn't make for want of something.
    pub inconclusive: u64,
    /// Changes of the verdict.
    pub flips: u64,
    /// They rest, since the server is in maintenance.
    pub paused: bool,
    /// The last checks, the oldest first: `.` passed, `x` failed, `?` couldn't be made.
    pub history: String,
}

#[cfg(test)]
mod tests;
