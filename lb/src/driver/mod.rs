//! Threads, sockets and clocks around the pure cores.
//!
//! ```text
//!           ┌───────────────┐ ◀──── accept ────── ┌──────────┐
//!           │  desk         │                     │ worker 0 │ ◀──bytes──▶ clients, servers
//!           │  └ dispatcher │ adopt, assign, kill │ worker 1 │ … one per core
//!           │     └ pools   │────────────────────▶└──────────┘
//!           └───────────────┘ ◀──ask, cancel──────     │ records
//!                  ▲ health, admin, apply              ▼
//!            ┌────────────┐                       access log
//!            │   handle   │◀── view and counters
//!            └────────────┘
//! ```
//!
//! Nobody holds a lock while bytes move. Each thread owns its state and gets letters; the dispatcher
//! is locked while somebody accepts or an order is carried out, and a worker that finds it locked
//! goes on with its sessions. Counters have one writer at a time and are summed by whoever reads.

mod budget;
mod desk;
mod dispatcher;
mod engine;
mod handle;
mod mail;
mod pipe;
mod random;
mod shared;
mod sockets;
mod sys;
mod view;
mod worker;

pub use engine::{Drained, Engine, Hurry, Inherited, Options, PassiveSignal, StartError};
pub use handle::{Applied, ApplyError, Handle, OrderError, SessionFilter};
