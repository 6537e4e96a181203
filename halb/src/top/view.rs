//! The picture: what is unusual, then who holds the virtual IPs, frontends, servers, and what changed
//! last. Pure: state in, as many lines as the terminal has out.
//!
//! Words carry the meaning. Colour, where there is any, and weight repeat it.

mod dialogs;
mod head;
mod servers;

use std::time::Instant;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::series::Marks;
use super::state::{Dialog, Top};
use crate::status::notices::Severity;
use crate::status::text::Colour;
use crate::status::words::{clip, plain, span};
use crate::status::{Status, timeline};

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Means {
    /// Whether there are colours.
    pub(super) colour: Colour,
    /// What sparklines are made of.
    pub(super) marks: Marks,
    /// Columns.
    pub(super) width: usize,
    /// Lines.
    pub(super) height: usize,
}

/// Rows of servers that there is always room for, whatever else is to be said.
const ROWS_MIN: usize = 3;

/// Changes that are shown where there is room; `halb vip explain` and the log have more.
const CHANGES_MAX: usize = 12;

impl Means {
    /// How `severity` looks.
    fn style(self, severity: Severity) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match (self.colour, severity) {
            (_, Severity::Note) => Style::new(),
            (Colour::Plain, Severity::Alert | Severity::Warning) => bold,
            (Colour::Ansi, Severity::Alert) => bold.fg(Color::Red),
            (Colour::Ansi, Severity::Warning) => Style::new().fg(Color::Yellow),
        }
    }

    /// A line of words in one style, clipped to the terminal.
    fn line(self, text: &str, style: Style) -> Line<'static> {
        Line::from(Span::styled(clip(text, self.width), style))
    }

    /// The last thing done: no mark that the terminal doesn't know.
    fn known(self, lines: Vec<Line<'static>>) -> Vec<Line<'static>> {
        match self.marks {
            Marks::Blocks => lines,
            Marks::Ascii => lines
                .into_iter()
                .map(|line| {
                    let known = |span: Span<'static>| {
                        Span::styled(span.content.replace('…', "~"), span.style)
                    };
                    Line::from(line.spans.into_iter().map(known).collect::<Vec<_>>())
                })
                .collect(),
        }
    }
}

/// The whole picture, at most `means.height` lines.
pub(super) fn lines(top: &Top, means: Means, now: Instant) -> Vec<Line<'static>> {
    let mut below = dialogs::below(top, means);
    below.drain(..below.len().saturating_sub(means.height));
    let room = means.height.saturating_sub(below.len());
    let mut lines = match (top.dialog(), top.status()) {
        (Dialog::Help, _) => dialogs::help(means),
        (_, None) => head::nothing_yet(top, means, now),
        (_, Some(status)) => body(top, status, means, now, room),
    };
    lines.truncate(room);
    lines.resize_with(room, Line::default);
    lines.extend(below);
    means.known(lines)
}

fn body(top: &Top, status: &Status, means: Means, now: Instant, room: usize) -> Vec<Line<'static>> {
    let mut lines = head::verdict(top, status, means, now);
    lines.extend(head::virtual_ips(status, means));
    lines.extend(head::peer(status, means));
    lines.extend(head::kernel(status, means));
    lines.extend(head::frontends(top, status, means));
    let rows = top.rows();
    // The heading of the table.
    let left = room.saturating_sub(lines.len() + 1).max(ROWS_MIN);
    lines.truncate(room.saturating_sub(left + 1));
    lines.extend(servers::table(top, &rows, means, left));
    changes(status, means, room.saturating_sub(lines.len()), &mut lines);
    lines
}

/// What changed last, where rows leave room for it.
fn changes(status: &Status, means: Means, room: usize, lines: &mut Vec<Line<'static>>) {
    // A blank, a heading and something below it.
    const LEAST: usize = 3;
    let changes = timeline::of(status, room.saturating_sub(LEAST - 1).min(CHANGES_MAX));
    if room < LEAST || changes.is_empty() {
        return;
    }
    let bold = Style::new().add_modifier(Modifier::BOLD);
    lines.push(Line::default());
    lines.push(means.line("LAST CHANGES", bold));
    for change in changes {
        let ago = format!("{} ago", span(change.ago_seconds));
        let text = format!("  {ago:<17} {}: {}", change.what, change.why);
        lines.push(means.line(&plain(&text), Style::new()));
    }
}
