//! Links, their addresses, bridges and managers.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::files::{first, setting, value};
use crate::facts::{Bridge, Interface, Manager};

pub(super) fn all() -> Vec<Interface> {
    let mut found: BTreeMap<String, (InterfaceFlags, Vec<(IpAddr, u8)>)> = BTreeMap::new();
    for entry in getifaddrs().into_iter().flatten() {
        let (flags, addresses) =
            found.entry(entry.interface_name).or_insert((InterfaceFlags::empty(), Vec::new()));
        *flags |= entry.flags;
        let address = entry.address.and_then(|storage| {
            let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        });
        let length = entry.netmask.map_or(0, |mask| {
            let v4 = mask.as_sockaddr_in().map(|mask| u32::from(mask.ip()).count_ones());
            let v6 = mask.as_sockaddr_in6().map(|mask| u128::from(mask.ip()).count_ones());
            v4.or(v6).unwrap_or(0)
        });
        if let (Some(address), Ok(length)) = (address, u8::try_from(length)) {
            addresses.push((address, length));
        }
    }
    found.into_iter().map(|(name, (flags, addresses))| link(name, flags, addresses)).collect()
}

fn link(name: String, flags: InterfaceFlags, addresses: Vec<(IpAddr, u8)>) -> Interface {
    let larger = |what: &str| {
        let of = |who: &str| setting(&format!("net/ipv4/conf/{who}/{what}")).unwrap_or(0);
        of("all").max(of(&name))
    };
    Interface {
        up: flags.contains(InterfaceFlags::IFF_UP),
        carrier: flags.contains(InterfaceFlags::IFF_RUNNING),
        multicast: flags.contains(InterfaceFlags::IFF_MULTICAST),
        bridge: bridge(&name),
        manager: manager(&name),
        arp_ignore: larger("arp_ignore"),
        rp_filter: larger("rp_filter"),
        ipv6_disabled: setting(&format!("net/ipv6/conf/{name}/disable_ipv6")) == Some(1_u8),
        name,
        addresses,
    }
}

/// What the kernel's files say of a link. They are in /sys, which shows the links of the network
/// that it was mounted in.
fn bridge(name: &str) -> Option<Bridge> {
    let link = PathBuf::from("/sys/class/net").join(name);
    let bridge = if link.join("bridge").is_dir() {
        name.to_owned()
    } else {
        let master = fs::read_link(link.join("master")).ok()?;
        master.file_name()?.to_string_lossy().into_owned()
    };
    let switch = |what: &str| {
        first::<u8>(&format!("/sys/class/net/{bridge}/bridge/{what}")).map(|value| value != 0)
    };
    Some(Bridge {
        snooping: switch("multicast_snooping")?,
        querier: switch("multicast_querier").unwrap_or(false),
        name: bridge,
    })
}

fn manager(name: &str) -> Manager {
    let Ok(index) = nix::net::if_::if_nametoindex(name) else { return Manager::Nobody };
    let of_manager = format!("/run/NetworkManager/devices/{index}");
    if value(Path::new(&of_manager), "managed").is_some_and(|managed| managed == "true") {
        return Manager::NetworkManager;
    }
    let state = PathBuf::from(format!("/run/systemd/netif/links/{index}"));
    match value(&state, "ADMIN_STATE").as_deref() {
        None | Some("unmanaged") => Manager::Nobody,
        Some(_) => {
            let file = value(&state, "NETWORK_FILE");
            let keeps = file.as_deref().is_some_and(|file| keeps_foreign(Path::new(file)));
            Manager::Networkd { keeps, file }
        }
    }
}

/// Whether a .network file, or what is dropped in beside it, keeps the addresses of others.
fn keeps_foreign(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut files = vec![file.to_owned()];
    for folder in ["/usr/lib", "/run", "/etc"] {
        let drop_ins = fs::read_dir(format!("{folder}/systemd/network/{name}.d"));
        let drop_ins = drop_ins.into_iter().flatten().flatten().map(|entry| entry.path());
        let mut drop_ins: Vec<_> =
            drop_ins.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
        drop_ins.sort();
        files.extend(drop_ins);
    }
    let said = files.iter().filter_map(|path| value(path, "KeepConfiguration")).next_back();
    said.is_some_and(|value| matches!(value.as_str(), "yes" | "true" | "1" | "on" | "static"))
}
