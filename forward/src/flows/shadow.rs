//! The side that may have to go on: keeps the peer's flows in its own kernel.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::wire::{Body, Change, Message};
use super::{Entry, FLOWS_MAX, Flow, Key, Scope};

/// What the peer told, as far as the own table knows it.
#[derive(Debug)]
pub struct Shadow {
    scope: Scope,
    known: HashMap<Key, Copied>,
    /// The sender's epoch, and the highest number of it.
    remote: Option<(u32, u64)>,
    /// The round that is told, and how many flows of it came.
    round: (u32, u32),
    want_at: Instant,
    want_pause: Duration,
    counters: Counters,
}

#[derive(Debug)]
struct Copied {
    entry: Entry,
    /// When the kernel gives it up unless it is refreshed.
    expires: Instant,
    /// The round that told of it last.
    round: u32,
    /// Told as a change since the last round ended: that round may not know it yet.
    is_fresh: bool,
}

/// What the kernel is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Make an entry.
    Insert(Entry),
    /// Set state and timeout of one that is there.
    Refresh(Entry),
    /// Take one away.
    Delete(Flow),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages that were taken.
    pub taken: u64,
    /// Messages that never came, as gaps in their numbers say.
    pub lost: u64,
    /// Messages that came after later ones, and were thrown away.
    pub late: u64,
    /// Flows that the own table doesn't know, or whose address this node holds itself: both nodes
    /// should have the same configuration, and one of them the address.
    pub refused: u64,
    /// Flows beyond [`FLOWS_MAX`].
    pub beyond: u64,
    /// Rounds that came whole.
    pub rounds: u64,
    /// How long the latest change waited at the sender, in milliseconds.
    pub age_ms: u32,
}

/// First pause before all flows are asked for again; it doubles up to [`WANT_PAUSE_MAX`].
const WANT_PAUSE: Duration = Duration::from_secs(1);
const WANT_PAUSE_MAX: Duration = Duration::from_secs(30);

/// An entry is refreshed when the kernel would give it up this part of its timeout too early.
const LATENESS: u32 = 4;

impl Shadow {
    /// Knows nothing, and wants to know all.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            scope: Scope::default(),
            known: HashMap::new(),
            remote: None,
            round: (0, 0),
            want_at: now,
            want_pause: WANT_PAUSE,
            counters: Counters::default(),
        }
    }

    /// Another table, or other addresses. Flows of an address that this node holds now are its own,
    /// and stay in the kernel as they are.
    pub fn set_scope(&mut self, scope: Scope, now: Instant) {
        if scope == self.scope {
            return;
        }
        self.scope = scope;
        let scope = &self.scope;
        self.known.retain(|(_, vip), _| !scope.holds(vip.ip()));
        self.want_soon(now);
    }

    /// Flows that the kernel has anyway: those of an address that this node held before. The next
    /// round says which of them are over. All are refreshed: an entry that followed a connection's
    /// windows would take what passes elsewhere meanwhile for out of them.
    pub fn adopt(&mut self, entries: impl IntoIterator<Item = Entry>, now: Instant) -> Vec<Order> {
        let mut orders = Vec::new();
        for entry in entries {
            if self.known.len() < FLOWS_MAX && self.is_foreign(&entry.flow) {
                self.keep(entry, 0, false, now);
                orders.push(Order::Refresh(entry));
            }
        }
        orders
    }

    /// Takes a message that isn't [`Body::Want`], which is for the publisher.
    pub fn take(&mut self, message: &Message, now: Instant) -> Vec<Order> {
        if !self.is_in_order(message, now) {
            return Vec::new();
        }
        self.counters.taken += 1;
        match &message.body {
            Body::Changes { round, age_ms, changes } => {
                if *round == 0 {
                    self.counters.age_ms = *age_ms;
                } else if self.round.0 != *round {
                    self.round = (*round, 0);
                }
                let mut orders = Vec::new();
                for change in changes {
                    self.change(change, *round, now, &mut orders);
                }
                orders
            }
            Body::End { round, flows, addresses } => {
                let came = if self.round.0 == *round { self.round.1 } else { 0 };
                self.round = (0, 0);
                if came != *flows {
                    self.want_soon(now);
                    return Vec::new();
                }
                self.counters.rounds += 1;
                self.want_at = now + WANT_PAUSE_MAX * 2;
                self.want_pause = WANT_PAUSE;
                self.sweep(*round, addresses)
            }
            Body::Want => Vec::new(),
        }
    }

    /// True if all flows are to be asked for now.
    pub fn poll(&mut self, now: Instant) -> bool {
        if now < self.want_at {
            return false;
        }
        self.want_at = now + self.want_pause;
        self.want_pause = (self.want_pause * 2).min(WANT_PAUSE_MAX);
        true
    }

    /// When [`Shadow::poll`] has something to say.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.want_at
    }

    /// What became of it all.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Flows that are kept.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.known.len()
    }

    fn want_soon(&mut self, now: Instant) {
        self.want_pause = WANT_PAUSE;
        self.want_at = self.want_at.min(now + WANT_PAUSE);
    }

    fn is_foreign(&self, flow: &Flow) -> bool {
        self.scope.knows(flow) && !self.scope.holds(flow.vip.ip())
    }

    /// Looks at epoch and number. A message that was overtaken would undo what is newer.
    fn is_in_order(&mut self, message: &Message, now: Instant) -> bool {
        let Message { epoch, number, .. } = *message;
        let last = match self.remote {
            Some((known, last)) if known == epoch => last,
            Some(_) | None => 0,
        };
        if number <= last {
            self.counters.late += 1;
            return false;
        }
        // What came before the first message that is heard wasn't lost on the way.
        let is_known = self.remote.is_some_and(|(known, _)| known == epoch);
        let gap = number - last - 1;
        if gap > 0 {
            // Numbers are the sender's to choose.
            let lost = if is_known { gap } else { 0 };
            self.counters.lost = self.counters.lost.saturating_add(lost);
            self.want_soon(now);
        }
        self.remote = Some((epoch, number));
        true
    }

    fn change(&mut self, change: &Change, round: u32, now: Instant, orders: &mut Vec<Order>) {
        let (flow, open) = *change;
        if round != 0 {
            self.round.1 = self.round.1.saturating_add(1);
        }
        let is_one_family = flow.client.is_ipv4() == flow.vip.is_ipv4();
        if !self.is_foreign(&flow) || !is_one_family {
            self.counters.refused += 1;
            return;
        }
        let Some((phase, timeout)) = open else {
            if self.known.remove(&flow.key()).is_some() {
                orders.push(Order::Delete(flow));
            }
            return;
        };
        let entry = Entry { flow, phase, timeout };
        match self.known.get(&flow.key()) {
            None if self.known.len() >= FLOWS_MAX => {
                self.counters.beyond += 1;
                return;
            }
            None => orders.push(Order::Insert(entry)),
            Some(known) if known.entry.flow != flow => {
                orders.extend([Order::Delete(known.entry.flow), Order::Insert(entry)]);
            }
            Some(known) => {
                let timeout = Duration::from_secs(u64::from(timeout));
                let late = (now + timeout).saturating_duration_since(known.expires);
                if known.entry.phase == phase && late <= timeout / LATENESS {
                    let expires = known.expires;
                    self.keep(entry, round, round == 0, now);
                    if let Some(known) = self.known.get_mut(&flow.key()) {
                        known.expires = expires;
                    }
                    return;
                }
                orders.push(Order::Refresh(entry));
            }
        }
        self.keep(entry, round, round == 0, now);
    }

    fn keep(&mut self, entry: Entry, round: u32, is_fresh: bool, now: Instant) {
        let expires = now + Duration::from_secs(u64::from(entry.timeout));
        self.known.insert(entry.flow.key(), Copied { entry, expires, round, is_fresh });
    }

    /// Drops flows of these addresses that a whole round didn't name.
    fn sweep(&mut self, round: u32, addresses: &[std::net::IpAddr]) -> Vec<Order> {
        let mut orders = Vec::new();
        self.known.retain(|(_, vip), known| {
            let is_named = known.round == round || known.is_fresh;
            known.is_fresh = false;
            let stays = is_named || !addresses.contains(&vip.ip());
            if !stays {
                orders.push(Order::Delete(known.entry.flow));
            }
            stays
        });
        orders
    }
}
