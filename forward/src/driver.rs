//! The thread that keeps the kernel as it should be, and the sockets that it has.
//!
//! ```text
//!  Handle ──table, addresses, messages──▶ ┌────────┐ ──nftables──▶ kernel
//!                                         │ engine │ ──conntrack─▶
//!  kernel ──events───────────────────────▶└────────┘ ──Notice────▶ peer link, log
//! ```
//!
//! No byte of a connection waits for this thread: what it has told the kernel goes on when it
//! doesn't run, and when the process is gone.

mod conntrack;
mod engine;
mod error;
mod handle;
mod nftables;
mod raw;
mod socket;
mod sysctl;

pub use error::{Error, StartError};
pub use handle::{Handle, Limited, Notice, Status, StopHow, clear, start};
pub use sysctl::Changed;

use crate::table::Table;

/// What the thread is to begin with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is forwarded.
    pub table: Table,
    /// Tells this start from others of this node, for the peer: a random number.
    pub epoch: u32,
    /// Settings of the kernel that a run before changed and didn't put back. Whoever keeps them
    /// knows that they are of this boot and this network namespace.
    pub changed: Vec<Changed>,
}
