//! `halb import` as its users meet it: where report and result go, and exit codes.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

fn halb(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_halb")).args(arguments).output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("halb speaks UTF-8")
}

/// A file of the corpus of HAProxy's.
fn of_corpus(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../import/tests/haproxy");
    folder.join(name).display().to_string()
}

#[test]
fn what_the_seed_configures_is_kept_and_the_result_passes_the_check() {
    let output = halb(&["import", "--haproxy", &of_corpus("seed-almalinux.cfg")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = text(&output.stderr);
    assert!(report.contains("seed-almalinux.cfg:14: server kmaster1"), "{report}");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("halb.toml");
    fs::write(&path, &output.stdout).unwrap();
    let check = halb(&["check", path.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stdout));
}

#[test]
fn with_a_file_for_the_result_the_report_is_what_is_printed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("halb.toml");
    let source = of_corpus("kubeadm.cfg");
    let arguments = ["import", "--haproxy", &source, "-o", path.to_str().unwrap()];
    let first = halb(&arguments);
    assert_eq!(first.status.code(), Some(0));
    assert!(text(&first.stdout).contains("directives: "));
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.contains("[frontend.apiserver]"));
    fs::write(&path, "# edited since\n").unwrap();
    let second = halb(&arguments);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("move it away"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "# edited since\n");
}

#[test]
fn what_cannot_be_kept_ends_with_1_and_strictly_with_no_result() {
    let source = of_corpus("tls-and-more.cfg");
    let output = halb(&["import", "--haproxy", &source]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("# Not kept, tls-and-more.cfg line"));
    let strict = halb(&["import", "--strict", "--haproxy", &source]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(!text(&strict.stdout).contains("[frontend"), "{}", text(&strict.stdout));
}

#[test]
fn a_file_that_is_no_configuration_of_haproxys_ends_with_3_and_its_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keepalived.conf");
    fs::write(&path, "# comment\nvrrp_instance VI_1 {\n}\n").unwrap();
    let path = path.to_str().unwrap();
    let output = halb(&["import", "--haproxy", path]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("keepalived.conf:2: "), "{}", text(&output.stdout));
    let missing = halb(&["import", "--haproxy", "/nowhere/haproxy.cfg"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(text(&missing.stderr).contains("/nowhere/haproxy.cfg"));
}

#[test]
fn programs_get_the_report_and_the_result_as_json() {
    let output = halb(&["import", "--json", "--haproxy", &of_corpus("redhat.cfg")]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["kept"], false);
    assert!(answer["result"].as_str().unwrap().contains("[backend.app]"));
    let findings = answer["findings"].as_array().unwrap();
    let classes = ["translated", "default_anyway", "without_meaning", "not_supported"];
    for finding in findings {
        assert!(classes.contains(&finding["class"].as_str().unwrap()), "{finding}");
        assert!(finding["line"].as_u64().unwrap() > 0, "{finding}");
    }
}
