//! Choosing a server: for a connection just accepted, for a session that asks, for one that waits
//! in a queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::mail::{Question, Refused, Subject, Ticket, ToWorker};
use super::super::shared::{BackendNow, Target};
use super::{BackendEntry, Dispatcher};
use crate::client_hello::route;
use crate::names::BackendName;
use crate::pool::{Choice, Demand, Expired, Expiry, Refusal, ServerKey, Waiter};

/// What became of a wish for a server.
pub(super) enum Routed {
    /// This one, already counted.
    Chosen(Target),
    /// It waits in this backend's queue.
    Queued(Arc<BackendNow>),
    /// None.
    Refused(Option<Arc<BackendNow>>, Refused),
}

impl Dispatcher {
    /// Answers a session that asked for a server.
    pub(super) fn answer(&mut self, question: Question, now: Instant) {
        let Question { ticket, client, subject, tried } = question;
        let backend = match &subject {
            Subject::Backend(backend) => Some(backend),
            Subject::Route { frontend, sni } => route(&frontend.options.routes, sni.as_deref())
                .or(frontend.options.default_backend.as_ref()),
        };
        let letter = match self.route(backend, ticket, client, &tried, now) {
            Routed::Chosen(target) => ToWorker::Assign { ticket, target },
            Routed::Refused(_, why) => ToWorker::Refuse { ticket, why },
            Routed::Queued(_) => return,
        };
        self.workers[ticket.worker].0.send(letter);
    }

    /// Finds a server of `backend`, or a place in its queue.
    pub(super) fn route(
        &mut self,
        backend: Option<&BackendName>,
        ticket: Ticket,
        client: SocketAddr,
        tried: &[ServerKey],
        now: Instant,
    ) -> Routed {
        let random = self.random.next();
        let Some(name) = backend else { return Routed::Refused(None, Refused::NoRoute) };
        let Some(entry) = self.backend_mut(name) else {
            return Routed::Refused(None, Refused::NoRoute);
        };
        let demand = Demand { client, random, tried };
        match entry.pool.choose(&demand, &entry.servers, now) {
            Choice::Server(key) => Routed::Chosen(entry.assign(key)),
            Choice::Refuse(Refusal::NoServer) => entry.refuse(Refused::NoServer),
            Choice::Wait => {
                let waiter = Waiter { ticket: ticket.id, client, tried: tried.to_vec() };
                if entry.pool.enqueue(waiter, now).is_err() {
                    return entry.refuse(Refused::QueueFull);
                }
                entry.note_queue();
                let backend = Arc::clone(&entry.now);
                self.waiting.insert(ticket.id, (ticket, backend.options.name.clone()));
                self.wanted.raise();
                Routed::Queued(backend)
            }
        }
    }

    /// A session that waited has ended.
    pub(super) fn cancel(&mut self, id: u64) {
        if let Some((_, backend)) = self.waiting.remove(&id)
            && let Some(entry) = self.backend_mut(&backend)
        {
            entry.pool.cancel(id);
            entry.note_queue();
        }
    }

    /// Gives waiting sessions the servers that have become free.
    pub(super) fn serve_queues(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        // Raised before looking: whoever ends a session after the look wakes us again.
        self.wanted.raise();
        for index in 0..self.backends.len() {
            let Self { backends, random, .. } = self;
            let entry = &mut backends[index];
            while let Some((id, key)) = entry.pool.next_waiter(&entry.servers, now, random.next()) {
                let target = entry.assign(key);
                if let Some((ticket, _)) = self.waiting.remove(&id) {
                    self.workers[ticket.worker].0.send(ToWorker::Assign { ticket, target });
                }
            }
            entry.note_queue();
        }
    }

    /// Ends the wait of sessions that waited too long, or for whom no server is left.
    pub(super) fn expire_waiters(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        for entry in &mut self.backends {
            while let Some(Expired { ticket: id, why }) = entry.pool.expire(now) {
                entry.now.stats.refused.add(1);
                if let Some((ticket, _)) = self.waiting.remove(&id) {
                    let why = match why {
                        Expiry::TimedOut => Refused::QueueTimeout,
                        Expiry::NoServer => Refused::NoServer,
                    };
                    self.workers[ticket.worker].0.send(ToWorker::Refuse { ticket, why });
                }
            }
            entry.note_queue();
        }
    }
}

impl BackendEntry {
    fn assign(&self, key: ServerKey) -> Target {
        let server = Arc::clone(&self.servers.0[&key]);
        server.assigned.add(1);
        Target { backend: Arc::clone(&self.now), server }
    }

    fn refuse(&self, why: Refused) -> Routed {
        self.now.stats.refused.add(1);
        Routed::Refused(Some(Arc::clone(&self.now)), why)
    }

    fn note_queue(&self) {
        let queued = u32::try_from(self.pool.queued()).unwrap_or(u32::MAX);
        self.now.stats.queued.store(queued, Ordering::Relaxed);
    }
}
