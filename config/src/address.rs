//! Addresses as people write them: what to listen on, what to connect to, prefixes.

pub(super) mod interface;
pub(super) mod virtual_ip;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use halb_resolver::config::HostName;
use ipnet::IpNet;

/// Why a text is no address, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Continues "… is no address: ".
    pub(super) why: String,
    /// What comes of it, where that needs saying.
    pub(super) consequence: Option<&'static str>,
    /// What to write instead.
    pub(super) remedy: String,
}

impl Problem {
    fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), consequence: None, remedy: remedy.into() }
    }

    fn so(mut self, consequence: &'static str) -> Self {
        self.consequence = Some(consequence);
        self
    }
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To listen on; `*` stands for all IPv4 addresses.
    Bind,
    /// To connect to.
    Connect,
}

/// Where a server listens, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerAddress {
    /// An address and a port.
    Ip(SocketAddr),
    /// A name, whose address is asked for, and a port.
    Name(HostName, u16),
}

impl ServerAddress {
    /// The address, if it is written as one.
    pub(super) fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(..) => None,
        }
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }
}

/// Reads `ADDRESS:PORT` or `NAME:PORT`.
pub(super) fn parse_server_address(text: &str) -> Result<ServerAddress, Problem> {
    if let Some((host, port)) = text.rsplit_once(':')
        && let Ok(port) = parse_port(port, host)
        && let Ok(name) = HostName::new(host)
    {
        return Ok(ServerAddress::Name(name, port));
    }
    parse_socket_address(text, Purpose::Connect).map(ServerAddress::Ip)
}

/// Reads `ADDRESS:PORT`.
pub(super) fn parse_socket_address(text: &str, purpose: Purpose) -> Result<SocketAddr, Problem> {
    if text.is_empty() {
        return Err(Problem::new("it is empty", "write an address and a port, \"10.0.0.1:6443\""));
    }
    if text.chars().any(char::is_whitespace) {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        return Err(Problem::new("it holds a space", format!("write \"{compact}\"")));
    }
    refuse_other_kinds(text)?;
    let (host, port) = split_port(text, purpose)?;
    let port = parse_port(port, host)?;
    let address = SocketAddr::new(parse_host(host, port, purpose)?, port);
    refuse_unfit(address, purpose)?;
    Ok(address)
}

/// URLs, sockets of other kinds, lists.
fn refuse_other_kinds(text: &str) -> Result<(), Problem> {
    if text.starts_with('/') || text.starts_with("unix:") {
        return Err(Problem::new(
            "it looks like a unix socket",
            "write a TCP address, \"10.0.0.1:6443\"",
        ));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.split('/').next().unwrap_or(rest);
        return Err(Problem::new(
            format!("it starts with '{scheme}://'"),
            format!("write the address and port alone, \"{rest}\""),
        ));
    }
    if text.contains(',') {
        let parts: Vec<_> = text.split(',').map(|part| format!("\"{part}\"")).collect();
        return Err(Problem::new(
            "it holds several addresses",
            format!("write each on its own: {}", parts.join(", ")),
        ));
    }
    Ok(())
}

fn split_port(text: &str, purpose: Purpose) -> Result<(&str, &str), Problem> {
    if text.starts_with('[') {
        let Some((host, rest)) = text.split_once(']') else {
            return Err(Problem::new("the bracket isn't closed", "write \"[ADDRESS]:PORT\""));
        };
        return match rest.strip_prefix(':') {
            Some(port) => Ok((&text[..=host.len()], port)),
            None => Err(port_missing(&text[..=host.len()])),
        };
    }
    if text.matches(':').count() > 1 {
        return Err(unbracketed(text));
    }
    match text.split_once(':') {
        Some(("", port)) => Err(host_missing(port, purpose)),
        Some((host, port)) => Ok((host, port)),
        None if text.parse::<u16>().is_ok() => Err(host_missing(text, purpose)),
        None => Err(port_missing(text)),
    }
}

fn port_missing(host: &str) -> Problem {
    Problem::new("the port is missing", format!("write \"{host}:PORT\", such as \"{host}:6443\""))
}

fn host_missing(port: &str, purpose: Purpose) -> Problem {
    match purpose {
        Purpose::Bind => Problem::new(
            "the address before the port is missing",
            format!("write \"*:{port}\" for all IPv4 addresses, \"[::]:{port}\" for all IPv6 ones"),
        ),
        Purpose::Connect => Problem::new(
            "the address before the port is missing",
            format!("write \"ADDRESS:{port}\", such as \"10.0.0.1:{port}\""),
        ),
    }
}

/// More than one colon and no bracket: an IPv6 address with or without a port.
fn unbracketed(text: &str) -> Problem {
    let with_port = text.rsplit_once(':').filter(|(host, port)| {
        port.len() >= 4 && port.parse::<u16>().is_ok() && host.parse::<Ipv6Addr>().is_ok()
    });
    let all = text.strip_prefix(":::").filter(|port| port.parse::<u16>().is_ok());
    let remedy = match (all, with_port) {
        (Some(port), _) => format!("write \"[::]:{port}\""),
        (None, Some((host, port))) => format!("write \"[{host}]:{port}\""),
        (None, None) if text.parse::<Ipv6Addr>().is_ok() => {
            format!("write \"[{text}]:PORT\", such as \"[{text}]:6443\"")
        }
        (None, None) => "write \"[ADDRESS]:PORT\" for IPv6, \"ADDRESS:PORT\" for IPv4".to_owned(),
    };
    Problem::new("an IPv6 address stands in brackets, so that its port can be told", remedy)
}

fn parse_port(port: &str, host: &str) -> Result<u16, Problem> {
    if let Some((from, to)) = port.split_once('-')
        && from.parse::<u16>().is_ok()
        && to.parse::<u16>().is_ok()
    {
        return Err(Problem::new(
            format!("it is a range of ports, {from} to {to}"),
            format!("write each port on its own: \"{host}:{from}\", …, \"{host}:{to}\""),
        ));
    }
    let digits = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if port > 0 && digits => Ok(port),
        _ if port.is_empty() => Err(port_missing(host)),
        _ => Err(Problem::new(
            format!("'{port}' is no port"),
            format!("write a port from 1 to 65535, \"{host}:6443\""),
        )),
    }
}

fn parse_host(host: &str, port: u16, purpose: Purpose) -> Result<IpAddr, Problem> {
    if host == "*" {
        return match purpose {
            Purpose::Bind => Ok(Ipv4Addr::UNSPECIFIED.into()),
            Purpose::Connect => Err(Problem::new(
                "'*' is no address to connect to",
                format!("write the server's address, such as \"10.0.0.1:{port}\""),
            )),
        };
    }
    if let Some(bracketed) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return bracketed.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| {
            let zone = bracketed.contains('%');
            let v4 = bracketed.parse::<Ipv4Addr>().is_ok();
            match (zone, v4) {
                (true, _) => Problem::new(
                    "it has a zone; halb takes no link-local addresses",
                    "use a global or unique local address",
                ),
                (_, true) => Problem::new(
                    "an IPv4 address stands without brackets",
                    format!("write \"{bracketed}:{port}\""),
                ),
                _ => Problem::new(
                    format!("'{bracketed}' is no IPv6 address"),
                    "write an IPv6 address in brackets, such as \"[fd00::1]:6443\"",
                ),
            }
        });
    }
    host.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| not_ipv4(host, port))
}

fn not_ipv4(host: &str, port: u16) -> Problem {
    if host.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Problem::new(
            format!("'{host}' is no IPv4 address"),
            "write four numbers from 0 to 255, without leading zeros",
        );
    }
    if host.contains('/') {
        return Problem::new(
            format!("'{host}' is no single address"),
            format!("write an address and a port, \"10.0.0.1:{port}\""),
        );
    }
    if HostName::new(host).is_err() {
        return Problem::new(
            format!("'{host}' is neither an address nor the name of a host"),
            format!("write the address, such as \"10.0.0.1:{port}\""),
        );
    }
    Problem::new(
        format!("'{host}' is a name; only addresses are taken"),
        format!("write the address that the name stands for, such as \"10.0.0.1:{port}\""),
    )
    .so("only servers may have names: what the others stand for is needed once, at the start")
}

/// Addresses of a good form that can't be used.
fn refuse_unfit(address: SocketAddr, purpose: Purpose) -> Result<(), Problem> {
    let (ip, port) = (address.ip(), address.port());
    if let IpAddr::V6(v6) = ip {
        if let Some(v4) = v6.to_ipv4_mapped() {
            return Err(Problem::new(
                "it is an IPv4 address in the guise of IPv6",
                format!("write \"{v4}:{port}\""),
            ));
        }
        if v6.is_unicast_link_local() {
            return Err(Problem::new(
                "it is link-local, and means nothing without an interface",
                "use a global or unique local address",
            ));
        }
    }
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if ip.is_multicast() || broadcast {
        return Err(Problem::new("TCP knows no multicast or broadcast", "use a unicast address"));
    }
    if purpose == Purpose::Connect && ip.is_unspecified() {
        return Err(Problem::new(
            "it stands for all addresses of a host, so there is nothing to connect to",
            format!("write the server's own address, such as \"10.0.0.1:{port}\""),
        ));
    }
    Ok(())
}

/// Reads an address without a port.
pub(super) fn parse_ip(text: &str) -> Result<IpAddr, Problem> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = text.parse::<IpAddr>() {
        if ip.is_unspecified() || ip.is_multicast() {
            return Err(Problem::new(
                "it is no address of a single host",
                "write a unicast address, or leave the key out",
            ));
        }
        return Ok(ip);
    }
    let remedy = match (bare.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
        (Ok(ip), _) => format!("write \"{ip}\""),
        (_, Ok(with_port)) => format!("write the address without a port, \"{}\"", with_port.ip()),
        _ => "write an IP address, such as \"10.0.0.1\" or \"fd00::1\"".to_owned(),
    };
    Err(Problem::new("it isn't an IPv4 or IPv6 address", remedy))
}

/// Reads a prefix; a plain address is the prefix that holds it alone. The flag tells that bits
/// beyond the prefix were set (`10.0.0.5/8`), which are ignored.
pub(super) fn parse_prefix(text: &str) -> Result<(IpNet, bool), Problem> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok((IpNet::from(ip), false));
    }
    match text.parse::<IpNet>() {
        Ok(net) => Ok((net.trunc(), net.trunc() != net)),
        Err(_) => {
            let address = text.split('/').next().unwrap_or(text);
            let remedy = match address.parse::<IpAddr>() {
                Ok(IpAddr::V4(ip)) => format!("write \"{ip}/LENGTH\" with a length from 0 to 32"),
                Ok(IpAddr::V6(ip)) => format!("write \"{ip}/LENGTH\" with a length from 0 to 128"),
                Err(_) => "write an address and a length, such as \"10.0.0.0/8\"".to_owned(),
            };
            Err(Problem::new("it isn't an address or ADDRESS/LENGTH", remedy))
        }
    }
}

#[cfg(test)]
mod tests;
