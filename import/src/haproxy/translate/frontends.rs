//! `[frontend.NAME]` of a `frontend` or `listen`.

use std::net::SocketAddr;

use super::super::address;
use super::super::model::{Proxy, begins_with};
use super::super::units;
use super::super::work::Work;
use super::access::{self, Access, Context};
use super::listeners::{self, BindLine, Listening};
use super::routes::Targets;
use super::timeouts::{self, Patience, Side};
use crate::document::{Table, Value};
use crate::finding::Class;

/// Most connections that halb counts.
const CONNECTIONS_MAX: u32 = 10_000_000;

/// What a frontend is translated with.
pub(super) struct Given<'g, 'a> {
    /// As the result calls it.
    pub(super) name: &'g str,
    pub(super) binds: &'g [BindLine<'a>],
    pub(super) targets: &'g Targets<'a>,
    /// The result's name of a backend.
    pub(super) called: &'g dyn Fn(&str) -> String,
    /// Of each backend that is named.
    pub(super) patience: &'g [Patience<'a>],
}

/// Writes a frontend; the addresses are those that it listens on.
pub(super) fn translate<'a>(
    proxy: &Proxy<'a>,
    given: &Given<'_, 'a>,
    work: &mut Work<'_>,
) -> (Table, Vec<SocketAddr>) {
    let mut table = Table::new(["frontend", given.name]);
    let path = table.path.join(".");
    let listening = listeners::settle(given.binds, &table, work);
    let addresses = &listening.addresses;
    let binds: Vec<_> = addresses.iter().map(|a| address::written(a.ip(), a.port())).collect();
    table.set("bind", binds);
    given.targets.settle(&path, work);
    write_targets(given, &mut table);
    limits(proxy, &listening, &mut table, work);
    let routes = !given.targets.routes.is_empty();
    let context = Context { routes, has_default: given.targets.default.is_some() };
    let access = access::read(proxy, &context, &table, work);
    write_access(&access, &listening, &mut table);
    let waits = routes || access.accept_proxy || listening.accept_proxy;
    access::inspect_delay(proxy, waits, &mut table, work);
    timeouts::client_side(proxy, given.patience, &mut table, work);
    let side = Side { option: "clitcpka", user_timeout: listening.user_timeout };
    timeouts::side(proxy, &side, &mut table, work);
    log(proxy, &mut table, work);
    (table, listening.addresses)
}

fn write_targets(given: &Given<'_, '_>, table: &mut Table) {
    if let Some(target) = given.targets.default {
        table.set("backend", (given.called)(target.backend));
    }
    let routes = given.targets.routes.iter().flat_map(|route| {
        let backend = (given.called)(route.target.backend);
        route.names.iter().map(move |name| {
            let pair = |key: &str, value: &str| (key.to_owned(), Value::from(value));
            Value::Inline(vec![pair("sni", name), pair("backend", &backend)])
        })
    });
    let routes: Vec<_> = routes.collect();
    if !routes.is_empty() {
        table.set("routes", Value::Array(routes));
    }
}

fn limits(proxy: &Proxy<'_>, listening: &Listening, table: &mut Table, work: &mut Work<'_>) {
    let path = table.path.join(".");
    let mut maxconn = listening.maxconn;
    if let Some(line) = proxy.take(&["maxconn"], &mut work.ledger) {
        let class = match units::number(line.word(1)) {
            Some(0) => Class::DefaultAnyway,
            Some(number) if number <= CONNECTIONS_MAX => {
                maxconn = Some(maxconn.map_or(number, |of_bind| of_bind.min(number)));
                Class::to(format!("{path}.maxconn"))
            }
            Some(_) | None => Class::lost("halb takes 1 to 10000000"),
        };
        work.settle(line, class);
    }
    if let Some(maxconn) = maxconn {
        table.set("maxconn", maxconn);
    }
    let mut backlog = listening.backlog;
    if let Some(line) = proxy.take(&["backlog"], &mut work.ledger) {
        backlog = backlog.or_else(|| units::number(line.word(1)).filter(|number| *number > 0));
        work.settle(line, Class::to(format!("{path}.backlog")));
    }
    if let Some(backlog) = backlog {
        table.set("backlog", backlog.min(65_535));
    }
    if let Some(line) = proxy.take(&["rate-limit", "sessions"], &mut work.ledger) {
        let rate = units::number(line.word(2)).filter(|rate| *rate > 0);
        let class = match rate {
            Some(rate) => {
                table.set("accept_rate", format!("{rate}/s"));
                Class::to(format!("{path}.accept_rate"))
            }
            None => Class::DefaultAnyway,
        };
        work.settle(line, class);
    }
}

fn write_access(access: &Access, listening: &Listening, table: &mut Table) {
    let texts = |nets: &[ipnet::IpNet]| nets.iter().map(written).collect::<Vec<_>>();
    if !access.allow.is_empty() {
        table.set("allow", texts(&access.allow));
    }
    if !access.deny.is_empty() {
        table.set("deny", texts(&access.deny));
    }
    if access.accept_proxy || listening.accept_proxy {
        table.set("accept_proxy", true);
    }
}

/// A single address without its length.
fn written(net: &ipnet::IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// A line for each connection, where HAProxy has a log and a form for it.
fn log(proxy: &Proxy<'_>, table: &mut Table, work: &mut Work<'_>) {
    let mut kept = Vec::new();
    for line in &proxy.lines {
        if begins_with(line, &["no", "log"]) {
            kept.clear();
            work.settle(line, Class::meaningless("it takes back what a section above it says"));
        } else if line.word(0) == "log" {
            let class = work.syslog.class(line);
            work.settle(line, class);
            kept.push(*line);
        }
    }
    let mut forms = 0;
    for name in ["tcplog", "httplog", "httpslog"] {
        if let Some(line) = proxy.option(name, &mut work.ledger) {
            forms += 1;
            work.settle(line, Class::DefaultAnyway);
        }
    }
    if kept.is_empty() && forms == 0 {
        table.set_because("access_log", false, "HAProxy had no log for it");
    }
}
