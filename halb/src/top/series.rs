//! What figures did lately: a minute of each, a look a second.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::status::rates::Between;
use crate::status::{Frontend, Server, Status};

/// Looks that are remembered of a figure: a minute, as wide as a sparkline gets.
const LOOKS_MAX: usize = 60;

/// Which marks sparklines are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Bars of eight heights.
    Blocks,
    /// What any terminal shows.
    Ascii,
}

impl Marks {
    /// From the least to the most.
    fn ramp(self) -> [char; 8] {
        match self {
            Self::Blocks => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Ascii => ['_', '.', ':', '-', '=', '+', '*', '#'],
        }
    }
}

/// A figure over the last looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Series(VecDeque<u64>);

impl Series {
    fn push(&mut self, value: u64) {
        if self.0.len() == LOOKS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// At the last look.
    pub(super) fn last(&self) -> Option<u64> {
        self.0.back().copied()
    }

    /// The last `width` looks, the latest at the right. The largest of them has the highest mark,
    /// unless that is below `calm`, which keeps what hardly moves from looking wild.
    pub(super) fn spark(&self, width: usize, calm: u64, marks: Marks) -> String {
        let shown = self.0.iter().skip(self.0.len().saturating_sub(width));
        let most = shown.clone().copied().max().unwrap_or(0).max(calm).max(1);
        let ramp = marks.ramp();
        let mark = |value: &u64| {
            let eighths = u128::from(*value) * 8;
            ramp[(1..8_u128).filter(|step| eighths > u128::from(most) * step).count()]
        };
        let marks: String = shown.map(mark).collect();
        format!("{marks:>width$}")
    }
}

/// What something did lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trend {
    /// New connections a second.
    pub(super) new: Series,
    /// Bytes from clients in the last second.
    pub(super) bytes_in: u64,
    /// Bytes to clients in the last second.
    pub(super) bytes_out: u64,
    /// How long the last check took, in microseconds; empty where there is none.
    pub(super) check_micros: Series,
}

/// What everything did lately; bounded by what the status has.
#[derive(Debug, Default)]
pub(super) struct Trends {
    frontends: HashMap<String, Trend>,
    servers: HashMap<String, Trend>,
}

impl Trends {
    /// Takes a look in. `before` is the look before it.
    pub(super) fn take(&mut self, before: Option<&Status>, now: &Status) {
        let known = before.and_then(|before| Some((before, Between::looks(before, now)?)));
        let Some((before, between)) = known else {
            (self.frontends, self.servers) = Default::default();
            return;
        };
        let frontends = now.frontends.iter().filter_map(|frontend| {
            let then = before.frontends.iter().find(|then| then.name == frontend.name)?;
            let trend = self.frontends.remove(&frontend.name).unwrap_or_default();
            Some((frontend.name.clone(), follow_frontend(trend, then, frontend, between)))
        });
        self.frontends = frontends.collect();
        let then: HashMap<String, &Server> = servers(before).collect();
        let servers = servers(now).filter_map(|(id, server)| {
            let then = then.get(&id)?;
            let trend = self.servers.remove(&id).unwrap_or_default();
            Some((id, follow_server(trend, then, server, between)))
        });
        self.servers = servers.collect();
    }

    pub(super) fn of_frontend(&self, name: &str) -> Option<&Trend> {
        self.frontends.get(name)
    }

    /// A server by `backend/server`.
    pub(super) fn of_server(&self, id: &str) -> Option<&Trend> {
        self.servers.get(id)
    }
}

/// Those that the file has; one that a reload removed may have the name of another.
fn servers(status: &Status) -> impl Iterator<Item = (String, &Server)> {
    status.backends.iter().flat_map(|backend| {
        let listed = backend.servers.iter().filter(|server| !server.removed);
        listed.map(|server| (format!("{}/{}", backend.name, server.name), server))
    })
}

fn follow_frontend(mut trend: Trend, then: &Frontend, now: &Frontend, between: Between) -> Trend {
    trend.new.push(between.per_second(then.accepted, now.accepted));
    trend.bytes_in = between.per_second(then.bytes_in, now.bytes_in);
    trend.bytes_out = between.per_second(then.bytes_out, now.bytes_out);
    trend
}

fn follow_server(mut trend: Trend, then: &Server, now: &Server, between: Between) -> Trend {
    trend.new.push(between.per_second(then.established, now.established));
    trend.bytes_in = between.per_second(then.bytes_in, now.bytes_in);
    trend.bytes_out = between.per_second(then.bytes_out, now.bytes_out);
    let took = now.check.as_ref().and_then(|check| check.duration_seconds);
    let took = took.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if let Some(took) = took {
        trend.check_micros.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
    trend
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[u64]) -> Series {
        let mut series = Series::default();
        values.iter().for_each(|value| series.push(*value));
        series
    }

    #[test]
    fn the_latest_look_is_at_the_right_and_the_largest_is_the_highest() {
        let rising = series(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(rising.spark(8, 0, Marks::Blocks), "▁▂▃▄▅▆▇█");
        assert_eq!(rising.spark(8, 0, Marks::Ascii), "_.:-=+*#");
        assert_eq!(series(&[5]).spark(4, 0, Marks::Blocks), "   █");
        assert_eq!(series(&[]).spark(4, 0, Marks::Blocks), "    ");
        assert_eq!(series(&[u64::MAX, 0]).spark(2, 0, Marks::Blocks), "█▁");
    }

    #[test]
    fn what_hardly_moves_looks_calm() {
        assert_eq!(series(&[1, 2, 1]).spark(3, 100, Marks::Blocks), "▁▁▁");
        assert_eq!(series(&[1, 200, 1]).spark(3, 100, Marks::Blocks), "▁█▁");
    }

    #[test]
    fn a_figure_is_remembered_for_a_minute() {
        let mut long = Series::default();
        (0..1_000).for_each(|value| long.push(value));
        assert_eq!((long.0.len(), long.last()), (LOOKS_MAX, Some(999)));
    }
}
