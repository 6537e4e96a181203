//! A session as its worker holds it: sockets, state, and what people want to know of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::super::mail::{Adopted, Opening};
use super::super::pipe::Pipe;
use super::super::shared::{BackendNow, FrontendNow, ServerShared, Target};
use super::super::sockets::{send_at_once, watch_peer};
use super::ending::End;
use crate::session::{Attempts, Limits, Relay, Side};

pub(super) struct Session {
    pub(super) id: u64,
    pub(super) client: TcpStream,
    pub(super) server: Option<TcpStream>,
    pub(super) client_address: SocketAddr,
    /// Where the client wanted to go, as its PROXY header says.
    pub(super) destination: Option<SocketAddr>,
    pub(super) frontend: Arc<FrontendNow>,
    /// The backend it was routed to, once known.
    pub(super) backend: Option<Arc<BackendNow>>,
    /// The server in use or being tried.
    pub(super) target: Option<Target>,
    pub(super) state: State,
    pub(super) attempts: Attempts,
    /// Bytes read and not yet written, by the side that they came from.
    pub(super) held: [Held; 2],

    pub(super) accepted_at: Instant,
    pub(super) chosen_at: Option<Instant>,
    pub(super) connected_in: Option<Duration>,
    /// When it reaches its greatest age.
    pub(super) expires_at: Option<Instant>,
    /// A kill under way: when, and why.
    pub(super) doomed: Option<(Instant, End)>,

    /// What the kernel said about each side before the relay could be told.
    pub(super) readable: [bool; 2],
    pub(super) closing: [bool; 2],
    pub(super) broken: [bool; 2],
    /// The server's socket said that it takes bytes: the connect succeeded.
    pub(super) server_writable: bool,
    /// The kernel watches whether the server is still there: once the session has lasted.
    pub(super) server_watched: bool,
    pub(super) server_nagle: Nagle,
    /// Writability of the client is subscribed to: only once a write fell short.
    pub(super) wants_client_writable: bool,
    /// Bytes already added to the counters, by the side that they came from.
    pub(super) counted: [u64; 2],
    pub(super) queued: bool,
}

/// How far it is.
pub(super) enum State {
    /// The client's first bytes are awaited.
    Inspecting {
        /// Bytes of the PROXY header still to be read are done with.
        proxy_done: bool,
        until: Instant,
    },
    /// The dispatcher was asked for a server.
    Waiting,
    /// The same server is tried again at `until`.
    Pausing { until: Instant },
    /// A connect is under way.
    Connecting { since: Instant },
    /// Bytes flow.
    Relaying(Relay),
}

/// Whether the kernel may hold small writes to the server back until earlier ones are acknowledged
/// (Nagle's algorithm, RFC 9293, section 3.7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nagle {
    /// It may, and nothing was written.
    Untried,
    /// It may; the first write had no earlier one to wait for.
    Idle,
    /// It may not.
    Off,
}

/// Bytes on their way, outside the kernel's socket buffers.
#[derive(Default)]
pub(super) enum Held {
    #[default]
    Nothing,
    /// Copied bytes that the sink had no room for, from `start` on.
    Bytes { bytes: Box<[u8]>, start: usize },
    /// In a pipe.
    Piped(Pipe),
}

impl Nagle {
    /// To be called before each write: none is held back.
    pub(super) fn before_write(&mut self, server: &TcpStream) {
        *self = match self {
            Self::Untried => Self::Idle,
            Self::Idle => {
                // Fails only for a socket that is gone, which the write tells.
                let _ = send_at_once(server);
                Self::Off
            }
            Self::Off => return,
        }
    }
}

impl Session {
    pub(super) fn new(adopted: Adopted, now: Instant) -> Self {
        let Adopted { id, stream, client, accepted_at, frontend, opening } = adopted;
        let state = match &opening {
            Opening::Inspect => State::Inspecting {
                proxy_done: !frontend.options.accept_proxy,
                until: now + frontend.options.inspect_timeout,
            },
            Opening::Queued(_) | Opening::Refused(..) => State::Waiting,
            // The pause of no length: the first turn connects.
            Opening::Chosen(_) => State::Pausing { until: now },
        };
        let (backend, target) = match opening {
            Opening::Inspect => (None, None),
            Opening::Queued(backend) => (Some(backend), None),
            Opening::Refused(backend, _) => (backend, None),
            Opening::Chosen(target) => (Some(Arc::clone(&target.backend)), Some(target)),
        };
        Self {
            id,
            client: stream,
            server: None,
            client_address: client,
            destination: None,
            frontend,
            backend,
            chosen_at: target.is_some().then_some(now),
            target,
            state,
            attempts: Attempts::default(),
            held: [Held::Nothing, Held::Nothing],
            accepted_at,
            connected_in: None,
            expires_at: None,
            doomed: None,
            readable: [false; 2],
            closing: [false; 2],
            broken: [false; 2],
            server_writable: false,
            server_watched: false,
            server_nagle: Nagle::Untried,
            wants_client_writable: false,
            counted: [0; 2],
            queued: false,
        }
    }

    pub(super) fn note_readable(&mut self, side: Side, closing: bool) {
        if let State::Relaying(relay) = &mut self.state {
            relay.readable(side, closing);
        } else {
            self.readable[index(side)] = true;
            self.closing[index(side)] |= closing;
        }
    }

    pub(super) fn note_writable(&mut self, side: Side) {
        if let State::Relaying(relay) = &mut self.state {
            relay.writable(side);
        } else {
            self.server_writable |= side == Side::Server;
        }
    }

    pub(super) fn note_broken(&mut self, side: Side) {
        self.broken[index(side)] = true;
        if let State::Relaying(relay) = &mut self.state {
            relay.broken(side);
        }
    }

    /// When it must be looked at even if nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Inspecting { until, .. } | State::Pausing { until } => Some(*until),
            State::Waiting => None, // the dispatcher keeps the queue's time
            State::Connecting { since } => {
                let backend = self.backend.as_ref().map(|backend| &backend.options);
                backend.map(|backend| *since + backend.connect_timeout)
            }
            State::Relaying(relay) => {
                let end = relay.deadline(&self.limits()).map(|(at, _)| at);
                end.into_iter().chain(self.lasts_from()).min()
            }
        };
        own.into_iter().chain(self.doomed.as_ref().map(|(at, _)| *at)).min()
    }

    /// When it will have lasted so long that the kernel is to watch its server; none: it does.
    pub(super) fn lasts_from(&self) -> Option<Instant> {
        (!self.server_watched).then(|| self.accepted_at + LASTING)
    }

    /// Has the kernel watch the server.
    pub(super) fn watch_server(&mut self) {
        self.server_watched = true;
        if let (Some(server), Some(backend)) = (&self.server, &self.backend) {
            // Options that a listener took at the start can't be wrong here, and a socket that is
            // gone needs them no more.
            let _ = watch_peer(server, &backend.options.server);
        }
    }

    /// The end that has come by time alone.
    pub(super) fn overdue(&self, now: Instant) -> Option<End> {
        self.doomed.filter(|(at, _)| *at <= now).map(|(_, end)| end)
    }

    /// Ends it at `at`, if nothing ends it before.
    pub(super) fn doom(&mut self, at: Instant, end: End) {
        if self.doomed.is_none_or(|(earlier, _)| at < earlier) {
            self.doomed = Some((at, end));
        }
    }

    pub(super) fn limits(&self) -> Limits {
        let frontend = &self.frontend.options;
        let server_fin = self.backend.as_ref().map(|backend| backend.options.server.fin_timeout);
        let client_fin = frontend.client.fin_timeout;
        Limits {
            idle: frontend.idle_timeout,
            fin: [client_fin, server_fin.unwrap_or(client_fin)],
            expires_at: self.expires_at,
        }
    }

    /// Payload bytes passed on from this side.
    pub(super) fn bytes_from(&self, side: Side) -> u64 {
        match &self.state {
            State::Relaying(relay) => relay.bytes_from(side),
            State::Inspecting { .. }
            | State::Waiting
            | State::Pausing { .. }
            | State::Connecting { .. } => 0,
        }
    }

    /// It uses or tries this server.
    pub(super) fn is_at(&self, server: &Arc<ServerShared>) -> bool {
        self.target.as_ref().is_some_and(|target| Arc::ptr_eq(&target.server, server))
    }
}

/// A connection that is younger is left to its client's and its own end: to ask the kernel for
/// keepalive and the like costs five calls, and its first probe is seconds away.
const LASTING: Duration = Duration::from_secs(1);

pub(super) fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_after_the_first_write_waits_for_no_acknowledgement() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut nagle = Nagle::Untried;
        let mut write = || {
            nagle.before_write(&server);
            server.nodelay().unwrap()
        };
        assert_eq!([write(), write(), write()], [false, true, true]);
    }
}
