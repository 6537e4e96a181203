//! A page for a browser: the table, and a timeline for each drill. It needs nothing else.

use std::fmt::Write;

use halb_lab::pair::BALANCERS;

use super::{
    super::verdict::{Line, Played, all_passed, millis},
    HEAD,
    drawing::{STYLE, escape, timeline},
    row,
};

/// The page of a run. `ticket` is the line to paste.
#[must_use]
pub fn page(played: &[Played], ticket: &str) -> String {
    let mut body = String::new();
    let verdict =
        if all_passed(played) { "All within their bounds" } else { "Not all within their bounds" };
    put(&mut body, format_args!("<h1>halb failover-test</h1>\n<p class=\"verdict\">{verdict}</p>"));
    put(&mut body, format_args!("<p>For a change ticket:</p><pre>{}</pre>", escape(ticket)));
    table(&mut body, played);
    put(&mut body, format_args!("<h2>Timelines</h2>"));
    for one in played {
        if let Played::Line(line) = one {
            drill(&mut body, line);
        }
    }
    frame("halb failover-test", &body)
}

/// A whole page around a body.
#[must_use]
pub fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{PAGE}{STYLE}</style>\n<main>\n{body}</main>\n</html>\n",
        escape(title)
    )
}

fn table(body: &mut String, played: &[Played]) {
    let heads: String = HEAD.iter().map(|head| format!("<th>{head}</th>")).collect();
    put(body, format_args!("<div class=\"wide\"><table>\n<tr>{heads}</tr>"));
    for one in played {
        let class = match (one.passed(), one.drill().counts()) {
            (true, _) => "",
            (false, true) => " class=\"fail\"",
            (false, false) => " class=\"worse\"",
        };
        let cells: String =
            row(one).iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        put(body, format_args!("<tr{class}>{cells}</tr>"));
    }
    put(body, format_args!("</table></div>"));
}

fn drill(body: &mut String, line: &Line) {
    let title = line.drill.to_string();
    let address = millis(line.bound.address);
    let service = line.bound.service.map(millis);
    let service = service.map_or_else(String::new, |time| format!(", answers within {time}"));
    put(body, format_args!("<section>\n<h3>{}</h3>", escape(&title)));
    put(
        body,
        format_args!(
            "<p class=\"bound\">Allowed: address silent for {address}{service}: {}.</p>",
            escape(&line.bound.because)
        ),
    );
    for problem in &line.broken {
        put(body, format_args!("<p class=\"broken\">{}</p>", escape(problem)));
    }
    put(body, format_args!("{}</section>", timeline(&line.record, &title, BALANCERS)));
}

fn put(body: &mut String, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a string takes any text");
    body.push('\n');
}

const PAGE: &str = "\
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #5b6570; --faint: #c4cbd3; --lane: #eef1f4; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --quiet: #a2abb5; --faint: #49525c; --lane: #23292f; --paper: #14181c; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
pre { white-space: pre-wrap; background: var(--lane); padding: .6rem .8rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--faint); vertical-align: top; }
tr.fail td:last-child, .broken { color: #b3261e; font-weight: 600; } tr.worse td:last-child { color: var(--quiet); }
section { margin: 1.6rem 0; } h3 { margin: 0; } .bound { margin: 0 0 .3rem; color: var(--quiet); font-size: 13px; }
.verdict { font-size: 1.2rem; }
@media (prefers-color-scheme: dark) { tr.fail td:last-child, .broken { color: #ff8a80; } }
";
