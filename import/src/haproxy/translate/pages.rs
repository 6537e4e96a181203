//! Sections that serve HAProxy's own pages: statistics, metrics, its state. halb has one address
//! for all of them, `[admin] http`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::address;
use super::super::model::{Proxy, begins_with};
use super::super::parse::Line;
use super::super::work::Work;
use super::listeners::BindLine;
use crate::document::Table;
use crate::finding::Class;

/// Whether a section serves nothing but pages.
pub(super) fn is_page(proxy: &Proxy<'_>) -> bool {
    let of_page = |line: &&&Line| serves_page(line);
    let balances = ["server", "server-template", "use_backend", "default_backend", "dispatch"];
    let forwards = proxy.lines.iter().any(|line| balances.contains(&line.word(0)));
    let own = proxy.own_lines();
    proxy.has_frontend() && !forwards && own.iter().any(|line| of_page(&line))
}

fn serves_page(line: &Line) -> bool {
    matches!(line.word(0), "stats" | "monitor-uri" | "monitor") || exports(line)
}

/// Whether a line serves HAProxy's metrics.
pub(super) fn exports(line: &Line) -> bool {
    line.texts().contains(&"prometheus-exporter")
}

/// Makes `[admin]` of a page. None where nothing of it can be served.
pub(super) fn translate(
    proxy: &Proxy<'_>,
    binds: &[BindLine<'_>],
    table: &mut Table,
    work: &mut Work<'_>,
) -> Option<SocketAddr> {
    let asks_password = proxy.last(&["stats", "auth"]).is_some();
    let chosen = if table.entries.is_empty() { first_address(binds) } else { None };
    let served = chosen.map(|address| hidden(address, asks_password));
    settle_binds(binds, chosen, served, work);
    for line in &proxy.lines {
        let own = proxy.own_lines().iter().any(|own| std::ptr::eq(*own, *line));
        if let Some(class) = page_class(line, served.is_some(), own) {
            work.settle(line, class);
        }
    }
    let header = match served {
        Some(_) => Class::to("admin.http"),
        None => Class::left_out("halb serves its pages at one address").instead("`[admin] http`"),
    };
    work.settle_header(proxy, header);
    let served = served?;
    if !asks_password && !served.ip().is_loopback() {
        let text = "everyone who reaches this address can read the status page and the metrics";
        let help = "write `http = \"127.0.0.1:8404\"`, or let a firewall say who may";
        work.hint(proxy.header.place(), text, help);
    }
    let comment = if asks_password && chosen != Some(served) {
        "on this host only: halb's page knows no password"
    } else {
        "status page, /metrics, /livez, /readyz, /status.json"
    };
    table.set_because("http", address::written(served.ip(), served.port()), comment);
    Some(served)
}

/// Of both families' addresses the first is taken, which is IPv4's.
fn first_address(binds: &[BindLine<'_>]) -> Option<SocketAddr> {
    binds.iter().find_map(|line| line.addresses.first().copied())
}

/// halb's page knows no password, so what asked for one is shown to this host only.
fn hidden(address: SocketAddr, asks_password: bool) -> SocketAddr {
    let all = address.ip().is_loopback();
    if !asks_password || all {
        return address;
    }
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
}

fn settle_binds(
    binds: &[BindLine<'_>],
    chosen: Option<SocketAddr>,
    served: Option<SocketAddr>,
    work: &mut Work<'_>,
) {
    for line in binds {
        let here = chosen.is_some_and(|chosen| line.addresses.contains(&chosen));
        let class = if here && chosen == served {
            Class::to("admin.http")
        } else if here {
            Class::lost("halb's page knows no password, so it is served to this host only")
                .instead("a tunnel, or a proxy that asks for one before it")
        } else {
            Class::left_out("halb serves its pages at one address").instead("`[admin] http`")
        };
        work.settle_words(line.head(), class);
        for option in &line.options {
            let class = match option.known {
                Some(known) if option.name != "ssl" => known
                    .fate
                    .class()
                    .unwrap_or_else(|| Class::meaningless("it concerns a page of HAProxy's own")),
                Some(_) => Class::lost("halb serves its pages without TLS"),
                None => super::listeners::unknown(option),
            };
            work.settle_words(option.words, class);
        }
    }
}

/// What becomes of a line of such a section. None: it is looked up as any other.
fn page_class(line: &Line, served: bool, own: bool) -> Option<Class> {
    let shown = || {
        if served {
            Class::to("admin.http")
        } else {
            Class::left_out("halb serves its pages at one address").instead("`[admin] http`")
        }
    };
    let paths = "halb's paths are its own";
    match (line.word(0), line.word(1)) {
        ("bind", _) => None,
        ("stats", "enable" | "http-request") => Some(shown()),
        ("stats", "uri") => Some(Class::left_out(paths).instead("/, /status.json and /metrics")),
        ("stats", "auth") => {
            Some(Class::left_out("halb's page knows no password, and is served to this host only"))
        }
        ("stats", "admin") => Some(
            Class::left_out("halb's page changes nothing")
                .instead("`halb server`, `halb sessions`"),
        ),
        ("stats", _) => Some(Class::meaningless("it is about the looks of HAProxy's page")),
        ("monitor-uri" | "monitor", _) => Some(Class::lost(paths).instead("/livez and /readyz")),
        ("http-request", "use-service") if exports(line) => Some(Class::to("haproxy.metrics")),
        ("http-request", "use-service") => Some(shown()),
        _ if begins_with(line, &["mode"]) && own => {
            Some(Class::meaningless("it is about a page of HAProxy's own"))
        }
        _ if own => Some(Class::meaningless("it is about a page of HAProxy's own")),
        _ => None,
    }
}
