//! What kubeadm looks at before it begins, in its words.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;

use crate::machine::Machine;
use crate::manifests::{self, BOOTSTRAP_CONF, KUBELET_CONF, MANIFESTS};

/// What somebody wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A cluster.
    Init,
    /// A further master.
    JoinMaster,
    /// A worker.
    JoinWorker,
}

/// One check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The name by which it can be ignored.
    pub name: String,
    /// What is wrong.
    pub what: String,
}

/// Least memory of a master, in MiB.
const MASTER_MEMORY: u64 = 1700;

/// First minor version that refuses control groups of version 1.
const WITHOUT_CGROUP_V1: u32 = 35;

/// All that stands in the way; `cri` is the socket of the container runtime.
#[must_use]
pub fn check(machine: &Machine, intent: Intent, name: &str, cri: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |name: &str, what: String| {
        faults.push(Fault { name: name.to_owned(), what });
    };
    let master = intent != Intent::JoinWorker;
    check_system(machine, master, &mut fault);
    check_name(name, &mut fault);
    let socket = cri.trim_start_matches("unix://");
    if let Err(error) = UnixStream::connect(machine.path(socket)) {
        fault("CRI", format!("container runtime is not running: dial unix {socket}: {error}"));
    }
    let mut ports = vec![10250];
    if master {
        ports.extend([6443, 10259, 10257, 2379, 2380]);
    }
    for port in ports {
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_err() {
            fault(&format!("Port-{port}"), format!("Port {port} is in use"));
        }
    }
    let mut absent = Vec::new();
    match intent {
        Intent::Init => absent.extend(manifests::PODS.map(manifests::path_of)),
        Intent::JoinMaster => absent.extend([KUBELET_CONF, BOOTSTRAP_CONF].map(str::to_owned)),
        Intent::JoinWorker => absent.extend(
            [KUBELET_CONF, BOOTSTRAP_CONF, "/etc/kubernetes/pki/ca.crt"].map(str::to_owned),
        ),
    }
    for path in absent {
        if machine.has(&path) {
            let name = format!("FileAvailable-{}", path.replace('/', "-"));
            fault(&name, format!("{path} already exists"));
        }
    }
    let mut empty = Vec::new();
    if intent != Intent::Init {
        empty.push(MANIFESTS);
    }
    if master {
        empty.push("/var/lib/etcd");
    }
    for path in empty {
        if machine.is_filled(path) {
            let name = format!("DirAvailable-{}", path.replace('/', "-"));
            fault(&name, format!("{path} is not empty"));
        }
    }
    faults
}

/// What stands in the way of an upgrade on this machine.
#[must_use]
pub fn check_upgrade(machine: &Machine) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |name: &str, what: String| {
        faults.push(Fault { name: name.to_owned(), what });
    };
    check_root(machine, &mut fault);
    check_control_groups(machine, &mut fault);
    faults
}

fn check_root(machine: &Machine, fault: &mut impl FnMut(&str, String)) {
    let status = machine.read("/proc/self/status").unwrap_or_default();
    if !status.lines().any(|line| line.starts_with("Uid:\t0\t")) {
        fault("IsPrivilegedUser", "user is not running as root".to_owned());
    }
}

fn check_control_groups(machine: &Machine, fault: &mut impl FnMut(&str, String)) {
    let minor = machine.version();
    let minor = minor.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let unified = machine.has("/sys/fs/cgroup/cgroup.controllers");
    if minor.is_some_and(|minor| minor >= WITHOUT_CGROUP_V1) && !unified {
        let what = "cgroups v1 support is deprecated and will be removed in a future release. \
                    Please migrate to cgroups v2. To explicitly enable cgroups v1 support for \
                    kubelet v1.35 or newer, you must set the kubelet configuration option \
                    'FailCgroupV1' to 'false'.";
        fault("SystemVerification", what.to_owned());
    }
}

fn check_system(machine: &Machine, master: bool, fault: &mut impl FnMut(&str, String)) {
    let read = |path: &str| machine.read(path).unwrap_or_default();
    check_root(machine, fault);
    let forward = "/proc/sys/net/ipv4/ip_forward";
    if read(forward).trim() != "1" {
        let name = format!("FileContent-{}", forward.replace('/', "-"));
        fault(&name, format!("{forward} contents are not set to 1"));
    }
    if read("/proc/swaps").lines().count() > 1 {
        fault("Swap", "running with swap on is not supported. Please disable swap".to_owned());
    }
    check_control_groups(machine, fault);
    if !master {
        return;
    }
    let processors = read("/proc/cpuinfo");
    let processors = processors.lines().filter(|line| line.starts_with("processor")).count();
    if processors < 2 {
        let what = format!("the number of available CPUs {processors} is less than the required 2");
        fault("NumCPU", what);
    }
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let memory = memory.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    let memory = memory.unwrap_or_default() / 1024;
    if memory < MASTER_MEMORY {
        let what =
            format!("the system RAM ({memory} MB) is less than the minimum {MASTER_MEMORY} MB");
        fault("Mem", what);
    }
}

/// RFC 1123, small letters only.
fn check_name(name: &str, fault: &mut impl FnMut(&str, String)) {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let label = |part: &str| {
        part.len() <= 63
            && part.bytes().all(|byte| letter(byte) || byte == b'-')
            && part.bytes().next().is_some_and(letter)
            && part.bytes().last().is_some_and(letter)
    };
    if !name.split('.').all(label) {
        let what = format!(
            "invalid node name format {name:?}: a lowercase RFC 1123 subdomain must consist of \
             lower case alphanumeric characters, '-' or '.'"
        );
        fault("Hostname", what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> (tempfile::TempDir, Machine) {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::below(folder.path());
        let files = [
            ("/proc/self/status", "Name:\tx\nUid:\t0\t0\t0\t0\n"),
            ("/proc/sys/net/ipv4/ip_forward", "1\n"),
            ("/proc/swaps", "Filename Type Size Used Priority\n"),
            ("/proc/cpuinfo", "processor\t: 0\nprocessor\t: 1\n"),
            ("/proc/meminfo", "MemTotal:        4194304 kB\n"),
            ("/sys/fs/cgroup/cgroup.controllers", "cpu\n"),
            (crate::machine::VERSION, "1.36.4\n"),
        ];
        for (path, text) in files {
            machine.write(path, text, 0o644).unwrap();
        }
        (folder, machine)
    }

    fn names(machine: &Machine, intent: Intent) -> Vec<String> {
        let faults = check(machine, intent, "kmaster01", "unix:///run/containerd.sock");
        // Which ports are free here is the machine's own business.
        let faults = faults.into_iter().filter(|fault| !fault.name.starts_with("Port-"));
        faults.map(|fault| fault.name).collect()
    }

    #[test]
    fn each_thing_that_kubeadm_refuses_is_refused() {
        let (folder, machine) = good();
        assert_eq!(names(&machine, Intent::Init), ["CRI"], "nothing listens there yet");
        let run = folder.path().join("run");
        std::fs::create_dir_all(&run).unwrap();
        let _runtime = std::os::unix::net::UnixListener::bind(run.join("containerd.sock")).unwrap();
        assert!(names(&machine, Intent::Init).is_empty());
        let faults = [
            ("/proc/sys/net/ipv4/ip_forward", "0\n", "FileContent--proc-sys-net-ipv4-ip_forward"),
            ("/proc/swaps", "Filename\n/swapfile\n", "Swap"),
            ("/proc/cpuinfo", "processor\t: 0\n", "NumCPU"),
            ("/proc/meminfo", "MemTotal: 1000000 kB\n", "Mem"),
            ("/proc/self/status", "Uid:\t1000\t0\n", "IsPrivilegedUser"),
            (
                "/etc/kubernetes/manifests/etcd.yaml",
                "x",
                "FileAvailable--etc-kubernetes-manifests-etcd.yaml",
            ),
            ("/var/lib/etcd/member", "x", "DirAvailable--var-lib-etcd"),
        ];
        for (path, text, name) in faults {
            let before = machine.read(path).ok();
            machine.write(path, text, 0o644).unwrap();
            assert_eq!(names(&machine, Intent::Init), [name]);
            machine.remove(path);
            if let Some(before) = before {
                machine.write(path, &before, 0o644).unwrap();
            }
        }
        machine.remove("/sys/fs/cgroup/cgroup.controllers");
        assert_eq!(names(&machine, Intent::Init), ["SystemVerification"]);
    }

    #[test]
    fn a_half_done_join_is_refused() {
        let (_folder, machine) = good();
        machine.write(KUBELET_CONF, "x", 0o600).unwrap();
        machine.write("/etc/kubernetes/pki/ca.crt", "x", 0o600).unwrap();
        machine.write("/etc/kubernetes/manifests/etcd.yaml", "x", 0o600).unwrap();
        let worker = names(&machine, Intent::JoinWorker);
        assert_eq!(
            worker,
            [
                "CRI",
                "FileAvailable--etc-kubernetes-kubelet.conf",
                "FileAvailable--etc-kubernetes-pki-ca.crt",
                "DirAvailable--etc-kubernetes-manifests"
            ]
        );
        let master = names(&machine, Intent::JoinMaster);
        assert!(!master.contains(&"FileAvailable--etc-kubernetes-pki-ca.crt".to_owned()));
    }

    #[test]
    fn names_of_nodes_are_those_of_rfc_1123() {
        for (name, good) in [
            ("kmaster01", true),
            ("k.m-1", true),
            ("K", false),
            ("k_1", false),
            ("-k", false),
            ("", false),
        ] {
            let mut faults = 0;
            check_name(name, &mut |_, _| faults += 1);
            assert_eq!(faults == 0, good, "{name}");
        }
    }
}
