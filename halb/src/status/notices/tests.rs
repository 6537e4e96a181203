use halb_lb::snapshot::Admin;

use super::*;
use crate::status::{LastReload, samples};

fn texts(status: &Status) -> Vec<String> {
    of(status).into_iter().map(|notice| notice.text).collect()
}

#[test]
fn nothing_is_said_when_all_is_well() {
    assert_eq!(texts(&samples::all_fine().status()), Vec::<String>::new());
}

#[test]
fn the_worst_comes_first() {
    let mut sample = samples::all_down();
    sample.server(2).admin = Admin::Drain;
    sample.facts.config_lints = 2;
    let severities: Vec<Severity> = of(&sample.status()).iter().map(|n| n.severity).collect();
    assert_eq!(
        severities,
        [Severity::Alert, Severity::Warning, Severity::Warning, Severity::Note, Severity::Note]
    );
}

#[test]
fn each_unusual_thing_has_its_sentence() {
    let mut sample = samples::one_down();
    sample.checks.get_mut("masters/kmaster3").unwrap().state = "UP 2/3".to_owned();
    sample.server(0).slow_start_percent = 40;
    sample.snapshot.process.accept_pauses = 1;
    sample.facts.log_lines_dropped = 5;
    sample.facts.config_lints = 1;
    sample.snapshot.backends[0].queued = 9;
    sample.facts.reload.last = Some(LastReload {
        ago_seconds: 1.0,
        error: None,
        failure: None,
        changes: Vec::new(),
        needs_restart: vec!["global.workers: 2, the file says 4".to_owned()],
    });
    let expected = [
        "waits for a restart since 1 s: global.workers: 2, the file says 4",
        "kmaster2 of masters is DOWN for 12 s: L4CON connection refused",
        "kmaster3 of masters is going down (UP 2/3): L7OK HTTP status 200",
        "accepting paused 1 time for want of descriptors or memory",
        "9 waiting for a server of masters",
        "kmaster1 of masters starts slowly: 40 % of its weight",
        "5 log lines dropped because their reader was slow",
        "1 lint in the configuration; see: halb check",
    ];
    assert_eq!(texts(&sample.status()), expected);
}

#[test]
fn a_weight_by_an_order_is_told_beside_the_file_s() {
    for (file, now, words) in [
        (Some(100), 100, None),
        (Some(100), 30, Some("has weight 30 by an order (100 in the file)")),
        (
            Some(100),
            0,
            Some("has weight 0 by an order (100 in the file) and gets no new connections"),
        ),
        (Some(0), 0, Some("has weight 0 and gets no new connections")),
        (Some(0), 10, Some("has weight 10 by an order (0 in the file)")),
        (None, 7, None),
    ] {
        let mut status = samples::all_fine().status();
        let server = &mut status.backends[0].servers[0];
        (server.weight_configured, server.weight) = (file, now);
        let expected: Vec<_> =
            words.map(|w| format!("kmaster1 of masters {w}")).into_iter().collect();
        assert_eq!(texts(&status), expected, "{file:?} {now}");
    }
}

#[test]
fn a_server_that_no_check_has_reached_yet_is_not_called_failing() {
    let mut sample = samples::all_fine();
    let view = sample.checks.get_mut("masters/kmaster1").unwrap();
    view.state = "UP 1/3".to_owned();
    view.check.checks = 0;
    assert_eq!(texts(&sample.status()), Vec::<String>::new());
}

#[test]
fn details_from_the_network_cannot_steer_a_terminal() {
    let mut sample = samples::one_down();
    sample.checks.get_mut("masters/kmaster2").unwrap().check.detail = "a\x1b[2Jb".to_owned();
    assert!(texts(&sample.status())[0].ends_with("L4CON a?[2Jb"));
}
