//! `halb check`: the examples are good, and what is said of good and bad files.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use halb::config::command::{EXIT_BAD_CONFIG, EXIT_GOOD, check};
use halb::config::load;
use halb_config::render::Style;

/// The corpus of the configuration's own tests.
fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tests/corpus")
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect()
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
fn check_counts_what_is_wrong_and_answers_in_json_too() {
    let path = corpus().join("broken/peer_missing.toml");
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

    let lints = corpus().join("linted/routes.toml");
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
