//! What the kernel tells in files.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use crate::facts::Tracking;

pub(super) fn capabilities(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

pub(super) fn descriptors(process: &str) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let hard = line.and_then(|line| line.split_whitespace().nth(1));
    hard.and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
}

/// A setting under /proc/sys.
pub(super) fn setting<T: FromStr>(name: &str) -> Option<T> {
    first(&format!("/proc/sys/{name}"))
}

/// The first word of a file.
pub(super) fn first<T: FromStr>(path: &str) -> Option<T> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

pub(super) fn ephemeral() -> (u16, u16) {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut words = text.split_whitespace().filter_map(|word| word.parse().ok());
    (words.next().unwrap_or(32_768), words.next().unwrap_or(60_999))
}

/// `8080,9000-9100`.
pub(super) fn reserved() -> Vec<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    ranges.collect()
}

/// The interface of the route to everywhere.
pub(super) fn default_route() -> Option<String> {
    let routes = fs::read_to_string("/proc/net/route").ok()?;
    let to_everywhere = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000")
    };
    let line = routes.lines().skip(1).find(to_everywhere)?;
    line.split_whitespace().next().map(str::to_owned)
}

pub(super) fn tracking() -> Tracking {
    let bridged = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"];
    let is_bridged = |name| setting(&format!("net/bridge/{name}")).is_some_and(|on: u8| on != 0);
    Tracking {
        most: setting("net/netfilter/nf_conntrack_max"),
        entries: setting("net/netfilter/nf_conntrack_count").unwrap_or(0),
        bridged: bridged.into_iter().any(is_bridged),
    }
}

/// Rules that are older than nftables.
pub(super) fn has_legacy_tables() -> bool {
    let tables = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];
    tables.iter().any(|path| fs::read_to_string(path).is_ok_and(|text| !text.trim().is_empty()))
}

/// The value of `key` in the lines `key=value` of a file, the last one that says so.
pub(super) fn value(path: &Path, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    lines.rfind(|(own, _)| own.trim() == key).map(|(_, value)| value.trim().to_owned())
}
