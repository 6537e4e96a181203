//! Diagnostics as people read them, and as JSON.
//!
//! ```text
//! halb.toml:12:25: error: unknown key 'intervall' in backend.masters.check
//!    |
//! 12 | check = { type = "tcp", intervall = "2s" }
//!    |                         ^^^^^^^^^
//!    = note: it would do nothing, so the file is refused
//!    = help: write 'interval'
//! ```

use std::env;
use std::io::IsTerminal;

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::source::{Position, Source};

/// Whether text is coloured. Colour never says what the words don't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Words alone.
    Plain,
    /// Words, and ANSI colours.
    Colour,
}

impl Style {
    /// Colour on a terminal that isn't `dumb`, unless `NO_COLOR` is set (no-color.org).
    #[must_use]
    pub fn for_stream(stream: &impl IsTerminal) -> Self {
        let said = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        if stream.is_terminal() && !said("NO_COLOR") && !dumb { Self::Colour } else { Self::Plain }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    /// Text that names a kind of message.
    #[must_use]
    pub fn severity(self, severity: Severity) -> String {
        self.paint(severity_colour(severity), severity.as_str())
    }

    fn faint(self, text: &str) -> String {
        self.paint(BLUE, text)
    }
}

fn severity_colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => BOLD_RED,
        Severity::Lint => BOLD_YELLOW,
    }
}

const BOLD_RED: &str = "1;31";
const BOLD_YELLOW: &str = "1;33";
const BLUE: &str = "34";
const BOLD: &str = "1";

/// Widest part of a source line that is shown, in columns. Longer lines are cut around the span.
const SHOWN_WIDTH_MAX: usize = 110;

/// Columns kept before the span where a line is cut.
const CONTEXT_WIDTH: usize = 40;

/// What a tab is shown as.
const TAB: &str = "    ";

/// One diagnostic as text, ending in a newline.
#[must_use]
pub fn text(diagnostic: &Diagnostic, source: &Source, style: Style) -> String {
    let place = match &diagnostic.span {
        Some(span) => {
            let Position { line, column } = source.position(span.start);
            format!("{}:{line}:{column}", source.name())
        }
        None => source.name().to_owned(),
    };
    let severity = style.severity(diagnostic.severity);
    let what = style.paint(BOLD, &shown(&diagnostic.what));
    let mut out = format!("{}: {severity}: {what}\n", shown(&place));
    let marks = marks(diagnostic, source);
    let gutter = marks.iter().map(|m| m.line.to_string().len()).max().unwrap_or(1);
    push_snippets(&mut out, &marks, source, gutter, style);
    let bullet = format!("{} {}", " ".repeat(gutter), style.faint("="));
    for (kind, sentence) in [("note", &diagnostic.consequence), ("help", &diagnostic.remedy)] {
        if let Some(sentence) = sentence {
            let kind = style.paint(BOLD, kind);
            out.push_str(&format!("{bullet} {kind}: {}\n", shown(sentence)));
        }
    }
    out
}

/// An underlined place.
struct Mark<'a> {
    line: usize,
    span: Span,
    sign: char,
    colour: &'static str,
    label: &'a str,
}

/// The places to show, in the order of their lines.
fn marks<'a>(diagnostic: &'a Diagnostic, source: &Source) -> Vec<Mark<'a>> {
    let mark = |span: &Span, sign, colour, label| {
        let span = source.clamp(span);
        Mark { line: source.position(span.start).line, span, sign, colour, label }
    };
    let colour = severity_colour(diagnostic.severity);
    let first = diagnostic.span.iter().map(|span| mark(span, '^', colour, ""));
    let second = diagnostic.related.iter().map(|r| mark(&r.span, '-', BLUE, r.what.as_str()));
    let mut marks: Vec<_> = first.chain(second).collect();
    marks.sort_by_key(|m| m.line);
    marks
}

fn push_snippets(
    out: &mut String,
    marks: &[Mark<'_>],
    source: &Source,
    gutter: usize,
    style: Style,
) {
    let bar = style.faint("|");
    let blank = " ".repeat(gutter);
    let mut previous = None;
    for mark in marks {
        let snippet = Snippet::around(&source.line_range(mark.span.start), &mark.span, source);
        if previous != Some(mark.line) || snippet.cut {
            match previous {
                None => out.push_str(&format!("{blank} {bar}\n")),
                Some(line) if line + 1 < mark.line => {
                    out.push_str(&format!("{}\n", style.faint("...")));
                }
                Some(_) => {}
            }
            let number = style.faint(&format!("{:>gutter$}", mark.line));
            let line = format!("{number} {bar} {}", snippet.text);
            out.push_str(line.trim_end());
            out.push('\n');
        }
        let signs = mark.sign.to_string().repeat(snippet.length);
        let label = if mark.label.is_empty() { signs } else { format!("{signs} {}", mark.label) };
        let label = style.paint(mark.colour, &shown(&label));
        out.push_str(&format!("{blank} {bar} {}{label}\n", " ".repeat(snippet.indent)));
        previous = Some(mark.line);
    }
}

/// The part of a line that is shown, and which columns of it are underlined.
struct Snippet {
    text: String,
    indent: usize,
    length: usize,
    cut: bool,
}

impl Snippet {
    fn around(line: &Span, span: &Span, source: &Source) -> Self {
        let text = &source.text()[line.clone()];
        let column = |offset: usize| {
            let within = offset.clamp(line.start, line.end) - line.start;
            shown(&text[..within]).chars().map(width).sum::<usize>()
        };
        let (start, end) = (column(span.start), column(span.end));
        let whole = shown(text);
        let whole_width: usize = whole.chars().map(width).sum();
        let from =
            if whole_width > SHOWN_WIDTH_MAX && end.min(start + CONTEXT_WIDTH) > CONTEXT_WIDTH {
                start.saturating_sub(CONTEXT_WIDTH)
            } else {
                0
            };
        let (text, skipped, taken) = window(&whole, from);
        let lead = if skipped > 0 { 1 } else { 0 };
        let cut_end = skipped + taken < whole_width;
        let visible_end = end.min(skipped + taken);
        let mut shown_text = String::with_capacity(text.len() + 6);
        shown_text.push_str(if skipped > 0 { "…" } else { "" });
        shown_text.push_str(text);
        shown_text.push_str(if cut_end { "…" } else { "" });
        Self {
            text: shown_text,
            indent: lead + start.saturating_sub(skipped),
            length: visible_end.saturating_sub(start).max(1),
            cut: skipped > 0 || cut_end,
        }
    }
}

/// At most [`SHOWN_WIDTH_MAX`] columns of `text` from column `from` on, the columns skipped before
/// them, and their own number.
fn window(text: &str, from: usize) -> (&str, usize, usize) {
    let (mut skipped, mut taken) = (0, 0);
    let (mut start, mut end) = (text.len(), text.len());
    for (at, c) in text.char_indices() {
        let columns = width(c);
        if skipped + columns <= from {
            skipped += columns;
        } else if taken + columns > SHOWN_WIDTH_MAX {
            end = at;
            break;
        } else {
            start = start.min(at);
            taken += columns;
        }
    }
    (&text[start.min(end)..end], skipped, taken)
}

fn width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Text that can't move the cursor or the writing direction: tabs become spaces, and control
/// characters the replacement character.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str(TAB),
            c if c.is_control() || is_invisible(c) => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

/// Byte order mark, line separators, and what turns the writing direction: text in a file could
/// otherwise make a terminal show something else than is there.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A diagnostic as JSON has it.
#[derive(Debug, Serialize)]
pub struct JsonDiagnostic<'a> {
    severity: &'static str,
    #[serde(flatten)]
    place: Option<JsonPlace>,
    what: &'a str,
    consequence: Option<&'a str>,
    remedy: Option<&'a str>,
    related: Option<JsonRelated<'a>>,
}

/// From where to where; lines and columns from 1, the end exclusive.
#[derive(Debug, Serialize)]
struct JsonPlace {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Debug, Serialize)]
struct JsonRelated<'a> {
    #[serde(flatten)]
    place: JsonPlace,
    what: &'a str,
}

impl JsonPlace {
    fn of(span: &Span, source: &Source) -> Self {
        let (start, end) = (source.position(span.start), source.position(span.end));
        Self { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
    }
}

/// One diagnostic in the shape that `halb check --json` prints.
#[must_use]
pub fn json<'a>(diagnostic: &'a Diagnostic, source: &Source) -> JsonDiagnostic<'a> {
    JsonDiagnostic {
        severity: diagnostic.severity.as_str(),
        place: diagnostic.span.as_ref().map(|span| JsonPlace::of(span, source)),
        what: &diagnostic.what,
        consequence: diagnostic.consequence.as_deref(),
        remedy: diagnostic.remedy.as_deref(),
        related: diagnostic.related.as_ref().map(|related| JsonRelated {
            place: JsonPlace::of(&related.span, source),
            what: &related.what,
        }),
    }
}

#[cfg(test)]
mod tests;
