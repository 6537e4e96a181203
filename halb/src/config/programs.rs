//! Reads commands: a program by its absolute path, and its arguments.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use halb_healthcheck::program::only_owners_may_change;

use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::files;
use crate::config::reader::Table;

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

/// What to do about one that is [`unusable`].
pub(super) const USABLE: &str = "correct the path or the file: root's, executable by the user that \
                                 halb runs as, and writable by nobody else";

/// Why a program of this host can't be started, or had better not be, if that can be told before
/// trying: whoever may change it decides what runs as halb's user.
pub(super) fn unusable(program: &str) -> Option<String> {
    match fs::metadata(program) {
        Err(error) => Some(format!("can't find the program {program}: {error}")),
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
            let ours = only_owners_may_change(Path::new(program));
            ours.err().map(|error| files::chain(&error))
        }
        Ok(_) => Some(format!("{program} is no executable file")),
    }
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

    #[test]
    fn a_program_must_be_an_executable_file_that_nobody_else_may_change() {
        assert_eq!(unusable("/bin/sh"), None);
        assert!(unusable("/nonexistent/program").is_some_and(|why| why.contains("No such file")));
        let file = tempfile::NamedTempFile::new().unwrap();
        let plain = file.path().to_str().unwrap();
        for other in ["/etc", plain] {
            assert_eq!(unusable(other), Some(format!("{other} is no executable file")));
        }
        fs::set_permissions(plain, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(unusable(plain), None);
        fs::set_permissions(plain, fs::Permissions::from_mode(0o757)).unwrap();
        assert!(unusable(plain).is_some_and(|why| why.contains("others may write to")));
    }
}
