//! Puts the section together from the driver's snapshot and what the daemon knows beside it.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use halb_vrrp::config::Delivery;
use halb_vrrp::driver::{
    AddressMarks, GuardSnapshot, InstanceSnapshot, MemoryLock, Scheduling, Snapshot,
};
use halb_vrrp::node;
use halb_vrrp::router::{self, RefusedSender};
use halb_vrrp::timers::{down_interval, skew};
use halb_vrrp::track::{Effect, Health, Reading, Standing};

use super::{
    Address, Bucket, ForeignClaims, Histogram, Hooks, Instance, Interface, JournalFile, LinkWord,
    Noticed, NotifyFifo, Peer, Priority, Refused, Stray, Term, Thread, Timers, Transition,
    TransitionCount, Vrrp, outlook, remedy, why,
};
use crate::status::words::utc;

/// What the daemon knows beside the driver.
#[derive(Debug, Clone)]
pub struct Facts {
    /// This moment on the clock that timers go by.
    pub now: Instant,
    /// This moment on the clock that people go by.
    pub wall: SystemTime,
    /// How long the thread may stand still.
    pub freeze_limit: Duration,
    /// How it is known which addresses are halb's.
    pub marks: AddressMarks,
    /// What was seen of trackers' subjects, in words, by subject as it is displayed.
    pub details: HashMap<String, String>,
    /// The last transitions of each instance, the latest last.
    pub history: HashMap<String, Vec<Transition>>,
    /// How often what led to what, by instance.
    pub counts: HashMap<String, Vec<TransitionCount>>,
    /// Who else said that an address is his, by instance.
    pub claims: HashMap<String, ForeignClaims>,
    /// What became of hooks.
    pub hooks: Hooks,
    /// What became of the FIFO.
    pub fifo: Option<NotifyFifo>,
    /// Where transitions are kept.
    pub journal: JournalFile,
    /// The last notices.
    pub notices: Vec<Noticed>,
}

impl Facts {
    fn ago(&self, at: Instant) -> f64 {
        self.now.saturating_duration_since(at).as_secs_f64()
    }

    fn left(&self, until: Instant) -> f64 {
        until.saturating_duration_since(self.now).as_secs_f64()
    }

    fn written(&self, at: Instant) -> String {
        let ago = self.now.saturating_duration_since(at);
        utc(self.wall.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH))
    }
}

/// The whole section.
#[must_use]
pub fn vrrp(snapshot: &Snapshot, facts: &Facts) -> Vrrp {
    Vrrp {
        instances: snapshot.instances.iter().map(|one| instance(one, snapshot, facts)).collect(),
        thread: thread(snapshot, facts),
        hooks: facts.hooks.clone(),
        fifo: facts.fifo.clone(),
        journal: facts.journal.clone(),
        notices: facts.notices.clone(),
        strays: snapshot.strays.iter().map(|one| stray(one, facts)).collect(),
    }
}

fn instance(of: &InstanceSnapshot, snapshot: &Snapshot, facts: &Facts) -> Instance {
    let (settings, status) = (&of.settings, &of.status);
    let config = &settings.router;
    let name = settings.name.to_string();
    let last = of.journal.last();
    Instance {
        group: of.group.as_ref().map(ToString::to_string),
        interface: interface(of),
        router_id: config.vrid().get(),
        version: config.interval().version().number(),
        delivery: match config.delivery() {
            Delivery::Multicast => "multicast".to_owned(),
            Delivery::Unicast { .. } => "unicast".to_owned(),
        },
        state: why::state(status.state),
        since: facts.written(status.since),
        since_seconds: facts.ago(status.since),
        why: last.map_or_else(|| "it has not begun".to_owned(), |l| why::decision(l, config)),
        leaves_because: why::leaves_them(of),
        fault: status.fault.map(|fault| fault.to_string()),
        yielded: of.yielded,
        offered_seconds: status.offer.map(|offer| facts.left(offer.until)),
        offered_because: status.offer.map(|offer| offer.reason.to_string()),
        priority: priority(&status.standing, &facts.details),
        timers: timers(of, facts),
        addresses: addresses(of),
        peers: peers(of, facts),
        words: status.words.iter().map(|word| self::word(word, facts)).collect(),
        refused: status.refused.iter().map(|sender| refused(sender, facts)).collect(),
        stats: stats(of),
        announcements: of.announcements,
        foreign_claims: facts.claims.get(&name).cloned().unwrap_or_default(),
        transitions: facts.counts.get(&name).cloned().unwrap_or_default(),
        history: facts.history.get(&name).cloned().unwrap_or_default(),
        arrivals: histogram(&of.arrivals),
        lateness: histogram(&of.lateness),
        outlook: outlook::of(of, guarded(snapshot.thread.guard), facts.now),
        name,
    }
}

fn stray(of: &node::Stray, facts: &Facts) -> Stray {
    Stray {
        interface: of.interface.to_string(),
        address: of.source.to_string(),
        router_id: of.vrid,
        count: of.count,
        ago_seconds: facts.ago(of.at),
    }
}

fn guarded(guard: GuardSnapshot) -> bool {
    match guard {
        GuardSnapshot::Alive { .. } => true,
        GuardSnapshot::None | GuardSnapshot::Dead { .. } => false,
    }
}

fn interface(of: &InstanceSnapshot) -> Interface {
    Interface {
        name: of.settings.interface.to_string(),
        index: of.index,
        up: of.link.is_up,
        mac: of.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":")),
        source: of.link.source.map(|source| source.to_string()),
    }
}

fn priority(standing: &Standing, details: &HashMap<String, String>) -> Priority {
    Priority {
        configured: standing.base.get(),
        effective: standing.effective.get(),
        arithmetic: why::sum(standing),
        sick: standing.is_sick(),
        failed: standing.is_failed(),
        terms: standing.terms.iter().map(|one| term(one, details)).collect(),
    }
}

fn term(of: &halb_vrrp::track::Term, details: &HashMap<String, String>) -> Term {
    let subject = of.subject.to_string();
    Term {
        detail: details.get(&subject).cloned(),
        subject,
        weight: of.weight.get(),
        reading: match of.reading {
            Reading::Unknown => "unknown".to_owned(),
            Reading::Up => "up".to_owned(),
            Reading::Down => "down".to_owned(),
            Reading::Value(value) => value.to_string(),
        },
        adds: match of.effect {
            Effect::Adds(delta) => delta,
            Effect::Fails | Effect::Pending => 0,
        },
        fails: of.effect == Effect::Fails,
        sick: of.sick,
    }
}

fn timers(of: &InstanceSnapshot, facts: &Facts) -> Timers {
    let status = &of.status;
    let own = of.settings.router.interval();
    let heard = status.active.map_or(own, |active| active.interval);
    let effective = status.standing.effective;
    let adverts = of.settings.router.behaviour.down_timer_adverts;
    Timers {
        advert_interval_seconds: own.duration().as_secs_f64(),
        skew_seconds: skew(effective, heard).as_secs_f64(),
        down_interval_seconds: down_interval(effective, heard, adverts).as_secs_f64(),
        takeover_in_seconds: status.takeover_at.map(|at| facts.left(at)),
        next_in_seconds: status.next.map(|(at, _)| facts.left(at)),
        next: status.next.map(|(_, what)| what.to_owned()),
    }
}

fn addresses(of: &InstanceSnapshot) -> Vec<Address> {
    let own = &of.settings.interface;
    let address = |placement: &halb_vrrp::settings::Placement| Address {
        address: format!("{}/{}", placement.address, placement.prefix_len),
        interface: placement.interface.as_ref().unwrap_or(own).to_string(),
        present: of.present.contains(&placement.address),
    };
    of.settings.placements.iter().map(address).collect()
}

fn peers(of: &InstanceSnapshot, facts: &Facts) -> Vec<Peer> {
    let active = of.status.active.map(|active| active.source);
    let heard = |peer: &router::Peer| Peer {
        address: peer.last.source.to_string(),
        heard: true,
        active: active == Some(peer.last.source),
        last_priority: Some(peer.last.priority.get()),
        priority: peer.priority.map(halb_vrrp::values::Priority::get),
        interval_seconds: Some(peer.last.interval.duration().as_secs_f64()),
        ago_seconds: Some(facts.ago(peer.last.at)),
        same_addresses: Some(peer.same_addresses),
        same_priority: peer.priority.map(|theirs| theirs == of.status.standing.effective),
    };
    let mut peers: Vec<Peer> = of.status.peers.iter().map(heard).collect();
    if let Delivery::Unicast { peers: configured, .. } = of.settings.router.delivery() {
        let heard = |address| of.status.peers.iter().any(|peer| peer.last.source == address);
        let silent = configured.iter().filter(|address| !heard(**address));
        peers.extend(silent.map(|address| Peer {
            address: address.to_string(),
            heard: false,
            active: false,
            last_priority: None,
            priority: None,
            interval_seconds: None,
            ago_seconds: None,
            same_addresses: None,
            same_priority: None,
        }));
    }
    peers.sort_by(|one, other| one.address.cmp(&other.address));
    peers
}

fn word(of: &router::Overheard, facts: &Facts) -> LinkWord {
    let word = &of.word;
    let ago = facts.now.saturating_duration_since(of.at);
    LinkWord {
        from: of.from.to_string(),
        source: word.source.map(|source| source.to_string()),
        state: why::state(word.state),
        able: word.able,
        configured: word.base.get(),
        effective: word.effective.get(),
        health: match word.health {
            Health::Well => "well".to_owned(),
            Health::Sick => "sick".to_owned(),
            Health::Failed => "failed".to_owned(),
        },
        yielded: word.yielded,
        ago_seconds: ago.as_secs_f64(),
        counts: ago < router::WORD_COUNTS_FOR,
    }
}

fn refused(sender: &RefusedSender, facts: &Facts) -> Refused {
    Refused {
        address: sender.source.to_string(),
        reason: sender.refusal.reason().name().to_owned(),
        detail: remedy::fault(sender.refusal),
        remedy: remedy::of(sender.refusal),
        count: sender.count,
        ago_seconds: facts.ago(sender.at),
    }
}

fn stats(of: &InstanceSnapshot) -> std::collections::BTreeMap<String, u64> {
    let stats = &of.status.stats;
    let own = [
        ("advert_rcvd", stats.advert_rcvd),
        ("advert_sent", stats.advert_sent),
        ("become_master", stats.become_master),
        ("release_master", stats.release_master),
        ("pri_zero_rcvd", stats.pri_zero_rcvd),
        ("pri_zero_sent", stats.pri_zero_sent),
        ("addr_list_err", stats.addr_list_err),
        ("ignored", stats.ignored),
        ("stalls", stats.stalls),
        ("repairs", stats.repairs),
    ];
    let refused = of.refused.iter().map(|(reason, count)| (reason.name(), *count));
    own.into_iter().chain(refused).map(|(name, count)| (name.to_owned(), count)).collect()
}

fn histogram(of: &halb_vrrp::histogram::Histogram) -> Histogram {
    let mut below = 0_u64;
    let bucket = |(bound, count): (Duration, u64)| {
        below = below.saturating_add(count);
        Bucket { le_seconds: bound.as_secs_f64(), count: below }
    };
    Histogram {
        buckets: of.buckets().map(bucket).collect(),
        count: of.count(),
        sum_seconds: of.sum().as_secs_f64(),
    }
}

fn thread(snapshot: &Snapshot, facts: &Facts) -> Thread {
    let (of, report) = (&snapshot.thread, &snapshot.thread.guard_report);
    let (scheduling, scheduling_detail) = scheduling(&of.scheduling);
    let guard_scheduling = report.ready.as_ref().map(|(of, _)| self::scheduling(of));
    let memory_detail = match &of.memory {
        MemoryLock::Locked => None,
        MemoryLock::Refused(why) => Some(why.clone()),
    };
    let (guard, guard_pid, guard_replaced) = match of.guard {
        GuardSnapshot::None => ("none", None, 0),
        GuardSnapshot::Alive { pid, replaced } => ("watching", Some(pid), replaced),
        GuardSnapshot::Dead { replaced } => ("dead", None, replaced),
    };
    let (address_marks, address_marks_detail) = match &facts.marks {
        AddressMarks::Kept => ("kernel", None),
        AddressMarks::Listed { file } => ("file", Some(file.display().to_string())),
        AddressMarks::Unlisted { why } => ("unknown", Some(why.clone())),
    };
    Thread {
        heartbeat_age_seconds: facts.ago(snapshot.at),
        scheduling: scheduling.to_owned(),
        scheduling_detail,
        memory_locked: memory_detail.is_none(),
        memory_detail,
        guard: guard.to_owned(),
        guard_pid,
        guard_replaced,
        guard_scheduling: guard_scheduling.as_ref().map(|(word, _)| (*word).to_owned()),
        guard_scheduling_detail: guard_scheduling.map(|(_, detail)| detail),
        guard_memory_locked: report.ready.as_ref().map(|(_, lock)| *lock == MemoryLock::Locked),
        guard_revocations: report.revocations,
        guard_revoked_ago_seconds: report.revoked_at.map(|at| facts.ago(at)),
        guard_sweep_seconds: report.sweep.map(|took| took.as_secs_f64()),
        guard_failures: report.failures,
        freeze_limit_seconds: facts.freeze_limit.as_secs_f64(),
        address_marks: address_marks.to_owned(),
        address_marks_detail,
        netlink_overruns: of.netlink_overruns,
        events_dropped: of.events_dropped,
        strays: of.strays,
        broken: of.broken,
    }
}

/// A word for programs and some for people.
fn scheduling(of: &Scheduling) -> (&'static str, String) {
    match of {
        Scheduling::Normal => ("normal", "as any other thread".to_owned()),
        Scheduling::Fifo(priority) => ("fifo", format!("in real time, priority {priority}")),
        Scheduling::Refused(why) => {
            ("refused", format!("as any other, as real time was refused ({why})"))
        }
        Scheduling::Demoted => {
            ("demoted", "as any other, since it once ran too long in real time".to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
