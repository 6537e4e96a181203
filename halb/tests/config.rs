//! Configuration files as operators write them: the examples are good, and each file of the corpus
//! yields exactly the diagnostics of its snapshot.
//!
//! After a change of wording: `INSTA_UPDATE=always cargo test -p halb --test config`, and read the
//! difference.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use halb::config::command::{EXIT_BAD_CONFIG, EXIT_GOOD, check};
use halb::config::render::Style;
use halb::config::{load, parse};

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn compare(dir: &str, told: impl Fn(&str, &str) -> String) {
    let dir = tests_dir().join(dir);
    let inputs = files(&dir, "toml");
    for path in &inputs {
        let name = path.file_name().unwrap().to_str().unwrap();
        let told = told(&fs::read_to_string(path).unwrap(), name);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&dir);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(stem(path), told));
    }
    let names = |paths: &[PathBuf]| paths.iter().map(|path| stem(path)).collect::<BTreeSet<_>>();
    assert_eq!(names(&inputs), names(&files(&dir, "snap")), "each file has one snapshot");
}

#[test]
fn broken_files_yield_exactly_their_diagnostics() {
    assert!(files(&tests_dir().join("broken"), "toml").len() >= 30);
    compare("broken", |text, name| {
        let report = parse(text, name).map(|loaded| loaded.settings).expect_err(name);
        report.text(Style::Plain)
    });
}

#[test]
fn unwise_files_are_taken_with_exactly_their_lints() {
    compare("linted", |text, name| {
        let loaded = parse(text, name).unwrap_or_else(|report| panic!("{report}"));
        assert!(!loaded.lints.is_empty(), "{name}");
        loaded.lints_text(Style::Plain)
    });
}

fn examples() -> Vec<PathBuf> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples"), "toml")
}

/// A password is never protection, which a node beside keepalived has to live with.
const LINTED: [&str; 2] = ["loadbalancer01", "loadbalancer02"];

#[test]
fn examples_are_good_and_without_avoidable_lints() {
    assert!(!examples().is_empty());
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("peer.key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for path in examples() {
        // The one file that a host has to make before an example works there.
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("/etc/halb/peer.key", key.to_str().unwrap());
        let copy = dir.path().join(path.file_name().unwrap());
        fs::write(&copy, text).unwrap();
        let loaded = load(&copy).unwrap_or_else(|report| panic!("{report}"));
        let lints: Vec<_> = loaded.lints.iter().map(|lint| lint.what.as_str()).collect();
        let expected: &[&str] = match LINTED.contains(&stem(&path).as_str()) {
            true => &["this password is no protection"],
            false => &[],
        };
        assert_eq!(lints, expected, "{}", loaded.lints_text(Style::Plain));
    }
}

fn checked(path: &Path, json: bool) -> (u8, String) {
    let mut out = Vec::new();
    let code = check(path, json, Style::Plain, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn check_says_in_words_what_a_good_file_will_do() {
    let path = examples().into_iter().find(|path| stem(path) == "kubernetes-ha").unwrap();
    let (code, said) = checked(&path, false);
    assert_eq!(code, EXIT_GOOD);
    let said = said.replace(path.to_str().unwrap(), "kubernetes-ha.toml");
    let expected = "\
kubernetes-ha.toml: ok

frontend kubernetes
  listens on *:6443 (all IPv4 addresses), [::]:6443 (all IPv6 addresses)
  serves only 172.16.16.0/24, 10.244.0.0/16, fd00:16::/64
  refuses 172.16.16.66/32
  sends connections to masters
backend masters: 3 servers, the one with fewest connections
  kmaster1  172.16.16.101:6443
  kmaster2  172.16.16.102:6443
  kmaster3  172.16.16.103:6443
  checked every 2s: https GET /readyz answers 200 (any certificate) within 1s
  down after 2 failures, up after 3 successes
  a server that dies or hangs is out after at most 4s; its sessions are reset within 5s
admin: http://127.0.0.1:8404, socket /run/halb/admin.sock
";
    assert_eq!(said, expected);
}

#[test]
fn check_says_what_virtual_ips_will_do() {
    let text = fs::read_to_string(tests_dir().join("said/virtual_ips.toml")).unwrap();
    let loaded = parse(&text, "virtual_ips.toml").unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.lints.is_empty(), "{}", loaded.lints_text(Style::Plain));
    let said = halb::config::summary::text(&loaded.settings);
    let (_, said) = said.split_once("virtual IP").unwrap();
    let expected = "\x20inside: router 51 on eth1
  holds 172.16.16.100/32, 172.16.16.101/32 on eth2 while active
  adverts of version 3 every 100ms, to 172.16.16.52, 172.16.16.53 alone
  priority 150: takes over after 341ms of silence, from a lower one after 30s
  60 less while frontend 'kubernetes' is down
  60 more while backend 'masters' is up
  fails while interface 'eth0' is up: serves only if nobody else does
  adds -2 times the number in /run/halb/weight
  fails while script '/usr/local/bin/check -x' is down: serves only if nobody else does
  moves together with outside
  runs /usr/local/bin/vip-moved inside after each change
virtual IP outside: router 51 on eth3
  holds fd00:16::100/128 while active
  adverts of version 3 every 1s, to all on the segment
  priority 150: takes over after 3s414ms of silence, from a lower one at once
  60 less while frontend 'kubernetes' is down
  moves together with inside
group both: runs /usr/local/bin/group-moved after each change
virtual IP thread: real-time priority 50, guarded if it freezes for 300ms
peer: 172.16.16.52:7112, heard on 172.16.16.51:7112, key /etc/halb/peer.key
admin: http://127.0.0.1:8404, socket /run/halb/admin.sock
";
    assert_eq!(said, expected);
}

#[test]
fn check_counts_what_is_wrong_and_answers_in_json_too() {
    let path = tests_dir().join("broken/peer_missing.toml");
    let (code, said) = checked(&path, false);
    assert_eq!(code, EXIT_BAD_CONFIG);
    assert!(said.ends_with("peer_missing.toml: 2 errors\n"), "{said}");

    let (code, said) = checked(&path, true);
    assert_eq!(code, EXIT_BAD_CONFIG);
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["ok"], false);
    assert_eq!((&answer["errors"], &answer["lints"]), (&2.into(), &0.into()));
    assert_eq!(answer["diagnostics"][0]["line"], 9);
    assert_eq!(answer["diagnostics"][0]["severity"], "error");

    let lints = tests_dir().join("linted/routes.toml");
    let (code, said) = checked(&lints, true);
    assert_eq!(code, EXIT_GOOD);
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&answer["ok"], &answer["lints"]), (&true.into(), &3.into()));
    assert!(answer["summary"].as_str().unwrap().contains("frontend a"));
    let (_, said) = checked(&lints, false);
    assert!(said.contains("routes.toml: ok, 3 lints\n"), "{said}");
}

#[test]
fn check_of_a_file_that_is_not_there_is_a_bad_configuration() {
    let (code, said) = checked(Path::new("/nonexistent/halb.toml"), false);
    assert_eq!(code, EXIT_BAD_CONFIG);
    assert!(said.starts_with("/nonexistent/halb.toml: error: the file can't be read"), "{said}");
}
