//! `show stat`: all rows or some, as CSV, `typed` or `json`.

use std::fmt::Write as _;

use crate::columns::{COLUMNS, CORE, header};
use crate::picture::Picture;
use crate::rows::{Kind, Row, Value, rows};
use crate::typed::{Field, JsonField, json_line};

/// Which rows, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Number of the proxy; -1: all.
    pub proxy: i64,
    /// Sum of [`Kind::bit`]; -1: all.
    pub kinds: i64,
    /// Number of the server, 0 for frontends and backends; -1: all.
    pub server: i64,
    /// Leaves out servers that are down.
    pub up_only: bool,
    /// Leaves out servers in maintenance.
    pub no_maintenance: bool,
    /// How rows are written.
    pub format: Format,
    /// Says with each typed value what it is.
    pub described: bool,
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `show stat`: comma-separated values. `show info`: `NAME: VALUE`.
    Plain,
    /// A line for each value, with its type.
    Typed,
    /// The same as JSON.
    Json,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            proxy: -1,
            kinds: -1,
            server: -1,
            up_only: false,
            no_maintenance: false,
            format: Format::Plain,
            described: false,
        }
    }
}

impl Wanted {
    fn wants(&self, row: &Row) -> bool {
        let number = |wanted: i64, is: u64| wanted == -1 || u64::try_from(wanted) == Ok(is);
        let status = row.text("status");
        let of_server = row.kind == Kind::Server;
        number(self.proxy, row.proxy)
            && self.kinds & row.kind.bit() != 0
            && number(self.server, row.server)
            && !(of_server && self.up_only && status.starts_with("DOWN"))
            && !(of_server && self.up_only && status == "MAINT")
            && !(of_server && self.no_maintenance && status == "MAINT")
    }
}

/// The answer.
#[must_use]
pub fn show(picture: &Picture, wanted: &Wanted) -> String {
    let rows: Vec<Row> = rows(picture).into_iter().filter(|row| wanted.wants(row)).collect();
    match wanted.format {
        Format::Plain => {
            let mut out = header();
            for row in &rows {
                csv(row, &mut out);
            }
            out
        }
        Format::Typed => {
            let mut out = String::new();
            for row in &rows {
                fields(row, wanted.described).for_each(|field| field.line(&mut out));
                out.push('\n');
            }
            // One empty line ends each row, and the driver's the answer.
            out.pop();
            out
        }
        Format::Json => {
            let fields: Vec<Vec<Field<'_>>> =
                rows.iter().map(|row| fields(row, false).collect()).collect();
            let objects: Vec<Vec<JsonField<'_>>> =
                fields.iter().map(|row| row.iter().map(Field::json).collect()).collect();
            json_line(&objects)
        }
    }
}

fn fields(row: &Row, described: bool) -> impl Iterator<Item = Field<'_>> {
    COLUMNS.iter().zip(row.values()).enumerate().filter_map(move |(position, (column, value))| {
        Some(Field {
            of: Some((row.kind, row.proxy, row.server)),
            position,
            name: column.name,
            tags: column.tags(row.kind == Kind::Backend),
            shape: column.shape,
            value: value.as_ref()?,
            help: described.then_some(column.help),
        })
    })
}

fn csv(row: &Row, out: &mut String) {
    for (index, value) in row.values().iter().enumerate() {
        if index == CORE {
            out.push_str("-,");
        }
        match value {
            Some(Value::Text(text)) => quoted(text, out),
            // Writing to a String can't fail.
            Some(Value::Count(number)) => drop(write!(out, "{number}")),
            Some(Value::Never) => out.push_str("-1"),
            None => {}
        }
        out.push(',');
    }
    out.push('\n');
}

/// Text as RFC 4180 has it, in quotes only where it needs them. Line ends become spaces: clients of
/// the socket read line by line.
fn quoted(text: &str, out: &mut String) {
    let clean = text.replace(['\r', '\n'], " ");
    if clean.contains([',', '"']) {
        let _ = write!(out, "\"{}\"", clean.replace('"', "\"\""));
    } else {
        out.push_str(&clean);
    }
}

#[cfg(test)]
mod tests;
