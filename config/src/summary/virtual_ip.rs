//! What the virtual IPs and the link to the other balancer will do.

use std::sync::Arc;
use std::time::Duration;

use halb_vrrp::config::{Delivery, Preempt};
use halb_vrrp::settings::Instance;
use halb_vrrp::timers::down_interval;
use halb_vrrp::track::{Subject, Tracker};

use super::push;
use crate::settings::{HookSubject, Peer, Vrrp};
use crate::units::DurationText;

/// A few lines for each instance.
pub(super) fn push_instances(out: &mut String, vrrp: &Vrrp) {
    for instance in &vrrp.routers.instances {
        push_instance(out, instance);
        let group = |group: &&halb_vrrp::settings::Group| group.members.contains(&instance.name);
        if let Some(group) = vrrp.routers.groups.iter().find(group) {
            let others = group.members.iter().filter(|member| **member != instance.name);
            let others = others.map(|member| &**member).collect::<Vec<_>>().join(", ");
            push(out, 1, &format!("moves together with {others}"));
        }
        let own = HookSubject::Instance(Arc::clone(&instance.name));
        for hook in vrrp.hooks.iter().filter(|hook| hook.subject == own) {
            push(out, 1, &format!("runs {} after each change", hook.command.join(" ")));
        }
    }
    for hook in &vrrp.hooks {
        if let HookSubject::Group(group) = &hook.subject {
            let command = hook.command.join(" ");
            push(out, 0, &format!("group {group}: runs {command} after each change"));
        }
    }
    let routers = &vrrp.routers;
    if !routers.instances.is_empty() {
        let limit = DurationText(routers.freeze_limit());
        let scheduled = match routers.realtime {
            Some(priority) => format!("real-time priority {priority}"),
            None => "ordinary priority".to_owned(),
        };
        push(out, 0, &format!("virtual IP thread: {scheduled}, guarded if it freezes for {limit}"));
    }
}

fn push_instance(out: &mut String, instance: &Instance) {
    let Instance { router, interface, priority, .. } = instance;
    push(out, 0, &format!("virtual IP {}: router {} on {interface}", instance.name, router.vrid()));
    let placed = instance.placements.iter().map(|placed| {
        let elsewhere = placed.interface.as_ref().filter(|other| *other != interface);
        let elsewhere = elsewhere.map(|other| format!(" on {other}")).unwrap_or_default();
        format!("{}/{}{elsewhere}", placed.address, placed.prefix_len)
    });
    push(out, 1, &format!("holds {} while active", placed.collect::<Vec<_>>().join(", ")));
    let interval = router.interval();
    let (version, every) = (interval.version().number(), DurationText(interval.duration()));
    let whom = match router.delivery() {
        Delivery::Multicast => "to all on the segment".to_owned(),
        Delivery::Unicast { peers, .. } => {
            let peers = peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("to {peers} alone")
        }
    };
    push(out, 1, &format!("adverts of version {version} every {every}, {whom}"));
    let down = down_interval(priority.plus(0), interval, router.behaviour.down_timer_adverts);
    let down = DurationText(Duration::from_millis(u64::try_from(down.as_millis()).unwrap_or(0)));
    let preempt = match router.behaviour.preempt {
        Preempt::Immediately => "from a lower one at once".to_owned(),
        Preempt::After(delay) => format!("from a lower one after {}", DurationText(delay)),
        Preempt::Never => "from a lower one never".to_owned(),
    };
    push(
        out,
        1,
        &format!("priority {}: takes over after {down} of silence, {preempt}", priority.get()),
    );
    for tracker in &instance.trackers {
        push(out, 1, &tracker_line(tracker));
    }
}

fn tracker_line(tracker: &Tracker) -> String {
    let Tracker { subject, weight, reverse } = tracker;
    let (up, down) = if *reverse { ("down", "up") } else { ("up", "down") };
    match (subject, weight.get()) {
        (Subject::File(path), 0) => {
            let not = if *reverse { "" } else { " not" };
            format!("fails while the number in {path} is{not} 0")
        }
        (Subject::File(path), weight) => {
            let weight = if *reverse { -weight } else { weight };
            format!("adds {weight} times the number in {path}")
        }
        (_, 0) => format!("fails while {subject} is {down}: serves only if nobody else does"),
        (_, weight) if weight < 0 => {
            format!("{} less while {subject} is {down}", weight.unsigned_abs())
        }
        (_, weight) => format!("{weight} more while {subject} is {up}"),
    }
}

/// The link to the other balancer.
pub(super) fn push_peer(out: &mut String, peer: &Peer) {
    let (address, bind) = (peer.address, peer.bind);
    let key = peer.key_file.display();
    push(out, 0, &format!("peer: {address}, heard on {bind}, key {key}"));
}
