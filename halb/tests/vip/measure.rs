//! Measurements: `.ci/soak` runs them, docs/measurements.md keeps what they printed. Each prints a
//! table and fails where a promised bound is broken.

mod busy;
pub(crate) mod cut;
mod ends;
pub(crate) mod frontend;

use std::time::Duration;

/// The time between two questions of the client.
const PACE: Duration = Duration::from_millis(1);

/// Median and worst of some times.
pub(crate) fn median_and_worst(times: &[Duration]) -> (Duration, Duration) {
    let mut sorted = times.to_vec();
    sorted.sort();
    let middle = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2;
    (middle, *sorted.last().unwrap())
}

/// Median and worst as a table has them, in milliseconds.
fn cell(times: &[Duration]) -> String {
    let (median, worst) = median_and_worst(times);
    format!("{} / {}", millis(median), millis(worst))
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}
