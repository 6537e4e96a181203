use std::time::Duration;

use super::{page::page, *};
use crate::drill::{
    plan::{Drill, Fault, Setting, Subject},
    record::{Connections, Outcome, Record, Request, Span},
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A pulled cable at 100 ms: the address moves after 340 ms and comes back.
fn record() -> Record {
    let request = |sent, ended, outcome| Request { sent: ms(sent), ended: ms(ended), outcome };
    Record {
        fault: ms(300),
        mended: Some(ms(1200)),
        length: ms(2500),
        holders: vec![
            (ms(0), [true, false]),
            (ms(302), [false, false]),
            (ms(640), [false, true]),
            (ms(1700), [true, false]),
        ],
        outages: vec![Span { from: ms(300), to: ms(642) }],
        requests: vec![
            request(280, 290, Outcome::Answered),
            request(310, 2310, Outcome::Hung),
            request(650, 660, Outcome::Answered),
            request(2480, 2490, Outcome::Answered),
        ],
        connections: Connections { open: 12, ended: 0, silent: 12 },
        streams: None,
        announced: Some(ms(641)),
        notes: vec![(ms(300), "link cut".to_owned()), (ms(1200), "link restored".to_owned())],
    }
}

fn line(subject: Subject, record: Record) -> Played {
    let drill = Drill { fault: Fault::LinkCut, subject, setting: Setting::Tenth };
    Played::Line(Box::new(Line::judge(drill, record)))
}

fn run() -> Vec<Played> {
    let mut good = record();
    good.requests.truncate(1);
    good.requests.extend((66..249).map(|tenth| Request {
        sent: ms(tenth * 10),
        ended: ms(tenth * 10 + 5),
        outcome: Outcome::Answered,
    }));
    let mut kept = record();
    kept.holders.truncate(1);
    kept.holders.push((ms(640), [true, true]));
    let drill = Drill { fault: Fault::Kill, subject: Subject::Peers, setting: Setting::Second };
    let why = "keepalived isn't installed: apt-get install keepalived".to_owned();
    vec![line(Subject::Halb, good), line(Subject::Peers, kept), Played::Unplayed { drill, why }]
}

#[test]
fn a_table_has_a_line_for_each_drill_and_columns_of_one_width() {
    let table = table(&run());
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2 + 3);
    assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{table}");
    assert!(lines[2].contains("| 100ms   | link cut | halb"), "{table}");
    assert!(lines[2].contains("PASS (at most 611 ms)"), "{table}");
    assert!(lines[3].contains("beyond halb's bound"), "{table}");
    assert!(lines[4].contains("not played: keepalived isn't installed"), "{table}");
}

#[test]
fn what_is_worse_than_it_may_be_is_named_beneath() {
    let text = complaints(&run());
    assert!(text.starts_with("note  100ms, link cut, HAProxy + keepalived: "), "{text}");
    assert!(text.contains("both nodes held the address at the end"), "{text}");
    assert!(text.contains("note  1s, kill -9, HAProxy + keepalived: not played"), "{text}");
    assert_eq!(reasons(&run()), "- link cut: three adverts and the skew (RFC 9568, 6.1)\n");
}

#[test]
fn a_line_for_a_ticket_says_the_verdict_and_the_worst_gap_of_what_counts() {
    assert_eq!(
        ticket(&run(), "halb 0.1.0", "2026-11-22"),
        "2026-11-22 halb 0.1.0 failover-test --lab: PASS, 1 of 1 drills within their bounds; \
         longest gap 342 ms (link cut, 100ms)"
    );
}

#[test]
fn json_has_the_figures_the_bound_and_the_timeline() {
    let value = json(&run());
    assert_eq!(value["passed"], true);
    let first = &value["drills"][0];
    assert_eq!((&first["fault"], &first["setting"]), (&json!("link-cut"), &json!("100ms")));
    assert_eq!(first["figures"]["address_gap_seconds"], 0.342);
    assert_eq!(first["timeline"]["holders"][1]["holders"], json!([false, false]));
    assert_eq!(value["drills"][2]["passed"], false);
}

#[test]
fn a_page_draws_each_drill_that_was_played_and_escapes_what_it_is_told() {
    let page = page(&run(), "a <ticket> & more");
    assert_eq!(page.matches("<svg").count(), 2);
    assert_eq!(page.matches("</svg>").count(), 2);
    assert!(page.contains("a &lt;ticket&gt; &amp; more"));
    assert!(page.contains("class=\"both\""), "two holders are drawn otherwise");
    assert!(page.contains("class=\"hung\""));
}
