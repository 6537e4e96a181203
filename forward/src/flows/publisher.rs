//! The side that has the connections: tells the peer of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::wire::{ADDRESSES_MAX, Body, CHANGES_MAX, Change, Message, change};
use super::{Entry, Event, FLOWS_MAX, Flow, Key, Scope};

/// Tells of flows whose address this node holds: of changes as they happen, of all in rounds.
#[derive(Debug)]
pub struct Publisher {
    epoch: u32,
    number: u64,
    scope: Scope,
    known: HashMap<Key, Known>,
    /// Ends that the peer has yet to hear of.
    over: HashMap<Key, Flow>,
    /// What changed, once each, with the moment.
    changed: VecDeque<(Key, Instant)>,
    is_changed: HashSet<Key>,
    round: Option<Round>,
    rounds: u32,
    /// When all flows are to be listed anew.
    list_at: Option<Instant>,
    listed_at: Option<Instant>,
    send_at: Instant,
    counters: Counters,
}

#[derive(Debug)]
struct Known {
    entry: Entry,
    /// The peer has heard of it.
    is_told: bool,
}

#[derive(Debug)]
struct Round {
    id: u32,
    rest: Vec<Flow>,
    told: u32,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// List all flows of the kernel, and give them to [`Publisher::listed`].
    List,
    /// Send this to the peer.
    Send(Message),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages.
    pub sent: u64,
    /// Flows told, also again.
    pub told: u64,
    /// Rounds over all flows that came to their end.
    pub rounds: u64,
    /// Times that the kernel had more events than there was room for.
    pub overruns: u64,
    /// Flows beyond [`FLOWS_MAX`], which aren't copied.
    pub beyond: u64,
}

/// Between rounds. Packets refresh an entry's timeout without an event, and a message may be lost;
/// a listing of 65,536 entries takes the kernel some 100 ms, which this makes 0.3 % of a core.
pub const ROUND_EVERY: Duration = Duration::from_secs(30);

/// A round begins no sooner than this after another, whoever wants one.
const ROUND_PAUSE: Duration = Duration::from_secs(1);

/// Between one lot of messages and the next: what is lost in a death is what happened within it.
const TICK: Duration = Duration::from_millis(5);

/// Messages of one lot: 3,200 in a second, so that a round over the most flows takes two seconds
/// and the peer's socket overflows neither by it nor by a storm of connections.
const MESSAGES_PER_TICK: usize = 16;

impl Publisher {
    /// Knows nothing and holds nothing. `epoch` is drawn anew at each start.
    #[must_use]
    pub fn new(epoch: u32, now: Instant) -> Self {
        Self {
            epoch,
            number: 0,
            scope: Scope::default(),
            known: HashMap::new(),
            over: HashMap::new(),
            changed: VecDeque::new(),
            is_changed: HashSet::new(),
            round: None,
            rounds: 0,
            list_at: None,
            listed_at: None,
            send_at: now,
            counters: Counters::default(),
        }
    }

    /// Another table, or other addresses.
    pub fn set_scope(&mut self, scope: Scope, now: Instant) {
        if scope == self.scope {
            return;
        }
        self.scope = scope;
        let scope = &self.scope;
        self.known.retain(|_, known| is_ours(scope, &known.entry.flow));
        self.list_soon(now);
        if self.scope.held.is_empty() {
            (self.round, self.list_at) = (None, None);
            self.over.clear();
            self.changed.clear();
            self.is_changed.clear();
        }
    }

    /// The kernel told of a flow.
    pub fn observe(&mut self, event: Event, now: Instant) {
        match event {
            Event::Open(entry) => self.open(entry, now),
            Event::Over(key) => self.end(key, now),
        }
    }

    /// The kernel had more to tell than there was room for.
    pub fn overrun(&mut self, now: Instant) {
        self.counters.overruns += 1;
        self.list_soon(now);
    }

    /// The peer asks for all flows.
    pub fn wanted(&mut self, now: Instant) {
        self.list_soon(now);
    }

    /// All flows of the kernel, as [`Action::List`] asked.
    pub fn listed(&mut self, entries: impl IntoIterator<Item = Entry>, now: Instant) {
        let mut seen = HashSet::new();
        for entry in entries {
            if seen.len() < FLOWS_MAX && is_ours(&self.scope, &entry.flow) {
                seen.insert(entry.flow.key());
                self.open(entry, now);
            }
        }
        let gone: Vec<_> = self.known.keys().filter(|key| !seen.contains(*key)).copied().collect();
        gone.into_iter().for_each(|key| self.end(key, now));
        self.rounds = self.rounds.wrapping_add(1).max(1);
        let rest = self.known.values().map(|known| known.entry.flow).collect();
        self.round = Some(Round { id: self.rounds, rest, told: 0 });
        self.listed_at = Some(now);
        self.list_at = Some(now + ROUND_EVERY);
    }

    /// What there is to do now; to be asked until there is nothing more.
    pub fn poll(&mut self, now: Instant) -> Vec<Action> {
        if self.scope.held.is_empty() {
            return Vec::new();
        }
        if self.list_at.is_some_and(|at| at <= now) {
            self.list_at = Some(now + ROUND_EVERY);
            return vec![Action::List];
        }
        if now < self.send_at {
            return Vec::new();
        }
        let mut actions = Vec::new();
        while actions.len() < MESSAGES_PER_TICK {
            let Some(body) = self.changes(now).or_else(|| self.next_of_round()) else { break };
            actions.push(Action::Send(self.message(body)));
        }
        if !actions.is_empty() {
            self.send_at = now + TICK;
        }
        actions
    }

    /// When [`Publisher::poll`] has something to do, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.scope.held.is_empty() {
            return None;
        }
        let has_more = !self.changed.is_empty() || self.round.is_some();
        [self.list_at, has_more.then_some(self.send_at)].into_iter().flatten().min()
    }

    /// What became of it all.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Flows that are known.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.known.len()
    }

    fn list_soon(&mut self, now: Instant) {
        let earliest = self.listed_at.map_or(now, |at| (at + ROUND_PAUSE).max(now));
        self.list_at = Some(self.list_at.map_or(earliest, |at| at.min(earliest)));
    }

    fn open(&mut self, entry: Entry, now: Instant) {
        if !is_ours(&self.scope, &entry.flow) {
            return;
        }
        let key = entry.flow.key();
        let is_full = self.known.len() >= FLOWS_MAX;
        match self.known.get_mut(&key) {
            Some(known) => {
                let is_news = known.entry.flow != entry.flow || known.entry.phase != entry.phase;
                known.entry = entry;
                if !is_news {
                    return;
                }
            }
            None if is_full => {
                self.counters.beyond += 1;
                return;
            }
            None => {
                let is_told = self.over.remove(&key).is_some();
                self.known.insert(key, Known { entry, is_told });
            }
        }
        self.mark(key, now);
    }

    fn end(&mut self, key: Key, now: Instant) {
        let Some(known) = self.known.remove(&key) else { return };
        if known.is_told {
            self.over.insert(key, known.entry.flow);
            self.mark(key, now);
        }
    }

    fn mark(&mut self, key: Key, now: Instant) {
        if self.changed.len() >= FLOWS_MAX {
            // A round tells of it.
            self.over.remove(&key);
            self.list_soon(now);
        } else if self.is_changed.insert(key) {
            self.changed.push_back((key, now));
        }
    }

    fn changes(&mut self, now: Instant) -> Option<Body> {
        let mut changes: Vec<Change> = Vec::new();
        let mut oldest = now;
        while changes.len() < CHANGES_MAX {
            let Some((key, since)) = self.changed.pop_front() else { break };
            self.is_changed.remove(&key);
            if let Some(known) = self.known.get_mut(&key) {
                known.is_told = true;
                changes.push(change(known.entry.flow, Event::Open(known.entry)));
            } else if let Some(flow) = self.over.remove(&key) {
                changes.push(change(flow, Event::Over(key)));
            } else {
                // It came and went before anybody was told.
                continue;
            }
            oldest = oldest.min(since);
        }
        let age = now.saturating_duration_since(oldest).as_millis();
        let age_ms = u32::try_from(age).unwrap_or(u32::MAX);
        (!changes.is_empty()).then_some(Body::Changes { round: 0, age_ms, changes })
    }

    fn next_of_round(&mut self) -> Option<Body> {
        let round = self.round.as_mut()?;
        let mut changes: Vec<Change> = Vec::new();
        while changes.len() < CHANGES_MAX {
            let Some(flow) = round.rest.pop() else { break };
            if let Some(known) = self.known.get_mut(&flow.key()) {
                known.is_told = true;
                changes.push(change(known.entry.flow, Event::Open(known.entry)));
            }
        }
        round.told += u32::try_from(changes.len()).expect("CHANGES_MAX is small");
        let (id, flows) = (round.id, round.told);
        if !changes.is_empty() {
            return Some(Body::Changes { round: id, age_ms: 0, changes });
        }
        self.round = None;
        self.counters.rounds += 1;
        let mut addresses = self.scope.held();
        addresses.truncate(ADDRESSES_MAX);
        Some(Body::End { round: id, flows, addresses })
    }

    fn message(&mut self, body: Body) -> Message {
        self.number += 1;
        self.counters.sent += 1;
        if let Body::Changes { changes, .. } = &body {
            self.counters.told += u64::try_from(changes.len()).unwrap_or_default();
        }
        Message { epoch: self.epoch, number: self.number, body }
    }
}

fn is_ours(scope: &Scope, flow: &Flow) -> bool {
    scope.holds(flow.vip.ip()) && scope.knows(flow)
}
