//! The command line as its users meet it: help, exit codes, words.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::fs;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use tempfile::TempDir;

fn halb(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
    command.args(arguments).env("COLUMNS", "80").env_remove("NO_COLOR");
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("halb speaks UTF-8")
}

/// A file with two faults.
fn bad_configuration(directory: &TempDir) -> String {
    let path = directory.path().join("bad.toml");
    let text = "[frontend.web]\nbind = [\"127.0.0.1:8080\"]\nbackend = \"nowhere\"\nmaxcon = 1\n";
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn each_command_explains_itself_with_an_example() {
    let commands: [&[&str]; 19] = [
        &[],
        &["run"],
        &["check"],
        &["status"],
        &["server"],
        &["server", "drain"],
        &["server", "weight"],
        &["sessions"],
        &["sessions", "list"],
        &["sessions", "kill"],
        &["reload"],
        &["demo"],
        &["bench"],
        &["failover-test"],
        &["k8s"],
        &["k8s", "init-inventory"],
        &["server", "maint"],
        &["import"],
        &["doctor"],
    ];
    let mut all = String::new();
    for command in commands {
        let output = halb(&[command, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0));
        let help = text(&output.stdout);
        let nested = help.contains("<COMMAND>");
        assert!(nested || help.contains("Example"), "{command:?} has no example:\n{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        all.push_str(&format!("$ halb {} --help\n{help}\n", command.join(" ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_wrong_command_line_ends_with_2_and_suggests_the_right_one() {
    let cases: [(&[&str], &str); 9] = [
        (&["statos"], "similar subcommand"),
        (&[], "Usage"),
        (&["status", "--jsn"], "'--json'"),
        (&["server", "weight", "a/b", "257"], "0..=256"),
        (&["sessions", "kill"], "required"),
        (&["sessions", "kill", "1", "--frontend", "web"], "cannot be used with"),
        (&["demo", "--seconds", "0"], "0 is not in 1"),
        (&["bench", "--compare", "apache"], "none of halb, haproxy, nginx"),
        (&["bench", "--scenario", "bulk"], "none of idle, requests"),
    ];
    for (arguments, words) in cases {
        let output = halb(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_bad_configuration_ends_with_3_and_all_of_its_faults() {
    let directory = TempDir::new().unwrap();
    let path = bad_configuration(&directory);
    let check = halb(&["check", &path]);
    let run = halb(&["run", "--config", &path]);
    for (output, said) in [(&check, text(&check.stdout)), (&run, text(&run.stderr))] {
        assert_eq!(output.status.code(), Some(3));
        assert!(said.contains("nowhere") && said.contains("maxcon"), "{said}");
    }
}

#[test]
fn all_examples_pass_one_check_and_a_bad_file_among_them_is_noticed() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let directory = TempDir::new().unwrap();
    let files = fs::read_dir(examples).unwrap().map(|file| file.unwrap().path());
    // The others are inventories of clusters.
    let files = files.filter(|file| file.extension().is_some_and(|end| end == "toml"));
    let mut arguments: Vec<String> = files.map(|file| file.display().to_string()).collect();
    arguments.insert(0, "check".to_owned());
    let good = halb(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stdout));
    assert_eq!(text(&good.stdout).matches(": ok").count(), arguments.len() - 1);

    arguments.insert(1, bad_configuration(&directory));
    let bad = halb(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bad.status.code(), Some(3), "whatever comes after the bad one");
}

#[test]
fn a_configuration_that_is_not_there_ends_with_3_and_its_name() {
    let output = halb(&["run", "--config", "/nonexistent/halb.toml"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("/nonexistent/halb.toml"));
}

#[test]
fn commands_without_a_daemon_end_with_1_and_say_what_to_do() {
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("admin.sock").display().to_string();
    let commands: [&[&str]; 6] = [
        &["status"],
        &["status", "--watch"],
        &["server", "drain", "masters/kmaster1"],
        &["sessions", "list"],
        &["sessions", "kill", "1"],
        &["reload"],
    ];
    for command in commands {
        let output = halb(&[command, &["--socket", &socket]].concat());
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let said = text(&output.stderr);
        assert!(said.contains("no halb runs on") && said.contains("halb run"), "{said}");
    }
}

#[test]
fn a_reader_that_left_is_no_failure() {
    let directory = TempDir::new().unwrap();
    let path = bad_configuration(&directory);
    for arguments in [&["--help"][..], &["check", &path], &["check", "--json", &path]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(output.status.code().is_some(), "killed by a signal: {arguments:?}");
    }
}
