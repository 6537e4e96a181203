//! `halb k8s` on a whole Debian host: its own systemd, OpenSSH's server, sudo with a password.
#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

#[path = "../systemd/host.rs"]
#[expect(dead_code, reason = "the tests of the unit use more of it")]
mod host;
mod line;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use halb_k8s_bootstrap::apply::Outcome;
use halb_k8s_bootstrap::driver::Shared;
use halb_k8s_bootstrap::driver::access::{Access, Asked};
use halb_k8s_bootstrap::driver::execute::{Ended, Local, Report, Settings, Stop, execute};
use halb_k8s_bootstrap::driver::host::Host as Remote;
use halb_k8s_bootstrap::driver::known_hosts::KnownHosts;
use halb_k8s_bootstrap::driver::target::{Login, Target};
use halb_k8s_bootstrap::inventory::Sudo;
use halb_k8s_bootstrap::plan::step::{Act, Command as Words, Step};
use halb_k8s_bootstrap::plan::{HostPlan, Pace, Plan, Stage, StageName};
use halb_k8s_bootstrap::progress::Event;
use halb_k8s_bootstrap::secret::Secret;
use host::{Disk, Host};
use line::Line;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

const PACKAGES: &[&str] =
    &["dbus", "iproute2", "openssh-server", "sudo", "systemd", "systemd-sysv"];

const PASSWORD: &str = "tr0ub4dor & 3";

/// A host with a user who becomes root by his password, and the operator's side.
struct World {
    host: Host,
    line: Line,
    operator: TempDir,
}

impl World {
    fn new() -> Self {
        let operator = tempfile::tempdir().unwrap();
        let key = operator.path().join("id_ed25519");
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
        assert!(make.status().unwrap().success());
        let mut host = Disk::new("ssh-host", PACKAGES).boot();
        host.ok(&["useradd", "--create-home", "--groups", "sudo", "--shell", "/bin/bash", "op"]);
        let script = format!("echo 'op:{PASSWORD}' | chpasswd; mkdir -m 700 /home/op/.ssh");
        host.ok(&["sh", "-c", &script]);
        let public = fs::read(operator.path().join("id_ed25519.pub")).unwrap();
        host.write("/home/op/.ssh/authorized_keys", &public);
        // A login shell that talks is everyday.
        host.ok(&["sh", "-c", "echo 'echo Welcome' >/home/op/.bashrc; chown -R op: /home/op"]);
        host.ok(&["ip", "link", "add", "eth1", "type", "bridge"]);
        host.ok(&["ip", "link", "set", "eth1", "up"]);
        host.ok(&["ip", "address", "add", "172.16.16.51/24", "dev", "eth1"]);
        host.await_true("its server of SSH", Duration::from_secs(60), |host| {
            host.run(&["sh", "-c", "ss -Hltn sport = :22 | grep -q ."]).status.success()
        });
        let line = Line::to(&host, 22);
        Self { host, line, operator }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.operator.path().join(name)
    }

    /// A cluster of this one machine, which is its master and its balancer.
    fn inventory(&self) -> PathBuf {
        let text = format!(
            "apiVersion: halb/v1
kind: Cluster
name: one
kubernetes: {{version: 1.36.4, cgroupV1: allow}}
network: 172.16.16.0/24
endpoint: {{name: api.one.internal, port: 8443}}
policy: {{firewall: keep, swap: keep}}
ssh: {{user: op, key: {}, sudo: password}}
hosts:
  - name: {}
    roles: [master, balancer]
    address: 172.16.16.51
    ssh: {{address: 127.0.0.1, port: {}}}
",
            self.path("id_ed25519").display(),
            self.host.ok(&["hostname"]).trim(),
            self.line.port(),
        );
        let path = self.path("cluster.yaml");
        fs::write(&path, text).unwrap();
        path
    }

    /// A command of `halb k8s`, with this password for sudo.
    fn k8s(&self, program: &Path, command: &[&str], password: &str) -> Output {
        Command::new(program)
            .arg("k8s")
            .args(command)
            .arg("--inventory")
            .arg(self.inventory())
            .args(["--sudo-password-from", "env:PASSWORD"])
            .env("PASSWORD", password)
            .env("KUBECONFIG", self.path("kubeconfig"))
            .output()
            .unwrap()
    }

    /// Carries a plan out as a process of its own would.
    fn run(&self, plan: Plan, tell: &mut (dyn FnMut(Event) + Send)) -> Report {
        let answer = |_: &Asked| Some(Secret::new(PASSWORD));
        let known = KnownHosts::new(self.path("known_hosts"));
        let shared = Arc::new(Shared::new(known, Access::new(Arc::new(answer))));
        let login = Login {
            host: "127.0.0.1".to_owned(),
            port: self.line.port(),
            user: "op".to_owned(),
            key: Some(self.path("id_ed25519")),
            agent: None,
        };
        let target = Target { name: "host".to_owned(), login, bastion: None, sudo: Sudo::Password };
        let settings = Settings {
            who: "test".to_owned(),
            logs: self.path("logs"),
            local: Local { program: PathBuf::new(), kubeconfig: Arc::new(|_| Ok(())) },
        };
        let (_operator, stop) = watch::channel(Stop::No);
        let hosts = [Arc::new(Remote::new(target, shared))];
        let running = execute(Arc::new(plan), &hosts, settings, stop, tell);
        Runtime::new().unwrap().block_on(running).unwrap()
    }
}

fn said(output: &Output) -> String {
    let [out, errors] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{}\n{out}{errors}", output.status)
}

/// The program without what only a debugger reads: a tenth of it goes over the line.
fn stripped(folder: &Path) -> PathBuf {
    let path = folder.join("halb");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&path).arg(env!("CARGO_BIN_EXE_halb"));
    assert!(strip.status().unwrap().success());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// One plan of one step, as a unit.
fn unit(script: &str) -> Plan {
    let act = Act::RunDetached {
        unit: "halb-test-unit".to_owned(),
        command: Words::script(script),
        output: "/var/log/halb/unit.log".to_owned(),
    };
    let steps = vec![Step::new("unit", "Run a unit", act)];
    let hosts = vec![HostPlan { host: "host".to_owned(), steps }];
    let stages = vec![Stage { name: StageName::Init, pace: Pace::AtOnce, hosts }];
    Plan { cluster: "one".to_owned(), stages }
}

#[test]
#[ignore = "needs root"]
fn a_unit_of_a_real_systemd_outlives_the_connection() {
    let world = World::new();
    let script = "echo begun >>/var/log/acts; echo one; sleep 4; echo two; exit 7";
    let mut tell = |_| {};
    let begun = || world.host.run(&["test", "-e", "/var/log/acts"]).status.success();
    let report = thread::scope(|scope| {
        scope.spawn(|| world.line.cut_when(begun));
        world.run(unit(script), &mut tell)
    });
    assert_eq!(report.ended, Ended::Steps(Outcome::Failed), "{report:?}");
    let failure = &report.failures[0];
    assert_eq!(
        (failure.what.as_str(), failure.said.as_slice()),
        ("it ended with exit code 7", &["one".to_owned(), "two".to_owned()][..],)
    );
    assert_eq!(world.line.connections(), 2, "the connection was never lost");
    assert_eq!(world.host.ok(&["cat", "/var/log/acts"]), "begun\n");
    let log = fs::read_to_string(world.path("logs/host.log")).unwrap();
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
#[ignore = "needs root"]
fn a_bare_debian_host_is_looked_at_planned_for_and_begun_with() {
    let mut world = World::new();
    let halb = stripped(world.operator.path());
    let wrong = world.k8s(&halb, &["plan"], "wrong");
    let text = said(&wrong);
    assert_eq!(wrong.status.code(), Some(1), "{text}");
    assert!(text.contains("the sudo password of op is wrong (it was tried once)"), "{text}");
    // sudo takes its time to say so.
    world.host.await_true("one wrong attempt in the journal", Duration::from_secs(60), |host| {
        let journal = host.ok(&["journalctl", "--no-pager", "-t", "sudo"]);
        journal.contains("1 incorrect password attempt")
    });

    let plan = world.k8s(&halb, &["plan"], PASSWORD);
    let text = said(&plan);
    assert_eq!(plan.status.code(), Some(0), "{text}");
    for words in ["1. Set up the balancers", "Install halb", "kubeadm init"] {
        assert!(text.contains(words), "no «{words}» in {text}");
    }
    assert!(!world.host.run(&["test", "-e", "/etc/halb"]).status.success(), "a plan wrote");

    let status = world.k8s(&halb, &["status"], PASSWORD);
    let text = said(&status);
    assert_eq!(status.status.code(), Some(1), "{text}");
    assert!(text.contains("Debian GNU/Linux"), "{text}");

    // The balancer is set up; then packages are wanted, and this host has no network.
    let applied = world.k8s(&halb, &["apply", "--yes"], PASSWORD);
    let text = said(&applied);
    assert_eq!(applied.status.code(), Some(1), "{text}");
    assert!(text.contains("Go on with") || text.contains("go on with"), "{text}");
    assert_eq!(world.host.ok(&["systemctl", "is-active", "halb.service"]), "active\n", "{text}");
    assert!(!text.contains(PASSWORD));
    let again = said(&world.k8s(&halb, &["plan"], PASSWORD));
    assert!(!again.contains("Set up the balancers"), "{again}");
    let logs = world.path("one.halb/logs");
    let runs = fs::read_dir(logs).unwrap().map(|run| run.unwrap().path());
    for log in runs.flat_map(|run| fs::read_dir(run).unwrap()) {
        let log = fs::read_to_string(log.unwrap().path()).unwrap();
        for secret in ["ca.key", "etcd/ca.key", "sa.key", "token"] {
            let secret = fs::read_to_string(world.path("one.halb").join(secret)).unwrap();
            let mut lines = secret.lines().filter(|line| !line.starts_with("-----"));
            assert!(lines.all(|line| !log.contains(line)), "a secret is in {log}");
        }
    }
}
