//! What etcd can bear: it goes on as long as more than half of its voters are up.

use crate::facts::{Cluster, ClusterState};
use crate::inventory::{Host, Inventory};
use crate::plan::FactsByHost;

/// etcd's port for clients.
const CLIENT_PORT: u16 = 2379;

/// The members of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quorum {
    /// Each voter, and whether it is up.
    voters: Vec<(String, bool)>,
    /// Members without a vote yet.
    pub(super) learners: Vec<String>,
}

impl Quorum {
    /// etcd as its members' hosts say it. A voter is up if its host says that it listens.
    pub(super) fn of(inventory: &Inventory, facts: &FactsByHost, cluster: &Cluster) -> Self {
        let (mut voters, mut learners) = (Vec::new(), Vec::new());
        for member in &cluster.etcd {
            let host = inventory.hosts.iter().find(|host| is_of(&member.peer, host));
            let name = host.map_or(member.name.as_str(), |host| &host.name).to_owned();
            let facts = facts.get(&name);
            let is_up = facts.is_some_and(|facts| {
                facts.ports.contains_key(&CLIENT_PORT) && facts.cluster != ClusterState::None
            });
            if member.learner {
                learners.push(name);
            } else {
                voters.push((name, is_up));
            }
        }
        Self { voters, learners }
    }

    /// How many voters there are.
    pub(super) fn voters(&self) -> usize {
        self.voters.len()
    }

    /// Voters that aren't up.
    pub(super) fn down(&self) -> Vec<&str> {
        self.voters.iter().filter(|(_, up)| !up).map(|(name, _)| name.as_str()).collect()
    }

    fn up_but(&self, name: &str) -> usize {
        self.voters.iter().filter(|(voter, up)| *up && voter != name).count()
    }

    fn down_but(&self, name: &str) -> String {
        let down = self.down().into_iter().filter(|voter| *voter != name);
        down.collect::<Vec<_>>().join(", ")
    }

    /// Whether the rest goes on without a member for good; if not, why.
    pub(super) fn without(&self, name: &str) -> Result<(), String> {
        if !self.voters.iter().any(|(voter, _)| voter == name) {
            return Ok(());
        }
        let rest = self.voters.len() - 1;
        if rest == 0 {
            return Err(format!("{name} is the only member of etcd: all of the cluster would go"));
        }
        let (needed, up) = (majority(rest), self.up_but(name));
        if up >= needed {
            return Ok(());
        }
        Err(format!(
            "without it etcd has {rest} members and needs {needed} of them, but {} up ({} isn't): \
             the cluster would stop",
            is_or_are(up),
            self.down_but(name)
        ))
    }

    /// Whether the rest goes on while a member is away for a moment; if not, why.
    pub(super) fn while_away(&self, name: &str) -> Result<(), String> {
        let (needed, up) = (majority(self.voters.len()), self.up_but(name));
        if up >= needed || !self.voters.iter().any(|(voter, _)| voter == name) {
            return Ok(());
        }
        let down = self.down_but(name);
        let also = if down.is_empty() { String::new() } else { format!(" ({down} is down)") };
        Err(format!(
            "etcd has {} members and needs {needed} of them, but while {name} is away {} up{also}",
            self.voters.len(),
            is_or_are(up)
        ))
    }
}

/// Whether a member is a host's, by the address that others know it by.
pub(super) fn is_of(peer: &str, host: &Host) -> bool {
    peer.contains(&format!("//{}:", host.address))
}

fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

fn is_or_are(count: usize) -> String {
    if count == 1 { "only 1 is".to_owned() } else { format!("only {count} are") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(voters: &[(&str, bool)]) -> Quorum {
        let voters = voters.iter().map(|(name, up)| ((*name).to_owned(), *up)).collect();
        Quorum { voters, learners: Vec::new() }
    }

    #[test]
    fn a_member_may_go_for_good_if_more_than_half_of_the_rest_is_up() {
        for (voters, may) in [
            (&[("a", true)][..], false),
            (&[("a", true), ("b", true)], true),
            (&[("a", true), ("b", false)], false),
            (&[("a", false), ("b", true)], true),
            (&[("a", true), ("b", true), ("c", true)], true),
            (&[("a", true), ("b", true), ("c", false)], false),
            (&[("a", false), ("b", true), ("c", true)], true),
            (&[("a", true), ("b", true), ("c", true), ("d", false)], true),
            (&[("a", true), ("b", true), ("c", false), ("d", false)], false),
            (&[("a", true), ("b", true), ("c", true), ("d", false), ("e", false)], false),
            (&[("b", true), ("c", true)], true),
        ] {
            assert_eq!(of(voters).without("a").is_ok(), may, "{voters:?}");
        }
    }

    #[test]
    fn a_member_may_be_away_if_more_than_half_of_all_stays() {
        for (voters, may) in [
            (&[("a", true)][..], false),
            (&[("a", true), ("b", true)], false),
            (&[("a", true), ("b", true), ("c", true)], true),
            (&[("a", true), ("b", true), ("c", false)], false),
            (&[("a", false), ("b", true), ("c", true)], true),
            (&[("b", true), ("c", false)], true),
        ] {
            assert_eq!(of(voters).while_away("a").is_ok(), may, "{voters:?}");
        }
    }
}
