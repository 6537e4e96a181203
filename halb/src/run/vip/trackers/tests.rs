use std::path::Path;
use std::sync::mpsc;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    trackers: Trackers,
    details: Details,
    seen: mpsc::Receiver<OwnedSighting>,
}

impl Bench {
    fn new() -> Self {
        let (sender, seen) = mpsc::channel();
        let details = Details::default();
        let sight = Arc::new(move |sighting| sender.send(sighting).unwrap_or_default());
        Self { trackers: Trackers::new(sight, details.clone()), details, seen }
    }

    async fn next(&self) -> OwnedSighting {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Ok(sighting) = self.seen.try_recv() {
                return sighting;
            }
            assert!(std::time::Instant::now() < deadline, "nothing was seen");
            time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn script(name: &str, code: &str, interval_ms: u64, timeout_ms: u64) -> TrackedScript {
    TrackedScript {
        name: name.into(),
        command: ["/bin/sh", "-c", code].map(str::to_owned).to_vec(),
        interval: Duration::from_millis(interval_ms),
        timeout: Duration::from_millis(timeout_ms),
    }
}

fn count(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_script_s_exit_status_is_told_at_once_and_again() {
    let mut bench = Bench::new();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    let code = format!("echo looked; test ! -e {}", mark.display());
    bench.trackers.apply(&[script("check", &code, 20, 1000)], &[]);
    assert_eq!(bench.next().await, OwnedSighting::Script("check".into(), ScriptResult::Passed));
    let detail = bench.details.all().remove("script 'check'").unwrap();
    assert!(detail.starts_with("exit status 0: looked, "), "{detail}");
    std::fs::write(&mark, "").unwrap();
    while bench.next().await != OwnedSighting::Script("check".into(), ScriptResult::Failed) {}
}

#[tokio::test]
async fn a_run_that_takes_too_long_fails_once_is_ended_and_never_overlaps() {
    let mut bench = Bench::new();
    let directory = tempfile::tempdir().unwrap();
    let (begun, ended) = (directory.path().join("begun"), directory.path().join("ended"));
    // It needs a while after SIGTERM, in which turns pass.
    let code = format!(
        "echo >>{}; trap 'sleep 0.2; echo >>{}; exit 0' TERM; while :; do sleep 0.01; done",
        begun.display(),
        ended.display()
    );
    bench.trackers.apply(&[script("slow", &code, 20, 1500)], &[]);
    for round in 1..=2 {
        let told = bench.next().await;
        assert_eq!(told, OwnedSighting::Script("slow".into(), ScriptResult::Failed));
        assert_eq!(count(&begun), round, "a run begins when the one before has ended");
        assert_eq!(count(&ended), round - 1);
    }
}

#[tokio::test]
async fn a_changed_script_replaces_the_old_one_and_others_go_on() {
    let mut bench = Bench::new();
    let directory = tempfile::tempdir().unwrap();
    let stays = directory.path().join("stays");
    let stay =
        script("stays", &format!("echo $$ >>{}; exec sleep 300", stays.display()), 10, 60_000);
    bench.trackers.apply(&[stay.clone(), script("old", "exit 0", 10, 1000)], &[]);
    assert_eq!(bench.next().await, OwnedSighting::Script("old".into(), ScriptResult::Passed));
    let deadline = std::time::Instant::now() + PATIENCE;
    while count(&stays) == 0 {
        assert!(std::time::Instant::now() < deadline, "the one that stays never began");
        time::sleep(Duration::from_millis(1)).await;
    }
    bench.trackers.apply(&[stay, script("new", "exit 1", 10, 1000)], &[]);
    assert!(!bench.details.all().contains_key("script 'old'"));
    while bench.next().await != OwnedSighting::Script("new".into(), ScriptResult::Failed) {}
    assert_eq!(count(&stays), 1, "the run of the one that stays goes on");
}

#[tokio::test]
async fn the_number_in_a_file_is_told_and_anything_else_is_0() {
    let mut bench = Bench::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("number");
    let name: Arc<str> = path.display().to_string().into();
    std::fs::write(&path, " -7\nmore\n").unwrap();
    let file = TrackedFile { path: name.clone(), interval: Duration::from_millis(5) };
    bench.trackers.apply(&[], &[file]);
    assert_eq!(bench.next().await, OwnedSighting::File(name.clone(), -7));
    for content in ["seven", "", "99999999999999999999"] {
        std::fs::write(&path, content).unwrap();
        while bench.next().await != OwnedSighting::File(name.clone(), 0) {}
    }
    std::fs::write(&path, "3").unwrap();
    while bench.next().await != OwnedSighting::File(name.clone(), 3) {}
    std::fs::remove_file(&path).unwrap();
    while bench.next().await != OwnedSighting::File(name.clone(), 0) {}
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(number(content(&name)).0, 0, "a pipe that nobody writes to is not waited for");
}
