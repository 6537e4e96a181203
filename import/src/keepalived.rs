//! keepalived's language.
//!
//! ```text
//!  text ─▶ expand ─▶ words ─▶ tree ─▶ globals, groups, scripts, instance ─▶ table
//!   comments  includes, quotes   blocks,    what they mean to keepalived      [vrrp.NAME]
//!             @node, $NAME,      missing            │
//!             ~SEQ               braces             └─▶ classes, outside, advice: what is told
//! ```
//!
//! keepalived reads on where it doesn't understand: it skips words, takes defaults and rounds. What
//! it makes of a file, rather than what stands there, is translated, and the difference told. There
//! is one exception: where a brace is missing the file is read as it was meant.

mod account;
mod addresses;
mod advice;
mod braces;
mod classes;
mod expand;
mod globals;
mod groups;
mod hooks;
mod instance;
mod known;
mod outside;
#[cfg(test)]
mod pretended;
mod recognise;
mod scripts;
mod table;
mod text;
mod trackers;
mod tree;
mod values;
mod words;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use self::account::Account;
use self::classes::Judge;
use self::globals::Globals;
use self::groups::Group;
use self::instance::Instance;
use self::known::Context;
use self::outside::Outside;
use self::scripts::Subjects;
use self::trackers::{Decisions, Subject, Tracker};
use self::tree::{Directive, Tree};
use super::document::Table;
use super::finding::Fault;
use super::source::{Place, SourceFile, Surroundings};
use super::{FrontendsKnown, Imported};

/// What an import of keepalived's files is told beside them.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Scripts stay scripts, also where halb knows by itself what they ask.
    pub keeps_scripts: bool,
    /// The name that keepalived is started with (`-i`), for lines that are for one node. None: this
    /// host's, to its first dot.
    pub node: Option<String>,
}

/// Most bytes of a host name that count.
const NODE_LEN_MAX: usize = 64;

/// Where the kernel tells this host's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Translates the first file, which is this node's, and what it includes. Further files are those of
/// the other nodes, and compared with it.
#[must_use]
pub fn import(
    sources: &[SourceFile],
    frontends: &FrontendsKnown,
    options: &Options,
    surroundings: &dyn Surroundings,
) -> Imported {
    let node = options.node.clone().unwrap_or_else(|| host_name(surroundings));
    let mut all = sources.to_vec();
    let mut account = Account::default();
    let tree = if sources.is_empty() {
        Tree::default()
    } else {
        read(0, &mut all, &node, surroundings, &mut account)
    };
    let others: Vec<_> = (1..sources.len())
        .map(|number| {
            let name = sources[number].name.clone();
            // What is wrong with it is told when it is imported itself.
            (name, read(number, &mut sources.to_vec(), "", surroundings, &mut Account::default()))
        })
        .collect();
    let faults = sources.first().and_then(|source| foreign(&tree, source)).into_iter().collect();
    braces::tell(&tree, &mut account);
    let request = Request { frontends, options, surroundings };
    let mut made = translate(&tree, &others, &request, &mut account);
    let (findings, hints) = account.into_parts();
    for finding in &findings {
        // What stands outside of instances is said with the first.
        let at = made.iter().position(|made| made.holds(&finding.place)).unwrap_or(0);
        if let (Some(made), Some(text)) = (made.get_mut(at), finding.remark(&all)) {
            made.table.remark(text);
        }
    }
    let tables = made.into_iter().map(|made| made.table).collect();
    Imported { sources: all, findings, hints, faults, tables, ..Imported::default() }
}

/// A table, and the lines of the instance that it was made of.
struct Made {
    table: Table,
    first: Place,
    last: Place,
}

impl Made {
    fn of(table: Table, directive: &Directive) -> Self {
        Self { table, first: directive.place(), last: directive.end() }
    }

    fn holds(&self, place: &Place) -> bool {
        place.file == self.first.file && (self.first.line..=self.last.line).contains(&place.line)
    }
}

struct Request<'a> {
    frontends: &'a FrontendsKnown,
    options: &'a Options,
    surroundings: &'a dyn Surroundings,
}

fn host_name(surroundings: &dyn Surroundings) -> String {
    let name = surroundings.file(Path::new(HOST_NAME)).map(|file| file.text).unwrap_or_default();
    let name = name.trim().split('.').next().unwrap_or_default();
    name.chars().take(NODE_LEN_MAX).collect()
}

fn read(
    number: usize,
    sources: &mut Vec<SourceFile>,
    node: &str,
    surroundings: &dyn Surroundings,
    account: &mut Account,
) -> Tree {
    let lines = expand::expand(number, sources, node, surroundings, account);
    tree::grow(&words::items(&lines, account))
}

/// A file in which nothing is keepalived's: more likely it is the wrong one.
fn foreign(tree: &Tree, source: &SourceFile) -> Option<Fault> {
    let (place, what) = match tree.directives.as_slice() {
        [] => {
            let line = source.text.lines().count().max(1);
            let what = format!("{} holds no block", source.name);
            (Place { file: 0, line, columns: 0..0 }, what)
        }
        all if all.iter().any(|it| Context::Top.knows(it.keyword())) => return None,
        [first, ..] => {
            let what =
                format!("'{}' is no word of keepalived's, nor is any below", first.keyword());
            (first.place(), what)
        }
    };
    let remedy = "name a configuration of keepalived; HAProxy's goes behind --haproxy";
    Some(Fault { place, what, remedy: remedy.to_owned() })
}

/// The instances of a file; of several with one name keepalived takes the first.
fn instances<'a>(tree: &'a Tree, globals: &Globals, groups: &[Group<'a>]) -> Vec<Instance<'a>> {
    let mut found: Vec<Instance<'a>> = Vec::new();
    for directive in tree.directives.iter().filter(|it| it.keyword() == "vrrp_instance") {
        let instance = Instance::read(directive, globals, groups);
        if !found.iter().any(|known| known.name == instance.name) {
            found.push(instance);
        }
    }
    found
}

fn translate(
    tree: &Tree,
    others: &[(String, Tree)],
    request: &Request<'_>,
    account: &mut Account,
) -> Vec<Made> {
    let (globals, groups) = (Globals::read(tree), groups::read(tree));
    let subjects = Subjects::read(tree);
    let instances = instances(tree, &globals, &groups);
    let addresses = instances.iter().flat_map(Instance::addresses).map(|address| address.ip);
    let virtual_ips: BTreeSet<IpAddr> = addresses.collect();
    let keeps_scripts = request.options.keeps_scripts;
    let decisions = Decisions::make(
        &subjects,
        &virtual_ips,
        request.frontends,
        keeps_scripts,
        request.surroundings,
    );
    let elsewhere: Vec<_> = others.iter().map(|(name, tree)| (name, of_other(tree))).collect();
    let (mut made, mut runs_programs) = (Vec::new(), false);
    for instance in &instances {
        let trackers =
            Judge { instance, subjects: &subjects, decisions: &decisions, account }.settle();
        let same = elsewhere.iter().flat_map(|(name, instances)| {
            let same = instances.iter().find(|other| is_same(instance, other));
            same.map(|other| ((*name).clone(), other.clone()))
        });
        advice::tell(instance, &trackers, &same.collect::<Vec<_>>(), account);
        runs_programs |=
            trackers.iter().any(is_script) || hooks::value(instance.directive).is_some();
        made.push(Made::of(table::of(instance, &trackers), instance.directive));
    }
    let mut hooked: Vec<&Directive> = Vec::new();
    for group in groups.iter().filter(|group| has_members(group, &instances)) {
        if let Some(table) = hooks::of_group(group)
            && !made.iter().any(|made| made.table.path == table.path)
        {
            hooked.push(group.directive);
            made.push(Made::of(table, group.directive));
        }
    }
    runs_programs |= !hooked.is_empty();
    settle_repeated(tree, &instances, account);
    let (subjects, decisions, hooked) = (&subjects, &decisions, hooked.as_slice());
    let fifo = globals.fifo.clone();
    Outside { subjects, decisions, hooked, fifo, runs_programs, account }.settle(tree);
    let block = tree.directives.iter().find(|it| it.keyword() == "global_defs");
    if let (Some(table), Some(block), false) = (table::of_all(&globals), block, made.is_empty()) {
        made.push(Made::of(table, block));
    }
    made
}

fn is_script(tracker: &Tracker) -> bool {
    match tracker.subject {
        Subject::Script { .. } => true,
        Subject::Frontend(_) | Subject::Interface(_) | Subject::File(_) => false,
    }
}

/// The instances of another node's file.
fn of_other(tree: &Tree) -> Vec<Instance<'_>> {
    let (globals, groups) = (Globals::read(tree), groups::read(tree));
    instances(tree, &globals, &groups)
}

/// Whether two nodes mean the same virtual router.
fn is_same(one: &Instance<'_>, other: &Instance<'_>) -> bool {
    let addresses = |it: &Instance<'_>| it.addresses().map(|it| it.ip).collect::<BTreeSet<_>>();
    one.name == other.name || !addresses(one).is_disjoint(&addresses(other))
}

/// Whether any instance of the file is in a group.
fn has_members(group: &Group<'_>, instances: &[Instance<'_>]) -> bool {
    let is_it = |known: &Group<'_>| std::ptr::eq(known.directive, group.directive);
    instances.iter().any(|instance| instance.group.as_ref().is_some_and(is_it))
}

/// Settles instances whose name another one above has.
fn settle_repeated(tree: &Tree, instances: &[Instance<'_>], account: &mut Account) {
    let is_read = |it: &Directive| instances.iter().any(|known| std::ptr::eq(known.directive, it));
    let again = tree.directives.iter().filter(|it| it.keyword() == "vrrp_instance" && !is_read(it));
    for directive in again {
        let because = "an instance of this name is above; keepalived skips it, too";
        let class = super::finding::Class::left_out(because);
        account.settle(&directive.place(), directive.text(), class);
        classes::settle_below(directive, account);
    }
}

#[cfg(test)]
mod tests;
