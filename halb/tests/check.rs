//! `halb check`: the examples are good, and what is said of good and bad files.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::fs;
use std::path::{Path, PathBuf};

use halb::config::command::{EXIT_BAD_CONFIG, EXIT_GOOD, check, check_all};
use halb::config::load;
use halb_config::render::Style;
use tempfile::TempDir;

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

/// Examples that can't do without a remark.
const LINTED: [(&str, &[&str]); 4] = [
    // Passwords are none, which a node beside keepalived has to live with.
    ("loadbalancer01", &["this password is no protection", NO_KEY]),
    ("loadbalancer02", &["this password is no protection", NO_KEY]),
    ("fast-failover01", &[NO_KEY]),
    ("fast-failover02", &[NO_KEY]),
];

/// The key of two balancers is made on the host.
const NO_KEY: &str =
    "can't read the key /etc/halb/peer.key: No such file or directory (os error 2)";

#[test]
fn examples_are_good_as_they_stand_and_without_avoidable_lints() {
    assert!(!examples().is_empty());
    for path in examples() {
        let loaded = load(&path).unwrap_or_else(|report| panic!("{report}"));
        let lints: Vec<_> = loaded.lints.iter().map(|lint| lint.what.as_str()).collect();
        let linted = LINTED.iter().find(|(name, _)| *name == stem(&path));
        let expected = linted.map_or(&[][..], |(_, lints)| lints);
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

/// Files of nodes, each with this in its one virtual IP.
fn nodes_with(lines: &[&str]) -> (TempDir, Vec<PathBuf>) {
    let folder = TempDir::new().unwrap();
    let file = |(number, lines): (usize, &&str)| {
        let path = folder.path().join(format!("{number}.toml"));
        let text = format!(
            "[frontend.web]\nbind = [\"127.0.0.1:6443\"]\nbackend = \"pool\"\n[backend.pool]\n\
             check = false\nserver = {{ one = \"127.0.0.1:7001\" }}\n[vrrp.VI_1]\ninterface = \"eth1\"\n\
             track = [{{ frontend = \"web\", weight = -30 }}]\n{lines}\n"
        );
        fs::write(&path, text).unwrap();
        path
    };
    let paths = lines.iter().enumerate().map(file).collect();
    (folder, paths)
}

/// What is said of all together.
fn said_of(lines: &[&str], json: bool) -> String {
    let (folder, paths) = nodes_with(lines);
    let mut out = Vec::new();
    assert_eq!(check_all(&paths, json, Style::Plain, &mut out).unwrap(), EXIT_GOOD);
    let said = String::from_utf8(out).unwrap();
    said.replace(&format!("{}/", folder.path().display()), "")
}

const USUAL: &str = "router_id = 1\naddresses = [\"172.16.16.100\"]\n";

#[test]
fn the_files_of_both_nodes_show_that_they_have_one_priority() {
    let lines = [100, 100].map(|priority| format!("{USUAL}priority = {priority}"));
    let said = said_of(&lines.each_ref().map(String::as_str), false);
    let expected = "
0.toml and 1.toml: lint: VI_1 has priority 100 in both
  -> the greater address decides; give each node another 'priority', tens apart
";
    assert!(said.ends_with(expected), "{said}");
    let said = said_of(&lines.each_ref().map(String::as_str), true);
    let objects = serde_json::Deserializer::from_str(&said).into_iter::<serde_json::Value>();
    let objects: Vec<_> = objects.map(Result::unwrap).collect();
    assert_eq!(objects.len(), 3);
    assert_eq!(objects[2]["together"][0]["what"], "VI_1 has priority 100 in both");
}

#[test]
fn nodes_that_fit_together_or_have_nothing_to_do_with_each_other_are_no_news() {
    let apart = [
        format!("{USUAL}priority = 120"),
        format!("{USUAL}priority = 100"),
        "router_id = 1\naddresses = [\"172.16.16.200\"]\npriority = 100".to_owned(),
    ];
    let said = said_of(&apart.each_ref().map(String::as_str), false);
    assert!(!said.contains("lint:"), "{said}");
    let with = |rest: &str| format!("{USUAL}version = 2\n{rest}");
    let rolled = [
        with("priority = 120\nauth_pass = \"old\"\nauth_pass_also = \"new\""),
        with("priority = 100\nauth_pass = \"new\"\nauth_pass_also = \"old\""),
    ];
    let said = said_of(&rolled.each_ref().map(String::as_str), false);
    assert!(!said.contains(" and 1.toml: lint:"), "{said}");
}

#[test]
fn nodes_that_will_not_hear_each_other_are_named_with_what_differs() {
    let vip = "addresses = [\"172.16.16.100\"]\n";
    let two = "172.16.16.100\", \"172.16.16.101";
    for (one, other, what) in [
        (format!("router_id = 2\n{vip}"), USUAL.to_owned(), "router_id 2 in the one and 1"),
        (format!("{USUAL}version = 2"), USUAL.to_owned(), "another version in each"),
        (
            format!("{USUAL}version = 2\nadvert_interval = \"2s\""),
            format!("{USUAL}version = 2"),
            "every 2 s in the one and every 1 s in the other",
        ),
        (
            format!("{USUAL}version = 2\nauth_pass = \"a\""),
            format!("{USUAL}version = 2\nauth_pass = \"b\""),
            "a password that the other node doesn't take",
        ),
        (
            format!("{USUAL}unicast_peers = [\"172.16.16.52\"]"),
            USUAL.to_owned(),
            "unicast_peers in one only",
        ),
        (USUAL.replace("172.16.16.100", two), USUAL.to_owned(), "other addresses in each"),
    ] {
        let lines = [format!("priority = 120\n{one}"), format!("priority = 100\n{other}")];
        let said = said_of(&lines.each_ref().map(String::as_str), false);
        let lints: Vec<_> =
            said.lines().filter(|line| line.contains("and 1.toml: lint:")).collect();
        assert!(lints.len() == 1 && lints[0].contains(what), "{what}: {said}");
    }
}
