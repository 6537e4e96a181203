//! A node goes: out of the balancers, out of etcd, off its host, out of the cluster.

use crate::facts::Cluster;
use crate::inventory::{Host, Inventory, Role};
use crate::paths;
use crate::plan::balancer;
use crate::plan::cni;
use crate::plan::masters::{etcdctl, kubeadm_reset, kubectl};
use crate::plan::preflight::Fault;
use crate::plan::step::{Act, Content, Step};
use crate::plan::system;
use crate::plan::wanted::{Context, Progress, Steps, stage};
use crate::plan::{HostPlan, Pace, Stage, StageName};

use super::quorum::{Quorum, is_of};
use super::{Change, Removal, host_of, no_cluster, plan_of, service, steered};

pub(super) fn make(context: &Context<'_>, removal: &Removal<'_>) -> Result<Change, Vec<Fault>> {
    let host = host_of(context.inventory, removal.node)?;
    let Some((leader, cluster)) = steered(context, host) else {
        return Err(no_cluster(context.inventory));
    };
    let quorum = Quorum::of(context.inventory, context.facts, cluster);
    let faults = refusals(context, (host, leader), removal, &quorum);
    if !faults.is_empty() {
        return Err(faults);
    }
    let rest = context.inventory.without(&host.name);
    let after = Context { inventory: &rest, ..*context };
    let going = Going { context, host, leader, cluster, removal };
    let stages = [
        going.out(),
        going.out_of_etcd(),
        going.off_its_host(),
        going.out_of_the_cluster(),
        if host.has(Role::Master) { balancer::balancers(&after) } else { nothing() },
        stage(StageName::Forget, Pace::OneByOne, service::without_marks(context, host)),
        cni::described(&after),
        names(&after),
    ];
    Ok(Change { plan: plan_of(context.inventory, stages), notes: going.notes(&quorum, &rest) })
}

fn nothing() -> Stage {
    stage(StageName::Balancers, Pace::OneByOne, [])
}

/// Everything that would do harm.
fn refusals(
    context: &Context<'_>,
    (host, leader): (&Host, &Host),
    removal: &Removal<'_>,
    quorum: &Quorum,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut refuse = |what: String, remedy: &str| faults.push(Fault::of(host, what, remedy));
    if host.has(Role::Balancer) {
        let what =
            if host.is_node() { "it is a balancer, too" } else { "it is a balancer, no node" };
        let remedy = "'node remove' is for nodes: stop halb on it ('halb vip yield', then 'systemctl \
                      disable --now halb'), and take the balancer's role out of the inventory first";
        refuse(what.to_owned(), remedy);
        return faults;
    }
    let answers = context.facts.contains_key(&host.name);
    if answers && removal.is_gone {
        let remedy = "leave --host-is-gone away: what answers is cleared in order";
        refuse("it is said to be gone, and it answers".to_owned(), remedy);
    }
    if !answers && !removal.is_gone {
        let remedy = "bring it back; or, if it never comes back, say --host-is-gone";
        refuse("it doesn't answer".to_owned(), remedy);
    }
    if context.progress(host) == Progress::Foreign {
        let remedy = "nothing of it is touched: it isn't this cluster's";
        refuse("it is part of a cluster that halb didn't make".to_owned(), remedy);
    }
    let learner = quorum.learners.iter().find(|name| **name != host.name);
    if let Some(learner) = learner.filter(|_| host.has(Role::Master)) {
        let what = format!("{learner} is joining etcd at this moment");
        refuse(what, "wait until it has joined, or run 'halb k8s apply' to finish it");
    }
    if let Err(why) = quorum.without(&host.name) {
        let remedy = "bring the missing masters back, or add one, first; of a whole cluster that is to \
                      go, 'halb k8s reset' takes care";
        refuse(why, remedy);
    } else if leader.name == host.name {
        let remedy = "bring another master back first: this one can't take itself out";
        refuse("no other master answers".to_owned(), remedy);
    }
    let others = context.inventory.hosts.iter().filter(|other| other.name != host.name);
    let silent = others.filter(|other| !context.facts.contains_key(&other.name));
    faults.extend(silent.map(|other| {
        let remedy = "bring it back first; or, if it never comes back, take it out first, with \
                      --host-is-gone";
        Fault::of(other, "it doesn't answer", remedy)
    }));
    faults
}

/// A node on its way out.
struct Going<'a> {
    context: &'a Context<'a>,
    host: &'a Host,
    leader: &'a Host,
    cluster: &'a Cluster,
    removal: &'a Removal<'a>,
}

impl Going<'_> {
    fn is_known(&self) -> bool {
        self.cluster.nodes.contains_key(&self.host.name)
    }

    fn out(&self) -> Stage {
        let member = self.cluster.etcd.iter().any(|member| is_of(&member.peer, self.host));
        let mut hosts = Vec::new();
        if member || self.is_known() {
            hosts = service::out_of_balance(self.context, self.host);
        }
        if self.is_known() {
            let mut steps = Steps::new(self.context, self.leader);
            if self.removal.is_gone {
                // Nobody is there who could end its pods.
                service::close(&mut steps, self.cluster, &self.host.name);
            } else {
                service::empty(&mut steps, self.cluster, &self.host.name, self.removal.draining);
            }
            hosts.push(steps.done());
        }
        stage(StageName::OutOfService, Pace::OneByOne, hosts)
    }

    fn out_of_etcd(&self) -> Stage {
        let mut steps = Steps::new(self.context, self.leader);
        let members = self.cluster.etcd.iter().filter(|member| is_of(&member.peer, self.host));
        for member in members {
            let command = etcdctl(self.leader, &["member", "remove", &member.id]);
            let title = format!("Remove {}'s member of etcd", self.host.name);
            let id = format!("etcd-member-{}", member.id);
            steps.push(Step::new(id, title, Act::Run { command }));
        }
        stage(StageName::LeaveEtcd, Pace::OneByOne, [steps.done()])
    }

    fn off_its_host(&self) -> Stage {
        let facts = self.context.facts.get(&self.host.name).filter(|_| !self.removal.is_gone);
        let hosts = facts.map(|facts| {
            let mut steps = Steps::new(self.context, self.host);
            let has = |path: &str| facts.files.contains_key(path);
            let is_marked = has(paths::BEGUN) || has(paths::DONE);
            if self.context.progress(self.host) != Progress::Fresh || is_marked {
                let content = Content::Public("by halb k8s node remove\n".to_owned());
                let title = "Remember that it is to join no more";
                steps.write("removed", title, (paths::REMOVED, 0o644), content);
                steps.push(kubeadm_reset("Take off what kubeadm made there"));
                for (id, path) in [("done", paths::DONE), ("begun", paths::BEGUN)] {
                    let title = "Forget that it belongs to the cluster";
                    let act = Act::Remove { path: path.to_owned() };
                    steps.push(Step::new(format!("{id}-gone"), title, act));
                }
            }
            steps.done()
        });
        stage(StageName::Clear, Pace::OneByOne, hosts)
    }

    fn out_of_the_cluster(&self) -> Stage {
        let mut steps = Steps::new(self.context, self.leader);
        if self.is_known() {
            let name = &self.host.name;
            let command = kubectl(&["delete", "node", name, "--ignore-not-found"]);
            let title = format!("Forget the node {name}");
            steps.push(Step::new(format!("node-{name}"), title, Act::Run { command }));
        }
        stage(StageName::Forget, Pace::OneByOne, [steps.done()])
    }

    fn notes(&self, quorum: &Quorum, rest: &Inventory) -> Vec<String> {
        let mut notes = Vec::new();
        let voters = quorum.voters().saturating_sub(1);
        if self.host.has(Role::Master) && matches!(voters, 1 | 2) {
            notes.push(format!(
                "etcd goes on with {voters} of its members, and can't lose another one: add a master \
                 soon"
            ));
        }
        if self.host.has(Role::Worker) && rest.with_role(Role::Worker).next().is_none() {
            notes.push("no worker is left: its pods find no other node, and wait".to_owned());
        }
        if self.removal.is_gone {
            let name = &self.host.name;
            notes.push(format!(
                "{name} isn't asked: if it ever starts again, run 'kubeadm reset' on it at once"
            ));
        }
        notes
    }
}

/// Nodes that stay know no name of the one that went.
fn names(after: &Context<'_>) -> Stage {
    let nodes = after.inventory.hosts.iter().filter(|host| host.is_node());
    let nodes = nodes.map(|host| -> HostPlan {
        let mut steps = Steps::new(after, host);
        system::names(after.inventory, &mut steps);
        steps.done()
    });
    stage(StageName::Nodes, Pace::AtOnce, nodes)
}
