//! What nothing has translated ends in a finding all the same, and what isn't kept in a comment at
//! its place.

use super::keywords::{self, Where};
use super::model::{self, Proxy};
use super::parse::{Kind, Line, Parsed};
use super::translate::{self, Translated};
use crate::Imported;
use crate::finding::Class;
use crate::ledger::Ledger;

/// Settles every word that isn't settled yet.
pub(super) fn settle(parsed: &Parsed, proxies: &[Proxy<'_>], ledger: &mut Ledger) {
    // HTTP first: a line of `defaults` that some section misses is missed.
    for proxy in proxies.iter().filter(|proxy| translate::balances_http(proxy)) {
        proxy.lines.iter().for_each(|line| settle_line(line, Where::Http, ledger));
    }
    for proxy in proxies {
        proxy.own_lines().iter().for_each(|line| settle_line(line, Where::Tcp, ledger));
    }
    for section in &parsed.sections {
        match section.kind {
            Kind::Global | Kind::Defaults => {
                let global = section.kind == Kind::Global;
                let of = if global { Where::Global } else { Where::Defaults };
                section.lines.iter().for_each(|line| settle_line(line, of, ledger));
                let class = Class::meaningless("its lines are told one by one");
                model::settle(&section.header, class, ledger);
            }
            Kind::Other(foreign) => {
                for line in std::iter::once(&section.header).chain(&section.lines) {
                    if !ledger.covers(&line.place()) {
                        model::settle(line, foreign.class(), ledger);
                    }
                }
            }
            Kind::Frontend | Kind::Backend | Kind::Listen => {
                let left = Class::meaningless("nothing of it is left");
                settle_open(&section.header, left, ledger);
            }
        }
    }
}

fn settle_line(line: &Line, place: Where, ledger: &mut Ledger) {
    settle_open(line, keywords::class(line, place), ledger);
}

/// Settles a line of which nothing is settled; of one that is settled in part, the words that are
/// left.
fn settle_open(line: &Line, class: Class, ledger: &mut Ledger) {
    let open: Vec<_> = line.words.iter().filter(|word| !ledger.covers(&word.place)).collect();
    if open.len() == line.words.len() {
        model::settle(line, class, ledger);
        return;
    }
    for word in open {
        let class = Class::meaningless("nothing here depends on it");
        ledger.settle(&word.place, model::shown(&[&word.text]), class);
    }
}

/// Puts what isn't kept into comments of the tables that it would have belonged to.
pub(super) fn remark(parsed: &Parsed, translated: Translated, imported: &mut Imported) {
    let Translated { mut tables, origins, .. } = translated;
    let headers: Vec<_> =
        parsed.sections.iter().map(|section| section.header.place().start()).collect();
    for finding in &imported.findings {
        let Some(text) = finding.remark(&imported.sources) else { continue };
        let at = finding.place.start();
        let header = headers.iter().rev().find(|header| **header <= at);
        let line = header.map(|(file, line, _)| (*file, *line));
        let origin = |(from, _): &&((usize, usize), Vec<String>)| Some(*from) == line;
        let paths: Vec<_> = origins.iter().filter(origin).map(|(_, path)| path).collect();
        let global = vec!["global".to_owned()];
        let path = paths.first().copied().unwrap_or(&global);
        let table =
            tables.iter_mut().find(|table| table.path == *path && !table.entries.is_empty());
        match table {
            Some(table) => table.remark(text),
            None => imported.remarks.push(text),
        }
    }
    imported.tables = tables;
}
