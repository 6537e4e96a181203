//! `kubeadm init`: a cluster begins.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Failure, Flags, certs, check_phases, limit, preflight, read_config, retry, small};
use crate::client::Client;
use crate::config::{self, BootstrapToken, ClusterConfiguration, InitConfiguration};
use crate::machine::Machine;
use crate::manifests::{self, ADMIN_CONF, KUBELET_CONFIG, KUBELET_FLAGS, PODS, User};
use crate::preflight::Intent;
use crate::store::{Member, Store};

const PHASES: [&str; 15] = [
    "preflight",
    "certs",
    "kubeconfig",
    "etcd",
    "control-plane",
    "kubelet-start",
    "wait-control-plane",
    "upload-config",
    "upload-certs",
    "mark-control-plane",
    "bootstrap-token",
    "kubelet-finalize",
    "addon",
    "show-join-command",
    "all",
];

/// How long components may take to come up.
const HEALTH: Duration = Duration::from_secs(240);

/// How long a call to the API is tried again.
const API_CALL: Duration = Duration::from_secs(60);

/// A token's time where none is said.
const TOKEN: Duration = Duration::from_secs(86_400);

pub(super) fn run(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let with = ["config", "skip-phases", "ignore-preflight-errors", "v"];
    let flags = Flags::parse(arguments, &with, &["upload-certs"])?;
    let (text, documents) = read_config(machine, &flags)?;
    let init = documents.init.unwrap_or_default();
    let cluster = documents.cluster.unwrap_or_default();
    check(machine, &init, &cluster)?;
    let mut skipped = flags.list("skip-phases");
    skipped.extend(init.skip_phases.iter().cloned());
    check_phases(&skipped, &PHASES)?;
    println!("[init] Using Kubernetes version: {}", cluster.kubernetes_version);
    let node = init.node_registration.name.clone();
    let mut ignored = flags.list("ignore-preflight-errors");
    ignored.extend(init.node_registration.ignore_preflight_errors.iter().cloned());
    let cri = &init.node_registration.cri_socket;
    preflight(machine, (Intent::Init, "init"), (&node, cri), &ignored)?;
    let begin = Begin { machine, init: &init, cluster: &cluster, text: &text, node: &node };
    begin.files()?;
    begin.start()?;
    begin.register()?;
    if !skipped.iter().any(|phase| phase == "show-join-command") {
        let token = init.bootstrap_tokens.first().map_or("", |token| token.token.as_str());
        println!(
            "\nkubeadm join {} --token {token} \\\n\t--discovery-token-ca-cert-hash {}",
            begin.endpoint(),
            crate::crypto::hash_of(&certs::authority(machine, "ca")?.certificate)?
        );
    }
    println!("\nYour Kubernetes control-plane has initialized successfully!");
    Ok(())
}

/// What can be told to be wrong from the files alone.
fn check(
    machine: &Machine,
    init: &InitConfiguration,
    cluster: &ClusterConfiguration,
) -> Result<(), Failure> {
    let own = machine.version();
    let minor = |version: &str| version.split('.').nth(1).and_then(|text| text.parse::<u32>().ok());
    let wrong = |what: String| Err(Failure::validation(what));
    if minor(&cluster.kubernetes_version) != minor(&own) {
        return wrong(format!(
            "this version of kubeadm ({own}) doesn't deploy {}",
            cluster.kubernetes_version
        ));
    }
    let address = &init.local_api_endpoint.advertise_address;
    if address.parse::<IpAddr>().is_err() {
        return wrong(format!("localAPIEndpoint: couldn't use {address:?} as advertise address"));
    }
    for token in &init.bootstrap_tokens {
        config::token(&token.token).map_err(Failure::validation)?;
        if token.ttl.is_some() && token.expires.is_some() {
            return wrong("bootstrapTokens: ttl and expires are mutually exclusive".to_owned());
        }
    }
    if let Some(key) = &init.certificate_key {
        crate::crypto::seal(key, b"").map_err(Failure::validation)?;
    }
    for (name, range) in [
        ("podSubnet", &cluster.networking.pod_subnet),
        ("serviceSubnet", &cluster.networking.service_subnet),
    ] {
        if range.as_ref().is_some_and(|range| !range.contains('/')) {
            return wrong(format!("networking.{name}: Invalid value: couldn't parse subnet"));
        }
    }
    let known = ["RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256", "ECDSA-P384"];
    let algorithm = cluster.encryption_algorithm.as_deref().unwrap_or("RSA-2048");
    if !known.contains(&algorithm) {
        return wrong(format!("encryptionAlgorithm: Unsupported value: {algorithm:?}"));
    }
    Ok(())
}

struct Begin<'a> {
    machine: &'a Machine,
    init: &'a InitConfiguration,
    cluster: &'a ClusterConfiguration,
    text: &'a str,
    node: &'a str,
}

impl Begin<'_> {
    fn address(&self) -> &str {
        &self.init.local_api_endpoint.advertise_address
    }

    fn local(&self) -> String {
        format!("{}:{}", self.address(), self.init.local_api_endpoint.bind_port.unwrap_or(6443))
    }

    fn endpoint(&self) -> String {
        match self.cluster.control_plane_endpoint.as_str() {
            "" => self.local(),
            endpoint => endpoint.to_owned(),
        }
    }

    /// Certificates, kubeconfigs, manifests.
    fn files(&self) -> Result<(), Failure> {
        let (machine, failed) = (self.machine, Failure::phase);
        machine.phase("init", "certs");
        let names = names(self.cluster, self.node, self.address());
        certs::make(machine, (self.node, self.address()), &names)
            .map_err(|why| failed("certs", &why))?;
        machine.phase("init", "kubeconfig");
        certs::kubeconfigs(machine, (&self.endpoint(), &self.local()), Some(self.node))
            .map_err(|why| failed("kubeconfig", &why))?;
        machine.phase("init", "etcd");
        // A first member knows of nothing before it.
        let peer = format!("https://{}:2380", self.address());
        let store = Store::of(machine);
        let begun = store.wipe().and_then(|()| {
            store.with(|state| {
                let id = format!("{:016x}", 0x8e9e_05c5_2164_0000_u64 + state.revision);
                let name = self.node.to_owned();
                state.members.push(Member { id, name, peer, learner: false });
                state.revision += 1;
            })
        });
        begun.map_err(|error| failed("etcd", &error.to_string()))?;
        etcd_data(machine).map_err(|why| failed("etcd", &why))?;
        let (local, images) = (self.local(), self.cluster.images());
        static_pod(machine, "etcd", (self.address(), &local), images)?;
        machine.phase("init", "control-plane");
        for pod in PODS.into_iter().filter(|pod| *pod != "etcd") {
            static_pod(machine, pod, (self.address(), &local), images)?;
            println!("[control-plane] Creating static Pod manifest for {pod:?}");
        }
        Ok(())
    }

    /// kubelet, and what it starts.
    fn start(&self) -> Result<(), Failure> {
        let (machine, failed) = (self.machine, Failure::phase);
        machine.phase("init", "kubelet-start");
        let arguments = &self.init.node_registration.kubelet_extra_args;
        kubelet_files(machine, self.node, arguments, &kubelet_part(self.text))?;
        println!("[kubelet-start] Starting the kubelet");
        machine.systemctl(&["restart", "kubelet"]).map_err(|why| failed("kubelet-start", &why))?;
        machine.phase("init", "wait-control-plane");
        println!(
            "[wait-control-plane] Waiting for the kubelet to boot up the control plane as static \
             Pods from directory {:?}",
            manifests::MANIFESTS
        );
        let timeouts = &self.init.timeouts;
        let time = limit(timeouts.control_plane_component_health_check.as_ref(), HEALTH)?;
        let mut client = manifests::client_of(machine, ADMIN_CONF)?;
        client.server = self.local();
        retry(time, || client.must("GET", "/livez", None)).map_err(|why| {
            failed(
                "wait-control-plane",
                &format!("failed while waiting for the control plane to start: {why}"),
            )
        })?;
        Ok(())
    }

    /// What the cluster is told of itself: by way of the endpoint up to 1.36, past it from 1.37 on.
    fn register(&self) -> Result<(), Failure> {
        let (machine, failed) = (self.machine, Failure::phase);
        let mut client = manifests::client_of(machine, ADMIN_CONF)?;
        if self.cluster.kubernetes_version.split('.').nth(1) > Some("36") {
            client.server = self.local();
        }
        machine.phase("init", "upload-config");
        let data = json!({ "ClusterConfiguration": cluster_part(self.text) });
        let config = config_map("kubeadm-config", "kube-system", &data);
        put(&client, &config).map_err(|why| failed("upload-config/kubeadm", &why))?;
        let data = json!({ "kubelet": kubelet_part(self.text) });
        put(&client, &config_map("kubelet-config", "kube-system", &data))
            .map_err(|why| failed("upload-config/kubelet", &why))?;
        println!("[upload-certs] Skipping phase. Please see --upload-certs");
        machine.phase("init", "mark-control-plane");
        mark(&client, self.node).map_err(|why| failed("mark-control-plane", &why))?;
        machine.phase("init", "bootstrap-token");
        for token in &self.init.bootstrap_tokens {
            let object = token_object(token).map_err(|why| failed("bootstrap-token", &why))?;
            put(&client, &object).map_err(|why| failed("bootstrap-token", &why))?;
        }
        let ca = certs::authority(machine, "ca")?;
        let info = manifests::kubeconfig(&self.endpoint(), &ca.certificate, "", &User::Nobody);
        let info = config_map("cluster-info", "kube-public", &json!({ "kubeconfig": info }));
        put(&client, &info).map_err(|why| failed("bootstrap-token", &why))?;
        machine.phase("init", "addon");
        put_addons(&client).map_err(|why| failed("addon", &why))
    }
}

/// Every name and address of an API server's certificate.
pub(super) fn names(cluster: &ClusterConfiguration, node: &str, address: &str) -> Vec<String> {
    let domain = cluster.networking.dns_domain.as_deref().unwrap_or("cluster.local");
    let host = cluster.control_plane_endpoint.rsplit_once(':').map(|(host, _)| host);
    let service = cluster.networking.service_subnet.as_deref().unwrap_or("10.96.0.0/12");
    let first = service.split('/').next().and_then(|text| text.parse::<Ipv4Addr>().ok());
    let first = first.map(|first| Ipv4Addr::from(u32::from(first) + 1).to_string());
    let mut names: Vec<String> =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", node, address]
            .map(str::to_owned)
            .into();
    names.push(format!("kubernetes.default.svc.{domain}"));
    names.extend(host.map(str::to_owned));
    names.extend(first);
    names.extend(cluster.api_server.cert_sans.iter().cloned());
    names.sort();
    names.dedup();
    names
}

pub(super) fn etcd_data(machine: &Machine) -> Result<(), String> {
    let folder = machine.path("/var/lib/etcd/member");
    fs::create_dir_all(folder).map_err(|error| format!("/var/lib/etcd/member: {error}"))?;
    crate::etcd::join(machine)
}

/// Writes a static pod's manifest: its addresses, where its image is from, and of which version.
pub(super) fn static_pod(
    machine: &Machine,
    pod: &str,
    (address, local): (&str, &str),
    (repository, version): (&str, &str),
) -> Result<(), Failure> {
    let arguments = [format!("--advertise-address={address}"), format!("--secure-listen={local}")];
    let image = format!("{repository}/{pod}:{version}");
    let text = manifests::pod(pod, &image, &arguments);
    machine.write(&manifests::path_of(pod), &text, 0o600)?;
    Ok(())
}

/// What kubelet reads.
pub(super) fn kubelet_files(
    machine: &Machine,
    node: &str,
    arguments: &[config::Argument],
    config: &str,
) -> Result<(), Failure> {
    let flags = arguments.iter().map(|argument| format!("--{}={}", argument.name, argument.value));
    let flags = flags.chain([format!("--hostname-override={node}")]).collect::<Vec<_>>().join(" ");
    machine.write(KUBELET_FLAGS, &format!("KUBELET_KUBEADM_ARGS=\"{flags}\"\n"), 0o644)?;
    println!(
        "[kubelet-start] Writing kubelet environment file with flags to file {KUBELET_FLAGS:?}"
    );
    machine.write(KUBELET_CONFIG, config, 0o644)?;
    println!("[kubelet-start] Writing kubelet configuration to file {KUBELET_CONFIG:?}");
    Ok(())
}

/// The document of a kind in a file of several.
fn part(text: &str, kind: &str) -> String {
    let mut documents = config::split(text);
    documents.find(|document| config::is_kind(document, kind)).unwrap_or_default().to_owned()
}

fn cluster_part(text: &str) -> String {
    part(text, "ClusterConfiguration")
}

fn kubelet_part(text: &str) -> String {
    part(text, "KubeletConfiguration") + "\n"
}

pub(super) fn config_map(name: &str, namespace: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": namespace },
        "data": data,
    })
}

/// Names and proxies, of the version that is.
pub(super) fn put_addons(client: &Client) -> Result<(), String> {
    for (kind, name) in [("Deployment", "coredns"), ("DaemonSet", "kube-proxy")] {
        let addon = json!({
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": { "name": name, "namespace": "kube-system" },
            "spec": {},
        });
        put(client, &addon)?;
        println!("[addons] Applied essential addon: {name}");
    }
    Ok(())
}

/// Creates an object, or replaces it.
pub(super) fn put(client: &Client, object: &Value) -> Result<(), String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let plural = match object["kind"].as_str() {
        Some("ConfigMap") => "configmaps",
        Some("Secret") => "secrets",
        Some("Deployment") => "deployments",
        _ => "daemonsets",
    };
    let prefix = match object["apiVersion"].as_str() {
        Some("v1") => "/api/v1".to_owned(),
        other => format!("/apis/{}", other.unwrap_or_default()),
    };
    let (namespace, name) =
        (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
    let list = format!("{prefix}/namespaces/{namespace}/{plural}");
    retry(API_CALL, || match client.ask("POST", &list, Some(object))? {
        (409, _) => client.must("PUT", &format!("{list}/{name}"), Some(object)).map(drop),
        (status, _) if (200..300).contains(&status) => Ok(()),
        (status, answer) => Err(format!("{status}: {answer}")),
    })
}

/// Labels and taints a node that its kubelet has registered.
pub(super) fn mark(client: &Client, node: &str) -> Result<(), String> {
    println!(
        "[mark-control-plane] Marking the node {node} as control-plane by adding the labels: \
         [node-role.kubernetes.io/control-plane \
         node.kubernetes.io/exclude-from-external-load-balancers]"
    );
    let labels = json!({
        "node-role.kubernetes.io/control-plane": "",
        "node.kubernetes.io/exclude-from-external-load-balancers": "",
    });
    let taint = json!({ "key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule" });
    let patch = json!({ "metadata": { "labels": labels }, "spec": { "taints": [taint] } });
    let path = format!("/api/v1/nodes/{node}");
    retry(API_CALL, || client.must("PATCH", &path, Some(&patch)).map(drop))
}

/// A token as the cluster keeps it.
pub(super) fn token_object(token: &BootstrapToken) -> Result<Value, String> {
    let (id, secret) = config::token(&token.token)?;
    let time = token.ttl.as_deref().map_or(Ok(TOKEN), config::duration)?;
    let expires = match &token.expires {
        Some(text) => text.clone(),
        None => humantime::format_rfc3339_seconds(SystemTime::now() + time).to_string(),
    };
    let mut data = json!({
        "token-id": STANDARD.encode(id),
        "token-secret": STANDARD.encode(secret),
        "expiration": STANDARD.encode(expires),
        "auth-extra-groups": STANDARD.encode(token.groups.join(",")),
    });
    for usage in &token.usages {
        if !small::USAGES.contains(&usage.as_str()) {
            return Err(format!("invalid bootstrap token usage string: {usage}"));
        }
        data[format!("usage-bootstrap-{usage}")] = STANDARD.encode("true").into();
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": format!("bootstrap-token-{id}"), "namespace": "kube-system" },
        "type": "bootstrap.kubernetes.io/token",
        "data": data,
    }))
}
