//! Settings of the kernel that forwarding needs.

use std::path::PathBuf;
use std::{fs, io};

use super::StartError;
use crate::program::Family;
use crate::table::Table;

/// A setting that is changed, and what it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its name, as sysctl has it.
    pub name: String,
    /// What it was.
    pub before: String,
    /// What it is from then on.
    pub now: String,
}

/// What isn't as forwarding needs it, and nothing is changed yet.
pub(super) fn plan(table: &Table) -> Result<Vec<Changed>, StartError> {
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
            value: "0".to_owned(),
            source,
        })?);
    }
    if has(Family::V6) {
        wanted.push(("net.ipv6.conf.all.forwarding".to_owned(), "1"));
    }
    let mut planned = Vec::new();
    for (name, value) in wanted {
        let now = value.to_owned();
        match fs::read_to_string(path(&name)) {
            Ok(before) if before.trim() == value => {}
            Ok(before) => {
                let before = before.trim().to_owned();
                planned.push(Changed { name, before, now });
            }
            Err(source) => return Err(StartError::Setting { name, value: now, source }),
        }
    }
    Ok(planned)
}

/// Adds what is planned to what was changed before; of a setting that somebody else changed in
/// between, that is what it was.
pub(super) fn merge(changed: &mut Vec<Changed>, planned: &[Changed]) {
    for one in planned {
        match changed.iter_mut().find(|known| known.name == one.name) {
            Some(known) => known.clone_from(one),
            None => changed.push(one.clone()),
        }
    }
}

/// Sets what was planned, before the first flow: one that is there before isn't counted, and tells
/// of itself to nobody. All or nothing.
pub(super) fn set(planned: &[Changed]) -> Result<(), StartError> {
    for (index, Changed { name, now, .. }) in planned.iter().enumerate() {
        if let Err(source) = fs::write(path(name), now) {
            put_back(&planned[..index]);
            return Err(StartError::Setting { name: name.clone(), value: now.clone(), source });
        }
    }
    Ok(())
}

/// Puts back what was before, unless somebody changed it since. What can't be put back stays.
pub(super) fn put_back(changed: &[Changed]) {
    for Changed { name, before, now } in changed.iter().rev() {
        let path = path(name);
        let is_ours = fs::read_to_string(&path).is_ok_and(|value| value.trim() == now);
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

fn path(name: &str) -> PathBuf {
    let swapped = name.chars().map(|c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    });
    PathBuf::from("/proc/sys").join(swapped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(name: &str, before: &str) -> Changed {
        Changed { name: name.to_owned(), before: before.to_owned(), now: "1".to_owned() }
    }

    #[test]
    fn what_a_setting_was_is_what_it_was_before_the_last_change() {
        let mut all = vec![changed("net.a", "0"), changed("net.b", "2")];
        merge(&mut all, &[]);
        assert_eq!(all, [changed("net.a", "0"), changed("net.b", "2")]);
        merge(&mut all, &[changed("net.b", "0"), changed("net.c", "0")]);
        assert_eq!(all, [changed("net.a", "0"), changed("net.b", "0"), changed("net.c", "0")]);
    }

    #[test]
    fn a_dot_in_the_name_of_an_interface_is_no_folder() {
        let name = "net.ipv4.conf.eth0/100.send_redirects";
        assert_eq!(path(name), PathBuf::from("/proc/sys/net/ipv4/conf/eth0.100/send_redirects"));
    }
}
