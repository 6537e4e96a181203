//! Addresses as HAProxy takes them: `:6443`, `*:80`, `[::]:80`, `:::80`, `ipv4@10.0.0.1:80`, lists
//! and ranges of ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most ports of a range that are written one by one.
const RANGE_MAX: u16 = 64;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) host: Host,
    /// At least one.
    pub(super) ports: Vec<u16>,
}

/// The part of an address before the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// All IPv4 addresses: nothing, `*` or `0.0.0.0`.
    AllIpv4,
    /// All IPv6 addresses: `::`; without `v6only` Linux takes IPv4 along.
    AllIpv6,
    /// An address.
    Ip(IpAddr),
    /// A host name.
    Name(String),
}

/// The port of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// As written.
    Given(u16),
    /// The port that the client connected to, and so much more or less.
    Clients(i32),
}

/// Why something is no address that halb could take; ends a sentence.
pub(super) type Refusal = String;

/// Reads one part of `bind`'s list.
pub(super) fn bind(text: &str) -> Result<Bind, Refusal> {
    let (text, family) = family(text)?;
    let (host, port) = split_port(text);
    let port = port.ok_or_else(|| "it has no port".to_owned())?;
    Ok(Bind { host: host_of(host, family)?, ports: ports(port)? })
}

/// Reads the address of a server.
pub(super) fn server(text: &str) -> Result<(Host, Port), Refusal> {
    let (text, family) = family(text)?;
    let (host, port) = split_port(text);
    let port = match port {
        None => Port::Clients(0),
        Some(port) if port.starts_with(['+', '-']) => {
            let offset = port.parse::<i16>().map_err(|_| format!("'{port}' is no port"))?;
            Port::Clients(offset.into())
        }
        Some(port) => match port.parse::<u16>() {
            Ok(0) => Port::Clients(0),
            Ok(port) => Port::Given(port),
            Err(_) => return Err(format!("'{port}' is no port")),
        },
    };
    Ok((host_of(host, family)?, port))
}

/// What a prefix such as `ipv4@` demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Any,
    Ipv4,
    Ipv6,
}

fn family(text: &str) -> Result<(&str, Family), Refusal> {
    if text.starts_with('/') {
        return Err("it is a unix socket, and halb takes TCP only".to_owned());
    }
    let Some((prefix, rest)) = text.split_once('@') else { return Ok((text, Family::Any)) };
    match prefix {
        "ipv4" | "tcp4" | "stream+ipv4" => Ok((rest, Family::Ipv4)),
        "ipv6" | "tcp6" | "stream+ipv6" => Ok((rest, Family::Ipv6)),
        "tcp" | "ip" | "stream+ip" => Ok((rest, Family::Any)),
        "unix" | "abns" | "abnsz" | "uxst" | "uxdg" => {
            Err("it is a unix socket, and halb takes TCP only".to_owned())
        }
        "fd" | "sockpair" => Err("it is an inherited descriptor".to_owned()),
        _ => Err(format!("'{prefix}@' is no TCP address")),
    }
}

/// The last colon parts host and port, also where IPv6 has no brackets. Without colon, or within
/// brackets alone, there is no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some(bracketed) = text.strip_prefix('[')
        && let Some((host, rest)) = bracketed.split_once(']')
    {
        return (host, rest.strip_prefix(':').filter(|port| !port.is_empty()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
        None => (text, None),
    }
}

fn host_of(host: &str, family: Family) -> Result<Host, Refusal> {
    if matches!(host, "" | "*") {
        return Ok(if family == Family::Ipv6 { Host::AllIpv6 } else { Host::AllIpv4 });
    }
    let Ok(ip) = host.parse::<IpAddr>() else {
        return if is_name(host) {
            Ok(named(host, family))
        } else {
            Err(format!("'{host}' is no address"))
        };
    };
    match (ip, family) {
        (IpAddr::V4(_), Family::Ipv6) | (IpAddr::V6(_), Family::Ipv4) => {
            Err(format!("{ip} isn't of the family that is demanded"))
        }
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), _) => Ok(Host::AllIpv4),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), _) => Ok(Host::AllIpv6),
        (ip, _) => Ok(Host::Ip(ip)),
    }
}

/// One name is known everywhere.
fn named(host: &str, family: Family) -> Host {
    match (host, family) {
        ("localhost", Family::Ipv6) => Host::Ip(Ipv6Addr::LOCALHOST.into()),
        ("localhost", Family::Ipv4 | Family::Any) => Host::Ip(Ipv4Addr::LOCALHOST.into()),
        (name, _) => Host::Name(name.to_owned()),
    }
}

fn is_name(host: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    host.len() <= 253 && host.chars().all(part) && host.contains(|c: char| c.is_ascii_alphabetic())
}

fn ports(text: &str) -> Result<Vec<u16>, Refusal> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("'{text}' is no port")),
    };
    let Some((from, to)) = text.split_once('-') else { return Ok(vec![port(text)?]) };
    let (from, to) = (port(from)?, port(to)?);
    if from > to {
        return Err(format!("{from} to {to} is no range of ports"));
    }
    if to - from >= RANGE_MAX {
        return Err(format!("{from} to {to} are too many ports to be listed"));
    }
    Ok((from..=to).collect())
}

/// As halb's file has it.
pub(super) fn written(ip: IpAddr, port: u16) -> String {
    if ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        format!("*:{port}")
    } else {
        SocketAddr::new(ip, port).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> Host {
        Host::Ip(text.parse().unwrap())
    }

    #[test]
    fn listeners_are_read_in_all_their_forms() {
        let cases = [
            (":6443", Host::AllIpv4, vec![6443]),
            ("*:6443", Host::AllIpv4, vec![6443]),
            ("0.0.0.0:80", Host::AllIpv4, vec![80]),
            (":::6443", Host::AllIpv6, vec![6443]),
            ("[::]:6443", Host::AllIpv6, vec![6443]),
            ("ipv6@:80", Host::AllIpv6, vec![80]),
            ("ipv4@10.0.0.1:80", ip("10.0.0.1"), vec![80]),
            ("fd00::1:80", ip("fd00::1"), vec![80]),
            ("10.0.0.1:80-82", ip("10.0.0.1"), vec![80, 81, 82]),
            ("localhost:9000", ip("127.0.0.1"), vec![9000]),
            ("lb.example.com:80", Host::Name("lb.example.com".to_owned()), vec![80]),
        ];
        for (text, host, ports) in cases {
            assert_eq!(bind(text), Ok(Bind { host, ports }), "{text}");
        }
        let bad =
            ["*", "/run/x.sock", "unix@/x", "abns@x", "fd@3", "quic4@:443", ":0", ":x", ":9-8"];
        for text in bad.into_iter().chain([":1-65535", "a b:80", "ipv4@::1:80", "10.0.0.1"]) {
            assert!(bind(text).is_err(), "{text}");
        }
    }

    #[test]
    fn servers_may_take_the_port_of_the_client() {
        let at = |text| (ip(text), Port::Clients(0));
        assert_eq!(server("10.0.0.1:6443"), Ok((ip("10.0.0.1"), Port::Given(6443))));
        assert_eq!(server("10.0.0.1"), Ok(at("10.0.0.1")));
        assert_eq!(server("[fd00::1]"), Ok(at("fd00::1")));
        assert_eq!(server("10.0.0.1:"), Ok(at("10.0.0.1")));
        assert_eq!(server("10.0.0.1:+1000"), Ok((ip("10.0.0.1"), Port::Clients(1000))));
        assert_eq!(server("[fd00::1]:443"), Ok((ip("fd00::1"), Port::Given(443))));
        assert!(matches!(server("master1:6443"), Ok((Host::Name(_), Port::Given(6443)))));
        assert!(server("10.0.0.1:http").is_err() && server("unix@/x").is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(\\*|:|\\[|\\]|@|-|\\+|ipv4|[0-9a-f.]{0,6}|\\PC){0,12}") {
            let _ = (bind(&text), server(&text));
        }
    }
}
