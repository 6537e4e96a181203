//! Ways to API servers, and what shows only where pods run: names, and a Service.

use super::machines::endpoint;
use super::view::Way;
use super::{Area, CLUSTER, Finding, Seen, dns};
use crate::inventory::{Host, Role};

/// What came of one way, from all hosts that are to try it.
#[derive(Debug, Default)]
struct Tried<'a> {
    good: usize,
    /// Hosts from which it failed, and how.
    bad: Vec<(&'a str, String)>,
    /// Hosts that couldn't try.
    not: Vec<&'a str>,
}

impl<'a> Tried<'a> {
    /// Sorts what each host says: nothing, well, or why not. Those that don't answer at all are told
    /// elsewhere.
    fn by(
        seen: &Seen<'a>,
        hosts: impl Iterator<Item = &'a Host>,
        came: impl Fn(&Host) -> Option<Result<(), String>>,
    ) -> Self {
        let mut tried = Self::default();
        for host in hosts.filter(|host| !seen.silent.contains_key(&host.name)) {
            match came(host) {
                None => tried.not.push(&host.name),
                Some(Ok(())) => tried.good += 1,
                Some(Err(why)) => tried.bad.push((&host.name, why)),
            }
        }
        tried
    }

    /// What to say of it: that something does its work, or doesn't. `excuse` says of a host where
    /// it failed why that proves nothing.
    fn finding(
        &self,
        (area, subject): (Area, &str),
        (thing, does, does_not): (&str, &str, &str),
        excuse: impl Fn(&str) -> Option<&'static str>,
    ) -> Finding {
        let (excused, bad): (Vec<_>, Vec<_>) =
            self.bad.iter().partition(|(host, _)| excuse(host).is_some());
        if let [(host, why), more @ ..] = bad.as_slice() {
            let others: Vec<_> = more.iter().map(|(host, _)| *host).collect();
            let others = match others.len() {
                0 => String::new(),
                _ => format!("; nor from {}", others.join(", ")),
            };
            return Finding::bad(
                area,
                subject,
                format!("{thing} {does_not} from {host}: {why}{others}"),
            );
        }
        if let [(host, why), ..] = excused.as_slice() {
            let excuse = excuse(host).unwrap_or_default();
            return Finding::unproven(area, subject, format!("{excuse} (from {host}: {why})"));
        }
        if !self.not.is_empty() || self.good == 0 {
            let who = if self.not.is_empty() { "nobody".to_owned() } else { self.not.join(", ") };
            let what = match self.not.is_empty() {
                true => "nobody could try it".to_owned(),
                false => format!("{who} couldn't try it"),
            };
            return Finding::unproven(area, subject, what);
        }
        let nodes = if self.good == 1 { "1 host" } else { &format!("{} hosts", self.good) };
        Finding::good(area, subject, format!("{thing} {does} from {nodes}"))
    }
}

fn way<'a>(seen: &Seen<'a>, hosts: impl Iterator<Item = &'a Host>, way: &Way) -> Tried<'a> {
    Tried::by(seen, hosts, |host| seen.views.get(&host.name)?.ways.get(way).cloned())
}

/// What is said of something that answers, or doesn't.
fn answering(thing: &str) -> (&str, &str, &str) {
    (thing, "answers", "doesn't answer")
}

/// By the endpoint from each node; by each balancer, and each of them directly, from each master.
pub(super) fn api_servers(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let area = Area::ApiServers;
    let sure = |_: &str| None;
    let tried = way(seen, seen.nodes(), &Way::Endpoint);
    let finding = tried.finding((area, "endpoint"), answering(&endpoint(seen)), sure);
    findings.push(hinted(finding, "look at 'halb status' on the balancers, and at firewalls"));
    for host in seen.inventory.with_role(Role::Balancer) {
        let tried = way(seen, seen.masters(), &Way::Balancer(host.name.clone()));
        let what = format!("{}:{}", host.address, seen.inventory.endpoint.port);
        let finding = tried.finding((area, &host.name), answering(&what), sure);
        findings.push(hinted(finding, "look at 'halb status' there"));
    }
    for host in seen.masters() {
        let tried = way(seen, seen.masters(), &Way::Master(host.name.clone()));
        let what = format!("{}:{}", host.address, crate::kubeadm::API_SERVER_PORT);
        let finding = tried.finding((area, &host.name), answering(&what), sure);
        findings.push(hinted(finding, "look at 'crictl ps -a' and 'journalctl -u kubelet' there"));
    }
}

fn hinted(finding: Finding, remedy: &str) -> Finding {
    if finding.verdict == super::Verdict::Bad { finding.so(remedy) } else { finding }
}

/// The name of the API servers' Service leads to its address, from each node.
pub(super) fn names(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let (name, wanted) = (dns::name(seen.inventory), dns::service(seen.inventory));
    let tried = Tried::by(seen, seen.nodes(), |host| {
        let reply = seen.views.get(&host.name)?.dns.as_deref()?;
        Some(dns::addresses(reply).and_then(|found| match found.as_slice() {
            [one] if *one == wanted => Ok(()),
            [] => Err("the answer has no address".to_owned()),
            found => Err(format!("the answer is {found:?}, not {wanted}")),
        }))
    });
    let resolver = dns::resolver(seen.inventory);
    let does = format!("is resolved by {resolver}");
    let does_not = format!("isn't resolved by {resolver}");
    let runs = |part: &str| seen.pods().iter().any(|pod| pod.part == part);
    let excuse = "no pod of CoreDNS is known, and nothing answers in its place";
    let finding = tried.finding((Area::Dns, CLUSTER), (&name, &does, &does_not), |_| {
        (!runs("kube-dns")).then_some(excuse)
    });
    let remedy = "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide";
    findings.push(hinted(finding, remedy));
}

/// A Service's address leads to what is behind it, from each node: kube-proxy's work.
pub(super) fn service(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let tried = way(seen, seen.nodes(), &Way::Service);
    let runs =
        |host: &str| seen.pods().iter().any(|pod| pod.part == "kube-proxy" && pod.node == host);
    let excuse = "no pod of kube-proxy is known there, and nothing answers in its place";
    let finding = tried.finding(
        (Area::Service, CLUSTER),
        answering(&format!("{}:443", dns::service(seen.inventory))),
        |host| (!runs(host)).then_some(excuse),
    );
    let remedy = "kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide";
    findings.push(hinted(finding, remedy));
}
