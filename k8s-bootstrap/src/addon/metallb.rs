//! MetalLB: gives services addresses of the hosts' network and has nodes announce them (layer 2).
//!
//! Its own manifest comes from its maker in the version that the inventory names; pools and their
//! announcement are made here. A webhook checks them, which takes a moment to listen after its pod
//! has started.

use serde::Serialize;

use crate::addon::apply::{self, APPLY_MAX, LOOK_SECONDS, Ready, becomes_ready, is_ready, script};
use crate::addon::manifest::{Kind, Set, Spec};
use crate::addon::{Context, Name, Steps};
use crate::inventory::addons::Metallb;
use crate::inventory::{Inventory, Role};
use crate::plan::step::{Act, Step};
use crate::shell;

const NAMESPACE: &str = "metallb-system";

const POOL: Kind = Kind {
    api_version: "metallb.io/v1beta1",
    kind: "IPAddressPool",
    resource: "ipaddresspools.metallb.io",
};

const ANNOUNCEMENT: Kind = Kind {
    api_version: "metallb.io/v1beta1",
    kind: "L2Advertisement",
    resource: "l2advertisements.metallb.io",
};

/// When MetalLB works. The speakers announce; the controller gives addresses and is the webhook.
const READY: [Ready; 2] = [
    Ready::Condition(NAMESPACE, "Available", "deployment/controller"),
    Ready::Rollout(NAMESPACE, "daemonset/speaker"),
];

/// A label that kubeadm gives to masters: MetalLB announces nothing there.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PoolSpec {
    addresses: Vec<String>,
    auto_assign: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnnouncementSpec {
    ip_address_pools: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<String>,
}

fn set(metallb: &Metallb) -> Set {
    let mut set = Set::of(Name::Metallb);
    for pool in &metallb.pools {
        let addresses = pool.ranges.iter().map(ToString::to_string).collect();
        let spec = PoolSpec { addresses, auto_assign: pool.auto_assign };
        set.add(POOL, (Some(NAMESPACE), &pool.name), Spec { spec });
    }
    let spec = AnnouncementSpec {
        ip_address_pools: metallb.pools.iter().map(|pool| pool.name.clone()).collect(),
        interfaces: metallb.interfaces.clone(),
    };
    set.add(ANNOUNCEMENT, (Some(NAMESPACE), "halb"), Spec { spec });
    set
}

/// Where the manifest of a version is; `version` may be a shell's variable.
fn manifest(metallb: &Metallb, version: &str) -> String {
    format!("{}/v{version}/config/manifests/metallb-native.yaml", metallb.source)
}

/// What is to be applied by hand, and in which order.
pub(super) fn render(metallb: &Metallb) -> String {
    let manifest = manifest(metallb, &metallb.version.to_string());
    format!("# First: kubectl apply --server-side -f {manifest}\n{}", set(metallb).text())
}

pub(super) fn install(context: Context<'_>, steps: &mut Steps) {
    let Some(metallb) = &context.inventory.addons.metallb else { return };
    steps.cluster.push(strict_arp());
    steps.cluster.extend(announcing_masters(context.inventory));
    steps.cluster.push(controllers(metallb));
    let title = "Give MetalLB its addresses";
    steps.cluster.push(apply::apply("metallb-pools", title, &set(metallb), &[]));
}

/// Reads kube-proxy's configuration; ends well at once where its mode isn't IPVS.
const READ_PROXY: &str = r#"config=$(kubectl -n kube-system get configmap/kube-proxy --ignore-not-found -o 'jsonpath={.data.config\.conf}')
echo "$config" | grep -q '^mode: "*ipvs"*$' || exit 0
"#;

/// Whether nodes answer for their own addresses alone.
const IS_STRICT: &str = r#"echo "$config" | grep -q '^ *strictARP: true$'"#;

const MAKE_STRICT: &str = r"kubectl -n kube-system get configmap/kube-proxy -o yaml |
    sed 's/^\( *strictARP:\) false$/\1 true/' |
    kubectl replace -f -
kubectl -n kube-system rollout restart daemonset/kube-proxy";

/// kube-proxy with IPVS puts addresses of services on an interface of every node, and each would
/// answer for them. With another mode there is nothing to be set.
fn strict_arp() -> Step {
    let look = || script(&format!("{READ_PROXY}{IS_STRICT}"));
    let title = "Have nodes answer for their own addresses alone, where kube-proxy uses IPVS";
    let command = script(&format!("{READ_PROXY}{MAKE_STRICT}"));
    Step::new("metallb-strict-arp", title, Act::Run { command }).unless(look()).verified_by(look())
}

/// Where there is no worker, masters announce: kubeadm's label would keep them from it.
fn announcing_masters(inventory: &Inventory) -> Option<Step> {
    if inventory.with_role(Role::Worker).next().is_some() {
        return None;
    }
    let names: Vec<_> = inventory.with_role(Role::Master).map(|host| &host.name).collect();
    let names = shell::join(&names);
    let command = script(&format!("kubectl label nodes {names} {EXCLUDED}-"));
    let look = format!("[ -z \"$(kubectl get nodes -l {EXCLUDED} -o name)\" ]");
    let title = "Have masters announce services: there is no worker";
    let step = Step::new("metallb-masters", title, Act::Run { command });
    Some(step.unless(script(&look)))
}

/// Definitions, controller and speakers.
fn controllers(metallb: &Metallb) -> Step {
    let version = &metallb.version;
    let manifest = manifest(metallb, &version.to_string());
    let established = |seconds: u32| {
        format!(
            "kubectl wait --for=condition=Established --timeout={seconds}s \
             customresourcedefinition/{} customresourcedefinition/{}\n",
            POOL.resource, ANNOUNCEMENT.resource
        )
    };
    let of_version = ["deployment/controller", "daemonset/speaker"].map(|object| {
        format!(
            "kubectl -n {NAMESPACE} get {object} \
             -o 'jsonpath={{.spec.template.spec.containers[0].image}}' | grep -q ':v{version}$'\n"
        )
    });
    let look = format!("{}{}{}", established(LOOK_SECONDS), of_version.concat(), is_ready(&READY));
    let command = script(&format!(
        "kubectl apply --server-side --force-conflicts --field-manager={} -f {manifest}\n\
         {}",
        super::FIELD_MANAGER,
        established(60).trim_end(),
    ));
    let title = format!("Install MetalLB {version}");
    let step = Step::new("metallb", title, Act::Run { command: command.within(APPLY_MAX) });
    step.unless(script(&look)).verified_by(becomes_ready(&READY))
}

/// Pools go first, and what knows them after that: in the version that runs.
pub(super) fn remove(context: Context<'_>, steps: &mut Steps) {
    let title = "Take MetalLB's addresses away";
    let kinds = [ANNOUNCEMENT.resource, POOL.resource];
    steps.cluster.push(apply::remove(Name::Metallb, title, &kinds));
    let standard = Metallb::default();
    let metallb = context.inventory.addons.metallb.as_ref().unwrap_or(&standard);
    let manifest = manifest(metallb, "$version");
    let lines = format!(
        "version=$(kubectl -n {NAMESPACE} get deployment/controller --ignore-not-found \
         -o 'jsonpath={{.spec.template.spec.containers[0].image}}' | sed 's/.*:v//')\n\
         : \"${{version:={}}}\"\n\
         kubectl delete --ignore-not-found --timeout={}s -f \"{manifest}\"",
        metallb.version,
        apply::REMOVE_MAX.as_secs(),
    );
    let look = format!(
        "[ -z \"$(kubectl get namespace/{NAMESPACE} customresourcedefinition/{} \
         --ignore-not-found -o name)\" ]",
        POOL.resource
    );
    let command = script(&lines).within(apply::REMOVE_MAX * 2);
    let step = Step::new("remove-metallb-controllers", "Remove MetalLB", Act::Run { command });
    steps.cluster.push(step.unless(script(&look)));
}
