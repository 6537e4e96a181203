//! Probes and driver against real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod checks;
mod http;
mod script;
mod stopped;
mod support;
mod tcp;
mod tls;
