//! HAProxy's configuration: a reader of its language, and its meaning in halb's.
//!
//! ```text
//!  files ─words──▶ lines ─parse──▶ sections ─model──▶ proxies, defaults merged
//!                                                         │ translate
//!            findings ◀── keywords (all else) ◀───────────┴──▶ tables
//! ```
//!
//! Source of the rules: HAProxy's configuration manual, and where it is silent HAProxy's code.

mod conditional;
mod keywords;
mod parse;
mod words;

use super::finding::Class;
use super::ledger::Ledger;
use super::source::{SourceFile, Surroundings};
use super::{FrontendsKnown, Imported};
use keywords::Where;
use parse::{Kind, Section};
use words::Variables;

/// What comes of HAProxy's files.
#[derive(Debug, Clone, Default)]
pub struct Translation {
    /// What they said.
    pub imported: Imported,
    /// The frontends of the result.
    pub frontends: FrontendsKnown,
}

/// Reads and translates HAProxy's files, in the order that HAProxy is given them.
#[must_use]
pub fn import(files: &[SourceFile], surroundings: &dyn Surroundings) -> Translation {
    let mut ledger = Ledger::default();
    let parsed = parse::parse(files, &mut Variables::new(surroundings), &mut ledger);
    for section in &parsed.sections {
        settle_section(section, &mut ledger);
    }
    let imported = Imported {
        sources: files.to_vec(),
        findings: ledger.into_findings(),
        faults: parsed.faults,
        ..Imported::default()
    };
    Translation { imported, frontends: FrontendsKnown::default() }
}

/// Each line ends in a finding.
fn settle_section(section: &Section, ledger: &mut Ledger) {
    let (header, place) = match section.kind {
        Kind::Global => (Class::meaningless("its lines are told one by one"), Where::Global),
        Kind::Defaults => (Class::meaningless("its lines are told one by one"), Where::Defaults),
        Kind::Frontend | Kind::Backend | Kind::Listen => {
            (Class::lost("sections aren't translated yet"), Where::Tcp)
        }
        Kind::Other(foreign) => (foreign.class(), Where::Tcp),
    };
    let words = section.header.texts().join(" ");
    ledger.settle(&section.header.place(), words, header);
    for line in &section.lines {
        let class = match section.kind {
            Kind::Other(foreign) => foreign.class(),
            Kind::Global | Kind::Defaults | Kind::Frontend | Kind::Backend | Kind::Listen => {
                keywords::class(line, place)
            }
        };
        ledger.settle(&line.place(), line.texts().join(" "), class);
    }
}
