//! Kubernetes' packages and containerd from their makers' repositories, of one version, held.

use std::time::Duration;

use crate::facts::{Facts, PackageManager};
use crate::inventory::{Inventory, SelinuxPolicy};
use crate::paths;
use crate::plan::step::{Act, Command, Step};
use crate::plan::wanted::{Context, Steps};
use crate::shell;

/// How long packages may take: other runs of the package manager are waited for, and mirrors are
/// slow.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(1800);

/// What runs apt-get so that nobody is asked and a lock is waited for.
const APT: &str = "DEBIAN_FRONTEND=noninteractive apt-get -q -y \
                   -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold";

/// Packages that have to be of Kubernetes' own version.
const KUBERNETES: [&str; 3] = ["kubeadm", "kubectl", "kubelet"];

/// Packages that come along from the same repository.
const ALONG: [&str; 2] = ["cri-tools", "kubernetes-cni"];

/// Repositories, installation, hold.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps<'_>) {
    match steps.facts.package_manager {
        Some(PackageManager::Apt) => apt(context.inventory, steps),
        Some(PackageManager::Dnf4) => dnf(context.inventory, "--disableexcludes=", steps),
        Some(PackageManager::Dnf5) => {
            dnf(context.inventory, "--setopt=disable_excludes=", steps);
        }
        None => {}
    }
}

/// Whether an installed package is of a version, whatever its revision: `1.36.4` is `1.36.4-1.1`.
fn is_of(facts: &Facts, package: &str, version: &str) -> bool {
    facts.packages.get(package).is_some_and(|installed| {
        let rest = installed.version.strip_prefix(version);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '~', '+']))
    })
}

/// Packages that aren't installed in the version that is wanted, with that version.
fn missing(inventory: &Inventory, facts: &Facts) -> Vec<(&'static str, String)> {
    let kubernetes = inventory.kubernetes.version.to_string();
    let wanted = KUBERNETES.iter().map(|name| (*name, kubernetes.clone()));
    let containerd = ("containerd.io", inventory.packages.containerd_version.clone());
    wanted.chain([containerd]).filter(|(name, version)| !is_of(facts, name, version)).collect()
}

/// All revisions of a version, or all versions that begin so.
fn pattern(version: &str) -> String {
    let whole = version.split('.').count() == 3;
    if whole { format!("{version}-*") } else { format!("{version}.*") }
}

/// The address of Kubernetes' repository of one minor version.
fn kubernetes_url(inventory: &Inventory, kind: &str) -> String {
    let minor = inventory.kubernetes.version.minor_text();
    let base = &inventory.packages.kubernetes;
    format!("{base}/{minor}/{kind}")
}

fn apt(inventory: &Inventory, steps: &mut Steps<'_>) {
    let tools: Vec<_> = ["ca-certificates", "curl"]
        .into_iter()
        .filter(|name| !steps.facts.packages.contains_key(*name))
        .collect();
    if !tools.is_empty() {
        let script = format!("{APT} update\n{APT} install {}", tools.join(" "));
        let title = format!("Install {}", tools.join(" and "));
        steps.push(install("tools", title, Command::script(script)));
    }
    let (id, codename) = (&steps.facts.os.id, steps.facts.os.codename.clone().unwrap_or_default());
    let architecture = if steps.facts.architecture == "aarch64" { "arm64" } else { "amd64" };
    let kubernetes = kubernetes_url(inventory, "deb");
    let containerd = format!("{}/{id}", inventory.packages.containerd);
    let key = paths::APT_KUBERNETES_KEY;
    apt_key("kubernetes-key", key, &format!("{kubernetes}/Release.key"), steps);
    apt_key("containerd-key", paths::APT_CONTAINERD_KEY, &format!("{containerd}/gpg"), steps);
    let source = format!("Types: deb\nURIs: {kubernetes}/\nSuites: /\nSigned-By: {key}\n");
    let title = "Add Kubernetes' repository";
    let mut changed = steps.file("kubernetes-source", title, paths::APT_KUBERNETES, source);
    let source = format!(
        "Types: deb\nURIs: {containerd}\nSuites: {codename}\nComponents: stable\n\
         Architectures: {architecture}\nSigned-By: {}\n",
        paths::APT_CONTAINERD_KEY
    );
    let title = "Add containerd's repository";
    changed |= steps.file("containerd-source", title, paths::APT_CONTAINERD, source);
    let missing = missing(inventory, steps.facts);
    if changed || !missing.is_empty() {
        let mut script = format!("{APT} update");
        if !missing.is_empty() {
            let patterns = missing.iter().map(|(name, version)| {
                shell::quote(&format!("{name}={}", pattern(version))).into_owned()
            });
            let patterns = patterns.collect::<Vec<_>>().join(" ");
            script = format!(
                "{script}\n{APT} install --allow-change-held-packages --allow-downgrades {patterns}"
            );
        }
        steps.push(install("packages", titled(&missing), Command::script(script)));
    }
    let held = |name: &str| {
        let package = steps.facts.packages.get(name);
        let reinstalled = missing.iter().any(|(missing, _)| *missing == name);
        !reinstalled && package.is_some_and(|package| package.held)
    };
    let all = KUBERNETES.into_iter().chain(["containerd.io"]);
    let along = ALONG.into_iter().filter(|name| {
        // Which of them a version brings along differs; those that are there are held.
        !missing.is_empty() || steps.facts.packages.contains_key(*name)
    });
    let (sure, along): (Vec<_>, Vec<_>) =
        (all.filter(|name| !held(name)).collect(), along.filter(|name| !held(name)).collect());
    if !sure.is_empty() || !along.is_empty() {
        let mut script = String::new();
        if !sure.is_empty() {
            script = format!("apt-mark hold {}\n", sure.join(" "));
        }
        for name in along {
            script.push_str(&format!(
                "if dpkg-query -W {name} >/dev/null 2>&1; then apt-mark hold {name}; fi\n"
            ));
        }
        let title = "Hold them: updates of the system leave them alone";
        let command = Command::script(script.trim_end());
        steps.push(Step::new("hold", title, Act::Run { command }));
    }
}

/// The key that a repository's lists are signed with, fetched over TLS by the host itself.
fn apt_key(id: &str, path: &str, url: &str, steps: &mut Steps<'_>) {
    if steps.facts.files.contains_key(path) {
        return;
    }
    let (path, url) = (shell::quote(path), shell::quote(url));
    let command = Command::script(format!(
        "install -d -m 0755 /etc/apt/keyrings\n\
         curl -fsSL --retry 3 --max-time 60 -o {path}.new {url}\n\
         grep -q 'BEGIN PGP PUBLIC KEY' {path}.new\n\
         chmod 0644 {path}.new\n\
         mv {path}.new {path}"
    ));
    let title = format!("Fetch the repository's key from {url}");
    steps.push(Step::new(
        id,
        title,
        Act::Run { command: command.within(Duration::from_secs(300)) },
    ));
}

fn dnf(inventory: &Inventory, without_excludes: &str, steps: &mut Steps<'_>) {
    let kubernetes = kubernetes_url(inventory, "rpm");
    let all = KUBERNETES.into_iter().chain(ALONG).collect::<Vec<_>>().join(" ");
    let text = repository(
        "halb-kubernetes",
        "Kubernetes",
        &format!("{kubernetes}/"),
        &format!("{kubernetes}/repodata/repomd.xml.key"),
        &all,
    );
    steps.file("kubernetes-source", "Add Kubernetes' repository", paths::YUM_KUBERNETES, text);
    let base = format!("{}/centos", inventory.packages.containerd);
    let release = steps.facts.os.version.split('.').next().unwrap_or_default();
    let url = format!("{base}/{release}/$basearch/stable");
    let text =
        repository("halb-containerd", "containerd", &url, &format!("{base}/gpg"), "containerd.io");
    steps.file("containerd-source", "Add containerd's repository", paths::YUM_CONTAINERD, text);
    let missing = missing(inventory, steps.facts);
    let mut words: Vec<String> =
        missing.iter().map(|(name, version)| format!("{name}-{}", pattern(version))).collect();
    let enforcing = inventory.policy.selinux == SelinuxPolicy::Enforcing;
    if enforcing && !steps.facts.packages.contains_key("container-selinux") {
        words.push("container-selinux".to_owned());
    }
    if !words.is_empty() {
        let fixed = ["dnf", "-y", "install"].map(str::to_owned);
        let excludes = ["halb-kubernetes", "halb-containerd"]
            .map(|repository| format!("{without_excludes}{repository}"));
        let command = Command::new(fixed.into_iter().chain(excludes).chain(words));
        steps.push(install("packages", titled(&missing), command));
    }
}

/// A repository whose packages are taken only where a command says so: that holds them.
fn repository(id: &str, name: &str, url: &str, key: &str, excluded: &str) -> String {
    format!(
        "[{id}]\nname={name}\nbaseurl={url}\nenabled=1\ngpgcheck=1\ngpgkey={key}\n\
         exclude={excluded}\n"
    )
}

fn titled(missing: &[(&str, String)]) -> String {
    if missing.is_empty() {
        return "Read the repositories' lists".to_owned();
    }
    let packages: Vec<_> =
        missing.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!("Install {}", packages.join(", "))
}

fn install(id: &str, title: String, command: Command) -> Step {
    Step::new(id, title, Act::Run { command: command.within(INSTALL_TIMEOUT) })
}
