//! What the virtual routers tell: into the log, the journal, the counters and the hooks. Nothing
//! here waits.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use halb_vrrp::driver::{DriverNotice, Event};
use halb_vrrp::link::Word;
use halb_vrrp::router::{Cause, Notice, OfferReason, Transition};
use halb_vrrp::settings::{Group, Instance};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::claims::Claims;
use super::fifo::Fifo;
use super::groups::Groups;
use super::hooks::{Change, Hooks};
use super::journal::{Entry, Journal, unix_ms};
use crate::status::vrrp::{self, State, TransitionCount, why};
use crate::status::words::{exact, utc};
use halb_config::settings::Vrrp;

/// Notices that are kept for people who ask.
const NOTICES_MAX: usize = 32;

/// Carries a word to the other balancer; returns at once.
pub(in crate::run) type Carry = Arc<dyn Fn(&Word) + Send + Sync>;

/// Takes what is told. Cheap to clone.
#[derive(Clone)]
pub(super) struct Told {
    book: Arc<Mutex<Book>>,
    hooks: Hooks,
    carry: Carry,
    /// The journal has grown.
    pub(super) grown: Arc<Notify>,
}

/// What is kept of what was told.
struct Book {
    settings: Vrrp,
    /// Those before the last reload: what it removed still tells its end.
    before: Option<Vrrp>,
    journal: Journal,
    /// By instance, state and reason; bounded by the configuration and the number of reasons.
    counts: HashMap<Arc<str>, BTreeMap<(State, &'static str), u64>>,
    groups: Groups,
    notices: VecDeque<(Instant, Option<Arc<str>>, String)>,
    fifo: Fifo,
    claims: Claims,
}

impl Book {
    /// What holds for a virtual router: the settings in force, or for one that a reload removed
    /// those before.
    fn of(&self, name: &str) -> (&Vrrp, Option<&Instance>) {
        let find = |settings: &'_ Vrrp| {
            settings.routers.instances.iter().position(|instance| *instance.name == *name)
        };
        let before = self.before.as_ref().filter(|_| find(&self.settings).is_none());
        let settings = before.unwrap_or(&self.settings);
        (settings, find(settings).map(|index| &settings.routers.instances[index]))
    }

    /// A transition as hooks and the log are told.
    fn change(&self, name: &Arc<str>, transition: &Transition) -> Change {
        let (addresses, interface) = self.of(name).1.map_or_else(
            || (String::new(), "".into()),
            |instance| (addresses(instance), instance.interface.clone()),
        );
        Change {
            group: None,
            instance: name.clone(),
            from: why::state(transition.from),
            to: why::state(transition.to),
            reason: why::reason(&transition.cause),
            why: why::event(&transition.cause),
            priority: transition.standing.effective.get(),
            sum: why::sum(&transition.standing),
            addresses,
            interface,
        }
    }
}

impl Book {
    /// What a change makes of the group of its virtual router, if that is another state than
    /// before.
    fn group_change(&mut self, change: &Change) -> Option<Change> {
        let routers = &self.of(&change.instance).0.routers;
        let of = |group: &&Group| group.members.contains(&change.instance);
        let group = routers.groups.iter().find(of).cloned();
        let Some(group) = group else {
            self.groups.note(&change.instance, change.to);
            return None;
        };
        let members = routers.instances.iter().filter(|one| group.members.contains(&one.name));
        let all: Vec<String> = members.map(addresses).collect();
        let (from, to) = self.groups.change(&group, &change.instance, change.to)?;
        Some(Change {
            group: Some(group.name),
            from,
            to,
            addresses: all.join(" "),
            ..change.clone()
        })
    }
}

impl Told {
    pub(super) fn new(settings: Vrrp, journal: Journal, hooks: Hooks, carry: Carry) -> Self {
        let (counts, notices, groups) = (HashMap::new(), VecDeque::new(), Groups::default());
        let mut fifo = Fifo::default();
        fifo.configure(settings.fifo.as_deref());
        let claims = Claims::default();
        let book = Book { settings, before: None, journal, counts, groups, notices, fifo, claims };
        Self { book: Arc::new(Mutex::new(book)), hooks, carry, grown: Arc::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these names, addresses and hooks hold. Counters of instances that are gone go.
    pub(super) fn configure(&self, settings: Vrrp) {
        let mut book = self.book();
        let stays = |name: &Arc<str>| settings.routers.instances.iter().any(|i| i.name == *name);
        book.counts.retain(|name, _| stays(name));
        book.claims.keep(stays);
        book.fifo.configure(settings.fifo.as_deref());
        let before = std::mem::replace(&mut book.settings, settings);
        // Groups that are gone still tell their end.
        let Book { settings, groups, .. } = &mut *book;
        groups.keep(&[&settings.routers, &before.routers]);
        book.before = Some(before);
    }

    /// What the journal's file is to hold.
    pub(super) fn journal_text(&self) -> String {
        self.book().journal.text()
    }

    /// The last transitions of each virtual router.
    pub(super) fn history(&self, now: SystemTime) -> HashMap<String, Vec<vrrp::Transition>> {
        let book = self.book();
        let names = book.settings.routers.instances.iter().map(|instance| &*instance.name);
        names.map(|name| (name.to_owned(), book.journal.history(name, now))).collect()
    }

    /// How often what led to what.
    pub(super) fn counts(&self) -> HashMap<String, Vec<TransitionCount>> {
        let counts = |of: &BTreeMap<(State, &'static str), u64>| {
            let count = |(&(to, reason), &count): (&(State, &str), &u64)| TransitionCount {
                to,
                reason: reason.to_owned(),
                count,
            };
            of.iter().map(count).collect()
        };
        self.book().counts.iter().map(|(name, of)| (name.to_string(), counts(of))).collect()
    }

    /// Who else said that an address is his, by instance.
    pub(super) fn claims(&self, now: Instant) -> HashMap<String, vrrp::ForeignClaims> {
        self.book().claims.told(now)
    }

    /// What became of the FIFO; none: none is configured.
    pub(super) fn fifo(&self) -> Option<vrrp::NotifyFifo> {
        self.book().fifo.told().cloned()
    }

    /// The last notices, the latest last.
    pub(super) fn notices(&self, now: Instant, wall: SystemTime) -> Vec<vrrp::Noticed> {
        let book = self.book();
        let noticed = book.notices.iter().map(|(at, instance, text)| {
            let ago = now.saturating_duration_since(*at);
            vrrp::Noticed {
                at: utc(wall.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)),
                ago_seconds: ago.as_secs_f64(),
                instance: instance.as_ref().map(ToString::to_string),
                text: text.clone(),
            }
        });
        noticed.collect()
    }

    /// Takes an event of the driver.
    pub(super) fn tell(&self, event: Event) {
        match event {
            Event::Transition { instance, transition } => self.transition(&instance, &transition),
            Event::Notice { instance, notice } => {
                let text = words(&notice);
                warn!(instance = &*instance, "{text}");
                self.note(Some(instance), text);
            }
            Event::Word { word } => (self.carry)(&word),
            Event::Driver(notice) => {
                let text = notice.to_string();
                match severity(&notice) {
                    Severity::Error => error!("{text}"),
                    Severity::Warning => warn!("{text}"),
                    Severity::Info => info!("{text}"),
                }
                self.note(None, text);
                if let DriverNotice::ForeignClaim { instance, address, mac } = notice {
                    self.book().claims.note(&instance, address, mac);
                }
            }
        }
    }

    fn note(&self, instance: Option<Arc<str>>, text: String) {
        let mut book = self.book();
        if book.notices.len() == NOTICES_MAX {
            book.notices.pop_front();
        }
        book.notices.push_back((Instant::now(), instance, text));
    }

    fn transition(&self, name: &Arc<str>, transition: &Transition) {
        let mut book = self.book();
        let change = book.change(name, transition);
        log(&change, is_ordered(&transition.cause));
        let ago = transition.at.elapsed();
        let at = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        book.journal.push(Entry {
            unix_ms: unix_ms(at),
            instance: name.to_string(),
            from: change.from,
            to: change.to,
            reason: change.reason.to_owned(),
            why: change.why.clone(),
            priority: change.sum.clone(),
        });
        // The process before this one has told of the role when it got it.
        let is_news = transition.cause != Cause::Inherited;
        let counts = book.counts.entry(name.clone()).or_default();
        let count = counts.entry((change.to, change.reason)).or_default();
        *count = count.saturating_add(1);
        let whole = book.group_change(&change);
        for change in [Some(change), whole].into_iter().flatten().filter(|_| is_news) {
            book.fifo.tell(&change);
            self.hooks.push(&book.of(name).0.hooks, &change);
        }
        drop(book);
        self.grown.notify_one();
    }
}

fn addresses(instance: &Instance) -> String {
    let all = instance.router.addresses().as_slice().iter().map(ToString::to_string);
    all.collect::<Vec<_>>().join(" ")
}

/// Somebody asked for it.
fn is_ordered(cause: &Cause) -> bool {
    match cause {
        Cause::Stopped
        | Cause::Inherited
        | Cause::HandedOver { reason: OfferReason::Yielded | OfferReason::Leaving, .. } => true,
        Cause::Started
        | Cause::Owner
        | Cause::Silence { .. }
        | Cause::Released { .. }
        | Cause::Preempted { .. }
        | Cause::Outranked { .. }
        | Cause::OwnStall { .. }
        | Cause::Fault(_)
        | Cause::TrackerFailed
        | Cause::Recovered
        | Cause::Revoked
        | Cause::Group
        | Cause::Invited { .. }
        | Cause::HandedOver { reason: OfferReason::Sick, .. } => false,
    }
}

/// One line for each transition.
fn log(change: &Change, ordered: bool) {
    let Change { why, addresses, sum: priority, .. } = change;
    let (instance, from, to) = (&*change.instance, change.from.word(), change.to.word());
    match (change.from, change.to) {
        (_, State::Active) => {
            info!(instance, from, to, priority, addresses, why, "virtual IP is here");
        }
        (State::Active, State::Fault) => {
            error!(instance, from, to, priority, addresses, why, "virtual IP was given up");
        }
        (State::Active, State::Backup | State::Initialize) if ordered => {
            info!(
                instance,
                from, to, priority, addresses, why, "virtual IP was given up as ordered"
            );
        }
        (State::Active, State::Backup | State::Initialize) => {
            warn!(instance, from, to, priority, addresses, why, "virtual IP was given up");
        }
        (State::Initialize | State::Backup | State::Fault, State::Fault) => {
            warn!(instance, from, to, priority, why, "virtual router can't take part");
        }
        (State::Initialize | State::Backup | State::Fault, State::Backup | State::Initialize) => {
            info!(instance, from, to, priority, why, "virtual router changed its state");
        }
    }
}

/// A notice as people read it.
fn words(notice: &Notice) -> String {
    match notice {
        Notice::Refused { source, refusal } => format!(
            "adverts of {source} aren't taken: {}. What to do: {}. Said once until something changes",
            vrrp::remedy::fault(*refusal),
            vrrp::remedy::of(*refusal)
        ),
        Notice::OtherAddresses { source } => format!(
            "{source} advertises other addresses than this node: {}",
            vrrp::remedy::OTHER_ADDRESSES
        ),
        Notice::SamePriority(heard) => format!(
            "{} has the same priority as this node, {}: {}",
            heard.source,
            heard.priority,
            vrrp::remedy::SAME_PRIORITY
        ),
        Notice::Rival(heard) => {
            format!("{heard} was active at the same time; it is answered, and has to yield")
        }
        Notice::Stalled { late } => format!(
            "this process woke {} late, so that another node may have taken over meanwhile; a \
             backup listens once more before it decides, an active node asks who else has the \
             addresses",
            exact(late.as_secs_f64())
        ),
        Notice::Repairing => {
            "somebody else took an address off the interface; it is put back".to_owned()
        }
    }
}

enum Severity {
    Error,
    Warning,
    Info,
}

fn severity(notice: &DriverNotice) -> Severity {
    match notice {
        DriverNotice::NoGuard { .. }
        | DriverNotice::Revoked
        | DriverNotice::ForeignClaim { .. }
        | DriverNotice::Ended => Severity::Error,
        DriverNotice::RealtimeRefused { .. }
        | DriverNotice::Demoted { .. }
        | DriverNotice::MemoryNotLocked { .. }
        | DriverNotice::GuardReplaced
        | DriverNotice::Failed { .. }
        | DriverNotice::EventsDropped { .. } => Severity::Warning,
        DriverNotice::NetlinkOverrun | DriverNotice::LeftoverRemoved { .. } => Severity::Info,
    }
}

#[cfg(test)]
mod tests;
