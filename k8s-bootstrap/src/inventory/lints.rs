//! What only shows when all of an inventory is looked at together.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::inventory::cluster::{KubernetesDraft, default_port};
use crate::inventory::hosts::HostDraft;
use crate::inventory::problem::{Problem, Span};
use crate::inventory::reader::{Placed, Problems};
use crate::inventory::version::{
    KUBERNETES_FIRST, KUBERNETES_LAST, KUBERNETES_MAINTAINED, Version, calico_tested,
};
use crate::inventory::{Cni, Endpoint, Role};

/// Everything that was read, with the places that messages point at.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) span: Span,
    pub(super) network: Option<Placed<Ipv4Net>>,
    pub(super) kubernetes: Option<KubernetesDraft>,
    pub(super) vip: Option<(Placed<Ipv4Addr>, u8)>,
    pub(super) endpoint_name: Option<Placed<String>>,
    pub(super) port: Option<Placed<u16>>,
    pub(super) cni: (Span, Cni),
    pub(super) hosts: Vec<HostDraft>,
}

impl Draft {
    fn with_role(&self, role: Role) -> impl Iterator<Item = &HostDraft> {
        self.hosts.iter().filter(move |draft| draft.host.has(role))
    }
}

/// Checks everything together, and says where clients reach the cluster; none where that can't be
/// told, which has been reported.
pub(super) fn check(problems: &Problems, draft: &Draft) -> Option<Endpoint> {
    check_names(problems, draft);
    check_addresses(problems, draft);
    check_ranges(problems, draft);
    check_versions(problems, draft);
    check_masters(problems, draft);
    if let Some(name) = &draft.endpoint_name {
        check_endpoint_name(problems, name);
    }
    let address = endpoint_address(problems, draft)?;
    let shared = draft.with_role(Role::Balancer).any(|draft| draft.host.has(Role::Master));
    let port = draft.port.as_ref().map_or_else(|| default_port(shared), |port| port.value);
    if let Some(placed) = draft.port.as_ref().filter(|placed| shared && placed.value == 6443) {
        problems.report(
            Problem::error(placed.span.clone(), "the endpoint can't have port 6443 here")
                .consequence("the API server of a master that is a balancer too has that port")
                .remedy(format!("write {}, or leave it out", default_port(shared))),
        );
    }
    let name = draft.endpoint_name.as_ref().map(|name| name.value.clone());
    Some(Endpoint { name, address, port })
}

/// Two hosts of one name or address, or two things that are one.
fn check_names(problems: &Problems, draft: &Draft) {
    let mut names: BTreeMap<&str, &Span> = BTreeMap::new();
    let mut addresses: BTreeMap<Ipv4Addr, &Span> = BTreeMap::new();
    let mut ways_in: BTreeMap<(&str, u16), &Span> = BTreeMap::new();
    if let Some((vip, _)) = &draft.vip {
        addresses.insert(vip.value, &vip.span);
    }
    for HostDraft { host, name_span, address_span } in &draft.hosts {
        if let Some(first) = names.insert(&host.name, name_span) {
            problems.report(
                Problem::error(name_span.clone(), format!("two hosts are called '{}'", host.name))
                    .related(first.clone(), "the first")
                    .consequence("the second one's node would replace the first one's"),
            );
        }
        if let Some(first) = addresses.insert(host.address, address_span) {
            problems.report(
                Problem::error(address_span.clone(), format!("{} is taken", host.address))
                    .related(first.clone(), "here already")
                    .remedy("give each host an address of its own, and none the virtual IP"),
            );
        }
        let way_in = (host.ssh.address.as_str(), host.ssh.port);
        let shared = host.ssh.bastion.is_none().then(|| ways_in.insert(way_in, address_span));
        if let Some(first) = shared.flatten().filter(|_| addresses.len() == names.len()) {
            let what = format!("ssh reaches two hosts at {}:{}", way_in.0, way_in.1);
            problems.report(
                Problem::error(address_span.clone(), what)
                    .related(first.clone(), "the other one")
                    .remedy("correct 'ssh' of one of them"),
            );
        }
    }
}

/// Addresses outside of the cluster's network, and public ones.
fn check_addresses(problems: &Problems, draft: &Draft) {
    let Some(network) = &draft.network else { return };
    if !is_private(network.value.network()) {
        let what = format!("{} is public address space", network.value);
        let problem = Problem::lint(network.span.clone(), what).consequence(
            "it belongs to somebody on the Internet, whom your hosts can't reach then",
        );
        problems.report(match private_twin(network.value.network()) {
            Some(twin) => problem.remedy(format!(
                "did you mean {twin}/{}? (private: 10/8, 172.16/12, 192.168/16)",
                network.value.prefix_len()
            )),
            None => problem.remedy("take a range of 10/8, 172.16/12 or 192.168/16"),
        });
    }
    let vip = draft.vip.iter().map(|(vip, _)| ("the virtual IP", vip.value, &vip.span));
    let hosts = draft
        .hosts
        .iter()
        .map(|draft| (draft.host.name.as_str(), draft.host.address, &draft.address_span));
    for (who, address, span) in vip.chain(hosts) {
        let inside = network.value.contains(&address);
        let usable = network.value.prefix_len() >= 31
            || (address != network.value.network() && address != network.value.broadcast());
        if inside && usable {
            continue;
        }
        let what = if inside {
            format!("{address} ({who}) is the network's own or its broadcast address")
        } else {
            format!("{address} ({who}) is outside of {}", network.value)
        };
        let twin = private_twin(address).filter(|twin| network.value.contains(twin));
        let remedy = twin.map_or_else(
            || "all hosts and the virtual IP share one network; correct this or 'network'".into(),
            |twin| format!("did you mean {twin}? {address} is a public address"),
        );
        problems.report(
            Problem::error(span.clone(), what)
                .related(network.span.clone(), "the cluster's network")
                .consequence("a virtual IP moves within one network, and nodes meet there")
                .remedy(remedy),
        );
    }
}

fn is_private(address: Ipv4Addr) -> bool {
    let carrier = Ipv4Addr::new(100, 64, 0, 0);
    address.is_private()
        || address.is_loopback()
        || Ipv4Net::new_assert(carrier, 10).contains(&address)
}

/// The private address that a public one was probably meant to be: one digit mistyped in its first
/// number, as in 176.16 for 172.16.
fn private_twin(address: Ipv4Addr) -> Option<Ipv4Addr> {
    let [first, second, third, fourth] = address.octets();
    let twins = [172, 192, 10].map(|first| Ipv4Addr::new(first, second, third, fourth));
    let distance =
        |twin: &Ipv4Addr| strsim::osa_distance(&twin.octets()[0].to_string(), &first.to_string());
    twins.into_iter().find(|twin| twin.is_private() && !is_private(address) && distance(twin) == 1)
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// Ranges that share addresses, or that are too small.
fn check_ranges(problems: &Problems, draft: &Draft) {
    let Some(kubernetes) = &draft.kubernetes else { return };
    let (pods, services) = (&kubernetes.pod_subnet, &kubernetes.service_subnet);
    let network = draft.network.iter().map(|network| ("the hosts' network", network));
    let ranges: Vec<(&str, &Placed<Ipv4Net>)> =
        [("podSubnet", pods), ("serviceSubnet", services)].into_iter().chain(network).collect();
    for (index, (name, range)) in ranges.iter().enumerate() {
        for (other_name, other) in &ranges[..index] {
            if overlap(range.value, other.value) {
                let what =
                    format!("{name} ({}) overlaps {other_name} ({})", range.value, other.value);
                problems.report(
                    Problem::error(range.span.clone(), what)
                        .related(other.span.clone(), "the other one")
                        .consequence("an address would mean two things; neither can change later")
                        .remedy("choose ranges that share nothing"),
                );
            }
        }
    }
    // Each node takes a /24 of the pods' range.
    if pods.value.prefix_len() > 24 {
        let what = format!("podSubnet {} is too small", pods.value);
        problems.report(
            Problem::error(pods.span.clone(), what)
                .consequence("Kubernetes gives each node a /24 of it")
                .remedy("write a /16, such as 10.244.0.0/16"),
        );
    } else {
        let nodes = draft.hosts.iter().filter(|draft| draft.host.is_node()).count();
        let room = 1_usize << (24 - pods.value.prefix_len());
        if nodes > room {
            let what = format!("podSubnet {} has room for {room} nodes of {nodes}", pods.value);
            problems.report(
                Problem::error(pods.span.clone(), what).remedy("write a larger range, such as /16"),
            );
        }
    }
    if !(12..=27).contains(&services.value.prefix_len()) {
        let what = format!("serviceSubnet {} has an unusual size", services.value);
        problems.report(
            Problem::error(services.span.clone(), what)
                .consequence("kube-apiserver refuses more than a /12; a few services need a /27")
                .remedy("write a /16 or a /12, such as 10.96.0.0/12"),
        );
    }
}

fn check_versions(problems: &Problems, draft: &Draft) {
    let version = draft.kubernetes.as_ref().and_then(|kubernetes| kubernetes.version.as_ref());
    let Some(Placed { value: version, span }) = version else { return };
    let newest = format!("1.{KUBERNETES_LAST}");
    let minor = version.minor;
    if version.major != 1 || !(KUBERNETES_FIRST..=KUBERNETES_LAST).contains(&minor) {
        let known = format!("halb knows Kubernetes 1.{KUBERNETES_FIRST} to {newest}");
        problems.report(
            Problem::error(span.clone(), format!("Kubernetes {version} isn't supported: {known}"))
                .consequence("its kubeadm reads other files than halb writes, or may do so")
                .remedy(format!("take a version of {newest}")),
        );
        return;
    }
    if minor < KUBERNETES_MAINTAINED {
        let what = format!("Kubernetes {} gets no more fixes", version.minor_text());
        problems.report(
            Problem::lint(span.clone(), what)
                .consequence("its known holes stay open")
                .remedy(format!("take a version of {newest}")),
        );
    }
    let calico: Version = draft.cni.1.version;
    let advice = "look into its requirements on docs.tigera.io";
    match calico_tested(calico) {
        Some((first, last)) if !(first..=last).contains(&minor) => problems.report(
            Problem::lint(
                draft.cni.0.clone(),
                format!("Calico {calico} was tested with Kubernetes 1.{first} to 1.{last}"),
            )
            .consequence(format!("with {} it may work or not", version.minor_text()))
            .remedy(advice),
        ),
        Some(_) => {}
        None => problems.report(
            Problem::lint(
                draft.cni.0.clone(),
                format!("which Kubernetes Calico {calico} was tested with isn't known here"),
            )
            .remedy(advice),
        ),
    }
}

/// How many there are of each role.
fn check_masters(problems: &Problems, draft: &Draft) {
    let masters: Vec<_> = draft.with_role(Role::Master).collect();
    let at = |index: usize| masters[index].name_span.clone();
    match masters.len() {
        0 => problems.report(
            Problem::error(draft.span.clone(), "there is no master")
                .remedy("give one host, or better three, 'role: master'"),
        ),
        1 => problems.report(
            Problem::lint(at(0), "there is one master")
                .consequence("when it fails, nothing can be changed in the cluster")
                .remedy("take three"),
        ),
        count if count % 2 == 0 => problems.report(
            Problem::lint(at(count - 1), format!("there are {count} masters, an even number"))
                .consequence(format!(
                    "etcd needs more than half: {count} tolerate the loss of {}, as {} do",
                    (count - 1) / 2,
                    count - 1
                ))
                .remedy(format!("take {}", count + 1)),
        ),
        count if count > 7 => problems.report(
            Problem::lint(at(7), format!("there are {count} masters"))
                .consequence("each write waits for more than half of them")
                .remedy("take three, five or seven"),
        ),
        _ => {}
    }
    if draft.with_role(Role::Worker).next().is_none() {
        problems.report(
            Problem::lint(draft.span.clone(), "there is no worker")
                .consequence("masters take no workloads")
                .remedy("give a host 'role: worker'"),
        );
    }
}

/// The virtual IP, or the one balancer's address.
fn endpoint_address(problems: &Problems, draft: &Draft) -> Option<Ipv4Addr> {
    let balancers: Vec<_> = draft.with_role(Role::Balancer).collect();
    let first = balancers.first().map(|draft| &draft.host);
    match (&draft.vip, balancers.len()) {
        (_, 0) => {
            problems.report(
                Problem::error(draft.span.clone(), "there is no balancer")
                    .consequence("the cluster would have no address that outlives a master")
                    .remedy(
                        "give two hosts 'role: balancer', or masters 'roles: [master, balancer]'",
                    ),
            );
            None
        }
        (Some((vip, _)), 1) => {
            problems.report(
                Problem::lint(vip.span.clone(), "there is one balancer for the virtual IP")
                    .consequence("when it fails, nobody takes the address over")
                    .remedy("take two"),
            );
            Some(vip.value)
        }
        (Some((vip, _)), _) => Some(vip.value),
        (None, 1) => {
            problems.report(
                Problem::lint(balancers[0].name_span.clone(), "there is one balancer")
                    .consequence("when it fails, nobody reaches the cluster")
                    .remedy("take two, with a virtual IP ('vip')"),
            );
            first.map(|host| host.address)
        }
        (None, count) => {
            problems.report(
                Problem::error(
                    balancers[1].name_span.clone(),
                    format!("there are {count} balancers and no virtual IP"),
                )
                .consequence("clients would know only one of them")
                .remedy("add `vip: {address: …}`, an address of the network that nobody has"),
            );
            None
        }
    }
}

fn check_endpoint_name(problems: &Problems, name: &Placed<String>) {
    if name.value == "local" || name.value.ends_with(".local") {
        problems.report(
            Problem::lint(name.span.clone(), format!("'{}' ends in .local", name.value))
                .consequence(
                    "such names belong to multicast DNS (RFC 6762), which may be asked first",
                )
                .remedy("take a domain of yours, or one that ends in .internal"),
        );
    }
}
