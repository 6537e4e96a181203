//! Hosts themselves: whether they answer, whether balancers balance, what differs from the file.

use super::{Area, CLUSTER, Finding, Seen};
use crate::inventory::Role;
use crate::kubeadm;
use crate::plan::StageName;

/// Whether each host can be asked at all.
pub(super) fn hosts(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    for host in &seen.inventory.hosts {
        let name = &host.name;
        findings.push(match (seen.silent.get(name), seen.facts.get(name)) {
            (None, Some(facts)) => Finding::good(Area::Hosts, name, facts.os.title.clone()),
            (None, None) => Finding::unproven(Area::Hosts, name, "nobody asked it"),
            (Some(why), _) => Finding::bad(Area::Hosts, name, format!("it doesn't answer: {why}"))
                .so("ssh to it says more; what only this host could tell isn't told here"),
        });
    }
}

/// halb on the balancers, and where the virtual IP is.
pub(super) fn balancers(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let area = Area::Balancers;
    for host in seen.inventory.with_role(Role::Balancer) {
        let Some(facts) = seen.facts.get(&host.name) else {
            findings.push(Finding::unproven(area, &host.name, "it wasn't asked whether halb runs"));
            continue;
        };
        let service = facts.services.get("halb.service");
        let state = service.map_or("not there", |service| service.active.as_str());
        if state != "active" {
            let what = format!("halb.service is {state}");
            let remedy = "look at 'journalctl -u halb' there, or run 'halb k8s apply'";
            findings.push(Finding::bad(area, &host.name, what).so(remedy));
            continue;
        }
        findings.push(servers(seen, &host.name));
    }
    virtual_ip(seen, findings);
}

/// What a running balancer thinks of the API servers.
fn servers(seen: &Seen<'_>, balancer: &str) -> Finding {
    let area = Area::Balancers;
    let Some(view) = seen.views.get(balancer).filter(|view| !view.servers.is_empty()) else {
        let what = "halb runs; which servers are up for it couldn't be read";
        return Finding::unproven(area, balancer, what).so("run 'halb status' there");
    };
    let is = |name: &str| view.servers.get(name);
    let masters: Vec<_> = seen.masters().map(|host| host.name.as_str()).collect();
    let down: Vec<_> = masters.iter().copied().filter(|name| is(name) != Some(&true)).collect();
    if down.is_empty() {
        let what = format!("halb runs, {} of {} API servers are up", masters.len(), masters.len());
        return Finding::good(area, balancer, what);
    }
    let what = format!("halb runs; down for it: {}", down.join(", "));
    Finding::bad(area, balancer, what).so("'halb status' there says why")
}

/// One balancer has the address, and one alone.
fn virtual_ip(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let Some(vip) = &seen.inventory.vip else { return };
    let balancers: Vec<_> = seen.inventory.with_role(Role::Balancer).collect();
    let unasked = balancers.iter().any(|host| !seen.facts.contains_key(&host.name));
    let holders: Vec<_> = balancers
        .iter()
        .filter(|host| {
            let facts = seen.facts.get(&host.name);
            let mut addresses =
                facts.into_iter().flat_map(|facts| &facts.interfaces).flat_map(|it| &it.addresses);
            addresses.any(|address| address.addr() == vip.address)
        })
        .map(|host| host.name.as_str())
        .collect();
    let (area, address) = (Area::Balancers, vip.address);
    findings.push(match holders.as_slice() {
        [one] => Finding::good(area, "virtual IP", format!("{address} is on {one}")),
        [] if unasked => {
            let what = format!("{address} is on none of the balancers that answer");
            Finding::unproven(area, "virtual IP", what)
        }
        [] => Finding::bad(area, "virtual IP", format!("{address} is on no balancer"))
            .so("'halb vip explain' on the balancers says why"),
        several => {
            let what = format!("{address} is on {}", several.join(" and "));
            let remedy = "they may not hear each other (VRRP is IP protocol 112), or it moved while \
                          they were asked: look again";
            Finding::bad(area, "virtual IP", what).so(remedy)
        }
    });
}

/// What is left to do, host by host, or what stands in the way.
pub(super) fn drift(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let area = Area::Drift;
    let before = findings.len();
    match seen.left {
        Ok(plan) => {
            // Whether some operator's kubeconfig has the cluster says nothing of the cluster.
            let stages = plan.stages.iter().filter(|stage| stage.name != StageName::Access);
            for host in stages.flat_map(|stage| &stage.hosts) {
                let titles: Vec<_> = host.steps.iter().map(|step| step.title.as_str()).collect();
                let what = format!("it differs in: {}", shortened(&titles));
                findings.push(Finding::bad(area, &host.host, what).so("halb k8s plan"));
            }
            if findings.len() == before {
                let what = "all hosts are as the inventory wants them";
                findings.push(Finding::good(area, CLUSTER, what));
            }
        }
        Err(faults) => {
            let silent = |host: &Option<String>| {
                host.as_ref().is_some_and(|host| seen.silent.contains_key(host))
            };
            for fault in faults.iter().filter(|fault| !silent(&fault.host)) {
                let subject = fault.host.as_deref().unwrap_or(CLUSTER);
                let finding = Finding::bad(area, subject, fault.what.clone());
                findings.push(finding.so(fault.remedy.clone()));
            }
            let what =
                "what differs can't be told until all hosts answer and nothing stands in the way";
            findings.push(Finding::unproven(area, CLUSTER, what));
        }
    }
}

/// Most titles that a line names.
const TITLES_MAX: usize = 3;

fn shortened(titles: &[&str]) -> String {
    let shown = titles.iter().take(TITLES_MAX).copied().collect::<Vec<_>>().join("; ");
    match titles.len().saturating_sub(TITLES_MAX) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// The endpoint as people read it.
pub(super) fn endpoint(seen: &Seen<'_>) -> String {
    kubeadm::endpoint(seen.inventory)
}
