//! The virtual IP as its users meet it: the real binary, with real files, beside the real keepalived
//! and FRR, on hosts that are network namespaces.
//!
//! ```text
//!   loadbalancer01 .51 ──┐
//!   loadbalancer02 .52 ──┼── bridge      each runs halb, keepalived or FRR
//!   client         .9  ──┘               asks .100 all the time, and hears every advert
//! ```
//!
//! A scenario is written once and run with either program in either role. What is said of the
//! outcome comes from the kernel (who has the address), from the wire (what was sent) and from the
//! client (who answered, and how long nobody did), not from what halb says of itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

mod bounds;
mod drill;
mod election;
mod evening;
mod failures;
mod families;
mod groups;
mod halbs;
mod imported;
mod measure;
mod migrated;
mod mismatches;
mod mixed;
mod packets;
mod reloading;
mod repair;
mod support;
mod told;
mod tracking;
mod upgrade;
