//! Reads commands: a program by its absolute path, and its arguments.

use crate::diagnostic::{Diagnostic, Span};
use crate::reader::Table;

/// A command, or none where it is wrong. `example` is a program that could be written.
pub(super) fn read(table: &Table<'_>, key: &'static str, example: &str) -> Option<Vec<String>> {
    let entries = table.list(key)?;
    let command: Vec<_> = entries.iter().filter_map(|entry| table.text_of(entry)).collect();
    let entry = table.get(key)?;
    let wrong = |span: Span, what: String, remedy: &str| {
        table.sink.report(Diagnostic::error(span, what).remedy(remedy));
    };
    match command.first() {
        _ if command.len() < entries.len() => return None,
        None => {
            let remedy = format!("write the program and its arguments, [\"{example}\"]");
            wrong(entry.span.clone(), format!("'{}' is empty", entry.path), &remedy);
            return None;
        }
        Some(program) if !program.starts_with('/') => {
            let remedy = if program.contains(' ') {
                "write the program by its whole path, and each argument as a text of its own"
            } else {
                "write the program by its whole path; halb searches no PATH"
            };
            wrong(entries[0].span.clone(), format!("\"{program}\" is no absolute path"), remedy);
            return None;
        }
        Some(_) => {}
    }
    Some(command.into_iter().map(str::to_owned).collect())
}

/// A command as one text that tells it from every other: arguments that hold anything unusual
/// stand in quotes.
pub(super) fn joined(command: &[String]) -> String {
    let plain = |argument: &str| {
        let usual = |c: char| c.is_alphanumeric() || "-_./:=,@%+{}".contains(c);
        !argument.is_empty() && argument.chars().all(usual)
    };
    let quoted = command.iter().map(|argument| match plain(argument) {
        true => argument.clone(),
        false => format!("{argument:?}"),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_commands_never_look_the_same() {
        let joined = |command: &[&str]| {
            joined(&command.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(joined(&["/bin/check", "-x", "a=b"]), "/bin/check -x a=b");
        assert_eq!(joined(&["/bin/check", "a b"]), r#"/bin/check "a b""#);
        assert_ne!(joined(&["/bin/check", "a b"]), joined(&["/bin/check", "a", "b"]));
        assert_ne!(joined(&["/bin/check", "\"a\""]), joined(&["/bin/check", "a"]));
        assert_eq!(joined(&["/bin/check", ""]), r#"/bin/check """#);
    }
}
