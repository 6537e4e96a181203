//! Where halb runs: as a service of its host, which `halb k8s apply` sets up, or as a static pod of a
//! master's kubelet, whose manifest is made here.

use serde::Serialize;

use crate::inventory::{Inventory, Role};
use crate::kubeadm::yaml;
use crate::paths;
use crate::plan::preflight::Fault;

/// Where halb tells how it is, on the host's own loopback.
const ADMIN_PORT: u16 = 8404;

/// Seconds that connections have to end by themselves when the pod is stopped.
const GRACE_SECONDS: u32 = 60;

/// What halb's unit allows it, and no more: addresses and raw packets of the virtual IP, ports below
/// 1024, its thread's priority, locked memory.
const CAPABILITIES: [&str; 5] =
    ["IPC_LOCK", "NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SYS_NICE"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Serialize)]
struct Metadata {
    name: &'static str,
    namespace: &'static str,
    labels: Labels,
}

#[derive(Serialize)]
struct Labels {
    component: &'static str,
    tier: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    host_network: bool,
    priority_class_name: &'static str,
    termination_grace_period_seconds: u32,
    containers: [Container; 1],
    volumes: [Volume; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: &'static str,
    image: String,
    image_pull_policy: &'static str,
    command: [&'static str; 4],
    security_context: SecurityContext,
    startup_probe: Probe,
    liveness_probe: Probe,
    readiness_probe: Probe,
    resources: Resources,
    volume_mounts: [Mount; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    allow_privilege_escalation: bool,
    read_only_root_filesystem: bool,
    run_as_user: u32,
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct Capabilities {
    add: [&'static str; 5],
    drop: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    http_get: HttpGet,
    period_seconds: u32,
    timeout_seconds: u32,
    failure_threshold: u32,
}

#[derive(Serialize)]
struct HttpGet {
    host: &'static str,
    path: &'static str,
    port: u16,
}

#[derive(Serialize)]
struct Resources {
    requests: Requests,
}

#[derive(Serialize)]
struct Requests {
    cpu: &'static str,
    memory: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: &'static str,
    mount_path: &'static str,
    read_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: &'static str,
    host_path: HostPath,
}

#[derive(Serialize)]
struct HostPath {
    path: &'static str,
    r#type: &'static str,
}

/// The manifest for `/etc/kubernetes/manifests/halb.yaml` of a master, with this image of halb.
///
/// # Errors
/// Everything that speaks against it.
pub fn static_pod(inventory: &Inventory, host: &str, image: &str) -> Result<String, Vec<Fault>> {
    let faults = faults(inventory, host, image);
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(yaml(&Pod {
        api_version: "v1",
        kind: "Pod",
        metadata: Metadata {
            name: "halb",
            namespace: "kube-system",
            labels: Labels { component: "halb", tier: "control-plane" },
        },
        spec: Spec {
            host_network: true,
            priority_class_name: "system-node-critical",
            termination_grace_period_seconds: GRACE_SECONDS,
            containers: [container(image)],
            volumes: [
                volume("config", "/etc/halb", "Directory"),
                volume("run", "/run/halb", "DirectoryOrCreate"),
            ],
        },
    }))
}

fn container(image: &str) -> Container {
    Container {
        name: "halb",
        image: image.to_owned(),
        // A node that boots while nothing leads to its registry has to come up all the same.
        image_pull_policy: "IfNotPresent",
        command: [paths::HALB_BINARY, "run", "--config", paths::HALB_CONFIG],
        security_context: SecurityContext {
            allow_privilege_escalation: false,
            read_only_root_filesystem: true,
            run_as_user: 0,
            capabilities: Capabilities { add: CAPABILITIES, drop: ["ALL"] },
        },
        // Whether its threads live, never whether API servers do: a restart helps none of them.
        startup_probe: probe("/livez", 2, 30),
        liveness_probe: probe("/livez", 10, 8),
        readiness_probe: probe("/readyz", 5, 3),
        resources: Resources { requests: Requests { cpu: "100m", memory: "64Mi" } },
        volume_mounts: [
            Mount { name: "config", mount_path: "/etc/halb", read_only: true },
            Mount { name: "run", mount_path: "/run/halb", read_only: false },
        ],
    }
}

fn probe(path: &'static str, period_seconds: u32, failure_threshold: u32) -> Probe {
    let http_get = HttpGet { host: "127.0.0.1", path, port: ADMIN_PORT };
    Probe { http_get, period_seconds, timeout_seconds: 2, failure_threshold }
}

fn volume(name: &'static str, path: &'static str, r#type: &'static str) -> Volume {
    Volume { name, host_path: HostPath { path, r#type } }
}

fn faults(inventory: &Inventory, host: &str, image: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |what: String, remedy: &str| {
        let remedy = remedy.to_owned();
        faults.push(Fault { host: Some(host.to_owned()), what, remedy });
    };
    match inventory.hosts.iter().find(|known| known.name == host) {
        None => fault(format!("the inventory has no host '{host}'"), "name one of its masters"),
        Some(known) if !known.has(Role::Master) => {
            let what = "it is no master: nothing there runs static pods before there is a cluster";
            let remedy =
                "a balancer of its own runs halb as a service; 'halb k8s apply' sees to it";
            fault(what.to_owned(), remedy);
        }
        Some(known) if !known.has(Role::Balancer) => {
            let what = "the inventory doesn't have it as a balancer: nobody counts on it, and the \
                        API server's certificate may lack its address";
            fault(
                what.to_owned(),
                "write 'roles: [master, balancer]', and 8443 is the endpoint's port",
            );
        }
        Some(_) => {}
    }
    // What comes behind the last slash may have a tag; a colon before it is a port's.
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map(|(_, tag)| tag);
    let is_pinned = image.contains("@sha256:") || tag.is_some_and(|tag| tag != "latest");
    let is_word = !image.is_empty() && !image.contains(char::is_whitespace);
    if !is_word || !is_pinned {
        let what =
            format!("the image '{image}' names no version: masters would run different ones");
        fault(what, "name one by tag or digest: registry.example/halb:1.2.3");
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{example, parse};

    /// The guide's masters as balancers of their own.
    fn shared() -> Inventory {
        let text = example::HIGHLY_AVAILABLE;
        let mut inventory = parse(text).expect("good").inventory;
        inventory.endpoint.port = 8443;
        for host in inventory.hosts.iter_mut().filter(|host| host.has(Role::Master)) {
            host.roles.push(Role::Balancer);
        }
        inventory
    }

    #[test]
    fn a_master_that_balances_gets_a_pod_with_what_its_service_has() {
        let text = static_pod(&shared(), "kmaster02", "registry.example:5000/halb:1.2.3");
        let text = text.unwrap_or_else(|faults| panic!("{faults:?}"));
        for line in [
            "  hostNetwork: true",
            "  priorityClassName: 'system-node-critical'",
            "    image: 'registry.example:5000/halb:1.2.3'",
            "        path: '/livez'",
            "      path: '/etc/halb'",
        ] {
            assert!(text.lines().any(|own| own == line), "no «{line}» in\n{text}");
        }
        let unit = include_str!("../../packaging/systemd/halb.service");
        let line = unit.lines().find(|line| line.starts_with("AmbientCapabilities="));
        let allowed = line.and_then(|line| line.split_once('=')).expect("it has some").1;
        let mut allowed: Vec<_> =
            allowed.split(' ').map(|word| word.trim_start_matches("CAP_")).collect();
        allowed.sort_unstable();
        assert_eq!(allowed, CAPABILITIES, "the unit has others");
    }

    #[test]
    fn hosts_and_images_that_it_cannot_be_for_are_refused() {
        let inventory = shared();
        for (host, image, why) in [
            ("kmaster09", "halb:1", "no host"),
            ("kworker01", "halb:1", "no master"),
            ("kmaster01", "halb", "names no version"),
            ("kmaster01", "registry:5000/halb", "names no version"),
            ("kmaster01", "halb:latest", "names no version"),
            ("kmaster01", "halb 1", "names no version"),
        ] {
            let faults = static_pod(&inventory, host, image).expect_err(why);
            assert!(faults[0].what.contains(why), "{host} {image}: {faults:?}");
        }
        let digest = format!("halb@sha256:{}", "5a".repeat(32));
        assert!(static_pod(&inventory, "kmaster01", &digest).is_ok());
        let apart = parse(example::HIGHLY_AVAILABLE).expect("good").inventory;
        let faults = static_pod(&apart, "kmaster01", "halb:1").expect_err("it balances elsewhere");
        assert!(faults[0].what.contains("as a balancer"), "{faults:?}");
    }
}
