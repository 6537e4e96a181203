//! The virtual IPs' part of a scrape.

use super::count;
use super::exposition::{Exposition, Row};
use super::names::vrrp as names;
use crate::status::vrrp::{Instance, State, Vrrp};

/// All of it.
pub(super) fn fill(out: &mut Exposition, vrrp: &Vrrp) {
    instances(out, &vrrp.instances);
    thread(out, vrrp);
    let row = [Row::new(&[], &vrrp.hooks)];
    out.family(&names::HOOK_RUNS, &row, |hooks| hooks.succeeded);
    out.family(&names::HOOK_FAILURES, &row, |hooks| hooks.failed);
    out.family(&names::HOOKS_SKIPPED, &row, |hooks| hooks.skipped);
    let row = [Row::new(&[], vrrp.fifo.as_ref())];
    out.family(&names::FIFO_LOST, &row, |fifo| fifo.map_or(0, |fifo| fifo.lost));
}

fn instances(out: &mut Exposition, instances: &[Instance]) {
    let rows = super::rows(instances, |instance| [("router", &instance.name)]);
    let states: Vec<_> = each(instances, |instance, name| {
        State::ALL.map(|state| Row::new(&[name, ("state", state.word())], instance.state == state))
    });
    out.family(&names::STATE, &states, |is| *is);
    out.family(&names::STATE_AGE, &rows, |instance| instance.since_seconds);
    out.family(&names::PRIORITY, &rows, |instance| u64::from(instance.priority.effective));
    out.family(&names::PRIORITY_CONFIGURED, &rows, |instance| {
        u64::from(instance.priority.configured)
    });
    out.family(&names::SICK, &rows, |instance| instance.priority.sick);
    out.family(&names::YIELDED, &rows, |instance| instance.yielded);
    let addresses = each(instances, |instance, name| {
        let addresses = instance.addresses.iter();
        addresses
            .map(move |address| Row::new(&[name, ("address", &address.address)], address.present))
    });
    out.family(&names::PRESENT, &addresses, |present| *present);
    out.family(&names::PEERS, &rows, |instance| {
        count(instance.peers.iter().filter(|peer| peer.heard))
    });
    let transitions = each(instances, |instance, name| {
        instance.transitions.iter().map(move |led| {
            Row::new(&[name, ("to", led.to.word()), ("reason", &led.reason)], led.count)
        })
    });
    out.family(&names::TRANSITIONS, &transitions, |count| *count);
    out.family(&names::ANNOUNCEMENTS, &rows, |instance| instance.announcements);
    out.family(&names::FOREIGN_CLAIMS, &rows, |instance| instance.foreign_claims.count);
    for (stat, metric) in names::STATS {
        out.family(metric, &rows, |instance| {
            instance.stats.get(*stat).copied().unwrap_or_default()
        });
    }
    out.histogram(&names::ARRIVALS, &rows, |instance| &instance.arrivals);
    out.histogram(&names::LATENESS, &rows, |instance| &instance.lateness);
}

/// Several rows of each virtual router, beginning with the label that names it.
fn each<'a, T, R: IntoIterator<Item = Row<T>>>(
    instances: &'a [Instance],
    rows: impl Fn(&'a Instance, (&'static str, &'a str)) -> R,
) -> Vec<Row<T>> {
    let of = |instance: &'a Instance| rows(instance, ("router", instance.name.as_str()));
    instances.iter().flat_map(of).collect()
}

fn thread(out: &mut Exposition, vrrp: &Vrrp) {
    let row = [Row::new(&[], &vrrp.thread)];
    out.family(&names::HEARTBEAT_AGE, &row, |thread| thread.heartbeat_age_seconds);
    out.family(&names::REALTIME, &row, |thread| thread.scheduling == "fifo");
    out.family(&names::MEMORY_LOCKED, &row, |thread| thread.memory_locked);
    out.family(&names::GUARD, &row, |thread| thread.guard == "watching");
    out.family(&names::GUARD_REALTIME, &row, |thread| {
        thread.guard_scheduling.as_deref() == Some("fifo")
    });
    out.family(&names::GUARD_REPLACED, &row, |thread| thread.guard_replaced);
    out.family(&names::GUARD_REVOCATIONS, &row, |thread| thread.guard_revocations);
    out.family(&names::GUARD_FAILURES, &row, |thread| thread.guard_failures);
    out.family(&names::NETLINK_OVERRUNS, &row, |thread| thread.netlink_overruns);
    out.family(&names::EVENTS_DROPPED, &row, |thread| thread.events_dropped);
    out.family(&names::STRAYS, &row, |thread| thread.strays);
    out.family(&names::BROKEN, &row, |thread| thread.broken);
}
