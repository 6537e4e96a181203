//! What an operator sees of a run: a line for each step where the output is a pipe or a file, and a
//! picture of the whole stage on a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::apply::{Phase, StepAt, StepEnd};
use crate::plan::Plan;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A phase of a step began.
    Began(StepAt, Phase),
    /// A step ended.
    Ended(StepAt, StepEnd),
    /// The host of a step is away, and is tried again.
    Away(StepAt, String),
}

/// A run as it stands.
#[derive(Debug, Clone)]
pub struct Progress<'a> {
    plan: &'a Plan,
    begun: Instant,
    stage: usize,
    stage_begun: Instant,
    hosts: BTreeMap<usize, Row>,
    ended: usize,
}

/// One host of the stage.
#[derive(Debug, Clone)]
struct Row {
    step: usize,
    step_begun: Instant,
    stand: Stand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Working(Phase),
    Between,
    Away,
    Failed,
}

impl<'a> Progress<'a> {
    /// Nothing has begun.
    #[must_use]
    pub fn new(plan: &'a Plan, now: Instant) -> Self {
        let hosts = BTreeMap::new();
        Self { plan, begun: now, stage: 0, stage_begun: now, hosts, ended: 0 }
    }

    /// Takes in what happened, and gives back the line that tells of it, if it is worth one.
    pub fn take(&mut self, event: &Event, now: Instant) -> Option<String> {
        let at = match event {
            Event::Began(at, _) | Event::Ended(at, _) | Event::Away(at, _) => *at,
        };
        let mut out = String::new();
        if at.stage != self.stage || (self.hosts.is_empty() && self.ended == 0) {
            self.stage = at.stage;
            self.stage_begun = now;
            self.hosts.clear();
            let stage = &self.plan.stages[at.stage];
            let _ = writeln!(out, "{}", stage.name.title());
        }
        let row = self.hosts.entry(at.host).or_insert(Row {
            step: at.step,
            step_begun: now,
            stand: Stand::Between,
        });
        if row.step != at.step {
            (row.step, row.step_begun) = (at.step, now);
        }
        match event {
            Event::Began(_, phase) => row.stand = Stand::Working(*phase),
            Event::Away(_, why) => {
                if row.stand != Stand::Away {
                    let _ = writeln!(out, "{}  away: {why}", self.label(at));
                }
                self.row(at.host, Stand::Away);
            }
            Event::Ended(_, end) => {
                let took = now.saturating_duration_since(row.step_begun);
                row.stand = Stand::Between;
                self.ended += 1;
                let word = match end {
                    StepEnd::Unchanged => "as wanted".to_owned(),
                    StepEnd::Changed => format!("done in {}", span(took)),
                    StepEnd::Failed => format!("FAILED after {}", span(took)),
                };
                if *end == StepEnd::Failed {
                    self.row(at.host, Stand::Failed);
                }
                let _ = writeln!(out, "{}  {}: {word}", self.label(at), at.of(self.plan).title);
            }
        }
        (!out.is_empty()).then(|| out.trim_end().to_owned())
    }

    fn row(&mut self, host: usize, stand: Stand) {
        if let Some(row) = self.hosts.get_mut(&host) {
            row.stand = stand;
        }
    }

    /// Host and number of a step, in columns.
    fn label(&self, at: StepAt) -> String {
        let steps = self.plan.stages[at.stage].hosts[at.host].steps.len();
        let (name, width) = self.widths(at.stage);
        format!("  {:name$}  {:>width$}/{steps:<width$}", at.host_of(self.plan), at.step + 1)
    }

    /// Columns of the longest name of a stage's hosts, and of the most steps that one has.
    fn widths(&self, stage: usize) -> (usize, usize) {
        let hosts = &self.plan.stages[stage].hosts;
        let name = hosts.iter().map(|host| host.host.chars().count()).max();
        let steps = hosts.iter().map(|host| host.steps.len()).max();
        (name.unwrap_or_default(), steps.unwrap_or_default().to_string().len())
    }

    /// The stage as a picture of at most so many columns and lines.
    #[must_use]
    pub fn picture(&self, now: Instant, columns: usize, lines: usize) -> Vec<String> {
        let Some(stage) = self.plan.stages.get(self.stage) else { return Vec::new() };
        let total = self.plan.steps().count();
        let head = format!(
            "{} (stage {} of {}, {})",
            stage.name.title(),
            self.stage + 1,
            self.plan.stages.len(),
            span(now.saturating_duration_since(self.stage_begun))
        );
        let time = span(now.saturating_duration_since(self.begun));
        let foot = format!(
            "{} of {total} steps, {time}; Ctrl-C stops after the steps under way",
            self.ended
        );
        let room = lines.saturating_sub(2);
        let mut rows: Vec<(bool, String)> =
            (0..stage.hosts.len()).map(|host| self.host_line(host, now)).collect();
        // Where not all have room, those at work are what there is to see.
        if rows.len() > room {
            rows.sort_by_key(|(working, _)| !working);
            let left_out = rows.len() - room.saturating_sub(1);
            rows.truncate(room.saturating_sub(1));
            rows.push((false, format!("  and {left_out} more")));
        }
        let rows = rows.into_iter().map(|(_, row)| row);
        let all = std::iter::once(head).chain(rows).chain([foot]);
        all.take(lines).map(|line| clip(&line, columns)).collect()
    }

    /// A host's line, and whether it is at work.
    fn host_line(&self, host: usize, now: Instant) -> (bool, String) {
        let plan = &self.plan.stages[self.stage].hosts[host];
        let Some(row) = self.hosts.get(&host) else {
            let (name, width) = self.widths(self.stage);
            let gap = 2 * width + 1;
            return (false, format!("  {:name$}  {:gap$}  waiting", plan.host, ""));
        };
        let at = StepAt { stage: self.stage, host, step: row.step };
        let time = span(now.saturating_duration_since(row.step_begun));
        let title = plan.steps.get(row.step).map_or("", |step| step.title.as_str());
        let last = row.step + 1 == plan.steps.len();
        let text = match row.stand {
            Stand::Working(Phase::Probe) => format!("{title}: looking, {time}"),
            Stand::Working(Phase::Act) => format!("{title}: {time}"),
            Stand::Working(Phase::Verify) => format!("{title}: checking, {time}"),
            Stand::Away => format!("{title}: host is away, {time}"),
            Stand::Failed => format!("{title}: FAILED"),
            Stand::Between if last => "done".to_owned(),
            Stand::Between => title.to_owned(),
        };
        let working = !(row.stand == Stand::Between && last);
        (working, format!("{}  {text}", self.label(at)))
    }
}

/// A time as people read it: `0.4 s`, `12 s`, `3 min 05 s`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// At most so many characters.
fn clip(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let kept: String = line.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests;
