//! Names that a host knows by itself, as `/etc/hosts` has them (`hosts(5)`).

use std::net::IpAddr;

use crate::config::{Families, HostName};
use crate::message::ADDRESSES_MAX;

/// The addresses that the file has for a name, of the kinds that will do, in its order.
#[must_use]
pub fn addresses(text: &str, host: &HostName, families: Families) -> Vec<IpAddr> {
    let of_line = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let address = words.next()?.parse::<IpAddr>().ok()?;
        let named = words
            .any(|word| word.strip_suffix('.').unwrap_or(word).eq_ignore_ascii_case(host.as_str()));
        named.then_some(address)
    };
    let wanted =
        |address: &IpAddr| families.in_order().contains(&crate::config::Family::of(*address));
    text.lines().filter_map(of_line).filter(wanted).take(ADDRESSES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "127.0.0.1 localhost\n\
        10.0.0.5\tMaster01.example master01 # the first\n\
        # 10.0.0.6 master01\n\
        fd00::5 master01\n\
        not-an-address master01\n\
        10.0.0.7 other\n";

    fn find(name: &str, families: Families) -> Vec<String> {
        let name = HostName::new(name).unwrap();
        addresses(FILE, &name, families).iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn a_name_has_the_addresses_of_all_its_lines() {
        assert_eq!(find("master01", Families::PreferIpv4), ["10.0.0.5", "fd00::5"]);
        assert_eq!(find("MASTER01.example", Families::PreferIpv4), ["10.0.0.5"]);
        assert_eq!(find("master01", Families::Ipv6), ["fd00::5"]);
    }

    #[test]
    fn comments_and_other_names_say_nothing_of_it() {
        assert!(find("first", Families::PreferIpv4).is_empty());
        assert!(find("master0", Families::PreferIpv4).is_empty());
        assert!(find("other", Families::Ipv6).is_empty());
    }
}
