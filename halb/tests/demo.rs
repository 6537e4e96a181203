//! `halb demo` as people meet it: in a terminal, on a pipe, as root, as anybody, and where the
//! system allows no network namespaces.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use halb_lab::process::Signal;
use halb_lab::{Process, eventually};
use tempfile::TempDir;

const HALB: &str = env!("CARGO_BIN_EXE_halb");

/// What anything may take on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(60);

/// User and group `nobody` of Debian.
const NOBODY: u32 = 65534;

/// A directory for the demo's files that everybody may use.
fn scratch() -> TempDir {
    let scratch = TempDir::new().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    scratch
}

fn demo(arguments: &[&str], scratch: &TempDir) -> Command {
    let mut command = Command::new(HALB);
    command.arg("demo").args(arguments).env("TMPDIR", scratch.path());
    command
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn nothing_is_left_in(scratch: &TempDir) {
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "files are left");
}

/// The processes of a demo: what it started has its environment.
fn processes_of(scratch: &TempDir) -> BTreeSet<String> {
    let below = scratch.path().display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let demos = processes.filter_map(|process| {
        let environment = fs::read(process.path().join("environ")).ok()?;
        let pid = process.file_name().to_string_lossy().into_owned();
        String::from_utf8_lossy(&environment).contains(&below).then_some(pid)
    });
    demos.collect()
}

#[test]
fn the_plain_form_serves_from_all_servers_and_leaves_nothing() {
    let scratch = scratch();
    let output = demo(&["--loopback", "--seconds", "4"], &scratch).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("demo ended: "), "{last}");
    assert!(last.contains("none failed"), "{last}");
    for server in ["kmaster1", "kmaster2", "kmaster3"] {
        assert!(last.contains(server), "{server} answered nothing: {last}");
    }
    nothing_is_left_in(&scratch);
}

#[test]
#[ignore = "needs root"]
fn on_a_pipe_anybody_sees_faults_and_what_they_cost_and_nothing_is_left() {
    let scratch = scratch();
    // The binary where everybody may read it.
    let copy = scratch.path().join("halb");
    fs::copy(HALB, &copy).unwrap();
    let files = TempDir::new_in(scratch.path()).unwrap();
    fs::set_permissions(files.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new(&copy);
    command.arg("demo").env("TMPDIR", files.path()).current_dir("/").uid(NOBODY).gid(NOBODY);
    let output = command.output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in [
        "loadbalancer01 has 172.16.16.100",
        "kmaster2 hangs",
        "loadbalancer01 finds kmaster2 DOWN",
        "loadbalancer01 is to give the address away",
        "halb on loadbalancer01 is killed",
        "the link of loadbalancer01 is cut",
        "loadbalancer02 has 172.16.16.100",
        "demo ended: ",
    ] {
        assert!(text.contains(line), "{line:?} isn't in:\n{text}");
    }
    let outcomes = text.lines().filter(|line| line.contains("  clients")).count();
    assert_eq!(outcomes, 8, "{text}");
    nothing_is_left_in(&files);
}

#[test]
#[ignore = "needs root"]
fn where_namespaces_are_denied_it_says_so_and_shows_the_plain_form() {
    let scratch = scratch();
    // In a user namespace that allows no further ones, as root there but without rights outside.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  echo 0 > /proc/sys/user/max_net_namespaces && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", script, "sh", HALB]);
    command.args(["demo", "--seconds", "4"]).env("TMPDIR", scratch.path());
    let output = command.output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
    assert!(wrong.contains("no network namespaces here"), "{wrong}");
    assert!(text.contains("demo ended: "), "{text}");
    nothing_is_left_in(&scratch);
}

#[test]
#[ignore = "needs root"]
fn keys_break_the_cluster_and_mend_it_again() {
    let scratch = scratch();
    let log = scratch.path().join("screen");
    let fifo = scratch.path().join("keys");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let files = TempDir::new_in(scratch.path()).unwrap();
    // script(1) is a terminal: its input is what is typed, its log what is seen.
    let shown = format!("stty rows 24 cols 80; exec {HALB} demo");
    let typed = format!(
        "exec script --quiet --flush --return --command '{shown}' {} < {} > /dev/null",
        log.display(),
        fifo.display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &typed]).env("TERM", "xterm").env("TMPDIR", files.path());
    let process = Process::spawn(command).unwrap();
    let mut keys = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let mut press = |key: u8| std::io::Write::write_all(&mut keys, &[key]).unwrap();
    sees(&log, "kill -9 halb on loadbalancer01");
    press(b'k');
    sees(&log, "loadbalancer02 has 172.16.16.100");
    sees(&log, "start halb on loadbalancer01");
    press(b'2');
    sees(&log, "loadbalancer02 finds kmaster2 DOWN");
    press(b'q');
    let exit = process.wait(SOON).unwrap();
    assert_eq!(exit, halb_lab::process::Exit::Code(0), "{}", fs::read_to_string(&log).unwrap());
    sees(&log, "demo ended: ");
    nothing_is_left_in(&files);
}

fn sees(log: &Path, text: &str) {
    eventually(&format!("{text:?} is seen"), SOON, || {
        let screen = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
        if screen.contains(text) { Ok(()) } else { Err(screen) }
    });
}

#[test]
#[ignore = "needs root"]
fn nothing_goes_on_when_the_demo_is_killed() {
    let scratch = scratch();
    let process = Process::spawn(demo(&[], &scratch)).unwrap();
    process.wait_for_line("kmaster2 hangs", SOON).unwrap();
    let processes = processes_of(&scratch);
    // Itself, two daemons and their guards.
    assert!(processes.len() >= 5, "{processes:?}");
    process.signal(Signal::SIGKILL).unwrap();
    eventually("its processes are gone", SOON, || {
        let left = processes_of(&scratch);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}
