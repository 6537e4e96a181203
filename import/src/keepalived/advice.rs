//! What is kept as keepalived has it, and could be better; and what nodes disagree about.

use std::time::Duration;

use super::account::Account;
use super::instance::{Instance, OWNER, PRIORITY, Preempt};
use super::trackers::{Subject, Tracker};
use super::tree::Directive;
use super::values::duration;
use crate::source::Place;

/// Tells of an instance by itself, and beside the same one on the other nodes.
pub(super) fn tell(
    instance: &Instance<'_>,
    trackers: &[Tracker],
    others: &[(String, Instance<'_>)],
    account: &mut Account,
) {
    password(instance, account);
    fast(instance, account);
    scripts(instance, trackers, account);
    never_preempting(instance, trackers, account);
    if others.is_empty() {
        weights(instance, trackers, PRIORITY, "a node with the usual priority of 100", account);
    }
    for (name, other) in others {
        let who = format!("{name}, which has priority {}", other.priority);
        weights(instance, trackers, other.priority, &who, account);
        equal_priorities(instance, name, other, account);
        disagreements(instance, name, other, account);
    }
}

/// Where a word of the instance stands, or the instance.
fn place(instance: &Instance<'_>, keyword: &str) -> Place {
    instance.directive.last(keyword).unwrap_or(instance.directive).place()
}

fn password(instance: &Instance<'_>, account: &mut Account) {
    if instance.password.is_none() {
        return;
    }
    account.hint(
        &place(instance, "authentication"),
        "this password is no protection: every advert carries it in clear",
        "keep it while a node runs keepalived; between halbs, [peer] has a real key",
    );
    let inside = instance.directive.all("authentication").flat_map(Directive::inside);
    let long = inside.filter(|it| it.keyword() == "auth_pass" && it.value().len() > 8).last();
    if let (Some(long), Some(kept)) = (long, &instance.password) {
        account.hint(
            &long.place(),
            "only 8 bytes of a password travel; the rest adds nothing",
            format!("\"{kept}\" is what is imported"),
        );
    }
}

/// Version 2 counts in seconds.
fn fast(instance: &Instance<'_>, account: &mut Account) {
    if instance.version != 2 {
        return;
    }
    let written = instance.directive.last("advert_int").map(Directive::value);
    let meant = written.and_then(super::values::seconds);
    if let (Some(meant), Some(written)) = (meant, written)
        && meant != instance.interval
    {
        account.hint(
            &place(instance, "advert_int"),
            format!(
                "version 2 counts in seconds, so that {written} is {} in keepalived, too",
                duration(instance.interval)
            ),
            format!(
                "once all nodes run halb: version = 3, advert_interval = \"{}\"",
                duration(meant)
            ),
        );
        return;
    }
    let silence = instance.interval * 3 + Duration::from_millis(609);
    account.hint(
        &place(instance, "advert_int"),
        format!(
            "version 2 with adverts every {}: a node that vanishes is replaced after up to {}",
            duration(instance.interval),
            duration(silence)
        ),
        "once all nodes run halb: version = 3 and advert_interval = \"100ms\" make it 0.4s",
    );
}

fn scripts(instance: &Instance<'_>, trackers: &[Tracker], account: &mut Account) {
    for tracker in trackers {
        let Subject::Script { command, script } = &tracker.subject else { continue };
        if let Some(timeout) = script.timeout.filter(|timeout| *timeout > script.interval) {
            account.hint(
                &place(instance, "track_script"),
                format!(
                    "'{}' may take {}, longer than its interval of {}: a run that hangs skips the \
                     next ones, so that it is noticed much later",
                    script.line,
                    duration(timeout),
                    duration(script.interval)
                ),
                format!("timeout = \"{}\"", duration(script.interval)),
            );
        }
        if command.first().is_some_and(|program| program == "/bin/sh")
            && script.line.contains("/dev/tcp/")
        {
            account.hint(
                &place(instance, "track_script"),
                format!(
                    "'{}' needs bash; where /bin/sh is another shell it always fails",
                    script.line
                ),
                "track the frontend or a backend instead",
            );
        }
    }
}

fn never_preempting(instance: &Instance<'_>, trackers: &[Tracker], account: &mut Account) {
    if instance.preempt == Preempt::Never && trackers.iter().any(|tracker| tracker.weight != 0) {
        account.hint(
            &place(instance, "nopreempt"),
            "weights beside 'nopreempt': a node that gets worse is never displaced",
            "write a delay such as preempt = \"30s\" instead, or use weight 0",
        );
    }
}

/// A weight that doesn't bring this node below another one moves nothing.
fn weights(
    instance: &Instance<'_>,
    trackers: &[Tracker],
    other: u8,
    who: &str,
    account: &mut Account,
) {
    let gap = i32::from(instance.priority) - i32::from(other);
    if instance.priority == OWNER || gap <= 0 {
        return;
    }
    for tracker in trackers {
        let weight = i32::from(tracker.weight);
        let counts_once = !matches!(tracker.subject, Subject::File(_));
        if weight == 0 || weight.abs() > gap || !counts_once {
            continue;
        }
        let enough = if weight < 0 {
            format!("{} or less", -gap - 1)
        } else {
            format!("{} or more", gap + 1)
        };
        account.hint(
            &place(instance, "priority"),
            format!("a weight of {weight} moves nothing: this node stays ahead of {who}"),
            format!("write a weight of {enough}; or a smaller distance between the priorities"),
        );
    }
}

fn equal_priorities(
    instance: &Instance<'_>,
    name: &str,
    other: &Instance<'_>,
    account: &mut Account,
) {
    if instance.priority == other.priority {
        let down = instance.priority.saturating_sub(10).max(1);
        account.hint(
            &place(instance, "priority"),
            format!(
                "{name} has the same priority of {}: after a silence both become active at once, and \
                 the one with the lower address yields",
                instance.priority
            ),
            format!("give one node another priority, such as {down}, and a weight greater than the distance"),
        );
    }
}

/// What both must say alike.
fn disagreements(instance: &Instance<'_>, name: &str, other: &Instance<'_>, account: &mut Account) {
    let mut differs = |keyword: &str, what: &str, here: String, there: String| {
        if here != there {
            account.hint(
                &place(instance, keyword),
                format!(
                    "{name} has another {what}: {there}, not {here}; both nodes would be active"
                ),
                format!("give both nodes the same {what}"),
            );
        }
    };
    let interval = |it: &Instance<'_>| duration(it.interval);
    let password = |it: &Instance<'_>| it.password.as_deref().map_or("none", |_| "one").to_owned();
    let addresses = |it: &Instance<'_>| {
        let mut all: Vec<_> = it.addresses().map(|address| address.ip.to_string()).collect();
        all.sort();
        all.join(" ")
    };
    let id = |it: &Instance<'_>| it.router_id.unwrap_or_default().to_string();
    differs("virtual_router_id", "virtual_router_id", id(instance), id(other));
    differs("version", "version", instance.version.to_string(), other.version.to_string());
    if instance.version == 2 {
        differs("advert_int", "interval", interval(instance), interval(other));
        differs("authentication", "password", password(instance), password(other));
        if instance.password.is_some()
            && other.password.is_some()
            && instance.password != other.password
        {
            differs(
                "authentication",
                "password",
                "this one".to_owned(),
                "a different one".to_owned(),
            );
        }
    }
    differs("virtual_ipaddress", "list of addresses", addresses(instance), addresses(other));
}
