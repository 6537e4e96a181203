//! The name servers of a host, as `/etc/resolv.conf` names them (`resolv.conf(5)`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Most name servers that are asked: as many as the C library does.
pub const NAMESERVERS_MAX: usize = 3;

/// Where name servers listen.
pub const PORT: u16 = 53;

/// The name servers of a file, in its order; this host itself where it names none, as the C library
/// has it. Everything else in it (search lists, options) isn't used.
#[must_use]
pub fn nameservers(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server)?.parse::<IpAddr>().ok()
    };
    let named = text.lines().filter_map(address).take(NAMESERVERS_MAX);
    let mut servers: Vec<_> = named.map(|ip| SocketAddr::new(ip, PORT)).collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        nameservers(text).iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn the_first_three_name_servers_of_the_file_are_asked() {
        let text = "# a comment\nsearch example\nnameserver 10.0.0.2\n nameserver\tfd00::2 \n\
                    ; nameserver 10.0.0.9\noptions ndots:5\nnameserver fe80::1%eth0\n\
                    nameserver 10.0.0.3\nnameserver 10.0.0.4\n";
        assert_eq!(read(text), ["10.0.0.2:53", "[fd00::2]:53", "10.0.0.3:53"]);
    }

    #[test]
    fn a_file_that_names_none_means_this_host() {
        assert_eq!(read("search example\n"), ["127.0.0.1:53"]);
        assert_eq!(read(""), ["127.0.0.1:53"]);
    }
}
