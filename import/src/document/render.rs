//! A document as text.

use super::{Document, Entry, Table, Value};

/// Widest line, in characters, that is written where there is a choice.
const WIDTH: usize = 100;

/// The whole file, ending in a newline.
pub(super) fn document(document: &Document) -> String {
    let mut blocks = Vec::new();
    if !document.head.is_empty() {
        blocks.push(comment(&document.head));
    }
    blocks.extend(document.tables.iter().filter(|t| !t.is_empty()).flat_map(table));
    blocks.iter().map(|block| format!("{}\n", block.join("\n"))).collect::<Vec<_>>().join("\n")
}

/// A table, and the tables below it that were too long for a line.
fn table(table: &Table) -> Vec<Vec<String>> {
    let width = key_width(table.entries.iter().filter(|entry| !is_long(entry)));
    let (long, short): (Vec<_>, Vec<_>) =
        table.entries.iter().partition(|entry| becomes_table(entry, width));
    let mut lines = comment(&table.lead);
    lines.push(format!("[{}]", path(&table.path)));
    lines.extend(entries(&short));
    lines.extend(comment(&table.remarks));
    // A header of which nothing but tables below remains isn't needed.
    let bare = short.is_empty() && table.lead.is_empty() && table.remarks.is_empty();
    let mut blocks = if bare && !long.is_empty() { Vec::new() } else { vec![lines] };
    for entry in long {
        let Value::Inline(pairs) = &entry.value else { continue };
        let mut below = Table::new(table.path.iter().chain([&entry.key]).cloned());
        below.lead.extend(entry.comment.clone());
        for (key, value) in pairs {
            below.set(key.clone(), value.clone());
        }
        blocks.extend(self::table(&below));
    }
    blocks
}

fn is_long(entry: &Entry) -> bool {
    becomes_table(entry, key(&entry.key).chars().count())
}

/// An inline table that doesn't fit its line gets a header of its own.
fn becomes_table(entry: &Entry, width: usize) -> bool {
    let inline = matches!(&entry.value, Value::Inline(pairs) if !pairs.is_empty());
    inline && width + 3 + value(&entry.value).chars().count() > WIDTH
}

fn key_width<'a>(entries: impl Iterator<Item = &'a Entry>) -> usize {
    entries.map(|entry| key(&entry.key).chars().count()).max().unwrap_or(0)
}

/// The lines of a table's entries, aligned.
fn entries(entries: &[&Entry]) -> Vec<String> {
    let width = key_width(entries.iter().copied());
    let bare: Vec<_> = entries.iter().map(|entry| assignment(entry, width)).collect();
    let length = |line: &String| line.chars().count();
    let commented = entries.iter().zip(&bare).filter(|(entry, line)| {
        let comment = entry.comment.as_ref().map_or(0, |c| c.chars().count());
        comment > 0 && !line.contains('\n') && length(line) + 3 + comment <= WIDTH
    });
    let column = commented.map(|(_, line)| length(line)).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (entry, line) in entries.iter().zip(bare) {
        let Some(text) = &entry.comment else {
            lines.push(line);
            continue;
        };
        let at_end = format!("{line:column$} # {}", one_line(text));
        if line.contains('\n') || at_end.chars().count() > WIDTH {
            lines.extend(comment(std::slice::from_ref(text)));
            lines.push(line);
        } else {
            lines.push(at_end);
        }
    }
    lines
}

fn assignment(entry: &Entry, width: usize) -> String {
    let head = format!("{:width$} = ", key(&entry.key));
    let line = format!("{head}{}", value(&entry.value));
    match &entry.value {
        Value::Array(values) if line.chars().count() > WIDTH => {
            let each: String = values.iter().map(|v| format!("    {},\n", value(v))).collect();
            format!("{head}[\n{each}]")
        }
        Value::Array(_)
        | Value::Text(_)
        | Value::Integer(_)
        | Value::Boolean(_)
        | Value::Inline(_) => line,
    }
}

fn path(parts: &[String]) -> String {
    parts.iter().map(|part| key(part)).collect::<Vec<_>>().join(".")
}

/// Quoted where TOML wants it.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { text(name) }
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(content) => text(content),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(self::value).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Inline(pairs) if pairs.is_empty() => "{}".to_owned(),
        Value::Inline(pairs) => {
            let pair =
                |(name, value): &(String, Value)| format!("{} = {}", key(name), self::value(value));
            format!("{{ {} }}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

fn text(content: &str) -> String {
    let mut quoted = String::from("\"");
    for c in content.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Comments can hold no control characters.
fn one_line(text: &str) -> String {
    text.split_whitespace()
        .map(|word| word.replace(char::is_control, "\u{FFFD}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Paragraphs as lines that begin with `#`.
fn comment(paragraphs: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in paragraphs {
        let mut line = String::from("#");
        for word in one_line(paragraph).split(' ') {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line != "#" {
                lines.push(std::mem::replace(&mut line, String::from("#")));
            }
            line.push(' ');
            line.push_str(word);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}
