//! What an import tells: for people as lines with file and line number, for programs as JSON.
//!
//! What isn't kept comes first, since that is what the evening is about.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Class, Fault, Finding, Hint};
use super::source::{Place, SourceFile};
use super::{Imported, Outcome};

/// Widest directive that is shown in full, in characters.
const WORDS_SHOWN_MAX: usize = 72;

/// The report as text, ending in a newline.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let mut out = String::new();
    for part in PARTS {
        let lines: Vec<_> = outcome.languages.iter().flat_map(|i| (part.lines)(i)).collect();
        if !lines.is_empty() {
            let _ = writeln!(out, "{}", part.title);
            lines.iter().for_each(|line| out.push_str(line));
            out.push('\n');
        }
    }
    out.push_str(&counts(outcome));
    out
}

/// A part of the report.
struct Part {
    title: &'static str,
    lines: fn(&Imported) -> Vec<String>,
}

const PARTS: [Part; 7] = [
    Part { title: "Can't be read:", lines: faults },
    Part { title: "Not kept, and somebody will notice:", lines: losses },
    Part { title: "Kept, and could be better:", lines: hints },
    Part { title: "Not kept, and hardly missed:", lines: left_out },
    Part { title: "Translated:", lines: translated },
    Part { title: "halb does so anyway:", lines: default_anyway },
    Part { title: "Without meaning here:", lines: without_meaning },
];

fn at(sources: &[SourceFile], place: &Place) -> String {
    let name = sources.get(place.file).map_or("?", |source| source.name.as_str());
    format!("{name}:{}", place.line)
}

fn faults(imported: &Imported) -> Vec<String> {
    let line = |fault: &Fault| {
        let Fault { place, what, remedy } = fault;
        let (at, shown) = (at(&imported.sources, place), quoted(imported, place));
        format!("  {at}: {what}\n{shown}    {remedy}\n")
    };
    imported.faults.iter().map(line).collect()
}

/// The line of a source with carets, as far as it can be shown.
fn quoted(imported: &Imported, place: &Place) -> String {
    let source = imported.sources.get(place.file);
    let line = source.map(|source| source.line(place.line)).unwrap_or_default();
    let (Some(before), Some(words)) =
        (line.get(..place.columns.start), line.get(place.columns.clone()))
    else {
        return String::new();
    };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = line.chars().map(plain).collect();
    if shown.trim().is_empty() || shown.chars().count() > 2 * WORDS_SHOWN_MAX {
        return String::new();
    }
    let (indent, carets) = (" ".repeat(before.chars().count()), words.chars().count().max(1));
    format!("    | {shown}\n    | {indent}{}\n", "^".repeat(carets))
}

fn hints(imported: &Imported) -> Vec<String> {
    let line = |hint: &Hint| {
        format!("  {}: {}\n    {}\n", at(&imported.sources, &hint.place), hint.text, hint.help)
    };
    imported.hints.iter().map(line).collect()
}

/// Findings that `told` has something to say of.
fn lines(imported: &Imported, told: impl Fn(&Class) -> Option<String>) -> Vec<String> {
    let line = |finding: &Finding| {
        let told = told(&finding.class)?;
        let words = shortened(&finding.words);
        Some(format!("  {}: {words}{told}\n", at(&imported.sources, &finding.place)))
    };
    imported.findings.iter().filter_map(line).collect()
}

fn shortened(words: &str) -> String {
    let plain = words.replace(char::is_control, " ");
    if plain.chars().count() <= WORDS_SHOWN_MAX {
        return plain;
    }
    let kept: String = plain.chars().take(WORDS_SHOWN_MAX - 1).collect();
    format!("{kept}…")
}

fn not_supported(class: &Class, changing: bool) -> Option<String> {
    match class {
        Class::NotSupported { because, instead, changes_behaviour }
            if *changes_behaviour == changing =>
        {
            let instead = instead.as_ref().map(|what| format!("\n    instead: {what}"));
            Some(format!("\n    {because}{}", instead.unwrap_or_default()))
        }
        Class::NotSupported { .. }
        | Class::Translated { .. }
        | Class::DefaultAnyway
        | Class::WithoutMeaning { .. } => None,
    }
}

fn losses(imported: &Imported) -> Vec<String> {
    lines(imported, |class| not_supported(class, true))
}

fn left_out(imported: &Imported) -> Vec<String> {
    lines(imported, |class| not_supported(class, false))
}

fn translated(imported: &Imported) -> Vec<String> {
    lines(imported, |class| match class {
        Class::Translated { to } => Some(format!(" -> {to}")),
        Class::NotSupported { .. } | Class::DefaultAnyway | Class::WithoutMeaning { .. } => None,
    })
}

fn default_anyway(imported: &Imported) -> Vec<String> {
    lines(imported, |class| match class {
        Class::DefaultAnyway => Some(String::new()),
        Class::NotSupported { .. } | Class::Translated { .. } | Class::WithoutMeaning { .. } => {
            None
        }
    })
}

fn without_meaning(imported: &Imported) -> Vec<String> {
    lines(imported, |class| match class {
        Class::WithoutMeaning { because } => Some(format!(": {because}")),
        Class::NotSupported { .. } | Class::DefaultAnyway | Class::Translated { .. } => None,
    })
}

/// One sentence with the numbers.
fn counts(outcome: &Outcome) -> String {
    let findings = || outcome.languages.iter().flat_map(|imported| &imported.findings);
    let mut numbers = [0_usize; 4];
    for finding in findings() {
        let index = match &finding.class {
            Class::Translated { .. } => 0,
            Class::DefaultAnyway => 1,
            Class::WithoutMeaning { .. } => 2,
            Class::NotSupported { .. } => 3,
        };
        numbers[index] += 1;
    }
    let [translated, default, meaningless, unsupported] = numbers;
    let of_which = match outcome.losses() {
        0 => String::new(),
        losses => format!(", of which {losses} will be noticed"),
    };
    format!(
        "{} directives: {translated} translated, {default} done anyway, {meaningless} without \
         meaning here, {unsupported} not kept{of_which}\n",
        findings().count()
    )
}

/// The answer of `halb import --json`.
#[derive(Debug, Serialize)]
pub struct Json {
    /// All sources could be read and everything that anybody notices is kept.
    kept: bool,
    faults: Vec<JsonFault>,
    findings: Vec<JsonFinding>,
    hints: Vec<JsonHint>,
    /// The text of the result; null where none was made.
    result: Option<String>,
}

#[derive(Debug, Serialize)]
struct JsonPlace {
    file: String,
    line: usize,
    /// Bytes, counted from 1.
    column: usize,
}

#[derive(Debug, Serialize)]
struct JsonFault {
    #[serde(flatten)]
    place: JsonPlace,
    what: String,
    remedy: String,
}

#[derive(Debug, Serialize)]
struct JsonHint {
    #[serde(flatten)]
    place: JsonPlace,
    text: String,
    help: String,
}

#[derive(Debug, Serialize)]
struct JsonFinding {
    #[serde(flatten)]
    place: JsonPlace,
    words: String,
    #[serde(flatten)]
    class: JsonClass,
}

#[derive(Debug, Serialize)]
#[serde(tag = "class", rename_all = "snake_case")]
enum JsonClass {
    Translated { to: String },
    DefaultAnyway,
    WithoutMeaning { because: String },
    NotSupported { because: String, instead: Option<String>, changes_behaviour: bool },
}

impl From<&Class> for JsonClass {
    fn from(class: &Class) -> Self {
        match class.clone() {
            Class::Translated { to } => Self::Translated { to },
            Class::DefaultAnyway => Self::DefaultAnyway,
            Class::WithoutMeaning { because } => Self::WithoutMeaning { because },
            Class::NotSupported { because, instead, changes_behaviour } => {
                Self::NotSupported { because, instead, changes_behaviour }
            }
        }
    }
}

/// The report for programs; `result` is the text of the file, where one was made.
#[must_use]
pub fn json(outcome: &Outcome, result: Option<String>) -> Json {
    let mut json = Json {
        kept: outcome.is_read() && outcome.losses() == 0,
        faults: Vec::new(),
        findings: Vec::new(),
        hints: Vec::new(),
        result,
    };
    for imported in &outcome.languages {
        let place = |place: &Place| JsonPlace {
            file: imported.sources.get(place.file).map_or_else(String::new, |s| s.name.clone()),
            line: place.line,
            column: place.columns.start + 1,
        };
        json.faults.extend(imported.faults.iter().map(|fault| JsonFault {
            place: place(&fault.place),
            what: fault.what.clone(),
            remedy: fault.remedy.clone(),
        }));
        json.findings.extend(imported.findings.iter().map(|finding| JsonFinding {
            place: place(&finding.place),
            words: finding.words.clone(),
            class: (&finding.class).into(),
        }));
        json.hints.extend(imported.hints.iter().map(|hint| JsonHint {
            place: place(&hint.place),
            text: hint.text.clone(),
            help: hint.help.clone(),
        }));
    }
    json
}
