//! `notify` and its like, as one command that is told the state.

use super::account::Account;
use super::groups::Group;
use super::tree::Directive;
use super::words;
use crate::document::{Table, Value};
use crate::finding::Class;

/// Which state each word is for; none: for any.
const STATES: [(&str, Option<&str>); 5] = [
    ("notify_master", Some("MASTER")),
    ("notify_backup", Some("BACKUP")),
    ("notify_fault", Some("FAULT")),
    ("notify_stop", Some("STOP")),
    ("notify", None),
];

/// Most words that keepalived takes behind a command: a user and a group.
const WORDS_MAX: usize = 4;

/// The command of halb's that runs what an instance or a group runs. None: nothing.
pub(super) fn value(block: &Directive) -> Option<Value> {
    match runs(block).as_slice() {
        [] => None,
        // What is told every state with the usual arguments needs no shell between.
        [(None, command)] if command.first().is_some_and(|p| p.starts_with('/')) => {
            Some(command.clone().into())
        }
        runs => {
            let words = ["/bin/sh", "-c", &script(runs), "notify"];
            Some(words.map(str::to_owned).to_vec().into())
        }
    }
}

/// `[vrrp_group.NAME]`, if the group runs anything.
pub(super) fn of_group(group: &Group<'_>) -> Option<Table> {
    let mut table = Table::new(["vrrp_group", &super::instance::name(group.name)]);
    table.set("notify", value(group.directive)?);
    Some(table)
}

/// What is run, in keepalived's order: first what is for one state, then what is for any.
fn runs(directive: &Directive) -> Vec<(Option<&'static str>, Vec<String>)> {
    let run = |(keyword, state): (&str, Option<&'static str>)| {
        // Of several keepalived takes the first.
        let first = directive.inside().iter().find(|it| it.keyword() == keyword)?;
        let command = words::command(first.value());
        (!command.is_empty()).then_some((state, command))
    };
    STATES.into_iter().filter_map(run).collect()
}

/// Shell that runs these. The command line's arguments are INSTANCE or GROUP, the name, the state
/// and the priority.
fn script(runs: &[(Option<&str>, Vec<String>)]) -> String {
    let line =
        |command: &[String]| command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let cases: Vec<_> = runs
        .iter()
        .filter_map(|(state, command)| Some(format!("{}) {};;", (*state)?, line(command))))
        .collect();
    let cases = (!cases.is_empty()).then(|| format!("case \"$3\" in {} esac", cases.join(" ")));
    let always = runs.iter().filter(|(state, _)| state.is_none());
    let always = always.map(|(_, command)| format!("{} \"$@\"", line(command)));
    cases.into_iter().chain(always).collect::<Vec<_>>().join("; ")
}

/// A word that a shell takes for itself.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// What becomes of a word that names a command; `first`: none is above it.
pub(super) fn class(
    directive: &Directive,
    first: bool,
    table: &str,
    account: &mut Account,
) -> Option<Class> {
    let is_hook = STATES.iter().any(|(keyword, _)| *keyword == directive.keyword());
    if !is_hook {
        return match directive.keyword() {
            "notify_deleted" => Some(
                Class::left_out("an instance that a reload removes is told as STOP")
                    .instead("look for STOP in 'notify'"),
            ),
            "notify_master_rx_lower_pri" => {
                Some(Class::lost("halb runs nothing when it hears a lower priority"))
            }
            _ => None,
        };
    }
    if !first {
        return Some(Class::meaningless("keepalived takes the first one, too"));
    }
    if directive.value().is_empty() {
        return Some(Class::meaningless("it names no command"));
    }
    if let Some(user) = directive.word(1).filter(|_| directive.words.len() <= WORDS_MAX) {
        account.hint(
            &directive.place(),
            format!("it ran as '{user}'; halb runs hooks as its own user, without rights"),
            "let the program gain what it needs itself (sudo), or make it need nothing",
        );
    }
    Some(Class::to(format!("{table}.notify")))
}
