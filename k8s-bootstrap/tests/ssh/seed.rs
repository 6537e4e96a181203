//! The cluster of the guide: seven whole hosts, and an operator who makes plans for them and carries
//! them out.

pub(crate) mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use halb_k8s_bootstrap::driver::execute::{Local, Merge, Report, Settings, Stop, execute};
use halb_k8s_bootstrap::driver::gather;
use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::inventory::{Inventory, example, parse};
use halb_k8s_bootstrap::pki::Material;
use halb_k8s_bootstrap::plan::reset::Scope;
use halb_k8s_bootstrap::plan::{self, Plan, preflight};
use halb_k8s_bootstrap::progress::Event;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::applying::sha256;
use crate::operator::Operator;
use crate::server::Server;

/// What a cluster's API servers serve, as files.
const SERVED: [&str; 2] = ["nodes", "members"];

/// The cluster, whatever has become of it.
pub(crate) struct Seed {
    pub(crate) operator: Operator,
    pub(crate) servers: Vec<Server>,
    inventory: Inventory,
    material: Material,
    pub(crate) cluster: TempDir,
    /// Whether the operator has a kubeconfig.
    has_access: Arc<AtomicBool>,
}

/// Keys of a cluster.
pub(crate) fn material() -> Material {
    Material::make_with_system(SystemTime::now()).unwrap()
}

/// A run's hosts, each with a connection of its own.
pub(crate) type Hosts = Vec<Arc<Host>>;

impl Seed {
    /// Seven bare hosts.
    pub(crate) async fn bare(material: Material) -> Self {
        // These hosts have this machine's control groups.
        let text = example::HIGHLY_AVAILABLE.replace("# cgroupV1: refuse", "cgroupV1: allow");
        let inventory = parse(&text).unwrap().inventory;
        let (operator, cluster) = (Operator::new(), tempfile::tempdir().unwrap());
        for folder in SERVED {
            fs::create_dir(cluster.path().join(folder)).unwrap();
        }
        fs::write(operator.folder.path().join("halb"), machine::program()).unwrap();
        let mut servers = Vec::new();
        for host in &inventory.hosts {
            let of = (host.name.as_str(), host.address.to_string());
            let key = operator.key.public_key();
            servers.push(Server::boot((of.0, &of.1), cluster.path(), key).await);
        }
        let has_access = Arc::default();
        Self { operator, servers, inventory, material, cluster, has_access }
    }

    /// Hosts as a process finds them that has just been started.
    pub(crate) fn hosts(&self) -> Hosts {
        let shared = self.operator.shared();
        let hosts = self.inventory.hosts.iter().zip(&self.servers).map(|(host, server)| {
            let target = self.operator.target(&host.name, server.address);
            Arc::new(Host::new(target, Arc::clone(&shared)))
        });
        hosts.collect()
    }

    /// What is left to do, once nothing is at work any more for a run that is gone.
    pub(crate) async fn plan(&self, hosts: &Hosts) -> Plan {
        loop {
            let gathered = gather::gather(&self.inventory, hosts).await;
            assert!(gathered.silent.is_empty(), "{:?}", gathered.silent);
            let facts = gathered.answers;
            if preflight::at_work(&self.inventory, &facts).is_empty() {
                let operator = plan::Operator {
                    halb_sha256: sha256(&machine::program()),
                    has_access: self.has_access.load(Ordering::SeqCst),
                };
                let made = plan::make(&self.inventory, &facts, &self.material, &operator);
                return made.unwrap_or_else(|faults| panic!("{faults:#?}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What puts all hosts back as they were.
    pub(crate) async fn reset_plan(&self, hosts: &Hosts) -> Plan {
        let gathered = gather::gather(&self.inventory, hosts).await;
        assert!(gathered.silent.is_empty(), "{:?}", gathered.silent);
        let made = plan::reset::reset(&self.inventory, &gathered.answers, Scope::Cluster);
        made.unwrap_or_else(|faults| panic!("{faults:#?}"))
    }

    /// Carries a plan out.
    pub(crate) async fn run(
        &self,
        plan: &Arc<Plan>,
        hosts: &Hosts,
        tell: &mut (dyn FnMut(Event) + Send),
    ) -> Report {
        let access = Arc::clone(&self.has_access);
        let kubeconfig: Merge = Arc::new(move |config| {
            assert_eq!((config.text, config.context), ("admin\n", "seed"));
            assert_eq!(config.server, "https://172.16.16.100:6443");
            access.store(true, Ordering::SeqCst);
            Ok(())
        });
        let folder = self.operator.folder.path();
        let local = Local { program: folder.join("halb"), kubeconfig };
        let settings = Settings { who: "alice".to_owned(), logs: folder.join("logs"), local };
        let (_operator, stop) = watch::channel(Stop::No);
        execute(Arc::clone(plan), hosts, settings, stop, tell).await.unwrap()
    }

    /// What a killed run leaves: no connection, and hosts that end what they were told.
    pub(crate) async fn run_is_gone(&self) {
        for server in &self.servers {
            server.cut();
        }
        for server in &self.servers {
            server.is_idle().await;
        }
    }

    /// Every file of each host and of the cluster that lasts or that says what runs, with its rights.
    pub(crate) fn held(&self) -> BTreeMap<String, String> {
        let mut held = BTreeMap::new();
        for (host, server) in self.inventory.hosts.iter().zip(&self.servers) {
            for folder in ["etc", "proc", "sys", "usr", "var", "run/active"] {
                take(&format!("{}:/{folder}", host.name), &server.path(folder), &mut held);
            }
        }
        take("cluster:", self.cluster.path(), &mut held);
        // What was said on the way.
        held.retain(|name, _| !name.contains(":/var/log/") && name != "cluster:/reset");
        held
    }

    /// Hosts that were cleared of what kubeadm had begun there, in order.
    pub(crate) fn resets(&self) -> Vec<String> {
        let text = fs::read_to_string(self.cluster.path().join("reset")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Files of a folder, by name.
fn take(name: &str, path: &Path, held: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.map(Result::unwrap) {
        let (name, path) = (format!("{name}/{}", entry.file_name().display()), entry.path());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            take(&name, &path, held);
        } else if kind.is_symlink() {
            held.insert(name, fs::read_link(&path).unwrap().display().to_string());
        } else {
            let mode = entry.metadata().unwrap().permissions().mode();
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            held.insert(name, format!("{mode:o} {content}"));
        }
    }
}
