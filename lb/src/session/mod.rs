//! One connection from accept to end, as a pure machine: readiness, outcomes and time go in;
//! reads, writes, shutdowns and the end come out. Sockets, pipes and buffers belong to the driver.
//!
//! ```text
//!            ┌─────────── opening ───────────┐          ┌──────── relay ────────┐
//!  accept ─▶ inspect ─▶ await server ─▶ connect ─────▶ client ⇄ server ─▶ end
//!               ▲            ▲   failed    │
//!               │            └─────────────┘  another server, or a pause and the same
//!         PROXY header, ClientHello
//! ```

mod opening;
mod relay;

pub use opening::{Attempts, ConnectFailure, Next, TRIED_MAX};
pub use relay::{
    BULK_CHUNK, CHUNK, Ending, Limits, ReadOutcome, Relay, Step, TURN_BYTES, WriteOutcome,
};

/// One of the two ends of a session. A direction of the byte flow is named by the side that it
/// comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who connected to halb.
    Client,
    /// Whom halb connected to.
    Server,
}

impl Side {
    /// The opposite end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}
