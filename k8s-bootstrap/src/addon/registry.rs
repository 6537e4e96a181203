//! A registry of images within the cluster: data on one node's disk, TLS from a small authority of
//! its own, one user with a password, a fixed address; and containerd on every node told of it.

use std::collections::BTreeMap;

use crate::addon::apply::{self, Ready};
use crate::addon::keys::{Keys, base64};
use crate::addon::manifest::{Kind, Set, Spec};
use crate::addon::objects::{
    self, CLAIM, ClaimSpec, Container, ContainerPort, ContainerSecurity, DEPLOYMENT,
    DeploymentSpec, Env, FIXED_ADDRESS, Mount, NAMESPACE, Nothing, PodSecurity, PodSpec, PodVolume,
    Probe, Resources, SECRET, SERVICE, Secret as SecretBody, Selector, ServicePort, ServiceSpec,
    Strategy, Template, TemplateMetadata,
};
use crate::addon::storage::CLASS;
use crate::addon::{Context, Name, Steps};
use crate::inventory::addons::{Addons, Registry, Transport};
use crate::paths;
use crate::pki::sha256;
use crate::plan::step::{Act, Command, Content, File, Step};
use crate::secret::Secret;
use crate::shell;

pub(super) const SPACE: &str = "halb-registry";

/// The name of its claim.
pub(super) const CLAIM_NAME: &str = "registry";

/// Where it listens, in its pod and at its address.
pub const PORT: u16 = 5000;

const READY: [Ready; 1] = [Ready::Rollout(SPACE, "deployment/registry")];

/// Where the image keeps images.
const DATA: &str = "/var/lib/registry";

/// Who it runs as. Its folder is given to this group by kubelet.
const USER_ID: u32 = 1000;

/// How nodes and clients name it.
#[must_use]
pub fn host(registry: &Registry) -> String {
    format!("{}:{PORT}", registry.address)
}

fn scheme(registry: &Registry) -> &'static str {
    match registry.transport {
        Transport::Tls => "https",
        Transport::PlainHttp => "http",
    }
}

/// All its objects. Without keys, as for a rendering, secrets are left out.
pub(super) fn set(addons: &Addons, registry: &Registry, keys: Option<&Keys>) -> Set {
    let mut set = Set::of(Name::Registry);
    set.add(NAMESPACE, (None, SPACE), Nothing {});
    let mut config = String::new();
    if let Some(keys) = keys {
        add_secrets(&mut set, registry, keys);
        config = sha256(format!("{}{}", keys.registry.public, keys.htpasswd.expose()).as_bytes());
        config.truncate(16);
    }
    let mut volumes = addons.storage.iter().flat_map(|storage| &storage.volumes);
    let volume = volumes.find(|volume| volume.name == registry.volume);
    let size = volume.map(|volume| volume.size.as_str()).unwrap_or_default();
    let spec = ClaimSpec::of(CLASS, &registry.volume, size);
    set.add(CLAIM, (Some(SPACE), CLAIM_NAME), Spec { spec });
    let labels = objects::app("registry");
    let spec = DeploymentSpec {
        replicas: 1,
        selector: Selector { match_labels: labels.clone() },
        // Two pods can't have the one volume.
        strategy: Some(Strategy { r#type: "Recreate" }),
        template: Template {
            // New secrets need a new pod.
            metadata: TemplateMetadata {
                labels: labels.clone(),
                annotations: BTreeMap::from([("halb/config", config)]),
            },
            spec: pod(registry),
        },
    };
    set.add(DEPLOYMENT, (Some(SPACE), "registry"), Spec { spec });
    let port = ServicePort { name: "registry", port: PORT, target_port: "registry" };
    let spec = ServiceSpec {
        r#type: "LoadBalancer",
        cluster_ip: None,
        selector: Some(labels),
        ports: vec![port],
    };
    let service = set.add(SERVICE, (Some(SPACE), "registry"), Spec { spec });
    service.annotations.insert(FIXED_ADDRESS, registry.address.to_string());
    set
}

fn add_secrets(set: &mut Set, registry: &Registry, keys: &Keys) {
    let mut secret = |name: &str, kind: &'static str, entries: &[(&'static str, &str)]| {
        let data = entries.iter().map(|(key, text)| (*key, base64(text.as_bytes()))).collect();
        let body = SecretBody { r#type: kind, data };
        set.hide(body.data.values().cloned());
        set.add(SECRET, (Some(SPACE), name), body);
    };
    secret("registry-auth", "Opaque", &[("htpasswd", keys.htpasswd.expose())]);
    if registry.transport == Transport::Tls {
        let pair = &keys.registry;
        let entries = [("tls.crt", pair.public.as_str()), ("tls.key", pair.key.expose())];
        secret("registry-tls", "kubernetes.io/tls", &entries);
    }
}

fn pod(registry: &Registry) -> PodSpec {
    let tls = registry.transport == Transport::Tls;
    let scheme = if tls { "HTTPS" } else { "HTTP" };
    let mut mounts = vec![
        Mount { name: "data", mount_path: DATA, read_only: None },
        Mount { name: "auth", mount_path: "/auth", read_only: Some(true) },
    ];
    let mut volumes =
        vec![PodVolume::claim("data", CLAIM_NAME), PodVolume::secret("auth", "registry-auth")];
    if tls {
        mounts.push(Mount { name: "tls", mount_path: "/tls", read_only: Some(true) });
        volumes.push(PodVolume::secret("tls", "registry-tls"));
    }
    // `/v2/` wants a password; the root says that it is there.
    let probe = Probe::http(scheme, "registry", "/");
    let container = Container {
        name: "registry",
        image: registry.image.clone(),
        env: environment(registry),
        ports: vec![ContainerPort { name: "registry", container_port: PORT }],
        readiness_probe: probe.clone(),
        liveness_probe: Some(probe),
        resources: Resources::of("100m", "64Mi"),
        security_context: ContainerSecurity { allow_privilege_escalation: false },
        volume_mounts: mounts,
    };
    PodSpec {
        affinity: None,
        automount_service_account_token: false,
        containers: vec![container],
        security_context: Some(PodSecurity::user(USER_ID)),
        service_account_name: None,
        termination_grace_period_seconds: None,
        volumes,
    }
}

/// What the registry is told; everything else is as its image has it.
pub(super) fn environment(registry: &Registry) -> Vec<Env> {
    let mut all = vec![
        ("REGISTRY_AUTH", "htpasswd".to_owned()),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd".to_owned()),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "registry".to_owned()),
        ("REGISTRY_HTTP_ADDR", format!(":{PORT}")),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "true".to_owned()),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", DATA.to_owned()),
    ];
    if registry.transport == Transport::Tls {
        all.push(("REGISTRY_HTTP_TLS_CERTIFICATE", "/tls/tls.crt".to_owned()));
        all.push(("REGISTRY_HTTP_TLS_KEY", "/tls/tls.key".to_owned()));
    }
    all.into_iter().map(|(name, value)| Env::text(name, value)).collect()
}

pub(super) fn install(context: Context<'_>, steps: &mut Steps) {
    let addons = &context.inventory.addons;
    let (Some(registry), Some(keys)) = (&addons.registry, context.keys) else { return };
    for host in context.inventory.hosts.iter().filter(|host| host.is_node()) {
        for step in client(registry, keys) {
            steps.on(&host.name, step);
        }
    }
    let title = format!("Run a registry at {}", host(registry));
    let set = set(addons, registry, Some(keys));
    steps.cluster.push(apply::apply("registry", title, &set, &READY));
    steps.outside.push((context.leader.name.clone(), asked(registry)));
}

/// The folder in which containerd looks for what it has to know of the registry.
fn folder(registry: &Registry) -> String {
    format!("{}/{}", paths::REGISTRY_HOSTS, host(registry))
}

/// The first line of files that tell containerd of the registry.
const MARK: &str = "# Written by halb k8s for its registry; changes are overwritten.";

/// What containerd has to know, which it reads anew for each image: no restart.
fn client(registry: &Registry, keys: &Keys) -> Vec<Step> {
    let folder = folder(registry);
    let mut steps = Vec::new();
    if registry.transport == Transport::Tls {
        let content = Content::Public(keys.authority.public.clone());
        let title = "Tell containerd whom the registry's certificate is from";
        steps.push(file("registry-ca", title, (&format!("{folder}/ca.crt"), 0o644), content));
    }
    let content = Content::Secret(hosts_toml(registry, keys));
    let title = "Tell containerd of the registry";
    steps.push(file("registry-hosts", title, (&format!("{folder}/hosts.toml"), 0o600), content));
    steps.push(forget("registry-elsewhere", Some(&folder)));
    steps
}

/// The password goes along as a header, so that nodes pull without a secret in every namespace.
pub(super) fn hosts_toml(registry: &Registry, keys: &Keys) -> Secret {
    let server = format!("{}://{}", scheme(registry), host(registry));
    let basic = keys.basic();
    let ca = match registry.transport {
        Transport::Tls => format!("  ca = \"{}/ca.crt\"\n", folder(registry)),
        Transport::PlainHttp => String::new(),
    };
    let text = format!(
        "{MARK}\nserver = \"{server}\"\n\n[host.\"{server}\"]\n  \
         capabilities = [\"pull\", \"resolve\", \"push\"]\n{ca}\n\
         [host.\"{server}\".header]\n  Authorization = \"Basic {basic}\"\n"
    );
    Secret::with_words(text, &[&basic])
}

/// A file of root, unless it is there like this.
fn file(id: &str, title: &str, (path, mode): (&str, u32), content: Content) -> Step {
    let hash = sha256(content.expose().as_bytes());
    let quoted = shell::quote(path);
    let look = Command::script(format!(
        "[ \"$(stat -c '%a %U:%G' {quoted})\" = '{mode:o} root:root' ]\n\
         echo '{hash}  {path}' | sha256sum --check --quiet -"
    ));
    let (path, owner) = (path.to_owned(), "root:root".to_owned());
    let file = File { path, mode, owner, content, before: None };
    Step::new(id, title, Act::Write { file }).unless(look)
}

/// Removes what tells containerd of a registry of ours, but for the one in this folder.
fn forget(id: &str, but: Option<&str>) -> Step {
    let each = format!(
        "for file in {}/*/hosts.toml; do\n    \
             grep -qsxF '{MARK}' \"$file\" || continue\n    \
             [ \"${{file%/*}}\" != {} ] || continue\n    ",
        paths::REGISTRY_HOSTS,
        shell::quote(but.unwrap_or("none")),
    );
    let title = match but {
        Some(_) => "Have containerd forget where the registry was before",
        None => "Have containerd forget the registry",
    };
    let command =
        Command::script(format!("{each}rm -f -- \"$file\" \"${{file%/*}}/ca.crt\"\ndone"));
    let look = Command::script(format!("{each}exit 1\ndone"));
    Step::new(id, title, Act::Run { command }).unless(look)
}

/// Without a password it refuses, and over TLS it is who it says it is.
fn asked(registry: &Registry) -> Step {
    let url = format!("{}://{}/v2/", scheme(registry), host(registry));
    let ca = match registry.transport {
        Transport::Tls => format!("--cacert '{}/ca.crt' ", folder(registry)),
        Transport::PlainHttp => String::new(),
    };
    let look = format!(
        "[ \"$(curl -s -o /dev/null --max-time 5 {ca}-w '%{{http_code}}' {url} || :)\" = 401 ]"
    );
    let wait = Command::script(format!("until {look}; do sleep 1; done"));
    let wait = wait.within(std::time::Duration::from_secs(120));
    let title = format!("Ask the registry at {}", host(registry));
    Step::new("registry-answers", title, Act::Run { command: wait }).unless(Command::script(look))
}

pub(super) fn remove(context: Context<'_>, steps: &mut Steps) {
    const KINDS: [Kind; 5] = [SERVICE, DEPLOYMENT, SECRET, CLAIM, NAMESPACE];
    let kinds = KINDS.map(|kind| kind.resource);
    let title = "Remove the registry; its images stay in the folder of its volume";
    steps.cluster.push(apply::remove(Name::Registry, title, &kinds));
    for host in context.inventory.hosts.iter().filter(|host| host.is_node()) {
        steps.on(&host.name, forget("registry-hosts", None));
    }
}

/// Pulls an image on a node, gives it a name in the registry, and pushes it there.
pub(super) fn push(registry: &Registry, image: &str) -> Vec<Step> {
    let own = format!("{}/{}", host(registry), repository(image));
    let ctr = format!(
        "case $(uname -m) in\nx86_64) platform=linux/amd64 ;;\naarch64) platform=linux/arm64 ;;\n\
         *) echo \"no image for $(uname -m)\" >&2; exit 1 ;;\nesac\n\
         ctr() {{ command ctr --namespace=k8s.io images \"$@\"; }}\n\
         hosts=--hosts-dir={}\n",
        paths::REGISTRY_HOSTS
    );
    let step = |id: &str, title: String, line: String| {
        let command = Command::script(format!("{ctr}{line}")).within(apply::READY_MAX);
        Step::new(id, title, Act::Run { command })
    };
    let (from, to) = (shell::quote(image), shell::quote(&own));
    vec![
        step(
            "pull",
            format!("Pull {image}"),
            format!("ctr pull \"$hosts\" --platform \"$platform\" {from}"),
        ),
        step("tag", format!("Call it {own}"), format!("ctr tag --force {from} {to}")),
        step(
            "push",
            format!("Push {own}"),
            format!("ctr push \"$hosts\" --platform \"$platform\" {to}"),
        ),
    ]
}

/// The name of an image without its registry, and without the folder of Docker's own ones. One that
/// is named by its hash alone gets a tag that says so.
fn repository(image: &str) -> String {
    let rest = image.split_once('/').map_or(image, |(_, rest)| rest);
    let rest = rest.strip_prefix("library/").unwrap_or(rest);
    match rest.split_once('@') {
        Some((name, _)) if name.contains(':') => name.to_owned(),
        Some((name, hash)) => {
            let digits: String = hash.trim_start_matches("sha256:").chars().take(12).collect();
            format!("{name}:sha256-{digits}")
        }
        None => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests;
