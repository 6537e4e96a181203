//! `[vrrp.NAME]` of an instance, in the order in which a person would write it.

use std::time::Duration;

use super::globals::Globals;
use super::hooks;
use super::instance::{Instance, Preempt};
use super::trackers::Tracker;
use super::values::duration;
use crate::document::{Table, Value};

/// What halb has where nothing is said.
const GARP_DELAY: Duration = Duration::from_secs(5);
const GARP_REPEAT: u8 = 5;
const DOWN_TIMER_ADVERTS: u8 = 3;

/// The table of an instance.
pub(super) fn of(instance: &Instance<'_>, trackers: &[Tracker]) -> Table {
    let mut table = Table::new(["vrrp", &instance.name]);
    identity(&mut table, instance);
    let own = instance.interface.as_deref();
    let addresses: Vec<_> = instance.addresses().map(|address| address.value(own)).collect();
    table.set("addresses", Value::Array(addresses));
    delivery(&mut table, instance);
    if !trackers.is_empty() {
        table.set("track", Value::Array(trackers.iter().map(Tracker::value).collect()));
    }
    match instance.preempt {
        Preempt::Immediately => {}
        Preempt::Never => table.set("preempt", false),
        Preempt::After(delay) => table.set("preempt", duration(delay)),
    }
    if let Some(delay) = instance.startup_delay {
        table.set("startup_delay", duration(delay));
    }
    if let Some(group) = &instance.group {
        table.set("sync_group", super::instance::name(group.name));
    }
    announcements(&mut table, instance);
    if let Some(command) = hooks::value(instance.directive) {
        table.set("notify", command);
    }
    table
}

/// `[global]`, if there is anything to say.
pub(super) fn of_all(globals: &Globals) -> Option<Table> {
    let mut table = Table::new(["global"]);
    if let Some(priority) = globals.realtime_priority {
        table.set("realtime_priority", i64::from(priority));
    }
    if let Some(path) = &globals.fifo {
        table.set("notify_fifo", path.as_str());
    }
    (!table.is_empty()).then_some(table)
}

fn identity(table: &mut Table, instance: &Instance<'_>) {
    if let Some(interface) = &instance.interface {
        table.set("interface", interface.as_str());
    }
    if let Some(id) = instance.router_id {
        table.set("router_id", i64::from(id));
    }
    if instance.version == 2 {
        table.set_because("version", 2_i64, "as keepalived; 3 where nothing is said");
    }
    table.set("priority", i64::from(instance.priority));
    if instance.interval != Duration::from_secs(1) {
        table.set("advert_interval", duration(instance.interval));
    }
    if let Some(password) = &instance.password {
        table.set_because("auth_pass", password.as_str(), "as keepalived's auth_type PASS");
    }
}

fn delivery(table: &mut Table, instance: &Instance<'_>) {
    if !instance.delivery.peers.is_empty() {
        let peers = instance.delivery.peers.iter().map(ToString::to_string);
        table.set("unicast_peers", peers.collect::<Vec<_>>());
        match instance.delivery.hop_limit_min.unwrap_or(0) {
            u8::MAX => {}
            0 => table.set_because(
                "hop_limit_min",
                1_i64,
                "as keepalived; 255, the default, if the nodes share a segment",
            ),
            least => table.set("hop_limit_min", i64::from(least)),
        }
    }
    if let Some(source) = instance.source {
        table.set("source", source.to_string());
    }
    if instance.version == 3 && instance.message_checksum {
        table.set("checksum", "rfc9568");
    }
}

fn announcements(table: &mut Table, instance: &Instance<'_>) {
    let it = &instance.announcements;
    if let Some(adverts) = it.down_timer_adverts.filter(|count| *count != DOWN_TIMER_ADVERTS) {
        table.set("down_timer_adverts", i64::from(adverts));
    }
    if it.lower_prio_no_advert {
        table.set("lower_prio_no_advert", true);
    }
    if it.higher_prio_send_advert {
        table.set("higher_prio_send_advert", true);
    }
    if let Some(repeat) = it.repeat.filter(|repeat| *repeat != GARP_REPEAT) {
        table.set("garp_repeat", i64::from(repeat));
    }
    match it.delay {
        Some(delay) if delay.is_zero() => table.set("garp_delay", false),
        Some(delay) if delay != GARP_DELAY => table.set("garp_delay", duration(delay)),
        Some(_) | None => {}
    }
    if let Some(refresh) = it.refresh.filter(|refresh| !refresh.is_zero()) {
        table.set("garp_refresh", duration(refresh.max(Duration::from_secs(1))));
    }
}
