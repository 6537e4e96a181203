//! The end of a session: sockets closed the right way, everything counted, one record written.

use std::time::Instant;

use mio::net::TcpStream;

use super::super::mail::{Refused, ToDispatcher};
use super::super::sockets::reset;
use super::super::sys::unsent;
use super::session::{Held, Session, State};
use super::{Worker, wheel_key};
use crate::session::{ConnectFailure, Ending, Side};
use crate::snapshot::{Cause, ConnectionRecord, Phase, Termination};

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The relay is over.
    Relayed(Ending),
    /// The client left before a server was connected.
    ClientLeft,
    /// The client's first bytes were no PROXY header.
    BadHeader,
    /// No PROXY header came in time.
    HeaderTimeout,
    /// The dispatcher had no server.
    Refused(Refused),
    /// No attempt to connect succeeded; how the last one failed.
    ConnectFailed(ConnectFailure),
    /// Killed: by an operator, a shutdown, or with its server.
    Killed(Cause),
    /// This host was short of something.
    Shortage,
}

impl Worker {
    /// Ends a session and forgets it.
    pub(super) fn end(&mut self, key: usize, end: End, now: Instant) {
        let mut session = self.sessions.remove(key);
        self.wheel.cancel(wheel_key(key));
        count_bytes(&mut session, self.index);
        self.give_back_pipes(&mut session);
        let record = session.frontend.options.access_log.then(|| record(&session, end, now));
        self.account(&session, end);
        if self.waiting.remove(&session.id).is_some() {
            self.dispatcher.send(ToDispatcher::Cancel { id: session.id });
        }
        close(session, end);
        self.descriptors.connection_closed();
        self.state.closed.add(1);
        self.report(record);
        if self.wanted.lower() {
            self.pipes.release_spare();
            self.dispatcher.wake();
        }
    }

    /// A session whose end is no news to its client: the engine stops.
    pub(super) fn end_all(&mut self, now: Instant) {
        let keys: Vec<usize> = self.sessions.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.end(key, End::Killed(Cause::Killed), now);
        }
    }

    fn give_back_pipes(&mut self, session: &mut Session) {
        let relay_holds = |side| match &session.state {
            State::Relaying(relay) => relay.held_from(side),
            State::Inspecting { .. }
            | State::Waiting
            | State::Pausing { .. }
            | State::Connecting { .. } => 0,
        };
        let empty = [relay_holds(Side::Client) == 0, relay_holds(Side::Server) == 0];
        for (held, empty) in session.held.iter_mut().zip(empty) {
            // A pipe with bytes in it is closed; they must not reach another session.
            if let Held::Piped(pipe) = std::mem::take(held)
                && empty
            {
                self.pipes.give(pipe);
            }
        }
    }

    fn account(&self, session: &Session, end: End) {
        let frontend = session.frontend.stats.workers.of(self.index);
        frontend.closed.add(1);
        if matches!(end, End::BadHeader | End::HeaderTimeout | End::Refused(Refused::NoRoute)) {
            frontend.denied.add(1);
        }
        if let Some(target) = &session.target {
            target.server.workers.of(self.index).released.add(1);
        }
    }

    /// Hands the record to the log, which may be behind: then it is dropped and counted.
    fn report(&self, record: Option<ConnectionRecord>) {
        if let (Some(record), Some(records)) = (record, &self.records)
            && records.try_send(Box::new(record)).is_err()
        {
            self.state.records_dropped.add(1);
        }
    }
}

/// Adds what was moved since the last time to the counters.
pub(super) fn count_bytes(session: &mut Session, worker: usize) {
    let Some(target) = &session.target else { return };
    let (bytes_in, bytes_out) =
        (session.bytes_from(Side::Client), session.bytes_from(Side::Server));
    let [counted_in, counted_out] = session.counted;
    let (new_in, new_out) = (bytes_in - counted_in, bytes_out - counted_out);
    if new_in == 0 && new_out == 0 {
        return;
    }
    let frontend = session.frontend.stats.workers.of(worker);
    frontend.bytes_in.add(new_in);
    frontend.bytes_out.add(new_out);
    let server = target.server.workers.of(worker);
    server.bytes_in.add(new_in);
    server.bytes_out.add(new_out);
    session.counted = [bytes_in, bytes_out];
}

fn close(session: Session, end: End) {
    let Session { client, server, .. } = session;
    match end {
        End::Relayed(Ending::Reset(Side::Client)) => {
            drop(client);
            server.into_iter().for_each(reset);
        }
        End::Relayed(Ending::Reset(Side::Server)) => reset_unless_unsent(client),
        End::Killed(_) => {
            reset(client);
            server.into_iter().for_each(reset);
        }
        // The client was served nothing: a reset tells it so at once and leaves no TIME_WAIT.
        End::ClientLeft
        | End::BadHeader
        | End::HeaderTimeout
        | End::Refused(_)
        | End::ConnectFailed(_)
        | End::Shortage => {
            reset(client);
            server.into_iter().for_each(reset);
        }
        End::Relayed(
            Ending::Finished | Ending::Idle(_) | Ending::FinTimeout(_) | Ending::Expired,
        ) => {}
    }
}

/// The server's reset is passed on, unless that would destroy an answer that waits for the
/// client's window.
fn reset_unless_unsent(client: TcpStream) {
    if unsent(&client).is_ok_and(|bytes| bytes == 0) {
        reset(client);
    }
}

fn record(session: &Session, end: End, now: Instant) -> ConnectionRecord {
    let wait_end = session.chosen_at.unwrap_or(now);
    ConnectionRecord {
        id: session.id,
        client: session.client_address,
        frontend: session.frontend.options.name.clone(),
        backend: session.backend.as_ref().map(|backend| backend.options.name.clone()),
        server: session.target.as_ref().map(|target| target.server.name.clone()),
        wait: wait_end.saturating_duration_since(session.accepted_at),
        connect: session.connected_in,
        total: now.saturating_duration_since(session.accepted_at),
        bytes_in: session.bytes_from(Side::Client),
        bytes_out: session.bytes_from(Side::Server),
        termination: termination(session, end),
        retries: session.attempts.retries(),
        redispatched: session.attempts.redispatched(),
    }
}

/// HAProxy's two characters (configuration.txt, "Session state at disconnection").
fn termination(session: &Session, end: End) -> Termination {
    let phase = phase(session);
    match end {
        End::Relayed(Ending::Finished) => Termination(Cause::Normal, Phase::Done),
        End::Relayed(Ending::Reset(Side::Client)) | End::ClientLeft => {
            Termination(Cause::Client, phase)
        }
        End::Relayed(Ending::Reset(Side::Server)) => Termination(Cause::Server, phase),
        End::Relayed(Ending::Idle(side) | Ending::FinTimeout(side)) => {
            Termination(timeout_of(side), phase)
        }
        End::Relayed(Ending::Expired) => Termination(Cause::Proxy, phase),
        End::BadHeader | End::Refused(Refused::NoRoute) => {
            Termination(Cause::Proxy, Phase::Request)
        }
        End::HeaderTimeout => Termination(Cause::ClientTimeout, Phase::Request),
        End::Refused(Refused::NoServer) => Termination(Cause::Server, Phase::Connect),
        End::Refused(Refused::QueueFull) => Termination(Cause::Proxy, Phase::Queue),
        End::Refused(Refused::QueueTimeout) => Termination(Cause::ServerTimeout, Phase::Queue),
        End::ConnectFailed(ConnectFailure::Refused | ConnectFailure::WentDown) => {
            Termination(Cause::Server, Phase::Connect)
        }
        End::ConnectFailed(ConnectFailure::TimedOut) => {
            Termination(Cause::ServerTimeout, Phase::Connect)
        }
        End::ConnectFailed(ConnectFailure::Local) | End::Shortage => {
            Termination(Cause::Resource, Phase::Connect)
        }
        End::Killed(cause) => Termination(cause, phase),
    }
}

fn timeout_of(side: Side) -> Cause {
    match side {
        Side::Client => Cause::ClientTimeout,
        Side::Server => Cause::ServerTimeout,
    }
}

fn phase(session: &Session) -> Phase {
    match &session.state {
        State::Inspecting { .. } => Phase::Request,
        State::Waiting => Phase::Queue,
        State::Pausing { .. } | State::Connecting { .. } => Phase::Connect,
        State::Relaying(relay) if relay.last_bytes_pending() => Phase::Last,
        State::Relaying(_) => Phase::Data,
    }
}

/// Drops a target, for which the session no longer counts.
pub(super) fn release(session: &mut Session, worker: usize) {
    if let Some(target) = session.target.take() {
        target.server.workers.of(worker).released.add(1);
    }
}
