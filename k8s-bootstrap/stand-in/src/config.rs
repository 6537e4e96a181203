//! kubeadm's files: `kubeadm.k8s.io/v1beta4` and what comes with it, unknown fields refused.
//!
//! Names and shapes are those of Kubernetes' `cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go`. Of
//! kubelet's and kube-proxy's own files only what clusters of tests use is known.

#![expect(missing_docs, reason = "fields are kubeadm's, and documented there")]

use serde::Deserialize;
use serde::de::IgnoredAny;

/// All documents of one file.
#[derive(Debug, Default)]
pub struct Documents {
    pub init: Option<InitConfiguration>,
    pub cluster: Option<ClusterConfiguration>,
    pub join: Option<JoinConfiguration>,
    pub kubelet: Option<KubeletConfiguration>,
    pub proxy: Option<KubeProxyConfiguration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
}

macro_rules! strict {
    ($($(#[$more:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty,)* })*) => {$(
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        $(#[$more])*
        pub struct $name { $($(#[$of])* pub $field: $kind,)* }
    )*};
}

strict! {
    InitConfiguration {
        api_version: String,
        kind: String,
        bootstrap_tokens: Vec<BootstrapToken>,
        dry_run: bool,
        node_registration: NodeRegistration,
        #[serde(rename = "localAPIEndpoint")]
        local_api_endpoint: ApiEndpoint,
        certificate_key: Option<String>,
        skip_phases: Vec<String>,
        patches: Option<Patches>,
        timeouts: Timeouts,
    }
    BootstrapToken {
        token: String,
        description: Option<String>,
        ttl: Option<String>,
        expires: Option<String>,
        usages: Vec<String>,
        groups: Vec<String>,
    }
    NodeRegistration {
        name: String,
        cri_socket: String,
        taints: Option<Vec<Taint>>,
        kubelet_extra_args: Vec<Argument>,
        ignore_preflight_errors: Vec<String>,
        image_pull_policy: Option<String>,
        image_pull_serial: Option<bool>,
    }
    Taint {
        key: String,
        value: Option<String>,
        effect: String,
    }
    Argument {
        name: String,
        value: String,
    }
    ApiEndpoint {
        advertise_address: String,
        bind_port: Option<u16>,
    }
    Patches {
        directory: String,
    }
    Timeouts {
        control_plane_component_health_check: Option<String>,
        kubelet_health_check: Option<String>,
        #[serde(rename = "kubernetesAPICall")]
        kubernetes_api_call: Option<String>,
        #[serde(rename = "etcdAPICall")]
        etcd_api_call: Option<String>,
        tls_bootstrap: Option<String>,
        discovery: Option<String>,
        upgrade_manifests: Option<String>,
    }
    ClusterConfiguration {
        api_version: String,
        kind: String,
        etcd: Option<Etcd>,
        networking: Networking,
        kubernetes_version: String,
        control_plane_endpoint: String,
        api_server: Component,
        controller_manager: Option<Component>,
        scheduler: Option<Component>,
        dns: Option<IgnoredAny>,
        proxy: Option<IgnoredAny>,
        certificates_dir: Option<String>,
        image_repository: Option<String>,
        feature_gates: Option<IgnoredAny>,
        cluster_name: Option<String>,
        encryption_algorithm: Option<String>,
        certificate_validity_period: Option<String>,
        ca_certificate_validity_period: Option<String>,
    }
    Etcd {
        local: Option<LocalEtcd>,
    }
    LocalEtcd {
        image_repository: Option<String>,
        image_tag: Option<String>,
        data_dir: Option<String>,
        extra_args: Vec<Argument>,
        extra_envs: Option<IgnoredAny>,
        #[serde(rename = "serverCertSANs")]
        server_cert_sans: Vec<String>,
        #[serde(rename = "peerCertSANs")]
        peer_cert_sans: Vec<String>,
    }
    Networking {
        service_subnet: Option<String>,
        pod_subnet: Option<String>,
        dns_domain: Option<String>,
    }
    Component {
        extra_args: Vec<Argument>,
        extra_volumes: Option<IgnoredAny>,
        extra_envs: Option<IgnoredAny>,
        #[serde(rename = "certSANs")]
        cert_sans: Vec<String>,
    }
    JoinConfiguration {
        api_version: String,
        kind: String,
        dry_run: bool,
        node_registration: NodeRegistration,
        ca_cert_path: Option<String>,
        discovery: Discovery,
        control_plane: Option<ControlPlane>,
        skip_phases: Vec<String>,
        patches: Option<Patches>,
        timeouts: Timeouts,
    }
    Discovery {
        bootstrap_token: Option<TokenDiscovery>,
        file: Option<FileDiscovery>,
        tls_bootstrap_token: Option<String>,
    }
    TokenDiscovery {
        token: String,
        #[serde(rename = "apiServerEndpoint")]
        api_server_endpoint: String,
        ca_cert_hashes: Vec<String>,
        #[serde(rename = "unsafeSkipCAVerification")]
        unsafe_skip_ca_verification: bool,
    }
    FileDiscovery {
        kube_config_path: String,
    }
    ControlPlane {
        #[serde(rename = "localAPIEndpoint")]
        local_api_endpoint: ApiEndpoint,
        certificate_key: Option<String>,
    }
    KubeletConfiguration {
        api_version: String,
        kind: String,
        cgroup_driver: Option<String>,
        fail_swap_on: Option<bool>,
        #[serde(rename = "failCgroupV1")]
        fail_cgroup_v1: Option<bool>,
        #[serde(rename = "clusterDNS")]
        cluster_dns: Option<Vec<String>>,
        cluster_domain: Option<String>,
        #[serde(rename = "serverTLSBootstrap")]
        server_tls_bootstrap: Option<bool>,
    }
    KubeProxyConfiguration {
        api_version: String,
        kind: String,
        mode: Option<String>,
        #[serde(rename = "clusterCIDR")]
        cluster_cidr: Option<String>,
    }
}

/// Reads a file's documents.
///
/// # Errors
/// A document isn't one that kubeadm reads, in its words.
pub fn parse(text: &str) -> Result<Documents, String> {
    let mut documents = Documents::default();
    for document in split(text) {
        if document.trim().is_empty() {
            continue;
        }
        let head: Head = read(document)?;
        let Head { api_version, kind } = &head;
        match (api_version.as_str(), kind.as_str()) {
            (KUBEADM, "InitConfiguration") => take(&mut documents.init, document, kind)?,
            (KUBEADM, "ClusterConfiguration") => take(&mut documents.cluster, document, kind)?,
            (KUBEADM, "JoinConfiguration") => take(&mut documents.join, document, kind)?,
            (KUBELET, "KubeletConfiguration") => take(&mut documents.kubelet, document, kind)?,
            (PROXY, "KubeProxyConfiguration") => take(&mut documents.proxy, document, kind)?,
            _ => {
                return Err(format!(
                    "no kind {kind:?} is registered for version {api_version:?} in scheme"
                ));
            }
        }
    }
    Ok(documents)
}

/// The documents of a file.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n---\n").map(|part| part.trim_start_matches("---\n"))
}

/// Whether a document is of a kind.
#[must_use]
pub fn is_kind(document: &str, kind: &str) -> bool {
    read::<Head>(document).is_ok_and(|head| head.kind == kind)
}

impl ClusterConfiguration {
    /// Where images of the control plane come from, and their tag.
    #[must_use]
    pub fn images(&self) -> (&str, &str) {
        let repository = self.image_repository.as_deref().unwrap_or("registry.k8s.io");
        (repository, &self.kubernetes_version)
    }
}

const KUBEADM: &str = "kubeadm.k8s.io/v1beta4";
const KUBELET: &str = "kubelet.config.k8s.io/v1beta1";
const PROXY: &str = "kubeproxy.config.k8s.io/v1alpha1";

fn take<'de, T: Deserialize<'de>>(
    slot: &mut Option<T>,
    document: &'de str,
    kind: &str,
) -> Result<(), String> {
    if slot.is_some() {
        return Err(format!(
            "invalid configuration: kind {kind:?} is specified twice in YAML file"
        ));
    }
    *slot = Some(read(document)?);
    Ok(())
}

fn read<'de, T: Deserialize<'de>>(document: &'de str) -> Result<T, String> {
    serde_saphyr::from_str(document)
        .map_err(|error| format!("strict decoding error: {}", error.to_string().replace('\n', " ")))
}

/// A Go duration such as `24h0m0s`.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("time: invalid duration {text:?}"))
}

/// Id and secret of a token.
///
/// # Errors
/// It has another form, in kubeadm's words.
pub fn token(text: &str) -> Result<(&str, &str), String> {
    let plain = |part: &str, length| {
        let letter = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        part.len() == length && part.bytes().all(letter)
    };
    let parts = text.split_once('.').filter(|(id, secret)| plain(id, 6) && plain(secret, 16));
    parts.ok_or_else(|| {
        "the bootstrap token is invalid: it is not of the form \"\\\\A([a-z0-9]{6})\\\\.([a-z0-9]{16})\\\\z\""
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
