//! The virtual IPs' part of a scrape.

use std::fmt::Write as _;

use super::Sheet;
use super::names::Metric;
use super::names::vrrp as names;
use crate::status::vrrp::{Histogram, Instance, State, Thread, Vrrp};

/// Everything but histograms.
pub(super) fn fill(sheet: &Sheet, vrrp: &Vrrp) {
    for instance in &vrrp.instances {
        self::instance(sheet, instance);
    }
    thread(sheet, &vrrp.thread);
    let hooks = &vrrp.hooks;
    sheet.counter(&names::HOOK_RUNS, &[], hooks.succeeded);
    sheet.counter(&names::HOOK_FAILURES, &[], hooks.failed);
    sheet.counter(&names::HOOKS_SKIPPED, &[], hooks.skipped);
    sheet.counter(&names::FIFO_LOST, &[], vrrp.fifo.as_ref().map_or(0, |fifo| fifo.lost));
}

fn instance(sheet: &Sheet, instance: &Instance) {
    let name = ("router", instance.name.as_str());
    let labels = [name];
    for state in State::ALL {
        sheet.flag(&names::STATE, &[name, ("state", state.word())], instance.state == state);
    }
    let priority = &instance.priority;
    sheet.gauge(&names::STATE_AGE, &labels, instance.since_seconds);
    sheet.gauge(&names::PRIORITY, &labels, f64::from(priority.effective));
    sheet.gauge(&names::PRIORITY_CONFIGURED, &labels, f64::from(priority.configured));
    sheet.flag(&names::SICK, &labels, priority.sick);
    sheet.flag(&names::YIELDED, &labels, instance.yielded);
    for address in &instance.addresses {
        let labels = [name, ("address", address.address.as_str())];
        sheet.flag(&names::PRESENT, &labels, address.present);
    }
    let heard = instance.peers.iter().filter(|peer| peer.heard).count();
    sheet.level(&names::PEERS, &labels, u64::try_from(heard).unwrap_or(u64::MAX));
    for count in &instance.transitions {
        let labels = [name, ("to", count.to.word()), ("reason", count.reason.as_str())];
        sheet.counter(&names::TRANSITIONS, &labels, count.count);
    }
    sheet.counter(&names::ANNOUNCEMENTS, &labels, instance.announcements);
    sheet.counter(&names::FOREIGN_CLAIMS, &labels, instance.foreign_claims.count);
    for (stat, metric) in names::STATS {
        sheet.counter(metric, &labels, instance.stats.get(*stat).copied().unwrap_or_default());
    }
}

fn thread(sheet: &Sheet, thread: &Thread) {
    sheet.gauge(&names::HEARTBEAT_AGE, &[], thread.heartbeat_age_seconds);
    sheet.flag(&names::REALTIME, &[], thread.scheduling == "fifo");
    sheet.flag(&names::MEMORY_LOCKED, &[], thread.memory_locked);
    sheet.flag(&names::GUARD, &[], thread.guard == "watching");
    sheet.flag(&names::GUARD_REALTIME, &[], thread.guard_scheduling.as_deref() == Some("fifo"));
    sheet.counter(&names::GUARD_REPLACED, &[], thread.guard_replaced);
    sheet.counter(&names::GUARD_REVOCATIONS, &[], thread.guard_revocations);
    sheet.counter(&names::GUARD_FAILURES, &[], thread.guard_failures);
    sheet.counter(&names::NETLINK_OVERRUNS, &[], thread.netlink_overruns);
    sheet.counter(&names::EVENTS_DROPPED, &[], thread.events_dropped);
    sheet.counter(&names::STRAYS, &[], thread.strays);
    sheet.counter(&names::BROKEN, &[], thread.broken);
}

/// The histograms. They come counted, and the recorder takes single samples only, so that their
/// lines are written here.
pub(super) fn histograms(vrrp: &Vrrp) -> String {
    let mut text = String::new();
    family(&names::ARRIVALS, vrrp, |instance| &instance.arrivals, &mut text);
    family(&names::LATENESS, vrrp, |instance| &instance.lateness, &mut text);
    text
}

fn family(metric: &Metric, vrrp: &Vrrp, of: impl Fn(&Instance) -> &Histogram, out: &mut String) {
    let name = metric.name;
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", metric.help, metric.kind.word());
    for instance in &vrrp.instances {
        let histogram = of(instance);
        // Names hold no character that would have to be escaped.
        let label = format!("router=\"{}\"", instance.name);
        for bucket in &histogram.buckets {
            let le = bucket.le_seconds;
            let _ = writeln!(out, "{name}_bucket{{{label},le=\"{le}\"}} {}", bucket.count);
        }
        let count = histogram.count;
        let _ = writeln!(out, "{name}_bucket{{{label},le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{{{label}}} {}", histogram.sum_seconds);
        let _ = writeln!(out, "{name}_count{{{label}}} {count}");
    }
    out.push('\n');
}
