//! The driver on real sockets: two links on loopback, and on two hosts.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod floods;
mod hosts;
mod latency;
mod loopback;
mod support;
