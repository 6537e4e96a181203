//! TOML to a tree with spans, and its syntax errors to diagnostics.

mod brackets;

use toml::Spanned;
use toml::de::DeTable;

use crate::diagnostic::{Diagnostic, Span};
use crate::source::Source;

/// A tree of what could be read, and what couldn't.
pub(super) struct Parsed<'a> {
    /// What could be read.
    pub(super) tree: Spanned<DeTable<'a>>,
    /// Why the rest couldn't.
    pub(super) errors: Vec<Diagnostic>,
    /// Lines that hold an error.
    pub(super) broken_lines: Vec<Span>,
}

/// Reads TOML, past errors as far as that goes.
pub(super) fn parse(source: &Source) -> Parsed<'_> {
    let (tree, found) = DeTable::parse_recoverable(source.text());
    let mut errors: Vec<Diagnostic> = Vec::new();
    let mut broken_lines: Vec<Span> = Vec::new();
    for error in found {
        if errors.len() == ERRORS_MAX {
            break;
        }
        let end = source.text().len();
        let span = source.clamp(&error.span().unwrap_or(end..end));
        if let Some(open) = brackets::unclosed_before(&span, error.message(), source) {
            // The parser takes the rest of the file for elements; nothing it says of them helps.
            broken_lines.push(source.line_range(open.start).start..end);
            errors.push(unclosed(open, source));
            break;
        }
        // One slip can make the parser stumble more than once on a line; the first says enough.
        let line = source.line_range(span.start);
        if !broken_lines.iter().any(|broken| broken.start == line.start) {
            // A key that stands twice was read once, so nothing is missing; the keys under a header
            // that does have lost their table.
            if error.message() != DUPLICATE || is_header(&line, source) {
                broken_lines.push(line.start..broken_end(&line, source));
            }
            errors.push(diagnostic(error.message(), span, source));
        }
    }
    Parsed { tree, errors, broken_lines }
}

/// Where the damage of a broken line ends: at the end of the line, or where it is a header, at the
/// next header, since the keys between have lost their table.
fn broken_end(line: &Span, source: &Source) -> usize {
    let text = source.text();
    if !is_header(line, source) {
        return line.end;
    }
    let mut at = line.end;
    for next in text[line.end..].split_inclusive('\n') {
        if at > line.end && next.trim_start().starts_with('[') {
            return at.saturating_sub(1).max(line.end);
        }
        at += next.len();
    }
    text.len()
}

fn is_header(line: &Span, source: &Source) -> bool {
    source.text()[line.clone()].trim_start().starts_with('[')
}

fn unclosed(open: Span, source: &Source) -> Diagnostic {
    let close = if source.text()[open.clone()].starts_with('{') { '}' } else { ']' };
    let what = format!("not TOML: this bracket is never closed by `{close}`");
    Diagnostic::error(open, what)
        .consequence("everything after it was taken for a part of it, and wasn't checked")
        .remedy(format!("close it with `{close}`"))
}

/// Most syntax errors that are told: nobody reads more at a time, and each is compared to the
/// others.
const ERRORS_MAX: usize = 100;

/// What the parser says of a key or a header that stands twice.
const DUPLICATE: &str = "duplicate key";

/// Messages of the parser that begin so, and what to do about them.
const REMEDIES: &[(&str, &str)] = &[
    ("invalid float", "put a text, such as an address, in double quotes"),
    ("invalid integer", "put a text, such as a duration, in double quotes"),
    ("invalid boolean", "write true or false, or put a text in double quotes"),
    ("invalid multi-line", "close the text with three quotes"),
    ("unexpected key or value", "write each `KEY = VALUE` on a line of its own"),
    ("invalid basic string", "close the text with a double quote on the same line"),
    ("invalid literal string", "close the text with a single quote on the same line"),
    ("unclosed array table", "close the header with `]]`"),
    ("unclosed array", "close the array with `]`"),
    ("unclosed inline table", "close the table with `}`"),
    ("unclosed table", "close the header with `]`"),
    ("missing comma", "separate the elements with `,`"),
    ("extra comma", "remove one of the commas"),
    ("key with no value", "write `KEY = VALUE`"),
    ("missing value", "write a value after `=`"),
    ("missing assignment", "write `KEY = VALUE`"),
    ("extra `=`", "write one `=` between key and value"),
    ("invalid unquoted key", "put a key with other than letters, digits, `-` and `_` in quotes"),
    ("cannot extend value", "write the keys of a table in one place: in braces or under a header"),
    ("unexpected leading zero", "write the number without the leading zero"),
    ("carriage return", "save the file with plain line endings"),
];

fn diagnostic(message: &str, span: Span, source: &Source) -> Diagnostic {
    if message == DUPLICATE {
        return duplicate(span, source);
    }
    let (head, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let what = if expected.is_empty() || expected == "nothing" {
        format!("not TOML: {head}")
    } else {
        format!("not TOML: {head} (expected: {expected})")
    };
    if head == "string values must be quoted" {
        let text = source.text()[span.clone()].replace('"', "");
        return Diagnostic::error(span, "not TOML: a text stands in quotes")
            .remedy(format!("write \"{text}\""));
    }
    let known = REMEDIES.iter().find(|(start, _)| head.starts_with(start));
    let remedy =
        known.map_or("see https://toml.io for how a file is written", |(_, remedy)| remedy);
    Diagnostic::error(span, what).remedy(remedy)
}

/// A key or a header that stands twice. The parser tells only the second place; the first is looked
/// for where it usually is, and left out where it can't be told.
fn duplicate(span: Span, source: &Source) -> Diagnostic {
    let text = source.text();
    let key = &text[span.clone()];
    let header = is_header(&source.line_range(span.start), source);
    let twice = Diagnostic::error(span.clone(), format!("'{key}' is given twice"))
        .consequence("it can't be told which of the two counts")
        .remedy(if header { "put all keys under one header" } else { "remove one of them" });
    let first = if header { same_header(&span, source) } else { same_key(&span, source) };
    match first {
        Some(first) => twice.related(first, "first given here"),
        None => twice,
    }
}

/// An earlier line that is the same header.
fn same_header(span: &Span, source: &Source) -> Option<Span> {
    let header = |line: &str| {
        let inner = line.trim_start().strip_prefix('[')?.split(']').next()?;
        Some(inner.replace([' ', '\t'], ""))
    };
    let line = source.line_range(span.start);
    let wanted = header(&source.text()[line.clone()])?;
    let within = span.start - line.start;
    earlier_lines(line.start, source)
        .find(|earlier| header(&source.text()[earlier.clone()]) == Some(wanted.clone()))
        .map(|earlier| {
            let start = (earlier.start + within).min(earlier.end);
            source.clamp(&(start..(start + span.len()).min(earlier.end)))
        })
}

/// An earlier line of the same table that begins with the same key, or an earlier place on the same
/// line, as in an inline table.
fn same_key(span: &Span, source: &Source) -> Option<Span> {
    let text = source.text();
    let key = &text[span.clone()];
    let line = source.line_range(span.start);
    let before = &text[line.start..span.start];
    if !before.trim().is_empty() {
        let open = before.rfind('{').filter(|open| !before[*open..].contains('}'))? + 1;
        return before[open..].match_indices(key).map(|(at, _)| line.start + open + at).find_map(
            |start| {
                let rest = text[start + key.len()..].trim_start();
                rest.starts_with('=').then(|| start..start + key.len())
            },
        );
    }
    for earlier in earlier_lines(line.start, source) {
        let content = text[earlier.clone()].trim_start();
        if content.starts_with('[') {
            break;
        }
        let rest = content.strip_prefix(key).map(str::trim_start);
        if rest.is_some_and(|rest| rest.starts_with('=')) {
            let start = earlier.end - content.len();
            return Some(start..start + key.len());
        }
    }
    None
}

/// Lines before the one that starts at `start`, nearest first.
fn earlier_lines(start: usize, source: &Source) -> impl Iterator<Item = Span> {
    let line_before = |start: usize| start.checked_sub(1).map(|at| source.line_range(at));
    std::iter::successors(line_before(start), move |line| line_before(line.start))
}
