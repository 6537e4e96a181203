//! Hosts as numbers in a table: what they say of themselves, and what a plan's steps make of it.

use std::collections::{BTreeMap, BTreeSet};

use ring::rand::SystemRandom;
use time::OffsetDateTime;

use super::super::{Act, Command, FactsByHost, Operator, Plan, Step, make, text};
use crate::facts::script::{MODULES, NETWORK_MANAGER, SYSCTLS};
use crate::facts::{
    Calico, Cluster, ClusterState, EtcdMember, Facts, FileFact, Interface, Node, Os, Package,
    PackageManager, Runtime, Selinux, Service,
};
use crate::inventory::version::Version;
use crate::inventory::{self, Inventory, Role};
use crate::paths;
use crate::pki::{Material, sha256};
use crate::plan::life::Ground;
use crate::plan::preflight::Fault;

/// The unit that hosts get.
const UNIT: &str = include_str!("../../../../packaging/systemd/halb.service");

/// Systems that halb knows.
pub(crate) const SYSTEMS: [&str; 4] = ["debian12", "ubuntu2404", "el9", "el10"];

/// A cluster's hosts, its operator's side, and what it shall be.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) inventory: Inventory,
    pub(crate) facts: FactsByHost,
    pub(crate) material: Material,
    pub(crate) operator: Operator,
    /// Hosts with a user for halb, which no fact tells of.
    users: BTreeSet<String>,
}

fn os(id: &str, like: &str, version: &str, codename: Option<&str>) -> Os {
    Os {
        id: id.to_owned(),
        like: like.split_whitespace().map(str::to_owned).collect(),
        version: version.to_owned(),
        codename: codename.map(str::to_owned),
        title: format!("{id} {version}"),
    }
}

impl World {
    /// Bare hosts of one system for an inventory.
    pub(crate) fn bare(inventory: &str, system: &str) -> Self {
        let loaded = inventory::parse(inventory);
        let inventory = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).inventory;
        let hosts = inventory.hosts.iter();
        let facts = hosts.map(|host| (host.name.clone(), bare(host, system))).collect();
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range");
        let material = Material::make(&SystemRandom::new(), now).expect("random numbers");
        let operator = Operator { halb_sha256: "5a".repeat(32), has_access: false };
        Self { inventory, facts, material, operator, users: BTreeSet::new() }
    }

    pub(crate) fn try_plan(&self) -> Result<Plan, Vec<Fault>> {
        make(&self.inventory, &self.facts, &self.material, &self.operator)
    }

    pub(crate) fn plan(&self) -> Plan {
        self.try_plan().unwrap_or_else(|faults| panic!("{faults:#?}"))
    }

    /// What changes are made from.
    pub(crate) fn ground(&self) -> Ground<'_> {
        let Self { inventory, facts, material, operator, .. } = self;
        Ground { inventory, facts, material, operator }
    }

    /// The cluster as a master sees it.
    pub(crate) fn cluster(&self, master: &str) -> Cluster {
        match &self.facts[master].cluster {
            ClusterState::Answers(cluster) => cluster.clone(),
            ClusterState::None | ClusterState::Silent => panic!("{master} sees no cluster"),
        }
    }

    /// A master's etcd and API server are down.
    pub(crate) fn silence(&mut self, master: &str) {
        let facts = self.facts_of(master);
        facts.ports.remove(&2379);
        facts.cluster = ClusterState::Silent;
    }

    /// Does steps of a change to this version.
    pub(crate) fn apply_upgrade(&mut self, plan: &Plan, count: usize, version: &str) {
        let before = self.inventory.kubernetes.version;
        self.inventory.kubernetes.version = Version::parse(version).expect("a version");
        self.apply(plan, count);
        self.inventory.kubernetes.version = before;
    }

    /// The plan as people read it, with what differs from run to run replaced.
    pub(crate) fn text(&self) -> String {
        self.told(&self.plan())
    }

    /// Another plan as people read it, likewise.
    pub(crate) fn told(&self, plan: &Plan) -> String {
        let mut text = text::render(plan);
        let hash = self.material.ca_hash();
        text = text.replace(&hash, "sha256:(hash of the authority)");
        text = text.replace(self.material.token_id(), "abcdef");
        let pairs = [&self.material.ca, &self.material.front_proxy_ca, &self.material.etcd_ca];
        for pair in pairs.into_iter().chain([&self.material.service_accounts]) {
            let lines = pair.public.lines().filter(|line| !line.starts_with("-----"));
            for line in lines {
                text = text.replace(line, "(base64)");
            }
        }
        // Whoever changes the unit needn't think of plans.
        let unit: String = UNIT
            .lines()
            .map(|line| format!("{}\n", format!("        + {line}").trim_end()))
            .collect();
        text = text.replace(&unit, "        + (the unit of the package)\n");
        let applied = |line: &str| line.len() == 74 && line.starts_with("        + ");
        let part = |line: &str| {
            let (head, hash) = line.rsplit_once(' ')?;
            let parts = ["unit", "program", "configuration"];
            let is_part = parts.iter().any(|part| head.get(10..) == Some(*part));
            (is_part && hash.len() == 64).then(|| format!("{head} (hash)"))
        };
        let lines = text.lines().map(|line| match (applied(line), part(line)) {
            (true, _) => "        + (hash)".to_owned(),
            (false, Some(masked)) => masked,
            (false, None) => line.to_owned(),
        });
        let mut lines: Vec<_> = lines.collect();
        lines.dedup_by(|one, other| one == other && one.ends_with("(base64)"));
        lines.join("\n") + "\n"
    }

    pub(crate) fn facts_of(&mut self, host: &str) -> &mut Facts {
        self.facts.get_mut(host).expect("a host of the inventory")
    }

    /// Does the first steps of a plan, `count` of them.
    pub(crate) fn apply(&mut self, plan: &Plan, count: usize) {
        let steps = plan.stages.iter().flat_map(|stage| {
            stage.hosts.iter().flat_map(|host| host.steps.iter().map(|step| (&host.host, step)))
        });
        let mut units = BTreeSet::new();
        for (host, step) in steps.take(count) {
            if let Act::RunDetached { unit, .. } = &step.act {
                let why = "has ended in this run already and isn't begun again";
                assert!(units.insert((host, unit)), "{host}: {unit} {why}");
            }
            self.take(host, step);
        }
    }

    pub(crate) fn apply_all(&mut self, plan: &Plan) {
        self.apply(plan, usize::MAX);
    }

    fn take(&mut self, host: &str, step: &Step) {
        match &step.act {
            Act::Write { file } => {
                let text = file.content.expose().to_owned();
                let public = matches!(file.content, super::super::Content::Public(_));
                let fact = FileFact {
                    mode: file.mode,
                    owner: file.owner.clone(),
                    sha256: Some(sha256(text.as_bytes())),
                    text: public.then_some(text),
                };
                let facts = self.facts_of(host);
                facts.files.insert(file.path.clone(), fact);
                if let Some(master) = file.path.strip_prefix(paths::DRAINED) {
                    facts.drained.insert(master.to_owned());
                }
            }
            Act::Remove { path } => {
                let facts = self.facts_of(host);
                facts.files.remove(path);
                if let Some(master) = path.strip_prefix(paths::DRAINED) {
                    facts.drained.remove(master);
                }
            }
            Act::InstallHalb { path, sha256 } => {
                let hash = sha256.clone();
                self.facts_of(host).files.insert(path.clone(), file(Some(hash)));
            }
            Act::Remember { .. } => {
                let path = paths::REMEMBERED.to_owned();
                self.facts_of(host).files.insert(path, file(Some("r".to_owned())));
            }
            Act::Upload { path, sha256, .. } => {
                let hash = sha256.clone();
                self.facts_of(host).files.insert(path.clone(), file(Some(hash)));
            }
            Act::FetchKubeconfig { .. } => self.operator.has_access = true,
            Act::RunDetached { .. } if step.id == "kubeadm-upgrade" => self.is_upgraded(host),
            Act::RunDetached { unit, .. } if unit.starts_with("halb-kubeadm-") => {
                self.becomes_node(host);
            }
            Act::Run { command } | Act::RunDetached { command, .. } => {
                self.run(host, &step.id, command);
            }
        }
    }

    /// What a command does, known by its step.
    fn run(&mut self, host: &str, id: &str, command: &Command) {
        let version = self.inventory.kubernetes.version.to_string();
        let facts = self.facts.get_mut(host).expect("a host of the inventory");
        match id {
            "tools" => {
                facts.packages.insert("curl".into(), package("8"));
                facts.packages.insert("ca-certificates".into(), package("1"));
                facts.packages.insert("gpg".into(), package("2"));
            }
            "kubernetes-key" => {
                let path = match facts.package_manager {
                    Some(PackageManager::Apt) | None => paths::APT_KUBERNETES_KEY,
                    Some(PackageManager::Dnf4 | PackageManager::Dnf5) => paths::YUM_KUBERNETES_KEY,
                };
                facts.files.insert(path.into(), file(Some("k".into())));
            }
            "containerd-key" => {
                let path = match facts.package_manager {
                    Some(PackageManager::Apt) | None => paths::APT_CONTAINERD_KEY,
                    Some(PackageManager::Dnf4 | PackageManager::Dnf5) => paths::YUM_CONTAINERD_KEY,
                };
                facts.files.insert(path.into(), file(Some("c".into())));
            }
            "kubeadm-package" => {
                facts.packages.insert("kubeadm".into(), package(&format!("{version}-1.1")));
            }
            "packages" => {
                let words = command.line();
                for name in ["kubeadm", "kubectl", "kubelet"] {
                    if words.contains(&format!("{name}={version}"))
                        || words.contains(&format!("{name}-{version}"))
                    {
                        facts.packages.insert(name.into(), package(&format!("{version}-1.1")));
                    }
                }
                facts.packages.insert("containerd.io".into(), package("2.2.1-1"));
                facts.packages.insert("cri-tools".into(), package("1.36.0-1.1"));
                facts.packages.insert("kubernetes-cni".into(), package("1.8.0-1.1"));
            }
            "hold" => facts.packages.values_mut().for_each(|package| package.held = true),
            "swap-off" => facts.swaps.clear(),
            "swap-units" => {
                facts.services.insert("swap.target".into(), service("inactive", "masked"));
            }
            "sysctl-now" => {
                let set = SYSCTLS.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
                facts.sysctls = set.collect();
            }
            "selinux-now" => facts.selinux = Selinux::Permissive,
            "firewall" => {
                let added = command.line();
                let words = added.split_whitespace().filter_map(|word| word.split_once('='));
                facts.open.extend(words.map(|(_, open)| open.to_owned()));
                if added.contains("disable") {
                    facts.firewall = None;
                }
            }
            "containerd-service" => {
                facts.services.insert("containerd.service".into(), service("active", "enabled"));
                facts.runtime = Some(Runtime { version: "2.2.1".into(), systemd_cgroup: true });
            }
            "kubelet-service" => {
                let kubelet = service("activating", "enabled");
                facts.services.insert("kubelet.service".into(), kubelet);
            }
            "halb-user-made" => {
                assert!(facts.files.contains_key(paths::HALB_SYSUSERS), "of which user?");
                self.users.insert(host.to_owned());
            }
            "halb-service" => {
                assert!(self.users.contains(host), "halb is started on {host} without its user");
                facts.services.insert("halb.service".into(), service("active", "enabled"));
                for unit in ["haproxy.service", "keepalived.service"] {
                    if let Some(replaced) = facts.services.get_mut(unit) {
                        *replaced = service("inactive", "disabled");
                    }
                }
            }
            "reset" => {
                let kubernetes = |path: &String| {
                    path.starts_with("/etc/kubernetes/pki")
                        || path.starts_with("/etc/kubernetes/manifests")
                        || path.ends_with(".conf") && path.starts_with("/etc/kubernetes/")
                        || path == paths::ETCD_MEMBER
                };
                facts.files.retain(|path, _| !kubernetes(path));
                facts.cluster = ClusterState::None;
                facts.api_server = None;
                facts.ports.remove(&2379);
            }
            "calico" => self.calico(),
            "pull-images"
            | "token"
            | "halb-check"
            | "calico-definitions"
            | "calico-operator"
            | "etcd-snapshot"
            | "network-manager-reload" => {}
            id => {
                if let Some(module) = id.strip_prefix("module-") {
                    facts.modules.insert(module.to_owned());
                } else if let Some(member) = id.strip_prefix("etcd-member-") {
                    self.everywhere(|cluster| cluster.etcd.retain(|known| known.id != member));
                } else if let Some(node) = id.strip_prefix("node-") {
                    self.everywhere(|cluster| {
                        cluster.nodes.remove(node);
                    });
                } else if id == "kubelet-restart" {
                    let version = self.inventory.kubernetes.version;
                    self.node(host, |node| node.version = Some(version));
                } else if let Some(name) = id.strip_prefix("note-") {
                    let name = name.strip_suffix("-gone").map_or((name, true), |it| (it, false));
                    self.node(name.0, |node| node.by_halb = name.1);
                } else if let Some(name) = id.strip_prefix("cordon-") {
                    self.node(name, |node| node.cordoned = true);
                } else if let Some(name) = id.strip_prefix("uncordon-") {
                    self.node(name, |node| node.cordoned = false);
                } else if !["evict-", "drain-", "ready-", "serves-"]
                    .iter()
                    .any(|it| id.starts_with(it))
                {
                    panic!("nobody knows what the step {id} does");
                }
            }
        }
    }

    pub(crate) fn everywhere(&mut self, change: impl Fn(&mut Cluster)) {
        for facts in self.facts.values_mut() {
            if let ClusterState::Answers(cluster) = &mut facts.cluster {
                change(cluster);
            }
        }
    }

    fn node(&mut self, name: &str, change: impl Fn(&mut Node)) {
        self.everywhere(|cluster| {
            if let Some(node) = cluster.nodes.get_mut(name) {
                change(node);
            }
        });
    }

    /// What `kubeadm upgrade` leaves behind.
    fn is_upgraded(&mut self, name: &str) {
        let version = self.inventory.kubernetes.version;
        let facts = self.facts_of(name);
        assert!(
            facts.packages["kubeadm"].version.starts_with(&version.to_string()),
            "{name}: an older kubeadm"
        );
        if facts.api_server.is_some() {
            facts.api_server = Some(version);
            self.everywhere(|cluster| cluster.version = Some(version));
        }
    }

    fn calico(&mut self) {
        let (version, cidr) = (self.inventory.cni.version, self.inventory.kubernetes.pod_subnet);
        let calico = Calico { version: Some(version), cidr: Some(cidr), available: true };
        self.everywhere(|cluster| cluster.calico = Some(calico.clone()));
    }

    /// What kubeadm leaves behind where it succeeds.
    pub(crate) fn becomes_node(&mut self, name: &str) {
        let host = self.inventory.hosts.iter().find(|host| host.name == name);
        let host = host.expect("a host of the inventory").clone();
        let master = host.has(Role::Master);
        self.half_becomes_node(name);
        let known = self.facts.values().find_map(|facts| match &facts.cluster {
            ClusterState::Answers(cluster) => Some(cluster.clone()),
            ClusterState::None | ClusterState::Silent => None,
        });
        let version = self.inventory.kubernetes.version;
        if master {
            let facts = self.facts_of(name);
            facts.cluster = ClusterState::Answers(known.unwrap_or_default());
            facts.api_server = Some(version);
            facts.ports.insert(2379, "etcd".into());
        }
        let node = Node {
            ready: true,
            version: Some(version),
            address: Some(host.address),
            master,
            cordoned: false,
            by_halb: false,
        };
        let member = EtcdMember {
            id: format!("{:x}", u32::from(host.address)),
            name: name.to_owned(),
            peer: format!("https://{}:2380", host.address),
            learner: false,
        };
        self.everywhere(|cluster| {
            cluster.version = cluster.version.or(Some(version));
            cluster.nodes.insert(name.to_owned(), node.clone());
            if master {
                cluster.etcd.push(member.clone());
            }
        });
    }

    /// What kubeadm leaves behind where it breaks off before the cluster knows the node.
    pub(crate) fn half_becomes_node(&mut self, name: &str) {
        let host = self.inventory.hosts.iter().find(|host| host.name == name);
        let master = host.expect("a host of the inventory").has(Role::Master);
        let facts = self.facts_of(name);
        facts.files.insert(paths::KUBELET_CONF.into(), file(Some("kubelet".into())));
        if master {
            facts.files.insert(paths::ADMIN_CONF.into(), file(Some("admin".into())));
            facts.files.insert(paths::ETCD_MEMBER.into(), file(None));
            for path in paths::STATIC_PODS {
                facts.files.insert(path.into(), file(Some("pod".into())));
            }
            facts.cluster = ClusterState::Silent;
        }
    }
}

fn file(sha256: Option<String>) -> FileFact {
    FileFact { mode: 0o644, owner: "root:root".into(), sha256, text: None }
}

pub(crate) fn text_file(text: &str) -> FileFact {
    FileFact { text: Some(text.to_owned()), ..file(Some(sha256(text.as_bytes()))) }
}

fn package(version: &str) -> Package {
    Package { version: version.to_owned(), held: false }
}

pub(crate) fn service(active: &str, enabled: &str) -> Service {
    Service { active: active.to_owned(), enabled: enabled.to_owned() }
}

/// A host on which nothing was done yet: swap on, NAT beside the cluster's network.
fn bare(host: &inventory::Host, system: &str) -> Facts {
    let (os, package_manager) = match system {
        "debian12" => (os("debian", "", "12", Some("bookworm")), PackageManager::Apt),
        "ubuntu2404" => (os("ubuntu", "debian", "24.04", Some("noble")), PackageManager::Apt),
        "el9" => (os("almalinux", "rhel centos fedora", "9.6", None), PackageManager::Dnf4),
        "el10" => (os("rocky", "rhel centos fedora", "10.0", None), PackageManager::Dnf5),
        other => panic!("no system {other}"),
    };
    let el = system.starts_with("el");
    let mut files = BTreeMap::new();
    files.insert(paths::HOSTS.to_owned(), text_file("127.0.0.1 localhost\n"));
    let fstab =
        "# swap was on /dev/sda2\n/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n";
    files.insert(paths::FSTAB.to_owned(), text_file(fstab));
    let selinux = "# SELINUX= can be one of these\nSELINUX=enforcing\nSELINUXTYPE=targeted\n";
    if el {
        files.insert(paths::SELINUX_CONFIG.to_owned(), text_file(selinux));
    }
    let interface = |name: &str, address: String| Interface {
        name: name.to_owned(),
        addresses: vec![address.parse().expect("an address")],
    };
    let gibibytes = |count: u64| count << 30;
    let free = ["/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet"];
    Facts {
        hostname: host.name.clone(),
        os,
        architecture: "x86_64".into(),
        kernel: if el { "5.14.0-503.el9.x86_64" } else { "6.1.0-30-amd64" }.into(),
        cgroup_v2: true,
        memory_bytes: gibibytes(2),
        processors: 2,
        clock_ahead_ms: 40,
        free_bytes: free.map(|path| (path.to_owned(), gibibytes(15))).into(),
        swaps: vec!["/dev/sda2".into()],
        swap_units: vec!["dev-sda2.swap".into()],
        interfaces: vec![
            interface("eth0", "10.0.2.15/24".into()),
            interface("eth1", format!("{}/24", host.address)),
        ],
        default_interface: Some("eth0".into()),
        machine_id: Some(sha256(host.name.as_bytes())),
        selinux: if el { Selinux::Enforcing } else { Selinux::Off },
        package_manager: Some(package_manager),
        packages: BTreeMap::new(),
        files,
        services: match el {
            true => [(NETWORK_MANAGER.to_owned(), service("active", "enabled"))].into(),
            false => BTreeMap::new(),
        },
        sysctls: BTreeMap::from([("net.ipv4.ip_forward".to_owned(), "0".to_owned())]),
        modules: BTreeSet::from([MODULES[1].to_owned()]),
        ports: BTreeMap::new(),
        firewall: el.then_some(crate::facts::Firewall::Firewalld),
        open: BTreeSet::new(),
        runtime: None,
        api_server: None,
        drained: BTreeSet::new(),
        cluster: ClusterState::None,
    }
}
