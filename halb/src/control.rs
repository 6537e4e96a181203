//! Steering over a Unix socket: the only way to change a running daemon. File permissions of the
//! socket say who may.
//!
//! One JSON object per line, answered by one JSON object per line; a connection may carry several.
//! [`protocol`] holds the types that both ends use, [`frame`] the bounds.

pub mod bound;
pub mod client;
pub mod frame;
pub mod protocol;
pub mod server;
