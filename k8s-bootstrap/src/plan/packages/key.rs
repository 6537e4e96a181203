//! The keys that repositories sign with: fetched by the host itself, compared with a fingerprint,
//! and only then put where the package manager trusts them.

use std::time::Duration;

use crate::facts::{Facts, PackageManager};
use crate::inventory::{CONTAINERD_PACKAGES, Inventory, KUBERNETES_PACKAGES};
use crate::paths;
use crate::plan::step::{Act, Command, Step};
use crate::shell;

/// How long fetching a key may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(300);

/// The key of pkgs.k8s.io (isv:kubernetes), for all versions, deb and rpm.
const KUBERNETES: &str = "DE15B14486CD377B9E876E1A234654DA9A296436";

/// The key of download.docker.com for Debian and Ubuntu.
const CONTAINERD_DEB: &str = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88";

/// The key of download.docker.com for EL and Fedora.
const CONTAINERD_RPM: &str = "060A61C51B558A7F742B77AAC52FEB6B621E9F35";

/// A key of a repository.
#[derive(Debug)]
pub(super) struct Key {
    id: &'static str,
    path: &'static str,
    url: String,
    /// What its only primary key must be; none for a mirror of which the inventory doesn't say.
    pub(super) fingerprint: Option<String>,
    /// What is run first where a tool is missing.
    tools: &'static str,
}

impl Key {
    /// Kubernetes' and containerd's, from these addresses.
    pub(super) fn both(
        inventory: &Inventory,
        [kubernetes, containerd]: [String; 2],
        manager: PackageManager,
    ) -> [Self; 2] {
        let packages = &inventory.packages;
        let (paths, containerd_key, tools) = match manager {
            PackageManager::Apt => {
                ([paths::APT_KUBERNETES_KEY, paths::APT_CONTAINERD_KEY], CONTAINERD_DEB, "")
            }
            PackageManager::Dnf4 | PackageManager::Dnf5 => (
                [paths::YUM_KUBERNETES_KEY, paths::YUM_CONTAINERD_KEY],
                CONTAINERD_RPM,
                "command -v curl >/dev/null || dnf -y install curl\n\
                 command -v gpg >/dev/null || dnf -y install gnupg2\n",
            ),
        };
        let known = |written: &Option<String>, base: &str, maker: &str, key: &str| {
            written.clone().or_else(|| (base == maker).then(|| key.to_owned()))
        };
        let kubernetes_key =
            known(&packages.kubernetes_key, &packages.kubernetes, KUBERNETES_PACKAGES, KUBERNETES);
        let containerd_key = known(
            &packages.containerd_key,
            &packages.containerd,
            CONTAINERD_PACKAGES,
            containerd_key,
        );
        let key = |id, path, url, fingerprint| Self { id, path, url, fingerprint, tools };
        [
            key("kubernetes-key", paths[0], kubernetes, kubernetes_key),
            key("containerd-key", paths[1], containerd, containerd_key),
        ]
    }

    /// Fetches it, if it isn't there, or anew before an installation: makers prolong their keys.
    pub(super) fn step(&self, facts: &Facts, installs: bool) -> Option<Step> {
        if facts.files.contains_key(self.path) && !installs {
            return None;
        }
        let folder = self.path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let (path, url) = (shell::quote(self.path), shell::quote(&self.url));
        let tools = self.tools;
        let compared =
            self.fingerprint.as_deref().map(|fingerprint| comparison(&path, fingerprint));
        let compared = compared.unwrap_or_default();
        let command = Command::script(format!(
            "{tools}install -d -m 0755 {folder}\n\
             curl -fsSL --retry 3 --max-time 60 -o {path}.new {url}\n\
             grep -q 'BEGIN PGP PUBLIC KEY' {path}.new\n\
             {compared}\
             chmod 0644 {path}.new\n\
             mv {path}.new {path}"
        ));
        let title = match &self.fingerprint {
            Some(_) => {
                format!("Fetch the repository's key from {url}, and compare its fingerprint")
            }
            None => format!("Fetch the repository's key from {url}"),
        };
        Some(Step::new(self.id, title, Act::Run { command: command.within(FETCH_TIMEOUT) }))
    }
}

/// Every primary key of the file is trusted, so it must have this one and no other.
fn comparison(path: &str, fingerprint: &str) -> String {
    format!(
        "home=$(mktemp -d)\n\
         found=$(GNUPGHOME=$home gpg --batch --with-colons --show-keys {path}.new |\n    \
         awk -F: '$1 == \"pub\" {{ own = 1 }} $1 == \"fpr\" && own {{ print $10; own = 0 }}')\n\
         rm -rf \"$home\"\n\
         if [ \"$found\" != {fingerprint} ]; then\n    \
         echo \"the key's fingerprint is $found, not {fingerprint}: it is not trusted\" >&2\n    \
         rm -f {path}.new\n    \
         exit 1\n\
         fi\n"
    )
}
