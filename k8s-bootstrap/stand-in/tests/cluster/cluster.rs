//! The hosts of a cluster on one segment, whoever operates them, and where packages come from.

mod members;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::{Host as Plug, Lab};
use halb_stand_in::machine::{EVENTS, PAUSE};
use serde_json::Value;
use tempfile::TempDir;

use crate::host::Host;
use crate::packages::{self, KUBERNETES, run};
use crate::repository::{CALICO, Repository};
use crate::running::{Running, Said};
use crate::service;

/// Longest wait for anything; a machine under load may take long.
const PATIENCE: Duration = Duration::from_secs(180);

/// Between two looks.
const POLL: Duration = Duration::from_millis(50);

/// Where packages come from, and who operates.
pub(crate) const REPOSITORY: Ipv4Addr = Ipv4Addr::new(172, 16, 16, 10);
const OPERATOR: Ipv4Addr = Ipv4Addr::new(172, 16, 16, 2);

/// The virtual IP.
pub(crate) const VIP: &str = "172.16.16.100";

/// A host of the inventory.
struct Member {
    name: String,
    role: &'static str,
    address: Ipv4Addr,
}

/// How many hosts of which kind.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) balancers: u8,
    pub(crate) masters: u8,
    pub(crate) workers: u8,
}

impl Shape {
    /// The guide's cluster.
    pub(crate) const SEVEN: Self = Self { balancers: 2, masters: 3, workers: 2 };

    fn hosts(self) -> Vec<Member> {
        let kinds = [
            (self.balancers, "loadbalancer", "balancer", 50),
            (self.masters, "kmaster", "master", 100),
            (self.workers, "kworker", "worker", 200),
        ];
        let of_kind = |(count, name, role, base): (u8, &str, &'static str, u8)| {
            let host = move |number| Member {
                name: format!("{name}{number:02}"),
                role,
                address: Ipv4Addr::new(172, 16, 16, base + number),
            };
            (1..=count).map(host).collect::<Vec<_>>()
        };
        kinds.into_iter().flat_map(of_kind).collect()
    }
}

/// A cluster's hosts. All of it goes when it is dropped.
pub(crate) struct Cluster {
    /// The inventory's hosts, in its order.
    members: Vec<Member>,
    hosts: BTreeMap<String, Host>,
    /// Their places on the segment; they outlive the hosts.
    plugs: Vec<(Plug, File)>,
    operator: Plug,
    operator_network: File,
    lab: Lab,
    repository: Repository,
    _source: Plug,
    folder: TempDir,
    /// What masters share.
    store: TempDir,
}

impl Cluster {
    /// Boots bare hosts.
    pub(crate) fn new(shape: Shape) -> Self {
        let (folder, store) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let key = folder.path().join("id_ed25519");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
        let lab = Lab::new().unwrap();
        let plug =
            |name: &str, address: Ipv4Addr| lab.host(name, &format!("{address}/24")).unwrap();
        let source = plug("repository", REPOSITORY);
        let repository = Repository::make();
        repository.serve(source.run(|| TcpListener::bind((REPOSITORY, 80))).unwrap());
        let operator = plug("operator", OPERATOR);
        let mut cluster = Self {
            members: shape.hosts(),
            hosts: BTreeMap::new(),
            plugs: Vec::new(),
            operator_network: network_of(&operator),
            operator,
            lab,
            repository,
            _source: source,
            folder,
            store,
        };
        cluster.boot_all();
        fs::write(cluster.path("cluster.yaml"), cluster.inventory(KUBERNETES)).unwrap();
        run(Command::new("strip").arg("-o").arg(cluster.path("halb")).arg(halb()));
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn inventory(&self, version: &str) -> String {
        let repository = format!("http://{REPOSITORY}");
        // Where memory of this machine is swapped, its hosts can't switch that off.
        let swaps = fs::read_to_string("/proc/swaps").unwrap().lines().count() > 1;
        let hosts: String = self
            .members
            .iter()
            .map(|Member { name, role, address }| {
                format!("  - {{name: {name}, role: {role}, address: {address}}}\n")
            })
            .collect();
        format!(
            "apiVersion: halb/v1\nkind: Cluster\nname: seven\n\
             kubernetes: {{version: {version}, cgroupV1: allow, imageRepository: \
             {REPOSITORY}/kubernetes}}\n\
             network: 172.16.16.0/24\nvip: {{address: {VIP}, routerId: 51}}\n\
             endpoint: {{name: api.seven.internal}}\n\
             cni: {{type: calico, version: {CALICO}, source: {repository}/calico}}\n\
             packages: {{kubernetes: {repository}/kubernetes, containerd: {repository}/docker, \
             containerdVersion: \"{}\"}}\n\
             policy: {{firewall: open, swap: {}}}\n\
             ssh: {{user: op, key: {}, sudo: passwordless}}\nhosts:\n{hosts}",
            packages::CONTAINERD.rsplit_once('.').unwrap().0,
            if swaps { "keep" } else { "off" },
            self.path("id_ed25519").display(),
        )
    }

    /// Adds something to the inventory.
    pub(crate) fn want(&self, section: &str) {
        self.write("cluster.yaml", &format!("{}{section}", self.inventory(KUBERNETES)));
    }

    /// Writes another version of Kubernetes into the inventory.
    pub(crate) fn want_version(&self, version: &str) {
        self.write("cluster.yaml", &self.inventory(version));
    }

    /// Has the repository offer another version of Kubernetes.
    pub(crate) fn offer(&self, version: &str) {
        self.repository.offer(version);
    }

    /// The operator gets another halb: the same program in a file that differs from the one before.
    pub(crate) fn renew_halb(&self) {
        let (path, new) = (self.path("halb"), self.path("halb.new"));
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"another halb\n");
        fs::write(&new, bytes).unwrap();
        fs::set_permissions(&new, fs::metadata(&path).unwrap().permissions()).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Has an address of the hosts' network answer at this port, as pods would that are announced
    /// there.
    pub(crate) fn answer_at(&mut self, address: Ipv4Addr, port: u16, status: &'static str) {
        let plug = self.lab.host(&format!("service-{port}"), &format!("{address}/24")).unwrap();
        service::serve(plug.run(|| TcpListener::bind((address, port))).unwrap(), status);
        let network = network_of(&plug);
        self.plugs.push((plug, network));
    }

    /// For people.
    pub(crate) fn how_to_look(&self) -> String {
        let folder = self.folder.path().display();
        let hosts: String = self
            .hosts
            .iter()
            .map(|(name, host)| format!("  nsenter --target {} --all   # {name}\n", host.process()))
            .collect();
        let network = path_of(&self.operator_network);
        format!(
            "From another terminal, as root. Each host:\n{hosts}\
             The operator, who has inventory, keys, logs and kubeconfig there:\n  \
             cd {folder} && KUBECONFIG=kubeconfig nsenter --net={network} bash\n  \
             ./halb k8s verify\n  kubectl get nodes\n"
        )
    }

    pub(crate) fn host(&self, name: &str) -> &Host {
        &self.hosts[name]
    }

    pub(crate) fn host_mut(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).unwrap()
    }

    /// The operator's place on the segment.
    pub(crate) fn operator(&self) -> &Plug {
        &self.operator
    }

    /// Names of hosts of a role.
    pub(crate) fn names(&self, wanted: &str) -> Vec<String> {
        let hosts = self.members.iter().filter(|host| host.role == wanted);
        hosts.map(|host| host.name.clone()).collect()
    }

    /// A program of the operator's, on his place in the network.
    pub(crate) fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("KUBECONFIG", self.path("kubeconfig"));
        command
    }

    fn said(&self, mut command: Command) -> Said {
        let output = self.operator.run(|| command.output()).unwrap();
        let [out, errors] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        Said { code: output.status.code(), text: format!("{out}{errors}") }
    }

    /// A command of `halb k8s`.
    pub(crate) fn k8s(&self, words: &[&str]) -> Said {
        let words = [&["k8s"], words, &["--inventory", "cluster.yaml"]].concat();
        self.said(self.command(&self.path("halb"), &words))
    }

    pub(crate) fn apply(&self) -> Said {
        self.k8s(&["apply", "--yes"])
    }

    /// An apply whose progress is seen here; whether it did all that is left.
    pub(crate) fn apply_shown(&self) -> bool {
        let words = ["k8s", "apply", "--yes", "--inventory", "cluster.yaml"];
        let mut command = self.command(&self.path("halb"), &words);
        self.operator.run(|| command.status()).unwrap().success()
    }

    /// An apply that must do all that is left.
    pub(crate) fn apply_all(&self) -> String {
        let applied = self.apply();
        assert_eq!(applied.code, Some(0), "{}\n{}", applied.text, self.logs());
        applied.text
    }

    /// Nothing is left to do.
    pub(crate) fn assert_done(&self) {
        let plan = self.k8s(&["plan"]);
        assert_eq!(plan.code, Some(0), "{}", plan.text);
        assert!(plan.text.contains("nothing to do"), "{}", plan.text);
    }

    /// Begins an apply and leaves it running.
    pub(crate) fn begin(&self) -> Running {
        self.begin_order(&["apply", "--yes"])
    }

    /// Begins a command of `halb k8s` and leaves it running.
    pub(crate) fn begin_order(&self, words: &[&str]) -> Running {
        let words = [&["k8s"], words, &["--inventory", "cluster.yaml"]].concat();
        let mut command = self.command(&self.path("halb"), &words);
        let output = self.path("apply.out");
        let file = File::create(&output).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Running::new(self.operator.run(|| command.spawn()).unwrap(), output)
    }

    /// A file of the operator's.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The one thing in a folder of the operator's.
    pub(crate) fn only_file(&self, folder: &str) -> PathBuf {
        let entries: Vec<_> =
            fs::read_dir(self.path(folder)).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].path()
    }

    /// kubectl with the operator's own kubeconfig, through the virtual IP.
    pub(crate) fn kubectl(&self, words: &[&str]) -> Said {
        self.said(self.command(Path::new("kubectl"), &[&["--request-timeout=5s"], words].concat()))
    }

    /// What stand-ins noted on a host, those of this kind.
    pub(crate) fn events(&self, host: &str, kind: &str) -> Vec<Value> {
        let text = self.host(host).run(&["cat", EVENTS]).stdout;
        let text = String::from_utf8(text).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["event"] == kind).collect()
    }

    /// How often a command of kubeadm (`init`, `join`, `reset`) began on a host.
    pub(crate) fn runs(&self, host: &str, command: &str) -> usize {
        let events = self.events(host, "kubeadm");
        events.iter().filter(|event| event["arguments"][0] == command).count()
    }

    /// Has kubeadm wait on a host before a phase.
    pub(crate) fn pause(&self, host: &str, phase: &str) {
        self.host(host).ok(&["mkdir", "-p", "/etc/stand-in"]);
        self.host(host).write(PAUSE, phase.as_bytes());
    }

    /// Whether kubeadm waits there, or has waited.
    pub(crate) fn is_paused(&self, host: &str, phase: &str) -> bool {
        self.events(host, "paused").iter().any(|event| event["phase"] == phase)
    }

    /// Waits until kubeadm waits there.
    pub(crate) fn await_paused(&self, host: &str, phase: &str) {
        self.await_true(&format!("{phase} on {host}"), || self.is_paused(host, phase));
    }

    pub(crate) fn resume(&self, host: &str) {
        self.host(host).ok(&["rm", "-f", PAUSE]);
    }

    /// Waits until something holds while a run goes on, which may not end before.
    pub(crate) fn await_in(
        &self,
        running: &mut Running,
        what: &str,
        holds: impl Fn(&Running) -> bool,
    ) {
        self.await_true(what, || {
            let is_over = running.has_ended();
            let held = holds(running);
            assert!(held || !is_over, "it ended before {what}\n{}", running.text());
            held
        });
    }

    /// Looks until something holds.
    pub(crate) fn await_true(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "waited for {what}\n{}", self.logs());
            thread::sleep(POLL);
        }
    }

    /// The balancer with the virtual IP; none, or more, for the moment.
    pub(crate) fn holders(&self) -> Vec<String> {
        let holds = |name: &String| {
            let addresses = self.host(name).run(&["ip", "-o", "-4", "address"]);
            String::from_utf8_lossy(&addresses.stdout).contains(&format!(" {VIP}/"))
        };
        self.names("balancer").into_iter().filter(holds).collect()
    }

    /// The folder with the logs of the last run.
    fn last_logs(&self) -> Option<PathBuf> {
        let folders = fs::read_dir(self.path("seven.halb/logs")).into_iter().flatten().flatten();
        folders.map(|entry| entry.path()).max()
    }

    /// A host's log of the last run.
    pub(crate) fn log(&self, host: &str) -> String {
        let path = self.last_logs().map(|folder| folder.join(format!("{host}.log")));
        path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
    }

    /// The ends of all logs of the last runs, for a failure's message.
    fn logs(&self) -> String {
        let mut text = String::new();
        let last = self.last_logs().map(|folder| fs::read_dir(folder).unwrap());
        for log in last.into_iter().flatten().flatten() {
            let lines = fs::read_to_string(log.path()).unwrap_or_default();
            let lines: Vec<_> = lines.lines().collect();
            let end = lines[lines.len().saturating_sub(25)..].join("\n");
            text.push_str(&format!("--- {}\n{end}\n", log.path().display()));
        }
        text
    }

    /// No host has a secret left that kubeadm read, and no log of the operator's shows one.
    pub(crate) fn assert_no_secrets(&self) {
        let token = fs::read_to_string(self.path("seven.halb/token")).unwrap();
        let secret = token.trim().split('.').nth(1).unwrap().to_owned();
        let folder = self.path("seven.halb/logs");
        let found = Command::new("grep").args(["-rlF", &secret]).arg(folder).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "logs show the token");
        for name in self.names("master").into_iter().chain(self.names("worker")) {
            let kept = self.host(&name).run(&["test", "-e", "/etc/kubernetes/halb-kubeadm.yaml"]);
            assert!(!kept.status.success(), "{name} keeps kubeadm's configuration");
        }
    }
}

/// The network namespace of a place on the segment.
fn network_of(plug: &Plug) -> File {
    plug.run(|| File::open("/proc/thread-self/ns/net")).unwrap()
}

/// Where programs of this machine find a namespace that is open here.
fn path_of(network: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), network.as_raw_fd())
}

/// The program that is tried: of the same build as this one.
fn halb() -> PathBuf {
    let own = env::current_exe().unwrap();
    let sibling = own.ancestors().nth(2).unwrap().join("halb");
    let path = env::var_os("HALB").map_or(sibling, PathBuf::from);
    assert!(path.exists(), "{} isn't there: cargo build -p halb", path.display());
    path
}
