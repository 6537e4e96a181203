//! Addresses that add-ons take, against everything else that has one.

mod volumes;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::inventory::addons::{AddonsDraft, AddressRange, Pool};
use crate::inventory::lints::Draft;
use crate::inventory::problem::{Problem, Span};
use crate::inventory::reader::Problems;

/// Checks the add-ons against the cluster and each other: one error for each thing that is wrong.
pub(in crate::inventory) fn check(problems: &Problems, cluster: &Draft, draft: &AddonsDraft) {
    let pools = draft.addons.metallb.iter().flat_map(|metallb| &metallb.pools);
    let ranges: Vec<Range<'_>> = pools
        .zip(&draft.ranges)
        .flat_map(|(pool, spans)| {
            let ranges = pool.ranges.iter().zip(spans);
            ranges.map(move |(range, span)| Range { pool, range, span })
        })
        .collect();
    for (index, range) in ranges.iter().enumerate() {
        check_range(problems, cluster, range);
        for other in &ranges[..index] {
            if let Some(shared) = range.range.shared_with(other.range) {
                let what = format!("{} overlaps {} in {shared}", range.told(), other.told());
                problems.report(
                    Problem::error(range.span.clone(), what)
                        .related(other.span.clone(), "the other range")
                        .consequence("MetalLB's webhook refuses it")
                        .remedy("choose ranges that share nothing"),
                );
            }
        }
    }
    check_fixed(problems, draft, &ranges);
    volumes::check(problems, cluster, draft);
    let pools = draft.addons.metallb.iter().flat_map(|metallb| &metallb.pools);
    let names: Vec<(&Pool, &Span)> = pools.zip(&draft.names).collect();
    for (index, (pool, span)) in names.iter().enumerate() {
        if let Some((_, first)) = names[..index].iter().find(|(other, _)| other.name == pool.name) {
            problems.report(
                Problem::error((*span).clone(), format!("two pools are called '{}'", pool.name))
                    .related((*first).clone(), "the first"),
            );
        }
    }
}

/// Addresses that an add-on asks for: each out of a pool, and no two alike.
fn check_fixed(problems: &Problems, draft: &AddonsDraft, ranges: &[Range<'_>]) {
    for (index, (whose, address)) in draft.fixed.iter().enumerate() {
        let (value, span) = (address.value, &address.span);
        if let Some((other, first)) = draft.fixed[..index].iter().find(|(_, it)| it.value == value)
        {
            problems.report(
                Problem::error(span.clone(), format!("{value} is {other}'s already"))
                    .related(first.span.clone(), "here")
                    .remedy("give each an address of its own"),
            );
        }
        if draft.addons.metallb.is_none() {
            let what = format!("{whose} has an address, and nobody gives it: there is no MetalLB");
            problems.report(
                Problem::error(span.clone(), what).remedy("add `metallb` with a pool that has it"),
            );
        } else if !draft.unread && !ranges.iter().any(|range| range.range.contains(value)) {
            problems.report(
                Problem::error(span.clone(), format!("{value}, of {whose}, is in no pool"))
                    .consequence("MetalLB gives away what its pools have, and nothing else")
                    .remedy("take an address of a pool, or add it to one"),
            );
        }
    }
}

/// One range of a pool, and where it stands.
struct Range<'a> {
    pool: &'a Pool,
    range: &'a AddressRange,
    span: &'a Span,
}

impl Range<'_> {
    fn told(&self) -> String {
        format!("{} of the pool '{}'", self.range, self.pool.name)
    }
}

/// A range against the hosts' network and everything that has an address in it.
fn check_range(problems: &Problems, cluster: &Draft, range: &Range<'_>) {
    let Range { range: addresses, span, .. } = range;
    if let Some(kubernetes) = &cluster.kubernetes {
        let nets =
            [("podSubnet", &kubernetes.pod_subnet), ("serviceSubnet", &kubernetes.service_subnet)];
        for (name, net) in nets {
            if addresses.shared_with(&whole(net.value)).is_some() {
                let what = format!("{} overlaps {name} ({})", range.told(), net.value);
                problems.report(
                    Problem::error((*span).clone(), what)
                        .related(net.span.clone(), "the other range")
                        .consequence("these addresses exist inside of the cluster alone")
                        .remedy("take addresses of the hosts' network that nobody has"),
                );
                return;
            }
        }
    }
    if let Some(network) = &cluster.network {
        let net = network.value;
        if !net.contains(&addresses.first) || !net.contains(&addresses.last) {
            let what = format!("{} is not within the hosts' network {net}", range.told());
            problems.report(
                Problem::error((*span).clone(), what)
                    .related(network.span.clone(), "the hosts' network")
                    .consequence("nobody asks for such an address where the nodes could answer")
                    .remedy("take addresses of the hosts' network that nobody has"),
            );
            return;
        }
        let own = [net.network(), net.broadcast()];
        if net.prefix_len() < 31 && own.iter().any(|own| addresses.contains(*own)) {
            let what = format!("{} has the network's own or its broadcast address", range.told());
            problems.report(
                Problem::error((*span).clone(), what)
                    .consequence("a service that gets it can't be reached")
                    .remedy("leave the first and the last address of the network out"),
            );
        }
    }
    for (who, address, at) in taken(cluster) {
        if addresses.contains(address) {
            problems.report(
                Problem::error((*span).clone(), format!("{} has {address}, {who}", range.told()))
                    .related(at.clone(), "it is taken here")
                    .consequence("two machines would answer for one address")
                    .remedy("choose a range without it"),
            );
        }
    }
}

/// Every address of the hosts' network that has an owner.
fn taken(cluster: &Draft) -> impl Iterator<Item = (String, Ipv4Addr, &Span)> {
    let vip = cluster.vip.iter();
    let vip = vip.map(|(vip, _)| ("the virtual IP".to_owned(), vip.value, &vip.span));
    let hosts = cluster.hosts.iter().map(|draft| {
        (format!("the address of {}", draft.host.name), draft.host.address, &draft.address_span)
    });
    vip.chain(hosts)
}

fn whole(net: Ipv4Net) -> AddressRange {
    AddressRange { first: net.network(), last: net.broadcast() }
}
