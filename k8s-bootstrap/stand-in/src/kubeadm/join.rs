//! `kubeadm join`: a further master, or a worker.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Failure, Flags, certs, check_phases, init, limit, preflight, read_config, retry};
use crate::client::Client;
use crate::config::{self, ClusterConfiguration, ControlPlane, JoinConfiguration, TokenDiscovery};
use crate::crypto;
use crate::machine::Machine;
use crate::manifests::{self, ADMIN_CONF, BOOTSTRAP_CONF, KUBELET_CONF, PKI, PODS, User};
use crate::preflight::Intent;

const PHASES: [&str; 9] = [
    "preflight",
    "control-plane-prepare",
    "kubelet-start",
    "etcd-join",
    "kubelet-wait-bootstrap",
    "control-plane-join",
    "wait-control-plane",
    "mark-control-plane",
    "all",
];

/// kubeadm's own times, where the file has none.
const DISCOVERY: Duration = Duration::from_secs(300);
const BOOTSTRAP: Duration = Duration::from_secs(300);
const HEALTH: Duration = Duration::from_secs(240);
const ETCD_CALL: Duration = Duration::from_secs(120);

pub(super) fn run(machine: &Machine, arguments: &[&str]) -> Result<(), Failure> {
    let with = ["config", "skip-phases", "ignore-preflight-errors", "v"];
    let flags = Flags::parse(arguments, &with, &[])?;
    let (_, documents) = read_config(machine, &flags)?;
    let join = documents
        .join
        .ok_or_else(|| Failure::validation("no JoinConfiguration in the file".to_owned()))?;
    let mut skipped = flags.list("skip-phases");
    skipped.extend(join.skip_phases.iter().cloned());
    check_phases(&skipped, &PHASES)?;
    let discovery = join.discovery.bootstrap_token.clone().ok_or_else(|| {
        let what = "discovery: Invalid value: bootstrapToken or file must be set";
        Failure::validation(what.to_owned())
    })?;
    check(&discovery)?;
    let node = join.node_registration.name.clone();
    let mut ignored = flags.list("ignore-preflight-errors");
    ignored.extend(join.node_registration.ignore_preflight_errors.iter().cloned());
    let intent = if join.control_plane.is_some() { Intent::JoinMaster } else { Intent::JoinWorker };
    let cri = &join.node_registration.cri_socket;
    preflight(machine, (intent, "join"), (&node, cri), &ignored)?;
    machine.phase("join", "discovery");
    let time = limit(join.timeouts.discovery.as_ref(), DISCOVERY)?;
    let authority = discover(machine, &discovery, time).map_err(|why| {
        let what = format!("couldn't validate the identity of the API Server: {why}");
        Failure::phase("preflight", &what)
    })?;
    let token = join.discovery.tls_bootstrap_token.clone();
    let endpoint = Client {
        server: discovery.api_server_endpoint.clone(),
        authority: Some(authority),
        identity: None,
        token: Some(token.unwrap_or_else(|| discovery.token.clone())),
    };
    let joining = Join { machine, join: &join, node: &node, endpoint };
    joining.everything()?;
    println!("\nThis node has joined the cluster");
    Ok(())
}

fn check(discovery: &TokenDiscovery) -> Result<(), Failure> {
    config::token(&discovery.token).map_err(Failure::validation)?;
    if discovery.ca_cert_hashes.is_empty() && !discovery.unsafe_skip_ca_verification {
        let what = "discovery.bootstrapToken: Invalid value: using token-based discovery without \
                    caCertHashes can be unsafe. Set unsafeSkipCAVerification to continue";
        return Err(Failure::validation(what.to_owned()));
    }
    for hash in &discovery.ca_cert_hashes {
        let digits = hash
            .strip_prefix("sha256:")
            .map_or(0, |digits| digits.bytes().filter(u8::is_ascii_hexdigit).count());
        if digits != 64 {
            let what = format!(
                "invalid public key hash: expected a 32 byte SHA-256 hash, found {} bytes",
                digits / 2
            );
            return Err(Failure::validation(what));
        }
    }
    Ok(())
}

/// The cluster's authority, as far as token and hash vouch for it.
pub(super) fn discover(
    machine: &Machine,
    discovery: &TokenDiscovery,
    time: Duration,
) -> Result<String, String> {
    const INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    let (id, secret) = config::token(&discovery.token)?;
    let anyone = Client {
        server: discovery.api_server_endpoint.clone(),
        authority: None,
        identity: None,
        token: None,
    };
    let kubeconfig = retry(time, || {
        let info = anyone
            .must("GET", INFO, None)
            .map_err(|why| format!("failed to request the cluster-info ConfigMap: {why}"))?;
        let kubeconfig = info["data"]["kubeconfig"].as_str().unwrap_or_default().to_owned();
        let signature = info["data"][format!("jws-kubeconfig-{id}")].as_str().ok_or_else(|| {
            format!(
                "could not find a JWS signature in the cluster-info ConfigMap for token ID {id:?}"
            )
        })?;
        if signature != crypto::jws(&kubeconfig, id, secret) {
            return Err(format!(
                "failed to verify JWS signature of received cluster info object, can't trust this \
                 API Server (token ID {id:?})"
            ));
        }
        Ok(kubeconfig)
    })?;
    let known = manifests::client(&kubeconfig)?;
    let authority = known.authority.clone().unwrap_or_default();
    let hash = crypto::hash_of(&authority)?;
    machine.event("discovered", json!({ "hash": hash, "server": anyone.server }));
    if !discovery.unsafe_skip_ca_verification && !discovery.ca_cert_hashes.contains(&hash) {
        return Err(format!(
            "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys \
             {hash:?} are pinned"
        ));
    }
    // Once more, from a server that the authority has signed.
    let again = Client { authority: Some(authority.clone()), ..anyone }.must("GET", INFO, None)?;
    if again["data"]["kubeconfig"].as_str() != Some(&kubeconfig) {
        return Err("the second kubeconfig from the cluster-info ConfigMap is another".to_owned());
    }
    Ok(authority)
}

struct Join<'a> {
    machine: &'a Machine,
    join: &'a JoinConfiguration,
    node: &'a str,
    /// The API through the endpoint, with the token.
    endpoint: Client,
}

impl Join<'_> {
    fn everything(&self) -> Result<(), Failure> {
        println!(
            "[preflight] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"..."
        );
        let cluster = self.cluster().map_err(|why| Failure::phase("preflight", &why))?;
        if let Some(control_plane) = &self.join.control_plane {
            self.prepare(control_plane, &cluster)?;
        }
        self.start_kubelet()?;
        if let Some(control_plane) = &self.join.control_plane {
            self.become_master(control_plane, &cluster)?;
        }
        self.machine.remove(BOOTSTRAP_CONF);
        Ok(())
    }

    fn cluster(&self) -> Result<ClusterConfiguration, String> {
        let path = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";
        let map = self.endpoint.must("GET", path, None)?;
        let text = map["data"]["ClusterConfiguration"].as_str().unwrap_or_default();
        let cluster = config::parse(text)?.cluster.ok_or("kubeadm-config has no configuration")?;
        if self.join.control_plane.is_some() && cluster.control_plane_endpoint.is_empty() {
            return Err("One or more conditions for hosting a new control plane instance is not \
                        satisfied.\n\nunable to add a new control plane instance to a cluster that \
                        doesn't have a stable controlPlaneEndpoint address"
                .to_owned());
        }
        Ok(cluster)
    }

    fn local(&self, control_plane: &ControlPlane) -> String {
        let ControlPlane { local_api_endpoint: local, .. } = control_plane;
        format!("{}:{}", local.advertise_address, local.bind_port.unwrap_or(6443))
    }

    /// Keys, certificates, kubeconfigs, manifests.
    fn prepare(
        &self,
        control_plane: &ControlPlane,
        cluster: &ClusterConfiguration,
    ) -> Result<(), Failure> {
        let machine = self.machine;
        machine.phase("join", "control-plane-prepare");
        let failed =
            |phase: &str, why: &str| Failure::phase(&format!("control-plane-prepare/{phase}"), why);
        if let Some(key) = &control_plane.certificate_key {
            self.download(key).map_err(|why| failed("download-certs", &why))?;
        }
        let ca = certs::authority(machine, "ca").map_err(|why| failed("certs", &why))?;
        if self.endpoint.authority.as_deref().map(crypto::hash_of)
            != Some(crypto::hash_of(&ca.certificate))
        {
            let why = "the authority in /etc/kubernetes/pki/ca.crt isn't the cluster's";
            return Err(failed("certs", why));
        }
        let address = &control_plane.local_api_endpoint.advertise_address;
        let names = init::names(cluster, self.node, address);
        certs::make(machine, (self.node, address), &names).map_err(|why| failed("certs", &why))?;
        let local = self.local(control_plane);
        certs::kubeconfigs(machine, (&self.endpoint.server, &local), None)
            .map_err(|why| failed("kubeconfig", &why))?;
        for pod in PODS.into_iter().filter(|pod| *pod != "etcd") {
            init::static_pod(machine, pod, (address, &local), cluster.images())?;
            println!("[control-plane] Creating static Pod manifest for {pod:?}");
        }
        Ok(())
    }

    /// The keys that somebody has uploaded, opened.
    fn download(&self, key: &str) -> Result<(), String> {
        println!(
            "[download-certs] Downloading the certificates in Secret \"kubeadm-certs\" in the \"kube-system\" Namespace"
        );
        let (status, secret) = self.endpoint.ask(
            "GET",
            "/api/v1/namespaces/kube-system/secrets/kubeadm-certs",
            None,
        )?;
        if status != 200 {
            return Err("error downloading certs: error downloading the secret: Secret \
                        \"kubeadm-certs\" was not found in the \"kube-system\" Namespace. This \
                        Secret might have expired. Please, run `kubeadm init phase upload-certs \
                        --upload-certs` on a control plane to generate a new one"
                .to_owned());
        }
        for (name, data) in secret["data"].as_object().into_iter().flatten() {
            let sealed = STANDARD.decode(data.as_str().unwrap_or_default());
            let sealed = sealed.map_err(|error| error.to_string())?;
            let text = crypto::open(key, &sealed).map_err(|why| {
                format!(
                    "error downloading certs: error decoding secret data with provided key: {why}"
                )
            })?;
            let text = String::from_utf8(text).map_err(|error| error.to_string())?;
            let file = name.replacen("etcd-", "etcd/", 1);
            self.machine.write(&format!("{PKI}/{file}"), &text, 0o600)?;
        }
        Ok(())
    }

    /// kubelet, which asks for its certificate by token.
    fn start_kubelet(&self) -> Result<(), Failure> {
        let (machine, node) = (self.machine, self.node);
        machine.phase("join", "kubelet-start");
        let failed = |why: &str| Failure::phase("kubelet-start", why);
        let path = format!("/api/v1/nodes/{node}");
        let (status, known) = self.endpoint.ask("GET", &path, None).map_err(|why| failed(&why))?;
        let conditions = known["status"]["conditions"].as_array();
        let ready = conditions.is_some_and(|all| {
            all.iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
        });
        if status == 200 && ready {
            return Err(failed(&format!(
                "a Node with name {node:?} and status \"Ready\" already exists in the cluster. You \
                 must delete the existing Node or change the name of this new joining Node"
            )));
        }
        let token = self.endpoint.token.clone().unwrap_or_default();
        let authority = self.endpoint.authority.clone().unwrap_or_default();
        let user = User::Token(&token);
        let text = manifests::kubeconfig(
            &self.endpoint.server,
            &authority,
            "tls-bootstrap-token-user",
            &user,
        );
        machine.write(BOOTSTRAP_CONF, &text, 0o600)?;
        if self.join.control_plane.is_none() {
            machine.write(&format!("{PKI}/ca.crt"), &authority, 0o644)?;
        }
        let map = self
            .endpoint
            .must("GET", "/api/v1/namespaces/kube-system/configmaps/kubelet-config", None)
            .map_err(|why| failed(&why))?;
        let config = map["data"]["kubelet"].as_str().unwrap_or_default();
        let arguments = &self.join.node_registration.kubelet_extra_args;
        init::kubelet_files(machine, node, arguments, config)?;
        println!("[kubelet-start] Starting the kubelet");
        machine.systemctl(&["restart", "kubelet"]).map_err(|why| failed(&why))?;
        println!("[kubelet-start] Waiting for the kubelet to perform the TLS Bootstrap");
        let time = limit(self.join.timeouts.tls_bootstrap.as_ref(), BOOTSTRAP)?;
        let there = || match machine.has(KUBELET_CONF) {
            true => Ok(()),
            false => Err("timed out waiting for the TLS bootstrap".to_owned()),
        };
        retry(time, there).map_err(|why| failed(&why))
    }

    /// A vote in etcd, an API server, and a label.
    fn become_master(
        &self,
        control_plane: &ControlPlane,
        cluster: &ClusterConfiguration,
    ) -> Result<(), Failure> {
        let (machine, node) = (self.machine, self.node);
        machine.phase("join", "etcd-join");
        let admin = manifests::client_of(machine, ADMIN_CONF)?;
        let address = &control_plane.local_api_endpoint.advertise_address;
        let failed = |why: &str| Failure::phase("etcd-join", why);
        let peer = json!({ "peer": format!("https://{address}:2380") });
        let time = limit(self.join.timeouts.etcd_api_call.as_ref(), ETCD_CALL)?;
        let member = retry(time, || admin.must("POST", "/stand-in/etcd/members", Some(&peer)))
            .map_err(|why| {
                failed(&format!("error creating local etcd static pod manifest file: {why}"))
            })?;
        init::etcd_data(machine).map_err(|why| failed(&why))?;
        let local = self.local(control_plane);
        init::static_pod(machine, "etcd", (address, &local), cluster.images())?;
        println!(
            "[etcd] Waiting for the new etcd member to join the cluster. This can take up to 40s"
        );
        machine.phase("join", "etcd-promote");
        let id = member["id"].as_str().unwrap_or_default();
        let path = format!("/stand-in/etcd/members/{id}");
        let name: Value = json!({ "name": node });
        retry(time, || admin.must("PUT", &path, Some(&name))).map_err(|why| failed(&why))?;
        machine.phase("join", "mark-control-plane");
        init::mark(&admin, node).map_err(|why| Failure::phase("mark-control-plane", &why))?;
        machine.phase("join", "wait-control-plane");
        let time = &self.join.timeouts.control_plane_component_health_check;
        let time = limit(time.as_ref(), HEALTH)?;
        let local = Client { server: local, ..admin };
        retry(time, || local.must("GET", "/livez", None))
            .map_err(|why| Failure::phase("wait-control-plane", &why))?;
        Ok(())
    }
}
