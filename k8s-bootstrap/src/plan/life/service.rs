//! Out of service and back: what balancers are told of a master, and what the cluster is told of a
//! node's pods.

use std::time::Duration;

use crate::facts::{Cluster, Facts};
use crate::inventory::{Host, Role};
use crate::kubeadm::API_SERVER_PORT;
use crate::paths;
use crate::plan::HostPlan;
use crate::plan::balancer::is_balanced;
use crate::plan::masters::kubectl;
use crate::plan::step::{Act, Command, Content, Step};
use crate::plan::wanted::{Context, Steps};
use crate::shell;

use super::{Draining, balances};

/// What a node carries that halb, and nobody else, has closed for new pods.
const ANNOTATION: &str = "halb/out-of-service";

/// How long connections may take to end by themselves: watches never do, so the rest is ended then,
/// and clients open them anew at another master.
const CONNECTIONS_SECONDS: u64 = 20;

/// How much longer than its own deadline `kubectl drain` may take.
const DRAIN_SLACK: Duration = Duration::from_secs(60);

/// How long a master may take to serve again.
const SERVE_TIMEOUT: Duration = Duration::from_secs(300);

/// Balancers that have a master among their servers.
fn balancers<'a>(context: &Context<'a>, master: &Host) -> impl Iterator<Item = &'a Host> {
    let (facts, name) = (context.facts, master.name.clone());
    let is_master = master.has(Role::Master);
    context.inventory.with_role(Role::Balancer).filter(move |balancer| {
        let facts = facts.get(&balancer.name);
        is_master && facts.is_some_and(|facts| balances(facts) && is_balanced(facts, &name))
    })
}

/// Balancers send a master no new connections; old ones end, or are ended.
pub(super) fn out_of_balance(context: &Context<'_>, master: &Host) -> Vec<HostPlan> {
    let each = balancers(context, master).map(|balancer| {
        let mut steps = Steps::new(context, balancer);
        let name = &master.name;
        let mark = format!("{}{name}", paths::DRAINED);
        let content = Content::Public("out of service by halb k8s\n".to_owned());
        let title = format!("Remember that {name} is out of service here");
        steps.write(&format!("drained-{name}"), &title, (&mark, 0o644), content);
        let (halb, server) = (paths::HALB_BINARY, shell::quote(&format!("masters/{name}")).into_owned());
        let command = Command::script(format!(
            "{halb} server drain {server}\n\
             i=0\n\
             while [ \"$({halb} sessions list --server {server} --limit 1 --json)\" != '[]' ]; do\n    \
             i=$((i + 1))\n    \
             if [ $i -gt {CONNECTIONS_SECONDS} ]; then\n        \
             {halb} sessions kill --server {server} || :\n        \
             break\n    \
             fi\n    \
             sleep 1\n\
             done"
        ));
        let title = format!("Send {name} no new connections, and let old ones end");
        steps.push(Step::new(format!("drain-{name}"), title, Act::Run { command }));
        steps.done()
    });
    each.collect()
}

/// Balancers send a master connections again, if halb has kept them from it.
pub(super) fn into_balance(context: &Context<'_>, master: &Host, always: bool) -> Vec<HostPlan> {
    let each = balancers(context, master).filter_map(|balancer| {
        let mut steps = Steps::new(context, balancer);
        let name = &master.name;
        if !always && !steps.facts.drained.contains(name) {
            return None;
        }
        let server = format!("masters/{name}");
        let command = Command::new([paths::HALB_BINARY, "server", "ready", &server]);
        let title = format!("Send {name} connections again");
        steps.push(Step::new(format!("ready-{name}"), title, Act::Run { command }));
        forget_mark(&mut steps, name);
        Some(steps.done())
    });
    each.collect()
}

fn forget_mark(steps: &mut Steps<'_>, name: &str) {
    let act = Act::Remove { path: format!("{}{name}", paths::DRAINED) };
    let title = format!("Forget that {name} was out of service here");
    steps.push(Step::new(format!("drained-{name}-gone"), title, act));
}

/// Marks of a master that is no server any more, or was none already when an earlier run ended.
pub(super) fn without_marks(context: &Context<'_>, master: &Host) -> Vec<HostPlan> {
    let is_marked = |facts: &Facts| {
        let may_be =
            master.has(Role::Master) && balances(facts) && is_balanced(facts, &master.name);
        may_be || facts.drained.contains(&master.name)
    };
    let marked = context.inventory.with_role(Role::Balancer);
    let marked = marked.filter(|it| context.facts.get(&it.name).is_some_and(is_marked));
    let each = marked.map(|balancer| {
        let mut steps = Steps::new(context, balancer);
        forget_mark(&mut steps, &master.name);
        steps.done()
    });
    each.collect()
}

/// No new pods come to a node, and those that are there move, as far as budgets allow.
pub(super) fn empty(steps: &mut Steps<'_>, cluster: &Cluster, node: &str, draining: Draining) {
    close(steps, cluster, node);
    evict(steps, node, draining);
}

/// Pods of a node move, as far as budgets allow.
pub(super) fn evict(steps: &mut Steps<'_>, node: &str, Draining { patience }: Draining) {
    let seconds = patience.as_secs().max(1);
    let command = kubectl(&[
        "drain",
        node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        &format!("--timeout={seconds}s"),
    ]);
    let command = command.within(patience + DRAIN_SLACK);
    let title = format!("Let {node}'s pods move, within {seconds} s and as budgets allow");
    steps.push(Step::new(format!("evict-{node}"), title, Act::Run { command }));
}

/// No new pods come to a node. Whoever else had said so before is heard afterwards, too.
pub(super) fn close(steps: &mut Steps<'_>, cluster: &Cluster, node: &str) {
    if cluster.nodes.get(node).is_some_and(|node| node.cordoned) {
        return;
    }
    let why = format!("{ANNOTATION}=halb-k8s");
    let command = kubectl(&["annotate", "node", node, &why, "--overwrite"]);
    let title = format!("Note on {node} that it is halb who closes it");
    steps.push(Step::new(format!("note-{node}"), title, Act::Run { command }));
    let command = kubectl(&["cordon", node]);
    let title = format!("Let no new pods come to {node}");
    steps.push(Step::new(format!("cordon-{node}"), title, Act::Run { command }));
}

/// Pods may come again, if it was halb that kept them away.
pub(super) fn open(steps: &mut Steps<'_>, cluster: &Cluster, node: &str, closed_now: bool) {
    let known = cluster.nodes.get(node);
    let by_halb = known.is_some_and(|node| node.by_halb || (closed_now && !node.cordoned));
    if !by_halb {
        return;
    }
    let command = kubectl(&["uncordon", node]);
    let title = format!("Let pods come to {node}");
    steps.push(Step::new(format!("uncordon-{node}"), title, Act::Run { command }));
    let command = kubectl(&["annotate", "node", node, &format!("{ANNOTATION}-")]);
    let title = format!("Take the note off {node}");
    steps.push(Step::new(format!("note-{node}-gone"), title, Act::Run { command }));
}

/// Waits until a master's own API server serves.
pub(super) fn serves(steps: &mut Steps<'_>, master: &Host) {
    let server = format!("--server=https://{}:{API_SERVER_PORT}", master.address);
    let ready = || kubectl(&[&server, "get", "--raw=/readyz"]);
    let act = Act::Run { command: Command::new(["true"]) };
    let title = format!("Wait until {}'s API server serves", master.name);
    let step = Step::new(format!("serves-{}", master.name), title, act);
    steps.push(step.verified_by(ready().within(SERVE_TIMEOUT)));
}
