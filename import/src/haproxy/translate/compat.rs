//! What scripts and dashboards ask of HAProxy: its socket and its metrics become `[haproxy]`.

use super::super::model::Proxy;
use super::super::parse::Line;
use super::super::work::Work;
use super::pages;
use crate::document::Table;
use crate::finding::Class;
use halb_config::defaults;

/// Makes `[haproxy]` of the `stats socket` lines and of pages that serve metrics.
pub(super) fn translate(
    sockets: &[&Line],
    proxies: &[Proxy<'_>],
    table: &mut Table,
    work: &mut Work<'_>,
) {
    let here: Vec<_> = sockets.iter().filter(|line| path(line).is_some()).collect();
    // Of several, the one that may do most: who may look at one may look at another.
    let admin = here.iter().find(|line| said(line, "level") == Some("admin"));
    let chosen = admin.or_else(|| here.first()).map(|line| **line);
    for line in sockets {
        let class = match path(line) {
            Some(_) if chosen.is_some_and(|chosen| std::ptr::eq(chosen, *line)) => {
                Class::to("haproxy.socket")
            }
            Some(_) => Class::left_out("halb answers HAProxy's commands on one socket")
                .instead("`[haproxy] socket`"),
            None => Class::left_out("halb answers HAProxy's commands on a unix socket only")
                .instead("`[haproxy] socket`"),
        };
        work.settle(line, class);
    }
    if let Some((line, path)) = chosen.and_then(|line| Some((line, path(line)?))) {
        socket(line, path, table, work);
    }
    let served =
        |proxy: &&Proxy<'_>| proxy.has_frontend() && !proxy.is_disabled() && pages::is_page(proxy);
    if proxies.iter().filter(served).any(|proxy| proxy.lines.iter().any(|l| pages::exports(l))) {
        table.set_because("metrics", true, "HAProxy's names in /metrics");
    }
}

fn socket(line: &Line, path: &str, table: &mut Table, work: &mut Work<'_>) {
    let new = defaults::HAPROXY_SOCKET;
    if path == new {
        table.set("socket", new);
    } else {
        table.set_because("socket", new, format!("{path} of HAProxy"));
        let text = format!("scripts that speak to {path} find it at {new}");
        let help = format!("name it in them, or `ln -sf {new} {path}` once HAProxy is gone");
        work.hint(line.place(), text, help);
    }
    if let Some(level @ ("admin" | "user")) = said(line, "level") {
        table.set("level", level);
    }
    match said(line, "mode").map(|mode| u32::from_str_radix(mode, 8)) {
        Some(Ok(mode)) if mode & 0o002 != 0 => table.set("permissions", "0666"),
        Some(Ok(mode)) if mode & 0o020 == 0 => table.set("permissions", "0600"),
        Some(_) | None => {}
    }
}

/// The path of a unix socket.
fn path(line: &Line) -> Option<&str> {
    let address = line.word(2);
    let path = address.strip_prefix("unix@").unwrap_or(address);
    path.starts_with('/').then_some(path)
}

/// The word behind an option's name.
fn said<'a>(line: &'a Line, option: &str) -> Option<&'a str> {
    let words = line.texts();
    let at = words.iter().position(|word| *word == option)?;
    words.get(at + 1).copied()
}
