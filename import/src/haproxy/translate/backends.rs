//! `[backend.NAME]` of a `backend` or `listen`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::address;
use super::super::model::Proxy;
use super::super::parse::{Line, place_of};
use super::super::units;
use super::super::work::Work;
use super::checks;
use super::globals::Globals;
use super::servers::{self, Server, common, settle_common};
use super::timeouts::{self, LONG, Patience, Side, WAIT, timeout};
use crate::document::{Table, Value};
use crate::finding::Class;

/// Most connections that halb lets wait for a backend.
const QUEUE_MAX: u32 = 1_000_000;

/// Most connections that halb counts.
const CONNECTIONS_MAX: u32 = 10_000_000;

/// A backend of the result.
pub(super) struct Backend<'a> {
    /// As the result calls it.
    pub(super) name: String,
    pub(super) tables: Vec<Table>,
    pub(super) patience: Patience<'a>,
    /// Its servers are spoken to over TLS.
    pub(super) speaks_tls: bool,
    /// It has a server.
    pub(super) usable: bool,
}

/// Translates a section; `ports` are those that its clients connect to.
pub(super) fn translate<'a>(
    proxy: &Proxy<'a>,
    name: &str,
    ports: &BTreeSet<u16>,
    globals: &Globals<'_>,
    work: &mut Work<'_>,
) -> Backend<'a> {
    let mut table = Table::new(["backend", name]);
    let patience = Patience::of(proxy, work);
    let servers = servers::read(proxy, ports, work);
    let speaks_tls = common(servers.iter(), |server| server.on("ssl").is_some()).unwrap_or(false);
    balance(proxy, &mut table, work);
    checks::translate(proxy, &servers, globals, &mut table, work);
    timeouts::connect(proxy, &mut table, work);
    timeouts::retries(proxy, &mut table, work);
    queue(proxy, &servers, &mut table, work);
    on_down(&servers, &mut table, work);
    slow_start(&servers, &mut table, work);
    timeouts::server_side(proxy, patience, &mut table, work);
    let side = Side { option: "srvtcpka", user_timeout: user_timeout(&servers, &table, work) };
    timeouts::side(proxy, &side, &mut table, work);
    source(proxy, &servers, &mut table, work);
    send_proxy(&servers, &mut table, work);
    let listed = list(proxy, &servers, name, work);
    tls(&servers, work);
    servers::settle_unused(proxy, work);
    let usable = !servers.is_empty();
    Backend { name: name.to_owned(), tables: vec![table, listed], patience, speaks_tls, usable }
}

fn key(table: &Table, name: &str) -> String {
    format!("{}.{name}", table.path.join("."))
}

fn balance(proxy: &Proxy<'_>, table: &mut Table, work: &mut Work<'_>) {
    let path = key(table, "balance");
    let hash_type = proxy.take(&["hash-type"], &mut work.ledger);
    let Some(line) = proxy.take(&["balance"], &mut work.ledger) else { return };
    let algorithm = line.word(1);
    let (value, class) = match algorithm.split('(').next().unwrap_or_default() {
        "roundrobin" => ("roundrobin", Class::DefaultAnyway),
        "static-rr" => ("roundrobin", Class::to(path)),
        "leastconn" => ("leastconn", Class::to(path)),
        "source" => ("source", Class::to(path)),
        "random" => ("random", Class::to(path)),
        "hash" if line.word(2) == "src" => ("source", Class::to(path)),
        "first" => (
            "roundrobin",
            Class::lost("halb fills no server before it turns to the next")
                .instead("`maxconn` with `backup`"),
        ),
        _ => (
            "roundrobin",
            Class::lost(format!("halb can't balance by '{algorithm}'"))
                .instead("`source` keeps a client on one server"),
        ),
    };
    work.settle(line, class);
    table.set("balance", value);
    if let Some(line) = hash_type {
        let class = match (value, line.word(1)) {
            ("source", "consistent") => Class::DefaultAnyway,
            ("source", _) => Class::left_out("halb's hash is always consistent"),
            _ => Class::meaningless("nothing is hashed"),
        };
        work.settle(line, class);
    }
}

/// Who waits, and how long; only servers with a limit let anybody wait.
fn queue(proxy: &Proxy<'_>, servers: &[Server<'_>], table: &mut Table, work: &mut Work<'_>) {
    let path = key(table, "queue");
    let limited = servers.iter().any(|server| maxconn(server).is_some());
    let said = timeout(proxy, "queue", work);
    if !limited {
        let class = Class::meaningless("no server has a maxconn, so nobody waits");
        if let Some(said) = said {
            work.settle(said.line, class.clone());
        }
        for words in servers.iter().filter_map(|server| server.words("maxqueue")) {
            work.settle_words(words, class.clone());
        }
        return;
    }
    if let Some(said) = said {
        work.settle(said.line, Class::to(&path));
    }
    let most = |server: &Server<'_>| {
        server.value("maxqueue").and_then(units::number).filter(|number| *number > 0)
    };
    for words in servers.iter().filter_map(|server| server.words("maxqueue")) {
        work.settle_words(words, Class::to(&path));
    }
    let all: Option<Vec<u32>> = servers.iter().map(most).collect();
    let max = all.map_or(QUEUE_MAX, |all| {
        all.iter().fold(0_u32, |sum, max| sum.saturating_add(*max)).min(QUEUE_MAX)
    });
    let patience = said.or_else(|| timeout(proxy, "connect", work));
    let longest = patience.map_or(WAIT.1, |patience| patience.duration);
    let pairs = [
        ("max".to_owned(), Value::from(max)),
        ("timeout".to_owned(), units::written(longest, WAIT.0, WAIT.1).into()),
    ];
    table.set("queue", Value::Inline(pairs.into()));
}

fn maxconn(server: &Server<'_>) -> Option<u32> {
    let number = server.value("maxconn").and_then(units::number);
    number.filter(|number| (1..=CONNECTIONS_MAX).contains(number))
}

/// HAProxy lets the sessions of a server that went down live on, unless it is told otherwise.
fn on_down(servers: &[Server<'_>], table: &mut Table, work: &mut Work<'_>) {
    let path = key(table, "on_down");
    let ends = |server: &Server<'_>| server.value("on-marked-down") == Some("shutdown-sessions");
    let kept = common(servers.iter(), ends).unwrap_or(false);
    settle_common(servers.iter(), &["on-marked-down"], ends, &kept, &Class::to(path), work);
    if kept {
        table.set("on_down", "reset");
        table.set_because("on_down_spread", "0s", "all at once, as HAProxy; better left out");
    } else {
        let comment = "as HAProxy: clients hang on dead servers; better left out";
        table.set_because("on_down", "keep", comment);
        if let Some(server) = servers.iter().find(|server| server.is_checked()) {
            work.hint(
                place_of(server.head),
                "without `on-marked-down shutdown-sessions` watches hang on a server that is down",
                "remove `on_down = \"keep\"`",
            );
        }
    }
}

fn slow_start(servers: &[Server<'_>], table: &mut Table, work: &mut Work<'_>) {
    let path = key(table, "slow_start");
    let time = |server: &Server<'_>| {
        server.value("slowstart").and_then(units::time).filter(|time| !time.is_zero())
    };
    let kept = common(servers.iter(), time).flatten();
    settle_common(servers.iter(), &["slowstart"], time, &kept, &Class::to(path), work);
    if let Some(kept) = kept {
        table.set("slow_start", units::written(kept, LONG.0, LONG.1));
    }
}

fn user_timeout(
    servers: &[Server<'_>],
    table: &Table,
    work: &mut Work<'_>,
) -> Option<std::time::Duration> {
    let time = |server: &Server<'_>| {
        server.value("tcp-ut").and_then(units::time).filter(|time| !time.is_zero())
    };
    let kept = common(servers.iter(), time).flatten();
    let class = Class::to(key(table, "user_timeout"));
    settle_common(servers.iter(), &["tcp-ut"], time, &kept, &class, work);
    kept
}

/// The address that connections come from.
fn source(proxy: &Proxy<'_>, servers: &[Server<'_>], table: &mut Table, work: &mut Work<'_>) {
    let path = key(table, "source");
    let line = proxy.take(&["source"], &mut work.ledger);
    let of_backend = line.and_then(|line| source_address(line.word(1)));
    if let Some(line) = line {
        work.settle(line, source_class(line, &path));
    }
    let of_server = |server: &Server<'_>| match server.value("source") {
        Some(text) => source_address(text),
        None => of_backend,
    };
    let kept = common(servers.iter(), of_server).flatten();
    settle_common(servers.iter(), &["source"], of_server, &kept, &Class::to(&path), work);
    let reaches = |ip: &IpAddr| servers.iter().all(|server| server.place.is_reached_from(*ip));
    match kept {
        Some(ip) if reaches(&ip) => table.set("source", ip.to_string()),
        Some(ip) => {
            let text = format!("`source {ip}` is left out: some servers are of the other family");
            table.remark(text);
        }
        None => {}
    }
}

/// The address of a source; all addresses are none.
fn source_address(text: &str) -> Option<IpAddr> {
    match address::server(text).ok()?.0 {
        address::Host::Ip(ip) if !ip.is_multicast() => Some(ip),
        address::Host::Ip(_)
        | address::Host::AllIpv4
        | address::Host::AllIpv6
        | address::Host::Name(_) => None,
    }
}

fn source_class(line: &Line, path: &str) -> Class {
    let texts = line.texts();
    if texts.contains(&"usesrc") {
        return Class::lost("halb connects with an address of its own, not with the client's")
            .instead("`send_proxy`, where servers understand it");
    }
    if texts.contains(&"interface") {
        return Class::lost("the kernel's routes say which interface is used");
    }
    match source_address(line.word(1)) {
        Some(_) if line.word(1).contains('-') => {
            Class::lost("halb leaves the choice of ports to the kernel")
        }
        Some(_) => Class::to(path),
        None => Class::DefaultAnyway,
    }
}

/// The version of the PROXY header, if one is sent.
fn send_proxy(servers: &[Server<'_>], table: &mut Table, work: &mut Work<'_>) {
    let path = key(table, "send_proxy");
    let names = ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn"];
    let version = |server: &Server<'_>| {
        let second = names.iter().skip(1).any(|name| server.on(name).is_some());
        if second { Some("v2") } else { server.on("send-proxy").map(|_| "v1") }
    };
    let kept = common(servers.iter(), version).flatten();
    settle_common(servers.iter(), &names, version, &kept, &Class::to(path), work);
    if let Some(kept) = kept {
        table.set("send_proxy", kept);
    }
}

/// halb hands bytes on; who speaks TLS to servers is the client.
fn tls(servers: &[Server<'_>], work: &mut Work<'_>) {
    for server in servers {
        if let Some(option) = server.on("ssl") {
            let class = Class::lost("halb speaks no TLS to servers; clients have to speak it")
                .instead("clients that speak TLS, whose bytes halb passes on");
            work.settle_words(option.words, class);
        }
    }
}

/// `[backend.NAME.server]`.
fn list(proxy: &Proxy<'_>, servers: &[Server<'_>], name: &str, work: &mut Work<'_>) -> Table {
    let mut table = Table::new(["backend", name, "server"]);
    let any_checked = servers.iter().any(Server::is_checked);
    let all_backups = proxy.option("allbackups", &mut work.ledger);
    let mut backups = 0;
    for server in servers {
        let path = key(&table, &server.name);
        let mut pairs = vec![("address".to_owned(), Value::from(server.place.to_string()))];
        let mut keep = |name: &str, value: Value| pairs.push((name.to_owned(), value));
        work.settle_words(server.head, Class::to(&path));
        let weight = server.value("weight").and_then(units::number).filter(|weight| *weight <= 256);
        for word in ["weight", "backup", "maxconn", "disabled"] {
            if let Some(words) = server.words(word) {
                work.settle_words(words, option_class(server, word, backups, all_backups, &path));
            }
        }
        let weight = if server.is_disabled() { Some(0) } else { weight };
        if let Some(weight) = weight.filter(|weight| *weight != 1) {
            keep("weight", weight.into());
        }
        if server.on("backup").is_some() {
            backups += 1;
            keep("backup", true.into());
        }
        if let Some(maxconn) = maxconn(server) {
            keep("maxconn", maxconn.into());
        }
        if any_checked && !server.is_checked() {
            keep("check", false.into());
        }
        let off = || "disabled: `halb server weight` gives it one".to_owned();
        let comment = server.is_disabled().then(off);
        let alone = pairs.len() == 1;
        let address = Value::from(server.place.to_string());
        let value = if alone { address } else { Value::Inline(pairs) };
        timeouts::set(&mut table, &server.name, value, comment.as_deref());
    }
    if let Some(line) = all_backups {
        work.settle(line, Class::DefaultAnyway);
    }
    table
}

fn option_class(
    server: &Server<'_>,
    word: &str,
    backups: u32,
    all_backups: Option<&Line>,
    path: &str,
) -> Class {
    let number = || server.value(word).and_then(units::number);
    match word {
        "weight" if number() == Some(1) => Class::DefaultAnyway,
        "weight" if number().is_some_and(|weight| weight <= 256) => {
            Class::to(format!("{path}.weight"))
        }
        "maxconn" if number() == Some(0) => Class::DefaultAnyway,
        "maxconn" if maxconn(server).is_some() => Class::to(format!("{path}.maxconn")),
        "weight" | "maxconn" => Class::lost("that is no number that HAProxy takes"),
        "backup" if server.on("backup").is_none() => Class::DefaultAnyway,
        "backup" if backups > 0 && all_backups.is_none() => {
            Class::lost("where no other server is up, all backups serve, not the first alone")
                .instead("one backup")
        }
        "disabled" if !server.is_disabled() => Class::DefaultAnyway,
        "disabled" => Class::to(format!("{path}.weight")),
        _ => Class::to(format!("{path}.{word}")),
    }
}
