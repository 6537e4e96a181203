//! What a comparison found, for people and for programs.

mod goals;
pub mod html;
mod plot;
pub mod text;

use std::{fs, thread, time::Duration};

use serde::{Serialize, Serializer};

pub use self::goals::{Goal, Verdict};
use crate::{
    load::Tally,
    scenario::{Metric, Scenario, Unit, to_f64},
    statistics::Summary,
};

/// What a comparison found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Names of the contenders. Ratios are of the first one to each other one.
    pub names: Vec<&'static str>,
    /// Their versions, in the same order.
    pub versions: Vec<String>,
    /// Where it took place.
    pub place: String,
    /// What it ran on.
    pub machine: String,
    /// How often each run was repeated.
    pub rounds: usize,
    /// Length of each run.
    #[serde(rename = "measured_seconds", serialize_with = "seconds")]
    pub measured: Duration,
    /// A row for each figure.
    pub rows: Vec<Row>,
    /// Latencies to draw.
    pub curves: Vec<Curve>,
    /// What a reader must know: who is missing, what failed.
    pub notes: Vec<String>,
}

/// A figure of all contenders.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The load that it was found under.
    #[serde(skip)]
    pub scenario: Scenario,
    /// What that is.
    #[serde(rename = "scenario")]
    pub load: String,
    /// Which figure.
    pub metric: Metric,
    /// What values are in.
    pub unit: Unit,
    /// A cell for each contender.
    pub cells: Vec<Cell>,
}

/// A figure of one contender.
#[derive(Debug, Serialize)]
pub struct Cell {
    /// What each round brought; none where it brought nothing.
    pub samples: Vec<Option<f64>>,
    /// Their middle and range.
    pub summary: Option<Summary>,
    /// Of the first contender's samples to these, round by round; none for the first itself.
    pub ratio: Option<Summary>,
}

/// Latencies of all contenders under one load, from the quickest to the slowest.
#[derive(Debug, Serialize)]
pub struct Curve {
    /// The load.
    pub load: String,
    /// For each contender: share of the requests (0 to 1) and the latency in seconds that it
    /// doesn't exceed.
    pub lines: Vec<Vec<(f64, f64)>>,
}

impl Row {
    /// From what the rounds brought to each contender.
    #[must_use]
    pub fn new(
        scenario: Scenario,
        load: String,
        metric: Metric,
        samples: Vec<Vec<Option<f64>>>,
    ) -> Self {
        let first = samples.first().cloned().unwrap_or_default();
        let cells = samples.into_iter().enumerate().map(|(index, samples)| Cell {
            summary: Summary::of(&samples.iter().flatten().copied().collect::<Vec<_>>()),
            ratio: if index == 0 { None } else { Summary::of_ratios(&first, &samples) },
            samples,
        });
        Self { scenario, load, metric, unit: metric.unit(), cells: cells.collect() }
    }
}

impl Curve {
    /// From the latencies of each contender; an empty line where there are none.
    #[must_use]
    pub fn new(load: String, tallies: &[Option<Tally>]) -> Self {
        let line = |tally: &Option<Tally>| {
            let tally = tally.as_ref()?;
            let told = shares(tally.latency_count()).into_iter();
            Some(
                told.filter_map(|share| Some((share, tally.latency(share)?.as_secs_f64())))
                    .collect(),
            )
        };
        let lines = tallies.iter().map(|tally| line(tally).unwrap_or_default());
        Self { load, lines: lines.collect() }
    }
}

impl Report {
    /// As JSON, for programs.
    ///
    /// # Errors
    /// Never, in practice: no value in it lacks a form in JSON.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// How the first contender stands to HAProxy, goal by goal.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Verdict> {
        goals::judge(self)
    }

    /// A contender's name with its version.
    #[must_use]
    pub fn full_name(&self, contender: usize) -> String {
        let (name, version) = (self.names[contender], &self.versions[contender]);
        if version.is_empty() { name.to_owned() } else { format!("{name} {version}") }
    }
}

/// Shares of all requests at which a latency is drawn: ever closer to all of them, and never closer
/// than their number allows.
fn shares(count: u64) -> Vec<f64> {
    let mut shares = vec![0.0];
    let mut rest = 1.0_f64;
    // Eight for each factor of ten, down to one in a hundred thousand.
    for _ in 0..40 {
        rest *= 10_f64.powf(-0.125);
        if rest * to_f64(count) < 1.0 {
            break;
        }
        shares.push(1.0 - rest);
    }
    shares
}

/// The machine in a few words: cores and kernel.
#[must_use]
pub fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: Vec<_> = release.trim().split('.').take(2).collect();
    let cores = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    format!("{cores}, Linux {}", version.join("."))
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
pub(crate) mod tests;
