//! Trap 24: no way that a check can end leaves a descriptor behind. Alone in its process, whose
//! descriptors it counts.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use halb_healthcheck::Checks;
use halb_healthcheck::config::{
    Check, HttpProbe, Initial, Pace, Probe, ScriptProbe, Target, Threshold, TlsOptions, Verify,
};

fn target(address: SocketAddr, probe: Probe) -> Target {
    let interval = Duration::from_millis(20);
    Target {
        id: format!("{probe:?}"),
        address,
        check: Check {
            probe,
            pace: Pace { interval, fast_interval: None, down_interval: None, timeout: interval },
            threshold: Threshold { rise: NonZeroU32::MIN, fall: NonZeroU32::MIN },
            initial: Initial::Up,
            source: None,
            passive: true,
        },
    }
}

fn probes() -> Vec<Probe> {
    let tls = TlsOptions { verify: Verify::None, server_name: None, client: None };
    let http = HttpProbe {
        method: "GET".into(),
        path: "/".into(),
        host: None,
        headers: Vec::new(),
        bearer_token_file: Some("/etc/hostname".into()),
        expect_status: vec![200..=299],
        expect_body: None,
    };
    let script = |code: &str| {
        let command = ["/bin/sh", "-c", code].map(str::to_owned).to_vec();
        Probe::Script(ScriptProbe { command })
    };
    let absent = Probe::Script(ScriptProbe { command: vec!["/nonexistent".into()] });
    vec![
        Probe::Tcp,
        Probe::Tls(tls.clone()),
        Probe::Http(http.clone()),
        Probe::Https(http, tls),
        script("echo fine"),
        script("sleep 300"),
        absent,
    ]
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn check_often(checks: &Checks, targets: Vec<Target>) {
    checks.apply(targets).await;
    let begin = Instant::now();
    while checks.status().await.iter().any(|status| status.checks < 10) {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", checks.status().await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn checks_leave_no_descriptor_behind() {
    // One that accepts and is silent, and one that refuses.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    refusing.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let addresses =
        [silent.local_addr().unwrap(), refusing.local_addr().unwrap().as_socket().unwrap()];
    let all = |address| probes().into_iter().map(move |probe| target(address, probe));
    // Whatever is opened once for all is open after this.
    let (checks, _events) = Checks::start(1);
    check_often(&checks, vec![target(addresses[0], Probe::Tcp)]).await;
    checks.shutdown().await;
    let before = descriptors();

    let (checks, _events) = Checks::start(1);
    for address in addresses {
        check_often(&checks, all(address).collect()).await;
    }
    checks.shutdown().await;

    let begin = Instant::now();
    while descriptors() > before {
        let open: Vec<_> = fs::read_dir("/proc/self/fd")
            .unwrap()
            .map(|entry| fs::read_link(entry.unwrap().path()))
            .collect();
        assert!(begin.elapsed() < Duration::from_secs(20), "{before} before, now {open:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
