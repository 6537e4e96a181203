//! containerd's configuration, written as a whole: editing the default one does nothing where it
//! lacks the line that is looked for, as in containerd 2.0 and 2.1.

use std::time::Duration;

use crate::inventory::version::pause_image;
use crate::inventory::{Inventory, SelinuxPolicy};
use crate::paths;
use crate::pki::sha256;
use crate::plan::step::{Act, Command, Content, Step};
use crate::plan::wanted::{Context, Steps};

/// How long containerd may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Configuration, service, and a look at what took effect.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps<'_>) {
    let text = configuration(context.inventory);
    let title = "Configure containerd: systemd manages control groups";
    steps.file("containerd-config", title, paths::CONTAINERD_CONFIG, text.clone());
    let socket = paths::CRI_SOCKET;
    let crictl = format!("runtime-endpoint: \"{socket}\"\nimage-endpoint: \"{socket}\"\n");
    steps.file("crictl-config", "Tell crictl where containerd is", paths::CRICTL_CONFIG, crictl);
    let applied = format!("{}\n", sha256(text.as_bytes()));
    let mark = steps.facts.files.get(paths::APPLIED_CONTAINERD);
    let current = mark.and_then(|file| file.text.as_deref()) == Some(applied.as_str());
    let effective = steps.facts.runtime.as_ref().is_some_and(|runtime| runtime.systemd_cgroup);
    if current && effective && steps.service_is_up("containerd.service") {
        return;
    }
    let command = Command::script(
        "systemctl enable containerd.service\nsystemctl restart containerd.service",
    );
    // A table under a name that this version doesn't know is passed over in silence.
    let took_effect = Command::script(
        "systemctl is-active --quiet containerd.service\n\
         containerd config dump | grep -q '^ *SystemdCgroup = true'\n\
         test -S /run/containerd/containerd.sock",
    );
    let title = "Restart containerd, and see that its configuration took effect";
    let step = Step::new("containerd-service", title, Act::Run { command });
    steps.push(step.verified_by(took_effect.within(START_TIMEOUT)));
    let content = Content::Public(applied);
    let path = (paths::APPLIED_CONTAINERD, 0o644);
    steps.write("containerd-applied", "Remember which configuration runs", path, content);
}

/// The whole file. Versions 1 and 2 know the same things under other names.
pub(super) fn configuration(inventory: &Inventory) -> String {
    let pause = pause_image(inventory.kubernetes.version.minor)
        .map(|tag| format!("{}/pause:{tag}", inventory.kubernetes.image_repository));
    let selinux = inventory.policy.selinux == SelinuxPolicy::Enforcing;
    if inventory.packages.containerd_version.starts_with('1') {
        version_1(pause.as_deref(), selinux)
    } else {
        version_2(pause.as_deref(), selinux)
    }
}

const HEAD: &str = "# Written by halb k8s; changes are overwritten.\n";

fn version_1(pause: Option<&str>, selinux: bool) -> String {
    let cri = "io.containerd.grpc.v1.cri";
    let mut text = format!("{HEAD}version = 2\n\n[plugins.\"{cri}\"]\n");
    if let Some(pause) = pause {
        text.push_str(&format!("  sandbox_image = \"{pause}\"\n"));
    }
    if selinux {
        text.push_str("  enable_selinux = true\n");
    }
    text.push_str(&format!(
        "\n[plugins.\"{cri}\".containerd.runtimes.runc]\n  \
           runtime_type = \"io.containerd.runc.v2\"\n\n\
         [plugins.\"{cri}\".containerd.runtimes.runc.options]\n  \
           SystemdCgroup = true\n\n\
         [plugins.\"{cri}\".registry]\n  \
           config_path = \"{}\"\n",
        paths::REGISTRY_HOSTS
    ));
    text
}

fn version_2(pause: Option<&str>, selinux: bool) -> String {
    let (images, runtime) = ("io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime");
    let mut text = format!("{HEAD}version = 3\n\n");
    if selinux {
        text.push_str(&format!("[plugins.'{runtime}']\n  enable_selinux = true\n\n"));
    }
    text.push_str(&format!(
        "[plugins.'{runtime}'.containerd.runtimes.runc]\n  \
           runtime_type = \"io.containerd.runc.v2\"\n\n\
         [plugins.'{runtime}'.containerd.runtimes.runc.options]\n  \
           SystemdCgroup = true\n\n"
    ));
    if let Some(pause) = pause {
        text.push_str(&format!("[plugins.'{images}'.pinned_images]\n  sandbox = \"{pause}\"\n\n"));
    }
    text.push_str(&format!(
        "[plugins.'{images}'.registry]\n  config_path = \"{}\"\n",
        paths::REGISTRY_HOSTS
    ));
    text
}

#[cfg(test)]
mod tests;
