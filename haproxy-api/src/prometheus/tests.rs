use std::collections::BTreeSet;

use super::*;
use crate::samples::picture;

#[test]
fn series_carry_haproxy_s_names_and_labels() {
    let text = render(&picture());
    for line in [
        "# TYPE haproxy_server_check_failures_total counter",
        "haproxy_process_build_info{version=\"2.6.12-halb0.1.0\"} 1",
        "haproxy_process_dropped_logs_total 0",
        "haproxy_frontend_limit_sessions{proxy=\"kubernetes\"} 500",
        "haproxy_frontend_status{proxy=\"kubernetes\",state=\"UP\"} 1",
        "haproxy_backend_active_servers{proxy=\"masters\"} 2",
        "haproxy_backend_agg_server_status{proxy=\"masters\",state=\"UP\"} 3",
        "haproxy_backend_agg_check_status{proxy=\"masters\",state=\"L4CON\"} 1",
        "haproxy_server_status{proxy=\"masters\",server=\"kmaster3\",state=\"DOWN\"} 1",
        "haproxy_server_check_status{proxy=\"masters\",server=\"kmaster1\",state=\"L7OK\"} 1",
        "haproxy_server_check_code{proxy=\"masters\",server=\"kmaster3\"} 0",
        "haproxy_server_check_duration_seconds{proxy=\"masters\",server=\"kmaster1\"} 0.003000",
        "haproxy_server_limit_sessions{proxy=\"masters\",server=\"kmaster1\"} NaN",
        "haproxy_server_last_session_seconds{proxy=\"masters\",server=\"kmaster1\"} -1",
    ] {
        assert!(text.lines().any(|served| served == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("check_duration_seconds{proxy=\"plain\""), "it isn't checked");
}

#[test]
fn each_metric_has_its_column_and_is_served_once() {
    let all = || names::FRONTEND.iter().chain(names::BACKEND).chain(names::SERVER);
    for metric in all() {
        if let Source::Column(name) | Source::Milliseconds(name) = metric.source {
            assert!(COLUMNS.iter().any(|column| column.name == name), "{name}");
        }
    }
    let lines = info::lines(&picture());
    for metric in names::PROCESS {
        let Source::Column(name) = metric.source else { panic!("{}", metric.name) };
        assert!(lines.iter().any(|line| line.name == name), "{name}");
    }
    let names: BTreeSet<&str> = all().chain(names::PROCESS).map(|metric| metric.name).collect();
    assert_eq!(names.len(), all().count() + names::PROCESS.len());
    let text = render(&picture());
    for name in names {
        assert_eq!(text.matches(&format!("# TYPE {name} ")).count(), 1, "{name}");
    }
}
