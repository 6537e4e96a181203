//! How connections come into a pool's queue and how they leave it.

use std::net::SocketAddr;
use std::time::Instant;

use crate::pool::method::Method;
use crate::pool::{Loads, Pool, ServerKey};

/// A connection that waits for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    /// What the caller knows it by; unique among those who wait.
    pub ticket: u64,
    /// The client, as the PROXY header says where one is accepted.
    pub client: SocketAddr,
    /// Servers that it has tried in vain.
    pub tried: Vec<ServerKey>,
}

/// The queue holds as many connections as it may; this one is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{max} connections wait for a server already, and no more may (`queue.max`)")]
pub struct QueueFull {
    /// The bound.
    pub max: u32,
}

/// A connection that has waited in vain and is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// Its ticket.
    pub ticket: u64,
    /// Why it gets no server.
    pub why: Expiry,
}

/// Why a waiter gets no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It waited as long as the queue's timeout allows.
    TimedOut,
    /// No server is eligible any more: waiting on would be hanging.
    NoServer,
}

impl Pool {
    /// Lets a connection wait, after [`choose`](Self::choose) said so, until
    /// [`next_waiter`](Self::next_waiter), [`expire`](Self::expire) or [`cancel`](Self::cancel)
    /// names its ticket.
    ///
    /// # Errors
    /// [`QueueFull`]: the connection is to be closed.
    pub fn enqueue(&mut self, waiter: Waiter, now: Instant) -> Result<(), QueueFull> {
        let max = self.rules.queue.max;
        if u32::try_from(self.queue.len()).is_ok_and(|waiting| waiting < max) {
            let line = match self.rules.method {
                Method::Any(_) => None,
                Method::Own(affinity) => {
                    self.rotation.winner(affinity.point(waiter.client), &waiter.tried)
                }
            };
            self.queue.push(waiter, now, line);
            self.note_stranded(now);
            Ok(())
        } else {
            Err(QueueFull { max })
        }
    }

    /// The client left while it waited. False: it waits no more.
    pub fn cancel(&mut self, ticket: u64) -> bool {
        let cancelled = self.queue.cancel(ticket);
        self.end_stranding();
        cancelled
    }

    /// Gives a server to the one who waits longest among those whom a server with room may take.
    /// To be called until it returns none: after a connection to a server has ended, and after
    /// [`Effect::wake_queue`](crate::pool::Effect::wake_queue). The connection must count in
    /// [`Loads`] before the next call. `random` as in [`Demand`](crate::pool::Demand).
    pub fn next_waiter(
        &mut self,
        loads: &impl Loads,
        now: Instant,
        random: u64,
    ) -> Option<(u64, ServerKey)> {
        if self.queue.is_empty() {
            return None;
        }
        if self.next_step.is_some_and(|due| due <= now) {
            self.refresh(now);
        }
        let (arrival, server) = match self.rules.method {
            Method::Any(spread) => {
                let (arrival, first) = self.queue.first()?;
                (arrival, self.rotation.pick(spread, &first.waiter.tried, loads, random)?)
            }
            Method::Own(_) => {
                let first_of = |server| self.queue.first_in_line(server).map(|a| (a, server));
                self.rotation.with_room(loads).filter_map(first_of).min()?
            }
        };
        let waiter = self.queue.remove(arrival)?;
        Some((waiter.ticket, server))
    }

    /// Takes one out of the queue who has waited too long or has no server left to wait for. To
    /// be called until it returns none, when [`poll_timeout`](Self::poll_timeout) says so and
    /// after [`Effect::wake_queue`](crate::pool::Effect::wake_queue).
    pub fn expire(&mut self, now: Instant) -> Option<Expired> {
        let why = if self.rotation.is_empty() {
            Expiry::NoServer
        } else if self.queue.deadline(self.rules.queue.timeout)? <= now {
            Expiry::TimedOut
        } else {
            return None;
        };
        let (arrival, _) = self.queue.first()?;
        let waiter = self.queue.remove(arrival)?;
        self.end_stranding();
        Some(Expired { ticket: waiter.ticket, why })
    }

    /// Lines up waiters by their own servers, after servers came or went. Costs a hash per waiter
    /// and server; the steps of a slow start don't call for it: who waits keeps its place then.
    pub(super) fn line_up(&mut self) {
        let (rotation, method) = (&mut self.rotation, self.rules.method);
        self.queue.line_up(|waiter| match method {
            Method::Any(_) => None,
            Method::Own(affinity) => rotation.winner(affinity.point(waiter.client), &waiter.tried),
        });
    }

    fn end_stranding(&mut self) {
        if self.queue.is_empty() {
            self.stranded_since = None;
        }
    }
}
