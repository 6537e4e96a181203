use std::collections::BTreeSet;

use halb_lb::snapshot::AcceptPause;
use serde_json::Value;

use super::{OrderedLevel, forward, peer, samples, vrrp};

const DOC: &str = include_str!("../../../docs/status.md");

/// A tree in which nothing is missing or empty.
fn full() -> Value {
    let mut sample = samples::after_failed_reload();
    sample.refuse(0);
    sample.facts.stopping = true;
    sample.server(0).connections_max = Some(250);
    sample.snapshot.frontends[0].listeners[0].paused = Some(AcceptPause::Rate);
    let last = sample.facts.reload.last.as_mut().unwrap();
    last.changes = vec!["something".to_owned()];
    last.needs_restart = vec!["something else".to_owned()];
    sample.facts.formers = vec![samples::former()];
    sample.vrrp = Some(vrrp::samples::full());
    sample.peer = Some(peer::samples::wrong_key());
    sample.facts.names = samples::named().facts.names;
    sample.facts.log_level_ordered = Some(OrderedLevel {
        level: "debug".to_owned(),
        file: "info".to_owned(),
        left_seconds: Some(540.0),
    });
    sample.forward = Some(forward::samples::busy());
    serde_json::to_value(sample.status()).unwrap()
}

/// Each field as the page writes it: `frontends[].name`.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if at.is_empty() { "" } else { "." };
                paths(value, &format!("{at}{dot}{name}"), found);
            }
        }
        Value::Array(items) => {
            found.insert(format!("{at}[]"));
            items.iter().for_each(|item| paths(item, &format!("{at}[]"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    if !at.is_empty() && !value.is_array() && !at.ends_with("[]") {
        found.insert(at.to_owned());
    }
}

#[test]
fn the_page_documents_each_field_and_no_other() {
    let mut served = BTreeSet::new();
    paths(&full(), "", &mut served);
    let fields = DOC.split("## States").next().unwrap().lines();
    let fields = fields.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<String> = fields.map(str::to_owned).collect();
    assert_eq!(documented, served);
}

#[test]
fn the_page_names_the_version() {
    assert_eq!(full()["version"], super::VERSION);
    assert!(DOC.contains(&format!("`version` is {}", super::VERSION)));
}
