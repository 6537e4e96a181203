use std::collections::{BTreeMap, BTreeSet};

use super::names::Kind;
use super::*;
use crate::status::{forward, peer, samples, vrrp};

const DOC: &str = include_str!("../../../docs/metrics.md");

/// A status in which each metric has a value.
fn full() -> Status {
    let mut sample = samples::one_down();
    sample.facts.names = samples::named().facts.names;
    sample.server(0).connections_max = Some(250);
    sample.vrrp = Some(vrrp::samples::active().vrrp());
    sample.peer = Some(peer::samples::wrong_key());
    sample.forward = Some(forward::samples::busy());
    sample.status()
}

/// Name, type, unit, labels and help of each row of the table.
fn documented() -> Vec<[String; 5]> {
    let rows = DOC.lines().filter(|line| line.starts_with("| `halb_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, unit, labels, help] = cells.try_into().expect("five cells in a row");
        [name.trim_matches('`'), kind, unit, labels, help].map(str::to_owned)
    })
    .collect()
}

#[test]
fn the_page_documents_each_metric_as_it_is() {
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let expected: Vec<[String; 5]> = names::all()
        .map(|metric| {
            [
                metric.name.to_owned(),
                metric.kind.word().to_owned(),
                dash(metric.unit.to_owned()),
                dash(metric.labels.join(", ")),
                metric.help.to_owned(),
            ]
        })
        .collect();
    assert_eq!(documented(), expected);
}

fn histogram(name: &str) -> Option<&str> {
    names::all().find(|m| m.kind == Kind::Histogram && m.name == name).map(|m| m.name)
}

#[test]
fn each_metric_is_served_with_its_help_type_and_labels() {
    let text = render(&full());
    let mut served: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).unwrap();
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| histogram(name.strip_suffix(part)?))
            .unwrap_or(name);
        let labels = rest.split_once('}').map_or("", |(labels, _)| labels);
        let names = labels
            .split(',')
            .filter(|l| !l.is_empty() && !l.starts_with("le="))
            .map(|l| l.split('=').next().unwrap());
        served.entry(name).or_default().insert(names.collect::<Vec<_>>().join(", "));
    }
    let expected: BTreeMap<&str, BTreeSet<String>> =
        names::all().map(|m| (m.name, BTreeSet::from([m.labels.join(", ")]))).collect();
    assert_eq!(served, expected);
    for metric in names::all() {
        assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)));
        assert!(text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind.word())));
    }
}

#[test]
fn names_keep_to_the_form() {
    for metric in names::all() {
        assert!(metric.name.starts_with("halb_"), "{}", metric.name);
        assert_eq!(
            metric.kind == Kind::Counter,
            metric.name.ends_with("_total"),
            "{}",
            metric.name
        );
        let stem = metric.name.trim_end_matches("_total");
        assert!(stem.ends_with(metric.unit), "{}", metric.name);
    }
    let distinct: BTreeSet<&str> = names::all().map(|metric| metric.name).collect();
    assert_eq!(distinct.len(), names::all().count());
}

#[test]
fn values_are_those_of_the_status() {
    let text = render(&full());
    for line in [
        "halb_ready 1",
        "halb_process_connections 12",
        "halb_frontend_received_bytes_total{frontend=\"kubernetes\"} 1234567",
        "halb_server_up{backend=\"masters\",server=\"kmaster1\"} 1",
        "halb_server_up{backend=\"masters\",server=\"kmaster2\"} 0",
        "halb_server_connect_time_seconds{backend=\"masters\",server=\"kmaster1\"} 0.9",
        "halb_check_failures_total{backend=\"masters\",server=\"kmaster2\"} 3",
    ] {
        assert!(text.lines().any(|served| served == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn a_virtual_ip_is_told_with_keepalived_s_counters_and_histograms() {
    let text = render(&full());
    for line in [
        "halb_vrrp_state{router=\"VI_1\",state=\"active\"} 1",
        "halb_vrrp_state{router=\"VI_1\",state=\"backup\"} 0",
        "halb_vrrp_priority{router=\"VI_1\"} 100",
        "halb_vrrp_address_present{router=\"VI_1\",address=\"172.16.16.100/32\"} 1",
        "halb_vrrp_become_master_total{router=\"VI_1\"} 1",
        "halb_vrrp_transitions_total{router=\"VI_1\",to=\"backup\",reason=\"started\"} 1",
        "halb_vrrp_timer_lateness_seconds_bucket{router=\"VI_1\",le=\"0.00001\"} 0",
        "halb_vrrp_timer_lateness_seconds_bucket{router=\"VI_1\",le=\"+Inf\"} 0",
        "halb_vrrp_guard_up 1",
    ] {
        assert!(text.lines().any(|served| served == line), "{line} is missing in\n{text}");
    }
    let status = full();
    let stats = &status.vrrp.as_ref().unwrap().instances[0].stats;
    let known: BTreeSet<&str> = names::vrrp::STATS.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, stats.keys().map(String::as_str).collect(), "each counter has a metric");
}

#[test]
fn a_peer_link_is_told_with_each_reason_from_the_start() {
    let text = render(&full());
    for line in [
        "halb_peer_up 0",
        "halb_peer_round_trip_seconds 0.00031",
        "halb_peer_refused_total{reason=\"wrong_key\"} 96",
        "halb_peer_refused_total{reason=\"flood\"} 0",
        "halb_peer_failures_total 3",
    ] {
        assert!(text.lines().any(|served| served == line), "{line} is missing in\n{text}");
    }
    let help = names::peer::METRICS.iter().find(|metric| metric.labels == ["reason"]).unwrap().help;
    assert!(help.ends_with(&peer::reasons().collect::<Vec<_>>().join(", ")), "{help}");
}

#[test]
fn a_removed_server_takes_its_series_with_it() {
    let mut sample = samples::all_fine();
    assert!(render(&sample.status()).contains("kmaster3"));
    sample.snapshot.backends[0].servers.pop();
    assert!(!render(&sample.status()).contains("kmaster3"));
}

#[test]
fn a_removed_server_does_not_speak_for_the_one_that_has_its_name() {
    let mut sample = samples::all_fine();
    let mut removed = sample.server(0).clone();
    removed.removed = true;
    removed.connections = 3;
    removed.bytes_in = 99;
    removed.weight = 7;
    sample.snapshot.backends[0].servers.push(removed);
    let text = render(&sample.status());
    for line in [
        "halb_server_up{backend=\"masters\",server=\"kmaster1\"} 1",
        "halb_server_weight{backend=\"masters\",server=\"kmaster1\"} 1",
        "halb_server_connections{backend=\"masters\",server=\"kmaster1\"} 4",
        "halb_server_sent_bytes_total{backend=\"masters\",server=\"kmaster1\"} 411522",
        "halb_backend_draining_connections{backend=\"masters\"} 3",
    ] {
        assert!(text.lines().any(|served| served == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn the_largest_count_is_served_to_its_last_digit() {
    let mut sample = samples::all_fine();
    sample.snapshot.process.connections = u64::MAX;
    assert!(render(&sample.status()).contains("halb_process_connections 18446744073709551615\n"));
}

#[test]
fn a_label_keeps_what_the_format_needs_for_itself() {
    let mut status = samples::all_fine().status();
    status.frontends[0].name = "a \"b\"\nc".to_owned();
    let text = render(&status);
    assert!(text.contains(r#"halb_frontend_connections{frontend="a \"b\"\nc"} 12"#), "{text}");
}

#[test]
fn a_metric_that_nothing_has_a_value_of_is_not_mentioned() {
    let text = render(&samples::all_fine().status());
    for name in ["halb_server_connections_max", "halb_server_name_resolved", "halb_vrrp_state"] {
        assert!(names::all().any(|metric| metric.name == name) && !text.contains(name), "{name}");
    }
}

#[test]
fn the_series_of_a_metric_stand_together_below_its_type() {
    let text = render(&full());
    let mut families = BTreeSet::new();
    let mut name = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            name = rest.split(' ').next().unwrap();
            assert!(families.insert(name), "{name} is there twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(name), "{line} is below {name}");
        }
    }
    assert_eq!(families.len(), names::all().count());
}
