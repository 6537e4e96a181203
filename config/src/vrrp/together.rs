//! Compares the parts of virtual routers with each other and with the rest of the file.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halb_vrrp::track::Subject;
use halb_vrrp::values::{Family, Version};

use super::{GroupDraft, RouterDraft, group, lints};
use crate::backend::BackendDraft;
use crate::daemon::Daemon;
use crate::diagnostic::{Diagnostic, Span};
use crate::frontend::FrontendDraft;
use crate::keys;
use crate::peer::PeerDraft;
use crate::reader::Entry;
use crate::sink::Sink;
use crate::units::DurationText;

/// What virtual routers are compared with.
pub(crate) struct Others<'a> {
    pub(crate) frontends: &'a [FrontendDraft],
    pub(crate) backends: &'a [BackendDraft],
    /// All frontends of the file, readable or not.
    pub(crate) named_frontends: &'a [Entry<'a>],
    /// All backends of the file, readable or not.
    pub(crate) named_backends: &'a [Entry<'a>],
    pub(crate) daemon: &'a Daemon,
    pub(crate) peer: Option<&'a PeerDraft>,
    pub(crate) groups: &'a [GroupDraft<'a>],
}

/// Reports what doesn't fit within one virtual router.
pub(super) fn check_parts(draft: &RouterDraft<'_>) {
    check_version(draft);
    check_unicast_peers(draft);
    check_source(draft);
    lints::report(draft);
}

fn check_version(draft: &RouterDraft<'_>) {
    let v6 = draft.addresses.iter().find(|placed| placed.address.is_ipv6());
    let (Some(Version::V2), Some(v6)) = (draft.protocol.version, v6) else { return };
    let what = format!("version 2 knows no IPv6 address such as {}", v6.address);
    let place = draft.place("version");
    draft.report(
        Diagnostic::error(v6.span.clone(), what)
            .consequence("its adverts have no room for one")
            .remedy("write `version = 3`, on all nodes")
            .related(place, "the version"),
    );
}

fn check_unicast_peers(draft: &RouterDraft<'_>) {
    for (peer, span) in &draft.unicast_peers {
        if let Some(placed) = draft.addresses.iter().find(|placed| placed.address == *peer) {
            draft.report(
                Diagnostic::error(span.clone(), format!("{peer} is a virtual address"))
                    .consequence("adverts would go to whoever holds it, this node included")
                    .remedy("write the address that the other node has of its own")
                    .related(placed.span.clone(), "held in turn by the nodes"),
            );
        } else if let Some(family) = draft.family().filter(|family| *family != Family::of(*peer)) {
            let what = format!("{peer} and the virtual addresses are of different families");
            draft.report(
                Diagnostic::error(span.clone(), what)
                    .consequence("adverts travel in packets of the addresses' own family")
                    .remedy(format!("write the peer's {} address", family_name(family))),
            );
        }
        if draft.source.as_ref().is_some_and(|(source, _)| source == peer) {
            draft.report(
                Diagnostic::error(span.clone(), format!("{peer} is this node's own 'source'"))
                    .consequence("the node would hear itself, and nobody else")
                    .remedy("write the other nodes' addresses; each node has a file of its own"),
            );
        }
    }
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

fn check_source(draft: &RouterDraft<'_>) {
    let Some((source, span)) = &draft.source else { return };
    let remedy = "write an address that only this node has, or leave it out";
    if let Some(family) = draft.family().filter(|family| *family != Family::of(*source)) {
        let what = format!("{source} and the virtual addresses are of different families");
        draft.report(
            Diagnostic::error(span.clone(), what)
                .consequence("adverts travel in packets of the addresses' own family")
                .remedy(format!("write an {} address, or leave it out", family_name(family))),
        );
    }
    let held = draft.addresses.iter().find(|placed| placed.address == *source);
    if let Some(placed) = held.filter(|_| !draft.priority.is_owner()) {
        draft.report(
            Diagnostic::error(span.clone(), format!("{source} is a virtual address"))
                .consequence("the node has it only while it is active, and could never begin")
                .remedy(remedy)
                .related(placed.span.clone(), "held in turn by the nodes"),
        );
    }
}

/// Reports what doesn't fit together in the file.
pub(crate) fn check(sink: &Sink, drafts: &[RouterDraft<'_>], others: &Others<'_>) {
    for (index, draft) in drafts.iter().enumerate() {
        check_same_router(draft, &drafts[..index]);
        check_references(sink, draft, others);
    }
    let held = check_addresses(drafts);
    check_paces(drafts);
    group::check(sink, others.groups, drafts);
    check_peer(sink, &held, others);
    check_loops(sink, &held, others);
    lints::report_together(sink, drafts, &held, others);
}

/// Where each virtual address stands.
pub(super) type Places<'a> = HashMap<IpAddr, &'a Span>;

/// Two virtual routers that the other nodes couldn't tell apart.
fn check_same_router(draft: &RouterDraft<'_>, earlier: &[RouterDraft<'_>]) {
    let identity =
        |draft: &RouterDraft<'_>| Some((draft.vrid?, draft.interface.clone()?, draft.family()?));
    let Some((vrid, interface, family)) = identity(draft) else { return };
    let same = |earlier: &&RouterDraft<'_>| {
        identity(earlier).is_some_and(|other| other == (vrid, interface.clone(), family))
    };
    if let Some(first) = earlier.iter().find(same) {
        let family = family_name(family);
        let what = format!("router_id {vrid} is taken on {interface} for {family}");
        draft.report(
            Diagnostic::error(draft.place("router_id"), what)
                .consequence("each would take the other's adverts for those of its peers")
                .remedy("write another router_id, here and on the other nodes")
                .related(first.place("router_id"), "first here"),
        );
    }
}

/// Addresses of two virtual routers; what is twice in one has been told.
fn check_addresses<'a>(drafts: &'a [RouterDraft<'_>]) -> Places<'a> {
    let mut places = Places::new();
    let mut holders: HashMap<IpAddr, usize> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        for placed in &draft.addresses {
            let first = *places.entry(placed.address).or_insert(&placed.span);
            if *holders.entry(placed.address).or_insert(index) == index {
                continue;
            }
            let what = format!("{} belongs to two virtual routers", placed.address);
            draft.report(
                Diagnostic::error(placed.span.clone(), what)
                    .consequence("one would take away what the other holds")
                    .remedy("remove one of them")
                    .related(first.clone(), "first here"),
            );
        }
    }
    places
}

/// Frontends and backends that are tracked, and aren't there.
fn check_references(sink: &Sink, draft: &RouterDraft<'_>, others: &Others<'_>) {
    for tracked in &draft.trackers {
        let (kind, name, named) = match &tracked.tracker.subject {
            Subject::Frontend(name) => ("frontend", name, others.named_frontends),
            Subject::Backend { name, .. } => ("backend", name, others.named_backends),
            Subject::Interface(_) | Subject::File(_) | Subject::Script { .. } => continue,
        };
        if named.iter().any(|entry| entry.key == &**name) {
            continue;
        }
        let names: Vec<_> = named.iter().map(|entry| entry.key).collect();
        let remedy = match keys::nearest(names.iter().copied(), name) {
            Some(near) => format!("write \"{near}\""),
            None if names.is_empty() => format!("add `[{kind}.{name}]`"),
            None => format!("write one of: {}", names.join(", ")),
        };
        sink.report_absence(
            Diagnostic::error(tracked.span.clone(), format!("there is no {kind} '{name}'"))
                .consequence("the priority would depend on nothing")
                .remedy(remedy),
        );
    }
    check_servers_min(draft, others);
}

/// More servers than there are.
fn check_servers_min(draft: &RouterDraft<'_>, others: &Others<'_>) {
    for tracked in &draft.trackers {
        let Subject::Backend { name, servers_min } = &tracked.tracker.subject else { continue };
        let mut backends = others.backends.iter();
        let backend = backends.find(|known| known.backend.name.as_str() == &**name);
        let (Some(backend), Some(span)) = (backend, &tracked.servers_min_span) else { continue };
        let servers = backend.servers.len();
        if usize::try_from(servers_min.get()).is_ok_and(|min| min > servers) {
            let what = format!("backend '{name}' has no {servers_min} servers");
            draft.report(
                Diagnostic::error(span.clone(), what)
                    .consequence("it would count as down for ever")
                    .remedy(format!("write a number from 1 to {servers}"))
                    .related(backend.name_span.clone(), format!("{servers} in all")),
            );
        }
    }
}

/// From one look to the next, and the patience with a script.
type Pace = (Duration, Option<Duration>);

/// A script or file that is looked at in two ways: it is run once for all that track it.
fn check_paces(drafts: &[RouterDraft<'_>]) {
    let mut known: HashMap<(bool, &str), (Pace, &Span)> = HashMap::new();
    for draft in drafts {
        for tracked in &draft.trackers {
            let script = tracked.script.as_ref();
            let script = script.map(|s| ((true, &*s.name), (s.interval, Some(s.timeout))));
            let file = tracked.file.as_ref().map(|f| ((false, &*f.path), (f.interval, None)));
            let Some((looked_at, own)) = script.or(file) else { continue };
            let (first, place) = *known.entry(looked_at).or_insert((own, &tracked.span));
            if first != own {
                let what = format!("{} has another pace elsewhere", looked_at.1);
                draft.report(
                    Diagnostic::error(tracked.span.clone(), what)
                        .consequence("it is looked at once for all that track it")
                        .remedy(format!("write `{}` here too, or change both", written(first)))
                        .related(place.clone(), "first here"),
                );
            }
        }
    }
}

fn written((interval, timeout): Pace) -> String {
    let interval = format!("interval = \"{}\"", DurationText(interval));
    match timeout {
        Some(timeout) => format!("{interval}, timeout = \"{}\"", DurationText(timeout)),
        None => interval,
    }
}

/// The other balancer can't be reached at an address that may be this one's.
fn check_peer(sink: &Sink, held: &Places<'_>, others: &Others<'_>) {
    let Some(peer) = others.peer else { return };
    for (address, span) in [&peer.address, &peer.bind].into_iter().flatten() {
        if let Some(held) = held.get(&address.ip()) {
            sink.report(
                Diagnostic::error(span.clone(), format!("{} is a virtual address", address.ip()))
                    .consequence("it moves, and the link would lead to this node itself")
                    .remedy("write the address that the node has of its own")
                    .related((*held).clone(), "held in turn by the nodes"),
            );
        }
    }
}

/// A server that is this node while it holds the address. One that a frontend binds by the same
/// address has been told.
fn check_loops(sink: &Sink, held: &Places<'_>, others: &Others<'_>) {
    let binds = others.frontends.iter().flat_map(|frontend| &frontend.binds);
    let all: Vec<_> = binds.filter(|(bind, _)| bind.ip().is_unspecified()).collect();
    for (server, span) in others.backends.iter().flat_map(|backend| &backend.servers) {
        let Some(server) = server.ip() else { continue };
        let heard =
            |bind: &SocketAddr| bind.port() == server.port() && bind.is_ipv4() == server.is_ipv4();
        let Some(held) = held.get(&server.ip()) else { continue };
        if all.iter().any(|(bind, _)| heard(bind)) {
            let what = format!("{server} is halb itself while this node holds {}", server.ip());
            sink.report(
                Diagnostic::error(span.clone(), what)
                    .consequence("each connection would make another one, until none is left")
                    .remedy("write the server's own address")
                    .related((*held).clone(), "held in turn by the nodes"),
            );
        }
    }
}
