//! What is allowed of virtual IPs, and probably not wanted.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halb_vrrp::config::Preempt;
use halb_vrrp::track::{Subject, Weight};
use halb_vrrp::values::{BasePriority, Priority};

use super::together::{Others, Places};
use super::{RouterDraft, TrackerDraft};
use crate::defaults;
use crate::diagnostic::{Diagnostic, Span};
use crate::frontend::FrontendDraft;
use crate::sink::Sink;
use crate::units::DurationText;

/// Below this an ordinary thread of a busy host is late by more than a down interval's margin now
/// and then.
const REALTIME_BELOW: Duration = Duration::from_millis(100);

/// What is unwise within one virtual router.
pub(super) fn report(draft: &RouterDraft<'_>) {
    lint_password(draft);
    lint_wide_masks(draft);
    lint_weights(draft);
    lint_never_preempting(draft);
    lint_own_interface(draft);
    lint_lowest_priorities(draft);
}

fn lint_password(draft: &RouterDraft<'_>) {
    let Some(entry) = draft.table.get("auth_pass") else { return };
    if !draft.protocol.has_password() {
        return;
    }
    draft.report(
        Diagnostic::lint(entry.key_span.clone(), "this password is no protection")
            .consequence(
                "every advert carries it in clear; it keeps out mistakes, not who wants the address",
            )
            .remedy(
                "keep it while a node needs it, and let nobody else onto the segment (or filter IP \
                 protocol 112); between halbs, [peer] has a real key",
            ),
    );
}

fn lint_wide_masks(draft: &RouterDraft<'_>) {
    for placed in draft.addresses.iter().filter(|placed| placed.is_wide()) {
        let (address, length) = (placed.address, placed.prefix_len);
        draft.report(
            Diagnostic::lint(
                placed.span.clone(),
                format!("{address} brings a /{length} route along"),
            )
            .consequence(
                "the route comes and goes with the address, and the kernel may choose the \
                     address as source of this node's own connections",
            )
            .remedy(format!(
                "write \"{address}\" alone, unless the interface has no other address there"
            )),
        );
    }
}

/// Weights that move nothing. What the other nodes' priority is can't be known here; taken for it
/// is the default, which is what a file gets that doesn't say, and keepalived's too.
fn lint_weights(draft: &RouterDraft<'_>) {
    let (base, usual) = (draft.priority.get(), defaults::vrrp_priority().get());
    for tracked in draft.trackers.iter().filter(|tracked| tracked.tracker.weight != Weight::FAULT) {
        let subject = &tracked.tracker.subject;
        let weight = tracked.tracker.weight.get().unsigned_abs();
        let lint = |what: String| Diagnostic::lint(tracked.weight_span.clone(), what);
        if draft.priority.is_owner() {
            draft.report(
                lint(format!("a weight does nothing to a priority of {base}"))
                    .consequence("an owner of its addresses keeps them whatever it tracks")
                    .remedy(
                        "write a priority below 255, or leave the weight out (0 fails the node)",
                    ),
            );
            continue;
        }
        let gap = base.saturating_sub(usual);
        if gap > 0 && weight <= u16::from(gap) && counts_once(subject) {
            let least = i32::from(gap) + 1;
            let enough = match tracked.tracker.weight.get() < 0 {
                true => format!("{} or lower", -least),
                false => format!("{least} or higher"),
            };
            let nearer = u16::from(usual) + weight - 1;
            draft.report(
                lint(format!("a weight of {} is too small", tracked.tracker.weight.get()))
                    .consequence(format!(
                        "a node with the usual priority of {usual} is {gap} behind, and doesn't take \
                         over from this one when {subject} is down",
                    ))
                    .remedy(format!(
                        "write {enough}, or a priority of at most {nearer}, unless the other node's \
                         is that near to {base}",
                    )),
            );
        }
    }
}

/// A file's number multiplies its weight, so that the weight alone says little.
fn counts_once(subject: &Subject) -> bool {
    match subject {
        Subject::File(_) => false,
        Subject::Frontend(_)
        | Subject::Backend { .. }
        | Subject::Interface(_)
        | Subject::Script { .. } => true,
    }
}

fn lint_never_preempting(draft: &RouterDraft<'_>) {
    let weighted = |tracked: &&TrackerDraft| tracked.tracker.weight != Weight::FAULT;
    let Some(tracked) = draft.trackers.iter().find(weighted) else { return };
    if draft.behaviour.preempt == Preempt::Never {
        draft.report(
            Diagnostic::lint(draft.place("preempt"), "this node takes over from no sick one")
                .consequence(
                    "a weight only lowers a priority, which it then ignores; another halb hands over \
                     all the same, keepalived holds on",
                )
                .remedy("write a delay instead, such as `preempt = \"30s\"`, or use weight 0")
                .related(tracked.weight_span.clone(), "a weight, which the other node probably has too"),
        );
    }
}

fn lint_own_interface(draft: &RouterDraft<'_>) {
    for tracked in &draft.trackers {
        let Subject::Interface(name) = &tracked.tracker.subject else { continue };
        if draft.interface.as_ref() == Some(name) && !tracked.tracker.reverse {
            draft.report(
                Diagnostic::lint(tracked.span.clone(), format!("{name} is tracked anyway"))
                    .consequence("without its own interface a virtual router takes no part")
                    .remedy("remove this tracker"),
            );
        }
    }
}

fn lint_lowest_priorities(draft: &RouterDraft<'_>) {
    let (priority, yielded) = (draft.priority.get(), Priority::YIELDED.get());
    if priority <= yielded {
        let least = yielded + 1;
        draft.report(
            Diagnostic::lint(draft.place("priority"), format!("priority {priority} is too low"))
                .consequence(format!(
                    "a node that has failed says {}, and one that was given away ('halb vip yield') \
                     {yielded}: this one would be no better, and the addresses would stay there",
                    Priority::LAST_RESORT.get()
                ))
                .remedy(format!("write {least} or more, tens away from the other node's")),
        );
    }
}

/// What is unwise in the file as a whole. Only in a file without errors: what is wrong elsewhere
/// may be what is missed here.
pub(super) fn report_together(
    sink: &Sink,
    drafts: &[RouterDraft<'_>],
    held: &Places<'_>,
    others: &Others<'_>,
) {
    if sink.has_errors() {
        return;
    }
    lint_scheduling(sink, drafts, others);
    lint_freeze_limit(sink, drafts, others);
    lint_alone_in_group(drafts);
    lint_unequal_group(drafts);
    lint_bound_to_virtual(sink, held, others);
    for draft in drafts {
        lint_untracked(draft, others);
    }
}

fn lint_scheduling(sink: &Sink, drafts: &[RouterDraft<'_>], others: &Others<'_>) {
    if let (Some((_, span)), true) = (&others.daemon.realtime, drafts.is_empty()) {
        sink.report_absence(without_virtual_ip(span, "realtime_priority"));
    }
    if let (Some((_, span)), true) = (&others.daemon.notify_fifo, drafts.is_empty()) {
        sink.report_absence(without_virtual_ip(span, "notify_fifo"));
    }
    if others.daemon.realtime.is_some() {
        return;
    }
    for draft in drafts {
        let interval = draft.protocol.interval.map(|interval| interval.duration());
        let Some(interval) = interval.filter(|interval| *interval < REALTIME_BELOW) else {
            continue;
        };
        let what =
            format!("adverts every {} are sent by an ordinary thread", DurationText(interval));
        draft.report(
            Diagnostic::lint(draft.place("advert_interval"), what)
                .consequence("a busy moment of this host makes another node take over")
                .remedy(format!(
                    "add `realtime_priority = 50` to [global], or write \"{}\" or more",
                    DurationText(REALTIME_BELOW)
                )),
        );
    }
}

fn without_virtual_ip(span: &Span, key: &str) -> Diagnostic {
    Diagnostic::lint(span.clone(), format!("'{key}' without a virtual IP"))
        .consequence("there is no [vrrp.NAME], which it is for")
        .remedy("remove it")
}

fn lint_freeze_limit(sink: &Sink, drafts: &[RouterDraft<'_>], others: &Others<'_>) {
    let Some((limit, span)) = &others.daemon.freeze_limit else { return };
    let down = |draft: &RouterDraft<'_>| {
        let missed = u32::from(draft.behaviour.down_timer_adverts.get());
        draft.protocol.interval.map(|interval| interval.duration().saturating_mul(missed))
    };
    let Some(down) = drafts.iter().filter_map(down).min() else {
        sink.report_absence(without_virtual_ip(span, "freeze_limit"));
        return;
    };
    if *limit > down {
        let (limit, down) = (DurationText(*limit), DurationText(down));
        sink.report(
            Diagnostic::lint(
                span.clone(),
                format!("a frozen node keeps its addresses for {limit}"),
            )
            .consequence(format!(
                "another one takes them after {down}, and until then both have them"
            ))
            .remedy(format!("write at most \"{down}\", or leave it out")),
        );
    }
}

fn lint_alone_in_group(drafts: &[RouterDraft<'_>]) {
    for draft in drafts {
        let Some((group, span)) = &draft.sync_group else { continue };
        let other = |other: &&RouterDraft<'_>| {
            other.name != draft.name && other.sync_group.as_ref().is_some_and(|(g, _)| g == group)
        };
        if drafts.iter().find(other).is_none() {
            draft.report(
                Diagnostic::lint(span.clone(), format!("nobody else is in group '{group}'"))
                    .consequence("there is nothing that this instance could move together with")
                    .remedy("write the same name at another instance, or remove it"),
            );
        }
    }
}

/// Members are elected one by one, and the group waits for all of them.
fn lint_unequal_group(drafts: &[RouterDraft<'_>]) {
    for (index, draft) in drafts.iter().enumerate() {
        let Some((group, _)) = &draft.sync_group else { continue };
        let same =
            |other: &&RouterDraft<'_>| other.sync_group.as_ref().is_some_and(|(g, _)| g == group);
        let Some(first) = drafts[..index].iter().find(same) else { continue };
        let (own, theirs) = (draft.priority.get(), first.priority.get());
        if own != theirs {
            draft.report(
                Diagnostic::lint(
                    draft.place("priority"),
                    format!("priority {own} in group '{group}', where another one has {theirs}"),
                )
                .consequence(
                    "each is compared with the other node's by itself: if one is better and one is \
                     worse, neither node can hold the whole group",
                )
                .remedy(format!("write `priority = {theirs}`, and the same at all of the group"))
                .related(first.place("priority"), "the first of the group"),
            );
        }
    }
}

/// What is bound at the start, or connected from, while this node may not hold the address.
fn lint_bound_to_virtual(sink: &Sink, held: &Places<'_>, others: &Others<'_>) {
    if let (Some(http), Some(span)) = (others.daemon.admin.http, &others.daemon.admin_http_span)
        && let Some(held) = held.get(&http.ip())
    {
        sink.report(
            Diagnostic::lint(span.clone(), format!("{} is a virtual address", http.ip()))
                .consequence("halb doesn't start on a node that doesn't hold it")
                .remedy("write the node's own address, or 127.0.0.1")
                .related((*held).clone(), "held in turn by the nodes"),
        );
    }
    for backend in others.backends {
        let (Some(source), Some(span)) = (backend.backend.source, &backend.source_span) else {
            continue;
        };
        if let Some(held) = held.get(&source) {
            sink.report(
                Diagnostic::lint(span.clone(), format!("{source} is a virtual address"))
                    .consequence(
                        "a node that doesn't hold it reaches no server, so its checks fail, and it \
                         takes itself for sick",
                    )
                    .remedy("write the node's own address, or leave it out")
                    .related((*held).clone(), "held in turn by the nodes"),
            );
        }
    }
}

/// A frontend that serves on a virtual address, and whose state doesn't count.
fn lint_untracked(draft: &RouterDraft<'_>, others: &Others<'_>) {
    let (mut by_address, mut any) = (Vec::new(), Vec::new());
    for frontend in others.frontends {
        let serves = |(bind, _): &&(SocketAddr, Span)| {
            draft.addresses.iter().any(|placed| placed.address == bind.ip())
        };
        let serves_all = |(bind, _): &&(SocketAddr, Span)| {
            bind.ip().is_unspecified() && holds_family(draft, bind.ip())
        };
        by_address.extend(frontend.binds.iter().find(serves).map(|bind| (frontend, bind)));
        any.extend(frontend.binds.iter().find(serves_all).map(|bind| (frontend, bind)));
    }
    let tracks_service = draft.trackers.iter().any(|tracked| match &tracked.tracker.subject {
        Subject::Frontend(_) | Subject::Backend { .. } | Subject::Script { .. } => true,
        Subject::Interface(_) | Subject::File(_) => false,
    });
    let untracked = if by_address.is_empty() && !tracks_service { any } else { by_address };
    let missed = untracked.iter().find(|(frontend, _)| !is_tracked(draft, frontend));
    if let Some((frontend, (bind, span))) = missed {
        let name = &frontend.frontend.name;
        let weight = suggested_weight(draft.priority);
        draft.report(
            Diagnostic::lint(
                draft.table.key_span.clone(),
                format!("frontend '{name}' serves here, and isn't tracked"),
            )
            .consequence("the address stays with this node when that frontend can serve nobody")
            .remedy(format!("add `track = [{{ frontend = \"{name}\", weight = {weight} }}]`"))
            .related(span.clone(), format!("listens on {bind}")),
        );
    }
}

fn holds_family(draft: &RouterDraft<'_>, ip: IpAddr) -> bool {
    draft.addresses.iter().any(|placed| placed.address.is_ipv4() == ip.is_ipv4())
}

fn is_tracked(draft: &RouterDraft<'_>, frontend: &FrontendDraft) -> bool {
    draft.trackers.iter().any(|tracked| match &tracked.tracker.subject {
        Subject::Frontend(name) => frontend.frontend.name.as_str() == &**name,
        Subject::Backend { name, .. } => {
            frontend.targets.iter().any(|(target, _)| target.as_str() == &**name)
        }
        Subject::Script { .. } => true,
        Subject::Interface(_) | Subject::File(_) => false,
    })
}

/// A weight that leaves a sick node below one with the usual priority.
fn suggested_weight(priority: BasePriority) -> i16 {
    let gap = i16::from(priority.get()) - i16::from(defaults::vrrp_priority().get());
    -(gap.max(0) + 20)
}
