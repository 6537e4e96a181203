//! The stand-in API server as a process, and real clients of it.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{path::Path, process::Command, time::Duration};

use halb_lab::{
    Loopback, Process,
    client::{Client, Protocol},
    eventually, eventually_async,
    process::{Exit, Signal},
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(10);

struct Stage {
    process: Process,
    address: String,
    pki: TempDir,
    _home: Loopback,
}

impl Stage {
    fn new(more: &[&str]) -> Self {
        let (home, pki) = (Loopback::claim().unwrap(), tempfile::tempdir().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb-lab-apiserver"));
        command.args(["--listen", &home.port(0).to_string(), "--name", "kmaster1"]);
        command.arg("--ca-dir").arg(pki.path()).args(more);
        let process = Process::spawn(command).unwrap();
        let line = process.wait_for_line("listening on ", SOON).unwrap();
        let address = line.rsplit(' ').next().unwrap().to_owned();
        Self { process, address, pki, _home: home }
    }

    fn ca(&self) -> String {
        self.pki.path().join("ca.crt").to_str().unwrap().to_owned()
    }

    /// What a program says when it is started with these arguments and ends well.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            // kubectl keeps what it learns in a directory of its own.
            .env("HOME", self.pki.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        text
    }

    fn curl(&self, more: &[&str]) -> String {
        let ca = self.ca();
        self.run("curl", &[&["-sS", "--max-time", "10", "--cacert", &ca], more].concat())
    }

    fn kubectl(&self, more: &[&str]) -> String {
        let (ca, server) = (self.ca(), format!("https://{}", self.address));
        let common = ["--server", &server, "--certificate-authority", &ca, "--token", "none"];
        self.run("kubectl", &[&common, more].concat())
    }
}

#[tokio::test]
async fn a_process_serves_with_the_authority_of_its_directory_and_tells_where_it_listens() {
    let stage = Stage::new(&[]);
    let address = stage.address.parse().unwrap();
    stage.process.wait_until_listening(address, SOON).unwrap();
    let elsewhere = std::net::SocketAddr::new([127, 0, 0, 1].into(), 1);
    assert!(stage.process.wait_until_listening(elsewhere, Duration::from_millis(20)).is_err());
    let pem = std::fs::read_to_string(stage.ca()).unwrap();
    let mut client = Client::connect(address, &pem, Protocol::Http2).await.unwrap();
    assert_eq!(client.get("/readyz").await.unwrap().served_by(), Some("kmaster1"));
}

#[tokio::test]
async fn sigterm_is_a_graceful_end_with_its_delay() {
    let stage = Stage::new(&["--shutdown-delay", "0.3"]);
    let address = stage.address.parse().unwrap();
    let pem = std::fs::read_to_string(stage.ca()).unwrap();
    let mut client = Client::connect(address, &pem, Protocol::Http2).await.unwrap();
    stage.process.signal(Signal::SIGTERM).unwrap();
    eventually_async("unready while it still serves", SOON, async || {
        client.get("/readyz").await.map(|reply| reply.status == 500).unwrap_or(false)
    })
    .await;
    // Not by a blocking wait: the client has to answer the server's GOAWAY.
    let exit = eventually_async("its end", SOON, async || stage.process.exit()).await;
    assert_eq!(exit, Exit::Code(0));
}

#[test]
fn wrong_usage_is_told_with_the_right_one() {
    for (arguments, problem) in [
        (&[][..], "--listen is missing"),
        (&["--listen"][..], "--listen: a value is missing"),
        (&["--listen", "here"][..], "--listen here: not understood"),
        (&["--shutdown-delay", "-1"][..], "--shutdown-delay -1: not understood"),
        (&["--colour", "red"][..], "--colour: no such flag"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb-lab-apiserver"));
        command.args(arguments);
        let process = Process::spawn(command).unwrap();
        assert_eq!(process.wait(SOON).unwrap(), Exit::Code(2), "{arguments:?}");
        process.wait_for_line(problem, SOON).unwrap();
        process.wait_for_line("usage: halb-lab-apiserver", SOON).unwrap();
    }
}

#[test]
#[ignore = "needs curl"]
fn curl_checks_the_certificate_and_speaks_both_protocols() {
    let stage = Stage::new(&[]);
    let url = format!("https://{}/readyz", stage.address);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let told = stage.curl(&[flag, "-i", "-w", "\nspoke %{http_version}", &url]);
        assert!(told.contains("ok\n") && told.ends_with(&format!("spoke {version}")), "{told}");
        assert!(told.to_lowercase().contains("x-served-by: kmaster1"), "{told}");
    }
}

#[test]
#[ignore = "needs curl"]
fn a_process_that_is_frozen_takes_connections_and_answers_after_it_is_thawed() {
    let stage = Stage::new(&[]);
    let url = format!("https://{}/livez", stage.address);
    stage.process.signal(Signal::SIGSTOP).unwrap();
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "10", "--cacert", &stage.ca(), "-v", &url]);
    let client = Process::spawn(command).unwrap();
    client.wait_for_line("Connected to", SOON).unwrap();
    assert_eq!(client.exit(), None);
    stage.process.signal(Signal::SIGCONT).unwrap();
    assert_eq!(client.wait(SOON).unwrap(), Exit::Code(0));
}

#[test]
#[ignore = "needs kubectl"]
fn kubectl_finds_its_way_about() {
    let stage = Stage::new(&[]);
    assert_eq!(stage.kubectl(&["get", "--raw", "/readyz"]), "ok");
    assert!(stage.kubectl(&["version"]).contains("Server Version: v1."));
    assert!(stage.kubectl(&["get", "nodes"]).contains("kmaster1"));
    assert!(stage.kubectl(&["get", "ns"]).contains("kube-system"));
    assert!(stage.kubectl(&["get", "cm", "heartbeat", "-o", "yaml"]).contains("beat:"));
    assert!(stage.kubectl(&["api-resources"]).contains("configmaps"));
    assert_eq!(stage.kubectl(&["get", "pods", "-A", "-o", "name"]), "");
}

#[test]
#[ignore = "needs kubectl"]
fn kubectl_watches() {
    let stage = Stage::new(&[]);
    let server = format!("https://{}", stage.address);
    let mut command = Command::new("kubectl");
    command
        .args(["--server", &server, "--certificate-authority", &stage.ca(), "--token", "none"])
        .args(["get", "cm", "--watch", "-o", "jsonpath={.data.beat}{\"\\n\"}"])
        .env("HOME", stage.pki.path());
    let watcher = Process::spawn(command).unwrap();
    eventually("three beats", SOON, || {
        let beats = watcher.line_count();
        if beats >= 3 { Ok(()) } else { Err(watcher.output()) }
    });
}

#[test]
fn three_processes_that_start_together_share_one_authority() {
    let (home, pki) = (Loopback::claim().unwrap(), tempfile::tempdir().unwrap());
    let start = |_| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_halb-lab-apiserver"));
        command.args(["--listen", &home.port(0).to_string()]).arg("--ca-dir").arg(pki.path());
        Process::spawn(command).unwrap()
    };
    let servers: Vec<_> = (0..3).map(start).collect();
    for server in &servers {
        server.wait_for_line("listening on ", SOON).unwrap();
    }
    let files = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!(files(pki.path()), 2);
}
