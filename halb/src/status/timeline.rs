//! What changed last, wherever in the tree it stands: virtual IPs, servers and the configuration in
//! one list, the latest first.

use super::Status;
use super::words::things;

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Time since.
    pub ago_seconds: f64,
    /// What became what.
    pub what: String,
    /// Why, or what came of it.
    pub why: String,
}

/// The last `max` changes, the latest first.
#[must_use]
pub fn of(status: &Status, max: usize) -> Vec<Change> {
    let mut changes: Vec<Change> = virtual_ips(status).chain(servers(status)).collect();
    changes.extend(reload(status));
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

fn servers(status: &Status) -> impl Iterator<Item = Change> {
    status.changes.iter().map(|change| {
        let left = things(change.servers_up, "server", "servers");
        Change {
            ago_seconds: change.ago_seconds,
            what: format!("{} {}", change.server, if change.up { "UP" } else { "DOWN" }),
            why: format!("{}, {left} up", change.check),
        }
    })
}

fn reload(status: &Status) -> Option<Change> {
    let last = status.reload.last.as_ref()?;
    let (what, why) = match &last.error {
        Some(error) => ("reload failed", error.lines().next().unwrap_or_default().to_owned()),
        None if last.changes.is_empty() => ("reload", "nothing has changed".to_owned()),
        None => ("reload", last.changes.join("; ")),
    };
    Some(Change { ago_seconds: last.ago_seconds, what: what.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{samples, vrrp};

    #[test]
    fn all_kinds_of_changes_are_one_list_the_latest_first() {
        let mut sample = samples::after_failed_reload();
        sample.refuse(1);
        sample.vrrp = Some(vrrp::samples::active().vrrp());
        let told = of(&sample.status(), 3);
        let what: Vec<&str> = told.iter().map(|change| change.what.as_str()).collect();
        assert_eq!(what, ["masters/kmaster2 DOWN", "reload failed", "vip VI_1 ACTIVE"]);
        assert_eq!(told[0].why, "L4CON: connection refused, 2 servers up");
        assert_eq!(told[1].why, "/etc/halb/halb.toml has 2 errors");
        assert_eq!(of(&sample.status(), 1).len(), 1);
    }
}
