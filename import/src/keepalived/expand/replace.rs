//! Definitions, `$NAME=VALUE`, and what stands in their place.

use std::collections::HashMap;

use super::super::text::Text;

/// Longest line, in characters, that replacing may lead to; keepalived's are 1,024.
const LENGTH_MAX: usize = 4096;

/// What names stand for.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    values: HashMap<String, Vec<Text>>,
    /// That of the file that is being read.
    directory: String,
}

/// A name in a line, and where it stands.
struct Use {
    name: String,
    start: usize,
    end: usize,
}

impl Definitions {
    pub(super) fn set(&mut self, name: &str, lines: Vec<Text>) {
        self.values.insert(name.to_owned(), lines);
    }

    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    pub(super) fn set_directory(&mut self, directory: String) {
        self.directory = directory;
    }

    /// The line with the first name that it uses replaced. None: it uses none that is defined.
    pub(super) fn replace(&self, text: &Text, node: &str) -> Option<Vec<Text>> {
        let (found, value) = self.first_use(text, node)?;
        let at = text.0.get(found.start).map(|char| char.at).unwrap_or_default();
        let (before, behind) = (text.part(0, found.start), text.from(found.end));
        let mut lines: Vec<Text> = value.iter().map(|line| line.all_at(at)).collect();
        if lines.is_empty() {
            lines.push(Text::default());
        }
        if let Some(first) = lines.first_mut() {
            first.0.splice(0..0, before.0);
        }
        if let Some(last) = lines.last_mut() {
            last.0.extend(behind.0);
        }
        lines.iter_mut().for_each(|line| line.0.truncate(LENGTH_MAX));
        Some(lines)
    }

    fn first_use(&self, text: &Text, node: &str) -> Option<(Use, Vec<Text>)> {
        let mut from = 0;
        while let Some(dollar) = text.find(|c| c == '$', from) {
            if let Some(found) = name_at(text, dollar)
                && let Some(value) = self.value(&found.name, node)
            {
                return Some((found, value));
            }
            from = dollar + 1;
        }
        None
    }

    fn value(&self, name: &str, node: &str) -> Option<Vec<Text>> {
        if let Some(value) = self.values.get(name) {
            return Some(value.clone());
        }
        let made = |text: &str| Some(vec![Text::made(text, 0)]);
        match name {
            "_PWD" => made(&self.directory),
            "_INSTANCE" => made(node),
            "_HASH" => made("#"),
            "_BANG" => made("!"),
            _ => None,
        }
    }
}

/// The name behind a dollar: in braces, or up to a blank.
fn name_at(text: &Text, dollar: usize) -> Option<Use> {
    let braced = text.0.get(dollar + 1)?.c == '{';
    let start = dollar + 1 + usize::from(braced);
    let end = text.find(|c| !is_of_name(c), start).unwrap_or(text.0.len());
    let name = text.part(start, end).to_string();
    let starts_well = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    let behind = text.0.get(end).map(|char| char.c);
    let ends_well = match (braced, behind) {
        (true, Some('}')) | (false, None) => true,
        (false, Some(c)) => c.is_whitespace() || c == ',' || c == ')',
        (true, _) => false,
    };
    let found = Use { name, start: dollar, end: end + usize::from(braced) };
    (starts_well && ends_well).then_some(found)
}

/// The name and the value of a line that defines.
pub(super) fn definition(text: &Text) -> Option<(String, Text)> {
    if text.first() != Some('$') {
        return None;
    }
    let end = text.find(|c| !is_of_name(c), 1)?;
    let name = text.part(1, end).to_string();
    let starts_well = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    let defines = text.0.get(end).is_some_and(|char| char.c == '=');
    (starts_well && defines).then(|| (name, text.from(end + 1).trimmed()))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
