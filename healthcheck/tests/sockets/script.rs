use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use halb_healthcheck::config::{Probe, ScriptProbe};
use nix::unistd::gettid;

use crate::support::{PATIENCE, ask, ask_shortly, until};

fn server() -> SocketAddr {
    "192.0.2.7:6443".parse().unwrap()
}

fn shell(code: &str) -> Probe {
    command(&["/bin/sh", "-c", code, "check", "{address}", "{port}"])
}

fn command(words: &[&str]) -> Probe {
    Probe::Script(ScriptProbe { command: words.iter().map(ToString::to_string).collect() })
}

#[tokio::test]
async fn the_exit_status_decides_and_the_first_line_is_told() {
    let table = [
        ("exit 0", "PROCOK", "exit status 0"),
        ("echo; echo '  fine '; echo more", "PROCOK", "exit status 0: fine"),
        ("echo broken >&2; exit 3", "PROCERR", "exit status 3: broken"),
        ("kill -TERM $$", "PROCERR", "killed by signal 15"),
        ("printf 'a\\033[31mb\\n'", "PROCOK", "exit status 0: a [31mb"),
    ];
    for (code, expected, detail) in table {
        assert_eq!(ask(server(), shell(code)).await, (expected, detail.to_owned()), "{code}");
    }
}

#[tokio::test]
async fn the_server_comes_as_arguments_and_environment_and_nothing_else_does() {
    let (code, detail) = ask(server(), shell("echo \"$1 $2\"")).await;
    assert_eq!((code, &*detail), ("PROCOK", "exit status 0: 192.0.2.7 6443"));
    // The shell adds PWD and the like, `env` adds nothing.
    let (_, detail) = ask(server(), command(&["/usr/bin/env", "-0"])).await;
    let mut variables: Vec<&str> = detail["exit status 0: ".len()..].split(' ').collect();
    variables.sort_unstable();
    assert_eq!(variables[0], "HALB_SERVER_ADDRESS=192.0.2.7");
    assert_eq!(variables[1], "HALB_SERVER_PORT=6443");
    assert!(variables[2].starts_with("PATH=/usr/local/sbin:"), "{variables:?}");
    assert_eq!(variables.len(), 3);
    let (_, detail) = ask(server(), shell("read line || echo no input; pwd")).await;
    assert_eq!(detail, "exit status 0: no input");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_a_failure() {
    let (code, detail) = ask(server(), command(&["/nonexistent/check"])).await;
    assert_eq!(code, "PROCERR");
    assert_eq!(detail, "cannot start /nonexistent/check: No such file or directory");
}

#[tokio::test]
async fn much_output_blocks_nothing_and_is_not_kept() {
    let (code, detail) = ask(server(), shell("head -c 3000000 /dev/zero | tr '\\0' x")).await;
    assert_eq!(code, "PROCOK");
    assert_eq!(detail.len(), 256);
}

/// The state of a process that nobody may wait for any more: gone, or a zombie that only its new
/// parent can reap.
fn is_dead(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

async fn read_pid(path: &Path) -> String {
    until("the script tells its child", async || {
        fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'))
    })
    .await
    .trim()
    .to_owned()
}

#[tokio::test]
async fn at_the_deadline_the_whole_process_group_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let code = format!("trap '' TERM; sleep 300 & echo $! > {}; wait; sleep 300", file.display());
    let (code, detail) = ask_shortly(server(), shell(&code)).await;
    assert_eq!((code, &*detail), ("PROCTOUT", "script still running, killed after 300ms"));
    let grandchild = read_pid(&file).await;
    until("the grandchild is dead", async || is_dead(&grandchild).then_some(())).await;
}

#[tokio::test]
async fn what_a_script_leaves_running_is_killed_with_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let code = format!("sleep 300 & echo $! > {}; echo done", file.display());
    let begin = std::time::Instant::now();
    assert_eq!(ask(server(), shell(&code)).await, ("PROCOK", "exit status 0: done".into()));
    assert!(begin.elapsed() < PATIENCE, "the pipe that it holds open is not awaited");
    let grandchild = read_pid(&file).await;
    until("the grandchild is dead", async || is_dead(&grandchild).then_some(())).await;
}

#[tokio::test]
async fn a_script_runs_with_normal_scheduling() {
    // This thread becomes a batch worker, and with it the threads that it starts.
    let thread = gettid().to_string();
    let batch = Command::new("chrt").args(["--batch", "--pid", "0", &thread]).status().unwrap();
    assert!(batch.success());
    let policy =
        |stat: &str| stat.rsplit(") ").next().unwrap().split(' ').nth(38).map(str::to_owned);
    let own = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    assert_eq!(policy(&own).as_deref(), Some("3"), "SCHED_BATCH");
    let (_, detail) = ask(server(), command(&["/bin/cat", "/proc/self/stat"])).await;
    assert_eq!(policy(&detail).as_deref(), Some("0"), "SCHED_OTHER: {detail}");
}

fn ambient(status: &str) -> &str {
    status.split("CapAmb:").nth(1).unwrap().split_whitespace().next().unwrap()
}

/// Run by the next test with an ambient capability, and by itself without.
#[tokio::test]
async fn a_script_has_no_ambient_capabilities() {
    let own = fs::read_to_string("/proc/self/status").unwrap();
    if std::env::var_os("HALB_TEST_AMBIENT").is_some() {
        assert_ne!(ambient(&own), "0000000000000000");
    }
    let (_, detail) = ask(server(), command(&["/bin/grep", "CapAmb", "/proc/self/status"])).await;
    assert_eq!(ambient(&detail), "0000000000000000");
}

#[test]
#[ignore = "needs root"]
fn a_script_of_a_daemon_with_ambient_capabilities_has_none() {
    let status = Command::new("setpriv")
        .args(["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "script::a_script_has_no_ambient_capabilities"])
        .env("HALB_TEST_AMBIENT", "1")
        .status()
        .unwrap();
    assert!(status.success());
}
