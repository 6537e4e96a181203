use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::error::ErrorKind;
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

/// Where a command line of the documentation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a block that is to be typed.
    Block,
    /// Within a sentence or a table, where a command may be named without what it wants.
    Sentence,
}

/// Every page of the documentation that people write, with its name.
fn written_pages() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![top.join("README.md"), top.join("CONTRIBUTING.md")];
    for folder in [top.join("docs"), top.join("docs/guide")] {
        files.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.retain(|file| file.extension().is_some_and(|end| end == "md"));
    files.retain(|file| !file.ends_with("docs/cli.md"));
    let read = |file: &PathBuf| fs::read_to_string(file).unwrap();
    files.iter().map(|file| (file.display().to_string(), read(file))).collect()
}

/// The command lines of a page, without what follows a redirection or a comment.
fn command_lines(page: &str) -> Vec<(Place, String)> {
    let joined: Vec<_> = page.split("\\\n").map(str::trim_start).collect();
    let page = joined.concat();
    let mut lines = Vec::new();
    for (index, part) in page.split("```").enumerate() {
        if index % 2 == 1 {
            // Where one line has a prompt, the others are what is answered.
            let is_typed =
                part.starts_with("sh\n") || part.starts_with('\n') && !part.contains("$ ");
            let typed = part.lines().filter_map(|line| {
                let prompt = line.split_once("$ ").filter(|(host, _)| !host.contains(' '));
                prompt.map(|(_, line)| line.trim_start()).or_else(|| is_typed.then_some(line))
            });
            lines.extend(typed.map(|line| (Place::Block, line)));
        } else {
            lines.extend(part.split('`').skip(1).step_by(2).map(|span| (Place::Sentence, span)));
        }
    }
    let own = lines.into_iter().filter_map(|(place, line)| {
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        let own = line.split(['|', '>', '#', ';', '&', '…']).next().unwrap_or_default();
        // What stands apart says what it is for; in a table a bar has a backslash before it.
        let own = own.split("  ").next().unwrap_or_default().trim_end_matches(['\\', ' ']);
        own.starts_with("halb ").then(|| (place, own.to_owned()))
    });
    own.collect()
}

#[test]
fn each_command_line_of_the_documentation_is_one_that_halb_understands() {
    let (mut typed, mut wrong) = (0, Vec::new());
    for (page, text) in written_pages() {
        for (place, line) in command_lines(&text) {
            typed += usize::from(place == Place::Block);
            let parsed = Arguments::try_parse_from(line.split_whitespace());
            let Some(error) = parsed.err().filter(clap::Error::use_stderr) else { continue };
            let is_named = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument
                    | ErrorKind::MissingSubcommand
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            ) || error.to_string().contains("none was supplied");
            if place == Place::Block || !is_named {
                wrong.push(format!("{page}: {line}: {error}"));
            }
        }
    }
    assert!(typed > 60, "only {typed} lines");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn command_lines_are_found_in_blocks_after_prompts_and_in_sentences() {
    let page = "By `halb k8s node` or `halb reload\\|stop`, not `kubectl get`.\n\
                ```sh\nhalb k8s plan   # all of it\nhalb run \\\n    --config a   all of it\nls\n```\n\
                ```\n$ halb status | head\nhalb says so\nclient$   halb bench\n```\n\
                Then `sudo halb doctor`.\n";
    let found = command_lines(page);
    let of = |wanted: Place| -> Vec<&str> {
        let own = found.iter().filter(|(place, _)| *place == wanted);
        own.map(|(_, line)| line.as_str()).collect()
    };
    let typed = ["halb k8s plan", "halb run --config a", "halb status", "halb bench"];
    assert_eq!(of(Place::Block), typed);
    assert_eq!(of(Place::Sentence), ["halb k8s node", "halb reload", "halb doctor"]);
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
