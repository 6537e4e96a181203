//! Getting a server connection: how often it is tried, and what follows a failure.

use std::time::Duration;

use crate::config::{Backend, RETRY_PAUSE};
use crate::pool::ServerKey;

/// Servers remembered as tried by one connection. With more, the oldest is forgotten: it may have
/// recovered meanwhile.
pub const TRIED_MAX: usize = 8;

/// Why an attempt to connect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The server refused, reset, or can't be reached.
    Refused,
    /// No answer within the connect timeout.
    TimedOut,
    /// This host had no port, descriptor or memory left. Says nothing about the server.
    Local,
    /// The server went down while the attempt was under way.
    WentDown,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask for a server, another one where there is one.
    Ask,
    /// Try the same server again after this pause.
    SameAfter(Duration),
    /// Close the client's connection.
    GiveUp,
}

/// Attempts of one connection: who was tried, and how many tries are left.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    tried: Vec<ServerKey>,
    failed: u32,
    redispatched: bool,
}

impl Attempts {
    /// An attempt at `server` failed; says what follows under this backend's rules.
    ///
    /// A local shortage is tried again like a failure, after the pause and on the same terms: it
    /// passes, and hammering the kernel wouldn't help.
    pub fn failed(&mut self, server: ServerKey, why: ConnectFailure, backend: &Backend) -> Next {
        self.failed += 1;
        if self.failed > backend.retries {
            return Next::GiveUp;
        }
        let pause = RETRY_PAUSE.min(backend.connect_timeout);
        if why == ConnectFailure::Local {
            return Next::SameAfter(pause);
        }
        if !backend.redispatch && why != ConnectFailure::WentDown {
            return Next::SameAfter(pause);
        }
        if self.tried.len() == TRIED_MAX {
            self.tried.remove(0);
        }
        self.tried.push(server);
        Next::Ask
    }

    /// A server was chosen. Says how long to wait before connecting: a server that failed this
    /// very connection before gets a moment to recover.
    pub fn chosen(&mut self, server: ServerKey, backend: &Backend) -> Duration {
        if self.tried.contains(&server) {
            return RETRY_PAUSE.min(backend.connect_timeout);
        }
        self.redispatched |= !self.tried.is_empty();
        Duration::ZERO
    }

    /// Servers that failed this connection.
    #[must_use]
    pub fn tried(&self) -> &[ServerKey] {
        &self.tried
    }

    /// Attempts after the first.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.failed
    }

    /// An attempt went to another server than the one before.
    #[must_use]
    pub fn redispatched(&self) -> bool {
        self.redispatched
    }
}

#[cfg(test)]
mod tests;
