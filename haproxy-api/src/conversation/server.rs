//! Commands that name a server as `backend/server`.

use super::{Answer, Order, text};
use crate::picture::{Admin, Picture, Server};
use crate::weight;

/// What HAProxy can change of a server and halb can't while it runs.
const IN_THE_FILE: &[&str] = &[
    "addr",
    "agent",
    "agent-addr",
    "agent-port",
    "agent-send",
    "check-addr",
    "check-port",
    "fqdn",
    "health",
    "ssl",
];

/// Answers one of them.
pub(super) fn answer(command: &[&str], arguments: &[&str], picture: &Picture) -> Answer {
    let (backend, server) = match find(arguments.first().copied(), picture) {
        Ok(found) => found,
        Err(refusal) => return text(refusal),
    };
    let rest = arguments.get(1..).unwrap_or_default();
    let admin = |admin| {
        let (backend, server) = (backend.to_owned(), server.name.clone());
        Answer::Order(Order::Admin { backend, server, admin })
    };
    match command {
        ["disable", "server"] => admin(Admin::Maint),
        ["enable", "server"] => admin(Admin::Ready),
        ["get", "weight"] => {
            let (now, configured) = (server.weight, server.weight_configured);
            Answer::Text(format!("{now} (initial {configured})\n"))
        }
        ["set", "weight"] => set_weight(backend, server, rest),
        ["shutdown", "sessions", "server"] => {
            let (backend, server) = (backend.to_owned(), server.name.clone());
            Answer::Order(Order::EndSessions { backend, server })
        }
        _ => match rest {
            ["state", "ready", ..] => admin(Admin::Ready),
            ["state", "drain", ..] => admin(Admin::Drain),
            ["state", "maint", ..] => admin(Admin::Maint),
            ["state", ..] => {
                text("'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n")
            }
            ["weight", rest @ ..] => set_weight(backend, server, rest),
            [other, ..] if IN_THE_FILE.contains(other) => Answer::Text(format!(
                "halb changes no '{other}' while it runs: change its configuration, then 'halb \
                 reload'.\n"
            )),
            [] | [_, ..] => text("usage: set server <backend>/<server> state | weight\n"),
        },
    }
}

fn set_weight(backend: &str, server: &Server, arguments: &[&str]) -> Answer {
    let Some(word) = arguments.first() else {
        return text("Require <weight> or <weight%>.\n");
    };
    match weight::parse(word, server.weight_configured) {
        Ok(weight) => {
            let (backend, server) = (backend.to_owned(), server.name.clone());
            Answer::Order(Order::Weight { backend, server, weight })
        }
        Err(refusal) => text(refusal),
    }
}

/// The server of this name, or of these numbers: `#4/#1`.
fn find<'a>(
    named: Option<&str>,
    picture: &'a Picture,
) -> Result<(&'a str, &'a Server), &'static str> {
    let parts = named.and_then(|named| named.split_once('/'));
    let Some((backend, server)) = parts.filter(|(b, s)| !b.is_empty() && !s.is_empty()) else {
        return Err("Require 'backend/server'.\n");
    };
    let is = |wanted: &str, name: &str, number: u64| {
        wanted == name || wanted.strip_prefix('#').and_then(|n| n.parse().ok()) == Some(number)
    };
    let found = picture.proxies.iter().enumerate().find_map(|(index, proxy)| {
        let number = crate::rows::proxy_number(index);
        let servers = &proxy.backend.as_ref()?.servers;
        is(backend, &proxy.name, number).then_some((proxy.name.as_str(), servers))
    });
    let Some((backend, servers)) = found else { return Err("No such backend.\n") };
    let found = servers
        .iter()
        .enumerate()
        .find(|(index, one)| is(server, &one.name, crate::rows::server_number(*index)));
    found.map(|(_, server)| (backend, server)).ok_or("No such server.\n")
}
