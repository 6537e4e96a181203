//! A table of text whose columns are as wide as their content, within bounds.

use crate::status::words::clip;

/// Blanks between columns, and before the first.
const GAP: usize = 2;

/// Where a cell's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// At the left, for words.
    Left,
    /// At the right, for numbers.
    Right,
}

/// A column.
pub(crate) struct Column {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Where its text stands.
    pub(crate) align: Align,
    /// Its largest width; longer text is clipped.
    pub(crate) width_max: usize,
}

/// Renders heading and rows, each line at most `width` characters before `finish` decorates it
/// (with the row's index; the heading isn't decorated).
pub(crate) fn render(
    columns: &[Column],
    rows: &[Vec<String>],
    width: usize,
    finish: impl Fn(String, usize) -> String,
) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let longest = rows.iter().filter_map(|r| r.get(index)).map(|c| c.chars().count()).max();
            longest.unwrap_or(0).min(column.width_max).max(column.title.len())
        })
        .collect();
    let titles: Vec<String> = columns.iter().map(|c| c.title.to_owned()).collect();
    let mut out = line(columns, &widths, &titles, width);
    out.push('\n');
    for (index, row) in rows.iter().enumerate() {
        out.push_str(&finish(line(columns, &widths, row, width), index));
        out.push('\n');
    }
    out
}

fn line(columns: &[Column], widths: &[usize], cells: &[String], width: usize) -> String {
    let mut text = String::new();
    for ((column, cell_width), cell) in columns.iter().zip(widths).zip(cells) {
        text.push_str(&" ".repeat(GAP));
        let cell = clip(cell, *cell_width);
        match column.align {
            Align::Left => text.push_str(&format!("{cell:<cell_width$}")),
            Align::Right => text.push_str(&format!("{cell:>cell_width$}")),
        }
    }
    clip(text.trim_end(), width)
}
