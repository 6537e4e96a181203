//! A host without free descriptors: no server is blamed. Alone in its process, whose limit it
//! lowers.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use halb_healthcheck::Checks;
use halb_healthcheck::config::{
    Check, HttpProbe, Initial, Pace, Probe, ScriptProbe, Target, Threshold, TlsOptions, Verify,
};
use halb_healthcheck::health::Verdict;
use halb_healthcheck::outcome::Outcome;
use nix::sys::resource::{Resource, setrlimit};

const PATIENCE: Duration = Duration::from_secs(20);

fn target(address: SocketAddr, probe: Probe) -> Target {
    let interval = Duration::from_millis(20);
    Target {
        id: "b/s".into(),
        address,
        check: Check {
            probe,
            pace: Pace { interval, fast_interval: None, down_interval: None, timeout: PATIENCE },
            threshold: Threshold { rise: NonZeroU32::MIN, fall: NonZeroU32::MIN },
            initial: Initial::Up,
            source: None,
            passive: true,
        },
    }
}

fn probes() -> [Probe; 5] {
    let http = HttpProbe {
        method: "GET".into(),
        path: "/".into(),
        host: None,
        headers: Vec::new(),
        bearer_token_file: None,
        expect_status: vec![200..=299],
        expect_body: None,
    };
    let mut authorized = http.clone();
    authorized.bearer_token_file = Some("/etc/passwd".into());
    let verify = Verify::CaFile("/etc/passwd".into());
    [
        Probe::Tcp,
        Probe::Tls(TlsOptions { verify, server_name: None, client: None }),
        Probe::Http(http),
        Probe::Http(authorized),
        Probe::Script(ScriptProbe { command: vec!["/bin/true".into()] }),
    ]
}

async fn until_counted(checks: &Checks, count: impl Fn(u64, u64) -> bool) {
    let begin = Instant::now();
    loop {
        let status = checks.status().await.remove(0);
        assert_eq!((status.verdict, status.failures), (Verdict::Up, 0), "{:?}", status.last);
        if count(status.checks - status.inconclusive, status.inconclusive) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{status:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ask_once(target: Target) -> Outcome {
    let (checks, _events) = Checks::start(1);
    checks.apply(vec![target]).await;
    until_counted(&checks, |conclusive, inconclusive| conclusive + inconclusive > 0).await;
    checks.status().await.remove(0).last.expect("a check ended").outcome
}

#[tokio::test]
async fn without_free_descriptors_no_server_fails() {
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (checks, _events) = Checks::start(1);
    checks.apply(vec![target(address, Probe::Tcp)]).await;
    until_counted(&checks, |conclusive, _| conclusive >= 1).await;

    let hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    until_counted(&checks, |_, inconclusive| inconclusive >= 3).await;
    for probe in probes() {
        let outcome = ask_once(target(address, probe.clone())).await;
        assert!(matches!(outcome, Outcome::Inconclusive { .. }), "{probe:?}: {outcome}");
        assert!(outcome.detail().contains("Too many open files"), "{probe:?}: {outcome}");
    }

    drop(hoard);
    let before = checks.status().await.remove(0);
    let before = before.checks - before.inconclusive;
    until_counted(&checks, |conclusive, _| conclusive > before).await;
}
