//! What is different between two settings of a virtual router, in words.

use std::fmt::{Debug, Display};
use std::net::IpAddr;
use std::time::Duration;

use crate::config::{Auth, Behaviour, ChecksumChoice, Delivery, Preempt, Protocol, RouterConfig};
use crate::settings::{Instance, Placement};
use crate::track::Tracker;

/// A line per difference, each beginning with the name. Passwords are not shown.
pub(super) fn describe(old: &Instance, new: &Instance) -> Vec<String> {
    let Instance { name, interface: _, router, priority, source, placements, trackers } = new;
    let mut lines = Lines(Vec::new());
    lines.compare("priority", &old.priority.get(), &priority.get());
    describe_router(&old.router, router, &mut lines);
    if old.source != *source {
        lines.push(format!("source address {} -> {}", or_none(old.source), or_none(*source)));
    }
    describe_placements(&old.placements, placements, &mut lines);
    describe_trackers(&old.trackers, trackers, &mut lines);
    lines.0.into_iter().map(|line| format!("{name}: {line}")).collect()
}

struct Lines(Vec<String>);

impl Lines {
    fn push(&mut self, line: String) {
        self.0.push(line);
    }

    fn compare<T: Display + PartialEq>(&mut self, what: &str, old: &T, new: &T) {
        if old != new {
            self.push(format!("{what} {old} -> {new}"));
        }
    }

    fn compare_times<T: Debug + PartialEq>(&mut self, what: &str, old: &T, new: &T) {
        if old != new {
            self.push(format!("{what} {old:?} -> {new:?}"));
        }
    }
}

fn describe_router(old: &RouterConfig, new: &RouterConfig, lines: &mut Lines) {
    let (before, after) = (old.interval().duration(), new.interval().duration());
    lines.compare_times("advert interval", &before, &after);
    match (old.protocol(), new.protocol()) {
        (Protocol::V2 { auth: old, .. }, Protocol::V2 { auth: new, .. }) => {
            describe_auth(old.as_ref(), new.as_ref(), lines);
        }
        (Protocol::V3 { checksum: old, .. }, Protocol::V3 { checksum: new, .. }) => {
            describe_checksum(*old, *new, lines);
        }
        // Another version is another virtual router.
        (Protocol::V2 { .. } | Protocol::V3 { .. }, _) => {}
    }
    let (before, after) = (old.addresses().as_slice(), new.addresses().as_slice());
    for added in after.iter().filter(|address| !before.contains(address)) {
        lines.push(format!("address {added} added"));
    }
    for removed in before.iter().filter(|address| !after.contains(address)) {
        lines.push(format!("address {removed} removed"));
    }
    lines.compare("adverts by", &delivery(old.delivery()), &delivery(new.delivery()));
    describe_behaviour(&old.behaviour, &new.behaviour, lines);
}

fn describe_auth(old: Option<&Auth>, new: Option<&Auth>, lines: &mut Lines) {
    let line = match (old, new) {
        (None, Some(_)) => "adverts carry a password now",
        (Some(_), None) => "adverts carry no password any more",
        (Some(old), Some(new)) if old.password != new.password => "password changed",
        (Some(old), Some(new)) if old.also != new.also => "second accepted password changed",
        (Some(_), Some(_)) | (None, None) => return,
    };
    lines.push(line.to_owned());
}

fn describe_checksum(old: ChecksumChoice, new: ChecksumChoice, lines: &mut Lines) {
    if old != new {
        lines.push("form of the checksum changed".to_owned());
    }
}

fn delivery(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Multicast => "multicast".to_owned(),
        Delivery::Unicast { peers, hop_limit_min } => {
            let peers: Vec<_> = peers.iter().map(IpAddr::to_string).collect();
            format!("unicast with {} (hop limit at least {hop_limit_min})", peers.join(", "))
        }
    }
}

fn describe_behaviour(old: &Behaviour, new: &Behaviour, lines: &mut Lines) {
    lines.compare("preemption", &preempt(old.preempt), &preempt(new.preempt));
    lines.compare_times("start-up delay", &old.startup_delay, &new.startup_delay);
    let missed = "adverts that are missed before a takeover";
    lines.compare(missed, &old.down_timer_adverts.get(), &new.down_timer_adverts.get());
    let yes = |yes| if yes { "yes" } else { "no" };
    let at_once = |behaviour: &Behaviour| yes(!behaviour.answers.lower_prio_no_advert);
    let lower = "an advert at once to a router of lower priority";
    lines.compare(lower, &at_once(old), &at_once(new));
    let last = |behaviour: &Behaviour| yes(behaviour.answers.higher_prio_send_advert);
    lines.compare("a last advert to a router of higher priority", &last(old), &last(new));
    lines.compare("words to another halb", &yes(old.peer_link), &yes(new.peer_link));
    let (old, new) = (old.announcements, new.announcements);
    lines.compare("announcements in one go", &old.repeats, &new.repeats);
    let time = |time: Option<Duration>| {
        time.map_or_else(|| "never".to_owned(), |time| format!("{time:?}"))
    };
    lines.compare("second announcement", &time(old.again_after), &time(new.again_after));
    lines.compare("refreshing announcements", &time(old.refresh), &time(new.refresh));
}

fn preempt(preempt: Preempt) -> String {
    match preempt {
        Preempt::Immediately => "at once".to_owned(),
        Preempt::After(delay) => format!("after {delay:?}"),
        Preempt::Never => "never".to_owned(),
    }
}

fn describe_placements(old: &[Placement], new: &[Placement], lines: &mut Lines) {
    for after in new {
        let before = old.iter().find(|before| before.address == after.address);
        if let Some(before) = before.filter(|before| *before != after) {
            let address = after.address;
            lines.push(format!("{address} is placed as {} -> {}", placed(before), placed(after)));
        }
    }
}

fn placed(placement: &Placement) -> String {
    let Placement { address: _, prefix_len, interface, label } = placement;
    let on = interface.as_ref().map_or(String::new(), |interface| format!(" on {interface}"));
    let label = label.as_ref().map_or(String::new(), |label| format!(" labelled {label}"));
    format!("/{prefix_len}{on}{label}")
}

fn describe_trackers(old: &[Tracker], new: &[Tracker], lines: &mut Lines) {
    for after in new {
        let before = old.iter().find(|before| before.subject.is_same(&after.subject));
        let Some(before) = before else {
            lines.push(format!("tracks {} with {}", after.subject, weight(after)));
            continue;
        };
        let what = format!("{} is tracked with", after.subject);
        lines.compare(&what, &weight(before), &weight(after));
        if before.subject != after.subject {
            lines.push(format!("{} is tracked with other thresholds", after.subject));
        }
    }
    let is_gone = |before: &&Tracker| !new.iter().any(|new| new.subject.is_same(&before.subject));
    for gone in old.iter().filter(is_gone) {
        lines.push(format!("no longer tracks {}", gone.subject));
    }
}

fn weight(tracker: &Tracker) -> String {
    let reversed = if tracker.reverse { ", reversed" } else { "" };
    format!("weight {}{reversed}", tracker.weight.get())
}

fn or_none(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "the interface's first".to_owned(), |address| address.to_string())
}
