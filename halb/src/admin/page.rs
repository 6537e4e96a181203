//! The status page: plain HTML made here, readable without scripts; the browser looks anew every
//! few seconds.

mod peer;
mod vrrp;

use std::fmt;
use std::fmt::Write as _;

use crate::status::notices::Severity;
use crate::status::words::{count, size, span, things};
use crate::status::{Backend, Frontend, Server, Status, notices};

/// The browser asks again after so many seconds.
const REFRESH_SECONDS: u32 = 5;

/// The style sheet, served beside the page so that the page needs no inline style.
pub const STYLE: &str = include_str!("page/style.css");

/// The page.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut html = String::new();
    // Writing to a String can't fail.
    let _ = page(status, &mut html);
    html
}

fn page(status: &Status, html: &mut String) -> fmt::Result {
    let notices = notices::of(status);
    let (class, verdict) = match notices.first().map(|n| n.severity) {
        Some(Severity::Alert) => ("alert", "Not ready"),
        Some(Severity::Warning) => ("warning", "Serving, but look at this"),
        Some(Severity::Note) => ("well", "Serving"),
        None => ("well", "All is well"),
    };
    write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\">\n\
         <title>{verdict} - halb</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n\
         </head>\n<body>\n<main>\n<h1 class=\"{class}\">{verdict}</h1>\n"
    )?;
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
        peer::section(peer, html)?;
    }
    for frontend in &status.frontends {
        self::frontend(frontend, html)?;
    }
    for backend in &status.backends {
        self::backend(backend, html)?;
    }
    footer(status, html)?;
    html.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Alert => ("alert", "Alert:"),
        Severity::Warning => ("warning", "Warning:"),
        Severity::Note => ("note", "Note:"),
    }
}

fn frontend(frontend: &Frontend, html: &mut String) -> fmt::Result {
    let listeners: Vec<&str> = frontend.listeners.iter().map(|l| l.address.as_str()).collect();
    let bound = frontend.connections_max.map(|max| format!(" of {}", count(max)));
    writeln!(
        html,
        "<h2>Frontend {} <small>{}</small></h2>\n<p>{} to {}. {} connections now{}, {} so far, \
         {} denied; {} in, {} out.</p>",
        Escaped(&frontend.name),
        frontend.state.word(),
        Escaped(&listeners.join(" ")),
        Escaped(&frontend.backends.join(" ")),
        count(frontend.connections),
        bound.unwrap_or_default(),
        count(frontend.accepted),
        count(frontend.denied),
        size(frontend.bytes_in),
        size(frontend.bytes_out),
    )
}

fn backend(backend: &Backend, html: &mut String) -> fmt::Result {
    writeln!(
        html,
        "<h2>Backend {} <small>{}, {} up, {}</small></h2>\n<p>{} waiting, {} found no server, {} \
         tried again, {} moved to another server.</p>\n<div class=\"table\"><table>\n<thead><tr>",
        Escaped(&backend.name),
        if backend.up { "UP" } else { "DOWN" },
        things(backend.servers_up, "server", "servers"),
        Escaped(&backend.balance),
        count(backend.queued),
        count(backend.refused),
        count(backend.retries),
        count(backend.redispatches),
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
        Escaped(&server.address),
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
                Escaped(&check.history),
            )
        }
        None => writeln!(html, "<td>no check</td><td></td></tr>"),
    }
}

fn footer(status: &Status, html: &mut String) -> fmt::Result {
    let process = &status.process;
    writeln!(
        html,
        "<footer><p>halb {}, pid {}, up {}, {}. Room for {} connections ({}). \
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
