//! The driver between hosts in network namespaces: a client, two balancers and three servers, and
//! real connections through an address that moves.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod encoding;
mod failures;
mod forwarding;
mod limits;
mod support;
mod takeover;
