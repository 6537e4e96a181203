//! Nodes that join, and how kubeadm is run.

use std::time::Duration;

use crate::inventory::{Host, Role};
use crate::kubeadm::{self, API_SERVER_PORT};
use crate::paths;
use crate::plan::masters::kubectl;
use crate::plan::step::{Act, Command, Content, Step};
use crate::plan::wanted::{Context, Progress, Steps, mark, stage};
use crate::plan::{HostPlan, Pace, Stage, StageName};
use crate::secret::Secret;

/// How long one run of kubeadm may take: its own deadlines end it before.
const KUBEADM_TIMEOUT: Duration = Duration::from_secs(1200);

/// How long a new node may take to answer.
const NODE_TIMEOUT: Duration = Duration::from_secs(300);

/// One run of kubeadm.
pub(super) struct RunKubeadm {
    /// `init` or `join`.
    pub(super) word: &'static str,
    /// The unit that runs it.
    pub(super) unit: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// What it reads.
    pub(super) config: Secret,
    /// Phases that aren't needed.
    pub(super) skipped: &'static [&'static str],
    /// What shows that it worked.
    pub(super) verify: Command,
}

/// The further masters, one after the other: etcd takes one new member at a time.
pub(super) fn masters(context: &Context<'_>) -> Stage {
    let first = context.inventory.with_role(Role::Master).next().map(|host| &host.name);
    let begins = first.filter(|_| context.cluster().is_none());
    let masters = context.inventory.with_role(Role::Master);
    let others = masters.filter(|host| Some(&host.name) != begins);
    let hosts = others.map(|host| {
        let admin = kubectl(&[
            &format!("--server=https://{}:{API_SERVER_PORT}", host.address),
            "get",
            "--raw=/readyz",
        ]);
        join(context, host, "Join as a master (kubeadm join)", admin)
    });
    stage(StageName::Masters, Pace::OneByOne, hosts)
}

/// All workers at once.
pub(super) fn workers(context: &Context<'_>) -> Stage {
    let hosts = context.inventory.with_role(Role::Worker).map(|host| {
        let own = format!("--kubeconfig={}", paths::KUBELET_CONF);
        let words =
            ["kubectl", &own, "--request-timeout=30s", "get", "node", &host.name, "-o=name"];
        join(context, host, "Join as a worker (kubeadm join)", Command::new(words))
    });
    stage(StageName::Workers, Pace::AtOnce, hosts)
}

fn join(context: &Context<'_>, host: &Host, title: &'static str, verify: Command) -> HostPlan {
    let mut steps = Steps::new(context, host);
    if context.progress(host) == Progress::Joined {
        finish(context, &mut steps);
        return steps.done();
    }
    let config = kubeadm::join(context.inventory, host, context.material);
    let verify = verify.within(NODE_TIMEOUT);
    run_kubeadm(
        context,
        &mut steps,
        RunKubeadm {
            word: "join",
            unit: paths::KUBEADM_JOIN_UNIT,
            title,
            config,
            skipped: &[],
            verify,
        },
    );
    steps.done()
}

/// What is left of a run that ended between kubeadm's success and halb's last word on it.
pub(super) fn finish(context: &Context<'_>, steps: &mut Steps<'_>) {
    if steps.facts.files.contains_key(paths::KUBEADM_CONFIG) {
        steps.push(remove_config());
    }
    let title = "Remember that this host belongs to the cluster";
    steps.file("done", title, paths::DONE, mark(context.material));
}

fn remove_config() -> Step {
    let act = Act::Remove { path: paths::KUBEADM_CONFIG.to_owned() };
    Step::new("kubeadm-config-removed", "Remove kubeadm's configuration: it holds the token", act)
}

/// Keys, mark, configuration, kubeadm itself, and the traces gone.
pub(super) fn run_kubeadm(context: &Context<'_>, steps: &mut Steps<'_>, run: RunKubeadm) {
    let RunKubeadm { word, unit, title, config, skipped, verify } = run;
    let begun = Content::Public(mark(context.material));
    let why = "Remember that halb begins here, so that it may clean up after itself";
    steps.write("begun", why, (paths::BEGUN, 0o644), begun);
    if steps.host.has(Role::Master) {
        for (name, content) in context.material.node_files() {
            let mode = match content {
                Content::Secret(_) => 0o600,
                Content::Public(_) => 0o644,
            };
            let path = format!("{}/{name}", paths::PKI);
            let id = format!("pki-{}", name.replace('/', "-"));
            let title = format!("Put the cluster's {name} in place");
            steps.write(&id, &title, (&path, mode), content);
        }
    }
    let why = format!("Write what kubeadm {word} reads");
    let file = (paths::KUBEADM_CONFIG, 0o600);
    steps.write("kubeadm-config", &why, file, Content::Secret(config));
    let mut words = vec!["kubeadm".to_owned(), word.to_owned()];
    words.push(format!("--config={}", paths::KUBEADM_CONFIG));
    if !skipped.is_empty() {
        words.push(format!("--skip-phases={}", skipped.join(",")));
    }
    let act = Act::RunDetached {
        unit: unit.to_owned(),
        command: Command::new(words).within(KUBEADM_TIMEOUT),
        output: paths::KUBEADM_LOG.to_owned(),
    };
    steps.push(Step::new(format!("kubeadm-{word}"), title, act).verified_by(verify));
    steps.push(remove_config());
    let done = Content::Public(mark(context.material));
    let why = "Remember that this host belongs to the cluster";
    steps.write("done", why, (paths::DONE, 0o644), done);
}
