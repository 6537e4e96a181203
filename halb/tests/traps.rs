//! `docs/traps-haproxy.md` lists what makes a home-made balancer a toy, and `docs/traps-vrrp.md`
//! how virtual IPs are lost. Each row names the tests that cover it or says why it doesn't apply;
//! here the tables are held against the tests.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use roxmltree::Document;

/// The tables, and how many rows each has; one that goes missing would otherwise go unnoticed.
const TABLES: [(&str, usize); 2] = [("traps-haproxy.md", 38), ("traps-vrrp.md", 54)];

/// What a row ends with that isn't done before it has a test with sockets, the kernel or other
/// processes in it.
const TO_COME: &str = "driver";

/// Rows of `traps-vrrp.md` that may still end so. It gets shorter only.
const STILL_TO_COME: &[usize] = &[];

/// What a row without a test begins with.
const NO_TEST: &str = "No test: ";

/// Fewer characters than this give no reason.
const REASON_LEN_MIN: usize = 40;

/// A row of a table: its number and the cell that says what covers it.
struct Row {
    table: &'static str,
    number: usize,
    covered_by: String,
}

impl Row {
    /// Names of tests, as `binary::module::name`.
    fn tests(&self) -> Vec<&str> {
        self.covered_by.split('`').skip(1).step_by(2).collect()
    }

    fn is_to_come(&self) -> bool {
        self.covered_by.ends_with(TO_COME)
    }
}

fn table(table: &'static str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(table);
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
            let number = cells[0].parse().ok()?;
            assert_eq!(cells.len(), 4, "row {number} of {table} has {} cells", cells.len());
            Some(Row { table, number, covered_by: cells[3].to_owned() })
        })
        .collect()
}

#[test]
fn every_trap_names_a_test_or_a_reason() {
    for (name, traps) in TABLES {
        let rows = table(name);
        let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, (1..=traps).collect::<Vec<_>>(), "{name}");
        for row in rows {
            let reason = row.covered_by.strip_prefix(NO_TEST).unwrap_or_default();
            let has_reason = reason.len() >= REASON_LEN_MIN;
            assert!(
                has_reason || !row.tests().is_empty() || row.is_to_come(),
                "trap {} of {name} names no test and no reason: {}",
                row.number,
                row.covered_by
            );
        }
    }
}

#[test]
fn no_row_waits_for_tests_but_those_that_are_known_to() {
    for (name, _) in TABLES {
        let waiting = table(name).into_iter().filter(Row::is_to_come).map(|row| row.number);
        let known = if name == "traps-vrrp.md" { STILL_TO_COME } else { &[] };
        let more: Vec<_> = waiting.filter(|number| !known.contains(number)).collect();
        assert!(more.is_empty(), "rows {more:?} of {name} wait for tests");
    }
}

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// At the second try only, with everything else running beside it.
    Retried,
    /// Or was left out.
    Failed,
}

/// Tests of a report by full name, and what became of them.
fn report(text: &str) -> BTreeMap<String, Outcome> {
    let report = Document::parse(text).unwrap();
    report
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .map(|case| {
            let binary = case.parent_element().and_then(|suite| suite.attribute("name")).unwrap();
            let name = format!("{binary}::{}", case.attribute("name").unwrap());
            let has_one_of =
                |tags: [&str; 3]| case.children().any(|c| tags.iter().any(|t| c.has_tag_name(*t)));
            let outcome = if has_one_of(["failure", "error", "skipped"]) {
                Outcome::Failed
            } else if has_one_of(["flakyFailure", "flakyError", "rerunFailure"]) {
                Outcome::Retried
            } else {
                Outcome::Passed
            };
            (name, outcome)
        })
        .collect()
}

/// Named tests that aren't in the report, those that failed, and those that passed at the second
/// try only and weren't tried again by themselves, or not with success.
fn shortcomings(
    rows: &[Row],
    report: &BTreeMap<String, Outcome>,
    alone: &BTreeMap<String, Outcome>,
) -> BTreeSet<String> {
    let trouble = |test: &str| match (report.get(test), alone.get(test)) {
        (None, _) => Some("didn't run"),
        (Some(Outcome::Failed), _) => Some("failed"),
        (Some(Outcome::Retried), Some(Outcome::Passed)) | (Some(Outcome::Passed), _) => None,
        (Some(Outcome::Retried), Some(Outcome::Failed | Outcome::Retried) | None) => {
            Some("passed at the second try only")
        }
    };
    rows.iter()
        .flat_map(|row| row.tests().into_iter().map(move |test| (row, test)))
        .filter_map(|(Row { table, number, .. }, test)| {
            Some(format!("{table}, trap {number}: {test} {}", trouble(test)?))
        })
        .collect()
}

#[test]
fn a_test_that_failed_or_never_ran_is_found() {
    let text = r#"<testsuites><testsuite name="halb-lb::pool">
        <testcase name="tests::good" classname="halb-lb::pool"/>
        <testcase name="tests::bad" classname="halb-lb::pool"><failure/></testcase>
        </testsuite></testsuites>"#;
    let covered_by = "`halb-lb::pool::tests::good`, `halb-lb::pool::tests::bad`, `halb::gone`";
    let rows = [Row { table: "a", number: 1, covered_by: covered_by.to_owned() }];
    let found = shortcomings(&rows, &report(text), &BTreeMap::new());
    let expected =
        ["a, trap 1: halb-lb::pool::tests::bad failed", "a, trap 1: halb::gone didn't run"];
    assert_eq!(found, expected.map(str::to_owned).into());
}

#[test]
fn a_test_that_passed_at_the_second_try_only_counts_if_it_passed_alone_at_the_first() {
    let retried = r#"<testsuites><testsuite name="halb">
        <testcase name="late" classname="halb"><flakyFailure/></testcase>
        </testsuite></testsuites>"#;
    let passed = retried.replace("<flakyFailure/>", "");
    let failed = retried.replace("flakyFailure", "failure");
    let rows = [Row { table: "a", number: 1, covered_by: "`halb::late`".to_owned() }];
    let found = |alone: &BTreeMap<_, _>| shortcomings(&rows, &report(retried), alone);
    let expected: BTreeSet<_> =
        ["a, trap 1: halb::late passed at the second try only".to_owned()].into();
    for alone in [BTreeMap::new(), report(&failed), report(retried)] {
        assert_eq!(found(&alone), expected);
    }
    assert_eq!(found(&report(&passed)), BTreeSet::new());
}

#[test]
#[ignore = "needs the report of a full run"]
fn named_tests_ran_and_passed() {
    let path = env::var_os("HALB_JUNIT").expect("HALB_JUNIT names the report of a full run");
    let report_of_run = report(&fs::read_to_string(path).unwrap());
    // There is none where nothing was tried again.
    let alone = env::var_os("HALB_JUNIT_ALONE").and_then(|path| fs::read_to_string(path).ok());
    let alone = alone.map(|text| report(&text)).unwrap_or_default();
    let rows: Vec<_> = TABLES.into_iter().flat_map(|(name, _)| table(name)).collect();
    let shortcomings = shortcomings(&rows, &report_of_run, &alone);
    let count = report_of_run.len();
    assert!(shortcomings.is_empty(), "of {count} tests in the report:\n{shortcomings:#?}");
}
