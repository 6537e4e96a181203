//! Where things are on a host: what facts look for and what plans write.

pub(crate) const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
pub(crate) const APPLIED_CONTAINERD: &str = "/var/lib/halb-k8s/applied-containerd";
pub(crate) const APPLIED_HALB: &str = "/var/lib/halb-k8s/applied-halb";
pub(crate) const BEGUN: &str = "/var/lib/halb-k8s/begun";
pub(crate) const CALICO_INSTALLATION: &str = "/etc/kubernetes/halb-calico.yaml";
pub(crate) const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";
pub(crate) const CRICTL_CONFIG: &str = "/etc/crictl.yaml";
pub(crate) const CRI_SOCKET: &str = "unix:///run/containerd/containerd.sock";
pub(crate) const DONE: &str = "/var/lib/halb-k8s/done";
/// Where etcd is saved before an upgrade; the version comes behind it.
pub(crate) const ETCD_BEFORE: &str = "/var/lib/halb-k8s/etcd-before-";
/// The same, as etcd's pod can write it.
pub(crate) const ETCD_SNAPSHOT: &str = "/var/lib/etcd/halb-snapshot.db";
/// What a balancer's marks of masters out of its service begin with; their names come behind it.
pub(crate) const DRAINED: &str = "/var/lib/halb-k8s/drained-";
pub(crate) const ETCD_MEMBER: &str = "/var/lib/etcd/member";
pub(crate) const FSTAB: &str = "/etc/fstab";
pub(crate) const HALB_BINARY: &str = "/usr/bin/halb";
pub(crate) const HALB_CONFIG: &str = "/etc/halb/halb.toml";
pub(crate) const HALB_CA: &str = "/etc/halb/kubernetes-ca.crt";
pub(crate) const HALB_SYSUSERS: &str = "/usr/lib/sysusers.d/halb.conf";
pub(crate) const HALB_UNIT: &str = "/etc/systemd/system/halb.service";
pub(crate) const HOSTS: &str = "/etc/hosts";
pub(crate) const KUBEADM_CONFIG: &str = "/etc/kubernetes/halb-kubeadm.yaml";
pub(crate) const KUBEADM_LOG: &str = "/var/log/halb-kubeadm.log";
pub(crate) const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
pub(crate) const MODULES: &str = "/etc/modules-load.d/halb-k8s.conf";
pub(crate) const PACKAGES_LOG: &str = "/var/log/halb-packages.log";
pub(crate) const PKI: &str = "/etc/kubernetes/pki";
pub(crate) const NETWORK_MANAGER: &str = "/etc/NetworkManager/conf.d/halb-calico.conf";
pub(crate) const REMEMBERED: &str = "/var/lib/halb-k8s/before/state";
pub(crate) const REGISTRY_HOSTS: &str = "/etc/containerd/certs.d";
pub(crate) const REMOVED: &str = "/var/lib/halb-k8s/removed";
pub(crate) const SNAPSHOT: &str = "/var/lib/etcd/halb-snapshot.db";
pub(crate) const SELINUX_CONFIG: &str = "/etc/selinux/config";
pub(crate) const STATE: &str = "/var/lib/halb-k8s";
pub(crate) const SYSCTL: &str = "/etc/sysctl.d/99-halb-k8s.conf";

pub(crate) const APT_KUBERNETES: &str = "/etc/apt/sources.list.d/halb-kubernetes.sources";
pub(crate) const APT_CONTAINERD: &str = "/etc/apt/sources.list.d/halb-containerd.sources";
pub(crate) const APT_KUBERNETES_KEY: &str = "/etc/apt/keyrings/halb-kubernetes.asc";
pub(crate) const APT_CONTAINERD_KEY: &str = "/etc/apt/keyrings/halb-containerd.asc";
pub(crate) const YUM_CONTAINERD_KEY: &str = "/etc/pki/rpm-gpg/halb-containerd.asc";
pub(crate) const YUM_KUBERNETES_KEY: &str = "/etc/pki/rpm-gpg/halb-kubernetes.asc";
pub(crate) const YUM_KUBERNETES: &str = "/etc/yum.repos.d/halb-kubernetes.repo";
pub(crate) const YUM_CONTAINERD: &str = "/etc/yum.repos.d/halb-containerd.repo";

/// What goes on by itself on a host when the run that began it is gone: each unit, and a word for
/// what it does.
pub(crate) const DETACHED: &[(&str, &str)] = &[
    (KUBEADM_INIT_UNIT, "kubeadm init"),
    (KUBEADM_JOIN_UNIT, "kubeadm join"),
    (KUBEADM_UPGRADE_UNIT, "kubeadm upgrade"),
    (PACKAGES_KUBEADM_UNIT, "installing packages"),
    (PACKAGES_UNIT, "installing packages"),
    (RESTART_UNIT, "restarting the control plane"),
    (RESET_UNIT, "kubeadm reset"),
    (RESET_PACKAGES_UNIT, "removing packages"),
    (RESTORE_UNIT, "restoring etcd"),
    (STOP_UNIT, "stopping the control plane"),
    (TOOLS_UNIT, "installing packages"),
];
pub(crate) const KUBEADM_INIT_UNIT: &str = "halb-kubeadm-init";
pub(crate) const KUBEADM_JOIN_UNIT: &str = "halb-kubeadm-join";
pub(crate) const KUBEADM_UPGRADE_UNIT: &str = "halb-kubeadm-upgrade";
pub(crate) const PACKAGES_KUBEADM_UNIT: &str = "halb-packages-kubeadm";
pub(crate) const PACKAGES_UNIT: &str = "halb-packages";
pub(crate) const RESET_UNIT: &str = "halb-reset";
pub(crate) const RESET_PACKAGES_UNIT: &str = "halb-reset-packages";
pub(crate) const RESTORE_UNIT: &str = "halb-restore";
pub(crate) const STOP_UNIT: &str = "halb-stop";
pub(crate) const RESTART_LOG: &str = "/var/log/halb-restart.log";
pub(crate) const RESTART_UNIT: &str = "halb-restart";
pub(crate) const TOOLS_UNIT: &str = "halb-tools";

/// The manifest of a master's API server.
pub(crate) const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// Static pods of a master.
pub(crate) const STATIC_PODS: [&str; 4] = [
    "/etc/kubernetes/manifests/etcd.yaml",
    API_SERVER,
    "/etc/kubernetes/manifests/kube-controller-manager.yaml",
    "/etc/kubernetes/manifests/kube-scheduler.yaml",
];
