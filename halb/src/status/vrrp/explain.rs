//! `halb vip explain`: everything that decides who holds the addresses, for someone who was woken
//! for it. The answer first, then why, then what each part of it rests on.

use std::fmt::Write as _;

use super::notices::{SETTLED_SECONDS, is_held_twice};
use super::remedy::{MUTE, SPLIT};
use super::text::{peer_line, push_from, thread_lines, timers, word_line};
use super::{
    Instance, JournalFile, LinkWord, Noticed, State, Stray, Term, Thread, Transition, Vrrp,
};
use crate::status::notices::Severity;
use crate::status::readiness::HEARTBEAT_LATE;
use crate::status::text::{Colour, WIDTH};
use crate::status::words::{exact, plain, span, things, wrap};

/// Transitions that are shown; the tree holds more.
const HISTORY_SHOWN: usize = 20;

/// Senders of adverts for other virtual routers that are shown.
const STRAYS_SHOWN: usize = 5;

/// Notices that are shown.
const NOTICES_SHOWN: usize = 10;

/// Column in which explanations begin.
const COLUMN: usize = 10;

/// The text for one virtual router.
#[must_use]
pub fn render(instance: &Instance, vrrp: &Vrrp, colour: Colour) -> String {
    let mut out = String::new();
    headline(instance, colour, &mut out);
    labelled(&mut out, "since", &since(instance));
    labelled(&mut out, "why", &sentence(&instance.why));
    if let Some(because) = &instance.leaves_because {
        labelled(&mut out, "now", &sentence(because));
    }
    if is_held_twice(instance) {
        labelled(&mut out, "to do", &sentence(SPLIT));
    }
    if let Some(fault) = &instance.fault {
        labelled(&mut out, "fault", &format!("{fault}. {}", way_out(instance)));
    }
    if instance.yielded {
        let name = &instance.name;
        let text = format!("given away by an operator; to take part again: halb vip resume {name}");
        labelled(&mut out, "yielded", &text);
    }
    arithmetic(instance, colour, &mut out);
    section(&mut out, colour, "Timers now");
    let lines = timers(instance);
    for line in &lines {
        push_from(&mut out, 2, line);
    }
    if lines.is_empty() {
        push_from(&mut out, 2, "none runs: it waits for its interface, its address or a tracker");
    }
    interface(instance, colour, &mut out);
    peers(instance, colour, &mut out);
    refused(instance, &vrrp.strays, colour, &mut out);
    section(&mut out, colour, "What if");
    for case in &instance.outlook {
        push_from(&mut out, 2, &format!("{}: {}", case.case, case.then));
    }
    history(instance, &vrrp.journal, colour, &mut out);
    notices(instance, &vrrp.notices, colour, &mut out);
    safety(&vrrp.thread, colour, &mut out);
    out
}

fn headline(instance: &Instance, colour: Colour, out: &mut String) {
    let (name, addresses) = (&instance.name, instance.address_list());
    let text = match instance.state {
        State::Active if is_held_twice(instance) => {
            format!("{name} is ACTIVE here and elsewhere, SPLIT BRAIN: two nodes hold {addresses}")
        }
        State::Active => format!("{name} is ACTIVE: this node holds {addresses}"),
        State::Backup => match instance.peers.iter().find(|peer| peer.active) {
            Some(peer) => format!("{name} is BACKUP: {} holds {addresses}", peer.address),
            None => format!("{name} is BACKUP: nobody is known to hold {addresses}"),
        },
        State::Fault => format!("{name} is in FAULT: this node can't hold {addresses}"),
        State::Initialize => format!("{name} is STARTING: it doesn't take part yet"),
    };
    for line in wrap(&plain(&text), WIDTH, 2).lines() {
        let line = match instance.state {
            State::Active if is_held_twice(instance) => colour.paint(Severity::Alert, line),
            State::Active | State::Backup => colour.bold(line),
            State::Initialize => colour.paint(Severity::Warning, line),
            State::Fault => colour.paint(Severity::Alert, line),
        };
        let _ = writeln!(out, "{line}");
    }
}

fn since(instance: &Instance) -> String {
    format!("{} ({})", readable(&instance.since), span(instance.since_seconds))
}

/// `2026-11-22T03:04:05Z` with its parts apart.
fn readable(utc: &str) -> String {
    utc.replace('T', " ")
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().collect::<String>());
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{}{}{end}", first.unwrap_or_default(), characters.as_str())
}

fn way_out(instance: &Instance) -> String {
    let name = &instance.interface.name;
    if instance.interface.index.is_none() {
        return format!("There is no interface {name}; see: ip link");
    }
    if !instance.interface.up {
        return format!("{name} is down or has no carrier; see: ip link show {name}");
    }
    if instance.interface.source.is_none() {
        return format!(
            "{name} has no address of its own to send from; see: ip address show {name}"
        );
    }
    "It tries again by itself; the log says more".to_owned()
}

fn arithmetic(instance: &Instance, colour: Colour, out: &mut String) {
    let priority = &instance.priority;
    section(out, colour, &format!("Priority {}", priority.effective));
    let _ = writeln!(out, "  {:>6}  configured", priority.configured);
    for term in &priority.terms {
        let amount = match (term.fails, term.adds) {
            (true, _) => "fails".to_owned(),
            (false, 0) => "0".to_owned(),
            (false, adds) => format!("{adds:+}"),
        };
        let mut text = String::new();
        push_from(&mut text, COLUMN, &term_text(term));
        let _ = writeln!(out, "  {amount:>6}  {}", text.trim());
    }
    if priority.failed {
        let text = "a failed node has priority 1: it serves only if nobody else does";
        let _ = writeln!(out, "  {:>6}  {text}", "= 1");
    } else if !priority.terms.is_empty() {
        let _ = writeln!(out, "  {:>6}  in force", format!("= {}", priority.effective));
    }
}

fn term_text(term: &Term) -> String {
    let detail = term.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let weight = match term.weight {
        0 => "its failure fails the node".to_owned(),
        weight => format!("weight {weight}"),
    };
    format!("{} is {}{detail} ({weight})", term.subject, term.reading)
}

fn interface(instance: &Instance, colour: Colour, out: &mut String) {
    let of = &instance.interface;
    section(out, colour, "Interface and addresses");
    let state = match (of.index, of.up) {
        (None, _) => "isn't there",
        (Some(_), false) => "is down",
        (Some(_), true) => "is up",
    };
    let mac = of.mac.as_ref().map(|mac| format!(", {mac}")).unwrap_or_default();
    let source = of.source.as_deref().unwrap_or("no address of its own");
    push_from(
        out,
        2,
        &format!(
            "{} {state}{mac}; sends from {source} by {}, version {}, router id {}",
            of.name, instance.delivery, instance.version, instance.router_id
        ),
    );
    for address in &instance.addresses {
        let settled = instance.since_seconds > SETTLED_SECONDS;
        let state = match (address.present, instance.state) {
            (true, State::Active) => "present, as it should be",
            (false, State::Active) if settled => "MISSING, though this node is active",
            (false, State::Active) => "about to be added",
            (true, State::Backup | State::Fault | State::Initialize) if settled => {
                "PRESENT, though this node isn't active"
            }
            (true, State::Backup | State::Fault | State::Initialize) => "about to be removed",
            (false, State::Backup | State::Fault | State::Initialize) => "absent, as it should be",
        };
        push_from(out, 2, &format!("{} on {}: {state}", address.address, address.interface));
    }
}

fn peers(instance: &Instance, colour: Colour, out: &mut String) {
    section(out, colour, "Other nodes");
    for peer in &instance.peers {
        push_from(out, 2, &peer_line(peer, instance));
    }
    for word in &instance.words {
        push_from(out, 2, &word_line(word));
    }
    for word in instance.words.iter().filter(|word| is_mute(word, instance)) {
        push_from(out, 2, &mute_line(word, instance));
    }
    if instance.hears_a_peer() {
        return;
    }
    let nothing = "no advert of another node was heard since the start";
    let text = match instance.state {
        State::Active => format!(
            "{nothing}. That is usual: backups are silent while this node is active. If the other \
             node says that it is active too, adverts don't get through: {MUTE}"
        ),
        State::Backup | State::Fault | State::Initialize => {
            format!("{nothing}. If there is one that is active, {MUTE}")
        }
    };
    push_from(out, 2, &text);
}

/// Intervals without an advert after which an active node's adverts don't get through: one more
/// than a backup waits for.
const MUTE_INTERVALS: f64 = 4.0;

/// Another halb says over the link that it is active, and no advert of it comes, not even one that
/// is refused.
fn is_mute(word: &LinkWord, instance: &Instance) -> bool {
    let listens = match instance.state {
        State::Active | State::Backup => true,
        State::Fault | State::Initialize => false,
    };
    let Some(source) =
        word.source.as_ref().filter(|_| listens && word.counts && word.state == State::Active)
    else {
        return false;
    };
    let own = instance.timers.advert_interval_seconds;
    let comes = |ago: f64, every: f64| ago <= MUTE_INTERVALS * every;
    let heard = instance.peers.iter().filter(|peer| peer.address == *source).any(|peer| {
        let every = peer.interval_seconds.unwrap_or(own).max(own);
        peer.ago_seconds.is_some_and(|ago| comes(ago, every))
    });
    let refused = instance.refused.iter().filter(|refused| refused.address == *source);
    let is_refused = refused.into_iter().any(|refused| comes(refused.ago_seconds, own));
    // It says so before its first advert comes.
    !heard && !is_refused && !comes(instance.since_seconds, own)
}

fn mute_line(word: &LinkWord, instance: &Instance) -> String {
    let source = word.source.as_deref().unwrap_or(&word.from);
    let last = instance.peers.iter().find(|peer| peer.address == source);
    let since = match last.and_then(|peer| peer.ago_seconds) {
        Some(ago) => format!("its last one came {} ago", span(ago)),
        None => "none ever came".to_owned(),
    };
    format!("{source} is active, and its adverts don't get through, {since}: {MUTE}")
}

fn refused(instance: &Instance, strays: &[Stray], colour: Colour, out: &mut String) {
    section(out, colour, "Adverts that weren't taken");
    for refused in instance.refused.iter().rev() {
        let times = if refused.count == 1 { "once" } else { "times" };
        let count = if refused.count == 1 { String::new() } else { format!("{} ", refused.count) };
        push_from(
            out,
            2,
            &format!(
                "from {}, {count}{times}, last {} ago: {}",
                refused.address,
                span(refused.ago_seconds),
                refused.detail
            ),
        );
        push_from(out, 4, &format!("-> {}", refused.remedy));
    }
    let own = instance.interface.name.as_str();
    let mut here = strays.iter().rev().filter(|stray| stray.interface == own).peekable();
    if instance.refused.is_empty() && here.peek().is_none() {
        push_from(out, 2, "none");
    }
    for stray in here.take(STRAYS_SHOWN) {
        let id = stray.router_id.map_or_else(|| "no id".to_owned(), |id| format!("router id {id}"));
        let text = format!(
            "from {}, {} for {id}, which this node doesn't have, last {} ago",
            stray.address,
            things(stray.count, "advert", "adverts"),
            span(stray.ago_seconds)
        );
        push_from(out, 2, &text);
        let remedy =
            "-> nothing, if it is another team's; else give both nodes the same 'router_id'";
        push_from(out, 4, remedy);
    }
}

fn history(instance: &Instance, journal: &JournalFile, colour: Colour, out: &mut String) {
    section(out, colour, "Last changes");
    let shown = instance.history.iter().rev().take(HISTORY_SHOWN);
    for Transition { at, from, to, why, priority, earlier_process, .. } in shown {
        let earlier = if *earlier_process { " [earlier process]" } else { "" };
        let moved = format!("{} -> {}", from.word(), to.word());
        push_from(
            out,
            2,
            &format!("{} {moved}: {why} (priority {priority}){earlier}", readable(at)),
        );
    }
    if instance.history.is_empty() {
        push_from(out, 2, "none");
    }
    if let Some(error) = &journal.error {
        push_from(out, 2, &format!("they are lost with this process: {error}"));
    }
}

fn notices(instance: &Instance, all: &[Noticed], colour: Colour, out: &mut String) {
    let concerns =
        |notice: &&Noticed| notice.instance.as_ref().is_none_or(|name| *name == instance.name);
    let mut own = all.iter().rev().filter(concerns).peekable();
    if own.peek().is_none() {
        return;
    }
    section(out, colour, "Last notices");
    for notice in own.take(NOTICES_SHOWN) {
        push_from(out, 2, &format!("{} {}", readable(&notice.at), notice.text));
    }
}

fn safety(thread: &Thread, colour: Colour, out: &mut String) {
    section(out, colour, "If halb itself fails");
    for line in thread_lines(thread) {
        push_from(out, 2, &line);
    }
    if thread.heartbeat_age_seconds > HEARTBEAT_LATE.as_secs_f64() {
        let age = exact(thread.heartbeat_age_seconds);
        push_from(out, 2, &format!("the thread of the virtual IPs has stood still for {age}"));
    }
}

fn section(out: &mut String, colour: Colour, title: &str) {
    let _ = writeln!(out, "\n{}", colour.bold(title));
}

fn labelled(out: &mut String, label: &str, text: &str) {
    let mut lines = String::new();
    for line in wrap(&plain(text), WIDTH - COLUMN, 0).lines() {
        let _ = writeln!(lines, "{:COLUMN$}{line}", "");
    }
    let _ = writeln!(out, "  {label:<8}{}", lines.trim());
}

#[cfg(test)]
mod tests;
