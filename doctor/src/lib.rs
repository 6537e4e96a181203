//! What on a host stands in the way of halb, and what to change.
//!
//! ```text
//!  files, programs, the wire ──driver──▶ Host ──┐
//!                                               ├──judge──▶ findings
//!               configuration ────────▶ Wanted ─┘
//! ```
//!
//! [`judge()`] is pure: the same facts give the same findings, and tests are tables of them. The
//! [`driver`] gathers facts and changes nothing. What it can't see is a finding too
//! ([`Level::Unknown`]): silence would read like health.
//!
//! It does not look at servers (checks do) nor at the configuration file (`halb check` does).

pub mod driver;
pub mod facts;
pub mod firewall;
pub mod judge;
pub mod wire;

pub use facts::{Host, Wanted};
pub use judge::{Finding, Level, judge};
