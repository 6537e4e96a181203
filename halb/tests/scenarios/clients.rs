//! Clients that nobody wrote for halb: curl, openssl, kubectl.

use std::io::Write;
use std::process::{Command, Stdio};

use halb_lab::subject::Here;
use halb_lab::{Loopback, Process};

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::masters::{Masters, PORT, on_loopback};

/// Three API servers on loopback with halb before them.
struct Stage {
    halb: Daemon,
    masters: Masters<'static>,
    balancer: Loopback,
    _claims: Vec<Loopback>,
}

impl Stage {
    fn new() -> Self {
        let (masters, balancer, claims) = on_loopback(3);
        let halb = Daemon::start(&Here, &configuration(&balancer, &masters, ""));
        Self { halb, masters, balancer, _claims: claims }
    }

    fn url(&self) -> String {
        format!("https://{}", self.balancer.port(PORT))
    }

    /// What a program says that ends well.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        // kubectl keeps what it learns in a directory of its own.
        command.args(arguments).env("HOME", self.halb.files().path(""));
        command
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let (url, ca) = (self.url(), self.masters.ca_file());
        let mut common = vec!["--server", &url, "--token", "none"];
        common.extend(["--certificate-authority", ca.to_str().unwrap()]);
        self.command("kubectl", &[&common, arguments].concat())
    }

    fn kubectl_says(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments).output().unwrap();
        assert!(output.status.success(), "kubectl {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn configuration(balancer: &Loopback, masters: &Masters<'_>, backend: &str) -> String {
    format!(
        "[frontend.kubernetes]\nbind = [\"{}\"]\nbackend = \"masters\"\n\
         [backend.masters]\n{backend}\n\
         check = {{ type = \"https\", path = \"/readyz\", ca_file = \"{}\" }}\n\
         [backend.masters.server]\n{}\
         [admin]\nhttp = \"{}\"\n",
        balancer.port(PORT),
        masters.ca_file().display(),
        masters.lines(),
        balancer.port(8404),
    )
}

#[test]
#[ignore = "needs curl"]
fn curl_speaks_http1_and_http2_through_halb_and_meets_each_server_in_turn() {
    let stage = Stage::new();
    let (ca, url) = (stage.masters.ca_file(), format!("{}/readyz", stage.url()));
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let mut servers: Vec<_> = (0..3)
            .map(|_| {
                let common = ["-sSi", "--max-time", "20", "--cacert", ca.to_str().unwrap(), flag];
                let told =
                    stage.run("curl", &[&common[..], &["-w", "\n%{http_version}", &url]].concat());
                assert!(told.contains("ok\n") && told.ends_with(&format!("\n{version}")), "{told}");
                let told = told.to_lowercase();
                let served_by = told.lines().find_map(|line| line.strip_prefix("x-served-by: "));
                served_by.unwrap().trim().to_owned()
            })
            .collect();
        servers.sort();
        assert_eq!(servers, stage.masters.names());
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_verifies_the_servers_own_certificate_and_is_answered_after_its_last_word() {
    let stage = Stage::new();
    let (ca, address) = (stage.masters.ca_file(), stage.balancer.port(PORT).to_string());
    let common = ["s_client", "-connect", &address, "-CAfile", ca.to_str().unwrap()];
    let more = ["-verify_return_error", "-verify_ip", &stage.balancer.ip().to_string()];
    let told = stage.run("openssl", &[&common[..], &more, &["-alpn", "h2"]].concat());
    assert!(told.contains("Verify return code: 0 (ok)"), "{told}");
    assert!(told.contains("ALPN protocol: h2"), "{told}");

    let mut command = stage.command("openssl", &[&common[..], &more, &["-quiet"]].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n";
    client.stdin.take().unwrap().write_all(request).unwrap();
    let answer = String::from_utf8(client.wait_with_output().unwrap().stdout).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok"), "{answer}");
}

#[test]
#[ignore = "needs kubectl"]
fn kubectl_works_through_halb() {
    let stage = Stage::new();
    assert_eq!(stage.kubectl_says(&["get", "--raw", "/readyz"]), "ok");
    assert!(stage.kubectl_says(&["version"]).contains("Server Version: v1."));
    let nodes = stage.kubectl_says(&["get", "nodes"]);
    assert!(nodes.starts_with("NAME") && nodes.contains("\nkmaster"), "{nodes}");
}

#[test]
#[ignore = "needs kubectl"]
fn a_watch_by_kubectl_lives_through_reloads() {
    let stage = Stage::new();
    let path = "/api/v1/namespaces/default/configmaps?watch=true";
    let watch = Process::spawn(stage.kubectl(&["get", "--raw", path])).unwrap();
    watch.wait_for_line("ADDED", PATIENCE).unwrap();
    let changes = ["balance = \"leastconn\"", "connect_timeout = \"1s\"", "retries = 1"];
    for change in changes {
        let text = configuration(&stage.balancer, &stage.masters, change);
        stage.halb.files().write(&text);
        let said = stage.halb.done(&["reload"]);
        assert!(!said.contains("nothing has changed"), "{said}");
        let mark = watch.line_count();
        watch.wait_for_line_after(mark, "MODIFIED", PATIENCE).unwrap();
    }
    assert_eq!(watch.exit(), None);
    let sessions: serde_json::Value =
        serde_json::from_str(&stage.halb.done(&["sessions", "list", "--json"])).unwrap();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
    assert!(sessions[0]["bytes_out"].as_u64().unwrap() > 0);
}
