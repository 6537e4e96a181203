//! Whom a load may be sent to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address belongs to a network of one's own: loopback, private (RFC 1918), shared
/// (RFC 6598), link-local or unique local (RFC 4193).
///
/// Anything else may be a stranger's, to whom a load is an attack.
#[must_use]
pub fn is_ones_own(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_own_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_own_v4(mapped),
            None => is_own_v6(address),
        },
    }
}

fn is_own_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    address.is_loopback() || address.is_private() || address.is_link_local() || is_shared
}

fn is_own_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ones_own_networks_are_told_from_the_rest_of_the_world() {
        let own = [
            "127.0.0.1",
            "127.9.8.7",
            "10.1.2.3",
            "172.16.16.100",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ];
        let others = [
            "8.8.8.8",
            "172.32.0.1",
            "192.169.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "0.0.0.0",
            "203.0.113.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "224.0.0.18",
            "::",
        ];
        for address in own {
            assert!(is_ones_own(address.parse().unwrap()), "{address}");
        }
        for address in others {
            assert!(!is_ones_own(address.parse().unwrap()), "{address}");
        }
    }
}
