//! Virtual IPs in a few lines each: part of `halb status`, and the whole of `halb vip status`.

use std::fmt::Write as _;

use super::notices::is_held_twice;
use super::{Instance, LinkWord, Peer, State, Thread, Vrrp};
use crate::status::notices::Severity;
use crate::status::text::{Colour, WIDTH};
use crate::status::words::{clip, exact, plain, span, things, wrap};

/// Longest name in a line.
const NAME_WIDTH: usize = 18;

/// After so many of its intervals without an advert a node is silent.
const QUIET_INTERVALS: f64 = 3.0;

/// A few lines for each virtual router, as part of `halb status`.
#[must_use]
pub fn short(vrrp: &Vrrp, colour: Colour) -> String {
    let mut out = String::new();
    for instance in &vrrp.instances {
        let _ = writeln!(out, "\nvip {}", headline(instance, colour));
        held(instance, &mut out);
        push(&mut out, &format!("because {}", first_sentence(&instance.why)));
    }
    out
}

/// The whole screen of `halb vip status`.
#[must_use]
pub fn render(vrrp: &Vrrp, colour: Colour) -> String {
    let mut out = String::new();
    for instance in &vrrp.instances {
        let _ = writeln!(out, "{}", headline(instance, colour));
        held(instance, &mut out);
        push(&mut out, &format!("because {}", first_sentence(&instance.why)));
        push(&mut out, &format!("priority {}", priority(instance)));
        for line in timers(instance) {
            push(&mut out, &line);
        }
        for peer in &instance.peers {
            push(&mut out, &peer_line(peer, instance));
        }
        for word in &instance.words {
            push(&mut out, &word_line(word));
        }
        if instance.refused.iter().any(|refused| refused.count > 0) {
            let count: u64 = instance.refused.iter().map(|refused| refused.count).sum();
            push(&mut out, &format!("refused adverts: {count}; see: halb vip explain"));
        }
        out.push('\n');
    }
    for line in thread_lines(&vrrp.thread) {
        push_from(&mut out, 0, &line);
    }
    out
}

/// `VI_1  ACTIVE  172.16.16.100 on eth1  3 h 12 min`.
fn headline(instance: &Instance, colour: Colour) -> String {
    let state = instance.state.loud();
    let state = match instance.state {
        State::Fault => colour.paint(Severity::Alert, state),
        State::Initialize => colour.paint(Severity::Warning, state),
        State::Active | State::Backup => colour.bold(state),
    };
    let name = colour.bold(&clip(&plain(&instance.name), NAME_WIDTH));
    let (yielded, room) = if instance.yielded { (" (yielded)", 28) } else { ("", 38) };
    let addresses = clip(&instance.address_list(), room - 15);
    let facts = format!("{addresses} on {}", plain(&instance.interface.name));
    let facts = clip(&facts, room - 4);
    format!("{name}  {state}{yielded}  {facts}  {}", span(instance.since_seconds))
}

/// Who holds it, where that isn't this node, or not this node alone.
fn held(instance: &Instance, out: &mut String) {
    let words = instance.words.iter().filter(|word| word.counts && word.state == State::Active);
    let peers = instance.peers.iter().filter(|peer| peer.active).map(|peer| &peer.address);
    let said = words.map(|word| word.source.as_ref().unwrap_or(&word.from));
    match instance.state {
        State::Active if is_held_twice(instance) => {
            push(out, "!! SPLIT BRAIN: another node holds it too; see: halb vip explain");
        }
        State::Active => {}
        State::Backup | State::Fault | State::Initialize => match peers.chain(said).next() {
            Some(holder) => push(out, &format!("{holder} holds it")),
            None => push(out, "no node is known to hold it"),
        },
    }
}

/// What moved it, without the rule.
pub(super) fn first_sentence(why: &str) -> &str {
    why.split(". ").next().unwrap_or(why)
}

fn priority(instance: &Instance) -> String {
    let priority = &instance.priority;
    if priority.configured == priority.effective && priority.terms.iter().all(|term| !term.sick) {
        return format!("{}, as configured", priority.effective);
    }
    priority.arithmetic.clone()
}

/// What the clock will bring.
pub(super) fn timers(instance: &Instance) -> Vec<String> {
    let timers = &instance.timers;
    let mut lines = Vec::new();
    if let Some(left) = instance.offered_seconds {
        let why = instance.offered_because.as_deref().unwrap_or("a better node may be there");
        lines.push(format!(
            "offers the addresses because {why}: for {} more, then it keeps them",
            exact(left)
        ));
    }
    if let Some(left) = timers.takeover_in_seconds {
        lines.push(format!(
            "takes over in {} unless it hears an advert that counts (waits {} after each)",
            exact(left),
            exact(timers.down_interval_seconds),
        ));
    } else if let (Some(left), Some(next)) = (timers.next_in_seconds, &timers.next) {
        let interval = exact(timers.advert_interval_seconds);
        lines.push(format!("next: {next} in {} (an advert every {interval})", exact(left)));
    }
    lines
}

/// What another node last said. A backup says nothing, which is no fault of it.
pub(super) fn peer_line(peer: &Peer, instance: &Instance) -> String {
    let address = &peer.address;
    let (Some(ago), Some(last)) = (peer.ago_seconds, peer.last_priority) else {
        return format!("{address} is a configured peer and was never heard");
    };
    let role = if peer.active { "is active" } else { "was heard" };
    let said = match (last, peer.priority) {
        (0, Some(before)) => format!("gave the addresses up (priority 0, before that {before})"),
        (0, None) => "gave the addresses up (priority 0)".to_owned(),
        (last, _) if peer.same_priority == Some(true) => {
            format!("priority {last}, the same as ours: the greater address decides")
        }
        (last, _) => format!("priority {last}"),
    };
    let every = peer.interval_seconds.map(|s| format!(", every {}", exact(s))).unwrap_or_default();
    let other = match peer.same_addresses {
        Some(false) => ", but claims other addresses than this node",
        Some(true) | None => "",
    };
    let quiet = ago > QUIET_INTERVALS * peer.interval_seconds.unwrap_or_default();
    let backup = match instance.state {
        State::Active if quiet && is_held_twice(instance) => " (none has counted since)",
        State::Active if quiet && last != 0 => " (a backup is silent)",
        State::Active | State::Backup | State::Fault | State::Initialize => "",
    };
    format!("{address} {role}: {said}{every}, last {} ago{backup}{other}", exact(ago))
}

/// What another halb last said over the link.
pub(super) fn word_line(word: &LinkWord) -> String {
    let yielded = if word.yielded { ", yielded by its operator" } else { "" };
    let able = if word.able { "" } else { ", not able to take over" };
    let old = if word.counts { "" } else { "; too old to count" };
    let priority = match word.effective {
        0 => "about to stop".to_owned(),
        effective => format!("priority {effective} of {}", word.configured),
    };
    format!(
        "{} says over the link: {}, {priority}, {}{yielded}{able}, {} ago{old}",
        word.from,
        word.state.word(),
        word.health,
        exact(word.ago_seconds)
    )
}

/// How the guard and the thread are.
pub(super) fn thread_lines(thread: &Thread) -> Vec<String> {
    let mut lines = vec![guard_line(thread)];
    let memory = match &thread.memory_detail {
        None => "memory locked".to_owned(),
        Some(why) => format!("memory not locked ({why})"),
    };
    let own = format!("the thread is scheduled {}; {memory}", thread.scheduling_detail);
    lines.push(match (&thread.guard_scheduling_detail, thread.guard_memory_locked) {
        (None, _) | (_, None) => own,
        (Some(guard), Some(locked))
            if *guard == thread.scheduling_detail && locked == thread.memory_locked =>
        {
            format!("{own}; the guard likewise")
        }
        (Some(guard), Some(locked)) => {
            let not = if locked { "" } else { " not" };
            format!("{own}; the guard is scheduled {guard}, its memory is{not} locked")
        }
    });
    lines.extend(revocations(thread));
    lines.extend(marks(thread));
    lines
}

fn guard_line(thread: &Thread) -> String {
    let replaced = match thread.guard_replaced {
        0 => String::new(),
        count => format!(" ({} died so far)", things(count, "guard", "guards")),
    };
    match (thread.guard.as_str(), thread.guard_pid) {
        ("watching", Some(pid)) => format!(
            "guard process {pid} takes the addresses off if halb dies or stands still for \
             {}{replaced}",
            exact(thread.freeze_limit_seconds)
        ),
        ("dead", _) => format!(
            "guard process: dead{replaced}, and another one is tried again and again; if halb dies \
             meanwhile, its addresses stay on the interface until systemd or the next start of \
             halb takes them off"
        ),
        (state, _) => format!(
            "guard process: {state}; if halb dies, its addresses stay on the interface until \
             systemd or the next start of halb takes them off"
        ),
    }
}

/// What the guard did while this process stood still.
fn revocations(thread: &Thread) -> Option<String> {
    let times = match thread.guard_revocations {
        0 => return None,
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let last = thread.guard_revoked_ago_seconds.map(|ago| format!(", last {} ago", span(ago)));
    let took = thread.guard_sweep_seconds.map(|took| format!(", within {}", exact(took)));
    let failed = match thread.guard_failures {
        0 => String::new(),
        count => {
            format!("; {} failed", things(count, "address or goodbye", "addresses or goodbyes"))
        }
    };
    Some(format!(
        "the guard took the addresses off {times} because halb stood still{}{}{failed}",
        last.unwrap_or_default(),
        took.unwrap_or_default()
    ))
}

/// Where the kernel doesn't know whose an address is.
fn marks(thread: &Thread) -> Option<String> {
    let detail = thread.address_marks_detail.as_deref().unwrap_or_default();
    match thread.address_marks.as_str() {
        "file" => Some(format!(
            "this kernel doesn't mark addresses (Linux 5.18 does); {detail} lists those that may be \
             halb's"
        )),
        "unknown" => Some(format!(
            "this kernel doesn't mark addresses (Linux 5.18 does), and halb's couldn't be listed \
             ({detail}): what a crash leaves on an interface stays there"
        )),
        _ => None,
    }
}

fn push(out: &mut String, text: &str) {
    push_from(out, 2, text);
}

/// Wrapped lines, from this column on.
pub(super) fn push_from(out: &mut String, column: usize, text: &str) {
    for line in wrap(&plain(text), WIDTH - column, 2).lines() {
        let _ = writeln!(out, "{:column$}{line}", "");
    }
}

#[cfg(test)]
mod tests;
