//! Load: many connections that order bytes from a backend of our own, and what came of it.
//!
//! ```text
//!   generator (threads, one readiness loop each)          backend (halb bench --serve)
//!     Client ─ order, bytes ─▶ subject ─▶ … ─▶ Answer ─ bytes ─▶ back
//!       └─ Tally: what was done in the window, how long it took
//! ```
//!
//! Pure: [`order`] (the format), [`schedule`], [`client`] (one connection's work), [`answer`] (the
//! backend's side of one connection) and [`tally`]. Drivers: [`generator`], [`backend`] and [`relay`],
//! which is the least that a subject can be.
//!
//! # Invariants
//! - A latency counts from the moment at which the work was due, not from when a busy connection
//!   came to it; what was due and never done counts too. So a subject that stalls can't hide that
//!   by keeping the generator from asking (coordinated omission).
//! - Bounded in connections, in time and in the size of what is ordered.

mod alarm;
pub mod answer;
pub mod backend;
pub mod client;
pub mod generator;
mod listeners;
pub mod order;
pub mod relay;
pub mod schedule;
pub mod tally;

pub use self::{
    backend::{Backend, answers},
    client::{Life, Pace, Work},
    generator::{Load, Part, raise_descriptor_limit, run},
    relay::Relay,
    tally::{Tally, Window},
};

/// Most connections of one load: the programs under test need two descriptors for each, and 20,000
/// is a hard limit that is met in practice.
pub const CONNECTIONS_MAX: usize = 9_000;

/// Bytes moved by one system call.
const CHUNK: usize = 256 * 1024;

/// Readiness events taken from the kernel at a time; more wait for the next round.
const EVENTS_MAX: usize = 1024;

/// Reads and writes of one connection before others get their turn.
const MOVES: usize = 16;
