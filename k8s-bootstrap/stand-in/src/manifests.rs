//! Files below `/etc/kubernetes`: static pods and kubeconfigs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::client::Client;
use crate::crypto::Pair;
use crate::machine::Machine;

/// Folder of static pods.
pub(crate) const MANIFESTS: &str = "/etc/kubernetes/manifests";
pub(crate) const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
pub(crate) const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
pub(crate) const BOOTSTRAP_CONF: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
pub(crate) const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
pub(crate) const KUBELET_FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
pub(crate) const PKI: &str = "/etc/kubernetes/pki";

/// Static pods of a master.
pub(crate) const PODS: [&str; 4] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];

/// The manifest of a static pod.
pub(crate) fn path_of(pod: &str) -> String {
    format!("{MANIFESTS}/{pod}.yaml")
}

/// A static pod: only what kubelet's stand-in and people look for.
pub(crate) fn pod(name: &str, image: &str, arguments: &[String]) -> String {
    let lines: String = arguments.iter().map(|argument| format!("    - {argument}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: kube-system\n  \
         labels:\n    component: {name}\n    tier: control-plane\nspec:\n  containers:\n  \
         - name: {name}\n    image: {image}\n    command:\n    - {name}\n{lines}  \
         hostNetwork: true\n  priorityClassName: system-node-critical\n"
    )
}

/// The value of an argument in a manifest or a list of flags.
pub(crate) fn argument<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let from = text.find(&format!("--{name}="))? + name.len() + 3;
    text[from..].split([' ', '\n', '"']).next()
}

/// The tag of the image in a static pod's manifest: `v1.36.4`.
pub(crate) fn version(manifest: &str) -> &str {
    let image = manifest.lines().find_map(|line| line.trim().strip_prefix("image: "));
    image.and_then(|image| image.rsplit_once(':')).map_or("", |(_, tag)| tag)
}

/// What a static pod's mirror in the API says of the manifest that it runs by.
pub(crate) const CONFIG_HASH: &str = "kubernetes.io/config.hash";

/// A kubeconfig of one cluster and one user.
pub(crate) fn kubeconfig(server: &str, authority: &str, user: &str, as_who: &User<'_>) -> String {
    let data = |text: &str| STANDARD.encode(text);
    let credentials = match as_who {
        User::Certificate(pair) => format!(
            "    client-certificate-data: {}\n    client-key-data: {}\n",
            data(&pair.certificate),
            data(&pair.key)
        ),
        User::Token(token) => format!("    token: {token}\n"),
        User::Nobody => String::new(),
    };
    let user_entry = match as_who {
        User::Nobody => "users: []\n".to_owned(),
        User::Certificate(_) | User::Token(_) => {
            format!("users:\n- name: \"{user}\"\n  user:\n{credentials}")
        }
    };
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {}\n    \
         server: https://{server}\n  name: kubernetes\ncontexts:\n- context:\n    \
         cluster: kubernetes\n    user: \"{user}\"\n  name: \"{user}@kubernetes\"\n\
         current-context: \"{user}@kubernetes\"\nkind: Config\n{user_entry}",
        data(authority)
    )
}

/// What a kubeconfig's user shows.
pub(crate) enum User<'a> {
    Certificate(&'a Pair),
    Token(&'a str),
    Nobody,
}

#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<ClusterEntry>,
    users: Vec<UserEntry>,
}

#[derive(Deserialize)]
struct ClusterEntry {
    cluster: ClusterDetail,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterDetail {
    certificate_authority_data: String,
    server: String,
}

#[derive(Deserialize)]
struct UserEntry {
    user: UserDetail,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserDetail {
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    token: Option<String>,
}

/// Whoever a kubeconfig is for.
pub(crate) fn client(text: &str) -> Result<Client, String> {
    let read: Kubeconfig = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let cluster = read.clusters.into_iter().next().ok_or("no cluster in the kubeconfig")?.cluster;
    let user = read.users.into_iter().next().map(|entry| entry.user);
    let decode = |data: String| {
        let bytes = STANDARD.decode(data).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    };
    let server = cluster.server.trim_start_matches("https://").to_owned();
    let authority = Some(decode(cluster.certificate_authority_data)?);
    let mut client = Client { server, authority, identity: None, token: None };
    if let Some(user) = user {
        client.token = user.token;
        if let (Some(certificate), Some(key)) = (user.client_certificate_data, user.client_key_data)
        {
            client.identity = Some(Pair { certificate: decode(certificate)?, key: decode(key)? });
        }
    }
    Ok(client)
}

/// Whoever a kubeconfig on a machine is for.
pub(crate) fn client_of(machine: &Machine, path: &str) -> Result<Client, String> {
    client(&machine.read(path)?).map_err(|error| format!("{path}: {error}"))
}
