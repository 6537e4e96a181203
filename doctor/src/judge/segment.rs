//! What comes through to this host, and who else is on the segment.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::{Finding, Topic};
use crate::facts::{Forwarded, Host, Router, Wanted};
use crate::firewall::{Packet, Place, Ruleset, Verdict, Way};
use crate::wire::{Advert, PROTOCOL};

/// Their numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

pub(super) fn judge(host: &Host, wanted: &Wanted, findings: &mut Vec<Finding>) {
    match &host.firewall {
        Ok(rules) => firewall(rules, wanted, findings),
        Err(why) => findings.push(Finding::unknown(
            Topic::Firewall,
            format!("whether rules for packets let VRRP and clients through: {why}"),
        )),
    }
    for router in &wanted.routers {
        match &host.heard {
            Ok(_) if !router.addresses.iter().any(IpAddr::is_ipv4) => {
                findings.push(Finding::unknown(
                    Topic::RouterId,
                    format!("who else uses router_id {} over IPv6: that isn't heard", router.id),
                ));
            }
            Ok(_) => neighbours(host, router, findings),
            Err(why) => findings.push(Finding::unknown(
                Topic::RouterId,
                format!("who else uses router_id {} on {}: {why}", router.id, router.interface),
            )),
        }
    }
}

fn firewall(rules: &Ruleset, wanted: &Wanted, findings: &mut Vec<Finding>) {
    let mut told = |packet: &Packet, what: &str, wish: &Wish<'_>| {
        findings.push(told(&rules.verdict(packet), what, wish, packet.way));
    };
    for router in &wanted.routers {
        let ipv6 = !router.addresses.iter().any(IpAddr::is_ipv4);
        let group: IpAddr =
            if ipv6 { [0xff02, 0, 0, 0, 0, 0, 0, 0x12].into() } else { [224, 0, 0, 18].into() };
        for (way, words) in [(Way::In, "from the other node"), (Way::Out, "to the other node")] {
            let packet = Packet {
                interface: Some(router.interface.clone()),
                way,
                protocol: PROTOCOL,
                destination: router.multicast.then_some(group),
                port: None,
                ipv6,
            };
            let what = format!("adverts of {} {words} (protocol 112)", router.name);
            told(&packet, &what, &Wish::Adverts { way, interface: &router.interface });
        }
    }
    for bind in &wanted.binds {
        told(&to(*bind, Way::In, TCP), &format!("clients of {bind}"), &Wish::Tcp(bind.port()));
    }
    if let Some(link) = wanted.link {
        let what = format!("datagrams of the other balancer (UDP port {})", link.port());
        told(&to(link, Way::In, UDP), &what, &Wish::Udp(link.port()));
    }
    for forwarded in &wanted.forwarded {
        self::forwarded(rules, forwarded, findings);
    }
}

/// Servers that fare alike are told of together.
fn forwarded(rules: &Ruleset, forwarded: &Forwarded, findings: &mut Vec<Finding>) {
    let mut fates: Vec<(Verdict, Vec<String>)> = Vec::new();
    for server in &forwarded.servers {
        let verdict = rules.verdict(&to(*server, Way::Through, TCP));
        match fates.iter_mut().find(|(of_others, _)| *of_others == verdict) {
            Some((_, servers)) => servers.push(server.to_string()),
            None => fates.push((verdict, vec![server.to_string()])),
        }
    }
    for (verdict, servers) in fates {
        let (frontend, servers) = (&forwarded.frontend, servers.join(", "));
        let what =
            format!("connections of frontend {frontend} that the kernel forwards to {servers}");
        findings.push(told(&verdict, &what, &Wish::Translated, Way::Through));
    }
}

fn to(address: SocketAddr, way: Way, protocol: u8) -> Packet {
    Packet {
        interface: None,
        way,
        protocol,
        destination: (!address.ip().is_unspecified()).then_some(address.ip()),
        port: Some(address.port()),
        ipv6: address.is_ipv6(),
    }
}

/// What rules should let pass.
enum Wish<'a> {
    Adverts {
        way: Way,
        interface: &'a str,
    },
    Tcp(u16),
    Udp(u16),
    /// Whatever this host translates, and what comes back.
    Translated,
}

impl Wish<'_> {
    /// As nft takes it.
    fn rule(&self) -> String {
        match self {
            Self::Adverts { way: Way::Out, interface } => {
                format!("oifname {interface} meta l4proto 112 accept")
            }
            Self::Adverts { way: Way::In | Way::Through, interface } => {
                format!("iifname {interface} meta l4proto 112 accept")
            }
            Self::Tcp(port) => format!("tcp dport {port} accept"),
            Self::Udp(port) => format!("udp dport {port} accept"),
            Self::Translated => "ct status dnat accept".to_owned(),
        }
    }

    /// As firewalld takes it; none: it has no word for it.
    fn firewalld(&self) -> Option<String> {
        match self {
            Self::Adverts { .. } => Some("--add-protocol=vrrp".to_owned()),
            Self::Tcp(port) => Some(format!("--add-port={port}/tcp")),
            Self::Udp(port) => Some(format!("--add-port={port}/udp")),
            Self::Translated => None,
        }
    }
}

fn told(verdict: &Verdict, what: &str, wish: &Wish<'_>, way: Way) -> Finding {
    let topic = Topic::Firewall;
    match verdict {
        Verdict::Accepted => Finding::fine(topic, format!("{what} come through")),
        Verdict::Dropped(place) => {
            Finding::fault(topic, format!("{} drops {what}", place.words()), remedy(place, wish))
        }
        Verdict::Perhaps(place) => Finding::advice(
            topic,
            format!("whether {what} come through hangs on {}", place.words()),
            format!("look at it: nft -a list chain {} ({})", place.chain, way.hook()),
        ),
    }
}

fn remedy(place: &Place, wish: &Wish<'_>) -> String {
    let firewalld = wish.firewalld().filter(|_| place.chain.contains(" firewalld "));
    match firewalld {
        Some(what) => format!("firewall-cmd --permanent {what} && firewall-cmd --reload"),
        None => {
            let rule = wish.rule();
            format!(
                "nft insert rule {} {rule}, and the same where your rules are kept",
                place.chain
            )
        }
    }
}

fn neighbours(host: &Host, router: &Router, findings: &mut Vec<Finding>) {
    let topic = Topic::RouterId;
    let (id, interface) = (router.id, &router.interface);
    let own = |advert: &Advert| {
        let all = host.interfaces.iter().flat_map(|one| &one.addresses);
        all.into_iter().any(|(address, _)| *address == IpAddr::V4(advert.source))
    };
    let others: BTreeSet<&Advert> = host
        .heard
        .iter()
        .flatten()
        .filter(|heard| heard.interface == *interface && heard.advert.id == id)
        .map(|heard| &heard.advert)
        .filter(|advert| !own(advert))
        .collect();
    let sources: BTreeSet<_> = others.iter().map(|advert| advert.source).collect();
    if sources.is_empty() {
        let text = format!("no other node advertises router_id {id} on {interface} at the moment");
        findings.push(Finding::fine(topic, text));
        return;
    }
    if sources.len() > 1 {
        let all: Vec<_> = sources.iter().map(ToString::to_string).collect();
        findings.push(Finding::fault(
            topic,
            format!(
                "{} advertise router_id {id} on {interface} at the same time: two of them belong to \
                 somebody else, or they don't hear each other",
                all.join(" and ")
            ),
            free_ids(host, interface),
        ));
    }
    let before = findings.len();
    for advert in &others {
        if let Some(difference) = difference(router, advert) {
            findings.push(Finding::fault(
                topic,
                format!(
                    "{} advertises router_id {id} on {interface} with {difference}",
                    advert.source
                ),
                format!(
                    "make both configurations alike; if {} isn't the other balancer, {}",
                    advert.source,
                    free_ids(host, interface)
                ),
            ));
        }
    }
    if findings.len() == before && sources.len() == 1 {
        let advert = others.first().map_or(0, |advert| advert.priority);
        let source = others.first().map(|advert| advert.source.to_string()).unwrap_or_default();
        findings.push(Finding::fine(
            topic,
            format!("{source} advertises router_id {id} on {interface} with priority {advert}, as the other node would"),
        ));
    }
}

/// In what an advert isn't one of ours.
fn difference(router: &Router, advert: &Advert) -> Option<String> {
    if advert.version != router.version {
        return Some(format!("version {}, and here it is {}", advert.version, router.version));
    }
    if advert.password != router.password {
        return Some(
            if advert.password {
                "a password, and here is none"
            } else {
                "no password, and here is one"
            }
            .to_owned(),
        );
    }
    let theirs: BTreeSet<_> = advert.addresses.iter().collect();
    let ours: BTreeSet<_> = router.addresses.iter().filter(|address| address.is_ipv4()).collect();
    (theirs != ours).then(|| {
        let list = |all: &BTreeSet<&IpAddr>| {
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        format!("{}, and here it has {}", list(&theirs), list(&ours))
    })
}

/// Some numbers that nobody was heard to use.
fn free_ids(host: &Host, interface: &str) -> String {
    let used: BTreeSet<u8> = host
        .heard
        .iter()
        .flatten()
        .filter(|heard| heard.interface == interface)
        .map(|heard| heard.advert.id)
        .collect();
    let free: Vec<_> =
        (1..=u8::MAX).filter(|id| !used.contains(id)).take(3).map(|id| id.to_string()).collect();
    format!("give this pair another router_id; nobody was heard to use {}", free.join(", "))
}
