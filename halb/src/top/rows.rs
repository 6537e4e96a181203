//! The servers as rows, in the order that was asked for.

use std::cmp::Reverse;

use super::series::{Trend, Trends};
use crate::status::{Admin, Server, Status};

/// A server.
pub(super) struct Row<'a> {
    /// `backend/server`.
    pub(super) id: String,
    /// As the status has it.
    pub(super) server: &'a Server,
    /// What it did lately; none: it was seen once only, or a reload removed it.
    pub(super) trend: Option<&'a Trend>,
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The unusual first, then the order of the file.
    Unusual,
    /// The name.
    Name,
    /// The state's word.
    State,
    /// Open connections.
    Connections,
    /// New connections a second.
    New,
    /// How long the last check took.
    Check,
    /// Bytes from clients a second.
    In,
    /// Bytes to clients a second.
    Out,
    /// Connections so far.
    Total,
    /// The weight.
    Weight,
}

impl By {
    /// Each of them; the key of each is its place.
    pub(super) const ALL: [Self; 10] = [
        Self::Unusual,
        Self::Name,
        Self::State,
        Self::Connections,
        Self::New,
        Self::Check,
        Self::In,
        Self::Out,
        Self::Total,
        Self::Weight,
    ];

    /// The key that sorts by it.
    pub(super) fn key(self) -> char {
        match self {
            Self::Unusual => '0',
            Self::Name => '1',
            Self::State => '2',
            Self::Connections => '3',
            Self::New => '4',
            Self::Check => '5',
            Self::In => '6',
            Self::Out => '7',
            Self::Total => '8',
            Self::Weight => '9',
        }
    }

    /// The heading of its column.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Unusual => "unusual first",
            Self::Name => "SERVER",
            Self::State => "STATE",
            Self::Connections => "CONN",
            Self::New => "NEW/S",
            Self::Check => "CHECK",
            Self::In => "IN/S",
            Self::Out => "OUT/S",
            Self::Total => "TOTAL",
            Self::Weight => "WGHT",
        }
    }
}

/// An order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    /// By what.
    pub(super) by: By,
    /// The other way round than usual: words begin with A, numbers with the largest.
    pub(super) reversed: bool,
}

impl Order {
    /// The order after somebody asked for `by`: the same once more turns it round.
    pub(super) fn asked(self, by: By) -> Self {
        Self { by, reversed: self.by == by && !self.reversed }
    }
}

/// All servers, sorted; equal ones stay in the order of the file.
pub(super) fn sorted<'a>(status: &'a Status, trends: &'a Trends, order: Order) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for backend in &status.backends {
        rows.extend(backend.servers.iter().map(|server| {
            let id = format!("{}/{}", backend.name, server.name);
            let trend = if server.removed { None } else { trends.of_server(&id) };
            Row { id, server, trend }
        }));
    }
    let trend = |row: &Row<'_>, of: fn(&Trend) -> u64| Reverse(row.trend.map_or(0, of));
    match order.by {
        By::Unusual => rows.sort_by_key(|row| rank(row.server)),
        By::Name => rows.sort_by(|one, other| one.id.cmp(&other.id)),
        By::State => rows.sort_by(|one, other| one.server.state.cmp(&other.server.state)),
        By::Connections => rows.sort_by_key(|row| Reverse(row.server.connections)),
        By::New => rows.sort_by_key(|row| trend(row, |trend| trend.new.last().unwrap_or(0))),
        By::Check => {
            rows.sort_by_key(|row| trend(row, |trend| trend.check_micros.last().unwrap_or(0)));
        }
        By::In => rows.sort_by_key(|row| trend(row, |trend| trend.bytes_in)),
        By::Out => rows.sort_by_key(|row| trend(row, |trend| trend.bytes_out)),
        By::Total => rows.sort_by_key(|row| Reverse(row.server.established)),
        By::Weight => rows.sort_by_key(|row| Reverse(row.server.weight)),
    }
    if order.reversed {
        rows.reverse();
    }
    rows
}

/// How much a server wants a look: the lower, the more.
fn rank(server: &Server) -> u8 {
    let ordered = server.admin != Admin::Ready || server.removed;
    match (server.healthy, ordered, server.usable) {
        (false, false, _) => 0,
        (true, false, true) if server.state.starts_with("UP ") => 1,
        (_, true, _) | (true, false, false) => 2,
        (true, false, true) => 3,
    }
}
