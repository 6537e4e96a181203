//! Data path of halb: accepts TCP connections, chooses a server for each, and moves bytes.
//!
//! ```text
//!  listeners ──accept──▶ worker ◀──bytes──▶ client, server
//!                          ▲ one readiness loop per thread
//!                          └─ dispatcher: which server, which worker; pools, queues
//! ```
//!
//! The crate has a pure part (configuration, balancing, pools, the session machine, codecs) that
//! takes `now` and events and returns actions, and a driver (feature `driver`, on by default) that
//! owns sockets, threads and clocks.
//!
//! What this crate does not do: it probes no server (verdicts come in from outside), parses no
//! configuration file, writes no log and serves no metrics (records and counters go out).

pub mod admission;
mod balance;
pub mod client_hello;
pub mod config;
#[cfg(feature = "driver")]
pub mod driver;
pub mod names;
pub mod pool;
pub mod proxy_protocol;
pub mod session;
pub mod snapshot;
pub mod wheel;
