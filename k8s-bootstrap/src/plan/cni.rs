//! The network of pods: Calico, by its operator.

use std::time::Duration;

use crate::inventory::Inventory;
use crate::paths;
use crate::plan::masters::kubectl;
use crate::plan::step::{Act, Step};
use crate::plan::wanted::{Context, Steps, stage};
use crate::plan::{Pace, Stage, StageName};

/// How long manifests of some megabytes may take.
const APPLY_TIMEOUT: Duration = Duration::from_secs(300);

/// How long Calico may take to run on all nodes, its images included.
const READY_TIMEOUT: Duration = Duration::from_secs(900);

/// First minor versions of Calico 3 whose definitions are a file of their own, under which name.
const DEFINITIONS: [(u16, &str); 2] =
    [(32, "v1_crd_projectcalico_org.yaml"), (30, "operator-crds.yaml")];

/// Installs Calico, or another version of it.
pub(super) fn stage_of(context: &Context<'_>) -> Stage {
    let hosts = context.leader().map(|leader| {
        let mut steps = Steps::new(context, leader);
        let wanted = context.inventory.cni.version;
        let calico = context.cluster().and_then(|(_, cluster)| cluster.calico.clone());
        let runs = calico.is_some_and(|calico| {
            calico.version == Some(wanted)
                && calico.cidr == Some(context.inventory.kubernetes.pod_subnet)
                && calico.available
        });
        let installation = installation(context.inventory);
        let title = "Describe the network of pods";
        let changed =
            steps.file("calico-installation", title, paths::CALICO_INSTALLATION, installation);
        if changed || !runs {
            apply(context.inventory, &mut steps);
        }
        steps.done()
    });
    stage(StageName::Network, Pace::OneByOne, hosts)
}

/// The description alone, on another master than before.
pub(super) fn described(context: &Context<'_>) -> Stage {
    let hosts = context.leader().map(|leader| {
        let mut steps = Steps::new(context, leader);
        let title = "Describe the network of pods";
        let installation = installation(context.inventory);
        steps.file("calico-installation", title, paths::CALICO_INSTALLATION, installation);
        steps.done()
    });
    stage(StageName::Forget, Pace::OneByOne, hosts)
}

/// Definitions, then who knows them, then what they define.
fn apply(inventory: &Inventory, steps: &mut Steps<'_>) {
    let cni = &inventory.cni;
    let manifests = format!("{}/v{}/manifests", cni.source, cni.version);
    let definitions = DEFINITIONS.iter().find(|(first, _)| cni.version.minor >= *first);
    let files = definitions.map(|(_, file)| ("calico-definitions", *file));
    for (id, file) in files.into_iter().chain([("calico-operator", "tigera-operator.yaml")]) {
        let command = server_side(&format!("{manifests}/{file}")).within(APPLY_TIMEOUT);
        let title = format!("Apply Calico's {file}");
        let defined = kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "customresourcedefinition/installations.operator.tigera.io",
        ]);
        let step = Step::new(id, title, Act::Run { command });
        let operator = id == "calico-operator";
        steps.push(if operator { step.verified_by(defined.within(APPLY_TIMEOUT)) } else { step });
    }
    let command = server_side(paths::CALICO_INSTALLATION).within(APPLY_TIMEOUT);
    let title = format!("Install Calico {} for {}", cni.version, inventory.kubernetes.pod_subnet);
    let available =
        kubectl(&["wait", "--for=condition=Available", "--timeout=30s", "tigerastatus/calico"]);
    let step = Step::new("calico", title, Act::Run { command });
    steps.push(step.verified_by(available.within(READY_TIMEOUT)));
}

/// The definitions are larger than what a client-side apply may note on an object.
fn server_side(source: &str) -> crate::plan::Command {
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", source])
}

/// What the operator reads. Without the range it would take 192.168.0.0/16, and without the choice
/// of an address that of the first interface, which may be the same NAT on every host.
fn installation(inventory: &Inventory) -> String {
    format!(
        "# Written by halb k8s; changes are overwritten.\n\
         apiVersion: \"operator.tigera.io/v1\"\n\
         kind: \"Installation\"\n\
         metadata:\n  \
           name: \"default\"\n\
         spec:\n  \
           calicoNetwork:\n    \
             ipPools:\n      \
               - name: \"default-ipv4-ippool\"\n        \
                 blockSize: 26\n        \
                 cidr: \"{}\"\n        \
                 encapsulation: \"VXLANCrossSubnet\"\n        \
                 natOutgoing: \"Enabled\"\n        \
                 nodeSelector: \"all()\"\n    \
             nodeAddressAutodetectionV4:\n      \
               kubernetes: \"NodeInternalIP\"\n\
         ---\n\
         apiVersion: \"operator.tigera.io/v1\"\n\
         kind: \"APIServer\"\n\
         metadata:\n  \
           name: \"default\"\n\
         spec: {{}}\n",
        inventory.kubernetes.pod_subnet
    )
}
