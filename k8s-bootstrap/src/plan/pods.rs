//! Static pods of a master, stopped and started again.

use crate::kubeadm::API_SERVER_PORT;
use crate::plan::step::Command;

/// Where manifests are while their pods are to be away.
pub(super) const PARKED: &str = "/etc/kubernetes/halb-parked";

/// Functions that such scripts have in common.
const FUNCTIONS: &str = include_str!("pods.sh");

/// The parts of a control plane in the order in which they start, each with a port that it alone
/// listens on.
const PARTS: [(&str, u16); 4] = [
    ("etcd", 2379),
    ("kube-apiserver", API_SERVER_PORT),
    ("kube-controller-manager", 10257),
    ("kube-scheduler", 10259),
];

/// Stops and starts one after the other. One that an interrupted run left away comes back first.
pub(super) fn restart() -> Command {
    let parts = PARTS.map(|(name, port)| format!("{name}:{port}")).join(" ");
    Command::script(format!(
        "{FUNCTIONS}trap 'exit 1' HUP INT TERM\n\
         trap back EXIT\n\
         back\n\
         mkdir -p -m 0700 \"$parked\"\n\
         for part in {parts}; do\n    \
         name=${{part%:*}} port=${{part#*:}}\n    \
         mv -f \"$manifests/$name.yaml\" \"$parked/\"\n    \
         await free \"$port\" \"$name\"\n    \
         mv -f \"$parked/$name.yaml\" \"$manifests/\"\n    \
         await taken \"$port\" \"$name\"\n    \
         echo \"$name runs anew\"\n\
         done"
    ))
}

/// Stops all of them until [`start`]; last the one that started first.
pub(super) fn stop() -> Command {
    let parts: Vec<_> = PARTS.iter().rev().map(|(name, port)| format!("{name}:{port}")).collect();
    let parts = parts.join(" ");
    Command::script(format!(
        "{FUNCTIONS}mkdir -p -m 0700 \"$parked\"\n\
         for part in {parts}; do\n    \
         name=${{part%:*}}\n    \
         [ ! -e \"$manifests/$name.yaml\" ] || mv -f \"$manifests/$name.yaml\" \"$parked/\"\n\
         done\n\
         for part in {parts}; do await free \"${{part#*:}}\" \"${{part%:*}}\"; done"
    ))
}

/// Starts all that were stopped.
pub(super) fn start() -> Command {
    Command::script(format!("{FUNCTIONS}back\nsystemctl start kubelet.service"))
}
