//! From a chosen server to a standing connection, or on to the next attempt.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use mio::Interest;

use super::super::mail::{Question, Subject, Ticket, ToDispatcher};
use super::super::shared::Target;
use super::super::sockets::{classify, connect};
use super::ending::{End, release};
use super::session::{Held, Session, State, index};
use super::{Worker, token};
use crate::proxy_protocol::{ENCODED_LEN_MAX, Endpoints, encode};
use crate::session::{ConnectFailure, Next, Relay, Side};

impl Worker {
    /// A turn of a session that waits for the dispatcher: only the client's abort matters.
    pub(super) fn await_answer(&mut self, key: usize, now: Instant) {
        if self.sessions[key].broken[index(Side::Client)] {
            self.end(key, End::ClientLeft, now);
        }
    }

    /// The dispatcher chose a server for a session that asked.
    pub(super) fn assigned(&mut self, key: usize, target: Target, now: Instant) {
        let session = &mut self.sessions[key];
        let pause = session.attempts.chosen(target.server.key, &target.backend.options);
        if session.attempts.retries() > 0 {
            let counts = target.backend.stats.workers.of(self.index);
            let kind = if pause.is_zero() { &counts.redispatches } else { &counts.retries };
            kind.add(1);
        }
        session.chosen_at.get_or_insert(now);
        session.backend = Some(Arc::clone(&target.backend));
        session.target = Some(target);
        session.state = State::Pausing { until: now + pause };
        self.make_runnable(key);
    }

    /// A turn of a session that is to connect or does.
    pub(super) fn connecting(&mut self, key: usize, now: Instant) {
        let session = &self.sessions[key];
        if session.broken[index(Side::Client)] {
            self.end(key, End::ClientLeft, now);
            return;
        }
        match session.state {
            State::Pausing { until } if until <= now => self.start_connect(key, now),
            State::Connecting { since } => self.check_connect(key, since, now),
            State::Pausing { .. }
            | State::Inspecting { .. }
            | State::Waiting
            | State::Relaying(_) => {}
        }
    }

    fn start_connect(&mut self, key: usize, now: Instant) {
        let session = &mut self.sessions[key];
        let target = session.target.as_ref().expect("a pause ends in a connect to its target");
        let options = &target.backend.options;
        let attempt = match target.server.address {
            Some(address) => connect(address, options.source),
            // A pool chooses none of these; if it did, that server would have failed.
            None => Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let token = token(session, key, Side::Server);
        let registered = attempt.and_then(|mut stream| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, token, interest)?;
            Ok(stream)
        });
        session.readable[index(Side::Server)] = false;
        session.closing[index(Side::Server)] = false;
        session.broken[index(Side::Server)] = false;
        session.server_writable = false;
        match registered {
            Ok(stream) => {
                session.server = Some(stream);
                session.state = State::Connecting { since: now };
            }
            Err(error) => self.connect_failed(key, classify(&error), now),
        }
    }

    fn check_connect(&mut self, key: usize, since: Instant, now: Instant) {
        let session = &mut self.sessions[key];
        let (Some(server), Some(target)) = (&session.server, &session.target) else { return };
        // A socket that connects is neither writable nor in error; one of both ends that.
        let broken = session.broken[index(Side::Server)];
        let error = if broken { server.take_error().unwrap_or_else(Some) } else { None };
        if let Some(error) = error {
            self.connect_failed(key, classify(&error), now);
        } else if session.server_writable {
            let took = now.saturating_duration_since(since);
            let counts = target.server.workers.of(self.index);
            counts.established.add(1);
            counts.connect_nanos.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            session.connected_in = Some(took);
            self.start_relay(key, now);
        } else if now >= since + target.backend.options.connect_timeout {
            self.connect_failed(key, ConnectFailure::TimedOut, now);
        }
    }

    /// An attempt failed; what follows is the pure core's decision.
    pub(super) fn connect_failed(&mut self, key: usize, why: ConnectFailure, now: Instant) {
        let worker = self.index;
        let session = &mut self.sessions[key];
        let attempt = session.server.take();
        let target = session.target.clone().expect("an attempt has a target");
        if let Some(mut attempt) = attempt {
            // The next attempt has the same token. Fails only for a socket that wasn't watched.
            let _ = self.poll.registry().deregister(&mut attempt);
        }
        self.blame(&target, why);
        let session = &mut self.sessions[key];
        match session.attempts.failed(target.server.key, why, &target.backend.options) {
            Next::GiveUp => self.end(key, End::ConnectFailed(why), now),
            Next::SameAfter(pause) => {
                target.backend.stats.workers.of(worker).retries.add(1);
                session.state = State::Pausing { until: now + pause };
            }
            Next::Ask => {
                release(session, worker);
                self.ask(key, Subject::Backend(target.backend.options.name.clone()));
            }
        }
    }

    fn blame(&self, target: &Target, why: ConnectFailure) {
        let counts = target.server.workers.of(self.index);
        match why {
            ConnectFailure::Refused | ConnectFailure::TimedOut => {
                counts.connect_errors.add(1);
                (self.passive)(&target.server.reference());
            }
            ConnectFailure::Local => counts.local_errors.add(1),
            ConnectFailure::WentDown => {}
        }
    }

    /// Asks the dispatcher for a server.
    pub(super) fn ask(&mut self, key: usize, subject: Subject) {
        let session = &mut self.sessions[key];
        session.state = State::Waiting;
        self.waiting.insert(session.id, key);
        let question = Question {
            ticket: Ticket { worker: self.index, id: session.id },
            client: session.client_address,
            subject,
            tried: session.attempts.tried().to_vec(),
        };
        self.dispatcher.send(ToDispatcher::Ask(Box::new(question)));
    }

    fn start_relay(&mut self, key: usize, now: Instant) {
        let session = &mut self.sessions[key];
        let header = proxy_header(session);
        let mut relay = Relay::new(header.len(), now);
        if !header.is_empty() {
            session.held[index(Side::Client)] = Held::Bytes { bytes: header, start: 0 };
        }
        for side in [Side::Client, Side::Server] {
            if session.readable[index(side)] {
                relay.readable(side, session.closing[index(side)]);
            }
            if session.broken[index(side)] {
                relay.broken(side);
            }
        }
        session.state = State::Relaying(relay);
        self.relay(key, now);
    }
}

/// The PROXY header that the server gets first, if any.
fn proxy_header(session: &Session) -> Box<[u8]> {
    let version = session.backend.as_ref().and_then(|backend| backend.options.send_proxy);
    let Some(version) = version else { return Box::default() };
    let destination = session.destination.or_else(|| session.client.local_addr().ok());
    let endpoints =
        destination.map(|destination| Endpoints { source: session.client_address, destination });
    let mut header = [0; ENCODED_LEN_MAX];
    let len = encode(version, endpoints, &mut header);
    header[..len].into()
}
