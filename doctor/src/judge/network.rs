//! Links that virtual IPs are on: are they there, who else sets addresses on them, what the kernel
//! is told about them.

use super::{Finding, Topic};
use crate::facts::{Host, Interface, Manager, Router, Wanted};
use crate::firewall::same_network;

pub(super) fn judge(host: &Host, wanted: &Wanted, findings: &mut Vec<Finding>) {
    let mut seen = Vec::new();
    for router in &wanted.routers {
        let Some(interface) = host.interfaces.iter().find(|one| one.name == router.interface)
        else {
            let all: Vec<_> = host.interfaces.iter().map(|one| one.name.as_str()).collect();
            findings.push(Finding::fault(
                Topic::Interfaces,
                format!("{} is to be on {}, which isn't there", router.name, router.interface),
                format!("choose one of {}: vrrp.{}.interface", all.join(", "), router.name),
            ));
            continue;
        };
        link(interface, router, findings);
        ipv6(interface, router, findings);
        flux(host, interface, router, findings);
        if !seen.contains(&&interface.name) {
            seen.push(&interface.name);
            manager(interface, findings);
            bridge(interface, router, findings);
            arp_and_paths(host, interface, findings);
        }
    }
}

fn link(interface: &Interface, router: &Router, findings: &mut Vec<Finding>) {
    let (topic, name) = (Topic::Interfaces, &interface.name);
    let needs_ipv4 = router.addresses.iter().any(|address| address.is_ipv4());
    let has_ipv4 = interface.addresses.iter().any(|(address, _)| {
        // Its own virtual address is no source.
        address.is_ipv4() && !router.addresses.contains(address)
    });
    if !interface.up {
        let remedy = format!("ip link set {name} up");
        findings.push(Finding::fault(topic, format!("{name} is down"), remedy));
    } else if !interface.carrier {
        findings.push(Finding::fault(
            topic,
            format!("{name} is up, but nothing is at its other end"),
            "look at the cable, the switch port, the hypervisor's network",
        ));
    } else if router.multicast && !interface.multicast {
        findings.push(Finding::fault(
            topic,
            format!("{name} can't send to groups, and {} advertises to one", router.name),
            format!("name the other nodes: vrrp.{}.unicast_peers", router.name),
        ));
    } else if needs_ipv4 && !has_ipv4 {
        findings.push(Finding::fault(
            topic,
            format!("{name} has no IPv4 address that {} could advertise from", router.name),
            format!("give it one of its own, beside the virtual one: ip address add … dev {name}"),
        ));
    } else {
        findings.push(Finding::fine(topic, format!("{name} is up, for {}", router.name)));
    }
}

fn manager(interface: &Interface, findings: &mut Vec<Finding>) {
    let (topic, name) = (Topic::Managers, &interface.name);
    findings.push(match &interface.manager {
        Manager::Nobody => {
            Finding::fine(topic, format!("nobody else sets the addresses of {name}"))
        }
        Manager::NetworkManager => Finding::advice(
            topic,
            format!(
                "NetworkManager has {name}: when it brings the connection up anew, it removes the \
                 virtual IP; halb puts it back, clients notice"
            ),
            format!(
                "[keyfile] unmanaged-devices=interface-name:{name} in \
                 /etc/NetworkManager/conf.d/halb.conf, and the node's own address by other means; \
                 or leave its connection alone"
            ),
        ),
        Manager::Networkd { keeps: true, .. } => {
            Finding::fine(topic, format!("systemd-networkd has {name} and keeps others' addresses"))
        }
        Manager::Networkd { keeps: false, file } => Finding::advice(
            topic,
            format!(
                "systemd-networkd has {name}: when it is restarted or reconfigures the link, it \
                 removes the virtual IP; halb puts it back, clients notice"
            ),
            match file {
                Some(file) => format!(
                    "[Network] KeepConfiguration=yes in /etc/systemd/network/{}.d/halb.conf, then \
                     networkctl reload",
                    file.rsplit('/').next().unwrap_or(file)
                ),
                None => {
                    "[Network] KeepConfiguration=yes in the .network file of the link".to_owned()
                }
            },
        ),
    });
}

fn bridge(interface: &Interface, router: &Router, findings: &mut Vec<Finding>) {
    let Some(bridge) = &interface.bridge else { return };
    let (topic, name) = (Topic::Bridges, &bridge.name);
    if bridge.snooping && !bridge.querier && router.multicast {
        findings.push(Finding::advice(
            topic,
            format!(
                "the bridge {name} snoops on groups and asks nobody: once another querier falls \
                 silent, it may keep adverts from a node"
            ),
            format!(
                "ip link set {name} type bridge mcast_snooping 0 (or mcast_querier 1); or name the \
                 other nodes: vrrp.{}.unicast_peers",
                router.name
            ),
        ));
    } else {
        findings.push(Finding::fine(topic, format!("the bridge {name} forwards adverts")));
    }
}

fn ipv6(interface: &Interface, router: &Router, findings: &mut Vec<Finding>) {
    if interface.ipv6_disabled && router.addresses.iter().any(|address| address.is_ipv6()) {
        let name = &interface.name;
        findings.push(Finding::fault(
            Topic::Sysctl,
            format!("IPv6 is switched off on {name}, where {} has an address of it", router.name),
            format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=0"),
        ));
    }
}

fn arp_and_paths(host: &Host, interface: &Interface, findings: &mut Vec<Finding>) {
    let (topic, name) = (Topic::Sysctl, &interface.name);
    let before = findings.len();
    if interface.arp_ignore == 8 {
        findings.push(Finding::fault(
            topic,
            format!(
                "arp_ignore=8: {name} answers no question for an address, nor for a virtual IP"
            ),
            format!("sysctl -w net.ipv4.conf.{name}.arp_ignore=1 (and net.ipv4.conf.all)"),
        ));
    }
    let elsewhere = host.default_route.as_ref().filter(|route| *route != name);
    if let (1, Some(route)) = (interface.rp_filter, elsewhere) {
        findings.push(Finding::advice(
            topic,
            format!(
                "rp_filter=1 on {name}, and the default route leads through {route}: clients of \
                 other networks that come to the virtual IP are dropped"
            ),
            format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2 (and net.ipv4.conf.all)"),
        ));
    }
    if findings.len() == before {
        findings.push(Finding::fine(topic, format!("arp_ignore and rp_filter of {name}")));
    }
}

/// Two links in one network: the kernel answers for an address on either.
fn flux(host: &Host, interface: &Interface, router: &Router, findings: &mut Vec<Finding>) {
    let within = |other: &&Interface| {
        other.up
            && other.addresses.iter().any(|(own, length)| {
                // A length of 32 is a virtual IP, or a route to one host.
                *length < 32 && router.addresses.iter().any(|ip| same_network(*own, *ip, *length))
            })
    };
    let beside: Vec<_> = host
        .interfaces
        .iter()
        .filter(|other| other.name != interface.name)
        .filter(within)
        .map(|other| other.name.as_str())
        .collect();
    if interface.arp_ignore == 0 && !beside.is_empty() {
        findings.push(Finding::advice(
            Topic::Sysctl,
            format!(
                "{} is in the network of {} too, which answers ARP for the addresses of {} with \
                 its own hardware address",
                router.name,
                beside.join(", "),
                router.name
            ),
            "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2".to_owned(),
        ));
    }
}
