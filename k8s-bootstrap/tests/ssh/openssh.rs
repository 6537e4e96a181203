//! OpenSSH's own server, client and agent: what is taken for granted of SSH elsewhere is so.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::driver::lock::HostLock;
use halb_k8s_bootstrap::driver::run::{Exit, Input, Job};
use halb_k8s_bootstrap::driver::target::{Login, Target};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::operator::{Operator, eventually};

const LIMIT: Duration = Duration::from_secs(60);

/// A server of OpenSSH, one process for each connection; its commands see a `/run` and `/srv` of
/// their own.
struct OpenSsh {
    folder: TempDir,
    address: SocketAddr,
}

const ENTER: &str = r#"mount --bind "$1/run" /run && mount --bind "$1/srv" /srv || exit 99
mkdir -p /run/sshd; exec /usr/sbin/sshd -i -e -f "$1/sshd_config""#;

impl OpenSsh {
    fn start(allowed: &PrivateKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["run", "srv"] {
            fs::create_dir(path(name)).unwrap();
        }
        let host_key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        fs::write(path("host_key"), host_key.to_openssh(LineEnding::LF).unwrap()).unwrap();
        fs::set_permissions(path("host_key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path("authorized_keys"), allowed.public_key().to_openssh().unwrap()).unwrap();
        let at = folder.path().display();
        let config = format!(
            "HostKey {at}/host_key\nAuthorizedKeysFile {at}/authorized_keys\nStrictModes no\n\
             PermitRootLogin prohibit-password\nUsePAM no\nPasswordAuthentication no\n"
        );
        fs::write(path("sshd_config"), config).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let at = folder.path().to_owned();
        // It lives as long as this test's process; each connection's server ends with it.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (at, stream) = (at.clone(), stream.unwrap());
                thread::spawn(move || serve(&at, &stream).wait());
            }
        });
        Self { folder, address }
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join(path)).unwrap_or_default()
    }
}

fn serve(folder: &Path, stream: &TcpStream) -> Child {
    let socket = |stream: &TcpStream| Stdio::from(OwnedFd::from(stream.try_clone().unwrap()));
    Command::new("unshare")
        .args(["--mount", "sh", "-c", ENTER, "sh"])
        .arg(folder)
        .stdin(socket(stream))
        .stdout(socket(stream))
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn hello(host: &Host) -> String {
    host.must("greeting", &Job::root("echo hello", LIMIT)).await.unwrap().text()
}

#[tokio::test]
#[ignore = "needs root"]
async fn commands_input_output_and_exit_codes_are_what_they_are_in_our_own_server() {
    let operator = Operator::new();
    let server = OpenSsh::start(&operator.key);
    let host = Host::new(operator.target("lb", server.address), operator.shared());
    let input = "line of input\n".repeat(600_000);
    let script = "printf err >&2; cat | tee /srv/file; exit 7";
    let job = Job::root(script, LIMIT).reading(Input::from(input.as_str()));
    let output = host.run(&job, &mut |_| {}).await.unwrap();
    assert_eq!((output.exit, output.stderr.as_slice()), (Exit::Code(7), &b"err"[..]));
    assert!(input.ends_with(&String::from_utf8(output.stdout).unwrap()));
    assert_eq!(server.read("srv/file").len(), input.len());
    let killed = host.run(&Job::root("kill -9 $$", LIMIT), &mut |_| {}).await.unwrap();
    assert!(!killed.exit.success(), "{:?}", killed.exit);
}

#[tokio::test]
#[ignore = "needs root"]
async fn openssh_knows_the_host_by_the_file_that_halb_wrote() {
    let operator = Operator::new();
    let server = OpenSsh::start(&operator.key);
    hello(&Host::new(operator.target("lb", server.address), operator.shared())).await;
    fs::set_permissions(operator.key_file(), fs::Permissions::from_mode(0o600)).unwrap();
    let known = format!("UserKnownHostsFile={}", operator.known_hosts().display());
    let port = server.address.port().to_string();
    let client = Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
        .args(["-o", "GlobalKnownHostsFile=none", "-o", &known, "-p", &port, "-i"])
        .arg(operator.key_file())
        .args(["root@127.0.0.1", "echo hello"])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&client.stderr);
    assert_eq!(String::from_utf8_lossy(&client.stdout), "hello\n", "{complaint}");
}

#[tokio::test]
#[ignore = "needs root"]
async fn an_rsa_key_is_taken_with_signatures_of_today() {
    let mut operator = Operator::new();
    fs::remove_file(operator.key_file()).unwrap();
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(operator.key_file());
    assert!(make.status().unwrap().success());
    operator.key = russh::keys::load_secret_key(operator.key_file(), None).unwrap();
    let server = OpenSsh::start(&operator.key);
    let host = Host::new(operator.target("lb", server.address), operator.shared());
    assert_eq!(hello(&host).await, "hello\n");
}

/// An agent of OpenSSH, until it is dropped.
struct Agent {
    process: Child,
    socket: PathBuf,
}

impl Agent {
    async fn start(operator: &Operator) -> Self {
        let socket = operator.folder.path().join("agent");
        let mut agent = Command::new("ssh-agent");
        let process = agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let agent = Self { process, socket };
        eventually("the agent is there", || agent.socket.exists()).await;
        agent
    }

    fn add(&self, key: &Path) {
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        let mut add = Command::new("ssh-add");
        let added = add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).status().unwrap();
        assert!(added.success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
#[ignore = "needs root"]
async fn an_agent_alone_lets_the_operator_in() {
    let operator = Operator::new();
    let server = OpenSsh::start(&operator.key);
    let agent = Agent::start(&operator).await;
    agent.add(&operator.key_file());
    let target = operator.target("lb", server.address);
    let login = Login { key: None, agent: Some(agent.socket.clone()), ..target.login.clone() };
    let host = Host::new(Target { login, ..target }, operator.shared());
    assert_eq!(hello(&host).await, "hello\n");
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_bastion_of_openssh_is_passed() {
    let operator = Operator::new();
    let (bastion, server) = (OpenSsh::start(&operator.key), OpenSsh::start(&operator.key));
    let bastion = Some(operator.login(bastion.address));
    let target = Target { bastion, ..operator.target("kmaster01", server.address) };
    assert_eq!(hello(&Host::new(target, operator.shared())).await, "hello\n");
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_lock_is_free_at_once_when_its_holder_is_gone() {
    let operator = Operator::new();
    let server = OpenSsh::start(&operator.key);
    let host = || Arc::new(Host::new(operator.target("lb", server.address), operator.shared()));
    let (tell, _told) = mpsc::channel(1);
    let first = HostLock::take(host(), "alice", tell.clone()).await.unwrap();
    HostLock::take(host(), "bob", tell.clone()).await.unwrap_err();
    drop(first);
    HostLock::take(host(), "bob", tell).await.unwrap();
}
