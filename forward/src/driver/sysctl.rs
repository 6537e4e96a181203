//! Settings of the kernel that forwarding needs.

use std::path::PathBuf;
use std::{fs, io};

use super::StartError;
use crate::program::Family;
use crate::table::Table;

/// A setting that was changed, and what it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its name, as sysctl has it.
    pub name: String,
    /// What it was.
    pub before: String,
    /// What it is now.
    pub now: &'static str,
}

/// Sets what isn't set, before the first flow: one that is there before isn't counted, and tells
/// of itself to nobody.
pub(super) fn set(table: &Table) -> Result<Vec<Changed>, StartError> {
    let mut wanted = vec![
        // Events of each flow, also of those that begin while nobody listens; bytes of each.
        ("net.netfilter.nf_conntrack_events".to_owned(), "1"),
        ("net.netfilter.nf_conntrack_acct".to_owned(), "1"),
        // A segment in the middle of a connection begins a flow anew, which hash modes need.
        ("net.netfilter.nf_conntrack_tcp_loose".to_owned(), "1"),
    ];
    let has = |family| table.addresses().iter().any(|address| Family::of(*address) == family);
    if has(Family::V4) {
        wanted.push(("net.ipv4.ip_forward".to_owned(), "1"));
        // Clients and servers are on one segment: they must not be told to speak past us. An
        // interface sends redirects if it or all of them may.
        wanted.extend(redirects().map_err(|source| StartError::Setting {
            name: "net.ipv4.conf.*.send_redirects".to_owned(),
            value: "0",
            source,
        })?);
    }
    if has(Family::V6) {
        wanted.push(("net.ipv6.conf.all.forwarding".to_owned(), "1"));
    }
    let mut changed = Vec::new();
    for (name, value) in wanted {
        match change(&name, value) {
            Ok(Some(before)) => changed.push(Changed { name, before, now: value }),
            Ok(None) => {}
            Err(source) => {
                put_back(&changed);
                return Err(StartError::Setting { name, value, source });
            }
        }
    }
    Ok(changed)
}

/// Puts back what was before, unless somebody changed it since. What can't be put back stays.
pub(super) fn put_back(changed: &[Changed]) {
    for Changed { name, before, now } in changed.iter().rev() {
        let path = path(name);
        let is_ours = fs::read_to_string(&path).is_ok_and(|value| value.trim() == *now);
        if is_ours {
            let _ = fs::write(path, before);
        }
    }
}

/// Interfaces of a host, beyond which none is looked at: containers have one each.
const INTERFACES_MAX: usize = 4_096;

fn redirects() -> io::Result<Vec<(String, &'static str)>> {
    let interfaces = fs::read_dir("/proc/sys/net/ipv4/conf")?.take(INTERFACES_MAX);
    let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
    let names = interfaces.filter_map(|entry| name(entry.ok()?));
    // Interfaces that come later take after "default". A dot in a name is a slash for sysctl.
    let setting = |name: String| format!("net.ipv4.conf.{}.send_redirects", name.replace('.', "/"));
    Ok(names.map(|name| (setting(name), "0")).collect())
}

/// What it was before; none if it was so already.
fn change(name: &str, value: &str) -> io::Result<Option<String>> {
    let path = path(name);
    let before = fs::read_to_string(&path)?.trim().to_owned();
    if before == value {
        return Ok(None);
    }
    fs::write(path, value)?;
    Ok(Some(before))
}

fn path(name: &str) -> PathBuf {
    let swapped = name.chars().map(|c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    });
    PathBuf::from("/proc/sys").join(swapped.collect::<String>())
}
