//! The driver on real interfaces: hosts in namespaces on one segment, each with its thread of
//! virtual routers, all within this process.

#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod election;
mod interfaces;
mod ordering;
mod process;
mod reloading;
mod world;
