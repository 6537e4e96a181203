//! What all nodes need before kubeadm can run.

use std::time::Duration;

use crate::inventory::{Host, Role};
use crate::paths;
use crate::plan::step::{Act, Command, Step};
use crate::plan::wanted::{Context, Progress, Steps, stage};
use crate::plan::{HostPlan, Pace, Stage, StageName};
use crate::plan::{containerd, packages, system};
use crate::shell;

/// Images of a whole control plane come to about a gigabyte.
const PULL_TIMEOUT: Duration = Duration::from_secs(1200);

/// Prepares all nodes, all at once.
pub(super) fn nodes(context: &Context<'_>) -> Stage {
    let nodes = context.inventory.hosts.iter().filter(|host| host.is_node());
    stage(StageName::Nodes, Pace::AtOnce, nodes.map(|host| prepare(context, host)))
}

fn prepare(context: &Context<'_>, host: &Host) -> HostPlan {
    let mut steps = Steps::new(context, host);
    system::steps(context, &mut steps);
    packages::steps(context, &mut steps, packages::Part::All);
    containerd::steps(context, &mut steps);
    kubelet_service(&mut steps);
    if context.progress(host) != Progress::Joined {
        steps.push(if host.has(Role::Master) { pull_images(context) } else { pull_some(context) });
    }
    steps.done()
}

/// kubelet waits in a loop until kubeadm gives it a configuration; without this it stays away after
/// a reboot.
fn kubelet_service(steps: &mut Steps<'_>) {
    let service = steps.facts.services.get("kubelet.service");
    if !service.is_some_and(|service| service.is_enabled()) {
        let command = Command::new(["systemctl", "enable", "--now", "kubelet.service"]);
        let enabled = Command::new(["systemctl", "is-enabled", "--quiet", "kubelet.service"]);
        let title = "Start kubelet, also at boot";
        steps.push(Step::new("kubelet-service", title, Act::Run { command }).verified_by(enabled));
    }
}

/// A registry that can't be reached shows here, before anything is begun.
pub(super) fn pull_images(context: &Context<'_>) -> Step {
    let kubernetes = &context.inventory.kubernetes;
    let command = Command::new([
        "kubeadm".to_owned(),
        "config".to_owned(),
        "images".to_owned(),
        "pull".to_owned(),
        format!("--kubernetes-version=v{}", kubernetes.version),
        format!("--image-repository={}", kubernetes.image_repository),
        format!("--cri-socket={}", paths::CRI_SOCKET),
    ]);
    let title = format!("Pull images from {}", kubernetes.image_repository);
    Step::new("pull-images", title, Act::Run { command: command.within(PULL_TIMEOUT) })
}

/// The same for a node without a control plane: what runs on every node, and the name server, which
/// may. kubeadm would pull all of it, so it is asked for names only, and containerd pulls; its own
/// client has to be told where mirrors of registries are written down.
fn pull_some(context: &Context<'_>) -> Step {
    let kubernetes = &context.inventory.kubernetes;
    let repository = shell::quote(&kubernetes.image_repository);
    let command = Command::script(format!(
        "images=$(kubeadm config images list --kubernetes-version=v{} \\\n    \
         --image-repository={repository} | grep -E '/(kube-proxy|pause|coredns):')\n\
         for image in $images; do\n    \
         ctr --namespace=k8s.io images pull --hosts-dir={} \"$image\" >/dev/null\n\
         done",
        kubernetes.version,
        paths::REGISTRY_HOSTS,
    ));
    let title = format!("Pull images of nodes from {}", kubernetes.image_repository);
    Step::new("pull-images", title, Act::Run { command: command.within(PULL_TIMEOUT) })
}
