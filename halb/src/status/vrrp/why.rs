//! Why a virtual router changed its state, in sentences: the event, and the rule that decided.

use std::cmp::Ordering;
use std::time::Duration;

use halb_vrrp::config::{Preempt, RouterConfig};
use halb_vrrp::driver::InstanceSnapshot;
use halb_vrrp::router::{Cause, FaultReason, Heard, OfferReason, Transition};
use halb_vrrp::timers::{down_interval, skew};
use halb_vrrp::track::Standing;
use halb_vrrp::values::{AdvertInterval, DownTimerAdverts, Priority};

use super::State;
use crate::status::words::exact;

/// The state's own word in the tree.
#[must_use]
pub fn state(state: halb_vrrp::router::State) -> State {
    match state {
        halb_vrrp::router::State::Initialize => State::Initialize,
        halb_vrrp::router::State::Backup => State::Backup,
        halb_vrrp::router::State::Active => State::Active,
        halb_vrrp::router::State::Fault => State::Fault,
    }
}

/// A cause in a word, for metrics and programs. Their number is fixed.
#[must_use]
pub fn reason(cause: &Cause) -> &'static str {
    match cause {
        Cause::Started => "started",
        Cause::Inherited => "inherited",
        Cause::Owner => "owner",
        Cause::Silence { .. } => "silence",
        Cause::Released { .. } => "released",
        Cause::Preempted { .. } => "preempted",
        Cause::Outranked { .. } => "outranked",
        Cause::OwnStall { .. } => "own_stall",
        Cause::Fault(FaultReason::LinkDown) => "link_down",
        Cause::Fault(FaultReason::NoSource) => "no_source",
        Cause::Fault(FaultReason::SendFailures) => "send_failures",
        Cause::Fault(FaultReason::AddressesRefused) => "addresses_refused",
        Cause::Fault(FaultReason::AddressesContested) => "addresses_contested",
        Cause::Fault(FaultReason::Group) => "group_fault",
        Cause::TrackerFailed => "tracker_failed",
        Cause::Recovered => "recovered",
        Cause::Stopped => "stopped",
        Cause::Revoked => "revoked",
        Cause::Group => "group",
        Cause::Invited { .. } => "invited",
        Cause::HandedOver { reason: OfferReason::Sick, .. } => "handed_over_sick",
        Cause::HandedOver { reason: OfferReason::Yielded, .. } => "handed_over_yielded",
        Cause::HandedOver { reason: OfferReason::Leaving, .. } => "handed_over_leaving",
    }
}

/// What happened, in a clause that fits behind "because".
#[must_use]
pub fn event(cause: &Cause) -> String {
    match cause {
        Cause::Started => "it was started".to_owned(),
        Cause::Inherited => "the process before this one handed it over (halb upgrade)".to_owned(),
        Cause::Owner => "it owns the addresses (priority 255)".to_owned(),
        Cause::Silence { last: Some(last), waited } => {
            format!("nothing was heard for {}; the last was {}", time(*waited), advert(last))
        }
        Cause::Silence { last: None, waited } => {
            format!("nobody was heard for {}", time(*waited))
        }
        Cause::Released { by } => {
            format!("{} gave the addresses up (advert with priority 0)", by.source)
        }
        Cause::Preempted { rival } => {
            format!("only a lower node was heard: {}", advert(rival))
        }
        Cause::Outranked { by, by_address } => {
            let equal =
                if *by_address { ", equal to ours, and its address is greater" } else { "" };
            format!("a better node is active: {}{equal}", advert(by))
        }
        Cause::OwnStall { silent, by } => {
            let by = by.as_ref().map(|by| format!("; meanwhile {} took over", by.source));
            let by = by.unwrap_or_default();
            format!("this process stood still and was silent for {}{by}", time(*silent))
        }
        Cause::Fault(reason) => reason.to_string(),
        Cause::TrackerFailed => "a tracker of weight 0 failed".to_owned(),
        Cause::Recovered => "what kept it from taking part is over".to_owned(),
        Cause::Stopped => "it was stopped".to_owned(),
        Cause::Revoked => {
            "the guard took the addresses away because this process stood still".to_owned()
        }
        Cause::Group => "another router of its group changed".to_owned(),
        Cause::Invited { by, priority } if *priority == Priority::RELEASE => {
            format!("{by}, which is about to stop, offered the addresses over the link")
        }
        Cause::Invited { by, priority } => {
            format!("{by} (priority {priority}) offered the addresses over the link")
        }
        Cause::HandedOver { to, reason } => {
            format!("{} took the addresses, which were offered because {reason}", advert(to))
        }
    }
}

/// A priority as a sum, or as a number where nothing is added.
#[must_use]
pub fn sum(standing: &Standing) -> String {
    if standing.effective.get() == standing.base.get() && !standing.is_sick() {
        return standing.effective.to_string();
    }
    standing.to_string()
}

/// The event with the rule that made it lead to this state.
#[must_use]
pub fn decision(transition: &Transition, config: &RouterConfig) -> String {
    let event = event(&transition.cause);
    let own = transition.standing.effective;
    let to_active = transition.to == halb_vrrp::router::State::Active;
    let rule = match &transition.cause {
        Cause::Silence { last, .. } if to_active => {
            let interval = last.map_or_else(|| config.interval(), |last| last.interval);
            Some(waiting(own, interval, config.behaviour.down_timer_adverts))
        }
        Cause::Released { by } if to_active => Some(format!(
            "A node of priority {own} then waits its skew of {}, so that a better one goes first.",
            time(skew(own, by.interval))
        )),
        Cause::Preempted { rival } => Some(format!(
            "A node of priority {own} doesn't count adverts of priority {}, and takes over as if \
             there were none.",
            rival.priority
        )),
        Cause::Outranked { by_address: false, .. } => Some(format!("This node has {own}.")),
        Cause::Started => {
            Some("It listens for a whole down interval before it decides.".to_owned())
        }
        Cause::TrackerFailed => {
            Some("A node with a failed tracker serves only if nobody else does.".to_owned())
        }
        Cause::Invited { .. } => Some(
            "It took them before it said so, so that they were never without a node.".to_owned(),
        ),
        Cause::Revoked => Some("It listens again before it decides.".to_owned()),
        Cause::Silence { .. }
        | Cause::Released { .. }
        | Cause::Owner
        | Cause::Inherited
        | Cause::Outranked { by_address: true, .. }
        | Cause::OwnStall { .. }
        | Cause::Fault(_)
        | Cause::Recovered
        | Cause::Stopped
        | Cause::HandedOver { .. }
        | Cause::Group => None,
    };
    match rule {
        Some(rule) => format!("{event}. {rule}"),
        None => event,
    }
}

/// Why a backup leaves the addresses to the node that it hears; none: it is no backup, or hears
/// nobody.
#[must_use]
pub fn leaves_them(of: &InstanceSnapshot) -> Option<String> {
    let status = &of.status;
    let active = status.active.filter(|_| status.state == halb_vrrp::router::State::Backup)?;
    let own = status.standing.effective;
    let rule = match active.priority.cmp(&own) {
        Ordering::Greater => format!("more than this node's {}", sum(&status.standing)),
        Ordering::Equal => {
            "as this node has; between equals the addresses stay where they are".to_owned()
        }
        Ordering::Less => match of.settings.router.behaviour.preempt {
            Preempt::Never => {
                format!("less than this node's {own}, which waits all the same (preempt = false)")
            }
            Preempt::After(delay) => format!(
                "less than this node's {own}, which takes over once it has heard that for its \
                 preempt delay of {}",
                time(delay)
            ),
            Preempt::Immediately => {
                format!("less than this node's {own}, which is about to take over")
            }
        },
    };
    Some(format!("{} is active with priority {}, {rule}", active.source, active.priority))
}

fn waiting(own: Priority, interval: AdvertInterval, adverts: DownTimerAdverts) -> String {
    format!(
        "A node of priority {own} takes over after {}: {} adverts of {} and a skew of {}.",
        time(down_interval(own, interval, adverts)),
        adverts.get(),
        time(interval.duration()),
        time(skew(own, interval)),
    )
}

fn advert(heard: &Heard) -> String {
    format!("{} with priority {}", heard.source, heard.priority)
}

fn time(duration: Duration) -> String {
    exact(duration.as_secs_f64())
}
