//! `kubeadm upgrade apply` and `upgrade node`: static pods of another version one after the other,
//! each waited for, and what the cluster keeps of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Failure, Flags, certs, init, refuse, retry};
use crate::client::Client;
use crate::config::{self, ClusterConfiguration};
use crate::crypto;
use crate::machine::Machine;
use crate::manifests::{
    self, ADMIN_CONF, CONFIG_HASH, KUBELET_CONF, KUBELET_CONFIG, KUBELET_FLAGS,
};
use crate::preflight::{self, Fault};

/// How long a static pod may take to run by its new manifest.
const MANIFEST: Duration = Duration::from_secs(300);

/// How long the API may be away.
const API_CALL: Duration = Duration::from_secs(60);

/// Static pods in the order in which they are changed.
const ORDER: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// What is kept of a cluster, and its nodes.
const CLUSTER_CONFIG: &str = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";
const NODE_CONFIG: &str = "/api/v1/namespaces/kube-system/configmaps/kubelet-config";
const NODES: &str = "/api/v1/nodes";

/// `kubeadm upgrade apply VERSION`: the first master, and the cluster's own settings.
pub(super) fn apply(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let with = ["config", "ignore-preflight-errors", "kubeconfig", "v"];
    let flags = Flags::parse(arguments, &with, &["yes", "y", "force", "f"])?;
    let [version] = flags.words.as_slice() else {
        return Err(Failure::from("missing one or more required arguments: version".to_owned()));
    };
    let yes = ["yes", "y", "force", "f"].iter().any(|flag| flags.value(flag).is_some());
    let upgrade = Upgrade::begin(machine, ADMIN_CONF)?;
    machine.phase("upgrade", "preflight");
    let mut faults = preflight::check_upgrade(machine);
    faults.extend(upgrade.unhealthy()?);
    refuse(faults, &flags.list("ignore-preflight-errors"))?;
    let kubelets = upgrade.kubelets()?;
    let said = policy(&machine.version(), upgrade.version(), version, &kubelets);
    said.map_err(|why| {
        Failure::phase(
            "preflight",
            &format!("the --version argument is invalid due to these fatal errors:\n\n\t- {why}\n"),
        )
    })?;
    if !yes {
        return Err(Failure::from("won't proceed; the user didn't answer (Y|y)".to_owned()));
    }
    upgrade.control_plane(version)?;
    machine.phase("upgrade", "upload-config");
    let text = with_version(&upgrade.text, version);
    let map =
        init::config_map("kubeadm-config", "kube-system", &json!({ "ClusterConfiguration": text }));
    init::put(&upgrade.client, &map)
        .map_err(|why| Failure::phase("upload-config/kubeadm", &why))?;
    upgrade.kubelet_config()?;
    machine.phase("upgrade", "addon");
    init::put_addons(&upgrade.client).map_err(|why| Failure::phase("addon", &why))?;
    println!(
        "\n[upgrade] SUCCESS! A control plane node of your cluster was upgraded to {version:?}."
    );
    Ok(())
}

/// `kubeadm upgrade node`: every other node, to the version that the cluster's settings say.
pub(super) fn node(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let with = ["config", "ignore-preflight-errors", "kubeconfig", "v"];
    let flags = Flags::parse(arguments, &with, &[])?;
    let is_master = machine.has(&manifests::path_of("kube-apiserver"));
    let upgrade = Upgrade::begin(machine, if is_master { ADMIN_CONF } else { KUBELET_CONF })?;
    machine.phase("upgrade", "preflight");
    println!("[preflight] Running pre-flight checks");
    refuse(preflight::check_upgrade(machine), &flags.list("ignore-preflight-errors"))?;
    if is_master {
        let version = upgrade.version().to_owned();
        upgrade.control_plane(&version)?;
    } else {
        println!("[upgrade/control-plane] Skipping phase. Not a control plane node.");
    }
    upgrade.kubelet_config()?;
    println!("[upgrade] The configuration for this node was successfully upgraded!");
    Ok(())
}

/// What an upgrade works with.
struct Upgrade<'a> {
    machine: &'a Machine,
    /// The API, through the endpoint as the kubeconfig has it.
    client: Client,
    /// The cluster's settings.
    text: String,
    cluster: ClusterConfiguration,
}

impl<'a> Upgrade<'a> {
    fn begin(machine: &'a Machine, kubeconfig: &str) -> Result<Self, Failure> {
        println!(
            "[upgrade] Reading configuration from the \"kubeadm-config\" ConfigMap in \
             namespace \"kube-system\"..."
        );
        let client = manifests::client_of(machine, kubeconfig)?;
        let map = retry(API_CALL, || client.must("GET", CLUSTER_CONFIG, None))?;
        let text = map["data"]["ClusterConfiguration"].as_str().unwrap_or_default().to_owned();
        let cluster = config::parse(&text).map_err(Failure::validation)?.cluster;
        let cluster = cluster.ok_or_else(|| "kubeadm-config has no configuration".to_owned())?;
        Ok(Self { machine, client, text, cluster })
    }

    /// What the cluster's settings say.
    fn version(&self) -> &str {
        &self.cluster.kubernetes_version
    }

    fn nodes(&self) -> Result<Vec<Value>, Failure> {
        let list = retry(API_CALL, || self.client.must("GET", NODES, None))?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Versions of all kubelets.
    fn kubelets(&self) -> Result<Vec<String>, Failure> {
        let version = |node: Value| {
            node["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap_or_default().to_owned()
        };
        Ok(self.nodes()?.into_iter().map(version).collect())
    }

    /// Masters that aren't ready, and static pods without a manifest.
    fn unhealthy(&self) -> Result<Vec<Fault>, Failure> {
        let is_master = |node: &Value| {
            !node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_null()
        };
        let is_ready = |node: &Value| {
            let conditions = node["status"]["conditions"].as_array();
            conditions
                .into_iter()
                .flatten()
                .any(|it| it["type"] == "Ready" && it["status"] == "True")
        };
        let nodes = self.nodes()?;
        let unready: Vec<_> = nodes
            .iter()
            .filter(|node| is_master(node) && !is_ready(node))
            .filter_map(|node| node["metadata"]["name"].as_str())
            .collect();
        let mut faults = Vec::new();
        let mut fault = |name: &str, what| faults.push(Fault { name: name.to_owned(), what });
        if !unready.is_empty() {
            let what = format!("there are NotReady control-planes in the cluster: {unready:?}");
            fault("ControlPlaneNodesReady", what);
        }
        for path in ORDER.map(manifests::path_of) {
            if !self.machine.has(&path) {
                let what = format!("the static Pod manifest {path} doesn't exist");
                fault("StaticPodManifest", what);
            }
        }
        Ok(faults)
    }

    /// Static pods, each after new certificates and waited for.
    fn control_plane(&self, version: &str) -> Result<(), Failure> {
        println!(
            "[upgrade/control-plane] Upgrading your static Pod-hosted control plane to \
             version {version:?}..."
        );
        certs::renew(self.machine, &["all"])?;
        ORDER.iter().try_for_each(|pod| self.static_pod(pod, version))
    }

    /// One static pod. Its old manifest comes back if the new one doesn't come to run.
    fn static_pod(&self, pod: &str, version: &str) -> Result<(), Failure> {
        let (machine, path) = (self.machine, manifests::path_of(pod));
        machine.phase("upgrade", pod);
        let before = machine.read(&path)?;
        let argument = |name| manifests::argument(&before, name).unwrap_or_default();
        let at = (argument("advertise-address"), argument("secure-listen"));
        let (repository, _) = self.cluster.images();
        init::static_pod(machine, pod, at, (repository, version))?;
        let after = machine.read(&path)?;
        if after == before {
            println!(
                "[upgrade/staticpods] Current and new manifests of {pod} are equal, \
                 skipping upgrade"
            );
            return Ok(());
        }
        println!(
            "[upgrade/staticpods] Waiting for the kubelet to restart the component\n\
             [upgrade/staticpods] This can take up to 5m0s"
        );
        let flags = machine.read(KUBELET_FLAGS)?;
        let node = manifests::argument(&flags, "hostname-override").unwrap_or_default();
        let mirror = format!("/api/v1/namespaces/kube-system/pods/{pod}-{node}");
        let hash = crypto::hash_of_text(&after);
        let runs = || {
            let there = self.client.must("GET", &mirror, None)?;
            if there["metadata"]["annotations"][CONFIG_HASH] == hash.as_str() {
                return Ok(());
            }
            Err(format!(
                "static Pod hash for component {pod} on Node {node} did not change after \
                 5m0s: timed out waiting for the condition"
            ))
        };
        if let Err(why) = retry(MANIFEST, runs) {
            machine.write(&path, &before, 0o600)?;
            let what = format!(
                "couldn't upgrade control plane. kubeadm has tried to recover \
                 everything into the earlier state. Errors faced: {why}"
            );
            return Err(Failure::phase("control-plane", &what));
        }
        println!("[upgrade/staticpods] Component {pod:?} upgraded successfully!");
        Ok(())
    }

    /// kubelet's file, which it reads when it is started next.
    fn kubelet_config(&self) -> Result<(), Failure> {
        self.machine.phase("upgrade", "kubelet-config");
        let map = retry(API_CALL, || self.client.must("GET", NODE_CONFIG, None));
        let map = map.map_err(|why| Failure::phase("kubelet-config", &why))?;
        let text = map["data"]["kubelet"].as_str().unwrap_or_default();
        self.machine.write(KUBELET_CONFIG, text, 0o644)?;
        println!(
            "[upgrade/kubelet-config] Writing kubelet configuration to file {KUBELET_CONFIG:?}"
        );
        Ok(())
    }
}

/// Major, minor, patch.
fn numbers(version: &str) -> (u32, u32, u32) {
    let mut numbers = version.trim_start_matches('v').split('.').map(|it| it.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

/// kubeadm's rules on versions: its own, the cluster's, the one that is wanted, kubelets'.
fn policy(own: &str, runs: &str, wanted: &str, kubelets: &[String]) -> Result<(), String> {
    let (own_numbers, from, to) = (numbers(own), numbers(runs), numbers(wanted));
    if to.1 > from.1 + 1 {
        return Err(format!(
            "Specified version to upgrade to {wanted:?} is too high; kubeadm can upgrade only 1 \
             minor version at a time"
        ));
    }
    if to.1 + 1 < from.1 {
        return Err(format!(
            "Specified version to upgrade to {wanted:?} is too low; kubeadm can downgrade only 1 \
             minor version at a time"
        ));
    }
    if to > own_numbers {
        return Err(format!(
            "Specified version to upgrade to {wanted:?} is higher than the kubeadm version {own:?}. \
             Upgrade kubeadm first using the tool you used to install kubeadm"
        ));
    }
    let too_old: Vec<_> = kubelets.iter().filter(|it| numbers(it).1 + 3 < to.1).collect();
    if !too_old.is_empty() {
        return Err(format!(
            "There are kubelets in this cluster that are too old that have these \
             versions {too_old:?}"
        ));
    }
    Ok(())
}

/// The cluster's settings with another version.
fn with_version(text: &str, version: &str) -> String {
    let line = |line: &str| match line.starts_with("kubernetesVersion:") {
        true => format!("kubernetesVersion: {version}\n"),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeadm_goes_one_minor_version_at_a_time_and_no_further_than_its_own() {
        let kubelets = ["v1.36.4".to_owned()];
        let said = |own, to| policy(own, "v1.36.4", to, &kubelets).err().unwrap_or_default();
        assert_eq!(said("v1.37.2", "v1.37.2"), "");
        assert_eq!(said("v1.36.5", "v1.36.5"), "");
        assert!(said("v1.38.0", "v1.38.0").contains("only 1 minor version at a time"));
        assert!(said("v1.36.4", "v1.37.2").contains("higher than the kubeadm version"));
        assert!(said("v1.37.2", "v1.34.0").contains("too low"));
        let old = ["v1.33.9".to_owned()];
        let why = policy("v1.37.2", "v1.36.4", "v1.37.2", &old).unwrap_err();
        assert!(why.contains("too old"), "{why}");
    }

    #[test]
    fn only_the_version_of_the_settings_changes() {
        let text = "apiVersion: kubeadm.k8s.io/v1beta4\nkubernetesVersion: v1.36.4\nkind: X\n";
        assert_eq!(
            with_version(text, "v1.37.2"),
            "apiVersion: kubeadm.k8s.io/v1beta4\nkubernetesVersion: v1.37.2\nkind: X\n"
        );
    }
}
