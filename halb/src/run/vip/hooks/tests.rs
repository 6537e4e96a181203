use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn hook(instance: &str, code: &str) -> Hook {
    let command = ["/bin/sh", "-c", code, "hook"].map(str::to_owned).to_vec();
    let subject = HookSubject::Instance(instance.into());
    Hook { subject, command, timeout: Duration::from_secs(10) }
}

fn change(instance: &str, to: State, priority: u8) -> Change {
    Change {
        group: None,
        instance: instance.into(),
        from: State::Backup,
        to,
        reason: "silence",
        why: "nothing was heard for 3.61 s".to_owned(),
        priority,
        sum: "100 - 2 (frontend 'kubernetes') = 98".to_owned(),
        addresses: "172.16.16.100".to_owned(),
        interface: "eth1".into(),
    }
}

/// Runs the hooks of these changes until none is left.
async fn run_all(hooks: &[Hook], changes: &[Change]) -> Told {
    let queue = Hooks::default();
    for change in changes {
        queue.push(hooks, change);
    }
    let serving = tokio::spawn(queue.clone().serve());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = queue.told();
        let ended = told.succeeded + told.failed;
        let wanted =
            changes.iter().map(|c| hooks.iter().filter(|h| h.subject == c.subject()).count());
        if ended + told.skipped >= u64::try_from(wanted.sum::<usize>()).unwrap() {
            serving.abort();
            return told;
        }
        assert!(Instant::now() < deadline, "{told:?}");
        time::sleep(Duration::from_millis(1)).await;
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn hooks_run_in_order_with_keepalived_s_arguments_and_the_cause() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("told");
    // The first of them takes longest: order is no accident.
    let code = format!(
        "[ $3 = MASTER ] && sleep 0.1; echo $1 $2 $3 $4 $HALB_VIP_STATE $HALB_VIP_REASON >>{}",
        path.display()
    );
    let states = [State::Active, State::Backup, State::Fault, State::Initialize];
    let changes = states.map(|to| change("VI_1", to, 98));
    let told = run_all(&[hook("VI_1", &code), hook("VI_2", "exit 1")], &changes).await;
    assert_eq!(
        lines(&path),
        [
            "INSTANCE VI_1 MASTER 98 active silence",
            "INSTANCE VI_1 BACKUP 98 backup silence",
            "INSTANCE VI_1 FAULT 98 fault silence",
            "INSTANCE VI_1 STOP 98 initialize silence",
        ]
    );
    assert_eq!((told.succeeded, told.failed), (4, 0));
}

#[tokio::test]
async fn hooks_of_a_group_stand_in_the_same_line_and_are_told_keepalived_s_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("told");
    let code = format!("echo $1 $2 $3 $4 $HALB_VIP_GROUP $HALB_VIP_INSTANCE >>{}", path.display());
    let mut of_group = hook("", &code);
    of_group.subject = HookSubject::Group("gateway".into());
    let one = change("VI_1", State::Active, 98);
    let whole = Change { group: Some("gateway".into()), ..one.clone() };
    let other = Change { group: Some("other".into()), ..one.clone() };
    let told = run_all(&[of_group, hook("VI_1", &code)], &[one, whole, other]).await;
    assert_eq!(
        lines(&path),
        ["INSTANCE VI_1 MASTER 98 VI_1", "GROUP gateway MASTER 0 gateway VI_1"]
    );
    assert_eq!((told.succeeded, told.failed), (2, 0));
}

#[tokio::test]
async fn a_hook_that_hangs_or_fails_holds_up_no_other_for_long() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("told");
    let code =
        format!("[ $3 = BACKUP ] && sleep 300; echo $3 >>{}; [ $3 != FAULT ]", path.display());
    let states = [State::Backup, State::Fault, State::Active];
    let changes = states.map(|to| change("VI_1", to, 100));
    let hangs = Hook { timeout: Duration::from_secs(2), ..hook("VI_1", &code) };
    let told = run_all(&[hangs], &changes).await;
    assert_eq!(lines(&path), ["FAULT", "MASTER"]);
    assert_eq!((told.succeeded, told.failed), (1, 2));
    assert!(told.last_failure.unwrap().contains("exit status 1"));
}

#[tokio::test]
async fn a_hook_that_strangers_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hook");
    std::fs::write(&path, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut hook = hook("VI_1", "");
    hook.command = vec![path.display().to_string()];
    let told = run_all(&[hook], &[change("VI_1", State::Active, 100)]).await;
    let failure = told.last_failure.unwrap();
    assert!(failure.contains("others may write to"), "{failure}");
}

#[tokio::test]
async fn the_end_waits_for_hooks_that_are_still_to_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("told");
    let queue = Hooks::default();
    let serving = tokio::spawn(queue.clone().serve());
    let code = format!("sleep 0.05; echo $3 >>{}", path.display());
    queue.push(&[hook("VI_1", &code)], &change("VI_1", State::Initialize, 100));
    time::timeout(PATIENCE, queue.done()).await.unwrap();
    assert_eq!(lines(&path), ["STOP"]);
    time::timeout(PATIENCE, queue.done()).await.expect("nothing waits");
    serving.abort();
}

proptest! {
    #[test]
    fn whatever_happens_the_queue_is_bounded_and_each_hook_learns_the_latest_state(
        changes in prop::collection::vec((0_usize..5, 1_u8..=254), 1..400),
    ) {
        let hooks: Vec<Hook> = (0..5).map(|n| hook(&format!("VI_{n}"), "")).collect();
        let queue = Hooks::default();
        let mut latest = [None; 5];
        for (instance, priority) in changes {
            queue.push(&hooks, &change(&format!("VI_{instance}"), State::Active, priority));
            latest[instance] = Some(priority);
        }
        let waiting = &queue.queue().waiting;
        prop_assert!(waiting.len() <= WAITING_MAX + hooks.len());
        for (hook, latest) in hooks.iter().zip(latest) {
            let last = waiting.iter().rev().find(|call| call.hook == *hook);
            prop_assert_eq!(last.map(|call| call.change.priority), latest);
        }
    }
}
