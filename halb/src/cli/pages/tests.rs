use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use clap::{Command, FromArgMatches as _, Parser as _};

use super::*;
use crate::cli::Arguments;

/// Calls `look` with each command that people see, and its words.
fn each(command: &Command, name: &str, look: &mut impl FnMut(&Command, &str)) {
    look(command, name);
    for nested in command.get_subcommands().filter(|nested| !nested.is_hide_set()) {
        each(nested, &format!("{name} {}", nested.get_name()), look);
    }
}

#[test]
fn each_command_and_each_flag_has_a_sentence_and_each_command_an_example() {
    let mut command = command_line();
    command.build();
    let mut wrong = Vec::new();
    let mut seen = 0;
    each(&command, "halb", &mut |command, name| {
        seen += 1;
        if command.get_about().is_none() {
            wrong.push(format!("{name}: no sentence"));
        }
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        if !examples.contains(name) && !command.has_subcommands() {
            wrong.push(format!("{name}: no example of it"));
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            if help.is_empty() || help.trim_end().ends_with('.') {
                wrong.push(format!("{name}: '{}' says {help:?}", argument.get_id()));
            }
        }
    });
    assert!(seen > 25, "only {seen} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn help_names_the_daemons_file_and_socket_only_where_they_do_something() {
    let mut command = command_line();
    command.build();
    let mut shown: BTreeSet<(String, String)> = BTreeSet::new();
    each(&command, "halb", &mut |command, name| {
        let seen = command.get_arguments().filter(|argument| !argument.is_hide_set());
        shown.extend(seen.map(|argument| (name.to_owned(), argument.get_id().to_string())));
    });
    let is_shown = |name: &str, flag: &str| shown.contains(&(name.to_owned(), flag.to_owned()));
    assert!(is_shown("halb status", "socket") && is_shown("halb server drain", "config"));
    assert!(is_shown("halb check", "config") && !is_shown("halb check", "socket"));
    for name in ["halb bench", "halb demo", "halb k8s", "halb k8s node add", "halb import"] {
        assert!(!is_shown(name, "socket") && !is_shown(name, "config"), "{name}");
    }
}

#[test]
fn the_file_is_taken_before_and_after_a_command() {
    for line in ["halb --config one.toml check", "halb check --config one.toml"] {
        let matches = command_line().try_get_matches_from(line.split_whitespace()).unwrap();
        let parsed = Arguments::from_arg_matches(&matches).unwrap();
        assert_eq!(parsed.config, Path::new("one.toml"), "{line}");
    }
    let line = "halb --socket one.sock k8s status";
    assert!(command_line().try_get_matches_from(line.split_whitespace()).is_ok());
}

/// Every flag of an example exists; whoever copies it gets what it promises.
#[test]
fn each_example_is_a_command_line_that_halb_understands() {
    let mut command = command_line();
    command.build();
    let mut examples = Vec::new();
    each(&command, "halb", &mut |command, _| {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in text.lines().map(|line| line.trim().trim_start_matches("Example: ")) {
            if line.starts_with("halb ") {
                // What follows two spaces, a pipe or a redirection is not halb's.
                let own = line.split("  ").next().unwrap_or_default();
                let own = own.split(['|', '>', '…']).next().unwrap_or_default();
                examples.push(own.trim().to_owned());
            }
        }
    });
    assert!(examples.len() > 40, "only {} examples", examples.len());
    for example in examples {
        let parsed = Arguments::try_parse_from(example.split_whitespace());
        assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
    }
}

/// Command lines in the documentation, in blocks that are to be typed.
#[test]
fn each_command_line_of_the_documentation_is_one_that_halb_understands() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut lines = Vec::new();
    for folder in [docs.clone(), docs.join("guide")] {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|end| end == "md") {
                let text = fs::read_to_string(&entry).unwrap().replace("\\\n", " ");
                let blocks = text.split("```sh\n").skip(1);
                let typed = blocks.filter_map(|block| block.split("```").next());
                let own = typed.flat_map(str::lines).filter(|line| line.starts_with("halb "));
                lines.extend(own.map(|line| (entry.display().to_string(), line.to_owned())));
            }
        }
    }
    assert!(lines.len() > 10, "only {} lines", lines.len());
    for (page, line) in lines {
        let own = line.split(['|', '>', '#', ';', '&', '…']).next().unwrap_or_default();
        let parsed = Arguments::try_parse_from(own.split_whitespace());
        let wrong = parsed.err().filter(|error| error.use_stderr());
        assert!(wrong.is_none(), "{page}: {line}: {}", wrong.unwrap());
    }
}

/// The command line as docs/cli.md has it.
fn reference() -> String {
    let mut text = String::from(
        "# Command line\n\n\
         Made of the program itself; `halb COMMAND --help` says the same, and so do its manual pages\n\
         (`man halb-server-drain`).\n",
    );
    let mut command = command_line().term_width(WIDTH);
    command.build();
    chapter(&mut command, "halb", &mut text);
    text
}

/// Columns of the help in the reference.
const WIDTH: usize = 96;

fn chapter(command: &mut Command, name: &str, text: &mut String) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    // Writing to a String can't fail.
    let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim());
    for nested in command.get_subcommands_mut().filter(|nested| !nested.is_hide_set()) {
        let name = format!("{name} {}", nested.get_name());
        chapter(nested, &name, text);
    }
}

#[test]
fn the_reference_in_the_documentation_is_the_programs_own() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let reference = reference();
    if env::var_os("HALB_WRITE_DOCS").is_some() {
        fs::write(&path, &reference).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == reference,
        "docs/cli.md is not what the program says; write it anew: \
         HALB_WRITE_DOCS=1 cargo test -p halb --lib the_reference"
    );
}

#[test]
fn each_command_that_people_see_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    pages(folder.path()).unwrap();
    let written: BTreeSet<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let mut wanted = BTreeSet::new();
    each(&command_line(), "halb", &mut |_, name| {
        wanted.insert(format!("{}.1", name.replace(' ', "-")));
    });
    assert_eq!(written, wanted);
    let page = fs::read_to_string(folder.path().join("halb-server-drain.1")).unwrap();
    assert!(page.contains("halb server drain"), "{page}");
}

#[test]
fn completions_know_every_command_of_the_first_row() {
    let mut script = Vec::new();
    clap_complete::generate(Shell::Bash, &mut command_line(), "halb", &mut script);
    let script = String::from_utf8(script).unwrap();
    for command in command_line().get_subcommands().filter(|one| !one.is_hide_set()) {
        assert!(script.contains(command.get_name()), "{}", command.get_name());
    }
}
