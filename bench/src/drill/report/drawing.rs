//! A timeline as SVG: who held the address, when nobody answered, which requests were lost.

use std::{fmt::Write, time::Duration};

use crate::drill::{
    figures::silences,
    record::{Outcome, Record},
};

/// Draws a record of two nodes. The ink comes from classes of the page ([`STYLE`]).
#[must_use]
pub fn timeline(record: &Record, title: &str, nodes: [&str; 2]) -> String {
    let mut svg = Canvas { scale: Scale { length: record.length }, text: String::new() };
    svg.open(title);
    for (lane, node) in nodes.into_iter().enumerate() {
        svg.lane(lane, &escape(&format!("{node} holds it")));
    }
    svg.lane(2, "address silent");
    svg.lane(3, "no answer");
    svg.lane(4, "requests lost");
    let ends = record.holders.iter().skip(1).map(|(at, _)| *at).chain([record.length]);
    for ((from, holders), to) in record.holders.iter().zip(ends) {
        let class = if *holders == [true, true] { "both" } else { "holds" };
        for (lane, _) in holders.iter().enumerate().filter(|(_, holds)| **holds) {
            svg.bar(lane, *from, to, class);
        }
    }
    for outage in &record.outages {
        svg.bar(2, outage.from, outage.to, "silent");
    }
    for silence in silences(record) {
        svg.bar(3, silence.from, silence.to, "silent");
    }
    for request in record.requests.iter().filter(|it| it.outcome != Outcome::Answered) {
        let class = if request.outcome == Outcome::Hung { "hung" } else { "failed" };
        svg.tick(4, request.sent, class);
    }
    svg.axis();
    svg.notes(&record.notes);
    svg.text + "</svg>\n"
}

/// Where a time is drawn.
struct Scale {
    length: Duration,
}

impl Scale {
    fn x(&self, at: Duration) -> f64 {
        let share = at.as_secs_f64() / self.length.as_secs_f64().max(f64::MIN_POSITIVE);
        LEFT + share.min(1.0) * WIDTH
    }

    /// Time between two marks of the axis, so that there are four to ten.
    fn step(&self) -> Duration {
        let steps = [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000];
        let fits = |step: &u64| self.length.as_millis() / u128::from(*step) <= 10;
        Duration::from_millis(steps.into_iter().find(fits).unwrap_or(300_000))
    }
}

struct Canvas {
    scale: Scale,
    text: String,
}

impl Canvas {
    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        self.text.write_fmt(element).expect("a string takes any text");
        self.text.push('\n');
    }

    fn open(&mut self, title: &str) {
        let (width, height) = (LEFT + WIDTH + RIGHT, TOP + LANES * LANE + AXIS);
        let title = escape(title);
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{title}\"><title>{title}</title>"
        ));
    }

    fn lane(&mut self, lane: usize, name: &str) {
        let (y, x) = (top(lane), LEFT - 8.0);
        let (middle, bar) = (y + LANE / 2.0 + 4.0, LANE - 6.0);
        self.put(format_args!("<text class=\"name\" x=\"{x}\" y=\"{middle}\">{name}</text>"));
        self.put(format_args!(
            "<rect class=\"lane\" x=\"{LEFT}\" y=\"{}\" width=\"{WIDTH}\" height=\"{bar}\"/>",
            y + 3.0
        ));
    }

    fn bar(&mut self, lane: usize, from: Duration, to: Duration, class: &str) {
        let (x, end) = (self.scale.x(from), self.scale.x(to));
        // What is too short to see is drawn all the same.
        let width = (end - x).max(1.5);
        let (y, height) = (top(lane) + 3.0, LANE - 6.0);
        let millis = to.saturating_sub(from).as_millis();
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" \
             height=\"{height}\"><title>{millis} ms</title></rect>"
        ));
    }

    fn tick(&mut self, lane: usize, at: Duration, class: &str) {
        let (x, y) = (self.scale.x(at), top(lane));
        self.put(format_args!(
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>",
            y + 3.0,
            y + LANE - 3.0
        ));
    }

    fn axis(&mut self) {
        let (step, y) = (self.scale.step(), TOP + LANES * LANE);
        let mut at = Duration::ZERO;
        while at <= self.scale.length {
            let x = self.scale.x(at);
            self.put(format_args!(
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{}\"/>\
                 <text class=\"axis\" x=\"{x:.1}\" y=\"{}\">{} s</text>",
                y + 4.0,
                y + 16.0,
                at.as_secs_f64()
            ));
            at += step;
        }
    }

    /// What was done, as lines across with their words above, on two rows in turn.
    fn notes(&mut self, notes: &[(Duration, String)]) {
        let (y, bottom) = (TOP - 4.0, TOP + LANES * LANE);
        for (number, (at, what)) in notes.iter().enumerate() {
            let x = self.scale.x(*at);
            let above = if number % 2 == 0 { 20.0 } else { 8.0 };
            self.put(format_args!(
                "<line class=\"note\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{bottom}\"/>",
                y - above + 4.0
            ));
            // A word at the right end is written to the left of its line.
            let (anchor, x) =
                if x > LEFT + WIDTH * 0.75 { ("end", x - 3.0) } else { ("start", x + 3.0) };
            self.put(format_args!(
                "<text class=\"note\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                y - above + 8.0,
                escape(what)
            ));
        }
    }
}

fn top(lane: usize) -> f64 {
    let mut y = TOP;
    for _ in 0..lane {
        y += LANE;
    }
    y
}

/// Text that can stand between tags and in quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// How the classes of a drawing look, in light and in dark. Shapes and places tell what colours do.
pub const STYLE: &str = "\
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .name { text-anchor: end; }
svg .axis { stroke: var(--faint); } svg text.axis { stroke: none; fill: var(--quiet); text-anchor: middle; }
svg .lane { fill: var(--lane); } svg .holds { fill: #2f7d4f; } svg .both { fill: #c98500; }
svg .silent { fill: #b3261e; } svg .failed { stroke: #b3261e; } svg .hung { stroke: #7b3ea8; }
svg line.note { stroke: var(--ink); stroke-dasharray: 3 2; } svg text.note { font-weight: 600; }
";

const LEFT: f64 = 150.0;
const WIDTH: f64 = 800.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 36.0;
const LANE: f64 = 20.0;
const LANES: f64 = 5.0;
const AXIS: f64 = 22.0;
