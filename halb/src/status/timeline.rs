//! What changed last, wherever in the tree it stands: one list, the latest first.

use super::Status;

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Time since.
    pub ago_seconds: f64,
    /// What became what.
    pub what: String,
    /// Why.
    pub why: String,
}

/// The last `max` changes, the latest first.
#[must_use]
pub fn of(status: &Status, max: usize) -> Vec<Change> {
    let mut changes: Vec<Change> = virtual_ips(status).collect();
    changes.sort_by(|one, other| one.ago_seconds.total_cmp(&other.ago_seconds));
    changes.truncate(max);
    changes
}

fn virtual_ips(status: &Status) -> impl Iterator<Item = Change> {
    let instances = status.vrrp.iter().flat_map(|vrrp| &vrrp.instances);
    instances.flat_map(|instance| {
        instance.history.iter().map(|change| {
            let earlier = if change.earlier_process { " (by an earlier process)" } else { "" };
            Change {
                ago_seconds: change.ago_seconds,
                what: format!("vip {} {}", instance.name, change.to.loud()),
                why: format!("{}{earlier}", change.why),
            }
        })
    })
}
