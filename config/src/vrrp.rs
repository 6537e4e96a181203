//! Reads `[vrrp.NAME]`.
//!
//! Each part is read by itself into a [`RouterDraft`], whatever is wrong with the others, so that
//! all problems are found; [`settings`] puts the parts together once the file has none.

mod addresses;
mod behaviour;
mod delivery;
mod group;
mod lints;
mod protocol;
mod together;
mod track;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use halb_lb::names::FrontendName;
use halb_vrrp::config::{Behaviour, Delivery, RouterConfig};
use halb_vrrp::packet::VirtualAddresses;
use halb_vrrp::plan;
use halb_vrrp::settings::{Group, Instance, Placement};
use halb_vrrp::values::{BasePriority, Family, VrId};

use crate::daemon::Daemon;
use crate::diagnostic::{Diagnostic, Span};
use crate::host::Host;
use crate::peer::PeerDraft;
use crate::reader::{Entry, Table};
use crate::settings::{Hook, HookSubject, TrackedFile, TrackedScript, Vrrp};
use crate::sides::name_of;
use crate::sink::Sink;
use crate::{HOUR, SHORTEST, defaults, keys, programs};

use addresses::VirtualAddress;
use protocol::ProtocolDraft;
use track::TrackerDraft;

pub(super) use group::GroupDraft;
pub(super) use together::{Others, check};

/// A virtual router in parts. What is wrong is none, and has been reported.
pub(super) struct RouterDraft<'a> {
    table: Table<'a>,
    name: Option<Arc<str>>,
    interface: Option<Arc<str>>,
    vrid: Option<VrId>,
    protocol: ProtocolDraft,
    addresses: Vec<VirtualAddress>,
    priority: BasePriority,
    delivery: Option<Delivery>,
    /// The peers of its delivery, and where they stand.
    unicast_peers: Vec<(IpAddr, Span)>,
    source: Option<(IpAddr, Span)>,
    behaviour: Behaviour,
    trackers: Vec<TrackerDraft>,
    sync_group: Option<(Arc<str>, Span)>,
    hook: Option<(Vec<String>, Duration)>,
}

/// Reads one virtual router. None: it is no table.
pub(super) fn read<'a>(sink: &'a Sink, entry: &Entry<'a>) -> Option<RouterDraft<'a>> {
    let name = name_of(sink, entry, |name| FrontendName::new(name).map(|_| Arc::from(name)));
    let table = Table::open(sink, entry, &[&keys::VRRP])?;
    table.require("interface", "adverts would go nowhere");
    table.require("router_id", "the nodes couldn't tell which routers belong together");
    let interface = table.interface("interface").map(Arc::from);
    let vrid = table.number("router_id", 1..=u8::MAX).and_then(|id| VrId::new(id).ok());
    let priority = table.number("priority", 1..=u8::MAX);
    let priority = priority.and_then(|priority| BasePriority::new(priority).ok());
    let addresses = addresses::read(&table);
    let protocol = protocol::read(&table);
    let unicast_peers = delivery::read_peers(&table);
    let draft = RouterDraft {
        name,
        interface,
        vrid,
        priority: priority.unwrap_or_else(defaults::vrrp_priority),
        delivery: delivery::read(&table, &unicast_peers),
        source: table.ip("source"),
        behaviour: behaviour::read(&table),
        trackers: track::read(&table),
        sync_group: read_group(&table),
        hook: read_hook(&table, "/usr/local/bin/vip-moved"),
        addresses,
        protocol,
        unicast_peers,
        table,
    };
    together::check_parts(&draft);
    Some(draft)
}

fn read_group(table: &Table<'_>) -> Option<(Arc<str>, Span)> {
    let (text, entry) = table.text("sync_group")?;
    let named = Entry { key: text, key_span: entry.span.clone(), ..entry };
    name_of(table.sink, &named, |name| FrontendName::new(name).map(|_| Arc::from(name)))
        .map(|name| (name, named.span))
}

/// A hook, whoever has it. `example` is a program that could be written.
fn read_hook(table: &Table<'_>, example: &str) -> Option<(Vec<String>, Duration)> {
    let timeout = table.duration("notify_timeout", SHORTEST..=HOUR);
    if let (Some(entry), false) = (table.get("notify_timeout"), table.has("notify")) {
        table.sink.report_absence(
            Diagnostic::lint(entry.key_span.clone(), "'notify_timeout' without 'notify'")
                .consequence("nothing is run, so nothing can take too long")
                .remedy("add 'notify', or remove this key"),
        );
    }
    let command = programs::read(table, "notify", example)?;
    Some((command, timeout.unwrap_or(defaults::NOTIFY_TIMEOUT)))
}

impl RouterDraft<'_> {
    /// The family of its addresses; they have been told if they are of both.
    fn family(&self) -> Option<Family> {
        self.addresses.first().map(|first| Family::of(first.address))
    }

    /// Where a key stands, or the router's name where it isn't written.
    fn place(&self, key: &str) -> Span {
        let entry = self.table.get(key);
        entry.map_or_else(|| self.table.key_span.clone(), |entry| entry.span.clone())
    }

    /// Looks whether the programs that it names are there.
    pub(super) fn check_programs(&self, host: &dyn Host) {
        let scripts = self.trackers.iter().filter_map(|tracked| {
            let program = tracked.script.as_ref()?.command.first()?;
            Some((program, tracked.span.clone(), "the node would count as sick for ever"))
        });
        let hook = self.hook.as_ref().and_then(|(command, _)| command.first());
        let hook =
            hook.map(|program| (program, self.place("notify"), "nobody would hear of a change"));
        for (program, span, consequence) in scripts.chain(hook) {
            if let Err(unusable) = host.program(program) {
                self.report(unusable.at(span).consequence(consequence));
            }
        }
    }

    fn report(&self, diagnostic: Diagnostic) {
        self.table.sink.report(diagnostic);
    }

    /// The instance, of a file without errors.
    fn instance(&self, peer: Option<&PeerDraft>) -> Option<Result<Instance, String>> {
        let (name, interface) = (self.name.clone()?, self.interface.clone()?);
        let mut router = match self.router()? {
            Ok(router) => router,
            Err(error) => return Some(Err(error)),
        };
        router.behaviour.peer_link = peer.is_some();
        // The core may have put link-local addresses first.
        let placed = |address: &IpAddr| self.addresses.iter().find(|a| a.address == *address);
        let placements = router.addresses().as_slice().iter().filter_map(placed);
        Some(Ok(Instance {
            name,
            interface,
            priority: self.priority,
            source: self.source.as_ref().map(|(source, _)| *source),
            placements: placements.map(placement).collect(),
            trackers: self.trackers.iter().map(|draft| draft.tracker.clone()).collect(),
            router,
        }))
    }

    fn router(&self) -> Option<Result<RouterConfig, String>> {
        let protocol = self.protocol.protocol()?;
        let addresses = self.addresses.iter().map(|placed| placed.address).collect();
        let (vrid, delivery) = (self.vrid?, self.delivery.clone()?);
        let addresses = match VirtualAddresses::new(addresses) {
            Ok(addresses) => addresses,
            Err(error) => return Some(Err(error.to_string())),
        };
        let router = RouterConfig::new(vrid, protocol, addresses, delivery, self.behaviour.clone());
        Some(router.map_err(|error| error.to_string()))
    }
}

fn placement(placed: &VirtualAddress) -> Placement {
    Placement {
        address: placed.address,
        prefix_len: placed.prefix_len,
        interface: placed.interface.clone(),
        label: placed.label.clone(),
    }
}

/// Everything that `[vrrp.NAME]` and `[global]` say of virtual IPs, of a file without errors.
pub(super) fn settings(
    sink: &Sink,
    drafts: &[RouterDraft<'_>],
    groups: &[GroupDraft<'_>],
    daemon: &Daemon,
    peer: Option<&PeerDraft>,
) -> Vrrp {
    let mut instances = Vec::with_capacity(drafts.len());
    for draft in drafts {
        match draft.instance(peer) {
            Some(Ok(instance)) => instances.push(instance),
            Some(Err(error)) => sink.report(
                Diagnostic::error(draft.table.key_span.clone(), error).remedy("correct that"),
            ),
            None => sink.report(
                Diagnostic::error(draft.table.key_span.clone(), "it is incomplete")
                    .remedy("give it an interface, a router_id and addresses"),
            ),
        }
    }
    let routers = halb_vrrp::settings::Settings {
        instances,
        groups: members(drafts),
        realtime: daemon.realtime.as_ref().map(|(priority, _)| *priority),
        freeze_limit: daemon.freeze_limit.as_ref().map(|(limit, _)| *limit),
    };
    if let (Err(error), Some(first)) = (plan::check(&routers), drafts.first()) {
        let place = first.table.key_span.clone();
        sink.report(
            Diagnostic::error(place, format!("{} KiB of last words", error.needed / 1024))
                .consequence(
                    "the guard, which gives all addresses up when the daemon dies, has no room \
                     for so many adverts and addresses",
                )
                .remedy("use fewer addresses or unicast peers, or split them between nodes"),
        );
    }
    let hook = |draft: &RouterDraft<'_>| {
        let (command, timeout) = draft.hook.clone()?;
        Some(Hook { subject: HookSubject::Instance(draft.name.clone()?), command, timeout })
    };
    let hooks = drafts.iter().filter_map(hook).chain(groups.iter().filter_map(GroupDraft::hook));
    Vrrp {
        routers,
        scripts: scripts(drafts),
        files: files(drafts),
        hooks: hooks.collect(),
        fifo: daemon.notify_fifo.as_ref().map(|(path, _)| path.clone()),
    }
}

/// Groups in the order of their first members.
fn members(drafts: &[RouterDraft<'_>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for draft in drafts {
        let (Some((group, _)), Some(name)) = (&draft.sync_group, &draft.name) else { continue };
        match groups.iter_mut().find(|known| known.name == *group) {
            Some(known) => known.members.push(Arc::clone(name)),
            None => groups.push(Group { name: group.clone(), members: vec![Arc::clone(name)] }),
        }
    }
    groups
}

fn scripts(drafts: &[RouterDraft<'_>]) -> Vec<TrackedScript> {
    let tracked = drafts.iter().flat_map(|draft| &draft.trackers);
    let mut known = HashSet::new();
    let scripts = tracked.filter_map(|tracked| tracked.script.as_ref());
    scripts.filter(|script| known.insert(&script.name)).cloned().collect()
}

fn files(drafts: &[RouterDraft<'_>]) -> Vec<TrackedFile> {
    let tracked = drafts.iter().flat_map(|draft| &draft.trackers);
    let mut known = HashSet::new();
    let files = tracked.filter_map(|tracked| tracked.file.as_ref());
    files.filter(|file| known.insert(&file.path)).cloned().collect()
}
