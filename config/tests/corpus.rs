//! Configuration files as operators write them: each yields exactly the diagnostics of its snapshot.
//!
//! After a change of wording: `INSTA_UPDATE=always cargo test -p halb-config --test corpus`, and read the
//! difference.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a panic is the failure")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use halb_config::parse;
use halb_config::render::Style;

fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
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

#[test]
fn check_says_what_virtual_ips_will_do() {
    let text = fs::read_to_string(tests_dir().join("said/virtual_ips.toml")).unwrap();
    let loaded = parse(&text, "virtual_ips.toml").unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.lints.is_empty(), "{}", loaded.lints_text(Style::Plain));
    let said = halb_config::summary::text(&loaded.settings);
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
