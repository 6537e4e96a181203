//! `halb demo` as the README's first command shows it, without a terminal.

use std::process::Command;

use tempfile::TempDir;

#[test]
fn the_demo_serves_from_all_servers_and_leaves_nothing() {
    let scratch = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_halb"));
    command.args(["demo", "--seconds", "4"]).env("TMPDIR", scratch.path());
    let output = command.output().expect("the binary starts");
    let (said, wrong) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{wrong}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("demo ended: "), "{last}");
    assert!(last.contains("none failed"), "{last}");
    for server in ["kmaster1", "kmaster2", "kmaster3"] {
        assert!(last.contains(server), "{server} answered nothing: {last}");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "files are left");
}
