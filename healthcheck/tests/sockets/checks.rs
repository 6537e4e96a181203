//! The driver: checks as they run in the daemon.

use std::time::{Duration, Instant};

use halb_healthcheck::config::{Initial, Probe, Target};
use halb_healthcheck::fleet::Reason;
use halb_healthcheck::health::Verdict;
use halb_healthcheck::status::TargetStatus;
use halb_healthcheck::{Checks, EVENTS_MAX, Event};
use tokio::sync::mpsc;

use crate::support::{PATIENCE, Port, get, listener, ms, silent, target, until};

async fn next_change(events: &mut mpsc::Receiver<Event>) -> (Verdict, Reason) {
    let changed = async {
        loop {
            match events.recv().await.expect("checks run") {
                Event::Changed(change) => return (change.verdict, change.reason),
                Event::Moved(_) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.expect("a verdict changes")
}

async fn first(checks: &Checks) -> TargetStatus {
    checks.status().await.remove(0)
}

async fn until_checked(checks: &Checks, count: u64) {
    until("checks", async || (first(checks).await.checks >= count).then_some(())).await;
}

/// Up with full credit, checked in a way that a program must answer.
async fn fully_up(checks: &Checks, events: &mut mpsc::Receiver<Event>, target: Target) {
    checks.apply(vec![target]).await;
    assert_eq!(next_change(events).await, (Verdict::Up, Reason::Initial));
    until("full health", async || {
        let status = first(checks).await;
        (status.progress() == (status.fall, status.fall)).then_some(())
    })
    .await;
}

/// What a timer of this machine may be late by, over several checks.
const SLACK: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_goes_down_in_time_and_comes_back() {
    let port = Port::new();
    let listener = port.listen();
    let (checks, mut events) = Checks::start(7);
    fully_up(&checks, &mut events, target(port.address(), Probe::Tcp)).await;
    let begin = Instant::now();
    drop(listener);
    let (verdict, reason) = next_change(&mut events).await;
    let took = begin.elapsed();
    assert_eq!(verdict, Verdict::Down);
    assert_eq!(reason.to_string(), "L4CON: connect: Connection refused");
    assert!(took < 3 * ms(100) + SLACK, "{took:?}");

    let _listener = port.listen();
    assert_eq!(next_change(&mut events).await.0, Verdict::Up);
    let status = first(&checks).await;
    assert_eq!((status.flips, status.inconclusive), (2, 0));
    assert!(status.failures >= 3 && !status.history.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_stays_silent_goes_down_in_time() {
    let address = silent().await;
    let (checks, mut events) = Checks::start(7);
    let mut target = target(address, Probe::Http(get("/")));
    target.check.pace.interval = ms(200);
    target.check.pace.timeout = ms(150);
    target.check.initial = Initial::FullyUp;
    let begin = Instant::now();
    checks.apply(vec![target]).await;
    assert_eq!(next_change(&mut events).await.0, Verdict::Up);
    let (verdict, reason) = next_change(&mut events).await;
    let took = begin.elapsed();
    assert_eq!(verdict, Verdict::Down);
    assert!(reason.to_string().starts_with("L7TOUT"), "{reason}");
    assert!(took < 3 * ms(200) + ms(150) + SLACK, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_connect_of_a_client_brings_the_check_forward() {
    let port = Port::new();
    let listener = port.listen();
    let (checks, mut events) = Checks::start(7);
    let mut target = target(port.address(), Probe::Tcp);
    target.check.pace.interval = Duration::from_secs(600);
    fully_up(&checks, &mut events, target).await;
    drop(listener);
    let begin = Instant::now();
    let down = next_change(&mut events);
    tokio::pin!(down);
    let verdict = loop {
        checks.connect_failed("b/s");
        match tokio::time::timeout(ms(20), &mut down).await {
            Ok((verdict, _)) => break verdict,
            Err(_) => assert!(begin.elapsed() < PATIENCE, "still up"),
        }
    };
    assert_eq!(verdict, Verdict::Down);
    assert!(begin.elapsed() >= 2 * ms(200), "at a bounded rate: {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_stops_the_checks_and_its_end_starts_them_at_once() {
    let (_listener, address) = listener().await;
    let (checks, mut events) = Checks::start(7);
    fully_up(&checks, &mut events, target(address, Probe::Tcp)).await;
    assert!(checks.pause("b/s").await);
    let before = first(&checks).await;
    assert!(before.paused && !before.checking);
    tokio::time::sleep(ms(400)).await; // four intervals in which nothing may happen
    assert_eq!(first(&checks).await.checks, before.checks);
    assert!(checks.resume("b/s").await);
    until_checked(&checks, before.checks + 1).await;
    assert!(!checks.pause("b/none").await && !checks.resume("b/none").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_list_keeps_who_stays_and_forgets_who_goes() {
    let port = Port::new();
    let refused = port.address();
    let (_listener, address) = listener().await;
    let (checks, mut events) = Checks::start(7);
    checks.apply(vec![target(refused, Probe::Tcp)]).await;
    assert_eq!(next_change(&mut events).await.0, Verdict::Up);
    assert_eq!(next_change(&mut events).await.0, Verdict::Down);
    let before = first(&checks).await;

    let mut slower = target(refused, Probe::Tcp);
    slower.check.pace.interval = ms(150);
    let other = Target { id: "b/other".into(), ..target(address, Probe::Tcp) };
    checks.apply(vec![other, slower]).await;
    let status = checks.status().await;
    assert_eq!(status.iter().map(|s| &*s.id).collect::<Vec<_>>(), ["b/other", "b/s"]);
    assert!(status[1].checks >= before.checks && status[1].verdict == Verdict::Down);
    checks.apply(Vec::new()).await;
    assert!(checks.status().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_reads_stalls_no_check() {
    let port = Port::new();
    let address = port.address();
    let (checks, mut events) = Checks::start(7);
    let mut watched = target(address, Probe::Tcp);
    watched.check.pace.interval = ms(10);
    let mut other = target(address, Probe::Tcp);
    other.check.pace.interval = Duration::from_secs(600);
    let others = (0..EVENTS_MAX).map(|n| Target { id: format!("b/{n}"), ..other.clone() });
    // The first verdict of each is an event, so that the channel is full before any check.
    checks.apply(std::iter::once(watched).chain(others).collect()).await;
    until_checked(&checks, 3).await;
    let mut last = None;
    while let Ok(Some(event)) = tokio::time::timeout(ms(500), events.recv()).await {
        if let Event::Changed(change) = event
            && &*change.id == "b/s"
        {
            last = Some(change.verdict);
        }
    }
    assert_eq!(last, Some(Verdict::Down), "the latest verdict arrives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_events_and_answers() {
    let address = silent().await;
    let (checks, mut events) = Checks::start(7);
    checks.apply(vec![target(address, Probe::Http(get("/")))]).await;
    checks.shutdown().await;
    while events.recv().await.is_some() {}
    assert!(checks.status().await.is_empty());
    checks.connect_failed("b/s");
    checks.apply(Vec::new()).await;
    checks.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_end_with_the_last_handle() {
    let (checks, mut events) = Checks::start(7);
    drop(checks);
    assert_eq!(tokio::time::timeout(PATIENCE, events.recv()).await, Ok(None));
}
