//! Names of servers: `resolvers` sections and what servers say of them become `[resolver]`.
//!
//! HAProxy has any number of such sections, and asks the C library once where a server names none.
//! halb has one table, and follows every name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halb_config::HostName;

use super::super::model::begins_with;
use super::super::parse::{Kind, Line, Parsed, Section, place_of};
use super::super::units;
use super::super::work::{Named, Work};
use super::servers::Server;
use crate::document::{Table, Value};
use crate::finding::Class;

/// Most name servers that halb takes.
const NAMESERVERS_MAX: usize = 3;

/// Bounds of what `[resolver]` takes.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
const HOLD: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(24 * 3600));
const REFRESH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
const ATTEMPTS_MAX: u32 = 5;

/// Takes note of a server with a name.
pub(super) fn follow(host: &HostName, server: &Server<'_>, work: &mut Work<'_>) {
    let section = server.value("resolvers").map(str::to_owned);
    let prefer = server.value("resolve-prefer").map(str::to_owned);
    for (option, to) in [("resolvers", "resolver"), ("resolve-prefer", "resolver.family")] {
        if let Some(words) = server.words(option) {
            work.settle_words(words, Class::to(to));
        }
    }
    if section.is_none() {
        work.hint(
            place_of(server.head),
            format!("HAProxy asks for '{host}' once, when it starts; halb follows it"),
            "see docs/names.md for what becomes of a server whose name changes or goes",
        );
    }
    if !host.as_str().contains('.') {
        work.hint(
            place_of(server.head),
            format!("'{host}' is asked for as it stands: search lists don't count"),
            "write the name in full, unless /etc/hosts has it",
        );
    }
    work.named.push(Named { resolvers: section, prefer });
}

/// `[resolver]`: what the section says that most servers with names ask.
pub(super) fn translate(parsed: &Parsed, work: &mut Work<'_>) -> Table {
    let mut table = Table::new(["resolver"]);
    let sections: Vec<&Section> = parsed.sections.iter().filter(|s| is_resolvers(s)).collect();
    let named = std::mem::take(&mut work.named);
    let asked = |section: &&Section| {
        let of_it = |named: &&Named| named.resolvers.as_deref() == Some(section.name());
        named.iter().filter(of_it).count()
    };
    // The first of the most asked: `max_by_key` would take the last.
    let used = sections.iter().rev().filter(|section| asked(section) > 0);
    let Some(chosen) = used.max_by_key(|section| asked(section)).copied() else { return table };
    for section in &sections {
        let class = if std::ptr::eq(*section, chosen) {
            Class::to("resolver")
        } else if asked(section) > 0 {
            Class::lost("halb asks the same name servers for all names")
        } else {
            continue;
        };
        work.settle(&section.header, class.clone());
        if !std::ptr::eq(*section, chosen) {
            section.lines.iter().for_each(|line| work.settle(line, class.clone()));
        }
    }
    nameservers(chosen, &mut table, work);
    family(&named, &mut table);
    refresh(chosen, &mut table, work);
    for line in &chosen.lines {
        if !work.ledger.covers(&line.place()) {
            let class = time_or_number(line, &mut table);
            work.settle(line, class);
        }
    }
    table
}

fn is_resolvers(section: &Section) -> bool {
    matches!(section.kind, Kind::Other(foreign) if foreign.keyword == "resolvers")
}

/// HAProxy prefers IPv6 where nobody says otherwise.
fn family(named: &[Named], table: &mut Table) {
    let asked = named.iter().filter(|named| named.resolvers.is_some());
    let ipv4 = asked.clone().filter(|named| named.prefer.as_deref() == Some("ipv4")).count();
    if ipv4 * 2 < asked.count() {
        table.set_because("family", "prefer-ipv6", "as HAProxy does");
    }
}

fn nameservers(section: &Section, table: &mut Table, work: &mut Work<'_>) {
    let mut servers: Vec<String> = Vec::new();
    let of_host = section.lines.iter().any(|line| line.word(0) == "parse-resolv-conf");
    for line in section.lines.iter().filter(|line| line.word(0) == "nameserver") {
        let class = match nameserver(line.word(2)) {
            None => Class::lost("that is no address of a name server").instead("ADDRESS:PORT"),
            Some(_) if of_host => Class::left_out("halb asks those of /etc/resolv.conf alone")
                .instead("`[resolver] nameservers` with all of them"),
            Some(_) if servers.len() >= NAMESERVERS_MAX => {
                Class::left_out(format!("halb asks {NAMESERVERS_MAX} name servers, in turn"))
            }
            Some(server) => {
                servers.push(server.to_string());
                Class::to("resolver.nameservers")
            }
        };
        work.settle(line, class);
    }
    for line in section.lines.iter().filter(|line| line.word(0) == "parse-resolv-conf") {
        work.settle(line, Class::DefaultAnyway);
    }
    if !servers.is_empty() {
        table.set("nameservers", servers.into_iter().map(Value::from).collect::<Vec<_>>());
    }
}

/// `ADDRESS:PORT`, over UDP or TCP; halb chooses between the two.
fn nameserver(text: &str) -> Option<SocketAddr> {
    let bare = ["udp@", "udp4@", "udp6@", "tcp@", "ipv4@", "ipv6@"];
    let text = bare.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    // HAProxy takes IPv6 without brackets: what follows the last colon is the port.
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port.parse().ok().filter(|p| *p > 0)?))
}

/// How often names are asked: HAProxy doesn't look at times to live.
fn refresh(section: &Section, table: &mut Table, work: &mut Work<'_>) {
    let mut read = |words: &[&str], key: &str| {
        let line = section.lines.iter().rev().find(|line| begins_with(line, words))?;
        let time = units::time(line.word(2))?.clamp(REFRESH.0, REFRESH.1);
        work.settle(line, Class::to(format!("resolver.{key}")));
        Some(time)
    };
    let most = read(&["hold", "valid"], "refresh_max");
    let least = read(&["timeout", "resolve"], "refresh_min");
    let bound = most.unwrap_or(halb_config::defaults::REFRESH_MAX);
    let default = halb_config::defaults::REFRESH_MIN;
    if least.is_some() || default > bound {
        let least = least.unwrap_or(default).min(bound);
        table.set("refresh_min", units::written(least, REFRESH.0, REFRESH.1));
    }
    if let Some(most) = most {
        table.set("refresh_max", units::written(most, REFRESH.0, REFRESH.1));
    }
}

/// The other lines of a section.
fn time_or_number(line: &Line, table: &mut Table) -> Class {
    let mut time = |key: &str, text: &str, (least, most): (Duration, Duration)| {
        let Some(time) = units::time(text) else {
            return Class::lost("that is no time, and HAProxy refuses it");
        };
        table.set(key, units::written(time, least, most));
        Class::to(format!("resolver.{key}"))
    };
    match (line.word(0), line.word(1)) {
        ("hold", "nx") => time("hold_gone", line.word(2), HOLD),
        ("hold", "obsolete") => time("hold_obsolete", line.word(2), HOLD),
        ("hold", "timeout") => time("hold_unanswered", line.word(2), HOLD),
        ("hold", "valid") | ("timeout", "resolve") => {
            Class::meaningless("a later line says otherwise, or it is no time")
        }
        ("hold", _) => Class::left_out("halb has one hold time for all that isn't an answer")
            .instead("`[resolver] hold_unanswered`"),
        ("timeout", "retry") => time("timeout", line.word(2), TIMEOUT),
        ("resolve_retries", text) => match units::number(text).filter(|number| *number > 0) {
            Some(number) => {
                table.set("attempts", number.min(ATTEMPTS_MAX));
                Class::to("resolver.attempts")
            }
            None => Class::lost("that is no number that HAProxy takes"),
        },
        ("accepted_payload_size", _) => {
            Class::meaningless("halb asks over TCP for what doesn't fit into a datagram")
        }
        _ => Class::meaningless("halb's resolver has nothing that it could be about"),
    }
}
