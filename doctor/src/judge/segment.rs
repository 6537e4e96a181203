//! What comes through to this host, and who else is on the segment.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Finding, Topic};
use crate::facts::{Host, Router, Wanted};
use crate::firewall::{Packet, Place, Ruleset, Verdict};
use crate::wire::{Advert, PROTOCOL};

/// TCP's number.
const TCP: u8 = 6;

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
    for router in &wanted.routers {
        let ipv6 = !router.addresses.iter().any(IpAddr::is_ipv4);
        let group: IpAddr =
            if ipv6 { [0xff02, 0, 0, 0, 0, 0, 0, 0x12].into() } else { [224, 0, 0, 18].into() };
        for inbound in [true, false] {
            let packet = Packet {
                interface: Some(router.interface.clone()),
                inbound,
                protocol: PROTOCOL,
                destination: router.multicast.then_some(group),
                port: None,
                ipv6,
            };
            let way = if inbound { "from the other node" } else { "to the other node" };
            let what = format!("adverts of {} {way} (protocol 112)", router.name);
            let (side, direction) =
                if inbound { ("iifname", "input") } else { ("oifname", "output") };
            let rule = format!("{side} {} meta l4proto 112 accept", router.interface);
            findings.push(told(&rules.verdict(&packet), &what, &rule, direction));
        }
    }
    for bind in &wanted.binds {
        let packet = Packet {
            interface: None,
            inbound: true,
            protocol: TCP,
            destination: (!bind.ip().is_unspecified()).then_some(bind.ip()),
            port: Some(bind.port()),
            ipv6: bind.is_ipv6(),
        };
        let what = format!("clients of {bind}");
        let rule = format!("tcp dport {} accept", bind.port());
        findings.push(told(&rules.verdict(&packet), &what, &rule, "input"));
    }
}

fn told(verdict: &Verdict, what: &str, rule: &str, direction: &str) -> Finding {
    let topic = Topic::Firewall;
    match verdict {
        Verdict::Accepted => Finding::fine(topic, format!("{what} come through")),
        Verdict::Dropped(place) => {
            Finding::fault(topic, format!("{} drops {what}", place.words()), remedy(place, rule))
        }
        Verdict::Perhaps(place) => Finding::advice(
            topic,
            format!("whether {what} come through hangs on {}", place.words()),
            format!("look at it: nft -a list chain {} ({direction})", place.chain),
        ),
    }
}

fn remedy(place: &Place, rule: &str) -> String {
    if place.chain.contains(" firewalld ") {
        let what = if rule.contains("112") {
            "--add-protocol=vrrp".to_owned()
        } else {
            let port: String = rule.chars().filter(char::is_ascii_digit).collect();
            format!("--add-port={port}/tcp")
        };
        return format!("firewall-cmd --permanent {what} && firewall-cmd --reload");
    }
    format!("nft insert rule {} {rule}, and the same where your rules are kept", place.chain)
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
