//! The loop: what was ordered, what happened, what is due.

mod rules;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use self::rules::Rules;
use super::conntrack::{Conntrack, Outcome, Watch, event};
use super::handle::{Letters, Mailbox};
use super::raw::Raw;
use super::socket::Heard;
use super::{Changed, Limited, Notice, Settings, StartError, StopHow, sysctl};
use crate::accounts::Accounts;
use crate::conntrack::{TcpState, Told};
use crate::ending::{self, Ending};
use crate::flows::publisher::{Action, Publisher};
use crate::flows::shadow::{Order, Shadow};
use crate::flows::wire::{Body, Message};
use crate::flows::{Entry, Event, Flow, Scope};
use crate::table::{Frontend, Strays, Table};

/// All that the thread has.
pub(super) struct Engine {
    mailbox: Arc<Mailbox>,
    notices: Box<dyn FnMut(Notice) + Send>,
    settings: Settings,
    changed: Vec<Changed>,
    rules: Rules,
    conntrack: Conntrack,
    watch: Watch,
    raw: Raw,
    publisher: Publisher,
    shadow: Shadow,
    ending: Ending,
    accounts: Accounts,
    limited: Vec<Limited>,
    limited_at: Instant,
    /// Addresses held here, and since when.
    held: BTreeMap<IpAddr, Instant>,
    /// Numbers what this node asks of the peer.
    wants: u64,
    publish_at: Instant,
}

/// How long strays meet silence after an address came: what the old holder told last may still be
/// on its way, and a reset would end a connection that could live.
const SILENCE: Duration = Duration::from_secs(1);

/// Between looks at the status.
const STATUS_EVERY: Duration = Duration::from_millis(250);

/// Between looks at what limits refused, as often as bytes are counted.
const LIMITED_EVERY: Duration = Duration::from_secs(5);

/// Rounds of actions in one turn, so that orders are heard in between.
const ROUNDS_MAX: usize = 64;

impl Engine {
    pub(super) fn open(
        settings: Settings,
        mailbox: Arc<Mailbox>,
        mut notices: Box<dyn FnMut(Notice) + Send>,
    ) -> Result<Self, StartError> {
        let now = Instant::now();
        // Asking for the watch loads what the settings belong to, where it is a module.
        let watch = Watch::open()?;
        let mut changed = settings.changed.clone();
        change(&settings.table, &mut changed, &mut notices)?;
        let mut rules = Rules::open(now)?;
        rules.start(&settings.table, &mut notices)?;
        let mut engine = Self {
            publisher: Publisher::new(settings.epoch, now),
            shadow: Shadow::new(now),
            ending: Ending::default(),
            accounts: Accounts::new(now),
            limited: Vec::new(),
            limited_at: now,
            conntrack: Conntrack::open()?,
            raw: Raw::open()?,
            held: BTreeMap::new(),
            wants: 0,
            publish_at: now,
            mailbox,
            notices,
            settings,
            changed,
            rules,
            watch,
        };
        engine.rescope(now);
        engine.publish(now);
        Ok(engine)
    }

    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            let letters = self.mailbox.take();
            let stop = letters.stop;
            self.read_letters(letters, now);
            if let Some(how) = stop {
                self.stop(how);
                return;
            }
            let more = self.hear(now);
            self.act(now);
            self.count(now);
            self.rules.keep(&self.wanted(now), now, &mut self.notices);
            self.publish(now);
            if !more {
                self.sleep();
            }
        }
    }

    fn stop(&mut self, how: StopHow) {
        match how {
            StopHow::LeaveTable => {}
            StopHow::RemoveTable => {
                if let Err(error) = self.rules.remove() {
                    (self.notices)(Notice::Trouble(error));
                }
                sysctl::put_back(&self.changed);
            }
        }
    }

    fn read_letters(&mut self, letters: Letters, now: Instant) {
        self.mailbox.status().unreadable += letters.dropped;
        if let Some(table) = letters.table {
            self.retable(table, now);
        }
        if let Some(held) = letters.held {
            self.rehold(&held, now);
        }
        for bytes in letters.messages {
            match Message::parse(&bytes) {
                Ok(Message { body: Body::Want, .. }) => self.publisher.wanted(now),
                Ok(message) => {
                    for order in self.shadow.take(&message, now) {
                        self.copy(&order);
                    }
                }
                Err(_) => self.mailbox.status().unreadable += 1,
            }
        }
    }

    /// Another table: rules first, so that no new connection goes where old ones end.
    fn retable(&mut self, table: Table, now: Instant) {
        let ended = self.settings.table.ended_by(&table);
        self.settings.table = table;
        // Addresses of a family that wasn't there before need settings of their own.
        match change(&self.settings.table, &mut self.changed, &mut self.notices) {
            Ok(()) => {}
            Err(StartError::Kernel(error)) => (self.notices)(Notice::Trouble(error)),
            Err(StartError::Setting { name, value, source }) => {
                let what = format!("set {name} to {value}");
                (self.notices)(Notice::Trouble(super::Error::Refused { what, source }));
            }
            Err(StartError::Thread(_)) => {}
        }
        self.rules.keep(&self.wanted(now), now, &mut self.notices);
        self.rescope(now);
        if ended.is_empty() {
            return;
        }
        let is_ended = |flow: &Flow| ended.contains(&(flow.vip, flow.server));
        let listed = self.list();
        let lasting = listed.into_iter().filter(|told| told.state != Some(TcpState::Over));
        let flows = lasting.map(|told| told.flow);
        // The holder ends them for both: its peer hears of it.
        let held = &self.held;
        let flows = flows.filter(|flow| is_ended(flow) && held.contains_key(&flow.vip.ip()));
        for flow in flows {
            let spread = self.settings.table.at(flow.vip).map(|frontend| frontend.spread);
            self.ending.end([flow], spread.unwrap_or_default(), now);
        }
    }

    fn rehold(&mut self, addresses: &[IpAddr], now: Instant) {
        let lost: Vec<_> =
            self.held.keys().filter(|held| !addresses.contains(held)).copied().collect();
        self.held.retain(|held, _| addresses.contains(held));
        for address in addresses {
            self.held.entry(*address).or_insert(now);
        }
        self.rescope(now);
        if !lost.is_empty() {
            let listed = self.list();
            let entries = listed.iter().filter_map(entry);
            let of_lost = entries.filter(|entry| lost.contains(&entry.flow.vip.ip()));
            for order in self.shadow.adopt(of_lost, now) {
                self.copy(&order);
            }
        }
    }

    fn rescope(&mut self, now: Instant) {
        let scope = Scope::new(&self.settings.table, self.held.keys().copied());
        self.publisher.set_scope(scope.clone(), now);
        self.accounts.set_scope(scope.clone(), now);
        self.shadow.set_scope(scope, now);
    }

    /// The table with what strays meet now: silence on a node that doesn't hold the address, and
    /// for a moment after it came.
    fn wanted(&self, now: Instant) -> Table {
        let is_settled = |frontend: &Frontend| {
            frontend
                .binds
                .iter()
                .all(|bind| self.held.get(&bind.ip()).is_some_and(|since| *since + SILENCE <= now))
        };
        self.settings
            .table
            .clone()
            .with_strays(|frontend| if is_settled(frontend) { Strays::Reset } else { Strays::Drop })
    }

    fn list(&mut self) -> Vec<Told> {
        self.conntrack.list().unwrap_or_else(|error| {
            (self.notices)(Notice::Trouble(error));
            Vec::new()
        })
    }

    /// Reads events; true if more wait.
    fn hear(&mut self, now: Instant) -> bool {
        let (publisher, accounts) = (&mut self.publisher, &mut self.accounts);
        let heard = self.watch.read(self.conntrack.port(), |event, told| {
            accounts.observe(&event, &told.flow, told.bytes);
            publisher.observe(event, now);
        });
        match heard {
            Ok(Heard::All) => false,
            Ok(Heard::Some) => true,
            Ok(Heard::Overrun) => {
                self.accounts.overrun(now);
                self.publisher.overrun(now);
                true
            }
            Err(error) => {
                (self.notices)(Notice::Trouble(error));
                false
            }
        }
    }

    /// Does what is due.
    fn act(&mut self, now: Instant) {
        for _ in 0..ROUNDS_MAX {
            let steps = self.ending.poll(now);
            if steps.is_empty() {
                break;
            }
            steps.iter().for_each(|step| self.end(step));
        }
        if self.shadow.poll(now) {
            self.wants += 1;
            let want = Message { epoch: self.settings.epoch, number: self.wants, body: Body::Want };
            (self.notices)(Notice::Send(want.encode()));
        }
        for _ in 0..ROUNDS_MAX {
            let actions = self.publisher.poll(now);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::List => {
                        let listed = self.list();
                        self.publisher.listed(listed.iter().filter_map(entry), now);
                    }
                    Action::Send(message) => (self.notices)(Notice::Send(message.encode())),
                }
            }
        }
    }

    /// Reads how many bytes each connection has moved, and what limits refused, when that is due.
    fn count(&mut self, now: Instant) {
        if self.accounts.poll(now) {
            let listed = self.list();
            let open = listed.iter().filter(|told| entry(told).is_some());
            self.accounts.listed(open.map(|told| (told.flow, told.bytes)));
        }
        // The status wakes more often than that.
        if self.limited_at <= now {
            self.limited_at = now + LIMITED_EVERY;
            match self.rules.limited(&self.settings.table) {
                Ok(limited) => self.limited = limited,
                Err(error) => (self.notices)(Notice::Trouble(error)),
            }
        }
    }

    fn copy(&mut self, order: &Order) {
        let outcome = self.conntrack.carry_out(order);
        let mut status = self.mailbox.status();
        match outcome {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Mended) => status.mended += 1,
            Err(_) => status.refused += 1,
        }
    }

    fn end(&mut self, step: &ending::Step) {
        let outcome = match step {
            // The kernel's own word on it goes to the peer.
            ending::Step::Delete(flow) => self.conntrack.carry_out(&Order::Delete(*flow)).map(drop),
            ending::Step::Ask { flow, sequence } => {
                let asked = self.raw.ask(flow, *sequence);
                let what = format!("ask {} for a word", flow.client);
                asked.map_err(|source| super::Error::Refused { what, source })
            }
        };
        if let Err(error) = outcome {
            (self.notices)(Notice::Trouble(error));
        }
    }

    fn publish(&mut self, now: Instant) {
        if now < self.publish_at {
            return;
        }
        self.publish_at = now + STATUS_EVERY;
        let mut status = self.mailbox.status();
        status.is_applied = self.rules.is_applied();
        status.repairs = self.rules.repairs();
        status.flows = self.publisher.flows();
        status.copies = self.shadow.flows();
        status.published = self.publisher.counters();
        status.shadow = self.shadow.counters();
        status.ended = self.ending.counters();
        status.served = self.accounts.served();
        status.renumbered = self.accounts.renumbered();
        status.limited.clone_from(&self.limited);
        status.settings.clone_from(&self.changed);
    }

    fn sleep(&self) {
        let settled = self.held.values().map(|since| *since + SILENCE);
        let deadlines = [
            self.publisher.poll_timeout(),
            Some(self.shadow.poll_timeout()),
            self.ending.poll_timeout(),
            self.accounts.poll_timeout(),
            Some(self.rules.poll_timeout()),
            Some(self.publish_at),
            settled.filter(|at| *at > Instant::now()).min(),
        ];
        let next = deadlines.into_iter().flatten().min().unwrap_or(self.publish_at);
        let left = next.saturating_duration_since(Instant::now());
        // A millisecond is added, since poll cuts what is less.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1));
        let mut fds = [
            PollFd::new(self.watch.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.mailbox.waker(), PollFlags::POLLIN),
        ];
        // A signal ends it early, which is as good.
        let _ = poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX));
    }
}

/// Settings that this table needs. What they were is told before they are changed, so that whoever
/// keeps it knows of each change, however the process ends.
fn change(
    table: &Table,
    changed: &mut Vec<Changed>,
    notices: &mut Box<dyn FnMut(Notice) + Send>,
) -> Result<(), StartError> {
    let planned = sysctl::plan(table)?;
    if !planned.is_empty() {
        sysctl::merge(changed, &planned);
        notices(Notice::Settings(changed.clone()));
    }
    sysctl::set(&planned)
}

/// An entry as it is copied; none for one that opens or is over.
fn entry(told: &Told) -> Option<Entry> {
    match event(told)? {
        Event::Open(entry) => Some(entry),
        Event::Over(_) => None,
    }
}
