//! Dashboard and alert rules of `packaging/monitoring`, held against what is served and documented.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of metrics in a text: `halb_` and what a name may hold.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("halb_")).map(str::to_owned).collect()
}

/// Names in the first column of docs/metrics.md, with the series of its histograms.
fn documented() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in read("docs/metrics.md").lines() {
        let mut cells = line.split('|').map(str::trim);
        let (Some(""), Some(name), Some(kind)) = (cells.next(), cells.next(), cells.next()) else {
            continue;
        };
        let Some(name) = name.strip_prefix("`halb_").and_then(|name| name.strip_suffix('`')) else {
            continue;
        };
        let endings: &[&str] =
            if kind == "histogram" { &["_bucket", "_count", "_sum"] } else { &[""] };
        names.extend(endings.iter().map(|ending| format!("halb_{name}{ending}")));
    }
    assert!(names.len() > 50, "{names:?}");
    names
}

fn alerts(path: &str, key: &str) -> BTreeSet<String> {
    let text = read(path);
    let names = text.lines().filter_map(|line| {
        let rest = line.trim_start_matches([' ', '-']).strip_prefix(key)?;
        Some(rest.trim().to_owned())
    });
    names.collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_are_documented() {
    let documented = documented();
    let folder = "packaging/monitoring";
    for file in ["halb-alerts.yml", "halb-alerts-test.yml", "halb-dashboard.json"] {
        let named = metrics(&read(&format!("{folder}/{file}")));
        assert!(named.len() > 20, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(&documented).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}, which docs/metrics.md doesn't");
    }
}

#[test]
fn the_dashboard_has_a_place_a_title_and_a_query_for_each_panel() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("packaging/monitoring/halb-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its number is another's");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{title}");
        if panel["type"] != "row" {
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(targets.iter().all(|target| target["expr"].is_string()), "{title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
    assert!(panels.len() > 20);
}

#[test]
fn each_alert_is_tested_and_explained() {
    let alerts_there = alerts("packaging/monitoring/halb-alerts.yml", "alert:");
    let tested = alerts("packaging/monitoring/halb-alerts-test.yml", "alertname:");
    let explained = alerts("docs/operate.md", "### ");
    assert!(alerts_there.len() > 20);
    assert_eq!(tested, alerts_there, "left: tested; right: there");
    assert_eq!(explained, alerts_there, "left: in docs/operate.md; right: there");
}

#[test]
#[ignore = "needs promtool"]
fn promtool_finds_the_rules_sound_and_each_fires_when_it_should_and_only_then() {
    for (command, file) in [("check", "halb-alerts.yml"), ("test", "halb-alerts-test.yml")] {
        let output = Command::new("promtool")
            .args([command, "rules", file])
            .current_dir(top().join("packaging/monitoring"))
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("SUCCESS"), "{command}: {said}");
    }
}
