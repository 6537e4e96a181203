//! Addresses that an interface is to have, with or without the length of their prefix.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use super::Problem;

/// Reads `ADDRESS` or `ADDRESS/LENGTH`.
pub(crate) fn parse(text: &str) -> Result<(IpAddr, Option<u8>), Problem> {
    let example = "write an address, such as \"172.16.16.100\"";
    if text.is_empty() {
        return Err(Problem::new("it is empty", example));
    }
    refuse_several(text)?;
    if let Ok(with_port) = text.parse::<SocketAddr>() {
        let remedy = format!("write \"{}\"; ports belong to a frontend's `bind`", with_port.ip());
        return Err(Problem::new("an interface's address has no port", remedy));
    }
    let (host, length) = match text.split_once('/') {
        Some((host, length)) => (host, Some(length)),
        None => (text, None),
    };
    let bare = host.trim_matches(['[', ']']);
    let Ok(address) = host.parse::<IpAddr>() else {
        return Err(match bare.parse::<IpAddr>() {
            Ok(address) => Problem::new("it needs no brackets", format!("write \"{address}\"")),
            Err(_) => Problem::new("it isn't an IPv4 or IPv6 address", example),
        });
    };
    refuse_unfit(address)?;
    let Some(length) = length else { return Ok((address, None)) };
    let max = if address.is_ipv4() { 32 } else { 128 };
    let digits = length.chars().all(|c| c.is_ascii_digit());
    let Some(length) = length.parse::<u8>().ok().filter(|l| digits && (1..=max).contains(l)) else {
        let remedy = format!("write \"{address}\", or \"{address}/LENGTH\" from 1 to {max}");
        return Err(Problem::new(format!("'{length}' is no length of a prefix"), remedy));
    };
    refuse_ends_of_network(address, length)?;
    Ok((address, Some(length)))
}

/// Lists, and keepalived's words behind an address.
fn refuse_several(text: &str) -> Result<(), Problem> {
    if text.contains(',') {
        let parts = text.split(',').map(|part| format!("\"{}\"", part.trim()));
        let parts = parts.collect::<Vec<_>>().join(", ");
        return Err(Problem::new("it holds several", format!("write each on its own: {parts}")));
    }
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    if first == text {
        return Ok(());
    }
    let mut table = format!("address = \"{first}\"");
    while let (Some(word), Some(value)) = (words.next(), words.next()) {
        match word {
            "dev" => table.push_str(&format!(", interface = \"{value}\"")),
            "label" => table.push_str(&format!(", label = \"{value}\"")),
            _ => {}
        }
    }
    Err(Problem::new("it holds more than an address", format!("write `{{ {table} }}`")))
}

/// Addresses that no other host could be reached at.
fn refuse_unfit(address: IpAddr) -> Result<(), Problem> {
    let unicast = "write an address of the segment that no host has";
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        let why = "it is an IPv4 address in the guise of IPv6";
        return Err(Problem::new(why, format!("write \"{v4}\"")));
    }
    if address.is_loopback() {
        return Err(Problem::new("nobody but this host reaches it", unicast));
    }
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Err(Problem::new("no interface can have it", unicast));
    }
    Ok(())
}

/// The first address of a network names it, and the last one of IPv4 reaches all of it; networks of
/// one or two addresses have neither (RFC 3021, RFC 6164).
fn refuse_ends_of_network(address: IpAddr, length: u8) -> Result<(), Problem> {
    let Ok(net) = IpNet::new(address, length) else { return Ok(()) };
    if net.max_prefix_len() - length < 2 {
        return Ok(());
    }
    let why = if address == net.network() {
        format!("it is the network {net} itself")
    } else if address.is_ipv4() && address == net.broadcast() {
        format!("it is the broadcast address of {}", net.trunc())
    } else {
        return Ok(());
    };
    Err(Problem::new(why, format!("write an address of a host, or \"{address}\" without a length")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_length() {
        for (text, address, length) in [
            ("172.16.16.100", "172.16.16.100", None),
            ("172.16.16.100/24", "172.16.16.100", Some(24)),
            ("172.16.16.100/32", "172.16.16.100", Some(32)),
            ("10.0.0.0/31", "10.0.0.0", Some(31)),
            ("fd00::100", "fd00::100", None),
            ("fe80::100/64", "fe80::100", Some(64)),
        ] {
            assert_eq!(parse(text), Ok((address.parse().unwrap(), length)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_to_write() {
        for (text, remedy) in [
            ("", "172.16.16.100"),
            ("vip.example.com", "172.16.16.100"),
            ("172.16.16.100:6443", "write \"172.16.16.100\";"),
            ("[fd00::100]:6443", "write \"fd00::100\";"),
            ("[fd00::100]", "write \"fd00::100\""),
            ("172.16.16.100/33", "from 1 to 32"),
            ("172.16.16.100/0", "from 1 to 32"),
            ("172.16.16.100/+24", "from 1 to 32"),
            ("172.16.16.100/255.255.255.0", "from 1 to 32"),
            ("fd00::100/129", "from 1 to 128"),
            ("172.16.16.0/24", "without a length"),
            ("172.16.16.255/24", "without a length"),
            ("fd00::/64", "without a length"),
            ("127.0.0.2", "of the segment"),
            ("::1", "of the segment"),
            ("0.0.0.0", "of the segment"),
            ("224.0.0.18", "of the segment"),
            ("255.255.255.255", "of the segment"),
            ("::ffff:10.0.0.1", "write \"10.0.0.1\""),
            ("10.0.0.1,10.0.0.2", "\"10.0.0.1\", \"10.0.0.2\""),
            (
                "10.0.0.1/24 dev eth2 label eth2:vip",
                "`{ address = \"10.0.0.1/24\", interface = \"eth2\", label = \"eth2:vip\" }`",
            ),
        ] {
            let problem = parse(text).expect_err(text);
            assert!(problem.remedy.contains(remedy), "{text}: {problem:?}");
        }
    }
}
