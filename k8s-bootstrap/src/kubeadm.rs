//! The files that kubeadm reads: `kubeadm.k8s.io/v1beta4`, which 1.31 and newer take.
//!
//! They are built from these types, never from templates, and every text in them is quoted: YAML's
//! `on` and `1.30` are no texts otherwise. Names and shapes are those of Kubernetes'
//! `cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go`.

use serde::Serialize;

use crate::inventory::version::KUBERNETES_WITHOUT_CGROUP_V1;
use crate::inventory::{Host, Inventory, Role, SwapPolicy};
use crate::paths;
use crate::pki::Material;
use crate::secret::Secret;

const API: &str = "kubeadm.k8s.io/v1beta4";

/// Port of every API server.
pub const API_SERVER_PORT: u16 = 6443;

/// How long a token is good for.
const TOKEN_TTL: &str = "24h0m0s";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitConfiguration {
    api_version: &'static str,
    kind: &'static str,
    bootstrap_tokens: Vec<BootstrapToken>,
    #[serde(rename = "localAPIEndpoint")]
    local_api_endpoint: ApiEndpoint,
    node_registration: NodeRegistration,
}

#[derive(Serialize)]
struct BootstrapToken {
    token: String,
    ttl: &'static str,
    usages: [&'static str; 2],
    groups: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiEndpoint {
    advertise_address: String,
    bind_port: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeRegistration {
    name: String,
    cri_socket: &'static str,
    image_pull_policy: &'static str,
    kubelet_extra_args: Vec<Argument>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignore_preflight_errors: Vec<&'static str>,
}

#[derive(Serialize)]
struct Argument {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterConfiguration {
    api_version: &'static str,
    kind: &'static str,
    cluster_name: String,
    kubernetes_version: String,
    control_plane_endpoint: String,
    image_repository: String,
    networking: Networking,
    api_server: ApiServer,
    encryption_algorithm: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Networking {
    pod_subnet: String,
    service_subnet: String,
    dns_domain: String,
}

#[derive(Serialize)]
struct ApiServer {
    #[serde(rename = "certSANs")]
    cert_sans: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeletConfiguration {
    api_version: &'static str,
    kind: &'static str,
    cgroup_driver: &'static str,
    fail_swap_on: bool,
    #[serde(rename = "failCgroupV1", skip_serializing_if = "Option::is_none")]
    fail_cgroup_v1: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KubeProxyConfiguration {
    api_version: &'static str,
    kind: &'static str,
    mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JoinConfiguration {
    api_version: &'static str,
    kind: &'static str,
    discovery: Discovery,
    #[serde(skip_serializing_if = "Option::is_none")]
    control_plane: Option<ControlPlane>,
    node_registration: NodeRegistration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Discovery {
    bootstrap_token: TokenDiscovery,
    tls_bootstrap_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenDiscovery {
    #[serde(rename = "apiServerEndpoint")]
    api_server_endpoint: String,
    token: String,
    ca_cert_hashes: [String; 1],
}

#[derive(Serialize)]
struct ControlPlane {
    #[serde(rename = "localAPIEndpoint")]
    local_api_endpoint: ApiEndpoint,
}

/// What `kubeadm init --config` reads on the first master: four documents.
#[must_use]
pub fn init(inventory: &Inventory, host: &Host, material: &Material) -> Secret {
    let documents = [
        yaml(&InitConfiguration {
            api_version: API,
            kind: "InitConfiguration",
            bootstrap_tokens: vec![BootstrapToken {
                token: material.token.expose().to_owned(),
                ttl: TOKEN_TTL,
                usages: ["signing", "authentication"],
                groups: ["system:bootstrappers:kubeadm:default-node-token"],
            }],
            local_api_endpoint: local_endpoint(host),
            node_registration: registration(inventory, host),
        }),
        yaml(&cluster(inventory)),
        yaml(&KubeletConfiguration {
            api_version: "kubelet.config.k8s.io/v1beta1",
            kind: "KubeletConfiguration",
            cgroup_driver: "systemd",
            fail_swap_on: inventory.policy.swap == SwapPolicy::Off,
            fail_cgroup_v1: bears_cgroup_v1(inventory).then_some(false),
        }),
        yaml(&KubeProxyConfiguration {
            api_version: "kubeproxy.config.k8s.io/v1alpha1",
            kind: "KubeProxyConfiguration",
            mode: inventory.kubernetes.proxy_mode.as_str(),
        }),
    ];
    with_token(documents.join("---\n"), material)
}

/// What `kubeadm join --config` reads on any other node.
#[must_use]
pub fn join(inventory: &Inventory, host: &Host, material: &Material) -> Secret {
    let token = || material.token.expose().to_owned();
    let master = host.has(Role::Master);
    let document = yaml(&JoinConfiguration {
        api_version: API,
        kind: "JoinConfiguration",
        discovery: Discovery {
            bootstrap_token: TokenDiscovery {
                api_server_endpoint: endpoint(inventory),
                token: token(),
                ca_cert_hashes: [material.ca_hash()],
            },
            tls_bootstrap_token: token(),
        },
        control_plane: master.then(|| ControlPlane { local_api_endpoint: local_endpoint(host) }),
        node_registration: registration(inventory, host),
    });
    with_token(document, material)
}

/// A document of which the token's second half is secret.
fn with_token(document: String, material: &Material) -> Secret {
    let token = material.token.expose();
    let (_, secret) = token.split_once('.').unwrap_or(("", token));
    Secret::with_words(document, &[secret])
}

/// `HOST:PORT` of the cluster's endpoint.
#[must_use]
pub fn endpoint(inventory: &Inventory) -> String {
    format!("{}:{}", inventory.endpoint_host(), inventory.endpoint.port)
}

fn cluster(inventory: &Inventory) -> ClusterConfiguration {
    let kubernetes = &inventory.kubernetes;
    // Every way in: the endpoint, each balancer for who asks past a virtual IP that is elsewhere,
    // and loopback for the master itself.
    let mut names = vec![inventory.endpoint.address.to_string()];
    names.extend(inventory.endpoint.name.clone());
    names.extend(inventory.with_role(Role::Balancer).map(|host| host.address.to_string()));
    names.push("127.0.0.1".to_owned());
    let mut seen = Vec::new();
    names.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
    ClusterConfiguration {
        api_version: API,
        kind: "ClusterConfiguration",
        cluster_name: inventory.name.clone(),
        kubernetes_version: format!("v{}", kubernetes.version),
        control_plane_endpoint: endpoint(inventory),
        image_repository: kubernetes.image_repository.clone(),
        networking: Networking {
            pod_subnet: kubernetes.pod_subnet.to_string(),
            service_subnet: kubernetes.service_subnet.to_string(),
            dns_domain: kubernetes.dns_domain.clone(),
        },
        api_server: ApiServer { cert_sans: names },
        encryption_algorithm: "ECDSA-P256",
    }
}

fn local_endpoint(host: &Host) -> ApiEndpoint {
    ApiEndpoint { advertise_address: host.address.to_string(), bind_port: API_SERVER_PORT }
}

/// kubelet is told its address: of several it would take that of the default route, or a virtual IP.
fn registration(inventory: &Inventory, host: &Host) -> NodeRegistration {
    let mut ignored = Vec::new();
    if inventory.policy.swap == SwapPolicy::Keep {
        ignored.push("Swap");
    }
    if bears_cgroup_v1(inventory) {
        ignored.push("SystemVerification");
    }
    NodeRegistration {
        name: host.name.clone(),
        cri_socket: paths::CRI_SOCKET,
        image_pull_policy: "IfNotPresent",
        kubelet_extra_args: vec![Argument { name: "node-ip", value: host.address.to_string() }],
        ignore_preflight_errors: ignored,
    }
}

/// Whether kubeadm and kubelet have to be told that cgroup v1 is all right.
fn bears_cgroup_v1(inventory: &Inventory) -> bool {
    inventory.kubernetes.cgroup_v1
        && inventory.kubernetes.version.minor >= KUBERNETES_WITHOUT_CGROUP_V1
}

/// A document, every text in quotes.
pub(crate) fn yaml(document: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! { quote_all: true };
    let text: Result<String, _> = serde_saphyr::to_string_with_options(document, options);
    let mut text = text.expect("these types have no value that YAML can't hold");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The token as an object of the cluster, good for two hours from when the host fills in `@EXPIRES@`.
#[must_use]
pub fn token_object(material: &Material) -> Secret {
    let token = material.token.expose();
    let (id, secret) = token.split_once('.').unwrap_or((token, ""));
    let document = yaml(&TokenObject {
        api_version: "v1",
        kind: "Secret",
        metadata: Metadata { name: format!("bootstrap-token-{id}"), namespace: "kube-system" },
        r#type: "bootstrap.kubernetes.io/token",
        string_data: TokenData {
            token_id: id.to_owned(),
            token_secret: secret.to_owned(),
            expiration: "@EXPIRES@",
            usage_bootstrap_authentication: "true",
            usage_bootstrap_signing: "true",
            auth_extra_groups: "system:bootstrappers:kubeadm:default-node-token",
        },
    });
    with_token(document, material)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenObject {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    r#type: &'static str,
    string_data: TokenData,
}

#[derive(Serialize)]
struct Metadata {
    name: String,
    namespace: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct TokenData {
    token_id: String,
    token_secret: String,
    expiration: &'static str,
    usage_bootstrap_authentication: &'static str,
    usage_bootstrap_signing: &'static str,
    auth_extra_groups: &'static str,
}

#[cfg(test)]
mod tests;
