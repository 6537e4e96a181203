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
    /// Each server once, the one that failed last at the end.
    tried: Vec<ServerKey>,
    /// Whom the last failed attempt went to, for whatever reason it failed.
    last: Option<ServerKey>,
    retries: u32,
    redispatched: bool,
}

impl Attempts {
    /// An attempt at `server` failed; says what follows under this backend's rules.
    ///
    /// A local shortage is tried again like a failure, after the pause and on the same terms: it
    /// passes, and hammering the kernel wouldn't help.
    pub fn failed(&mut self, server: ServerKey, why: ConnectFailure, backend: &Backend) -> Next {
        self.last = Some(server);
        let moves_on = match why {
            ConnectFailure::Local => false,
            ConnectFailure::WentDown => true,
            ConnectFailure::Refused | ConnectFailure::TimedOut => backend.redispatch,
        };
        if moves_on {
            self.remember(server);
        }
        if self.retries >= backend.retries {
            return Next::GiveUp;
        }
        self.retries += 1;
        if moves_on { Next::Ask } else { Next::SameAfter(pause(backend)) }
    }

    fn remember(&mut self, server: ServerKey) {
        self.tried.retain(|known| *known != server);
        if self.tried.len() == TRIED_MAX {
            self.tried.remove(0);
        }
        self.tried.push(server);
    }

    /// A server was chosen. Says how long to wait before connecting: a server that failed this
    /// very connection before gets a moment to recover.
    pub fn chosen(&mut self, server: ServerKey, backend: &Backend) -> Duration {
        self.redispatched |= self.last.is_some_and(|last| last != server);
        if self.last == Some(server) || self.tried.contains(&server) {
            return pause(backend);
        }
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
        self.retries
    }

    /// An attempt went to another server than the one before.
    #[must_use]
    pub fn redispatched(&self) -> bool {
        self.redispatched
    }
}

fn pause(backend: &Backend) -> Duration {
    RETRY_PAUSE.min(backend.connect_timeout)
}

#[cfg(test)]
mod tests;
