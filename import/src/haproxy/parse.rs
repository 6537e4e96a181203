//! HAProxy's files as sections of lines of words.

use super::conditional::{Conditions, Step};
use super::words::{Variables, Word, split};
use crate::finding::{Class, Fault};
use crate::ledger::Ledger;
use crate::source::{Place, SourceFile};

/// Most sections: `halb.toml` takes at most 1024 frontends and as many backends.
const SECTIONS_MAX: usize = 4096;

/// Most lines of a section: a backend holds at most 1024 servers, with room for the rest.
const LINES_MAX: usize = 4096;

/// Most faults that are told; a file that isn't HAProxy's at all has one in each line.
const FAULTS_MAX: usize = 20;

/// A line with at least one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) words: Vec<Word>,
}

impl Line {
    /// A word's text; empty beyond the last one, as HAProxy has it.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| word.text.as_str())
    }

    /// All texts.
    pub(super) fn texts(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.text.as_str()).collect()
    }

    /// From the first word to the last.
    pub(super) fn place(&self) -> Place {
        place_of(&self.words)
    }
}

/// From the first of some words to the last. There is at least one.
pub(super) fn place_of(words: &[Word]) -> Place {
    match words {
        [first, .., last] => first.place.to(&last.place),
        [only] => only.place.clone(),
        [] => Place { file: 0, line: 0, columns: 0..0 },
    }
}

/// What a section is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Global,
    Defaults,
    Frontend,
    Backend,
    Listen,
    /// A section that TCP balancing does without, and why that is.
    Other(&'static Foreign),
}

/// A kind of section that has no counterpart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) keyword: &'static str,
    /// Ends the sentence "without meaning: …" or "not supported: …".
    pub(super) because: &'static str,
    /// It does something by itself that is missed.
    pub(super) missed: bool,
}

const fn foreign(keyword: &'static str, because: &'static str) -> Foreign {
    Foreign { keyword, because, missed: false }
}

impl Foreign {
    /// What becomes of such a section.
    pub(super) fn class(&self) -> Class {
        if self.missed { Class::lost(self.because) } else { Class::meaningless(self.because) }
    }
}

/// Sections without a counterpart.
static FOREIGN: [Foreign; 16] = [
    foreign("peers", "it shares stick tables, and halb has none"),
    foreign("resolvers", "no server of the result has a name that is asked for there"),
    foreign("userlist", "it holds users of HTTP authentication"),
    foreign("cache", "it caches HTTP answers"),
    foreign("http-errors", "it holds pages of HTTP errors"),
    foreign("fcgi-app", "it is for FastCGI over HTTP"),
    foreign("crt-store", "halb terminates no TLS"),
    foreign("crt-list", "halb terminates no TLS"),
    foreign("acme", "halb terminates no TLS, so it needs no certificates"),
    foreign("ring", "it buffers logs; halb's log goes to the standard error"),
    foreign("log-profile", "it formats logs of HAProxy's own kind"),
    foreign("traces", "it debugs HAProxy itself"),
    foreign("ruleset", "it holds rules of HTTP"),
    Foreign {
        keyword: "mailers",
        because: "halb sends no mail; its metrics and log tell of changes",
        missed: false,
    },
    Foreign { keyword: "program", because: "halb starts no other programs", missed: true },
    Foreign { keyword: "log-forward", because: "halb forwards no logs", missed: true },
];

impl Kind {
    /// The kind that a keyword begins.
    pub(super) fn of(keyword: &str) -> Option<Self> {
        Some(match keyword {
            "global" => Self::Global,
            "defaults" => Self::Defaults,
            "frontend" => Self::Frontend,
            "backend" => Self::Backend,
            "listen" => Self::Listen,
            _ => Self::Other(FOREIGN.iter().find(|known| known.keyword == keyword)?),
        })
    }
}

/// A section: its first line and those that follow.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) kind: Kind,
    pub(super) header: Line,
    pub(super) lines: Vec<Line>,
}

impl Section {
    /// NAME; empty where there is none.
    pub(super) fn name(&self) -> &str {
        match self.header.word(1) {
            "from" if self.kind == Kind::Defaults => "",
            name => name,
        }
    }
}

/// All files together.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) sections: Vec<Section>,
    pub(super) faults: Vec<Fault>,
}

/// Reads all files, in order; lines that concern only the reading are settled.
pub(super) fn parse(
    files: &[SourceFile],
    variables: &mut Variables<'_>,
    ledger: &mut Ledger,
) -> Parsed {
    let mut parser =
        Parser { variables, ledger, parsed: Parsed { sections: Vec::new(), faults: Vec::new() } };
    for (index, file) in files.iter().enumerate() {
        parser.file(index, file);
    }
    parser.parsed
}

struct Parser<'a, 'v> {
    variables: &'a mut Variables<'v>,
    ledger: &'a mut Ledger,
    parsed: Parsed,
}

impl Parser<'_, '_> {
    fn file(&mut self, file: usize, source: &SourceFile) {
        let sections_before = self.parsed.sections.len();
        let mut conditions = Conditions::default();
        let mut last = 0;
        for (index, text) in source.text.lines().enumerate() {
            if self.parsed.faults.len() >= FAULTS_MAX {
                return;
            }
            last = index + 1;
            self.line(text, file, last, &mut conditions);
        }
        let end = |columns| Place { file, line: last.max(1), columns };
        if conditions.is_open() {
            self.fault(end(0..0), "an .if is left without its .endif", "add the .endif");
        }
        if self.parsed.sections.len() == sections_before && self.parsed.faults.is_empty() {
            let what = format!("{} holds no section", source.name);
            self.fault(end(0..0), &what, "name a configuration of HAProxy");
        }
    }

    fn fault(&mut self, place: Place, what: &str, remedy: &str) {
        let fault = Fault { place, what: what.to_owned(), remedy: remedy.to_owned() };
        self.parsed.faults.push(fault);
    }

    fn line(&mut self, text: &str, file: usize, number: usize, conditions: &mut Conditions) {
        let begins_with_dot = text.trim_start().starts_with('.');
        if !conditions.active() && !begins_with_dot {
            self.skip(text, file, number);
            return;
        }
        let words = match split(text, file, number, self.variables) {
            Ok(words) => words,
            Err(fault) => {
                self.parsed.faults.push(fault);
                return;
            }
        };
        if words.is_empty() {
            return;
        }
        let line = Line { words };
        if begins_with_dot {
            self.condition(&line, conditions);
        } else {
            self.add(line);
        }
    }

    /// A line whose condition fails.
    fn skip(&mut self, text: &str, file: usize, number: usize) {
        let code = text.split('#').next().unwrap_or_default();
        let words = code.trim();
        if words.is_empty() {
            return;
        }
        let begin = code.len() - code.trim_start().len();
        let place = Place { file, line: number, columns: begin..begin + words.len() };
        let class = Class::meaningless("the condition around it doesn't hold");
        self.ledger.settle(&place, words.split_whitespace().collect::<Vec<_>>().join(" "), class);
    }

    fn condition(&mut self, line: &Line, conditions: &mut Conditions) {
        let class = match conditions.step(&line.texts(), self.variables) {
            Step::Done => Class::meaningless("it says which lines are read"),
            Step::Guessed => {
                Class::lost("it can't be told whether this holds; it was read as true")
                    .instead("remove the condition, and what doesn't hold on this host")
            }
            Step::Stray => {
                let what = format!("this {} belongs to no .if", line.word(0));
                self.fault(line.place(), &what, "remove it, or add the .if");
                return;
            }
            Step::NoSuchWord if line.word(0).chars().all(|c| c == '.') => {
                Class::lost("these dots stand for lines that somebody left out")
                    .instead("those lines")
            }
            Step::NoSuchWord => Class::lost("nobody knows this word")
                .instead(".if, .elif, .else and .endif begin with a dot"),
        };
        self.ledger.settle(&line.place(), line.texts().join(" "), class);
    }

    fn add(&mut self, line: Line) {
        self.variables.obey(&line.texts());
        if let Some(kind) = Kind::of(line.word(0)) {
            self.begin(kind, line);
            return;
        }
        let Some(section) = self.parsed.sections.last_mut() else {
            let what = format!("'{}' stands before any section", shown(line.word(0)));
            let remedy =
                "HAProxy's sections begin with global, defaults, frontend, backend or listen";
            self.fault(line.place(), &what, remedy);
            return;
        };
        if section.lines.len() < LINES_MAX {
            section.lines.push(line);
        } else {
            let what = format!("a section of more than {LINES_MAX} lines");
            self.fault(line.place(), &what, "halb takes at most 1024 servers in a backend");
        }
    }

    fn begin(&mut self, kind: Kind, header: Line) {
        let named = matches!(kind, Kind::Frontend | Kind::Backend | Kind::Listen);
        if named && header.word(1).is_empty() {
            let what = format!("this {} has no name", header.word(0));
            self.fault(header.place(), &what, "write its name behind it");
        } else if self.parsed.sections.len() >= SECTIONS_MAX {
            let what = format!("more than {SECTIONS_MAX} sections");
            self.fault(header.place(), &what, "halb takes at most 1024 frontends and backends");
        }
        self.parsed.sections.push(Section { kind, header, lines: Vec::new() });
    }
}

/// A word as it may stand in a sentence.
fn shown(word: &str) -> String {
    word.chars().take(40).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
