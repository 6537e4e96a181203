//! HAProxy's configuration: a reader of its language, and its meaning in halb's.
//!
//! ```text
//!  files ─words──▶ lines ─parse──▶ sections ─model──▶ proxies, defaults merged
//!                                                         │ translate
//!            findings ◀── keywords (all else) ◀───────────┴──▶ tables
//! ```
//!
//! Source of the rules: HAProxy's configuration manual, and where it is silent HAProxy's code.

mod acl;
mod address;
mod conditional;
mod keywords;
mod model;
mod options;
mod parse;
mod rest;
mod translate;
mod units;
mod words;
mod work;

use super::ledger::Ledger;
use super::source::{SourceFile, Surroundings};
use super::{FrontendsKnown, Imported};
use translate::Chosen;
use words::Variables;
use work::Work;

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
    let variables = Variables::new(surroundings);
    let mut work = Work {
        ledger: Ledger::default(),
        hints: Vec::new(),
        variables,
        surroundings,
        syslog: Chosen::default(),
        named: Vec::new(),
    };
    let mut parsed = parse::parse(files, &mut work.variables, &mut work.ledger);
    let mut faults = std::mem::take(&mut parsed.faults);
    let proxies = model::proxies(&parsed, &mut faults);
    let mut translation = Translation::default();
    translation.imported.sources = files.to_vec();
    if !faults.is_empty() {
        translation.imported.faults = faults;
        return translation;
    }
    let translated = translate::translate(&parsed, &proxies, &mut work);
    rest::settle(&parsed, &proxies, &mut work.ledger);
    translation.imported.findings = work.ledger.into_findings();
    translation.imported.hints = work.hints;
    translation.imported.hints.sort_by_key(|hint| hint.place.start());
    translation.frontends = translated.frontends.clone();
    rest::remark(&parsed, translated, &mut translation.imported);
    translation
}

#[cfg(test)]
mod tests;
