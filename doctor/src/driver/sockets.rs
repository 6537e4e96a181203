//! Sockets that listen, and whose they are.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::facts::Listening;

/// `TCP_LISTEN`, as the kernel's table writes it.
const LISTEN: &str = "0A";

/// The process of the daemon that runs in this network.
pub(super) fn daemon() -> Option<u32> {
    let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let ours = network("self");
    processes().into_iter().find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let program = words.next().unwrap_or_default();
        let name = program.rsplit(|byte| *byte == b'/').next();
        let runs = name == Some(b"halb") && words.next() == Some(b"run");
        // Whoever isn't root can't see where a process of another user is: most hosts have one
        // network.
        runs && network(&pid.to_string()).is_none_or(|theirs| Some(theirs) == ours)
    })
}

/// Whatever the program of `daemon` is called, it is halb.
pub(super) fn listening(daemon: Option<u32>) -> Vec<Listening> {
    let owners = owners(daemon);
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let texts = tables.map(|table| fs::read_to_string(table).unwrap_or_default());
    let lines = texts.iter().flat_map(|text| text.lines().skip(1));
    let sockets = lines.filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        if words.get(3) != Some(&LISTEN) {
            return None;
        }
        let inode = words.get(9)?;
        Some(Listening { address: address(words.get(1)?)?, program: owners.get(*inode).cloned() })
    });
    sockets.collect()
}

/// Programs by the inodes of their sockets, as far as one may look.
fn owners(daemon: Option<u32>) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    for pid in processes() {
        let folder = format!("/proc/{pid}");
        let descriptors =
            fs::read_dir(Path::new(&folder).join("fd")).into_iter().flatten().flatten();
        let mut name = (daemon == Some(pid)).then(|| "halb".to_owned());
        for target in descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()) {
            let target = target.to_string_lossy();
            let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            if let Some(inode) = inode {
                let comm = || fs::read_to_string(format!("{folder}/comm")).unwrap_or_default();
                let name: &String = name.get_or_insert_with(|| comm().trim().to_owned());
                owners.insert(inode.to_owned(), name.clone());
            }
        }
    }
    owners
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// `0100007F:1F90`, words of four bytes in the machine's order.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words: Option<Vec<[u8; 4]>> = (0..address.len() / 8)
        .map(|index| {
            let word = u32::from_str_radix(address.get(8 * index..8 * index + 8)?, 16).ok()?;
            Some(word.to_ne_bytes())
        })
        .collect();
    let bytes: Vec<u8> = words?.concat();
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        if cfg!(target_endian = "little") {
            let cases = [
                ("0100007F:1F90", "127.0.0.1:8080"),
                ("00000000:192B", "0.0.0.0:6443"),
                ("00000000000000000000000000000000:192B", "[::]:6443"),
                ("00000000000000000000000001000000:0016", "[::1]:22"),
            ];
            for (text, wanted) in cases {
                assert_eq!(address(text), wanted.parse().ok(), "{text}");
            }
        }
        for broken in ["", "0100007F", "0100007G:1F90", "0100:1F90"] {
            assert_eq!(address(broken), None, "{broken}");
        }
    }
}
