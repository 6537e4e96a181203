use std::fs;

use super::*;
use crate::eventually;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Process::spawn(command).unwrap()
}

/// Whether the process exists and isn't a zombie.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

#[test]
fn output_of_both_streams_is_kept_in_the_order_written() {
    let process = shell("echo one; echo two >&2; echo three");
    assert_eq!(process.wait(SOON).unwrap(), Exit::Code(0));
    process.wait_for_line("three", SOON).unwrap();
    assert_eq!(process.output(), "one\ntwo\nthree\n");
    assert_eq!(process.line_count(), 3);
}

#[test]
fn a_line_is_waited_for_and_its_absence_is_told_with_the_last_words() {
    let process = shell("echo ready to serve; read nothing; echo bye; exit 3");
    let line = process.wait_for_line("ready", SOON).unwrap();
    assert_eq!(line, "ready to serve");
    let error = process.wait_for_line("never said", SOON).unwrap_err();
    assert!(matches!(error, Error::Ended { exit: Exit::Code(3), .. }), "{error}");
    assert!(error.to_string().contains("bye"), "{error}");
}

#[test]
fn a_process_that_says_nothing_in_time_is_late_and_left_running() {
    let process = shell("sleep 600");
    let error = process.wait_for_line("word", Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, Error::Late { .. }), "{error}");
    assert_eq!(process.exit(), None);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = Process::spawn(Command::new("no-such-program")).unwrap_err();
    assert_eq!(error.to_string(), "no-such-program can't be started");
}

#[test]
fn stop_asks_and_kill_does_not() {
    let asked = shell("trap 'echo asked; exit 7' TERM; echo set; while :; do sleep 0.01; done");
    asked.wait_for_line("set", SOON).unwrap();
    assert_eq!(asked.stop(SOON).unwrap(), Exit::Code(7));
    asked.wait_for_line("asked", SOON).unwrap();

    let killed = shell("trap '' TERM; echo set; while :; do sleep 0.01; done");
    killed.wait_for_line("set", SOON).unwrap();
    assert!(killed.stop(Duration::from_millis(50)).is_err());
    assert_eq!(killed.kill().unwrap(), Exit::Signal(Signal::SIGKILL));
}

#[test]
fn a_frozen_process_does_nothing_until_it_is_thawed_and_can_still_be_killed() {
    // Without children: a shell that is stopped while it starts one waits for it in another state.
    let process = shell("while :; do echo tick; done");
    process.wait_for_line("tick", SOON).unwrap();
    process.signal_group(Signal::SIGSTOP).unwrap();
    let state = || fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    eventually("stopped", SOON, || state().contains(") T "));
    process.signal_group(Signal::SIGCONT).unwrap();
    let mark = process.line_count();
    process.wait_for_line_after(mark, "tick", SOON).unwrap();
    process.signal_group(Signal::SIGSTOP).unwrap();
    process.kill().unwrap();
}

#[test]
fn its_children_go_with_it_when_it_is_dropped() {
    let process = shell("sleep 600 & echo child $!; wait");
    let line = process.wait_for_line("child", SOON).unwrap();
    let child = line.split(' ').nth(1).unwrap().parse().unwrap();
    let leader = process.pid();
    assert!(lives(leader) && lives(child));
    drop(process);
    eventually("both gone", SOON, || !lives(leader) && !lives(child));
}

#[test]
fn it_goes_when_a_panic_unwinds_through_its_owner() {
    let (tell, told) = std::sync::mpsc::channel();
    let panicked = thread::spawn(move || {
        let process = shell("echo last words; sleep 600");
        process.wait_for_line("last words", SOON).unwrap();
        tell.send(process.pid()).unwrap();
        panic!("on purpose, in a test");
    })
    .join();
    assert!(panicked.is_err());
    let pid = told.recv().unwrap();
    eventually("gone", SOON, || !lives(pid));
}

#[test]
fn its_id_stays_its_own_until_it_is_dropped() {
    let process = shell("exit 0");
    process.wait(SOON).unwrap();
    let stat = format!("/proc/{}/stat", process.pid());
    assert!(fs::read_to_string(&stat).unwrap().contains(") Z "), "kept as a zombie");
    process.signal(Signal::SIGTERM).unwrap();
    drop(process);
    assert!(fs::read_to_string(&stat).is_err(), "reaped");
}

#[test]
fn a_thread_is_held_until_it_is_let_go() {
    let process = shell("while :; do echo tick; done");
    process.wait_for_line("tick", SOON).unwrap();
    let held = process.hold_threads(|name| name == "sh").unwrap();
    assert_eq!(held.names(), ["sh"]);
    let state = || fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    assert!(state().contains(") t "), "{}", state());
    drop(held);
    let mark = process.line_count();
    process.wait_for_line_after(mark, "tick", SOON).unwrap();
}

#[test]
fn threads_that_are_not_there_are_not_held() {
    let process = shell("echo ready; read nothing; sleep 600");
    process.wait_for_line("ready", SOON).unwrap();
    let error = process.hold_threads(|name| name == "halb-worker-0").unwrap_err();
    assert_eq!(error.to_string(), "threads of sh can't be stopped");
}
