//! What is told of a drill on a real pair. Pure.

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::Fault;
use crate::drill::{
    figures::silences,
    record::{Outcome as Became, Record},
    report::{
        drawing::{escape, timeline},
        page::frame,
    },
    verdict::millis,
};

/// A drill that was played.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The address that clients use.
    pub target: String,
    /// What was done.
    pub fault: Fault,
    /// The nodes, if they were known; the first lane of the drawing is the first one's.
    pub nodes: Option<[String; 2]>,
    /// Which of them held the address at first.
    pub active: usize,
    /// What was seen.
    pub record: Record,
    /// The longest gap that is fine; none: nothing was promised.
    pub bound: Option<Duration>,
    /// What went wrong besides.
    pub problems: Vec<String>,
}

/// The way there, or the way back.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which.
    pub name: &'static str,
    /// The longest time without an answer; zero if no request suffered.
    pub gap: Duration,
    /// Requests that were sent.
    pub requests: usize,
    /// Those of them that failed.
    pub failed: usize,
    /// Those without an answer for as long as clients wait.
    pub hung: usize,
}

impl Outcome {
    /// The way there and, where the address was given back, the way back.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let record = &self.record;
        let back = record.mended.unwrap_or(record.length);
        let mut parts = vec![self.part("there", Duration::ZERO, back)];
        if record.mended.is_some() {
            parts.push(self.part("back", back, Duration::MAX));
        }
        parts
    }

    fn part(&self, name: &'static str, from: Duration, to: Duration) -> Part {
        let within = |at: Duration| at >= from && at < to;
        let silences = silences(&self.record);
        let of_part = silences.iter().filter(|span| within(span.from));
        let sent = self.record.requests.iter().filter(|request| within(request.sent));
        let count = |outcome| sent.clone().filter(|it| it.outcome == outcome).count();
        Part {
            name,
            gap: of_part.map(|span| span.length()).max().unwrap_or_default(),
            requests: sent.clone().count(),
            failed: count(Became::Failed),
            hung: count(Became::Hung),
        }
    }

    /// Whether no gap was longer than it may be, and nothing else went wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        let within = |part: &Part| self.bound.is_none_or(|bound| part.gap <= bound);
        self.problems.is_empty() && self.parts().iter().all(within)
    }

    /// For people.
    #[must_use]
    pub fn text(&self, date: &str) -> String {
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| {
            writeln!(text, "{line}").expect("a string takes any text");
        };
        for (at, what) in self.events() {
            line(format_args!("{:>8.1} s  {what}", at.as_secs_f64()));
        }
        line(format_args!(""));
        for Part { name, gap, requests, failed, hung } in self.parts() {
            let gap = if gap.is_zero() { "none".to_owned() } else { millis(gap) };
            line(format_args!(
                "{name:<6} longest gap {gap}; of {requests} requests {failed} failed and {hung} hung"
            ));
        }
        for problem in &self.problems {
            line(format_args!("{problem}"));
        }
        let word = if self.passed() { "PASS" } else { "FAIL" };
        match self.bound {
            Some(bound) => line(format_args!("{word}: at most {} may be lost", millis(bound))),
            None => line(format_args!("{word}: no bound is known; --bound sets one")),
        }
        line(format_args!("\nFor a change ticket:\n{}", self.ticket(date)));
        text
    }

    /// A line to paste into a change ticket.
    #[must_use]
    pub fn ticket(&self, date: &str) -> String {
        let what = match (&self.nodes, self.fault) {
            (Some(nodes), Fault::Yield | Fault::Stop) => {
                let [from, to] = [&nodes[self.active], &nodes[1 - self.active]];
                format!("{} of {from}, {to} takes over", self.fault.word())
            }
            (_, Fault::Yield | Fault::Stop) => self.fault.word().to_owned(),
            (_, Fault::None) => "by hand".to_owned(),
        };
        let parts: Vec<String> = self
            .parts()
            .iter()
            .map(|Part { name, gap, requests, failed, hung }| {
                let lost = failed + hung;
                format!("{name} {} gap, {lost} of {requests} requests lost", millis(*gap))
            })
            .collect();
        let word = if self.passed() { "PASS" } else { "FAIL" };
        let target = &self.target;
        format!("{date} halb failover-test {target}: {what}; {}: {word}", parts.join("; "))
    }

    /// For programs. Times are seconds.
    #[must_use]
    pub fn json(&self) -> Value {
        let parts: Vec<Value> = self
            .parts()
            .iter()
            .map(|part| {
                json!({
                    "part": part.name,
                    "gap_seconds": part.gap.as_secs_f64(),
                    "requests": part.requests,
                    "requests_failed": part.failed,
                    "requests_hung": part.hung,
                })
            })
            .collect();
        let events: Vec<Value> = self
            .events()
            .iter()
            .map(|(at, what)| json!({ "at_seconds": at.as_secs_f64(), "what": what }))
            .collect();
        json!({
            "target": self.target,
            "fault": self.fault.word(),
            "passed": self.passed(),
            "bound_seconds": self.bound.map(|bound| bound.as_secs_f64()),
            "parts": parts,
            "events": events,
            "problems": self.problems,
        })
    }

    /// For a browser.
    #[must_use]
    pub fn page(&self, date: &str) -> String {
        let title = format!("Fail-over of {}", self.target);
        let names = self.names();
        let drawing = timeline(&self.record, &title, [&names[0], &names[1]]);
        let body = format!(
            "<h1>{}</h1>\n<pre>{}</pre>\n{drawing}",
            escape(&title),
            escape(&self.text(date))
        );
        frame(&title, &body)
    }

    /// What was done and who held the address from when on, in order.
    fn events(&self) -> Vec<(Duration, String)> {
        let names = self.names();
        let mut events = self.record.notes.clone();
        if self.nodes.is_some() {
            events.extend(self.record.holders.iter().map(|(at, holders)| {
                let held = match holders {
                    [false, false] => "neither node holds the address".to_owned(),
                    [true, false] => format!("{} holds the address", names[0]),
                    [false, true] => format!("{} holds the address", names[1]),
                    [true, true] => "both nodes hold the address".to_owned(),
                };
                (*at, held)
            }));
        }
        events.sort_by_key(|(at, _)| *at);
        events
    }

    fn names(&self) -> [String; 2] {
        let unknown = || ["one node".to_owned(), "other node".to_owned()];
        self.nodes.clone().unwrap_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::record::Request;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Requests each 10 ms; some are lost on the way there.
    fn outcome(lost: std::ops::Range<u64>) -> Outcome {
        let request = |number: u64| {
            let outcome = if lost.contains(&number) { Became::Failed } else { Became::Answered };
            Request { sent: ms(number * 10), ended: ms(number * 10 + 2), outcome }
        };
        Outcome {
            target: "172.16.16.100:6443".to_owned(),
            fault: Fault::Yield,
            nodes: Some(["lb1".to_owned(), "lb2".to_owned()]),
            active: 0,
            record: Record {
                fault: ms(2000),
                mended: Some(ms(5000)),
                length: ms(8000),
                holders: vec![
                    (ms(0), [true, false]),
                    (ms(2100), [false, true]),
                    (ms(5200), [true, false]),
                ],
                requests: (0..800).map(request).collect(),
                notes: vec![(ms(2000), "lb1: halb vip yield VI_1".to_owned())],
                ..Record::default()
            },
            bound: Some(ms(1000)),
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_gap_belongs_to_the_way_on_which_it_began() {
        let parts = outcome(200..230).parts();
        assert_eq!((parts[0].gap, parts[0].failed, parts[0].requests), (ms(310), 30, 500));
        assert_eq!((parts[1].gap, parts[1].failed, parts[1].requests), (ms(0), 0, 300));
        assert!(outcome(200..230).passed());
        assert!(!outcome(200..330).passed());
        assert!(outcome(0..0).passed());
    }

    #[test]
    fn a_problem_fails_it_whatever_the_gaps() {
        let problems = vec!["lb1 didn't take the address back".to_owned()];
        assert!(!Outcome { problems, ..outcome(0..0) }.passed());
    }

    #[test]
    fn the_line_for_a_ticket_says_it_all() {
        assert_eq!(
            outcome(200..230).ticket("2026-11-22"),
            "2026-11-22 halb failover-test 172.16.16.100:6443: yield of lb1, lb2 takes over; \
             there 310 ms gap, 30 of 500 requests lost; back 0.0 ms gap, 0 of 300 requests lost: \
             PASS"
        );
    }

    #[test]
    fn events_come_in_order_in_text_json_and_page() {
        let outcome = outcome(0..0);
        let text = outcome.text("2026-11-22");
        let order = ["lb1 holds", "halb vip yield", "lb2 holds", "PASS", "For a change ticket"];
        let places: Vec<_> = order.iter().map(|word| text.find(word)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
        assert_eq!(outcome.json()["events"].as_array().unwrap().len(), 4);
        assert!(outcome.page("2026-11-22").contains("lb2 holds it"));
    }
}
