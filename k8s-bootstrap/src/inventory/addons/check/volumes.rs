//! Volumes against hosts, each other, and whoever has them.

use crate::inventory::Role;
use crate::inventory::addons::{AddonsDraft, Volume};
use crate::inventory::lints::Draft;
use crate::inventory::problem::{Problem, Span};
use crate::inventory::reader::Problems;

pub(super) fn check(problems: &Problems, cluster: &Draft, draft: &AddonsDraft) {
    let volumes = draft.addons.storage.iter().flat_map(|storage| &storage.volumes);
    let volumes: Vec<(&Volume, &Span)> = volumes.zip(&draft.volumes).collect();
    for (index, (volume, span)) in volumes.iter().enumerate() {
        check_node(problems, cluster, volume, span);
        for (other, first) in &volumes[..index] {
            let what = if other.name == volume.name {
                format!("two volumes are called '{}'", volume.name)
            } else if other.node == volume.node && is_within(&volume.path, &other.path) {
                format!("{} and {} share a folder of {}", volume.name, other.name, volume.node)
            } else {
                continue;
            };
            problems.report(
                Problem::error((*span).clone(), what)
                    .related((*first).clone(), "the other volume")
                    .consequence("two would write into one folder"),
            );
        }
    }
    check_owners(problems, draft, &volumes);
}

/// Whether one path is the other one or lies in it.
fn is_within(one: &str, other: &str) -> bool {
    let below = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(one, other) || below(other, one)
}

fn check_node(problems: &Problems, cluster: &Draft, volume: &Volume, span: &Span) {
    let mut hosts = cluster.hosts.iter().map(|draft| &draft.host);
    let has_workers = cluster.hosts.iter().any(|draft| draft.host.has(Role::Worker));
    let takes_pods = |role| role == Role::Worker || !has_workers;
    let host = hosts.find(|host| host.name == volume.node);
    let what = match host {
        None => format!("there is no host '{}', which {} is to be on", volume.node, volume.name),
        Some(host) if !host.roles.iter().any(|role| takes_pods(*role)) => {
            format!("{} is no worker: no pod runs there that could have {}", host.name, volume.name)
        }
        Some(_) => return,
    };
    problems.report(Problem::error(span.clone(), what).remedy("name a worker"));
}

/// Whoever wants a volume gets one that is there, and nobody else's.
fn check_owners(problems: &Problems, draft: &AddonsDraft, volumes: &[(&Volume, &Span)]) {
    for (index, (whose, name)) in draft.owned.iter().enumerate() {
        let taken = draft.owned[..index].iter().find(|(_, other)| other.value == name.value);
        let problem = if let Some((other, first)) = taken {
            let what = format!("the volume '{}' is {other}'s already", name.value);
            Problem::error(name.span.clone(), what).related(first.span.clone(), "here")
        } else if volumes.iter().all(|(volume, _)| volume.name != name.value) {
            let what = format!("there is no volume '{}' for {whose}", name.value);
            Problem::error(name.span.clone(), what)
                .remedy("add it to `storage`: name, node, path and size")
        } else {
            continue;
        };
        problems.report(problem);
    }
}
