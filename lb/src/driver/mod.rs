//! Threads, sockets and clocks around the pure cores.
//!
//! ```text
//!            ┌────────────┐   adopt, assign, refuse, kill   ┌──────────┐
//!  accept ──▶│ dispatcher │────────────────────────────────▶│ worker 0 │
//!            │  pools     │◀────────────────────────────────│ worker 1 │ … one per core
//!            └────────────┘      ask, cancel; wake-ups      └──────────┘
//!                  ▲ health, admin, apply                         │ records
//!            ┌────────────┐                                       ▼
//!            │   handle   │◀── view and counters            access log
//!            └────────────┘
//! ```
//!
//! Nobody holds a lock while bytes move. Each thread owns its state and gets letters; counters
//! have one writing thread each and are summed by whoever reads.

mod budget;
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
