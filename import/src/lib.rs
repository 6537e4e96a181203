//! `halb import`: what HAProxy and keepalived were told, as a `halb.toml`.
//!
//! ```text
//!  haproxy.cfg ─────▶ haproxy ────▶ tables ──┐
//!                        │ frontends         ├──▶ Document ──▶ halb.toml
//!  keepalived.conf ─▶ keepalived ─▶ tables ──┘
//!                        └──▶ findings, hints, faults ──▶ the report
//! ```
//!
//! Each directive of a source ends in exactly one [`Finding`]; nothing is dropped in silence, and
//! words that nobody knows are told too. What is kept is what a directive does, not its words: of
//! several check options HAProxy takes the last one, so only that is translated.
//!
//! What this module does not do: it changes nothing on the host, and asks it only through
//! [`Surroundings`].

pub mod document;
pub mod finding;
pub mod haproxy;
pub mod keepalived;
pub mod ledger;
pub mod report;
pub mod source;

use std::net::SocketAddr;

use document::{Document, Table};
use finding::{Fault, Finding, Hint};
use source::{SourceFile, Surroundings};

/// What an import is asked for.
pub struct Request<'a> {
    /// HAProxy's files, in the order that HAProxy is given them.
    pub haproxy: Vec<SourceFile>,
    /// keepalived's file on this node; further ones are those of the other nodes.
    pub keepalived: Vec<SourceFile>,
    /// What keepalived's files don't say themselves.
    pub keepalived_options: keepalived::Options,
    /// What the configurations lean on beside their texts.
    pub surroundings: &'a dyn Surroundings,
}

/// What one language said.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The texts that places point into: those given, and those that they include.
    pub sources: Vec<SourceFile>,
    /// One for each directive, in the order of the sources.
    pub findings: Vec<Finding>,
    /// What is kept, and could be better.
    pub hints: Vec<Hint>,
    /// Where a source can't be read. With any of these `tables` mean nothing.
    pub faults: Vec<Fault>,
    /// What goes into the result.
    pub tables: Vec<Table>,
    /// What goes above all tables: losses that belong to none of them.
    pub remarks: Vec<String>,
}

impl Imported {
    /// The directives that aren't kept, and whose absence somebody will notice.
    pub fn losses(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.class.changes_behaviour())
    }
}

/// The frontends of the result, for whoever asks which one answers at a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrontendsKnown {
    /// In the order of the result.
    pub frontends: Vec<FrontendKnown>,
}

/// A frontend of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontendKnown {
    /// NAME of `[frontend.NAME]`.
    pub name: String,
    /// Where it listens.
    pub binds: Vec<SocketAddr>,
}

impl FrontendsKnown {
    /// The frontend that answers at a port of this host, if exactly one does.
    #[must_use]
    pub fn at_port(&self, port: u16) -> Option<&FrontendKnown> {
        let listens = |known: &&FrontendKnown| known.binds.iter().any(|bind| bind.port() == port);
        let mut fitting = self.frontends.iter().filter(listens);
        let first = fitting.next();
        if fitting.next().is_some() { None } else { first }
    }
}

/// All that an import found and made.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What each language said, in the order of the report.
    pub languages: Vec<Imported>,
    /// The result.
    pub document: Document,
}

impl Outcome {
    /// Whether all sources could be read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.languages.iter().all(|imported| imported.faults.is_empty())
    }

    /// How many directives aren't kept whose absence somebody will notice.
    #[must_use]
    pub fn losses(&self) -> usize {
        self.languages.iter().map(|imported| imported.losses().count()).sum()
    }
}

/// Reads what the old pair was told, and makes the new file of it.
#[must_use]
pub fn import(request: &Request<'_>) -> Outcome {
    let haproxy::Translation { imported: haproxy, frontends } =
        haproxy::import(&request.haproxy, request.surroundings);
    let keepalived = keepalived::import(
        &request.keepalived,
        &frontends,
        &request.keepalived_options,
        request.surroundings,
    );
    let languages = [haproxy, keepalived].into_iter().filter(|it| !it.sources.is_empty());
    let languages: Vec<_> = languages.collect();
    let sources = languages.iter().flat_map(|imported| &imported.sources);
    let names: Vec<_> = sources.map(|source| source.name.as_str()).collect();
    let head = format!("Written by `halb import` from {}.", names.join(" and "));
    let remarks = languages.iter().flat_map(|imported| imported.remarks.iter().cloned());
    let head = std::iter::once(head).chain(remarks).collect();
    let tables = together(languages.iter().flat_map(|imported| imported.tables.clone()));
    Outcome { languages, document: Document { head, tables } }
}

/// Tables about the process.
const PROCESS: [&str; 4] = ["global", "log", "admin", "haproxy"];

/// What both languages say of one table stands in one.
fn together(tables: impl Iterator<Item = Table>) -> Vec<Table> {
    let mut all: Vec<Table> = Vec::new();
    for table in tables {
        match all.iter_mut().find(|known| known.path == table.path) {
            Some(known) => {
                known.lead.extend(table.lead);
                known.entries.extend(table.entries);
                known.remarks.extend(table.remarks);
            }
            None => all.push(table),
        }
    }
    // What concerns the process as a whole stands last, as in the examples.
    all.sort_by_key(|table| table.path.first().is_some_and(|top| PROCESS.contains(&top.as_str())));
    all
}
