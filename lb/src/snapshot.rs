//! What the data path tells about itself: state and counters at one moment, summed over threads.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Balance;
use crate::names::{BackendName, FrontendName, ServerName, ServerRef};

/// The whole data path at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The process.
    pub process: ProcessSnapshot,
    /// Frontends in the order of the file.
    pub frontends: Vec<FrontendSnapshot>,
    /// Backends in the order of the file.
    pub backends: Vec<BackendSnapshot>,
}

/// Figures of the process as a whole.
#[derive(Debug, Clone, Default)]
pub struct ProcessSnapshot {
    /// Open client connections.
    pub connections: u64,
    /// Most that are let in at a time.
    pub connections_max: u64,
    /// Where `connections_max` comes from, in words.
    pub connections_max_reason: String,
    /// Accept pauses for want of file descriptors or memory.
    pub accept_pauses: u64,
    /// Pipes held for splicing, in use or spare.
    pub pipes: u64,
    /// Access log records dropped because the sink was behind.
    pub log_records_dropped: u64,
    /// Time since the accepting thread last came round its loop; it does so at least once a
    /// second.
    pub dispatcher_heartbeat_age: Duration,
    /// Workers in order.
    pub workers: Vec<WorkerSnapshot>,
}

/// One worker thread.
#[derive(Debug, Clone, Default)]
pub struct WorkerSnapshot {
    /// Sessions it holds.
    pub sessions: u64,
    /// Time since it last came round its loop; workers come round at least once a second.
    pub heartbeat_age: Duration,
}

/// One frontend.
#[derive(Debug, Clone)]
pub struct FrontendSnapshot {
    /// Its name.
    pub name: FrontendName,
    /// Its listeners.
    pub listeners: Vec<ListenerSnapshot>,
    /// Open client connections.
    pub connections: u64,
    /// Most at a time, if bounded.
    pub connections_max: Option<u64>,
    /// Accepted since the start.
    pub accepted: u64,
    /// Refused by `allow`, `deny`, a bad PROXY header or for want of a route.
    pub denied: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// One listening socket.
#[derive(Debug, Clone)]
pub struct ListenerSnapshot {
    /// Where it listens.
    pub address: SocketAddr,
    /// Why it accepts nothing at the moment.
    pub paused: Option<AcceptPause>,
}

/// Why a listener leaves clients in the kernel's backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptPause {
    /// The frontend or the process holds as many connections as it may.
    Full,
    /// The frontend accepts as many a second as it may.
    Rate,
    /// The kernel had no file descriptor or memory; tried again within 100 ms.
    Shortage,
}

/// One backend.
#[derive(Debug, Clone)]
pub struct BackendSnapshot {
    /// Its name.
    pub name: BackendName,
    /// How it chooses.
    pub balance: Balance,
    /// Connections waiting for a server.
    pub queued: u64,
    /// Connections that found no server: none up, queue full or waited too long.
    pub refused: u64,
    /// Attempts repeated on the same server.
    pub retries: u64,
    /// Attempts moved to another server.
    pub redispatches: u64,
    /// Servers in the order of the file; servers that drain after their removal come last.
    pub servers: Vec<ServerSnapshot>,
}

/// One server.
#[derive(Debug, Clone)]
pub struct ServerSnapshot {
    /// Its name.
    pub name: ServerName,
    /// Where it listens; none while its name has no address.
    pub address: Option<SocketAddr>,
    /// What the checks say.
    pub health: Health,
    /// What the operator says.
    pub admin: Admin,
    /// Weight in force, as configured or set at run time.
    pub weight: u16,
    /// Effective share in per cent of the weight; below 100 while it starts slowly.
    pub slow_start_percent: u8,
    /// Serves only while no other is up.
    pub backup: bool,
    /// Left out by a reload; ends with its last session.
    pub removed: bool,
    /// Open connections, attempts included.
    pub connections: u64,
    /// Most at a time, if bounded.
    pub connections_max: Option<u64>,
    /// Connections established since the start.
    pub established: u64,
    /// Attempts that the server refused, reset or left unanswered.
    pub connect_errors: u64,
    /// Attempts that failed for want of ports, descriptors or memory on this host.
    pub local_errors: u64,
    /// Sum of the time of successful connects.
    pub connect_time: Duration,
    /// Bytes from clients to the server.
    pub bytes_in: u64,
    /// Bytes from the server to clients.
    pub bytes_out: u64,
}

/// What the checks say of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It takes connections.
    Up,
    /// It doesn't.
    Down,
}

/// What the operator says of a server; wins over its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admin {
    /// As its health says.
    Ready,
    /// No new connections; old ones stay, checks go on.
    Drain,
    /// No connections: new ones are refused, old ones end as `on_down` says; checks rest.
    Maint,
}

/// One session, for lists and for killing.
#[derive(Debug, Clone)]
pub struct SessionSnapshot {
    /// Unique within the process's life.
    pub id: u64,
    /// The client, as the PROXY header says where one is accepted.
    pub client: SocketAddr,
    /// The frontend that accepted it.
    pub frontend: FrontendName,
    /// The server it goes to, once chosen.
    pub server: Option<ServerRef>,
    /// Time since it was accepted.
    pub age: Duration,
    /// Time since the last byte in either direction.
    pub idle: Duration,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

/// What is known of a connection when it has ended: one line of the access log.
#[derive(Debug, Clone)]
pub struct ConnectionRecord {
    /// Unique within the process's life.
    pub id: u64,
    /// The client at accept (or out of its PROXY header).
    pub client: SocketAddr,
    /// The frontend that accepted it.
    pub frontend: FrontendName,
    /// The backend it was routed to.
    pub backend: Option<BackendName>,
    /// The last server tried or used.
    pub server: Option<ServerName>,
    /// From accept until a server was chosen (queue and inspection included).
    pub wait: Duration,
    /// From then until the server's connection stood; none if it never did.
    pub connect: Option<Duration>,
    /// From accept to the end.
    pub total: Duration,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// HAProxy's two characters: who ended it, and in which phase.
    pub termination: Termination,
    /// Attempts after the first.
    pub retries: u32,
    /// One of them went to another server.
    pub redispatched: bool,
}

/// HAProxy's two-character termination state for TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Termination(pub Cause, pub Phase);

/// First character: who or what ended the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `-`: both sides ended in good order.
    Normal,
    /// `C`: the client aborted.
    Client,
    /// `S`: the server aborted or refused.
    Server,
    /// `P`: halb refused it: a list, a limit, a bad header.
    Proxy,
    /// `R`: this host was short of something.
    Resource,
    /// `I`: an error inside halb.
    Internal,
    /// `D`: its server went down.
    Down,
    /// `K`: an operator (or a shutdown) killed it.
    Killed,
    /// `c`: a timeout waiting for the client.
    ClientTimeout,
    /// `s`: a timeout waiting for the server.
    ServerTimeout,
}

/// Second character: the phase it ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `R`: before a server was asked for (PROXY header or ClientHello awaited).
    Request,
    /// `Q`: waiting in the queue.
    Queue,
    /// `C`: connecting to a server.
    Connect,
    /// `D`: data flowed.
    Data,
    /// `L`: the server was done, the last bytes were on their way to the client.
    Last,
    /// `-`: after everything.
    Done,
}
