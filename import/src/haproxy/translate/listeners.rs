//! `bind` lines: where a frontend listens, and how.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::super::address::{self, Host};
use super::super::model::Proxy;
use super::super::options::{self, BIND, Opt};
use super::super::units;
use super::super::words::Word;
use super::super::work::Work;
use crate::document::Table;
use crate::finding::Class;
use halb_config::keys::nearest;

/// One `bind` line, or the address that old versions took behind a section's name.
pub(super) struct BindLine<'a> {
    /// `bind` and its addresses.
    words: &'a [Word],
    pub(super) addresses: Vec<SocketAddr>,
    /// Why some of the addresses can't be taken.
    refused: Vec<String>,
    pub(super) options: Vec<Opt<'a>>,
}

impl<'a> BindLine<'a> {
    /// `bind` and its addresses.
    pub(super) fn head(&self) -> &'a [Word] {
        self.words
    }

    /// Why it can't be taken, or a part of it.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refused.first().map(String::as_str)
    }

    /// Clients' TLS can't be terminated here.
    pub(super) fn refuse_tls(&mut self) {
        if self.has("ssl") {
            self.addresses.clear();
            let why =
                "it terminates TLS, which halb only passes on, and its servers don't speak it";
            self.refused.push(why.to_owned());
        }
    }

    /// Whether an option stands on the line.
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|option| option.name == name && option.on)
    }
}

/// All `bind` lines of a section.
pub(super) fn read<'a>(proxy: &Proxy<'a>, work: &Work<'_>) -> Vec<BindLine<'a>> {
    let old = proxy.old_bind().and_then(|words| words.split_at_checked(1));
    let lines = proxy.all(&["bind"]).filter(|line| line.words.len() > 1);
    let binds = lines.map(|line| line.words.split_at(2));
    old.into_iter().chain(binds).map(|(words, rest)| read_line(words, rest, work)).collect()
}

fn read_line<'a>(words: &'a [Word], rest: &'a [Word], work: &Work<'_>) -> BindLine<'a> {
    let options = options::split(rest, BIND);
    let v6only = options.iter().any(|option| option.name == "v6only" && option.on);
    let mut line = BindLine { words, addresses: Vec::new(), refused: Vec::new(), options };
    let text = words.last().map_or("", |word| word.text.as_str());
    let expanded = match work.variables.expand(text) {
        Ok(expanded) => expanded,
        Err(name) => {
            line.refused.push(format!("the environment variable {name} isn't set here"));
            return line;
        }
    };
    for part in expanded.split(',') {
        match read_part(part, v6only, work) {
            Ok(addresses) => line.addresses.extend(addresses),
            Err(refusal) => line.refused.push(refusal),
        }
    }
    line
}

fn read_part(part: &str, v6only: bool, work: &Work<'_>) -> Result<Vec<SocketAddr>, String> {
    let bind = address::bind(part)?;
    let all4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let all6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let hosts = match bind.host {
        Host::AllIpv4 => vec![all4],
        Host::AllIpv6 if v6only => vec![all6],
        // Linux gives IPv4 along.
        Host::AllIpv6 => vec![all4, all6],
        Host::Ip(ip) => vec![ip],
        Host::Name(name) => match work.surroundings.address(&name) {
            Some(ip) => vec![ip],
            None => return Err(format!("'{name}' is a name, for which no address is known here")),
        },
    };
    let unfit = |ip: &&IpAddr| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if let Some(ip) = hosts.iter().find(|ip| ip.is_multicast() || unfit(ip)) {
        return Err(format!("{ip} is no address that halb could listen on"));
    }
    let ports = bind.ports;
    Ok(hosts
        .into_iter()
        .flat_map(|ip| ports.iter().map(move |p| SocketAddr::new(ip, *p)))
        .collect())
}

/// What the lines of a frontend come to.
pub(super) struct Listening {
    /// Without those that are there twice.
    pub(super) addresses: Vec<SocketAddr>,
    /// `TCP_USER_TIMEOUT` of clients.
    pub(super) user_timeout: Option<Duration>,
    pub(super) accept_proxy: bool,
    pub(super) maxconn: Option<u32>,
    pub(super) backlog: Option<u32>,
}

/// Settles the lines for a frontend that is written as `table`.
pub(super) fn settle(lines: &[BindLine<'_>], table: &Table, work: &mut Work<'_>) -> Listening {
    let path = table.path.join(".");
    let key = |name: &str| format!("{path}.{name}");
    let mut all = Listening {
        addresses: Vec::new(),
        user_timeout: None,
        accept_proxy: lines.iter().any(|line| line.has("accept-proxy")),
        maxconn: None,
        backlog: None,
    };
    for line in lines {
        settle_addresses(line, &key("bind"), work);
        for address in &line.addresses {
            if !all.addresses.contains(address) {
                all.addresses.push(*address);
            }
        }
        for option in &line.options {
            let class = if line.addresses.is_empty() {
                Class::meaningless("its listener isn't kept")
            } else {
                option_class(option, lines, &key, &mut all)
            };
            work.settle_words(option.words, class);
        }
    }
    all
}

fn settle_addresses(line: &BindLine<'_>, key: &str, work: &mut Work<'_>) {
    let class = match line.refused.first() {
        None => Class::to(key),
        Some(refusal) => Class::lost(refusal.clone()).instead("an address and a port"),
    };
    work.settle_words(line.words, class);
}

fn option_class(
    option: &Opt<'_>,
    lines: &[BindLine<'_>],
    key: &impl Fn(&str) -> String,
    all: &mut Listening,
) -> Class {
    let Some(known) = option.known else { return unknown(option) };
    if let Some(class) = known.fate.class() {
        return if option.on { class } else { Class::DefaultAnyway };
    }
    let number = units::number(option.argument()).filter(|number| *number > 0);
    let alone = lines.len() == 1;
    match option.name {
        _ if !option.on => Class::DefaultAnyway,
        "v4v6" | "v6only" => Class::to(key("bind")),
        "accept-proxy" if lines.iter().all(|line| line.has("accept-proxy")) => {
            Class::to(key("accept_proxy"))
        }
        "accept-proxy" => Class::lost("halb expects PROXY headers on all listeners of a frontend")
            .instead("a frontend of its own for these listeners"),
        "tcp-ut" => match units::time(option.argument()) {
            Some(timeout) => {
                all.user_timeout = Some(all.user_timeout.map_or(timeout, |t| t.min(timeout)));
                Class::to(key("user_timeout"))
            }
            None => Class::lost("that is no time, and HAProxy refuses it"),
        },
        "maxconn" if alone && number.is_some() => {
            all.maxconn = number;
            Class::to(key("maxconn"))
        }
        "backlog" if number.is_some() => {
            all.backlog = number;
            Class::to(key("backlog"))
        }
        "maxconn" => Class::lost("halb counts the connections of a frontend, not of a listener")
            .instead("a frontend of its own for this listener"),
        "ssl" => Class::lost("halb terminates no TLS; it passes TLS on to servers that speak it")
            .instead("servers that terminate it themselves"),
        _ => Class::lost("it can't be translated"),
    }
}

/// An option that nobody knows.
pub(super) fn unknown(option: &Opt<'_>) -> Class {
    unknown_among(option, options::names(BIND))
}

/// The same, with a table to look for what was meant.
pub(super) fn unknown_among(option: &Opt<'_>, names: impl Iterator<Item = &'static str>) -> Class {
    let class = Class::lost("nobody knows this word");
    match nearest(names, option.name) {
        Some(near) => class.instead(format!("was '{near}' meant?")),
        None => class,
    }
}
