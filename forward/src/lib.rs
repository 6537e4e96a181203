//! Kernel forwarding of halb: connections that the kernel translates and no process touches, and
//! that therefore outlive the process, and with their state copied to the peer also the host.
//!
//! ```text
//!  configuration, health ──Table──▶ program ──▶ transaction ──▶ nftables
//!  kernel's events ──▶ Publisher ──messages──▶ (peer link) ──▶ Shadow ──▶ the peer's kernel
//!  kernel's counters ──▶ Accounts ──▶ status
//!  a server goes down ──▶ Ending ──▶ entries deleted, clients asked to ask
//! ```
//!
//! Everything but the driver is pure: it takes `now` and events and returns actions and the next
//! deadline. The driver is one thread with netlink sockets; no byte of a connection waits for it.
//!
//! What it keeps:
//! - The same table and the same health give the same rules on each node, so that a connection
//!   that one node translated is translated the same way by the other.
//! - A change of the table is one transaction: there is no moment with half of it.
//! - A flow of a server that serves on is never touched by a change.
//! - Nothing that the peer sends can panic, grow memory without bound, or name a flow that the own
//!   table doesn't know.
//!
//! What it does not do: it decides neither health nor who holds an address, carries no message to
//! the peer itself, reads no configuration file, writes no log and serves no metrics.

pub mod accounts;
#[cfg(feature = "driver")]
mod attribute;
#[cfg(feature = "driver")]
mod conntrack;
#[cfg(feature = "driver")]
pub mod driver;
pub mod ending;
pub mod flows;
mod mix;
#[cfg(feature = "driver")]
mod nftables;
pub mod program;
pub mod table;
