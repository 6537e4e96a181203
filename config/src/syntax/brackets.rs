//! Finds the bracket that was never closed. The parser notices it only where something comes that
//! can't be an element, and then stumbles over every line to the end of the file.

use super::earlier_lines;
use crate::diagnostic::Span;
use crate::source::Source;

/// Messages of the parser about elements of an array, and of a table in braces.
const IN_ARRAY: [&str; 3] =
    ["missing comma between array elements", "unexpected `=` in array", "unclosed array"];
const IN_BRACES: [&str; 3] = [
    "missing key for inline table element",
    "missing comma between key-value pairs",
    "unclosed inline table",
];

/// The open bracket, where an error is one about elements, but stands on a line that begins a new
/// key or table: the author thought that all brackets were closed.
pub(super) fn unclosed_before(span: &Span, message: &str, source: &Source) -> Option<Span> {
    let begins = |starts: &[&str]| starts.iter().any(|start| message.starts_with(start));
    let line = source.line_range(span.start);
    let text = source.text()[line.clone()].trim();
    let header = text.starts_with('[') && text.ends_with(']') && !text.contains(['"', ',']);
    let assignment = text.split_once('=').is_some_and(|(key, _)| {
        key.trim().chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
    });
    let at_end = line.end == source.text().len() && text.is_empty();
    let new_statement = header || at_end || (assignment && begins(&IN_ARRAY));
    if !(new_statement && (begins(&IN_ARRAY) || begins(&IN_BRACES))) {
        return None;
    }
    let mut closed = 0;
    for earlier in earlier_lines(line.start, source) {
        let unmatched = unmatched(&source.text()[earlier.clone()]);
        let open = unmatched.open.len();
        if open > closed {
            let at = earlier.start + unmatched.open[open - 1 - closed];
            return Some(at..at + 1);
        }
        closed = closed - open + unmatched.closed;
    }
    None
}

/// Brackets of a line without their partner: where those that open stand, and how many close.
struct Unmatched {
    open: Vec<usize>,
    closed: usize,
}

fn unmatched(line: &str) -> Unmatched {
    let mut found = Unmatched { open: Vec::new(), closed: 0 };
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), c) if c == open && !escaped => quote = None,
            (Some(_), _) => {}
            (None, '#') => break,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => found.open.push(at),
            (None, ']' | '}') if found.open.pop().is_none() => found.closed += 1,
            (None, _) => {}
        }
        escaped = false;
    }
    found
}
