//! The driver against hosts that are reached over SSH: servers in this process, and OpenSSH's own.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod applying;
mod commands;
mod connecting;
mod drill;
mod files;
mod locks;
mod openssh;
mod operator;
mod resuming;
mod seed;
mod server;
