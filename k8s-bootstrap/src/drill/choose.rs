//! Which host a drill takes away, who watches, and when it isn't begun.

use serde::Serialize;

use crate::facts::Facts;
use crate::inventory::{Host, Inventory, Role};
use crate::plan::FactsByHost;
use crate::plan::life::{bears, steering};
use crate::plan::preflight::Fault;

/// What a drill takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The balancer that holds the virtual IP.
    Balancer,
    /// A master: its API server, and its member of etcd.
    Master,
    /// A worker.
    Worker,
}

/// How it is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Its service is stopped, and started again afterwards: halb on a balancer, kubelet on a node.
    Stop,
    /// It is rebooted.
    Reboot,
}

impl How {
    /// What is done, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Stop => "halb is stopped",
            Self::Reboot => "rebooted",
        }
    }
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drill {
    /// What is taken away.
    pub kind: Kind,
    /// How.
    pub how: How,
    /// Which host.
    pub host: String,
    /// The master from which the API is asked.
    pub witness: String,
    /// Balancers that say whether they have the virtual IP.
    pub balancers: Vec<String>,
}

/// Chooses the host, unless the operator names one, and who watches.
///
/// # Errors
/// Why a drill would do harm, or would prove nothing.
pub fn choose(
    inventory: &Inventory,
    facts: &FactsByHost,
    (kind, how): (Kind, How),
    named: Option<&str>,
) -> Result<Drill, Vec<Fault>> {
    let host = chosen(inventory, facts, kind, named)?;
    let mut faults = Vec::new();
    let mut refuse = |what: String, remedy: &str| faults.push(Fault::of(host, what, remedy));
    if how == How::Stop && kind != Kind::Balancer {
        let remedy = "a stopped kubelet leaves its pods running, and proves nothing: --how reboot";
        refuse("only a balancer's halb can be stopped".to_owned(), remedy);
    }
    let Some((leader, cluster)) = steering(inventory, facts, host) else {
        let what = "no master of the cluster answers";
        return Err(vec![Fault::of_all(what, "a drill begins with all that is well")]);
    };
    if kind == Kind::Master && leader.name == host.name {
        refuse("it is the only master that answers".to_owned(), "add masters first");
    }
    if let Err(why) = bears(inventory, facts, cluster, host) {
        let remedy =
            "bring the missing masters back, or add one, before one is taken away on purpose";
        refuse(format!("it would cost the quorum: {why}"), remedy);
    }
    let others = inventory.with_role(Role::Balancer).filter(|other| other.name != host.name);
    let others = others.filter(|other| facts.get(&other.name).is_some_and(serves)).count();
    if host.has(Role::Balancer) && others == 0 {
        let what = "no other balancer serves: nobody would reach the API";
        refuse(what.to_owned(), "set up a second one first, or start halb on it");
    }
    let not_ready = cluster.nodes.iter().filter(|(_, node)| !node.ready).map(|(name, _)| name);
    let not_ready: Vec<_> = not_ready.map(String::as_str).collect();
    if !not_ready.is_empty() {
        let what = format!("{} isn't ready before anything is done", not_ready.join(", "));
        refuse(what, "a drill begins with all that is well");
    }
    let silent = inventory.hosts.iter().filter(|other| !facts.contains_key(&other.name));
    faults.extend(silent.map(|other| {
        Fault::of(other, "it doesn't answer", "a drill begins with all that is well")
    }));
    if !faults.is_empty() {
        return Err(faults);
    }
    let balancers = match inventory.vip {
        Some(_) => inventory.with_role(Role::Balancer).map(|host| host.name.clone()).collect(),
        None => Vec::new(),
    };
    let (host, witness) = (host.name.clone(), leader.name.clone());
    Ok(Drill { kind, how, host, witness, balancers })
}

fn chosen<'a>(
    inventory: &'a Inventory,
    facts: &FactsByHost,
    kind: Kind,
    named: Option<&str>,
) -> Result<&'a Host, Vec<Fault>> {
    let role = match kind {
        Kind::Balancer => Role::Balancer,
        Kind::Master => Role::Master,
        Kind::Worker => Role::Worker,
    };
    let of_role = || inventory.with_role(role);
    if let Some(name) = named {
        return of_role().find(|host| host.name == name).ok_or_else(|| {
            let what = format!("the inventory has no {} {name}", role.as_str());
            vec![Fault::of_all(what, "name one of its hosts, or none and one is chosen")]
        });
    }
    let vip = inventory.vip.as_ref().map(|vip| vip.address);
    let holds = |host: &&Host| {
        let interfaces = facts.get(&host.name).map(|facts| &facts.interfaces);
        let mut addresses = interfaces.into_iter().flatten().flat_map(|it| &it.addresses);
        addresses.any(|address| Some(address.addr()) == vip)
    };
    let holder = of_role().find(holds).filter(|_| kind == Kind::Balancer);
    // The first one began the cluster and is where people look: the last one is missed least.
    holder.or_else(|| of_role().last()).ok_or_else(|| {
        let what = format!("the inventory has no {}", role.as_str());
        vec![Fault::of_all(what, "there is nothing to be taken away")]
    })
}

fn serves(facts: &Facts) -> bool {
    facts.services.get("halb.service").is_some_and(|service| service.is_active())
}
