//! Virtual IP of halb: decides which node holds the addresses, as VRRPv2 (RFC 3768, with RFC 2338's
//! passwords) and VRRPv3 (RFC 9568) say.
//!
//! ```text
//!  trackers ──Standing──▶ ┌─────────┐ ──Send──────────▶ sockets
//!  link ────LinkState───▶ │ Router  │ ──AddAddresses──▶ kernel
//!  sockets ──Datagram───▶ │ (pure)  │ ──Announce──────▶ gratuitous ARP, unsolicited NA
//!  clock ──poll_timeout─▶ └─────────┘ ──Transition────▶ log, hooks, journal
//! ```
//!
//! Everything but [`driver`] is pure: it takes `now` and events and returns actions and the next
//! deadline. The driver is one thread with its sockets, and a guard process that outlives it.
//!
//! What it keeps:
//! - A router asks for the addresses to be on the interface if and only if it is active.
//! - A node that can't serve gives the addresses up only to a node that takes them; if all are
//!   equally sick, one of them keeps the addresses.
//! - Nothing from the network can panic or grow memory.
//!
//! What it does not do: it parses no configuration file, writes no log, runs no script or hook and
//! serves no metrics.

pub mod config;
#[cfg(feature = "driver")]
pub mod driver;
pub mod group;
pub mod histogram;
pub mod interfaces;
pub mod link;
pub mod node;
pub mod packet;
pub mod plan;
pub mod router;
pub mod settings;
pub mod timers;
pub mod track;
pub mod values;
