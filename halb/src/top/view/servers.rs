//! The table of servers: as many columns as there is room for, sorted as asked.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::Means;
use crate::status::notices::Severity;
use crate::status::text::table::Align;
use crate::status::words::{clip, count, exact, plain, size};
use crate::status::{Admin, Server};
use crate::top::rows::{By, Order, Row};
use crate::top::series::Series;
use crate::top::state::Top;

/// Checks below 10 ms look calm, as do servers with few new connections a second.
const CALM_MICROS: u64 = 10_000;
const CALM_NEW: u64 = 4;

/// Checks of the strip that are shown, the latest.
const STRIP: usize = 12;

/// A column: what it is sorted by, where its text stands, its width, and how wide the terminal has
/// to be for it.
struct Column {
    by: Option<By>,
    title: &'static str,
    align: Align,
    width: usize,
    from: usize,
    text: fn(&Row<'_>, Means, usize) -> String,
}

const COLUMNS: [Column; 13] = [
    named(By::Name, Align::Left, 19, 0, |row, _, _| row.id.clone()),
    plain_column("ADDRESS", Align::Left, 22, 152, |row, _, _| row.server.address.clone()),
    named(By::State, Align::Left, 9, 0, |row, _, _| row.server.state.clone()),
    named(By::Connections, Align::Right, 6, 0, |row, _, _| count(row.server.connections)),
    named(By::New, Align::Right, 7, 0, new),
    plain_column("", Align::Left, 8, 70, |row, means, width| {
        row.trend.map_or_else(String::new, |t| t.new.spark(width, CALM_NEW, means.marks))
    }),
    named(By::In, Align::Right, 9, 129, |row, _, _| rate(row.trend.map(|trend| trend.bytes_in))),
    named(By::Out, Align::Right, 9, 129, |row, _, _| rate(row.trend.map(|trend| trend.bytes_out))),
    named(By::Total, Align::Right, 9, 102, |row, _, _| count(row.server.established)),
    named(By::Weight, Align::Right, 6, 109, |row, _, _| row.server.weight.to_string()),
    named(By::Check, Align::Left, 13, 0, |row, _, _| check(row.server)),
    plain_column("", Align::Left, 8, 80, |row, means, width| {
        row.trend
            .map_or_else(String::new, |t| t.check_micros.spark(width, CALM_MICROS, means.marks))
    }),
    plain_column("CHECKS", Align::Left, STRIP, 92, |row, _, _| strip(row.server)),
];

type Text = fn(&Row<'_>, Means, usize) -> String;

const fn named(by: By, align: Align, width: usize, from: usize, text: Text) -> Column {
    Column { by: Some(by), title: "", align, width, from, text }
}

const fn plain_column(
    title: &'static str,
    align: Align,
    width: usize,
    from: usize,
    text: Text,
) -> Column {
    Column { by: None, title, align, width, from, text }
}

/// The heading and at most `room` rows, those around the chosen one.
pub(super) fn table(top: &Top, rows: &[Row<'_>], means: Means, room: usize) -> Vec<Line<'static>> {
    let columns: Vec<&Column> = COLUMNS.iter().filter(|c| c.from <= means.width).collect();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let headings = columns.iter().map(|column| heading(column, top.order()));
    let mut lines = vec![means.line(&format!("  {}", join(&columns, headings.collect())), bold)];
    let first = top.place().saturating_sub(room.saturating_sub(2)).min(rows.len());
    let shown = rows.iter().enumerate().skip(first).take(room);
    for (index, row) in shown {
        let cells = columns.iter().map(|column| (column.text)(row, means, column.width));
        let text = join(&columns, cells.collect());
        lines.push(line(&text, index == top.place(), row.server, means));
    }
    let below = rows.len().saturating_sub(first + room);
    if below > 0
        && let Some(last) = lines.last_mut()
    {
        *last = means.line(&format!("  … and {} more below", count_of(below + 1)), Style::new());
    }
    if first > 0
        && let Some(above) = lines.get_mut(1)
    {
        *above = means.line(&format!("  … and {} more above", count_of(first + 1)), Style::new());
    }
    lines
}

fn count_of(number: usize) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX))
}

/// A row: the mark says what its colour repeats.
fn line(text: &str, chosen: bool, server: &Server, means: Means) -> Line<'static> {
    let ordered = server.admin != Admin::Ready || server.removed;
    let (mark, style) = match (server.usable, ordered, server.healthy) {
        (true, false, true) if !server.state.starts_with("UP ") => (' ', Style::new()),
        (_, true, _) => ('-', Style::new()),
        (true | false, false, true | false) => ('!', means.style(Severity::Warning)),
    };
    let style = if chosen { style.add_modifier(Modifier::REVERSED) } else { style };
    let cursor = if chosen { '>' } else { ' ' };
    let text = clip(&format!("{cursor}{mark}{text}"), means.width);
    Line::from(Span::styled(text, style))
}

/// The key that sorts by it, and which way it is sorted.
fn heading(column: &Column, order: Order) -> String {
    let Some(by) = column.by else { return column.title.to_owned() };
    let mark = match (order.by == by, order.reversed) {
        (true, false) => "v",
        (true, true) => "^",
        (false, _) => "",
    };
    format!("{} {}{mark}", by.key(), by.title())
}

/// Cells beside each other, behind the two marks of a row.
fn join(columns: &[&Column], cells: Vec<String>) -> String {
    let mut text = String::new();
    for (column, cell) in columns.iter().zip(cells) {
        let width = column.width;
        let cell = clip(&cell, width);
        match column.align {
            Align::Left => text.push_str(&format!("{cell:<width$} ")),
            Align::Right => text.push_str(&format!("{cell:>width$} ")),
        }
    }
    text.trim_end().to_owned()
}

fn new(row: &Row<'_>, _: Means, _: usize) -> String {
    let new = row.trend.and_then(|trend| Series::last(&trend.new));
    new.map_or_else(|| "-".to_owned(), count)
}

fn rate(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), size)
}

fn check(server: &Server) -> String {
    let Some(check) = &server.check else { return "none".to_owned() };
    if check.paused {
        return "rests".to_owned();
    }
    let took = check.duration_seconds.map(|took| format!(" {}", exact(took)));
    plain(&format!("{}{}", check.code, took.unwrap_or_default()))
}

fn strip(server: &Server) -> String {
    let history = server.check.as_ref().map_or("", |check| &check.history);
    let skip = history.chars().count().saturating_sub(STRIP);
    history.chars().skip(skip).collect()
}
