//! What a good file amounts to.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use halb_forward::table::Limits;
use halb_healthcheck::config::Target;
use halb_lb::config::Config;
use halb_lb::names::{BackendName, FrontendName, ServerRef};
use halb_resolver::config::Question;

/// Everything that the daemon is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Frontends, backends and servers.
    pub lb: Config,
    /// Frontends whose connections the kernel forwards; they are none of [`Settings::lb`]'s.
    pub forwarded: Vec<Forwarded>,
    /// Servers under check, by `BACKEND/SERVER`. What follows a server's name has the unspecified
    /// address; [`Settings::with_addresses`] says which.
    pub checks: Vec<Target>,
    /// Servers that are written as names.
    pub names: Names,
    /// Virtual IPs, and what this process does for them.
    pub vrrp: Vrrp,
    /// The link to the other balancer. None: each works by itself.
    pub peer: Option<Peer>,
    /// Limits of the process.
    pub global: Global,
    /// What is logged, and how.
    pub log: Log,
    /// Where halb is looked at and controlled.
    pub admin: Admin,
    /// What is offered to scripts and dashboards that were built around HAProxy.
    pub haproxy: Haproxy,
}

impl Settings {
    /// What data path and checks are told while names have these addresses: a server whose name
    /// has none is down, and isn't checked.
    #[must_use]
    pub fn with_addresses(
        &self,
        address_of: impl Fn(&Question) -> Option<IpAddr>,
    ) -> (Config, Vec<Target>) {
        let named = self.names.servers.iter();
        let addresses: BTreeMap<ServerRef, Option<SocketAddr>> = named
            .map(|named| (named.server.clone(), address_of(&named.question)))
            .zip(self.names.servers.iter().map(|named| named.port))
            .map(|((server, ip), port)| (server, ip.map(|ip| SocketAddr::new(ip, port))))
            .collect();
        let by_id: BTreeMap<String, Option<SocketAddr>> =
            addresses.iter().map(|(server, address)| (server.to_string(), *address)).collect();
        let place = |target: &Target| match by_id.get(&target.id) {
            None => Some(target.clone()),
            Some(None) => None,
            Some(Some(address)) => {
                let mut target = target.clone();
                if target.address.ip().is_unspecified() {
                    target.address.set_ip(address.ip());
                }
                Some(target)
            }
        };
        let checks = self.checks.iter().filter_map(place).collect();
        (self.lb.clone().with_addresses(&addresses), checks)
    }
}

/// Servers that are written as names, and how their addresses are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Who is asked, and how long answers hold.
    pub resolver: halb_resolver::config::Settings,
    /// In the order of the file.
    pub servers: Vec<NamedServer>,
}

/// A server that is written as a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedServer {
    /// Which server.
    pub server: ServerRef,
    /// Its name, and the kinds of addresses that will do.
    pub question: Question,
    /// The port that it listens on.
    pub port: u16,
}

/// A frontend whose connections the kernel forwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// What logs, metrics and commands call it.
    pub name: FrontendName,
    /// Where clients connect; none of them is unspecified.
    pub binds: Vec<SocketAddr>,
    /// The backend whose servers share its connections; it is one of [`Settings::lb`]'s.
    pub backend: BackendName,
    /// Who may connect, and how many.
    pub limits: Limits,
}

/// `[vrrp.NAME]` of all names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vrrp {
    /// What the driver is told; without instances there is no virtual IP.
    pub routers: halb_vrrp::settings::Settings,
    /// Scripts that trackers look at, each once, whichever instances do.
    pub scripts: Vec<TrackedScript>,
    /// Files that trackers look at, each once.
    pub files: Vec<TrackedFile>,
    /// What is run after a change, in the order of the file.
    pub hooks: Vec<Hook>,
    /// Where changes are told in keepalived's format. None: nowhere.
    pub fifo: Option<PathBuf>,
}

/// A script that is run again and again for its exit status; how many results count belongs to
/// the trackers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedScript {
    /// The command as one text: what [`Subject::Script`](halb_vrrp::track::Subject) and
    /// [`Sighting::Script`](halb_vrrp::track::Sighting) call it.
    pub name: Arc<str>,
    /// The program, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// From the start of one run to the start of the next; a run that lasts longer skips turns.
    pub interval: Duration,
    /// A run that lasts longer has failed, and is ended.
    pub timeout: Duration,
}

/// A file that holds a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedFile {
    /// Absolute; also what [`Subject::File`](halb_vrrp::track::Subject) and
    /// [`Sighting::File`](halb_vrrp::track::Sighting) call it.
    pub path: Arc<str>,
    /// From one look to the next.
    pub interval: Duration,
}

/// Whose changes a command is run after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookSubject {
    /// The instance of this name.
    Instance(Arc<str>),
    /// The group of this name, as a whole.
    Group(Arc<str>),
}

/// A command that is run when an instance or a group has changed its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Whose.
    pub subject: HookSubject,
    /// The program, by its absolute path, and its first arguments.
    pub command: Vec<String>,
    /// A run that lasts longer is ended.
    pub timeout: Duration,
}

/// `[peer]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where the other balancer listens; UDP.
    pub address: SocketAddr,
    /// Where this one listens; of the same family.
    pub bind: SocketAddr,
    /// File with the shared key.
    pub key_file: PathBuf,
}

/// `[global]`, without `maxconn`, which [`Settings::lb`] holds, and without what the virtual IP is
/// told, which [`Settings::vrrp`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// Threads that forward. None: one for each core, at most
    /// [`WORKERS_MAX`](crate::defaults::WORKERS_MAX).
    pub workers: Option<NonZeroU32>,
    /// When halb is told to stop, sessions have so long to end by themselves.
    pub drain_timeout: Duration,
    /// When another halb takes over, sessions have so long to end by themselves.
    pub upgrade_drain_timeout: Duration,
    /// Directory in which transitions of virtual IPs outlast the process; it need not exist.
    pub state_dir: PathBuf,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Least important event that is logged.
    pub level: LogLevel,
    /// How a record is written.
    pub format: LogFormat,
    /// Ended connections leave a line.
    pub access: bool,
    /// Where that line goes.
    pub access_to: AccessTo,
    /// Where events go beside the standard error. None: nowhere.
    pub syslog: Option<Syslog>,
    /// Number of syslog's facility (RFC 5424, table 1).
    pub facility: u8,
    /// Most events of one kind in a second; the rest is counted.
    pub burst: NonZeroU32,
}

/// Where lines of the access log go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTo {
    /// To the standard error, with the events.
    Stderr,
    /// To syslog; [`Log::syslog`] is there.
    Syslog,
    /// To a file of their own.
    File(PathBuf),
}

/// A syslog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Syslog {
    /// A collector, as RFC 5424 has it.
    Udp(SocketAddr),
    /// A socket of this host, such as `/dev/log`.
    Local(PathBuf),
}

/// How important an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something doesn't work.
    Error,
    /// Worth waking someone.
    Warn,
    /// A state changed.
    Info,
    /// For finding faults.
    Debug,
    /// Each step.
    Trace,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A line of JSON.
    Json,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Status page and metrics. None: not served.
    pub http: Option<SocketAddr>,
    /// Unix socket for status and control.
    pub socket: PathBuf,
}

/// `[haproxy]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Haproxy {
    /// Where HAProxy's runtime commands are answered. None: nowhere.
    pub socket: Option<HaproxySocket>,
    /// `/metrics` also serves HAProxy's names.
    pub metrics: bool,
}

/// The socket of runtime commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaproxySocket {
    /// Where it is.
    pub path: PathBuf,
    /// What its clients may do.
    pub level: HaproxyLevel,
    /// Its file permissions.
    pub mode: u32,
}

/// What clients of the runtime socket may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaproxyLevel {
    /// Look at figures.
    User,
    /// Look at everything.
    Operator,
    /// Change servers and end sessions.
    Admin,
}
