//! `halb bench` as its users meet it: each way of running it, once and briefly. What it finds says
//! nothing here: the build is a debug build, on a machine that is busy with other tests.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const HALB: &str = env!("CARGO_BIN_EXE_halb");

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(HALB);
    command.arg("bench").args(arguments);
    command.output().expect("the binary starts")
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn row<'a>(report: &'a Value, metric: &str) -> &'a Value {
    let rows = report["rows"].as_array().expect("rows");
    rows.iter().find(|row| row["metric"] == metric).unwrap_or_else(|| panic!("no {metric}"))
}

/// User and group `nobody` of Debian.
const NOBODY: u32 = 65534;

/// Short runs; what is measured in them is nothing.
const BRIEF: [&str; 10] =
    ["--rounds", "1", "--seconds", "0.3", "--idle", "50", "--clients", "20", "--rate", "200"];

#[test]
fn halb_and_no_balancer_are_measured_where_nothing_else_is_asked_for() {
    let report = json(&bench(&[&BRIEF[..], &["--json"]].concat()));
    assert_eq!(report["names"], serde_json::json!(["halb", "direct"]));
    for metric in ["cpu_per_request", "cpu_per_connection", "download_cpu", "memory_at_rest"] {
        let halb = row(&report, metric)["cells"][0]["summary"]["median"].as_f64();
        assert!(halb.is_some_and(|value| value > 0.0), "{metric}: {report:#}");
        // Without a process there is nothing to look at.
        assert!(row(&report, metric)["cells"][1]["summary"].is_null(), "{metric}");
    }
    for metric in ["request_rate", "offered_p99", "exec_p99", "list_p99", "upload_speed"] {
        for cell in [0, 1] {
            let value = row(&report, metric)["cells"][cell]["summary"]["median"].as_f64();
            assert!(value.is_some_and(|value| value > 0.0), "{metric} of {cell}: {report:#}");
        }
    }
    // Whether the machine stood still meanwhile is the machine's own business.
    let notes = report["notes"].as_array().expect("notes");
    let is_other = |note: &&Value| !note.as_str().is_some_and(|text| text.contains("the machine"));
    assert_eq!(notes.iter().find(is_other), None, "nothing failed");
}

#[test]
fn beside_a_relay_halb_shows_what_it_adds_to_passing_bytes_on() {
    let loads =
        ["--compare", "relay", "--scenario", "idle,requests,connections,download", "--json"];
    let report = json(&bench(&[&BRIEF[..], &loads].concat()));
    assert_eq!(report["names"], serde_json::json!(["halb", "relay"]));
    for metric in ["cpu_per_request", "cpu_per_connection", "download_cpu", "memory_at_rest"] {
        let ratio = row(&report, metric)["cells"][1]["ratio"]["median"].as_f64();
        assert!(ratio.is_some_and(|ratio| ratio > 0.0), "{metric}: {report:#}");
    }
}

#[test]
#[ignore = "needs haproxy and nginx"]
fn peers_stand_in_the_table_beside_halb_and_the_page_has_them_too() {
    let directory = TempDir::new().expect("a directory");
    let page = directory.path().join("report.html");
    let page_name = page.display().to_string();
    let loads = ["--scenario", "idle,requests,download", "--report", &page_name];
    let output = bench(&[&BRIEF[..], &loads, &["--compare", "haproxy,nginx,direct"]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for words in
        ["50 idle connections", "\n  haproxy", "\n  nginx", "\n  direct", "halb to HAProxy"]
    {
        assert!(said.contains(words), "no {words:?}:\n{said}");
    }
    let page = fs::read_to_string(page).expect("the page");
    assert!(page.contains("<svg") && page.contains("haproxy 2"), "{page}");
}

#[test]
#[ignore = "needs root"]
fn in_the_lab_client_balancer_and_server_are_hosts_of_their_own_for_an_ordinary_user_too() {
    // The binary where everybody may read it.
    let directory = TempDir::new().expect("a directory");
    let copy = directory.path().join("halb");
    fs::copy(HALB, &copy).expect("a copy");
    let for_all = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), for_all).expect("a directory of ours");
    let mut command = Command::new(copy);
    command.args(["bench", "--lab", "--scenario", "requests,upload", "--json"]).args(BRIEF);
    command.current_dir("/").uid(NOBODY).gid(NOBODY);
    let report = json(&command.output().expect("the binary starts"));
    assert_eq!(report["place"], "network namespaces on a bridge");
    assert!(row(&report, "request_rate")["cells"][0]["summary"]["median"].is_f64());
}

#[test]
#[ignore = "needs root"]
fn the_kernel_and_a_mere_router_are_compared_between_hosts() {
    let compare =
        ["--lab", "--compare", "kernel,router,direct", "--scenario", "requests", "--json"];
    let report = json(&bench(&[&BRIEF[..], &compare].concat()));
    assert_eq!(report["names"], serde_json::json!(["kernel", "router", "direct"]));
    // Whether the machine stood still meanwhile is the machine's own business.
    let notes = report["notes"].as_array().expect("notes");
    let is_other = |note: &&Value| !note.as_str().is_some_and(|text| text.contains("the machine"));
    assert_eq!(notes.iter().find(is_other), None, "nothing failed");
    for cell in row(&report, "request_rate")["cells"].as_array().expect("cells") {
        assert!(cell["summary"]["median"].as_f64().is_some_and(|rate| rate > 100.0), "{cell}");
    }
}

#[test]
fn who_passes_on_between_hosts_is_not_compared_on_loopback() {
    for name in ["kernel", "router"] {
        let output = bench(&["--compare", name]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("'{name}' forwards between hosts")), "{said}");
    }
}

/// A backend of ours, gone with the test.
struct Backend {
    process: Child,
    address: String,
}

impl Backend {
    fn start() -> Self {
        let mut command = Command::new(HALB);
        command.args(["bench", "--serve", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.split([' ', ',']).find(|word| word.contains("127.0.0.1:"));
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        Self { process, address }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_target_with_our_backend_behind_it_is_loaded() {
    let backend = Backend::start();
    let target = ["--target", &backend.address, "--scenario", "requests,kubernetes", "--json"];
    let report = json(&bench(&[&BRIEF[..], &target].concat()));
    assert_eq!(report["names"], serde_json::json!(["target"]));
    assert!(row(&report, "request_rate")["cells"][0]["summary"]["median"].is_f64());
}

#[test]
fn an_address_of_the_wide_world_is_not_loaded_unasked() {
    let output = bench(&["--target", "203.0.113.7:443"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--i-own-this-target"), "{said}");
}
