//! kubelet: gets itself a certificate, keeps its node in the API, and runs static pods. Of these the
//! API server is a program, and etcd says that it is well; the others hold their ports.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use halb_lab::apiserver::{Api, ApiServer, Ca, Options, Part};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::crypto::{self, Authority, Pair};
use crate::machine::Machine;
use crate::manifests::{
    self, BOOTSTRAP_CONF, CONFIG_HASH, KUBELET_CONF, KUBELET_CONFIG, KUBELET_FLAGS, PKI, PODS, User,
};

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(500);

/// Runs until it is ended, or as long as nothing tells it what to be.
#[must_use]
pub fn kubelet(machine: &Machine) -> ExitCode {
    let flags = machine.read(KUBELET_FLAGS).unwrap_or_default();
    let name = manifests::argument(&flags, "hostname-override").map(str::to_owned);
    let (Some(name), true) = (name, machine.has(KUBELET_CONFIG)) else {
        eprintln!(
            "failed to load kubelet config file, path: {KUBELET_CONFIG}, error: open \
             {KUBELET_CONFIG}: no such file or directory"
        );
        return ExitCode::FAILURE;
    };
    let address = manifests::argument(&flags, "node-ip").unwrap_or("127.0.0.1").to_owned();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("kubelet: {error}");
            return ExitCode::FAILURE;
        }
    };
    let _own_port = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 10250));
    let version = machine.kubelet_version();
    machine.event("kubelet", json!({ "node": name, "version": version }));
    let mut kubelet =
        Kubelet { machine, name, version, address, runtime, pods: Vec::new(), registered: false };
    loop {
        kubelet.run_pods();
        if let Err(why) = kubelet.tell() {
            eprintln!("kubelet: {why}");
        }
        thread::sleep(ROUND);
    }
}

/// What runs of a static pod, until it is dropped.
enum Running {
    Server { _server: ApiServer },
    Etcd { _server: ApiServer, _peers: TcpListener },
    Port { _listener: TcpListener },
}

/// Holds a port at which nothing is said.
fn hold(address: (Ipv4Addr, u16)) -> Result<TcpListener, String> {
    TcpListener::bind(address).map_err(|error| error.to_string())
}

struct Kubelet<'a> {
    machine: &'a Machine,
    name: String,
    /// Its own, which a package that comes later doesn't change.
    version: String,
    address: String,
    runtime: Runtime,
    /// Static pods by name and manifest.
    pods: Vec<(&'static str, String, Running)>,
    /// A kubelet registers its node when it starts, and never again.
    registered: bool,
}

impl Kubelet<'_> {
    /// Starts what has a manifest, and stops what has none any more.
    fn run_pods(&mut self) {
        let manifest = |name| self.machine.read(&manifests::path_of(name)).ok();
        let wanted: Vec<_> =
            PODS.iter().filter_map(|name| Some((*name, manifest(name)?))).collect();
        let is_wanted = |name: &str, text: &String| {
            wanted.iter().any(|(other, wanted)| *other == name && wanted == text)
        };
        self.pods.retain(|(name, text, _)| is_wanted(name, text));
        for (name, text) in wanted {
            if self.pods.iter().any(|(running, _, _)| *running == name) {
                continue;
            }
            match self.start(name, &text) {
                Ok(running) => {
                    self.machine.event("pod", json!({ "pod": name }));
                    self.pods.push((name, text, running));
                }
                Err(why) => eprintln!("kubelet: {name}: {why}"),
            }
        }
    }

    fn start(&self, name: &str, manifest: &str) -> Result<Running, String> {
        let port = match name {
            "kube-apiserver" => {
                return self.start_server(manifest).map(|_server| Running::Server { _server });
            }
            "etcd" => return self.start_etcd(),
            "kube-controller-manager" => 10257,
            _ => 10259,
        };
        hold((Ipv4Addr::LOCALHOST, port)).map(|_listener| Running::Port { _listener })
    }

    fn start_server(&self, manifest: &str) -> Result<ApiServer, String> {
        let listen = manifests::argument(manifest, "secure-listen").unwrap_or_default();
        let port = listen.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(6443);
        let pki = |name: &str| self.machine.read(&format!("{PKI}/{name}"));
        let authority = Authority::new(pki("ca.crt")?, pki("ca.key")?)?;
        let clients = authority.certificate.clone();
        let version = manifests::version(manifest).to_owned();
        let api = crate::api::api(self.machine.clone(), authority, version);
        self.serve(port, "apiserver", clients, api)
    }

    /// A member says how it is to whom its authority knows; to other members it says nothing.
    fn start_etcd(&self) -> Result<Running, String> {
        crate::etcd::start(self.machine, &self.name)?;
        let clients = self.machine.read(&format!("{PKI}/etcd/ca.crt"))?;
        let _server = self.serve(2379, "etcd/server", clients, crate::etcd::api())?;
        let _peers = hold((Ipv4Addr::UNSPECIFIED, 2380))?;
        Ok(Running::Etcd { _server, _peers })
    }

    /// A server with a certificate of kubeadm's.
    fn serve(&self, port: u16, pair: &str, clients: String, api: Api) -> Result<ApiServer, String> {
        let pki = |ending: &str| self.machine.read(&format!("{PKI}/{pair}.{ending}"));
        let stand_alone = Ca::new().map_err(|error| error.to_string())?;
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let mut options = Options::new(&self.name, listen, &stand_alone);
        options.part = Some(Part { certificate: pki("crt")?, key: pki("key")?, clients, api });
        self.runtime.block_on(ApiServer::start(options)).map_err(|error| {
            std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        })
    }

    /// Its node and its pods, as the API shall see them.
    fn tell(&mut self) -> Result<(), String> {
        if !self.machine.has(KUBELET_CONF) {
            self.bootstrap()?;
        }
        let mut client = manifests::client_of(self.machine, KUBELET_CONF)?;
        if let Some(local) = self.local() {
            // A master's kubelet talks to its own server, not to the endpoint.
            client.server = local;
        }
        let path = format!("/api/v1/nodes/{}", self.name);
        let installation = "/apis/operator.tigera.io/v1/installations/default";
        let (status, network) = client.ask("GET", installation, None)?;
        let ready = status == 200 && network["status"]["calicoVersion"].is_string();
        if !self.registered {
            if client.ask("GET", &path, None)?.0 == 404 {
                client.must("POST", "/api/v1/nodes", Some(&self.node(ready)))?;
                self.machine.event("registered", json!({ "node": self.name }));
            }
            self.registered = true;
        }
        let patch = json!({ "status": self.node(ready)["status"] });
        client.must("PATCH", &format!("{path}/status"), Some(&patch))?;
        self.tell_of_pods(&client)
    }

    fn local(&self) -> Option<String> {
        let serves = self.pods.iter().any(|(name, _, _)| *name == "kube-apiserver");
        serves.then(|| format!("{}:6443", self.address))
    }

    /// Asks for a certificate by token, as `kubelet --bootstrap-kubeconfig` does.
    fn bootstrap(&self) -> Result<(), String> {
        let client = manifests::client_of(self.machine, BOOTSTRAP_CONF)?;
        let user = format!("system:node:{}", self.name);
        let (request, key) = crypto::request(&user, "system:nodes")?;
        let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        let unique = crypto::hash_of_text(&request);
        let asked = json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": { "name": format!("node-csr-{unique}") },
            "spec": {
                "request": STANDARD.encode(request),
                "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                "usages": ["digital signature", "client auth"],
            },
        });
        let answer = client.must("POST", path, Some(&asked))?;
        let certificate = answer["status"]["certificate"].as_str();
        let certificate = certificate.ok_or_else(|| {
            format!("certificate request denied: {}", answer["status"]["conditions"])
        })?;
        let certificate = STANDARD.decode(certificate).map_err(|error| error.to_string())?;
        let certificate = String::from_utf8(certificate).map_err(|error| error.to_string())?;
        let authority = client.authority.clone().unwrap_or_default();
        let pair = Pair { certificate, key };
        let text =
            manifests::kubeconfig(&client.server, &authority, &user, &User::Certificate(&pair));
        self.machine.write(KUBELET_CONF, &text, 0o600)
    }

    fn node(&self, ready: bool) -> Value {
        let (status, message) = match ready {
            true => ("True", "kubelet is posting ready status"),
            false => ("False", "container runtime network not ready: cni plugin not initialized"),
        };
        let system = fs::read_to_string(self.machine.path("/proc/sys/kernel/osrelease"));
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": { "kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux" },
            },
            "spec": {},
            "status": {
                "addresses": [
                    { "type": "InternalIP", "address": self.address },
                    { "type": "Hostname", "address": self.name },
                ],
                "conditions": [{
                    "type": "Ready",
                    "status": status,
                    "message": message,
                    "lastHeartbeatTime": now,
                }],
                "nodeInfo": {
                    "kubeletVersion": self.version,
                    "containerRuntimeVersion": "containerd://stand-in",
                    "kernelVersion": system.unwrap_or_default().trim(),
                    "operatingSystem": "linux",
                },
            },
        })
    }

    /// What kubelet shows of static pods.
    fn tell_of_pods(&self, client: &Client) -> Result<(), String> {
        let pods = "/api/v1/namespaces/kube-system/pods";
        for (name, manifest, _) in &self.pods {
            let own = format!("{name}-{}", self.name);
            let hash = crypto::hash_of_text(manifest);
            let path = format!("{pods}/{own}");
            let (status, there) = client.ask("GET", &path, None)?;
            if status == 200 && there["metadata"]["annotations"][CONFIG_HASH] == hash.as_str() {
                continue;
            }
            if status == 200 {
                client.must("DELETE", &path, None)?;
            }
            let ready = json!([{ "type": "Ready", "status": "True" }]);
            let image = format!("{name}:{}", manifests::version(manifest));
            let pod = json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": own,
                    "namespace": "kube-system",
                    "labels": { "component": name, "tier": "control-plane" },
                    "annotations": {
                        CONFIG_HASH: hash,
                        "kubernetes.io/config.mirror": hash,
                        "kubernetes.io/config.source": "file",
                    },
                },
                "spec": {
                    "nodeName": self.name,
                    "hostNetwork": true,
                    "containers": [{ "name": name, "image": image }],
                },
                "status": {
                    "phase": "Running",
                    "conditions": ready,
                    "hostIP": self.address,
                    "podIP": self.address,
                    "containerStatuses": [{ "name": name, "ready": true, "restartCount": 0 }],
                },
            });
            client.must("POST", pods, Some(&pod))?;
        }
        Ok(())
    }
}
