use halb_lb::names::{BackendName, ServerName};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::pictures;
use crate::status::samples;

fn text(sample: &samples::Sample) -> String {
    render(&sample.status(), Colour::Plain)
}

#[test]
fn all_fine() {
    assert_snapshot!(text(&samples::all_fine()));
}

#[test]
fn one_down() {
    assert_snapshot!(text(&samples::one_down()));
}

#[test]
fn all_down() {
    assert_snapshot!(text(&samples::all_down()));
}

#[test]
fn draining() {
    assert_snapshot!(text(&samples::draining()));
}

#[test]
fn after_a_failed_reload() {
    assert_snapshot!(text(&samples::after_failed_reload()));
}

/// As docs/status.md shows them.
#[test]
fn the_page_shows_what_the_terminal_shows() {
    let picture = |sample, other| {
        let sample = samples::pair(sample, |word| word.state = other);
        render(&sample.status(), Colour::Plain)
    };
    let backup = halb_vrrp::router::State::Backup;
    let drawn = [
        ("well", picture(samples::all_fine(), backup)),
        ("server-down", picture(samples::one_down(), backup)),
        ("split-brain", picture(samples::all_fine(), halb_vrrp::router::State::Active)),
        ("no-server", picture(samples::all_down(), backup)),
        ("bad-reload", picture(samples::after_failed_reload(), backup)),
    ];
    pictures::hold("status.md", &drawn);
}

#[test]
fn colour_adds_nothing_to_the_words() {
    let status = samples::all_down().status();
    let coloured = render(&status, Colour::Ansi);
    assert!(coloured.contains("\x1b[1;31m"));
    let mut words = coloured;
    for code in ["\x1b[1;31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"] {
        words = words.replace(code, "");
    }
    assert_eq!(words, render(&status, Colour::Plain));
}

#[test]
fn a_thousand_servers_down_leave_the_top_readable() {
    let mut sample = samples::all_down();
    let server = sample.snapshot.backends[0].servers[0].clone();
    sample.snapshot.backends[0].servers = vec![server; 1000];
    assert!(text(&sample).contains("… and 991 more, see the tables"));
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9._:-]{1,64}"
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..100, any::<u64>()]
}

proptest! {
    #[test]
    fn rendering_never_panics_and_keeps_to_its_columns(
        backend in name(),
        server in name(),
        detail in ".{0,300}",
        error in ".{0,300}",
        reason in ".{0,100}",
        seconds in any::<f64>(),
        numbers in prop::array::uniform5(number()),
    ) {
        let mut sample = samples::after_failed_reload();
        sample.refuse(1);
        sample.checks.get_mut("masters/kmaster2").unwrap().check.detail = detail;
        sample.checks.get_mut("masters/kmaster2").unwrap().check.duration_seconds = Some(seconds);
        let last = sample.facts.reload.last.as_mut().unwrap();
        (last.error, last.ago_seconds) = (Some(error), seconds);
        sample.facts.config_file = reason.clone();
        sample.snapshot.process.connections_max_reason = reason;
        sample.server(0).name = ServerName::new(&server).unwrap();
        sample.server(0).address =
            Some("[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().unwrap());
        [sample.server(0).connections, sample.server(0).established, ..] = numbers;
        sample.snapshot.frontends[0].accepted = numbers[2];
        sample.snapshot.frontends[0].bytes_in = numbers[3];
        sample.snapshot.backends[0].queued = numbers[4];
        sample.snapshot.backends[0].name = BackendName::new(&backend).unwrap();
        for line in text(&sample).lines() {
            prop_assert!(line.chars().count() <= WIDTH, "{line}");
            prop_assert!(!line.contains('\x1b'));
        }
    }
}
