//! What the dispatcher tells a worker.

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Interest;

use super::super::handle::SessionFilter;
use super::super::mail::{Adopted, Opening, ToWorker};
use super::super::shared::ServerShared;
use super::ending::End;
use super::session::{Session, State};
use super::{Worker, token};
use crate::session::{ConnectFailure, Side};
use crate::snapshot::{Cause, SessionSnapshot};

impl Worker {
    pub(super) fn read_mail(&mut self, now: Instant) {
        self.mail.open();
        while let Some(letter) = self.mail.next() {
            match letter {
                ToWorker::Adopt(adopted) => self.adopt(*adopted, now),
                ToWorker::Assign { ticket, target } => {
                    if let Some(key) = self.waiting.remove(&ticket.id) {
                        self.assigned(key, target, now);
                    } else {
                        target.server.workers.of(self.index).released.add(1);
                        self.dispatcher.wake();
                    }
                }
                ToWorker::Refuse { ticket, why } => {
                    if let Some(key) = self.waiting.remove(&ticket.id) {
                        self.end(key, End::Refused(why), now);
                    }
                }
                ToWorker::ServerLost { server, spread, cause } => {
                    self.server_lost(&server, spread, cause, now);
                }
                ToWorker::Kill { filter, reply } => {
                    // The asker may have given up waiting.
                    let _ = reply.send(self.kill(&filter, now));
                }
                ToWorker::List { server, limit, reply } => {
                    let is_listed = |session: &Session| match (&server, &session.target) {
                        (None, _) => true,
                        (Some(server), Some(target)) => target.server.reference() == *server,
                        (Some(_), None) => false,
                    };
                    let oldest = self.oldest(limit, is_listed);
                    let describe = |key: &usize| describe(&self.sessions[*key], now);
                    let _ = reply.send(oldest.iter().map(describe).collect());
                }
                ToWorker::Exit => self.exit = true,
            }
        }
    }

    pub(super) fn adopt(&mut self, adopted: Adopted, now: Instant) {
        let refused = match &adopted.opening {
            Opening::Refused(_, why) => Some(*why),
            Opening::Inspect | Opening::Queued(_) | Opening::Chosen(_) => None,
        };
        let queued = matches!(adopted.opening, Opening::Queued(_));
        let mut session = Session::new(adopted, now);
        if let Some(age) = session.frontend.options.max_age {
            let age = age.age + self.random.up_to(age.jitter);
            session.expires_at = session.accepted_at.checked_add(age);
        }
        let entry = self.sessions.vacant_entry();
        let key = entry.key();
        let client = token(&session, key, Side::Client);
        let registered =
            self.poll.registry().register(&mut session.client, client, Interest::READABLE);
        let id = session.id;
        entry.insert(session);
        if queued {
            self.waiting.insert(id, key);
        }
        match (refused, registered) {
            (Some(why), _) => self.end(key, End::Refused(why), now),
            (None, Ok(())) => self.make_runnable(key),
            (None, Err(_)) => self.end(key, End::Shortage, now),
        }
    }

    /// Sessions of a lost server: those that connect move on, the others end if the backend says
    /// so, each at a moment of its own within `spread`.
    fn server_lost(
        &mut self,
        server: &Arc<ServerShared>,
        spread: Option<Duration>,
        cause: Cause,
        now: Instant,
    ) {
        let keys: Vec<usize> = self.keys_of(|session| session.is_at(server));
        for key in keys {
            match (&self.sessions[key].state, spread) {
                (State::Connecting { .. } | State::Pausing { .. }, _) => {
                    self.connect_failed(key, ConnectFailure::WentDown, now);
                }
                (State::Relaying(_), Some(spread)) => {
                    let at = now + self.random.up_to(spread);
                    self.sessions[key].doom(at, End::Killed(cause));
                }
                (State::Relaying(_) | State::Inspecting { .. } | State::Waiting, _) => {}
            }
            if self.sessions.contains(key) {
                self.arm(key);
            }
        }
    }

    fn kill(&mut self, filter: &SessionFilter, now: Instant) -> u64 {
        let keys = self.keys_of(|session| match filter {
            SessionFilter::Id(id) => session.id == *id,
            SessionFilter::Frontend(name) => session.frontend.options.name == *name,
            SessionFilter::Server(server) => {
                session.target.as_ref().is_some_and(|at| at.server.reference() == *server)
            }
            SessionFilter::All => true,
        });
        for key in &keys {
            self.end(*key, End::Killed(Cause::Killed), now);
        }
        keys.len() as u64
    }

    /// Keys of the sessions with the `limit` lowest ids among those that match.
    fn oldest(&self, limit: usize, matches: impl Fn(&Session) -> bool) -> Vec<usize> {
        let mut heap = BinaryHeap::with_capacity(limit.min(self.sessions.len()) + 1);
        for (key, session) in self.sessions.iter().filter(|(_, session)| matches(session)) {
            heap.push((session.id, key));
            if heap.len() > limit {
                heap.pop();
            }
        }
        heap.into_iter().map(|(_, key)| key).collect()
    }

    fn keys_of(&self, matches: impl Fn(&Session) -> bool) -> Vec<usize> {
        let found = self.sessions.iter().filter(|(_, session)| matches(session));
        found.map(|(key, _)| key).collect()
    }
}

fn describe(session: &Session, now: Instant) -> SessionSnapshot {
    let active_at = match &session.state {
        State::Relaying(relay) => relay.active_at(),
        State::Inspecting { .. }
        | State::Waiting
        | State::Pausing { .. }
        | State::Connecting { .. } => session.accepted_at,
    };
    SessionSnapshot {
        id: session.id,
        client: session.client_address,
        frontend: session.frontend.options.name.clone(),
        server: session.target.as_ref().map(|target| target.server.reference()),
        age: now.saturating_duration_since(session.accepted_at),
        idle: now.saturating_duration_since(active_at),
        bytes_in: session.bytes_from(Side::Client),
        bytes_out: session.bytes_from(Side::Server),
    }
}
