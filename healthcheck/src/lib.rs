//! Health checks of halb: decides from probes whether a server is up.
//!
//! ```text
//!  targets ──apply──▶ Fleet ──StartProbe──▶ probe (tcp, tls, http, https, script) ──▶ server
//!  failed connects ─▶ (pure) ◀──Outcome──── driver                                ◀──
//!                       └──Changed──▶ Event ──▶ server pool, log
//! ```
//!
//! The crate has a pure part (the integer model of [`health`], one machine per target, the
//! [`fleet`] of them) that takes `now` and events and returns actions and the next deadline, and a
//! driver (feature `driver`, on by default) that owns sockets, processes and clocks.
//!
//! What it keeps:
//! - Checks of one server never overlap, and at most [`fleet::PROBES_MAX`] run at a time.
//! - A server that accepts and stays silent is found within `fall` × `interval` + `timeout`, where
//!   `timeout` ≤ `interval`; one that refuses, within `fall` × `interval`.
//! - A shortage on this host (descriptors, ports, memory, processes) is never taken for a failure
//!   of a server.
//!
//! What it does not do: it balances nothing and closes no session (verdicts go out), parses no
//! configuration file, writes no log and serves no metrics.

pub mod config;
pub mod fleet;
pub mod health;
mod monitor;
pub mod outcome;
pub mod status;

#[cfg(feature = "driver")]
mod driver;
#[cfg(feature = "driver")]
mod probe;
#[cfg(feature = "driver")]
pub mod program;
#[cfg(feature = "driver")]
pub mod setup;

#[cfg(feature = "driver")]
pub use driver::{Checks, EVENTS_MAX, Event};
#[cfg(feature = "driver")]
pub use probe::FILE_READS_MAX;
#[cfg(feature = "driver")]
pub use setup::{CheckSetupError, validate};
