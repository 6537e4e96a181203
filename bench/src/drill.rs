//! Fail-over drills: what clients feel when something fails, on halb and on what it replaces.
//!
//! ```text
//!   plan ─► drills ─► lab (hosts, a fault, witnesses) ─► record ─► figures ─┐
//!                                                        bounds ────────────┴► verdict ─► report
//!   real pair: probes from this host, orders over a command ─► record …
//! ```
//!
//! - [`plan`]: which faults on whom at which settings, and how long that takes.
//! - [`record`]: what was seen in one drill; [`figures`]: what that amounts to.
//! - [`bounds`]: what a drill may cost, and where that comes from; [`verdict`]: whether it did.
//! - [`report`]: tables, JSON, a page with the timelines drawn, a line for a change ticket.
//! - [`lab`]: plays drills on hosts in namespaces; [`real`]: on a pair of real nodes.
//!
//! All but the last two are pure; both send their requests by `requests`.
//!
//! Nobody is asked for the outcome: who holds the address is the kernel's word, what was announced
//! is read off the wire, and what it cost is what clients met.

pub mod bounds;
pub mod figures;
pub mod lab;
pub mod plan;
pub mod real;
pub mod record;
pub mod report;
mod requests;
pub mod verdict;
