//! What halb is to keep against HAProxy in the same run.

use serde::Serialize;

use super::Report;
use crate::{scenario::Metric, statistics::Summary};

/// A bound on the ratio of halb's figure to HAProxy's.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// Which figure.
    pub metric: Metric,
    /// What the ratio is to be at most.
    pub goal: f64,
    /// What it may never exceed: beyond it a change is refused.
    pub floor: f64,
}

/// How the ratio stands to its bounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Verdict {
    /// Which figure.
    pub metric: Metric,
    /// halb's to HAProxy's.
    pub ratio: Summary,
    /// What it is to be at most.
    pub goal: f64,
    /// What it may never exceed.
    pub floor: f64,
    /// The median keeps the goal.
    pub is_reached: bool,
    /// The median keeps the floor.
    pub holds: bool,
}

/// All goals. Bulk is judged where it is greatest in a cluster: to the clients.
const GOALS: [Goal; 6] = [
    Goal { metric: Metric::RequestCpu, goal: 0.85, floor: 1.0 },
    Goal { metric: Metric::ConnectionCpu, goal: 0.85, floor: 1.0 },
    Goal { metric: Metric::DownloadCpu, goal: 0.55, floor: 0.7 },
    Goal { metric: Metric::IdleMemory, goal: 0.3, floor: 1.0 },
    Goal { metric: Metric::AtRest, goal: 0.5, floor: 1.0 },
    Goal { metric: Metric::OfferedTail, goal: 1.0, floor: 1.0 },
];

/// The goals that a report says something about: halb must come first in it, and HAProxy be there.
pub(super) fn judge(report: &Report) -> Vec<Verdict> {
    let haproxy = report.names.iter().position(|name| *name == "haproxy");
    let (Some(&"halb"), Some(haproxy)) = (report.names.first(), haproxy) else {
        return Vec::new();
    };
    let judged = GOALS.iter().filter_map(|Goal { metric, goal, floor }| {
        let row = report.rows.iter().find(|row| row.metric == *metric)?;
        let ratio = row.cells[haproxy].ratio?;
        Some(Verdict {
            metric: *metric,
            ratio,
            goal: *goal,
            floor: *floor,
            is_reached: ratio.median <= *goal,
            holds: ratio.median <= *floor,
        })
    });
    judged.collect()
}
