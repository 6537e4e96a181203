//! The commands that there are, as `help` lists them.

use std::fmt::Write as _;

use crate::conversation::Level;

/// A command.
pub(crate) struct Known {
    /// The words that it begins with.
    pub(crate) words: &'static [&'static str],
    /// Who may give it.
    pub(crate) level: Level,
    /// Its line in the list.
    usage: &'static str,
    says: &'static str,
}

const fn known(
    words: &'static [&'static str],
    level: Level,
    usage: &'static str,
    says: &'static str,
) -> Known {
    Known { words, level, usage, says }
}

/// All of them, in alphabetical order.
pub(crate) static COMMANDS: &[Known] = &[
    known(
        &["clear", "counters"],
        Level::Operator,
        "clear counters",
        "clear max statistics counters",
    ),
    known(
        &["disable", "server"],
        Level::Admin,
        "disable server (DEPRECATED)",
        "disable a server for maintenance (use 'set server' instead)",
    ),
    known(
        &["enable", "server"],
        Level::Admin,
        "enable server  (DEPRECATED)",
        "enable a disabled server (use 'set server' instead)",
    ),
    known(
        &["get", "weight"],
        Level::User,
        "get weight <bk>/<srv>",
        "report a server's current weight",
    ),
    known(
        &["operator"],
        Level::Operator,
        "operator",
        "lower the level of the current CLI session to operator",
    ),
    known(
        &["set", "server"],
        Level::Admin,
        "set server <bk>/<srv> [opts]",
        "change a server's state or weight",
    ),
    known(
        &["set", "timeout"],
        Level::User,
        "set timeout [cli] <delay>",
        "change a timeout setting",
    ),
    known(
        &["set", "weight"],
        Level::Admin,
        "set weight <bk>/<srv>  (DEPRECATED)",
        "change a server's weight (use 'set server' instead)",
    ),
    known(
        &["show", "backend"],
        Level::User,
        "show backend",
        "list backends in the current running config",
    ),
    known(
        &["show", "cli", "level"],
        Level::User,
        "show cli level",
        "display the level of the current CLI session",
    ),
    known(
        &["show", "info"],
        Level::User,
        "show info [json|typed]*",
        "report information about the running process",
    ),
    known(
        &["show", "servers", "conn"],
        Level::User,
        "show servers conn [<backend>]",
        "dump server connections status (all or for a single backend)",
    ),
    known(
        &["show", "servers", "state"],
        Level::User,
        "show servers state [<backend>]",
        "dump volatile server information (all or for a single backend)",
    ),
    known(&["show", "sess"], Level::Operator, "show sess", "report the list of current sessions"),
    known(
        &["show", "stat"],
        Level::User,
        "show stat [desc|json|no-maint|typed|up]*",
        "report counters for each proxy and server",
    ),
    known(&["show", "version"], Level::User, "show version", "show version of the current process"),
    known(
        &["shutdown", "session"],
        Level::Admin,
        "shutdown session [id]",
        "kill a specific session",
    ),
    known(
        &["shutdown", "sessions", "server"],
        Level::Admin,
        "shutdown sessions server <bk>/<srv>",
        "kill sessions on a server",
    ),
    known(&["user"], Level::User, "user", "lower the level of the current CLI session to user"),
];

/// Commands of the conversation itself, which each list ends with.
const OWN: &[(&str, &str)] = &[
    ("help [<command>]", "list matching or all commands"),
    ("prompt", "toggle interactive mode with prompt"),
    ("quit", "disconnect"),
];

/// The command that these words begin with.
pub(crate) fn find(words: &[String]) -> Option<&'static Known> {
    COMMANDS.iter().find(|known| begins(words, known.words))
}

/// Whether `words` begin with `start`.
fn begins(words: &[String], start: &[&str]) -> bool {
    words.len() >= start.len() && start.iter().zip(words).all(|(wanted, word)| wanted == word)
}

/// The answer to `help WORDS`.
pub(crate) fn help(words: &[String], level: Level) -> String {
    list("The following commands are valid at this level:", words, level)
}

/// The answer to words that are no command: those that begin alike, or all.
pub(crate) fn unknown(words: &[String], level: Level) -> String {
    let alike = words.len().min(1);
    let first = words.get(..alike).unwrap_or_default();
    if words.is_empty() || near(first, level).next().is_none() {
        let title = "Unknown command. Please enter one of the following commands only:";
        return list(title, &[], level);
    }
    let title = "Unknown command, but maybe one of the following ones is a better match:";
    let more = words.get(..words.len().min(2)).unwrap_or_default();
    let closest = if near(more, level).next().is_some() { more } else { first };
    list(title, closest, level)
}

fn near<'a>(start: &'a [String], level: Level) -> impl Iterator<Item = &'static Known> + 'a {
    let allowed = COMMANDS.iter().filter(move |known| known.level <= level);
    allowed.filter(|known| start.iter().zip(known.words).all(|(word, wanted)| word == wanted))
}

fn list(title: &str, start: &[String], level: Level) -> String {
    let mut out = format!("{title}\n");
    let known = near(start, level).map(|known| (known.usage, known.says));
    for (usage, says) in known.chain(OWN.iter().copied()) {
        // Writing to a String can't fail.
        let _ = writeln!(out, "  {usage:<40}: {says}");
    }
    out
}
