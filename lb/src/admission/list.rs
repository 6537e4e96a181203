//! Allow and deny lists of client prefixes.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Who may connect. Denied prefixes win; without an allow list everyone else may.
///
/// Lists are walked in full: they hold what a person wrote, a handful of prefixes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessList {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl AccessList {
    /// The lists of a frontend.
    #[must_use]
    pub fn new(allow: &[IpNet], deny: &[IpNet]) -> Self {
        let plain = |nets: &[IpNet]| nets.iter().copied().map(canonical).collect();
        Self { allow: plain(allow), deny: plain(deny) }
    }

    /// True if a client with this address may connect. An IPv4-mapped IPv6 address is the IPv4
    /// address, in lists too.
    #[must_use]
    pub fn permits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&client));
        !within(&self.deny) && (self.allow.is_empty() || within(&self.allow))
    }
}

/// `::ffff:10.0.0.0/104` as `10.0.0.0/8`.
#[must_use]
pub fn canonical(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let v4 = mapped.and_then(|(address, len)| Ipv4Net::new(address, len).ok());
    v4.map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn deny_wins_over_allow_and_an_empty_allow_list_allows() {
        let lan = &["10.0.0.0/8", "2001:db8::/32"][..];
        let table: [(&[&str], &[&str], &str, bool); 11] = [
            (&[], &[], "192.0.2.1", true),
            (&[], &[], "2001:db8::1", true),
            (lan, &[], "10.1.2.3", true),
            (lan, &[], "192.0.2.1", false),
            (lan, &[], "2001:db8::1", true),
            (lan, &[], "2001:db9::1", false),
            (lan, &["10.1.0.0/16"], "10.1.2.3", false),
            (lan, &["10.1.0.0/16"], "10.2.2.3", true),
            (&[], &["10.1.2.3/32"], "10.1.2.3", false),
            (&[], &["10.1.2.3/32"], "10.1.2.4", true),
            (&[], &["0.0.0.0/0"], "2001:db8::1", true),
        ];
        for (allow, deny, client, permitted) in table {
            let list = AccessList::new(&nets(allow), &nets(deny));
            let client: IpAddr = client.parse().unwrap();
            assert_eq!(list.permits(client), permitted, "{client} in {allow:?} not {deny:?}");
        }
    }

    #[test]
    fn ipv4_mapped_addresses_and_prefixes_mean_ipv4() {
        let list = AccessList::new(&[], &nets(&["::ffff:10.0.0.0/104", "192.0.2.0/24"]));
        for client in ["10.1.1.1", "::ffff:10.1.1.1", "::ffff:192.0.2.9"] {
            assert!(!list.permits(client.parse().unwrap()), "{client}");
        }
        assert!(list.permits("::ffff:11.1.1.1".parse().unwrap()));
        let wide = AccessList::new(&nets(&["::/0"]), &[]);
        assert!(!wide.permits("10.1.1.1".parse().unwrap()), "::/0 is all of IPv6 alone");
    }
}
