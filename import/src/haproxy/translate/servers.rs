//! `server` and `default-server` lines: the servers of a backend with the options that hold for
//! each.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use halb_config::HostName;
use halb_config::names::ServerName;

use super::super::address::{self, Host, Port};
use super::super::model::Proxy;
use super::super::options::{self, Opt, Options, SERVER};
use super::super::parse::Line;
use super::super::units;
use super::super::words::Word;
use super::super::work::Work;
use super::listeners::unknown_among;
use super::resolvers;
use crate::finding::Class;

/// A server, and what holds for it.
pub(super) struct Server<'a> {
    /// `server`, its name and its address.
    pub(super) head: &'a [Word],
    /// As the result calls it.
    pub(super) name: String,
    pub(super) place: Place,
    /// What `default-server` and its own line say; the last word on each.
    options: Options<'a>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Ip(SocketAddr),
    /// A name, which halb follows, and a port.
    Name(HostName, u16),
}

impl Place {
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }

    /// Whether a connection from this address can reach it; a name may stand for either kind.
    pub(super) fn is_reached_from(&self, source: IpAddr) -> bool {
        match self {
            Self::Ip(address) => address.is_ipv4() == source.is_ipv4(),
            Self::Name(..) => true,
        }
    }
}

/// As `[backend.NAME.server]` takes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl<'a> Server<'a> {
    /// An option that is switched on.
    pub(super) fn on(&self, name: &str) -> Option<Opt<'a>> {
        self.options.get(name).copied().filter(|option| option.on)
    }

    /// The first argument of an option.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.on(name).map(|option| option.argument())
    }

    /// The words on an option, whether they switch it on or off.
    pub(super) fn words(&self, name: &str) -> Option<&'a [Word]> {
        self.options.get(name).map(|option| option.words)
    }

    /// In maintenance from the start: no connections, no checks.
    pub(super) fn is_disabled(&self) -> bool {
        self.on("disabled").is_some()
    }

    pub(super) fn is_checked(&self) -> bool {
        self.on("check").is_some() && !self.is_disabled()
    }
}

/// Reads the servers of a section; what can't be kept is settled. `ports` are those that clients
/// of the backend connect to.
pub(super) fn read<'a>(
    proxy: &Proxy<'a>,
    ports: &BTreeSet<u16>,
    work: &mut Work<'_>,
) -> Vec<Server<'a>> {
    let mut defaults = Options::new();
    let mut servers: Vec<Server<'a>> = Vec::new();
    for line in &proxy.lines {
        match line.word(0) {
            "default-server" => {
                work.settle_words(
                    &line.words[..1],
                    Class::meaningless("its words are told one by one"),
                );
                apply(line.words.get(1..).unwrap_or_default(), &mut defaults, work);
            }
            "server" => {
                let mut options = defaults.clone();
                let given = line.words.len().min(3);
                let (head, rest) = line.words.split_at(given);
                apply(rest, &mut options, work);
                match place(line, ports, work) {
                    Ok(place) => {
                        let name = name_for(line.word(1), &servers);
                        let server = Server { head, name, place, options };
                        if let Place::Name(host, _) = &server.place {
                            resolvers::follow(host, &server, work);
                        }
                        servers.push(server);
                    }
                    Err(why) => {
                        let class = Class::lost(why).instead("an address and a port");
                        work.settle_words(head, class);
                        let class = Class::meaningless("its server can't be kept");
                        settle_options(rest, &class, work);
                    }
                }
            }
            _ => {}
        }
    }
    servers
}

/// Adds options to those that hold; those without a counterpart are settled.
fn apply<'a>(words: &'a [Word], options: &mut Options<'a>, work: &mut Work<'_>) {
    for option in options::split(words, SERVER) {
        let Some(known) = option.known else {
            work.settle_words(option.words, unknown_among(&option, options::names(SERVER)));
            continue;
        };
        match known.fate.class() {
            Some(class) => {
                let class = if option.on { class } else { Class::DefaultAnyway };
                work.settle_words(option.words, class);
            }
            None if option.name == "enabled" => {
                options.insert("disabled", Opt { on: false, ..option });
            }
            None => match refusal(&option) {
                Some(why) => {
                    let class = Class::lost(format!("{why}, and HAProxy refuses it"));
                    work.settle_words(option.words, class);
                }
                None => {
                    options.insert(option.name, option);
                }
            },
        }
    }
}

/// Why the argument of an option is none; begins a sentence.
fn refusal(option: &Opt<'_>) -> Option<String> {
    let argument = option.argument();
    let (good, what) = match option.name {
        _ if !option.on => (true, ""),
        "inter" | "fastinter" | "downinter" | "slowstart" | "tcp-ut" => {
            (units::time(argument).is_some(), "time")
        }
        "rise" | "fall" | "weight" | "maxconn" | "maxqueue" => {
            (units::number(argument).is_some(), "number")
        }
        "port" => (argument.parse::<u16>().is_ok_and(|port| port > 0), "port"),
        "addr" => (argument.parse::<IpAddr>().is_ok(), "address"),
        _ => (true, ""),
    };
    (!good).then(|| format!("'{argument}' is no {what}"))
}

fn settle_options(words: &[Word], class: &Class, work: &mut Work<'_>) {
    for option in options::split(words, SERVER) {
        work.settle_words(option.words, class.clone());
    }
}

/// What no use was found for.
pub(super) fn settle_unused(proxy: &Proxy<'_>, work: &mut Work<'_>) {
    let lines = proxy.lines.iter().filter(|l| matches!(l.word(0), "server" | "default-server"));
    for line in lines {
        let begin = if line.word(0) == "server" { 3 } else { 1 };
        for option in options::split(line.words.get(begin..).unwrap_or_default(), SERVER) {
            if !work.ledger.covers(&option.place()) {
                work.settle_words(option.words, Class::meaningless("nothing here depends on it"));
            }
        }
    }
}

/// Where a server is, as its line says.
fn place(line: &Line, ports: &BTreeSet<u16>, work: &Work<'_>) -> Result<Place, String> {
    let text = line.word(2);
    if text.is_empty() {
        return Err("it has no address".to_owned());
    }
    let text = work
        .variables
        .expand(text)
        .map_err(|name| format!("the environment variable {name} isn't set here"))?;
    let (host, port) = address::server(&text)?;
    let ip = match host {
        Host::Ip(ip) => ip,
        Host::Name(name) => {
            let host = HostName::new(&name)
                .map_err(|_| format!("'{name}' is neither an address nor the name of a host"))?;
            return Ok(Place::Name(host, resolve_port(port, ports)?));
        }
        Host::AllIpv4 | Host::AllIpv6 => {
            return Err("halb connects to servers, not to where a client wanted to".to_owned());
        }
    };
    if ip.is_multicast() || matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return Err(format!("{ip} is no address that halb could connect to"));
    }
    Ok(Place::Ip(SocketAddr::new(ip, resolve_port(port, ports)?)))
}

/// A server without a port gets connections at the port that clients connect to.
fn resolve_port(port: Port, ports: &BTreeSet<u16>) -> Result<u16, String> {
    let offset = match port {
        Port::Given(port) => return Ok(port),
        Port::Clients(offset) => offset,
    };
    let mut ports = ports.iter();
    match (ports.next(), ports.next()) {
        (Some(only), None) => u16::try_from(i32::from(*only) + offset)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| format!("{only} and {offset} make no port")),
        (None, _) => Err("it has no port, and nobody connects to its backend".to_owned()),
        (Some(_), Some(_)) => {
            Err("it takes the port of the client, and its clients use several".to_owned())
        }
    }
}

/// A name that halb takes, and that no other server has.
fn name_for(name: &str, servers: &[Server<'_>]) -> String {
    let taken = |name: &str| servers.iter().any(|server| server.name == name);
    super::names::fitting(name, |name| ServerName::new(name).is_ok() && !taken(name))
}

/// The value that most servers have, the first of those that are equally frequent.
pub(super) fn common<'s, 'a: 's, T: PartialEq>(
    servers: impl Iterator<Item = &'s Server<'a>> + Clone,
    value: impl Fn(&Server<'a>) -> T,
) -> Option<T> {
    let mut counts: Vec<(T, usize)> = Vec::new();
    for server in servers {
        let value = value(server);
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    // The first of the most frequent: `max_by_key` would take the last.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

/// Settles the words on something that all servers of a backend share: those of servers that have
/// the value that is kept, and those of servers that have another.
pub(super) fn settle_common<'s, 'a: 's, T: PartialEq>(
    servers: impl Iterator<Item = &'s Server<'a>>,
    names: &[&str],
    value: impl Fn(&Server<'a>) -> T,
    kept: &T,
    class: &Class,
    work: &mut Work<'_>,
) {
    for server in servers {
        let same = value(server) == *kept;
        let words: Vec<_> = names.iter().filter_map(|name| server.words(name)).collect();
        for words in &words {
            work.settle_words(words, if same { class.clone() } else { differs(names) });
        }
        if !same && words.is_empty() {
            work.settle_words(server.head, differs(names));
        }
    }
}

fn differs(names: &[&str]) -> Class {
    let what = names.first().copied().unwrap_or_default();
    Class::lost(format!(
        "halb has one '{what}' for all servers of a backend, and most have another"
    ))
    .instead("a backend of its own for this server")
}
