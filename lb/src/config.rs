//! What the data path is told to do. Values are checked when they are made, so that the rest of
//! the crate can trust them; nothing here knows a file format.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

use crate::names::{BackendName, FrontendName, ServerName, ServerRef};

/// Everything the data path needs: who listens where, and where connections go.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    frontends: Vec<Frontend>,
    backends: Vec<Backend>,
    maxconn: Option<NonZeroU32>,
    begin_down: BTreeSet<ServerRef>,
}

/// Why a set of frontends and backends doesn't fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Two frontends or two backends share a name.
    #[error("the name '{0}' is given twice")]
    DuplicateName(String),
    /// Two frontends want the same socket.
    #[error("'{bind}' is bound by '{first}' and by '{second}'")]
    DuplicateBind {
        /// The contested address.
        bind: SocketAddr,
        /// Who had it first.
        first: FrontendName,
        /// Who wants it too.
        second: FrontendName,
    },
    /// A frontend names a backend that isn't there.
    #[error("frontend '{frontend}' sends to backend '{backend}', which does not exist")]
    UnknownBackend {
        /// The frontend that names it.
        frontend: FrontendName,
        /// The name without a backend.
        backend: BackendName,
    },
}

impl Config {
    /// Puts frontends and backends together; `maxconn` bounds connections of the whole process
    /// (none: what the file descriptor limit carries).
    ///
    /// # Errors
    /// The first thing that doesn't fit together.
    pub fn new(
        frontends: Vec<Frontend>,
        backends: Vec<Backend>,
        maxconn: Option<NonZeroU32>,
    ) -> Result<Self, ConfigError> {
        let mut names = HashSet::new();
        for name in backends.iter().map(|b| &b.name) {
            if !names.insert(name) {
                return Err(ConfigError::DuplicateName(name.to_string()));
            }
        }
        for (index, frontend) in frontends.iter().enumerate() {
            check_frontend(frontend, &frontends[..index], &names)?;
        }
        Ok(Self { frontends, backends, maxconn, begin_down: BTreeSet::new() })
    }

    /// The same, but these servers begin as down where they are new: their first check has yet to
    /// pass.
    #[must_use]
    pub fn with_servers_down(mut self, servers: impl IntoIterator<Item = ServerRef>) -> Self {
        self.begin_down = servers.into_iter().collect();
        self
    }

    /// The same, with these addresses in place of those of the servers that are named.
    #[must_use]
    pub fn with_addresses(mut self, addresses: &BTreeMap<ServerRef, Option<SocketAddr>>) -> Self {
        for backend in &mut self.backends {
            let name = &backend.name;
            for server in &mut backend.servers {
                let own = ServerRef { backend: name.clone(), server: server.name.clone() };
                if let Some(address) = addresses.get(&own) {
                    server.address = *address;
                }
            }
        }
        self
    }

    /// This server begins as down.
    #[must_use]
    pub fn begins_down(&self, server: &ServerRef) -> bool {
        self.begin_down.contains(server)
    }

    /// Frontends in the order of the file.
    #[must_use]
    pub fn frontends(&self) -> &[Frontend] {
        &self.frontends
    }

    /// Some frontend listens on this address.
    #[must_use]
    pub fn binds(&self, address: SocketAddr) -> bool {
        self.frontends.iter().any(|frontend| frontend.binds.contains(&address))
    }

    /// Backends in the order of the file.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Most connections of the whole process, if the operator set a bound.
    #[must_use]
    pub fn maxconn(&self) -> Option<NonZeroU32> {
        self.maxconn
    }
}

fn check_frontend(
    frontend: &Frontend,
    earlier: &[Frontend],
    backends: &HashSet<&BackendName>,
) -> Result<(), ConfigError> {
    if earlier.iter().any(|other| other.name == frontend.name) {
        return Err(ConfigError::DuplicateName(frontend.name.to_string()));
    }
    for bind in &frontend.binds {
        if let Some(first) = earlier.iter().find(|other| other.binds.contains(bind)) {
            return Err(ConfigError::DuplicateBind {
                bind: *bind,
                first: first.name.clone(),
                second: frontend.name.clone(),
            });
        }
    }
    for backend in frontend.routes.iter().map(|r| &r.backend).chain(&frontend.default_backend) {
        if !backends.contains(backend) {
            return Err(ConfigError::UnknownBackend {
                frontend: frontend.name.clone(),
                backend: backend.clone(),
            });
        }
    }
    Ok(())
}

/// Where clients connect, and which of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Frontend {
    /// What logs, metrics and commands call it.
    pub name: FrontendName,
    /// Addresses to listen on. Each is of one address family: an IPv6 socket never takes IPv4
    /// (`IPV6_V6ONLY` is always set), so `0.0.0.0` and `[::]` are two entries.
    pub binds: Vec<SocketAddr>,
    /// Where a connection goes that no route matches; without it such a connection is refused.
    pub default_backend: Option<BackendName>,
    /// TLS server names that go elsewhere; the first match wins. Not empty: the worker reads the
    /// ClientHello (without decrypting) before it asks for a server.
    pub routes: Vec<SniRoute>,
    /// Most connections at a time; beyond it the kernel's backlog holds clients.
    pub maxconn: Option<NonZeroU32>,
    /// Length of the accept queue handed to `listen` (the kernel caps it by `net.core.somaxconn`).
    pub backlog: NonZeroU32,
    /// Most accepted connections in a second; beyond it the backlog holds clients.
    pub accept_rate: Option<NonZeroU32>,
    /// Not empty: only these client prefixes are served.
    pub allow: Vec<IpNet>,
    /// These client prefixes are refused, also where `allow` names them.
    pub deny: Vec<IpNet>,
    /// Each connection must begin with a PROXY protocol header (v1 or v2), whose source address
    /// then stands for the client in balancing and logs. `allow` and `deny` see the real peer.
    pub accept_proxy: bool,
    /// How long a PROXY header or a ClientHello may take to arrive.
    pub inspect_timeout: Duration,
    /// A session without a byte in either direction for so long is closed. None: never.
    pub idle_timeout: Option<Duration>,
    /// A session is closed when it is this old.
    pub max_age: Option<MaxAge>,
    /// Client side socket behaviour.
    pub client: SideOptions,
    /// One record per connection goes to the access log.
    pub access_log: bool,
}

/// A TLS server name and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SniRoute {
    /// The name as the ClientHello carries it.
    pub sni: SniPattern,
    /// The backend that serves it.
    pub backend: BackendName,
}

/// A server name in full, or all names one label or more below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SniPattern {
    /// `api.example.com`: this name, case ignored. Held in lower case.
    Exact(String),
    /// `*.example.com`: any name that ends in `.example.com`. Held as `example.com`, lower case.
    Below(String),
}

/// Oldest age of a session, with a spread so that clients don't all return at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAge {
    /// Age at which a session is closed.
    pub age: Duration,
    /// Each session gets up to so much more, at random.
    pub jitter: Duration,
}

/// How the sockets of one side (client or server) behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideOptions {
    /// Kernel keepalive probes; none: off.
    pub keepalive: Option<Keepalive>,
    /// `TCP_USER_TIMEOUT`: sent data unacknowledged, or keepalive probes unanswered, for so long
    /// end the connection; also a window that stays closed. None: the kernel's own patience
    /// (about 15 minutes).
    pub user_timeout: Option<Duration>,
    /// Once one direction is shut down, how long the other may be silent.
    pub fin_timeout: Duration,
}

/// Kernel keepalive: `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`; whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Between probes.
    pub interval: Duration,
    /// Unanswered probes that end the connection (where `user_timeout` doesn't decide).
    pub count: NonZeroU32,
}

/// Servers that can stand in for each other, and how to choose among them.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// What logs, metrics and commands call it.
    pub name: BackendName,
    /// How a server is chosen.
    pub balance: Balance,
    /// Servers in the order of the file; names are unique.
    pub servers: Vec<Server>,
    /// One connect attempt may take so long.
    pub connect_timeout: Duration,
    /// Further attempts after the first one failed.
    pub retries: u32,
    /// A failed attempt moves to another server at once where there is one; otherwise the same
    /// server is tried again after [`RETRY_PAUSE`].
    pub redispatch: bool,
    /// Where connections wait when all servers are at their `maxconn`.
    pub queue: QueueLimit,
    /// What happens to the sessions of a server that goes down.
    pub on_down: OnDown,
    /// A server that comes back gets its full weight only after this time. None: at once.
    pub slow_start: Option<Duration>,
    /// Server side socket behaviour.
    pub server: SideOptions,
    /// Local address of connections to the servers. None: the kernel chooses.
    pub source: Option<IpAddr>,
    /// A PROXY protocol header is sent first.
    pub send_proxy: Option<ProxyVersion>,
}

/// Pause before the same server is tried again (HAProxy's turnaround: one second, at most the
/// connect timeout).
pub const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How a server is chosen for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn, smoothly weighted, strict across all threads.
    RoundRobin,
    /// The one with the fewest connections for its weight; round robin among equals.
    LeastConn,
    /// Consistent hash of the client's address.
    Source,
    /// Consistent hash of the client's address and port.
    Flow,
    /// The less busy of two drawn at random.
    Random,
}

/// A server as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name within the backend.
    pub name: ServerName,
    /// Where it listens. None: that isn't known yet, since it has a name that has no address; it is
    /// down, whatever checks say.
    pub address: Option<SocketAddr>,
    /// Its share of new connections.
    pub weight: Weight,
    /// Serves only while no other server is up.
    pub backup: bool,
    /// Most connections at a time; beyond it they queue. None: no bound.
    pub maxconn: Option<NonZeroU32>,
}

/// Share of new connections, 0 to 256; 0 takes no new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u16);

impl Weight {
    /// The share of a server that says nothing.
    pub const DEFAULT: Self = Self(1);
    /// The largest share.
    pub const MAX: u16 = 256;

    /// A share of at most 256.
    #[must_use]
    pub fn new(weight: u16) -> Option<Self> {
        (weight <= Self::MAX).then_some(Self(weight))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

/// Bounds of a backend's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimit {
    /// Most waiting connections; beyond it they are closed at once.
    pub max: u32,
    /// Longest wait; then the connection is closed.
    pub timeout: Duration,
}

/// What happens to the sessions of a server that goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    /// They are reset within `spread`, each at its own random moment, so that clients (watches
    /// above all) reconnect to a server that works without a stampede.
    Reset {
        /// Time over which the resets are spread.
        spread: Duration,
    },
    /// They are left to end by themselves.
    Keep,
}

/// Version of the PROXY protocol header that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyVersion {
    /// The line of text.
    V1,
    /// The binary form.
    V2,
}
