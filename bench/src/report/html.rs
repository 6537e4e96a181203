//! A report as one HTML file: no script, nothing loaded, for light and dark.

use std::fmt::Write as _;

use super::{
    Report, Verdict,
    plot::{self, escape},
};

/// The whole page.
#[must_use]
pub fn render(report: &Report) -> String {
    let names: Vec<_> = (0..report.names.len()).map(|index| report.full_name(index)).collect();
    let title = escape(&names.join(", "));
    let mut body = format!(
        "<h1>{title}</h1>\n<p>{} rounds of {:.1} s for each load, on {}; {}. Written by \
         <code>halb bench</code>.</p>\n",
        report.rounds,
        report.measured.as_secs_f64(),
        escape(&report.place),
        escape(&report.machine),
    );
    for note in &report.notes {
        let _ = writeln!(body, "<p class=\"note\">{}</p>", escape(note));
    }
    body += &legend(report);
    body += &verdicts(&report.verdicts());
    let ratios = plot::ratios(report);
    if !ratios.is_empty() {
        let first = escape(report.names[0]);
        let _ = write!(
            body,
            "<h2>{first} to the others</h2>\n<p>What {first} needs of a thing, as a multiple of \
             what another one needs; speeds are turned round, so that left is always better. Dots \
             are medians of ratios within a round, lines their range.</p>\n{ratios}\n"
        );
    }
    if !report.curves.is_empty() {
        body += "<h2>How long requests took</h2>\n<p>From when a request was due. To the right \
                 are the slowest ones: nine of ten requests are left of the second line.</p>\n\
                 <div class=\"grid\">\n";
        for curve in &report.curves {
            let drawn = plot::curve(report, curve);
            let _ = writeln!(
                body,
                "<figure><figcaption>{}</figcaption>{drawn}</figure>",
                escape(&curve.load)
            );
        }
        body += "</div>\n";
    }
    body += &figures(report);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

fn legend(report: &Report) -> String {
    let mut text = "<p class=\"legend\">".to_owned();
    for index in 0..report.names.len() {
        let (name, colour) = (escape(&report.full_name(index)), plot::colour(report, index));
        let _ = write!(
            text,
            "<span><svg width=\"12\" height=\"12\"><rect class=\"c{colour}\" width=\"12\" \
             height=\"12\" rx=\"2\"/></svg> {name}</span> "
        );
    }
    text + "</p>\n"
}

fn verdicts(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let mut text = "<h2>Goals against HAProxy</h2>\n<table>\n<tr><th>figure<th>ratio<th>range\
                    <th>goal<th></tr>\n"
        .to_owned();
    for verdict in verdicts {
        let word = if verdict.is_reached { "reached" } else { "missed" };
        let _ = writeln!(
            text,
            "<tr><td>{}<td>{:.2}<td>{:.2} to {:.2}<td>{:.2}<td class=\"{word}\">{word}</tr>",
            escape(verdict.metric.title()),
            verdict.ratio.median,
            verdict.ratio.min,
            verdict.ratio.max,
            verdict.goal,
        );
    }
    text + "</table>\n"
}

/// Every figure, by load.
fn figures(report: &Report) -> String {
    let mut text = String::new();
    let mut last = None;
    for row in &report.rows {
        if last != Some(row.scenario) {
            if last.is_some() {
                text += "</div>\n";
            }
            let _ = writeln!(text, "<h2>{}</h2>\n<div class=\"grid\">", escape(&row.load));
            last = Some(row.scenario);
        }
        let _ = writeln!(
            text,
            "<figure><figcaption>{}</figcaption>{}</figure>",
            escape(row.metric.title()),
            plot::bars(report, row)
        );
    }
    if last.is_some() {
        text += "</div>\n";
    }
    text
}

/// Colours are those of Okabe and Ito, which the colour-blind can tell apart.
const STYLE: &str = "
:root { color-scheme: light dark; --text: #1c2024; --quiet: #667; --line: #dde; --back: #fff;
  --good: #0a7d4f; --bad: #b4400a; --better: #0072b212;
  --k0: #0072b2; --k1: #e69f00; --k2: #009e73; --k3: #cc79a7; --k4: #8a9099; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8ea; --quiet: #9aa4ae; --line: #333a42;
  --back: #14171a; --good: #4cc38a; --bad: #ff9a5c; --better: #56b4e91c;
  --k0: #56b4e9; --k1: #e69f00; --k2: #00b386; --k3: #d98fb8; --k4: #8a9099; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 74rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
p { max-width: 46rem; margin: .3rem 0 .8rem; } .note { color: var(--bad); }
.legend span { margin-right: 1.4rem; white-space: nowrap; }
.grid { display: flex; flex-wrap: wrap; gap: 1rem 2.4rem; }
figure { margin: 0; } figcaption { color: var(--quiet); font-size: .9rem; }
svg { max-width: 100%; height: auto; font-size: 12px; } .legend svg { vertical-align: -1px; }
svg text { fill: var(--text); } text.name { text-anchor: end; }
text.tick { text-anchor: middle; fill: var(--quiet); }
path { fill: none; } .grid path.grid, path.grid { stroke: var(--line); }
path.one { stroke: var(--quiet); stroke-width: 1.5; } rect.better { fill: var(--better); }
path.range { stroke: var(--text); opacity: .6; } path.curve { stroke-width: 2; }
.c0 { fill: var(--k0); } .c1 { fill: var(--k1); } .c2 { fill: var(--k2); } .c3 { fill: var(--k3); }
.c4 { fill: var(--k4); } .l0 { stroke: var(--k0); } .l1 { stroke: var(--k1); }
.l2 { stroke: var(--k2); } .l3 { stroke: var(--k3); } .l4 { stroke: var(--k4); }
[class^=l] { stroke-width: 2; }
table { border-collapse: collapse; } td, th { padding: .15rem 1.4rem .15rem 0; text-align: left;
  font-variant-numeric: tabular-nums; } th { color: var(--quiet); font-weight: normal; }
.reached { color: var(--good); } .missed { color: var(--bad); }
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    /// Tags opened and closed, apart from those that HTML lets stand open.
    fn balanced(page: &str, tag: &str) -> bool {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        let closed = page.matches(&format!("</{tag}>")).count();
        let opening = format!("<{tag} ");
        let empty = page.split(&opening).skip(1);
        let empty = empty.filter(|rest| rest.split('>').next().unwrap_or("").ends_with('/'));
        opened == closed + empty.count()
    }

    #[test]
    fn the_page_is_whole_and_loads_nothing() {
        let page = render(&example());
        for tag in ["svg", "figure", "div", "table", "h2", "p", "g", "text", "path", "html"] {
            assert!(balanced(&page, tag), "{tag}");
        }
        for loading in ["<script", "<link", "<img", "http:", "https:", "url("] {
            assert!(!page.contains(loading), "{loading}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf"), "a number that is none");
    }

    #[test]
    fn what_programs_say_is_no_markup() {
        let mut report = example();
        report.versions[1] = "<b>2.6</b>".to_owned();
        report.notes.push("a < b & c".to_owned());
        let page = render(&report);
        assert!(!page.contains("<b>"));
        assert!(page.contains("a &lt; b &amp; c"));
    }
}
