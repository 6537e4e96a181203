use std::time::Instant;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn shell(code: &str) -> Program {
    let words = ["/bin/sh", "-c", code].map(str::to_owned).to_vec();
    Program { words, environment: Vec::new(), trust: Trust::OwnersOnly }
}

async fn line(running: &mut Running) -> String {
    let deadline = Instant::now() + PATIENCE;
    while !running.output.kept.ends_with(b"\n") && Instant::now() < deadline {
        running.output.read_more().await;
    }
    first_line(&running.output.kept)
}

/// Gone, or a zombie that only its new parent can reap.
fn is_dead(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

#[tokio::test]
async fn a_program_that_is_asked_to_end_may_tidy_up() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("tidied");
    let code = format!(
        "trap 'echo x >{}; exit 0' TERM; sleep 300 & echo up; wait", // which the signal ends at once
        mark.display()
    );
    let mut running = start(&shell(&code), &Gate::default()).unwrap();
    assert_eq!(line(&mut running).await, "up");
    let begun = Instant::now();
    running.stop().await;
    assert!(mark.exists());
    assert!(begun.elapsed() < GRACE, "the rest of the grace is not awaited");
}

#[tokio::test]
async fn a_program_that_will_not_end_is_killed_after_the_grace_with_its_children() {
    let code = "trap '' TERM; sleep 300 & echo $!; while :; do sleep 300; done";
    let gate = Gate::default();
    let mut running = start(&shell(code), &gate).unwrap();
    let child = line(&mut running).await;
    let begun = Instant::now();
    running.stop().await;
    assert!(begun.elapsed() >= GRACE);
    let next = start(&shell("exit 0"), &gate).expect("it is gone, and the next one may start");
    next.stop().await;
    let deadline = Instant::now() + PATIENCE;
    while !is_dead(&child) {
        assert!(Instant::now() < deadline, "{child} lives on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_program_that_strangers_may_change_is_not_started() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hook");
    std::fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut program = shell("");
    program.words = vec![path.display().to_string()];
    let refused = start(&program, &Gate::default()).unwrap().ended().await;
    assert!(matches!(refused, Err(RunError::NotOurs(NotOurs::Writable { .. }))), "{refused:?}");
    program.trust = Trust::Anyone;
    let ended = start(&program, &Gate::default()).unwrap().ended().await.unwrap();
    assert_eq!(ended.to_string(), "exit status 0");
}
