//! The first master, what a broken run left behind, and the operator's access.

use std::time::Duration;

use crate::inventory::{Host, Inventory, Role};
use crate::kubeadm;
use crate::paths;
use crate::plan::join::{RunKubeadm, run_kubeadm};
use crate::plan::step::{Act, Command, Content, Step};
use crate::plan::wanted::{Context, Progress, Steps, stage};
use crate::plan::{HostPlan, Pace, Stage, StageName};

/// How long `kubeadm reset` may take.
const RESET_TIMEOUT: Duration = Duration::from_secs(300);

/// How long the endpoint may take to lead to a first API server: checks have to see it rise.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(120);

/// kubectl with the rights of an administrator, on a master.
pub(super) fn kubectl(words: &[&str]) -> Command {
    let admin = format!("--kubeconfig={}", paths::ADMIN_CONF);
    let fixed = ["kubectl", &admin, "--request-timeout=30s"].map(str::to_owned);
    Command::new(fixed.into_iter().chain(words.iter().map(|word| (*word).to_owned())))
}

/// etcdctl in the pod of a master's own etcd.
pub(super) fn etcdctl(master: &Host, words: &[&str]) -> Command {
    let pki = format!("{}/etcd", paths::PKI);
    let fixed = [
        "-n",
        "kube-system",
        "exec",
        &format!("etcd-{}", master.name),
        "-c",
        "etcd",
        "--",
        "etcdctl",
        "--endpoints=https://127.0.0.1:2379",
        &format!("--cacert={pki}/ca.crt"),
        &format!("--cert={pki}/healthcheck-client.crt"),
        &format!("--key={pki}/healthcheck-client.key"),
    ];
    kubectl(&[&fixed[..], words].concat())
}

/// Leftovers go, first from the cluster, then from hosts; and the token is good again for whoever
/// joins.
pub(super) fn repair(context: &Context<'_>) -> Stage {
    let nodes = || context.inventory.hosts.iter().filter(|host| host.is_node());
    let leader = context.cluster().map(|(leader, _)| leader);
    let cluster = leader.map(|leader| clean_cluster(context, leader));
    let half_done = nodes().filter(|host| context.progress(host) == Progress::HalfDone);
    let hosts = half_done.map(|host| reset(context, host));
    stage(StageName::Repair, Pace::OneByOne, cluster.into_iter().chain(hosts))
}

/// What the cluster still knows of hosts that have to join anew, and the token for all of them.
fn clean_cluster(context: &Context<'_>, leader: &Host) -> HostPlan {
    let mut steps = Steps::new(context, leader);
    let Some((_, cluster)) = context.cluster() else { return steps.done() };
    let nodes = context.inventory.hosts.iter().filter(|host| host.is_node());
    let absent: Vec<_> = nodes.filter(|host| context.progress(host) != Progress::Joined).collect();
    for host in &absent {
        let peer = format!("//{}:", host.address);
        let stale = cluster.etcd.iter().filter(|member| member.peer.contains(&peer));
        for member in stale {
            let command = etcdctl(leader, &["member", "remove", &member.id]);
            let title = format!("Remove {}'s stale member of etcd", host.name);
            let id = format!("etcd-member-{}", member.id);
            steps.push(Step::new(id, title, Act::Run { command }));
        }
        if cluster.nodes.contains_key(&host.name) {
            let command = kubectl(&["delete", "node", &host.name, "--ignore-not-found"]);
            let title = format!("Forget the node {}, which joins anew", host.name);
            steps.push(Step::new(format!("node-{}", host.name), title, Act::Run { command }));
        }
    }
    if !absent.is_empty() {
        let content = Content::Secret(kubeadm::token_object(context.material));
        let command = Command::script(format!(
            "expires=$(date -u -d '+2 hours' +%Y-%m-%dT%H:%M:%SZ)\n\
             sed \"s/@EXPIRES@/$expires/\" |\n    \
             kubectl --kubeconfig={} --request-timeout=30s apply -f -",
            paths::ADMIN_CONF
        ));
        let title = "Make the token good for two hours";
        steps.push(Step::new("token", title, Act::Run { command: command.reading(content) }));
    }
    steps.done()
}

/// Takes off a host what kubeadm began there.
fn reset(context: &Context<'_>, host: &Host) -> HostPlan {
    let mut steps = Steps::new(context, host);
    steps.push(kubeadm_reset("Clear away what an interrupted run left"));
    steps.done()
}

/// Takes off a host what kubeadm did there.
pub(super) fn kubeadm_reset(title: &str) -> Step {
    let words = ["kubeadm", "reset", "--force"].map(str::to_owned);
    let socket = format!("--cri-socket={}", paths::CRI_SOCKET);
    let command = Command::new(words.into_iter().chain([socket])).within(RESET_TIMEOUT);
    Step::new("reset", title, Act::Run { command })
}

/// Begins the cluster on the first master, if there is none.
pub(super) fn init(context: &Context<'_>) -> Stage {
    let first = context.inventory.with_role(Role::Master).next();
    let begins = first.filter(|_| context.cluster().is_none());
    let hosts = begins.map(|host| {
        let mut steps = Steps::new(context, host);
        run_kubeadm(
            context,
            &mut steps,
            RunKubeadm {
                word: "init",
                unit: paths::KUBEADM_INIT_UNIT,
                title: "Begin the cluster (kubeadm init)",
                config: kubeadm::init(context.inventory, host, context.material),
                skipped: &["show-join-command"],
                verify: kubectl(&["get", "--raw=/readyz"]).within(ENDPOINT_TIMEOUT),
            },
        );
        steps.done()
    });
    stage(StageName::Init, Pace::OneByOne, hosts)
}

/// The operator's own kubeconfig.
pub(super) fn access(context: &Context<'_>) -> Stage {
    let leader = context.leader().filter(|_| !context.operator.has_access);
    let hosts = leader.map(|host| fetch_access(context.inventory, host));
    stage(StageName::Access, Pace::OneByOne, hosts)
}

/// A master's access for administrators goes into the operator's kubeconfig.
pub(super) fn fetch_access(inventory: &Inventory, master: &Host) -> HostPlan {
    // By address: the operator's name server knows no name of the cluster's.
    let server = format!("https://{}:{}", inventory.endpoint.address, inventory.endpoint.port);
    let act = Act::FetchKubeconfig {
        path: paths::ADMIN_CONF.to_owned(),
        context: inventory.name.clone(),
        server,
    };
    let title = format!("Merge access into your kubeconfig, as context '{}'", inventory.name);
    let step = Step::new("kubeconfig", title, act);
    HostPlan { host: master.name.clone(), steps: vec![step] }
}
