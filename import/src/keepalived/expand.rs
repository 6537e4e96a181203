//! What keepalived makes of its files before it looks for words: files that others include, lines
//! for one node alone (`@name`), definitions (`$NAME=`) and lines that are repeated (`~SEQ`,
//! `~LST`).

mod repeat;
mod replace;

use std::collections::HashSet;
use std::path::Path;

use super::account::Account;
use super::text::Text;
use crate::finding::Class;
use crate::source::{Place, SourceFile, Surroundings};

/// Most lines that a configuration may come to: definitions and sequences multiply, and keepalived's
/// own example of a large one has 65,000 instances that nobody runs.
const LINES_MAX: usize = 20_000;

/// How deep files include others, and definitions stand in definitions: beyond it they go in circles.
const DEPTH_MAX: usize = 32;

/// Most files, those that others include counted: a pattern that matches a whole disk is a slip.
const FILES_MAX: usize = 256;

/// A line as keepalived takes it up.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) text: Text,
    pub(super) at: At,
}

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    /// Which file, counted as [`Place::file`] does.
    pub(super) file: usize,
    /// Which line, from 1.
    pub(super) line: usize,
}

impl At {
    /// The place of a text on this line.
    pub(super) fn place(self, text: &Text) -> Place {
        Place { file: self.file, line: self.line, columns: text.columns() }
    }
}

/// All lines of the file with this number, and of those that it includes, which are added to
/// `sources`. `node` is this node's name.
pub(super) fn expand(
    number: usize,
    sources: &mut Vec<SourceFile>,
    node: &str,
    surroundings: &dyn Surroundings,
    account: &mut Account,
) -> Vec<Line> {
    let Some(source) = sources.get(number).cloned() else { return Vec::new() };
    let nodes = nodes_named(&source);
    let knows_node = nodes.is_empty() || nodes.contains(node);
    let mut expander = Expander {
        lines: Vec::new(),
        sources,
        account,
        node,
        knows_node,
        surroundings,
        definitions: replace::Definitions::default(),
        is_full: false,
    };
    expander.file(number, &source, 0);
    expander.lines
}

/// The names of nodes that lines are for.
fn nodes_named(source: &SourceFile) -> HashSet<&str> {
    let named = source.text.lines().filter_map(|line| line.trim_start().strip_prefix('@'));
    let names = named.filter_map(|rest| rest.split_whitespace().next());
    names.map(|name| name.trim_start_matches('^')).collect()
}

struct Expander<'a> {
    lines: Vec<Line>,
    sources: &'a mut Vec<SourceFile>,
    account: &'a mut Account,
    /// This node's name.
    node: &'a str,
    /// Some line is for this node by its name, or none is for any.
    knows_node: bool,
    surroundings: &'a dyn Surroundings,
    definitions: replace::Definitions,
    is_full: bool,
}

/// A definition over several lines that isn't at its end yet.
struct Growing {
    name: String,
    lines: Vec<Text>,
}

impl Expander<'_> {
    fn file(&mut self, number: usize, source: &SourceFile, depth: usize) {
        self.definitions.set_directory(directory_of(&source.name));
        let mut growing: Option<Growing> = None;
        for (index, line) in source.text.lines().enumerate() {
            let at = At { file: number, line: index + 1 };
            let bared = Text::bare(line);
            if let Some(start) = bared.unclosed {
                let place = Place { file: number, line: index + 1, columns: start..line.len() };
                self.hint(place, "the quote is never closed", "close it on the same line");
            }
            if let Some(mut definition) = growing.take() {
                if !bared.text.is_empty() {
                    self.find(&bared.text, at, Class::to("the lines that use it"));
                    definition.lines.push(bared.text);
                }
                match bared.continues {
                    true => growing = Some(definition),
                    false => self.definitions.set(&definition.name, definition.lines),
                }
                continue;
            }
            match self.definition(&bared.text, at) {
                Some((name, value)) => {
                    let lines =
                        if value.is_empty() && bared.continues { vec![] } else { vec![value] };
                    match bared.continues {
                        true => growing = Some(Growing { name, lines }),
                        false => self.definitions.set(&name, lines),
                    }
                }
                None => self.take(&bared.text, at, depth),
            }
        }
        if let Some(definition) = growing {
            self.definitions.set(&definition.name, definition.lines);
        }
    }

    /// The definition that a line is, for this node or all.
    fn definition(&mut self, text: &Text, at: At) -> Option<(String, Text)> {
        let (own, line) = match text.first() {
            Some('@') => (self.condition(text)?, self.behind_condition(text)),
            _ => (true, text.clone()),
        };
        let (name, value) = replace::definition(&line)?;
        if !own {
            return None;
        }
        self.find(text, at, Class::to("the lines that use it"));
        Some((name, value))
    }

    /// Whether a line that begins with `@` is for this node. None: it has no name.
    fn condition(&self, text: &Text) -> Option<bool> {
        let end = text.find(char::is_whitespace, 0)?;
        let name = text.part(1, end).to_string();
        Some(match name.strip_prefix('^') {
            Some(other) => other != self.node,
            None => name == self.node,
        })
    }

    fn behind_condition(&self, text: &Text) -> Text {
        let end = text.find(char::is_whitespace, 0).unwrap_or(text.0.len());
        text.from(end).trimmed()
    }

    /// Takes a line without comment.
    fn take(&mut self, text: &Text, at: At, depth: usize) {
        let text = text.trimmed();
        if text.is_empty() {
            return;
        }
        if depth > DEPTH_MAX || self.lines.len() >= LINES_MAX {
            self.overflow(&text, at);
            return;
        }
        match text.first() {
            Some('@') => self.take_conditional(&text, at, depth),
            Some('~') => self.take_repeated(&text, at, depth),
            _ => {
                if let Some((name, value)) = replace::definition(&text) {
                    self.definitions.set(&name, vec![value]);
                } else if let Some(lines) = self.definitions.replace(&text, self.node) {
                    lines.iter().for_each(|line| self.take(line, at, depth + 1));
                } else if !self.take_include(&text, at, depth) {
                    self.lines.push(Line { text, at });
                }
            }
        }
    }

    fn take_conditional(&mut self, text: &Text, at: At, depth: usize) {
        match self.condition(text) {
            Some(true) => {
                let rest = self.behind_condition(text);
                self.take(&rest, at, depth + 1);
            }
            Some(false) if self.knows_node => {
                self.find(text, at, Class::meaningless(format!("this node is '{}'", self.node)));
            }
            Some(false) => {
                let class = Class::lost(format!("none of these lines is for '{}'", self.node))
                    .instead(
                        "tell with --keepalived-id the name that keepalived is started with (-i)",
                    );
                self.find(text, at, class);
            }
            None => {
                self.find(text, at, Class::meaningless("nothing follows the node's name"));
            }
        }
    }

    fn take_repeated(&mut self, text: &Text, at: At, depth: usize) {
        let Some(repeat) = repeat::read(text, &self.definitions, self.node) else {
            let class = Class::left_out("keepalived reads no such sequence")
                .instead("write ~SEQ(NAME, FIRST, STEP, LAST) or ~LST(NAME, VALUE, …)");
            return self.find(text, at, class);
        };
        for values in repeat.values() {
            if self.is_full {
                return;
            }
            for (name, value) in repeat.names.iter().zip(values) {
                self.definitions.set(name, vec![Text::made(&value, 0)]);
            }
            self.take(&repeat.rest, at, depth + 1);
        }
    }

    /// Whether the line is an `include`, which it then is taken for.
    fn take_include(&mut self, text: &Text, at: At, depth: usize) -> bool {
        let line = text.to_string();
        let mut words = line.split_whitespace();
        let keyword = words.next().unwrap_or_default();
        if !INCLUDES.contains(&keyword) {
            return false;
        }
        let pattern = words.collect::<Vec<_>>().join(" ");
        let pattern = pattern.trim_matches('"').to_owned();
        let wanted = Path::new(self.definitions.directory()).join(&pattern);
        let files = self.surroundings.files(&wanted.to_string_lossy());
        if files.is_empty() {
            let class = Class::lost(format!("no file '{}' can be found here", wanted.display()))
                .instead("import on the node itself, or put in what the file says");
            self.find(text, at, class);
            return true;
        }
        let to = match files.as_slice() {
            [file] => format!("what {} says", file.display()),
            files => format!("what {} files say", files.len()),
        };
        self.find(text, at, Class::to(to));
        let directory = self.definitions.directory().to_owned();
        for file in files {
            self.include(&file, text, at, depth);
        }
        self.definitions.set_directory(directory);
        true
    }

    fn include(&mut self, file: &Path, text: &Text, at: At, depth: usize) {
        if self.sources.len() >= FILES_MAX || depth >= DEPTH_MAX {
            return self.overflow(text, at);
        }
        match self.surroundings.file(file) {
            Ok(source) => {
                let number = self.sources.len();
                self.sources.push(source.clone());
                self.file(number, &source, depth + 1);
            }
            Err(error) => {
                self.find(text, at, Class::lost(error.to_string()).instead("import as root"))
            }
        }
    }

    fn overflow(&mut self, text: &Text, at: At) {
        if !std::mem::replace(&mut self.is_full, true) {
            let because = format!("it goes in circles, or comes to more than {LINES_MAX} lines");
            self.find(text, at, Class::lost(because));
        }
    }

    fn find(&mut self, text: &Text, at: At, class: Class) {
        self.account.settle(&at.place(text), text.to_string(), class);
    }

    fn hint(&mut self, place: Place, text: &str, help: &str) {
        self.account.hint(&place, text, help);
    }
}

const INCLUDES: [&str; 6] = ["include", "includer", "includem", "includew", "includeb", "includea"];

fn directory_of(name: &str) -> String {
    Path::new(name).parent().map(|parent| parent.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
