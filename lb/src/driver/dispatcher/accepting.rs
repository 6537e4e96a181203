//! Accepting: who is let in, when to leave clients in the kernel's backlog, and which worker gets
//! a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::super::mail::{Adopted, Opening, Ticket, ToWorker};
use super::super::shared::FrontendNow;
use super::super::sockets::{Refused, refused, reset};
use super::Dispatcher;
use super::routing::Routed;
use crate::admission::AcceptRate;
use crate::snapshot::{AcceptPause, Cause, ConnectionRecord, Phase, Termination};

/// Connections accepted from one listener before the next one gets its turn and mail is read.
const BATCH: usize = 64;

/// Rest after an accept that failed and took nothing from the queue (HAProxy's 100 ms).
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

impl Dispatcher {
    /// Accepts what waits, as far as limits allow.
    pub(super) fn accept(&mut self, now: Instant) {
        if self.held {
            return;
        }
        // By key, since accepting borrows all of the dispatcher: a list of keys would be allocated
        // for every connection. Accepting opens and closes no listener.
        for key in 0..self.listeners.capacity() {
            if self.listeners.contains(key) {
                self.accept_batch(key, now);
            }
        }
    }

    fn accept_batch(&mut self, key: usize, now: Instant) {
        for _ in 0..BATCH {
            if !self.listeners[key].ready {
                return;
            }
            let pause = self.reason_to_pause(key, now);
            self.listeners[key].state.set_paused(pause);
            if pause.is_some() {
                return;
            }
            self.accept_one(key, now);
        }
    }

    fn accept_one(&mut self, key: usize, now: Instant) {
        let listener = &mut self.listeners[key];
        match listener.socket.accept() {
            Ok((stream, client)) => self.admit(key, stream, client, now),
            Err(error) => match refused(&error) {
                Refused::Nobody => listener.ready = false,
                // A listener never ends for it, and a batch bounds the attempts.
                Refused::ThatOne => {}
                Refused::ForNow => {
                    self.shortage_until = Some(now + SHORTAGE_PAUSE);
                    self.descriptors.accept_paused();
                    listener.state.set_paused(Some(AcceptPause::Shortage));
                }
            },
        }
    }

    /// Accepts all that wait in a listener about to close, over limits too: they were let into its
    /// queue, and a reset would be the alternative. Bounded by the length of that queue.
    pub(super) fn empty_queue(&mut self, key: usize, now: Instant) {
        let frontend = self.listeners[key].frontend;
        let most = self.frontends[frontend].now.options.backlog.get();
        self.listeners[key].ready = true;
        for _ in 0..most {
            let short = self.shortage_until.is_some_and(|until| now < until);
            if !self.listeners[key].ready || short {
                return;
            }
            self.accept_one(key, now);
        }
    }

    /// Why clients of this listener stay in the kernel's backlog for now.
    fn reason_to_pause(&mut self, key: usize, now: Instant) -> Option<AcceptPause> {
        if self.shortage_until.is_some_and(|until| now < until) {
            return Some(AcceptPause::Shortage);
        }
        self.shortage_until = None;
        if self.is_full(key) {
            // Raise first and look again: a connection may end in between.
            self.wanted.raise();
            if self.is_full(key) {
                return Some(AcceptPause::Full);
            }
        }
        let rate = &self.frontends[self.listeners[key].frontend].rate;
        let next = rate.as_ref().and_then(AcceptRate::poll_timeout);
        next.filter(|(at, _)| *at > now).map(|_| AcceptPause::Rate)
    }

    fn is_full(&self, key: usize) -> bool {
        let frontend = &self.frontends[self.listeners[key].frontend].now;
        let own = frontend.options.maxconn;
        let frontend_full =
            own.is_some_and(|max| frontend.stats.connections() >= u64::from(max.get()));
        frontend_full || !self.descriptors.has_room()
    }

    /// When accepting goes on after a pause of known length (at once where a batch was cut short),
    /// or a listener closes.
    pub(super) fn accept_due(&self, now: Instant) -> Option<Instant> {
        let due = |listener: &super::Listener| match listener.state.paused() {
            None => Some(now),
            Some(AcceptPause::Full) => None,
            Some(AcceptPause::Shortage) => self.shortage_until,
            Some(AcceptPause::Rate) => {
                let rate = &self.frontends[listener.frontend].rate;
                rate.as_ref().and_then(AcceptRate::poll_timeout).map(|(at, _)| at)
            }
        };
        let ready = self.listeners.iter().filter(|(_, listener)| listener.ready && !self.held);
        let leaving = self.listeners.iter().filter_map(|(_, listener)| listener.closes_at);
        ready.filter_map(|(_, listener)| due(listener)).chain(leaving).min()
    }

    /// A connection was accepted: it is refused by the lists, or goes to a worker.
    fn admit(&mut self, key: usize, stream: TcpStream, client: SocketAddr, now: Instant) {
        let frontend = &mut self.frontends[self.listeners[key].frontend];
        if let Some(rate) = &mut frontend.rate {
            rate.take(now);
        }
        let id = self.next_id;
        self.next_id += 1;
        let permitted = frontend.access.permits(client.ip());
        let frontend = Arc::clone(&frontend.now);
        if !permitted {
            reset(stream);
            frontend.stats.denied_at_accept.add(1);
            self.report_denied(id, client, &frontend);
            return;
        }
        frontend.stats.accepted.add(1);
        self.descriptors.connection_opens();

        let worker = self.server_of_next();
        let ticket = Ticket { worker, id };
        let options = &frontend.options;
        let opening = if options.accept_proxy || !options.routes.is_empty() {
            Opening::Inspect
        } else {
            let backend = options.default_backend.as_ref();
            match self.route(backend, ticket, client, &[], now) {
                Routed::Chosen(target) => Opening::Chosen(target),
                Routed::Queued(backend) => Opening::Queued(backend),
                Routed::Refused(backend, why) => Opening::Refused(backend, why),
            }
        };
        let (mailbox, state) = &self.workers[worker];
        state.adopted.add(1);
        let adopted = Adopted { id, stream, client, accepted_at: now, frontend, opening };
        if self.at_desk == Some(worker) {
            self.kept.push(adopted);
        } else {
            mailbox.send(ToWorker::Adopt(Box::new(adopted)));
        }
    }

    /// One record for a client that the lists refuse.
    fn report_denied(&self, id: u64, client: SocketAddr, frontend: &FrontendNow) {
        let record = ConnectionRecord {
            id,
            client,
            frontend: frontend.options.name.clone(),
            backend: None,
            server: None,
            wait: Duration::ZERO,
            connect: None,
            total: Duration::ZERO,
            bytes_in: 0,
            bytes_out: 0,
            termination: Termination(Cause::Proxy, Phase::Request),
            retries: 0,
            redispatched: false,
        };
        if let Some(records) = self.records.as_ref().filter(|_| frontend.options.access_log)
            && records.try_send(Box::new(record)).is_err()
        {
            self.descriptors.record_dropped();
        }
    }

    /// The worker that is to serve the next connection: the one that accepts it, which needn't be
    /// woken, unless it has more sessions than the least busy one by an eighth.
    fn server_of_next(&mut self) -> usize {
        let fewest = self.least_busy();
        let sessions = |worker: usize| self.workers[worker].1.sessions();
        let most = sessions(fewest) + sessions(fewest) / 8;
        self.at_desk.filter(|own| sessions(*own) <= most).unwrap_or(fewest)
    }

    /// The worker with the fewest sessions; ties in turn.
    fn least_busy(&mut self) -> usize {
        let count = self.workers.len();
        let first = self.turn;
        self.turn = (self.turn + 1) % count;
        (0..count)
            .map(|offset| (first + offset) % count)
            .min_by_key(|worker| self.workers[*worker].1.sessions())
            .unwrap_or(first)
    }
}
