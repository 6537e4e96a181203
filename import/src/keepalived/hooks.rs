//! `notify` and its like, as one command that is told the state.

use super::account::Account;
use super::groups::Group;
use super::instance::Instance;
use super::tree::Directive;
use super::words;
use crate::document::Value;
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

/// The command of halb's that runs what an instance and its group run. None: nothing.
pub(super) fn value(instance: &Instance<'_>) -> Option<Value> {
    let own = runs(instance.directive);
    let of_group = instance.group.as_ref().filter(|group| leads(group, instance));
    let of_group = of_group.map(|group| (group.name, runs(group.directive)));
    let of_group = of_group.filter(|(_, runs)| !runs.is_empty());
    match (own.as_slice(), &of_group) {
        ([], None) => None,
        // What is told every state with the usual arguments needs no shell between.
        ([(None, command)], None) if command.first().is_some_and(|p| p.starts_with('/')) => {
            Some(command.clone().into())
        }
        (own, of_group) => {
            let mut script = part(own, "\"$@\"");
            if let Some((name, runs)) = of_group {
                script.push_str(&part(runs, &format!("GROUP {} \"$3\" \"$4\"", quoted(name))));
            }
            let words = ["/bin/sh", "-c", script.trim_end_matches("; "), "notify"];
            Some(words.map(str::to_owned).to_vec().into())
        }
    }
}

/// A group's commands run once for the group: with its first member.
pub(super) fn leads(group: &Group<'_>, instance: &Instance<'_>) -> bool {
    group.members.first().copied() == Some(instance.directive.value())
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

/// Shell that runs these. The command line's arguments are INSTANCE, the name, the state and the
/// priority.
fn part(runs: &[(Option<&str>, Vec<String>)], arguments: &str) -> String {
    let line =
        |command: &[String]| command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let cases: Vec<_> = runs
        .iter()
        .filter_map(|(state, command)| Some(format!("{}) {};;", (*state)?, line(command))))
        .collect();
    let mut script = String::new();
    if !cases.is_empty() {
        script.push_str(&format!("case \"$3\" in {} esac; ", cases.join(" ")));
    }
    for (_, command) in runs.iter().filter(|(state, _)| state.is_none()) {
        script.push_str(&format!("{} {arguments}; ", line(command)));
    }
    script
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
