//! Virtual IPs and their roles, as one process hands them to another.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use halb_config::settings::Vrrp;
use halb_vrrp::driver;
use halb_vrrp::router::State;
use halb_vrrp::track::ScriptStanding;
use serde::{Deserialize, Serialize};

use crate::status::vrrp;
use crate::status::vrrp::{Histogram, TransitionCount};

/// What makes a virtual router another one, or puts other addresses on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Router {
    name: String,
    interface: String,
    router_id: u8,
    version: u8,
    addresses: Vec<(IpAddr, u8)>,
}

/// The virtual routers of these settings, in an order that the file doesn't decide.
pub(super) fn routers(settings: &Vrrp) -> Vec<Router> {
    let instances = settings.routers.instances.iter();
    let mut routers: Vec<Router> = instances
        .map(|instance| {
            let placed = instance.placements.iter();
            Router {
                name: instance.name.to_string(),
                interface: instance.interface.to_string(),
                router_id: instance.router.vrid().get(),
                version: instance.router.interval().version().number(),
                addresses: placed.map(|placed| (placed.address, placed.prefix_len)).collect(),
            }
        })
        .collect();
    routers.sort();
    routers
}

/// The role of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Role {
    instance: String,
    state: vrrp::State,
    yielded: bool,
    #[serde(default)]
    scripts: Vec<Script>,
}

/// How a tracked script stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Script {
    name: String,
    is_up: bool,
    contrary: u32,
}

impl From<driver::Role> for Role {
    fn from(role: driver::Role) -> Self {
        let state = match role.state {
            State::Initialize => vrrp::State::Initialize,
            State::Backup => vrrp::State::Backup,
            State::Active => vrrp::State::Active,
            State::Fault => vrrp::State::Fault,
        };
        let script = |(name, standing): (Arc<str>, ScriptStanding)| Script {
            name: name.to_string(),
            is_up: standing.is_up,
            contrary: standing.contrary,
        };
        let scripts = role.scripts.into_iter().map(script).collect();
        Self { instance: role.instance.to_string(), state, yielded: role.yielded, scripts }
    }
}

impl From<Role> for driver::Role {
    fn from(role: Role) -> Self {
        let state = match role.state {
            vrrp::State::Initialize => State::Initialize,
            vrrp::State::Backup => State::Backup,
            vrrp::State::Active => State::Active,
            vrrp::State::Fault => State::Fault,
        };
        let script = |Script { name, is_up, contrary }| {
            (Arc::from(name), ScriptStanding { is_up, contrary })
        };
        let scripts = role.scripts.into_iter().map(script).collect();
        Self { instance: Arc::from(role.instance), state, yielded: role.yielded, scripts }
    }
}

/// What a virtual router has counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RouterCounters {
    name: String,
    stats: BTreeMap<String, u64>,
    announcements: u64,
    claims: u64,
    transitions: Vec<TransitionCount>,
    arrivals: Histogram,
    lateness: Histogram,
}

/// What all of them have counted, as they show it.
pub(super) fn counters(vrrp: &vrrp::Vrrp) -> Vec<RouterCounters> {
    let counters = |instance: &vrrp::Instance| RouterCounters {
        name: instance.name.clone(),
        stats: instance.stats.clone(),
        announcements: instance.announcements,
        claims: instance.foreign_claims.count,
        transitions: instance.transitions.clone(),
        arrivals: instance.arrivals.clone(),
        lateness: instance.lateness.clone(),
    };
    vrrp.instances.iter().map(counters).collect()
}

/// Adds what the process before this one has counted.
pub(super) fn add_to(former: &[RouterCounters], vrrp: &mut vrrp::Vrrp) {
    for instance in &mut vrrp.instances {
        let Some(former) = former.iter().find(|former| former.name == instance.name) else {
            continue;
        };
        for (name, count) in &former.stats {
            if let Some(counter) = instance.stats.get_mut(name) {
                *counter = counter.saturating_add(*count);
            }
        }
        instance.announcements = instance.announcements.saturating_add(former.announcements);
        let claims = &mut instance.foreign_claims.count;
        *claims = claims.saturating_add(former.claims);
        add_transitions(&former.transitions, &mut instance.transitions);
        add_histogram(&former.arrivals, &mut instance.arrivals);
        add_histogram(&former.lateness, &mut instance.lateness);
    }
}

fn add_transitions(former: &[TransitionCount], to: &mut Vec<TransitionCount>) {
    for former in former {
        let same = |one: &&mut TransitionCount| one.to == former.to && one.reason == former.reason;
        match to.iter_mut().find(same) {
            Some(count) => count.count = count.count.saturating_add(former.count),
            None => to.push(former.clone()),
        }
    }
}

/// Another version may have other buckets, and then begins anew.
fn add_histogram(former: &Histogram, to: &mut Histogram) {
    let bounds = |histogram: &Histogram| -> Vec<u64> {
        histogram.buckets.iter().map(|bucket| bucket.le_seconds.to_bits()).collect()
    };
    if bounds(former) != bounds(to) {
        return;
    }
    for (bucket, former) in to.buckets.iter_mut().zip(&former.buckets) {
        bucket.count = bucket.count.saturating_add(former.count);
    }
    to.count = to.count.saturating_add(former.count);
    to.sum_seconds += former.sum_seconds;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_a_virtual_router_go_on_where_the_former_process_ended() {
        let former = vrrp::samples::full();
        let written = serde_json::to_vec(&counters(&former)).unwrap();
        let kept: Vec<RouterCounters> = serde_json::from_slice(&written).unwrap();
        let mut now = former.clone();
        now.instances[0].transitions.clear();
        add_to(&kept, &mut now);
        let (before, after) = (&former.instances[0], &now.instances[0]);
        for (name, count) in &after.stats {
            assert_eq!(*count, before.stats[name] * 2, "{name}");
        }
        assert_eq!(after.announcements, before.announcements * 2);
        assert_eq!(after.arrivals.count, before.arrivals.count * 2);
        assert_eq!(after.transitions, before.transitions);
    }

    #[test]
    fn roles_are_the_same_after_the_journey() {
        for state in [State::Initialize, State::Backup, State::Active, State::Fault] {
            let standing = ScriptStanding { is_up: false, contrary: 2 };
            let scripts = vec![("apiserver".into(), standing)];
            let role = driver::Role { instance: "VI_1".into(), state, yielded: true, scripts };
            let written = serde_json::to_vec(&Role::from(role.clone())).unwrap();
            let kept: Role = serde_json::from_slice(&written).unwrap();
            assert_eq!(driver::Role::from(kept), role);
        }
    }
}
