//! `docs/traps-haproxy.md` lists what makes a home-made balancer a toy. Each row names the tests
//! that cover it or says why it doesn't apply; here the table is held against the tests.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use roxmltree::Document;

/// Traps in the list; a row that goes missing would otherwise go unnoticed.
const TRAPS: usize = 38;

/// What a row without a test begins with.
const NO_TEST: &str = "No test: ";

/// Fewer characters than this give no reason.
const REASON_LEN_MIN: usize = 40;

/// A row of the table: its number and the cell that says what covers it.
struct Row {
    number: usize,
    covered_by: String,
}

impl Row {
    /// Names of tests, as `binary::module::name`.
    fn tests(&self) -> Vec<&str> {
        self.covered_by.split('`').skip(1).step_by(2).collect()
    }
}

fn table() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/traps-haproxy.md");
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
            let number = cells[0].parse().ok()?;
            assert_eq!(cells.len(), 4, "row {number} has {} cells", cells.len());
            Some(Row { number, covered_by: cells[3].to_owned() })
        })
        .collect()
}

#[test]
fn every_trap_names_a_test_or_a_reason() {
    let rows = table();
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=TRAPS).collect::<Vec<_>>());
    for row in rows {
        let reason = row.covered_by.strip_prefix(NO_TEST).unwrap_or_default();
        let has_reason = reason.len() >= REASON_LEN_MIN;
        assert!(
            has_reason || !row.tests().is_empty(),
            "trap {} names no test and no reason: {}",
            row.number,
            row.covered_by
        );
    }
}

/// Tests of a report by full name, and whether they passed.
fn report(text: &str) -> BTreeMap<String, bool> {
    let report = Document::parse(text).unwrap();
    report
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .map(|case| {
            let binary = case.parent_element().and_then(|suite| suite.attribute("name")).unwrap();
            let name = format!("{binary}::{}", case.attribute("name").unwrap());
            let faults = ["failure", "error", "skipped"];
            let passed = !case.children().any(|c| faults.iter().any(|tag| c.has_tag_name(*tag)));
            (name, passed)
        })
        .collect()
}

/// Named tests that aren't in the report, and those that are but failed.
fn shortcomings(rows: &[Row], report: &BTreeMap<String, bool>) -> BTreeSet<String> {
    rows.iter()
        .flat_map(|row| row.tests().into_iter().map(move |test| (row.number, test)))
        .filter_map(|(number, test)| match report.get(test) {
            None => Some(format!("trap {number}: {test} didn't run")),
            Some(false) => Some(format!("trap {number}: {test} failed")),
            Some(true) => None,
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
    let rows = [Row { number: 1, covered_by: covered_by.to_owned() }];
    let found = shortcomings(&rows, &report(text));
    let expected = ["trap 1: halb-lb::pool::tests::bad failed", "trap 1: halb::gone didn't run"];
    assert_eq!(found, expected.map(str::to_owned).into());
}

#[test]
#[ignore = "needs the report of a full run"]
fn named_tests_ran_and_passed() {
    let path = env::var_os("HALB_JUNIT").expect("HALB_JUNIT names the report of a full run");
    let report = report(&fs::read_to_string(path).unwrap());
    let shortcomings = shortcomings(&table(), &report);
    assert!(shortcomings.is_empty(), "of {} tests in the report:\n{shortcomings:#?}", report.len());
}
