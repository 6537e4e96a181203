use std::ffi::OsString;
use std::path::PathBuf;

use super::*;

const LIMIT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(10);

fn command(program: &str, arguments: &[&str]) -> GuardCommand {
    let arguments = arguments.iter().map(OsString::from).collect();
    GuardCommand { program: PathBuf::from(program), arguments }
}

fn leash(program: &str, arguments: &[&str]) -> Leash {
    Leash::new(Some(command(program, arguments)), LIMIT, None).unwrap()
}

/// Tends as the thread does, until something is told.
fn tend(leash: &mut Leash) -> Notice {
    let end = Instant::now() + LONG;
    loop {
        let now = Instant::now();
        if let Some(notice) = leash.tend(now) {
            return notice;
        }
        assert!(now < end, "nothing was told: {leash:?}");
        let deadline = leash.deadline(now).unwrap_or(end).min(end);
        let timeout = PollTimeout::try_from(deadline.saturating_duration_since(now));
        let mut fds: Vec<_> =
            leash.fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).into_iter().collect();
        poll(&mut fds, timeout.unwrap()).unwrap();
    }
}

#[test]
fn a_program_that_is_not_there_is_told_once_and_tried_again() {
    let mut leash = leash("/nowhere/halb", &["guard"]);
    let Notice::Absent(error @ AbsentError::Start(_)) = tend(&mut leash) else { panic!() };
    assert_eq!(error.to_string(), "cannot start it");
    let before = leash.deadline(Instant::now()).expect("it is tried again");
    let end = Instant::now() + LONG;
    while leash.deadline(Instant::now()).is_none_or(|deadline| deadline <= before) {
        assert!(Instant::now() < end, "it wasn't tried again");
        assert!(leash.tend(Instant::now()).is_none(), "it is told once");
        thread::yield_now();
    }
    leash.close();
}

#[test]
fn a_guard_that_ends_at_once_is_told_with_how_it_ended() {
    let mut leash = leash("/bin/sh", &["-c", "exit 7"]);
    let Notice::Absent(AbsentError::Ended(exit)) = tend(&mut leash) else { panic!() };
    assert_eq!(exit.code(), Some(7));
    assert_eq!(leash.report().ready, None);
}

#[test]
fn a_guard_is_killed_when_it_does_not_leave_and_nothing_is_left_of_it() {
    let leash = leash("/bin/sleep", &["100"]);
    let begun = Instant::now();
    leash.close();
    assert!(begun.elapsed() >= CLOSE_PATIENCE);
    assert!(begun.elapsed() < LONG);
}

#[test]
fn the_end_of_the_pipe_whose_closing_tells_of_death_is_inherited_by_nobody() {
    // The shell's exit says whether it has another end of the pipe than its standard output.
    let script = "pipe=$(readlink /proc/$$/fd/1)
        for fd in /proc/$$/fd/*; do
            test $fd = /proc/$$/fd/1 || test \"$(readlink $fd)\" != \"$pipe\" || exit 1
        done";
    let mut leash = leash("/bin/sh", &["-c", script]);
    let Notice::Absent(AbsentError::Ended(exit)) = tend(&mut leash) else { panic!() };
    assert!(exit.success(), "{exit}");
}

#[test]
fn without_a_guard_everything_else_works() {
    let mut leash = Leash::new(None, LIMIT, None).unwrap();
    assert!(leash.tend(Instant::now()).is_none());
    assert!(leash.deadline(Instant::now()).is_none() && leash.fd().is_none());
    leash.publish(&Plan::default()).unwrap();
    leash.beat();
    assert_eq!(leash.act(|| 3), Ok(3));
    assert!(!leash.is_revoked());
    assert_eq!(leash.pace(), LIMIT / 4);
    leash.close();
}

#[test]
fn who_lost_its_leave_does_not_act_until_it_has_acknowledged() {
    let mut leash = Leash::new(None, LIMIT, None).unwrap();
    let during = leash.act(|| assert!(leash.page.revoke(leash.page.lease())));
    assert_eq!(during, Ok(()), "what has begun is ended");
    assert!(leash.is_revoked());
    assert_eq!(leash.act(|| ()), Err(Revoked));
    assert!(leash.acknowledge(Instant::now()), "no guard is at it");
    assert_eq!(leash.act(|| ()), Ok(()));
}

/// With a process that is no guard, but runs.
fn with_sleeper() -> Leash {
    let mut leash = leash("/bin/sleep", &["100"]);
    let end = Instant::now() + LONG;
    while leash.fd().is_none() {
        assert!(Instant::now() < end);
        leash.tend(Instant::now());
        thread::yield_now();
    }
    leash
}

#[test]
fn each_sweep_has_its_own_time() {
    let mut leash = with_sleeper();
    let mut asked = Instant::now();
    for _ in 0..3 {
        assert!(leash.page.revoke(leash.page.lease()));
        assert!(!leash.acknowledge(asked));
        leash.page.mark_swept();
        assert!(leash.acknowledge(asked));
        asked += SWEEP_PATIENCE;
    }
    let mut guard = [PollFd::new(leash.fd().unwrap(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut guard, PollTimeout::from(100_u8)), Ok(0), "it was killed");
    leash.close();
}

#[test]
fn a_guard_that_does_not_end_its_sweep_is_killed() {
    let mut leash = with_sleeper();
    assert!(leash.page.revoke(leash.page.lease()));
    let asked = Instant::now();
    assert!(!leash.acknowledge(asked));
    assert!(!leash.acknowledge(asked + SWEEP_PATIENCE / 2));
    assert!(!leash.acknowledge(asked + SWEEP_PATIENCE));
    let Notice::Absent(AbsentError::Ended(exit)) = tend(&mut leash) else { panic!() };
    assert!(!exit.success(), "{exit}");
    assert!(leash.acknowledge(asked), "there is none now");
}
