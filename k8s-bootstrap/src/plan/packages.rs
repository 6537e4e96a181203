//! Kubernetes' packages and containerd from their makers' repositories, of one version, held.

mod key;

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

/// Names of the repositories on EL.
const REPOSITORIES: [&str; 2] = ["halb-kubernetes", "halb-containerd"];

/// Which packages are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of them.
    All,
    /// kubeadm alone, which goes ahead of the others in an upgrade; nothing is held yet.
    Kubeadm,
    /// All but kubeadm, from repositories that have been read.
    Rest,
}

impl Part {
    fn has(self, package: &str) -> bool {
        match self {
            Self::All => true,
            Self::Kubeadm => package == "kubeadm",
            Self::Rest => package != "kubeadm",
        }
    }

    /// Step and unit. Within a run, a unit of a name that has ended counts as done, so those that a
    /// host has one after the other differ.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::All | Self::Rest => ("packages", paths::PACKAGES_UNIT),
            Self::Kubeadm => ("kubeadm-package", paths::PACKAGES_KUBEADM_UNIT),
        }
    }
}

/// Repositories, installation, hold.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps<'_>, part: Part) {
    match steps.facts.package_manager {
        Some(PackageManager::Apt) => apt(context.inventory, steps, part),
        Some(PackageManager::Dnf4) => dnf(
            context.inventory,
            REPOSITORIES.map(|id| format!("--disableexcludes={id}")).to_vec(),
            steps,
            part,
        ),
        // A second setting of an option takes the first one's place.
        Some(PackageManager::Dnf5) => dnf(
            context.inventory,
            vec![format!("--setopt=disable_excludes={}", REPOSITORIES.join(","))],
            steps,
            part,
        ),
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

fn apt(inventory: &Inventory, steps: &mut Steps<'_>, part: Part) {
    let missing = missing(inventory, steps.facts);
    let changed = part != Part::Rest && apt_sources(inventory, steps, !missing.is_empty());
    let wanted: Vec<_> = missing.iter().filter(|(name, _)| part.has(name)).cloned().collect();
    if changed || !wanted.is_empty() {
        let mut script = format!("{APT} update");
        if !wanted.is_empty() {
            let patterns = wanted.iter().map(|(name, version)| {
                shell::quote(&format!("{name}={}", pattern(version))).into_owned()
            });
            let patterns = patterns.collect::<Vec<_>>().join(" ");
            script = format!(
                "{script}\n{APT} install --allow-change-held-packages --allow-downgrades {patterns}"
            );
        }
        steps.push(install(part.names(), titled(&wanted), Command::script(script)));
    }
    if part != Part::Kubeadm {
        apt_hold(steps, &missing);
    }
}

/// Keys and lists of repositories; whether a list has changed.
fn apt_sources(inventory: &Inventory, steps: &mut Steps<'_>, installs: bool) -> bool {
    let kubernetes = kubernetes_url(inventory, "deb");
    let containerd = format!("{}/{}", inventory.packages.containerd, steps.facts.os.id);
    let keys = key::Key::both(
        inventory,
        [format!("{kubernetes}/Release.key"), format!("{containerd}/gpg")],
        PackageManager::Apt,
    );
    let keys = keys.map(|key| key.step(steps.facts, installs).map(|step| (key, step)));
    let keys: Vec<_> = keys.into_iter().flatten().collect();
    let compares = keys.iter().any(|(key, _)| key.fingerprint.is_some());
    let tools: Vec<_> = ["ca-certificates", "curl"]
        .into_iter()
        .chain(compares.then_some("gpg"))
        .filter(|name| !steps.facts.packages.contains_key(*name))
        .collect();
    if !tools.is_empty() {
        let script = format!("{APT} update\n{APT} install {}", tools.join(" "));
        let title = format!("Install {}", tools.join(" and "));
        steps.push(install(("tools", paths::TOOLS_UNIT), title, Command::script(script)));
    }
    let codename = steps.facts.os.codename.clone().unwrap_or_default();
    let architecture = if steps.facts.architecture == "aarch64" { "arm64" } else { "amd64" };
    for (_, step) in keys {
        steps.push(step);
    }
    let key = paths::APT_KUBERNETES_KEY;
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
    changed
}

/// Packages that are there, or come, and aren't held. `missing` are those that come.
fn apt_hold(steps: &mut Steps<'_>, missing: &[(&str, String)]) {
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

/// Packages are held by being left out of what the repositories offer: that needs no plugin, as a
/// lock on versions does, and `without_excludes` takes it back for one command.
fn dnf(inventory: &Inventory, without_excludes: Vec<String>, steps: &mut Steps<'_>, part: Part) {
    let missing = missing(inventory, steps.facts);
    if part != Part::Rest {
        dnf_sources(inventory, steps, !missing.is_empty());
    }
    let wanted: Vec<_> = missing.into_iter().filter(|(name, _)| part.has(name)).collect();
    let mut words: Vec<String> =
        wanted.iter().map(|(name, version)| format!("{name}-{}", pattern(version))).collect();
    let enforcing = inventory.policy.selinux == SelinuxPolicy::Enforcing;
    let selinux = "container-selinux";
    if enforcing && part != Part::Kubeadm && !steps.facts.packages.contains_key(selinux) {
        words.push(selinux.to_owned());
    }
    if !words.is_empty() {
        let fixed = ["dnf", "-y", "install"].map(str::to_owned);
        let command = Command::new(fixed.into_iter().chain(without_excludes).chain(words));
        steps.push(install(part.names(), titled(&wanted), command));
    }
}

/// Keys, and repositories that hold their packages.
fn dnf_sources(inventory: &Inventory, steps: &mut Steps<'_>, installs: bool) {
    let kubernetes = kubernetes_url(inventory, "rpm");
    let base = format!("{}/centos", inventory.packages.containerd);
    let keys = key::Key::both(
        inventory,
        [format!("{kubernetes}/repodata/repomd.xml.key"), format!("{base}/gpg")],
        PackageManager::Dnf4,
    );
    for key in keys {
        if let Some(step) = key.step(steps.facts, installs) {
            steps.push(step);
        }
    }
    let all = KUBERNETES.into_iter().chain(ALONG).collect::<Vec<_>>().join(" ");
    let text = repository(
        "halb-kubernetes",
        "Kubernetes",
        &format!("{kubernetes}/"),
        paths::YUM_KUBERNETES_KEY,
        &all,
    );
    steps.file("kubernetes-source", "Add Kubernetes' repository", paths::YUM_KUBERNETES, text);
    let release = steps.facts.os.version.split('.').next().unwrap_or_default();
    let url = format!("{base}/{release}/$basearch/stable");
    let text = repository(
        "halb-containerd",
        "containerd",
        &url,
        paths::YUM_CONTAINERD_KEY,
        "containerd.io",
    );
    steps.file("containerd-source", "Add containerd's repository", paths::YUM_CONTAINERD, text);
}

/// A repository whose packages are taken only where a command says so: that holds them.
fn repository(id: &str, name: &str, url: &str, key: &str, excluded: &str) -> String {
    format!(
        "[{id}]\nname={name}\nbaseurl={url}\nenabled=1\ngpgcheck=1\ngpgkey=file://{key}\n\
         excludepkgs={excluded}\n"
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

/// As a unit: dnf dies in the middle of its work when nobody reads what it says any more.
fn install((id, unit): (&str, &str), title: String, command: Command) -> Step {
    let act = Act::RunDetached {
        unit: unit.to_owned(),
        command: command.within(INSTALL_TIMEOUT),
        output: paths::PACKAGES_LOG.to_owned(),
    };
    Step::new(id, title, act)
}
