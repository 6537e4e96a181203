use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::facts::{
    Bridge, Clock, Forwarded, Heard, Interface, Listening, Manager, Router, Subject, Tracking,
};
use crate::firewall::Ruleset;
use crate::wire::Advert;

const ALL: u64 = u64::MAX;

fn wanted() -> Wanted {
    Wanted {
        routers: vec![Router {
            name: "VI_1".to_owned(),
            interface: "eth1".to_owned(),
            id: 1,
            version: 2,
            password: true,
            addresses: vec![[172, 16, 16, 100].into()],
            multicast: true,
        }],
        binds: vec!["0.0.0.0:6443".parse().unwrap()],
        forwarded: vec![Forwarded {
            frontend: "api".to_owned(),
            servers: vec!["172.16.16.101:6443".parse().unwrap()],
            connections: Some(500),
        }],
        link: Some("0.0.0.0:7112".parse().unwrap()),
        connections: Some(1_000),
    }
}

fn interface(name: &str, address: [u8; 4]) -> Interface {
    Interface {
        name: name.to_owned(),
        up: true,
        carrier: true,
        multicast: true,
        addresses: vec![(address.into(), 24)],
        bridge: None,
        manager: Manager::Nobody,
        arp_ignore: 0,
        rp_filter: 0,
        ipv6_disabled: false,
    }
}

/// A host on which nothing stands in the way.
fn host() -> Host {
    Host {
        subject: Subject::Daemon,
        capabilities: ALL,
        descriptors: 20_000,
        interfaces: vec![interface("eth0", [10, 0, 2, 15]), interface("eth1", [172, 16, 16, 51])],
        default_route: Some("eth0".to_owned()),
        unprivileged_port: 1024,
        ephemeral: (32_768, 60_999),
        reserved: Vec::new(),
        firewall: Ok(Ruleset::default()),
        tracking: Tracking { most: Some(262_144), entries: 40, bridged: false },
        listening: Vec::new(),
        clock: Clock::Synchronised,
        heard: Ok(Vec::new()),
    }
}

fn advert(source: u8) -> Heard {
    Heard {
        interface: "eth1".to_owned(),
        advert: Advert {
            source: Ipv4Addr::new(172, 16, 16, source),
            id: 1,
            version: 2,
            priority: 90,
            password: true,
            addresses: vec![[172, 16, 16, 100].into()],
        },
    }
}

fn dropping() -> Result<Ruleset, String> {
    let json = r#"{"nftables":[{"chain":{"family":"inet","table":"firewalld",
        "name":"filter_INPUT","hook":"input","prio":10,"policy":"drop"}}]}"#;
    Ok(Ruleset::read(json).unwrap())
}

/// As Docker leaves it.
fn dropping_what_passes() -> Result<Ruleset, String> {
    let json = r#"{"nftables":[{"chain":{"family":"ip","table":"filter",
        "name":"FORWARD","hook":"forward","prio":0,"policy":"drop"}}]}"#;
    Ok(Ruleset::read(json).unwrap())
}

#[test]
fn a_host_without_fault_has_a_word_on_every_topic_and_nothing_to_change() {
    let findings = judge(&host(), &wanted());
    assert!(findings.iter().all(|one| one.level == Level::Fine), "{findings:#?}");
    for topic in [
        Topic::Capabilities,
        Topic::Descriptors,
        Topic::Ports,
        Topic::Clock,
        Topic::Interfaces,
        Topic::Managers,
        Topic::Sysctl,
        Topic::Firewall,
        Topic::RouterId,
    ] {
        assert!(findings.iter().any(|one| one.topic == topic), "{topic:?}");
    }
}

#[test]
fn each_thing_that_stands_in_the_way_is_named_with_its_remedy() {
    type Case = (fn(&mut Host, &mut Wanted), Level, Topic, &'static str, &'static str);
    let cases: &[Case] = &[
        (
            |host, _| host.capabilities &= !(1 << 13),
            Level::Fault,
            Topic::Capabilities,
            "CAP_NET_RAW",
            "systemctl start halb",
        ),
        (
            |host, _| host.capabilities &= !(1 << 23),
            Level::Advice,
            Topic::Capabilities,
            "CAP_SYS_NICE",
            "unit",
        ),
        (
            |host, _| (host.capabilities, host.subject) = (0, Subject::Asker),
            Level::Advice,
            Topic::Capabilities,
            "no daemon runs",
            "systemctl start",
        ),
        (
            |host, wanted| {
                host.capabilities &= !(1 << 10);
                wanted.binds = vec!["[::]:443".parse().unwrap()];
            },
            Level::Fault,
            Topic::Capabilities,
            "ports below 1024",
            "unit",
        ),
        (
            |_, wanted| wanted.connections = Some(20_000),
            Level::Advice,
            Topic::Descriptors,
            "room for 9900",
            "LimitNOFILE=40200",
        ),
        (
            |host, _| {
                host.listening.push(Listening {
                    address: "0.0.0.0:6443".parse().unwrap(),
                    program: Some("haproxy".to_owned()),
                })
            },
            Level::Fault,
            Topic::Ports,
            "haproxy listens on 0.0.0.0:6443",
            "ss -lntp",
        ),
        (
            |host, _| {
                host.listening.push(Listening {
                    address: "172.16.16.51:6443".parse().unwrap(),
                    program: None,
                })
            },
            Level::Fault,
            Topic::Ports,
            "another program",
            "ss -lntp",
        ),
        (
            |_, wanted| wanted.binds = vec!["127.0.0.1:40000".parse().unwrap()],
            Level::Advice,
            Topic::Ports,
            "port 40000",
            "ip_local_reserved_ports=40000",
        ),
        (|host, _| host.clock = Clock::Free, Level::Advice, Topic::Clock, "expired", "timedatectl"),
        (|host, _| host.clock = Clock::Unknown, Level::Unknown, Topic::Clock, "clock", ""),
        (
            |_, wanted| wanted.routers[0].interface = "eth9".to_owned(),
            Level::Fault,
            Topic::Interfaces,
            "eth9, which isn't there",
            "eth0, eth1",
        ),
        (
            |host, _| host.interfaces[1].up = false,
            Level::Fault,
            Topic::Interfaces,
            "eth1 is down",
            "ip link set eth1 up",
        ),
        (
            |host, _| host.interfaces[1].carrier = false,
            Level::Fault,
            Topic::Interfaces,
            "nothing is at its other end",
            "cable",
        ),
        (
            |host, _| host.interfaces[1].multicast = false,
            Level::Fault,
            Topic::Interfaces,
            "groups",
            "unicast_peers",
        ),
        (
            |host, _| host.interfaces[1].addresses = vec![([172, 16, 16, 100].into(), 32)],
            Level::Fault,
            Topic::Interfaces,
            "no IPv4 address",
            "ip address add",
        ),
        (
            |host, _| host.interfaces[1].manager = Manager::NetworkManager,
            Level::Advice,
            Topic::Managers,
            "NetworkManager has eth1",
            "unmanaged-devices=interface-name:eth1",
        ),
        (
            |host, _| {
                host.interfaces[1].manager = Manager::Networkd {
                    keeps: false,
                    file: Some("/run/systemd/network/10-eth1.network".to_owned()),
                }
            },
            Level::Advice,
            Topic::Managers,
            "systemd-networkd has eth1",
            "/etc/systemd/network/10-eth1.network.d/halb.conf",
        ),
        (
            |host, _| {
                host.interfaces[1].bridge =
                    Some(Bridge { name: "br0".to_owned(), snooping: true, querier: false })
            },
            Level::Advice,
            Topic::Bridges,
            "br0 snoops",
            "mcast_snooping 0",
        ),
        (
            |host, _| host.interfaces[1].arp_ignore = 8,
            Level::Fault,
            Topic::Sysctl,
            "arp_ignore=8",
            "arp_ignore=1",
        ),
        (
            |host, _| host.interfaces[1].rp_filter = 1,
            Level::Advice,
            Topic::Sysctl,
            "rp_filter=1",
            "rp_filter=2",
        ),
        (
            |host, _| host.interfaces[0].addresses.push(([172, 16, 16, 7].into(), 24)),
            Level::Advice,
            Topic::Sysctl,
            "eth0 too, which answers ARP",
            "arp_announce=2",
        ),
        (
            |host, wanted| {
                host.interfaces[1].ipv6_disabled = true;
                wanted.routers[0].addresses.push(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]));
            },
            Level::Fault,
            Topic::Sysctl,
            "IPv6 is switched off",
            "disable_ipv6=0",
        ),
        (
            |host, _| host.firewall = dropping(),
            Level::Fault,
            Topic::Firewall,
            "drops adverts of VI_1 from the other node",
            "firewall-cmd --permanent --add-protocol=vrrp",
        ),
        (
            |host, _| host.firewall = dropping(),
            Level::Fault,
            Topic::Firewall,
            "drops clients of 0.0.0.0:6443",
            "--add-port=6443/tcp",
        ),
        (
            |host, _| host.firewall = dropping(),
            Level::Fault,
            Topic::Firewall,
            "drops datagrams of the other balancer (UDP port 7112)",
            "--add-port=7112/udp",
        ),
        (
            |host, _| host.firewall = dropping_what_passes(),
            Level::Fault,
            Topic::Firewall,
            "connections of frontend api that the kernel forwards to 172.16.16.101:6443",
            "nft insert rule ip filter FORWARD ct status dnat accept",
        ),
        (
            |host, wanted| {
                host.capabilities &= !(1 << 12);
                wanted.routers.clear();
            },
            Level::Fault,
            Topic::Capabilities,
            "CAP_NET_ADMIN",
            "unit",
        ),
        (
            |host, _| host.firewall = Err("nft isn't installed".to_owned()),
            Level::Unknown,
            Topic::Firewall,
            "nft isn't installed",
            "",
        ),
        (
            |host, _| host.heard = Err("only root".to_owned()),
            Level::Unknown,
            Topic::RouterId,
            "only root",
            "",
        ),
        (
            |host, _| host.heard = Ok(vec![advert(52), advert(77)]),
            Level::Fault,
            Topic::RouterId,
            "172.16.16.52 and 172.16.16.77",
            "another router_id; nobody was heard to use 2, 3, 4",
        ),
        (
            |host, _| {
                host.heard = Ok(vec![{
                    let mut one = advert(52);
                    one.advert.version = 3;
                    one
                }])
            },
            Level::Fault,
            Topic::RouterId,
            "version 3, and here it is 2",
            "alike",
        ),
        (
            |host, _| {
                host.heard = Ok(vec![{
                    let mut one = advert(52);
                    one.advert.password = false;
                    one
                }])
            },
            Level::Fault,
            Topic::RouterId,
            "no password",
            "alike",
        ),
        (
            |host, _| {
                host.heard = Ok(vec![{
                    let mut one = advert(77);
                    one.advert.addresses = vec![[172, 16, 16, 200].into()];
                    one
                }])
            },
            Level::Fault,
            Topic::RouterId,
            "172.16.16.200, and here it has 172.16.16.100",
            "another router_id",
        ),
    ];
    for (number, (change, level, topic, text, remedy)) in cases.iter().enumerate() {
        let (mut host, mut wanted) = (host(), wanted());
        change(&mut host, &mut wanted);
        let findings = judge(&host, &wanted);
        let found = findings.iter().any(|one| {
            one.level == *level
                && one.topic == *topic
                && one.text.contains(text)
                && one.remedy.as_deref().unwrap_or_default().contains(remedy)
        });
        assert!(found, "case {number}: {level:?} {topic:?} {text:?} {remedy:?}: {findings:#?}");
        assert!(findings.is_sorted_by_key(|one| one.level), "the worst first");
    }
}

#[test]
fn what_belongs_to_halb_itself_is_no_fault() {
    let mut host = host();
    let address = "0.0.0.0:6443".parse().unwrap();
    host.listening.push(Listening { address, program: Some("halb".to_owned()) });
    host.interfaces[1].addresses.push(([172, 16, 16, 100].into(), 32));
    // Its own advert, reflected by a switch, and that of the other node.
    host.heard = Ok(vec![advert(51), advert(52)]);
    host.interfaces[1].manager = Manager::Networkd { keeps: true, file: None };
    let findings = judge(&host, &wanted());
    assert!(findings.iter().all(|one| one.level == Level::Fine), "{findings:#?}");
    assert!(findings.iter().any(|one| one.text.contains("172.16.16.52 advertises router_id 1")));
}

#[test]
fn without_a_virtual_ip_nothing_is_asked_of_links_and_the_segment() {
    let wanted = Wanted { routers: Vec::new(), forwarded: Vec::new(), ..wanted() };
    let mut host = host();
    host.capabilities = 0;
    let findings = judge(&host, &wanted);
    assert!(findings.iter().all(|one| one.level == Level::Fine), "{findings:#?}");
}

#[test]
fn where_the_kernel_forwards_its_table_has_to_hold_all_connections() {
    let about = |tracking: Tracking| {
        let findings = judge(&Host { tracking, ..host() }, &wanted());
        let ours = findings.into_iter().filter(|finding| finding.topic == Topic::Forwarding);
        ours.map(|finding| (finding.level, finding.text, finding.remedy)).collect::<Vec<_>>()
    };
    let with = |most, entries| about(Tracking { most, entries, bridged: false });
    assert!(matches!(&with(Some(1_000), 10)[..], [(Level::Fine, ..)]));
    assert!(matches!(&with(None, 0)[..], [(Level::Unknown, ..)]));
    for (most, entries, told, remedy) in [
        (1_000, 800, "800 of 1000 places for connections are taken", "nf_conntrack_max = 2000"),
        (400, 10, "places for 400 connections, and maxconn", "nf_conntrack_max = 1000"),
    ] {
        let found = with(Some(most), entries);
        let [(Level::Advice, text, Some(what))] = &found[..] else { panic!("{found:?}") };
        assert!(text.contains(told) && what.contains(remedy), "{text}: {what}");
    }
    let bridged = about(Tracking { most: Some(1_000), entries: 0, bridged: true });
    assert!(
        bridged.iter().any(|(level, text, _)| *level == Level::Advice && text.contains("bridge"))
    );
    let wanted = Wanted { forwarded: Vec::new(), ..wanted() };
    let findings = judge(&host(), &wanted);
    assert!(findings.iter().all(|finding| finding.topic != Topic::Forwarding));
}
