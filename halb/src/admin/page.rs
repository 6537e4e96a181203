//! The status page: plain HTML made here, readable without scripts; then the browser looks anew every
//! few seconds. With its script the page follows `/events`, and figures of a second come along.

mod peer;
mod vrrp;

use std::fmt;
use std::fmt::Write as _;

use crate::status::notices::Severity;
use crate::status::rates::Rates;
use crate::status::verdict::Verdict;
use crate::status::words::{count, size, span, things};
use crate::status::{
    Backend, Frontend, Server, Status, forward, notices, rates, timeline, verdict,
};

/// The browser asks again after so many seconds.
const REFRESH_SECONDS: u32 = 5;

/// The style sheet, served beside the page so that the page needs no inline style.
pub const STYLE: &str = include_str!("page/style.css");

/// The script, served beside it for the same reason.
pub const SCRIPT: &str = include_str!("page/page.js");

/// The page.
#[must_use]
pub fn render(status: &Status) -> String {
    let (_, words) = heading(status, &notices::of(status));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <noscript><meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\"></noscript>\n\
         <title>{words} - halb</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n\
         <script src=\"page.js\" defer></script>\n</head>\n<body>\n\
         <p id=\"live\"></p>\n<p id=\"said\" role=\"status\"></p>\n<main>\n{}</main>\n</body>\n</html>\n",
        content(status, None)
    )
}

/// What changes of the page, with rates since `before`.
#[must_use]
pub fn content(status: &Status, before: Option<&Status>) -> String {
    let mut html = String::new();
    // Writing to a String can't fail.
    let _ = main(status, before, &mut html);
    html
}

/// The class of the heading, and its words.
fn heading(status: &Status, notices: &[notices::Notice]) -> (&'static str, String) {
    match verdict::of(status, notices) {
        Verdict::NotReady(why) => ("alert", format!("Not ready: {why}")),
        Verdict::SplitBrain => ("alert", "Split brain: two nodes hold the address".to_owned()),
        Verdict::ServingBut(trouble) => ("warning", format!("Serving, but {trouble}")),
        Verdict::Serving => ("well", "Serving".to_owned()),
        Verdict::Well => ("well", "All is well".to_owned()),
    }
}

fn main(status: &Status, before: Option<&Status>, html: &mut String) -> fmt::Result {
    let notices = notices::of(status);
    let (class, words) = heading(status, &notices);
    writeln!(html, "<h1 class=\"{class}\">{words}</h1>")?;
    if !notices.is_empty() {
        html.push_str("<ul class=\"notices\">\n");
        for notice in &notices {
            let (class, word) = severity(notice.severity);
            let text = Escaped(&notice.text);
            writeln!(html, "<li class=\"{class}\"><b>{word}</b> {text}</li>")?;
        }
        html.push_str("</ul>\n");
    }
    if let Some(vrrp) = &status.vrrp {
        vrrp::section(vrrp, html)?;
    }
    if let Some(peer) = &status.peer {
        section("Peer", html, |html| peer::section(peer, html))?;
    }
    if let Some(forward) = &status.forward {
        section("Kernel forwarding", html, |html| {
            let sentence = forward::sentence(forward);
            writeln!(html, "<h2>Kernel forwarding</h2>\n<p>{}.</p>", Escaped(&sentence))
        })?;
    }
    changes(status, html)?;
    for frontend in &status.frontends {
        let rates = rates::of(frontend, status, before);
        let name = format!("Frontend {}", frontend.name);
        section(&name, html, |html| self::frontend(frontend, rates, html))?;
    }
    for backend in &status.backends {
        let name = format!("Backend {}", backend.name);
        section(&name, html, |html| self::backend(backend, html))?;
    }
    footer(status, html)
}

/// Changes that are shown; the log has all of them.
const CHANGES_SHOWN: usize = 8;

/// The last changes of virtual IPs, servers and the configuration, the latest first.
fn changes(status: &Status, html: &mut String) -> fmt::Result {
    let changes = timeline::of(status, CHANGES_SHOWN);
    if changes.is_empty() {
        return Ok(());
    }
    section("Changes", html, |html| {
        html.push_str("<h2>Last changes</h2>\n<ol aria-label=\"Last changes\">\n");
        for change in &changes {
            let (ago, what) = (span(change.ago_seconds), Escaped(&change.what));
            writeln!(html, "<li><b>{what}</b> {ago} ago: {}</li>", Escaped(&change.why))?;
        }
        html.push_str("</ol>\n");
        Ok(())
    })
}

fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Alert => ("alert", "Alert:"),
        Severity::Warning => ("warning", "Warning:"),
        Severity::Note => ("note", "Note:"),
    }
}

/// A part with a name, by which a screen reader and the script find it again.
fn section(
    name: &str,
    html: &mut String,
    content: impl FnOnce(&mut String) -> fmt::Result,
) -> fmt::Result {
    writeln!(html, "<section aria-label=\"{}\">", Escaped(name))?;
    content(html)?;
    html.push_str("</section>\n");
    Ok(())
}

fn frontend(frontend: &Frontend, rates: Option<Rates>, html: &mut String) -> fmt::Result {
    let listeners: Vec<&str> = frontend.listeners.iter().map(|l| l.address.as_str()).collect();
    let bound = frontend.connections_max.map(|max| format!(" of {}", count(max)));
    writeln!(
        html,
        "<h2>Frontend {} <small>{}</small></h2>\n<p>{} to {}{}. {} connections now{}, {} so far, \
         {} denied; {} in, {} out.</p>",
        Escaped(&frontend.name),
        frontend.state.word(),
        Escaped(&listeners.join(" ")),
        Escaped(&frontend.backends.join(" ")),
        frontend.forward.told(),
        count(frontend.connections),
        bound.unwrap_or_default(),
        count(frontend.accepted),
        count(frontend.denied),
        size(frontend.bytes_in),
        size(frontend.bytes_out),
    )?;
    match rates {
        Some(Rates { accepted, bytes_in, bytes_out }) => writeln!(
            html,
            "<p>A second: {} new, {} in, {} out.</p>",
            count(accepted),
            size(bytes_in),
            size(bytes_out),
        ),
        None => Ok(()),
    }
}

fn backend(backend: &Backend, html: &mut String) -> fmt::Result {
    writeln!(
        html,
        "<h2>Backend {} <small>{}, {} up, {}</small></h2>\n<p>{} waiting, {} found no server, {} \
         tried again, {} moved to another server.</p>\n{}<thead><tr>",
        Escaped(&backend.name),
        if backend.up { "UP" } else { "DOWN" },
        things(backend.servers_up, "server", "servers"),
        Escaped(&backend.balance),
        count(backend.queued),
        count(backend.refused),
        count(backend.retries),
        count(backend.redispatches),
        Table(&format!("Servers of {}", backend.name)),
    )?;
    for title in HEADINGS {
        write!(html, "<th scope=\"col\">{title}</th>")?;
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for server in &backend.servers {
        self::server(server, html)?;
    }
    html.push_str("</tbody></table></div>\n");
    Ok(())
}

const HEADINGS: [&str; 10] =
    ["Server", "Address", "State", "Weight", "Now", "Total", "In", "Out", "Last check", "History"];

fn server(server: &Server, html: &mut String) -> fmt::Result {
    let class = if server.usable { "well" } else { "warning" };
    write!(
        html,
        "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"{class}\">{}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td>",
        Escaped(&server.name),
        Address(server),
        Escaped(&server.state),
        server.weight,
        count(server.connections),
        count(server.established),
        size(server.bytes_in),
        size(server.bytes_out),
    )?;
    match &server.check {
        Some(check) => {
            let took = check.duration_seconds.map(|s| format!(" in {}", span(s)));
            writeln!(
                html,
                "<td>{}{}: {}</td><td class=\"strip\">{}</td></tr>",
                Escaped(&check.code),
                took.unwrap_or_default(),
                Escaped(&check.detail),
                Strip(&check.history),
            )
        }
        None => writeln!(html, "<td>no check</td><td></td></tr>"),
    }
}

fn footer(status: &Status, html: &mut String) -> fmt::Result {
    let process = &status.process;
    writeln!(
        html,
        "<footer><p>halb {}, pid {}, up {}, {}. Room for {} connections: {}. \
         <a href=\"status.json\">status.json</a> <a href=\"metrics\">metrics</a> \
         <a href=\"readyz\">readyz</a></p></footer>",
        Escaped(&process.halb_version),
        process.pid,
        span(process.uptime_seconds),
        Escaped(&process.config_file),
        count(process.connections_max),
        Escaped(&process.connections_max_reason),
    )
}

/// Where a server listens, and what its name stands for.
struct Address<'a>(&'a Server);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(&self.0.address))?;
        match &self.0.resolution {
            Some(resolution) => write!(f, "<br><small>{}</small>", Escaped(&resolution.sentence())),
            None => Ok(()),
        }
    }
}

/// The last checks as marks, the oldest first, and in words for whoever can't see them.
struct Strip<'a>(&'a str);

impl fmt::Display for Strip<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = |wanted: char| self.0.chars().filter(|mark| *mark == wanted).count();
        let (passed, failed, unknown) = (marks('.'), marks('x'), marks('?'));
        write!(f, "<span role=\"img\" aria-label=\"{passed} passed, {failed} failed")?;
        if unknown > 0 {
            write!(f, ", {unknown} couldn't be made")?;
        }
        f.write_str("\">")?;
        for mark in self.0.chars() {
            match mark {
                'x' => f.write_str("<i class=\"alert\">x</i>")?,
                '?' => f.write_str("<i class=\"warning\">?</i>")?,
                other => write!(f, "{}", Escaped(other.encode_utf8(&mut [0; 4])))?,
            }
        }
        f.write_str("</span>")
    }
}

/// The beginning of a table of this name, which may be wider than the screen: the keyboard reaches
/// it, to move it.
struct Table<'a>(&'a str);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Escaped(self.0);
        writeln!(
            f,
            "<div class=\"table\" role=\"region\" aria-label=\"{name}\" tabindex=\"0\">\
             <table aria-label=\"{name}\">"
        )
    }
}

/// Text that may hold anything, made fit for HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
