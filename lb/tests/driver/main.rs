//! The driver of the data path against real sockets on loopback.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod balancing;
mod capacity;
mod common;
mod endings;
mod limits;
mod lingering;
mod part;
mod protocols;
mod reloading;
mod shortages;
mod steering;
mod stress;
mod terminations;
mod vanishing;
