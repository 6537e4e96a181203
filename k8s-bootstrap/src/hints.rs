//! What is behind messages that people meet again and again.

/// A text that a message contains, and what to do.
const HINTS: &[(&str, &str)] = &[
    (
        "FileContent--proc-sys-net-ipv4-ip_forward",
        "the kernel doesn't forward packets: something sets net.ipv4.ip_forward to 0 after halb; look \
         in /etc/sysctl.d",
    ),
    (
        "etcdserver: can only promote a learner member",
        "the new member of etcd doesn't catch up: are ports 2379 and 2380 open both ways, and is the \
         disk fast enough?",
    ),
    (
        "too many learner members",
        "another member of etcd is still being added; wait a minute and run again",
    ),
    (
        "could not find a JWS signature in the cluster-info ConfigMap",
        "the token has expired, or its signature isn't there yet: run again, which makes a new one",
    ),
    (
        "none of the public keys",
        "another cluster answers at the endpoint: is the virtual IP held by one of these balancers?",
    ),
    (
        "doesn't have a stable controlPlaneEndpoint address",
        "the cluster was begun without an endpoint, so no master can join: begin anew, or set \
         controlPlaneEndpoint in the ConfigMap kubeadm-config",
    ),
    (
        "The kubelet is not healthy after",
        "kubelet doesn't start: `journalctl -u kubelet -n 50` on the host says why; often control \
         groups or the container runtime",
    ),
    (
        "inotify_init: too many open files",
        "raise fs.inotify.max_user_instances on the host (512 and more)",
    ),
    (
        "[ERROR Swap]",
        "memory is swapped: something has turned swap on again since halb turned it off",
    ),
    ("[ERROR NumCPU]", "a master needs two processors"),
    ("[ERROR Mem]", "a master needs 1700 MB of memory"),
    (
        "is in use",
        "another program listens on a port that Kubernetes needs: `ss -ltnp` on the host says which",
    ),
    (
        "no matches for kind",
        "a manifest is older or newer than this Kubernetes: check the version of the add-on",
    ),
    (
        "disruption budget",
        "a budget doesn't let a pod go: `kubectl get pdb -A` shows which; start more of its pods, or \
         loosen it, and run again",
    ),
    (
        "Pods that declare no controller",
        "these pods would be gone for good: delete them yourself, if nobody needs them, and run again",
    ),
    ("No space left on device", "the host's disk is full: make room and run again"),
    (
        "Could not get lock /var/lib/dpkg",
        "another program installs packages (unattended-upgrades at the first boot?): wait and run \
         again",
    ),
    (
        "Unable to acquire the dpkg frontend lock",
        "another program installs packages (unattended-upgrades at the first boot?): wait and run \
         again",
    ),
    (
        "dpkg was interrupted",
        "the host went down while it installed packages: run `dpkg --configure -a` on it, then again",
    ),
    (
        "Temporary failure resolving",
        "the host has no name server that answers; its network must work before halb can",
    ),
    (
        "NO_PUBKEY",
        "the repository is signed with a key that the host doesn't trust: has a mirror its own key?",
    ),
    ("x509: certificate has expired or is not yet valid", "the host's clock is wrong"),
    (
        "sorry, you must have a tty to run sudo",
        "sudo wants a terminal: remove requiretty from the host's sudoers",
    ),
    ("Read-only file system", "the host's file system can't be written to; see `dmesg` there"),
];

/// What to do about a message, if it is one of these.
#[must_use]
pub fn hint(message: &str) -> Option<&'static str> {
    HINTS.iter().find(|(text, _)| message.contains(text)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_kubeadm_has_a_hint_and_an_unknown_one_has_none() {
        let swap = "[preflight] Some fatal errors occurred:\n\t[ERROR Swap]: swap is supported for";
        assert!(hint(swap).is_some_and(|hint| hint.contains("swap")));
        assert_eq!(hint("all is well"), None);
    }
}
