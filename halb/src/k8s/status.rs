//! `halb k8s status` and `halb k8s verify`: one look at all hosts, at the cluster as it says it is,
//! and at what differs from the inventory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use halb_k8s_bootstrap::facts::{Cluster, ClusterState, Facts};
use halb_k8s_bootstrap::inventory::Host;
use halb_k8s_bootstrap::verify::{self, Finding, Seen, Verdict};
use serde::Serialize;
use tokio::time;

use super::site::Site;
use crate::cli::{Exit, complain};
use crate::status::text::table::{self, Align, Column};
use crate::status::words;

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name.
    pub cluster: String,
    /// The worst of all findings.
    pub verdict: Verdict,
    /// All hosts, in the inventory's order.
    pub hosts: Vec<HostStatus>,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
}

impl Status {
    /// How to end: only a cluster of which all was seen to be as wanted is done.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Good => Exit::Done,
            Verdict::Unproven => Exit::Unproven,
            Verdict::Bad => Exit::Failed,
        }
    }

    /// Whether something is bad that may become good by itself.
    fn may_settle(&self) -> bool {
        let bad = |finding: &&Finding| finding.verdict == Verdict::Bad;
        let mut bad = self.findings.iter().filter(bad).peekable();
        bad.peek().is_some() && bad.all(|finding| finding.area.settles())
    }
}

/// What is known of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostStatus {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub roles: Vec<&'static str>,
    /// Its distribution; empty if the host doesn't answer.
    pub os: String,
    /// Whether the cluster has it as a node, and whether that is ready; none if it is to be no node.
    pub node: Option<Node>,
    /// What differs from the inventory, step by step; none if that can't be said now.
    pub left_to_do: Option<Vec<String>>,
}

/// A node as the cluster sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// It is ready.
    Ready,
    /// It is there, and not ready.
    NotReady,
    /// The cluster doesn't know it.
    Unknown,
    /// No master could be asked.
    NoAnswer,
}

impl Node {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Unknown => "not joined",
            Self::NoAnswer => "?",
        }
    }
}

/// Puts together what was seen.
#[must_use]
pub fn of(seen: &Seen<'_>) -> Status {
    let answers = seen.facts.values().find_map(|facts| match &facts.cluster {
        ClusterState::Answers(cluster) => Some(cluster),
        ClusterState::Silent | ClusterState::None => None,
    });
    let mut left = seen.left.ok().map(|plan| {
        let mut left: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for host in plan.stages.iter().flat_map(|stage| &stage.hosts) {
            let titles = host.steps.iter().map(|step| step.title.clone());
            left.entry(&host.host).or_default().extend(titles);
        }
        left
    });
    let hosts = seen.inventory.hosts.iter().map(|host| {
        let own = left.as_mut().map(|left| left.remove(host.name.as_str()).unwrap_or_default());
        host_status(host, seen.facts.get(&host.name), answers, own)
    });
    let hosts = hosts.collect();
    let findings = verify::judge(seen);
    let verdict = verify::verdict(&findings);
    Status { cluster: seen.inventory.name.clone(), verdict, hosts, findings }
}

/// Time between two looks at what may become good by itself.
const AGAIN: Duration = Duration::from_secs(5);

/// Looks until nothing is bad that may become good by itself, at most so long.
///
/// # Errors
/// How to end: why was said.
pub async fn settled(site: &Site, at_most: Duration) -> Result<Status, Exit> {
    let end = Instant::now() + at_most;
    let mut said = false;
    loop {
        let status = site.look().await?;
        if !status.may_settle() || Instant::now() + AGAIN > end {
            return Ok(status);
        }
        if !said {
            let mut bad = status.findings.iter().filter(|it| it.verdict == Verdict::Bad);
            if let Some(first) = bad.next() {
                complain(&format!("Waiting: {}: {}", first.subject, first.what));
            }
            said = true;
        }
        time::sleep(AGAIN).await;
    }
}

fn host_status(
    host: &Host,
    facts: Option<&Facts>,
    cluster: Option<&Cluster>,
    left_to_do: Option<Vec<String>>,
) -> HostStatus {
    let node = host.is_node().then(|| match cluster.map(|cluster| cluster.nodes.get(&host.name)) {
        None => Node::NoAnswer,
        Some(None) => Node::Unknown,
        Some(Some(node)) if node.ready => Node::Ready,
        Some(Some(_)) => Node::NotReady,
    });
    HostStatus {
        name: host.name.clone(),
        roles: host.roles.iter().map(|role| role.as_str()).collect(),
        os: facts.map(|facts| facts.os.title.clone()).unwrap_or_default(),
        node,
        left_to_do,
    }
}

const COLUMNS: [Column; 5] = [
    Column { title: "HOST", align: Align::Left, width_max: 20 },
    Column { title: "ROLES", align: Align::Left, width_max: 16 },
    Column { title: "SYSTEM", align: Align::Left, width_max: 30 },
    Column { title: "NODE", align: Align::Left, width_max: 10 },
    Column { title: "DIFFERS IN", align: Align::Right, width_max: 10 },
];

/// One screen of at most so many columns.
#[must_use]
pub fn text(status: &Status, width: usize) -> String {
    let rows: Vec<Vec<String>> = status
        .hosts
        .iter()
        .map(|host| {
            let differs = match host.left_to_do.as_deref().map(<[String]>::len) {
                None => "?".to_owned(),
                Some(0) => "-".to_owned(),
                Some(1) => "1 step".to_owned(),
                Some(steps) => format!("{steps} steps"),
            };
            let node = host.node.map_or("-", Node::as_str).to_owned();
            let os = if host.os.is_empty() { "?".to_owned() } else { host.os.clone() };
            vec![host.name.clone(), host.roles.join(", "), os, node, differs]
        })
        .collect();
    let table = table::render(&COLUMNS, &rows, width, |line, _| line);
    let summary: String = verify::summary(&status.findings)
        .lines()
        .map(|line| format!("{}\n", words::clip(line, width)))
        .collect();
    format!("Cluster '{}'\n\n{table}\n{summary}", status.cluster)
}

/// Everything that was looked at, each with its verdict and what to do.
#[must_use]
pub fn findings(status: &Status) -> String {
    verify::render(&status.cluster, &status.findings)
}

#[cfg(test)]
mod tests {
    use halb_k8s_bootstrap::verify::Area;

    use super::*;

    fn finding(area: Area, verdict: Verdict) -> Finding {
        let what = "no answer came".to_owned();
        Finding { area, subject: "kworker01".to_owned(), verdict, what, remedy: None }
    }

    fn status(findings: Vec<Finding>) -> Status {
        let host = HostStatus {
            name: "kworker01".to_owned(),
            roles: vec!["worker"],
            os: String::new(),
            node: Some(Node::NotReady),
            left_to_do: None,
        };
        let verdict = verify::verdict(&findings);
        Status { cluster: "seed".to_owned(), verdict, hosts: vec![host], findings }
    }

    #[test]
    fn only_what_was_seen_to_be_good_ends_with_0() {
        for (verdict, exit) in [
            (Verdict::Good, Exit::Done),
            (Verdict::Unproven, Exit::Unproven),
            (Verdict::Bad, Exit::Failed),
        ] {
            let good = finding(Area::Nodes, Verdict::Good);
            assert_eq!(status(vec![good, finding(Area::Dns, verdict)]).exit(), exit);
        }
    }

    #[test]
    fn only_what_may_become_good_by_itself_is_waited_for() {
        let bad = |area| finding(area, Verdict::Bad);
        assert!(status(vec![bad(Area::Nodes), bad(Area::Dns)]).may_settle());
        assert!(!status(vec![bad(Area::Nodes), bad(Area::Drift)]).may_settle());
        assert!(!status(vec![finding(Area::Dns, Verdict::Unproven)]).may_settle());
    }

    #[test]
    fn one_screen_tells_hosts_areas_and_what_it_comes_to() {
        let good = finding(Area::Hosts, Verdict::Good);
        let status = status(vec![good, finding(Area::Dns, Verdict::Unproven)]);
        let text = text(&status, 80);
        for words in [
            "Cluster 'seed'",
            "not ready",
            "Hosts         good      no answer came",
            "DNS           unproven  kworker01: no answer came",
            "Unproven: 1 thing is as wanted, 1 couldn't be seen.",
        ] {
            assert!(text.contains(words), "no «{words}» in {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
