//! YAML as a tree in which each word knows its place.
//!
//! Inventories use lists, tables and words. Anchors, aliases and tags are refused: whoever reads an
//! inventory should see in a line what it says.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::inventory::problem::{Problem, Span};
use crate::inventory::reader::Problems;

/// Longest inventory. A thousand hosts with all their keys are a quarter of it.
const BYTES_MAX: usize = 1 << 20;

/// How deep lists and tables may lie in each other; inventories need five.
const DEPTH_MAX: usize = 16;

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it stands.
    pub(super) span: Span,
    /// What it is.
    pub(super) value: Value,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing is written, or `null`.
    Nothing,
    /// A word.
    Text(String),
    /// `- …`
    List(Vec<Node>),
    /// `key: …`
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

/// A list or table whose end hasn't come.
struct Open {
    start: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Table { entries: Vec<Entry>, key: Option<(String, Span)>, seen: BTreeMap<String, Span> },
}

/// Reads a file of one document. None where its syntax is broken, which has been reported.
pub(super) fn parse(text: &str, problems: &Problems) -> Option<Node> {
    if text.len() > BYTES_MAX {
        let what = format!("the file has {} bytes, more than {BYTES_MAX}", text.len());
        problems.report(Problem::error(0..0, what).remedy("is it an inventory at all?"));
        return None;
    }
    // The parser counts characters.
    let mut offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    offsets.push(text.len());
    let offset = |index: usize| offsets.get(index).copied().unwrap_or(text.len());
    let mut tree = Tree { problems, open: Vec::new(), root: None, documents: 0, failed: false };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                tree.take(event, offset(span.start.index())..offset(span.end.index()));
            }
            Err(error) => {
                let at = offset(error.marker().index());
                problems.report(
                    Problem::error(at..at, format!("this is no YAML: {}", error.info()))
                        .consequence("nothing behind this place can be read")
                        .remedy(
                            "look at the indentation and the quotes here and in the line above",
                        ),
                );
                return None;
            }
        }
        if tree.failed {
            return None;
        }
    }
    if tree.root.is_none() {
        problems.report(
            Problem::error(0..0, "the inventory is empty")
                .remedy("begin with what 'halb k8s init-inventory' prints"),
        );
    }
    tree.root
}

struct Tree<'a> {
    problems: &'a Problems,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    failed: bool,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fail(span, "a second document begins here", "one file is one cluster");
                }
            }
            Event::Alias(_) => self.fail(span, "aliases (*name) aren't read", "write it out"),
            Event::Scalar(text, style, anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    self.fail(span, "anchors (&name) and tags (!name) aren't read", "remove it");
                    return;
                }
                self.word(text.into_owned(), style, span);
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(span, anchor != 0 || tag.is_some(), Content::List(Vec::new()));
            }
            Event::MappingStart(anchor, tag) => {
                let (entries, seen) = (Vec::new(), BTreeMap::new());
                let table = Content::Table { entries, key: None, seen };
                self.begin(span, anchor != 0 || tag.is_some(), table);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
        }
    }

    fn fail(&mut self, span: Span, what: &str, remedy: &str) {
        self.problems.report(Problem::error(span, what).remedy(remedy));
        self.failed = true;
    }

    fn begin(&mut self, span: Span, decorated: bool, content: Content) {
        let key_is_due = matches!(
            self.open.last(),
            Some(Open { content: Content::Table { key: None, .. }, .. })
        );
        if decorated {
            self.fail(span, "anchors (&name) and tags (!name) aren't read", "remove it");
        } else if key_is_due {
            self.fail(span, "a key is a word, no list or table", "write `key: value`");
        } else if self.open.len() >= DEPTH_MAX {
            self.fail(
                span,
                "lists and tables lie too deep in each other",
                "an inventory needs five",
            );
        } else {
            self.open.push(Open { start: span.start, content });
        }
    }

    fn end(&mut self, span: Span) {
        let Some(open) = self.open.pop() else { return };
        let value = match open.content {
            Content::List(nodes) => Value::List(nodes),
            Content::Table { entries, .. } => Value::Table(entries),
        };
        self.place(Node { span: open.start..span.end.max(open.start), value });
    }

    fn word(&mut self, text: String, style: ScalarStyle, span: Span) {
        if let Some(Open { content: Content::Table { key: key @ None, seen, .. }, .. }) =
            self.open.last_mut()
        {
            if let Some(first) = seen.get(&text) {
                self.problems.report(
                    Problem::error(span.clone(), format!("'{text}' is written twice"))
                        .related(first.clone(), "first here")
                        .remedy("keep one of them"),
                );
            } else {
                seen.insert(text.clone(), span.clone());
            }
            *key = Some((text, span));
            return;
        }
        let plain = matches!(style, ScalarStyle::Plain);
        let nothing = plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
        let value = if nothing { Value::Nothing } else { Value::Text(text) };
        self.place(Node { span, value });
    }

    fn place(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(nodes)) => nodes.push(node),
            Some(Content::Table { entries, key, .. }) => {
                if let Some((key, key_span)) = key.take() {
                    entries.push(Entry { key, key_span, node });
                }
            }
        }
    }
}
