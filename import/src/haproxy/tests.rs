//! Configurations as found in the wild: what becomes of each line, and that the result is good.
//!
//! After a change of wording: `INSTA_UPDATE=always cargo test -p halb-import`, and read the
//! difference.

mod meaning;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::finding::Class;
use crate::keepalived::Options;
use crate::source::Nothing;
use crate::{Outcome, Request, report};
use halb_config as config;

/// Files of which everything that anybody would notice is kept.
const KEPT: [&str; 7] = [
    "debian.cfg",
    "kind.cfg",
    "kubeadm-old.cfg",
    "kubeadm.cfg",
    "seed-almalinux.cfg",
    "seed-ubuntu.cfg",
    "words.cfg",
];

fn corpus() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/haproxy");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_source = |path: &PathBuf| path.extension().is_some_and(|e| e == "cfg");
    let mut files: Vec<_> = paths
        .filter(is_source)
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() >= 10);
    files
}

fn outcome(name: &str, text: &str) -> Outcome {
    outcome_of(vec![SourceFile::new(name, text)], &Nothing)
}

fn outcome_of(haproxy: Vec<SourceFile>, surroundings: &dyn Surroundings) -> Outcome {
    let (keepalived, keepalived_options) = (Vec::new(), Options::default());
    crate::import(&Request { haproxy, keepalived, keepalived_options, surroundings })
}

#[test]
fn configurations_as_found_in_the_wild_end_as_their_snapshots_say() {
    for (name, text) in corpus() {
        let outcome = outcome(&name, &text);
        let told = format!(
            "{}\n{}\n{}",
            outcome.document.render(),
            "-".repeat(80),
            report::text(&outcome)
        );
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/haproxy"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name.replace(".cfg", ""), told));
    }
}

#[test]
fn each_result_is_a_configuration_that_halb_takes() {
    for (name, text) in corpus() {
        let result = outcome(&name, &text).document.render();
        if let Err(report) = config::parse(&result, "halb.toml") {
            panic!("{name}:\n{result}\n{report}");
        }
    }
}

#[test]
fn what_can_be_kept_is_kept() {
    let whole =
        |(name, text): (String, String)| (outcome(&name, &text).losses() == 0).then_some(name);
    let kept: Vec<_> = corpus().into_iter().filter_map(whole).collect();
    assert_eq!(kept, KEPT);
}

/// Every word of a file is part of exactly one finding.
fn assert_settled(name: &str, text: &str, outcome: &Outcome) {
    let findings = &outcome.languages[0].findings;
    let mut covered: BTreeSet<(usize, usize)> = BTreeSet::new();
    for finding in findings {
        for column in finding.place.columns.clone() {
            let new = covered.insert((finding.place.line, column));
            assert!(new, "{name}:{}: told twice: {finding:?}\n{text}", finding.place.line);
        }
    }
    let variables = Variables::new(&Nothing);
    for (index, line) in text.lines().enumerate() {
        // Lines whose condition fails are settled without being read.
        let Ok(words) = words::split(line, 0, index + 1, &variables) else { continue };
        for word in words {
            let told = covered.contains(&(index + 1, word.place.columns.start));
            assert!(told, "{name}:{}: nothing is told of '{}'\n{text}", index + 1, word.text);
        }
    }
}

#[test]
fn each_word_ends_in_exactly_one_finding() {
    for (name, text) in corpus() {
        assert_settled(&name, &text, &outcome(&name, &text));
    }
}

#[test]
fn no_secret_of_a_source_is_told() {
    for (name, text) in corpus() {
        let outcome = outcome(&name, &text);
        let told = outcome.document.render() + &report::text(&outcome);
        for secret in ["Username:Password", "$6$secret"] {
            assert!(!told.contains(secret), "{name}: {secret}");
        }
    }
}

/// Lines out of the corpus, in any order, with words changed: HAProxy's own vocabulary.
fn shuffled() -> impl Strategy<Value = String> {
    let lines: Vec<String> = corpus()
        .into_iter()
        .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let word = prop_oneof![
        Just(String::new()),
        Just("no".to_owned()),
        Just("ssl".to_owned()),
        Just("check".to_owned()),
        Just("{".to_owned()),
        Just("[::]:1".to_owned()),
        "\\PC{0,6}",
    ];
    let line = (prop::sample::select(lines), any::<prop::sample::Index>(), word, 0..6_u8);
    let line = line.prop_map(|(line, at, word, change)| {
        let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        match change {
            0 => words.insert(at.index(words.len()), word),
            1 => words[at.index(line.split(' ').count())] = word,
            _ => {}
        }
        words.join(" ")
    });
    prop::collection::vec(line, 0..40).prop_map(|lines| format!("global\n{}\n", lines.join("\n")))
}

proptest! {
    #[test]
    fn whatever_a_file_says_each_word_is_settled_and_the_result_can_be_read(text in shuffled()) {
        let outcome = outcome("h.cfg", &text);
        if outcome.is_read() {
            assert_settled("h.cfg", &text, &outcome);
            let result = outcome.document.render();
            prop_assert!(toml::de::DeTable::parse(&result).is_ok(), "{}", result);
        }
    }
}

#[test]
fn the_classes_of_a_file_are_counted() {
    let (_, text) = corpus().into_iter().find(|(name, _)| name == "tls-and-more.cfg").unwrap();
    let outcome = outcome("h.cfg", &text);
    let lost = |class: &Class| class.changes_behaviour();
    let losses =
        outcome.languages[0].findings.iter().filter(|finding| lost(&finding.class)).count();
    assert_eq!(losses, outcome.losses());
    assert!(report::text(&outcome).contains(&format!("of which {losses} will be noticed")));
}
