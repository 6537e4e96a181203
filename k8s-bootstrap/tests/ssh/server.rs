//! A host that is reached over SSH: a server in this process, whose commands run in namespaces, as
//! root of them. A small one has `/run` and `/srv` of its own, each command by itself; a whole one is
//! a [`Machine`] with a root of its own.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

use crate::operator::eventually;
use crate::seed::machine::{self, Machine};

/// A host, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    folder: TempDir,
    /// What commands enter on a whole host; none while it is off.
    machine: Option<Mutex<Option<Machine>>>,
    /// Commands that run.
    running: AtomicUsize,
    host_key: Mutex<PrivateKey>,
    allowed: PublicKey,
    /// What a login shell of this host prints before anything else.
    greeting: Mutex<String>,
    connections: Mutex<Vec<AbortHandle>>,
    /// Commands that were begun.
    begun: AtomicUsize,
    /// After which command all connections are cut, and told that they were.
    cut_after: Mutex<Option<usize>>,
    cut: Notify,
    /// After how many bytes of a command's input all connections are cut.
    cut_in_input: Mutex<Option<usize>>,
}

/// Programs that a bare namespace lacks: sudo with the host's password, and a systemd whose units
/// outlive connections.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "sudo",
        r#"#!/bin/sh
[ "$1 $2" = "-S -p" ] && [ "$4" = -- ] || { echo "what is $*" >&2; exit 1; }
prompt=$3; shift 4
if [ -e /srv/not-in-sudoers ]; then echo "user is not in the sudoers file." >&2; exit 1; fi
if [ -e /srv/sudo-password ]; then
    for try in 1 2 3; do
        printf '%s' "$prompt" >&2
        IFS= read -r given || exit 1
        echo tried >>/srv/sudo-tries
        [ "$given" != "$(cat /srv/sudo-password)" ] || exec env HALB_SUDO=1 "$@"
        echo "Sorry, try again." >&2
    done
    exit 1
fi
exec env HALB_SUDO=1 "$@"
"#,
    ),
    (
        "systemctl",
        r#"#!/bin/sh
case $1 in
is-active) [ -e "/run/units/${3%.service}" ] && ! flock -n "/run/units/${3%.service}" true;;
reset-failed) exit 1;;
*) echo "what is $*" >&2; exit 1;;
esac
"#,
    ),
    (
        "systemd-run",
        r#"#!/bin/sh
for word; do
    case $word in
    --unit=*) unit=${word#--unit=};;
    -*) ;;
    *) break;;
    esac
    shift
done
mkdir -p /run/units
exec 9>"/run/units/$unit"
flock -n 9 || { echo "unit $unit exists" >&2; exit 1; }
setsid "$@" </dev/null >/dev/null 2>&1 &
"#,
    ),
];

/// What a whole host does when it boots.
const BOOT: &str = r#"
[ ! -e /etc/systemd/system/halb.service ] || systemctl daemon-reload
for unit in /etc/systemd/enabled/*; do [ ! -e "$unit" ] || systemctl restart "${unit##*/}" || exit; done"#;

/// Brings a command into the host.
const ENTER: &str = r#"mount --bind "$1/run" /run && mount --bind "$1/srv" /srv || exit 99
PATH=$1/bin:$PATH; cd /; shift; exec "$@""#;

impl Server {
    /// A host that lets one key in.
    pub(crate) async fn start(allowed: &PublicKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["run", "srv", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for (name, text) in PROGRAMS {
            let path = folder.path().join("bin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self::serve(folder, None, allowed).await
    }

    /// A whole host of a cluster that lets one key in.
    pub(crate) async fn boot(
        (name, address): (&str, &str),
        cluster: &Path,
        allowed: &PublicKey,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        machine::install(folder.path(), name, address);
        let machine = Machine::boot(folder.path(), cluster).await;
        Self::serve(folder, Some(machine), allowed).await
    }

    async fn serve(folder: TempDir, machine: Option<Machine>, allowed: &PublicKey) -> Self {
        let state = Arc::new(State {
            folder,
            machine: machine.map(|machine| Mutex::new(Some(machine))),
            running: AtomicUsize::new(0),
            host_key: Mutex::new(new_key()),
            allowed: allowed.clone(),
            greeting: Mutex::default(),
            connections: Mutex::default(),
            begun: AtomicUsize::new(0),
            cut_after: Mutex::default(),
            cut: Notify::new(),
            cut_in_input: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, accepting }
    }

    /// A path of the host, here.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.state.folder.path().join(path.trim_start_matches('/'))
    }

    /// What a file of the host holds; nothing if it isn't there.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// Gives the host another key, as if it had been made anew.
    pub(crate) fn change_host_key(&self) {
        *self.state.host_key.lock().unwrap() = new_key();
    }

    /// Its host key.
    pub(crate) fn host_key(&self) -> PublicKey {
        self.state.host_key.lock().unwrap().public_key().clone()
    }

    /// What the login shell prints before anything else.
    pub(crate) fn greet_with(&self, text: &str) {
        *self.state.greeting.lock().unwrap() = text.to_owned();
    }

    /// How many commands were begun.
    pub(crate) fn commands(&self) -> usize {
        self.state.begun.load(Ordering::SeqCst)
    }

    /// Cuts all connections, as a network does that is gone.
    pub(crate) fn cut(&self) {
        self.state.cut();
    }

    /// Cuts all connections when so many more commands were begun.
    pub(crate) fn cut_after(&self, commands: usize) {
        *self.state.cut_after.lock().unwrap() = Some(self.commands() + commands);
    }

    /// Cuts all connections when a command has read so much of its input.
    pub(crate) fn cut_in_input(&self, bytes: usize) {
        *self.state.cut_in_input.lock().unwrap() = Some(bytes);
    }

    /// Waits until [`cut_after`](Self::cut_after) or [`cut_in_input`](Self::cut_in_input) has come
    /// true.
    pub(crate) async fn was_cut(&self) {
        self.state.cut.notified().await;
    }

    /// Waits until no command runs any more. Units are none.
    pub(crate) async fn is_idle(&self) {
        eventually("commands end", || self.state.running.load(Ordering::SeqCst) == 0).await;
    }

    /// Has a whole host's kubeadm stop in the middle of its work, or go on.
    pub(crate) fn hold(&self, held: bool) {
        let file = self.path("/.hold");
        if held { fs::write(file, "") } else { fs::remove_file(file) }.unwrap();
    }

    /// Takes a whole host's power away, in the middle of whatever it does, and boots it.
    pub(crate) async fn reboot(&self, cluster: &Path) {
        self.cut();
        let machine = self.state.machine.as_ref().expect("a whole host");
        let runs = machine.lock().unwrap().take().unwrap();
        let root = self.state.folder.path();
        runs.end(root).await;
        let boots = Machine::boot(root, cluster).await;
        let done = boots.command(root, BOOT).status().await.unwrap();
        assert!(done.success(), "it doesn't boot");
        *machine.lock().unwrap() = Some(boots);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.cut();
    }
}

impl State {
    fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// What runs a command on the host.
    fn command(&self, line: &str) -> Command {
        let root = self.folder.path();
        let Some(machine) = &self.machine else {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--mount", "sh", "-c", ENTER, "sh"]).arg(root);
            command.args(["sh", "-c", line]);
            return command;
        };
        match &*machine.lock().unwrap() {
            Some(machine) => machine.command(root, line),
            None => Command::new("false"),
        }
    }

    fn count(&self) {
        let begun = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let due = self.cut_after.lock().unwrap().take_if(|after| begun >= *after).is_some();
        if due {
            self.cut();
            self.cut.notify_one();
        }
    }
}

fn new_key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let config = server::Config {
            keys: vec![state.host_key.lock().unwrap().clone()],
            auth_rejection_time: std::time::Duration::ZERO,
            ..server::Config::default()
        };
        // Bytes go through a task that can be ended without any farewell.
        let (mut near, far) = duplex(64 * 1024);
        let carrying = tokio::spawn(async move {
            let _ = copy_bidirectional(&mut socket, &mut near).await;
        });
        state.connections.lock().unwrap().push(carrying.abort_handle());
        let connection = Connection { state: Arc::clone(&state), channels: HashMap::new() };
        tokio::spawn(async move {
            if let Ok(session) = server::run_stream(Arc::new(config), far, connection).await {
                let _ = session.await;
            }
        });
    }
}

struct Connection {
    state: Arc<State>,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        let known = key.public_key.key_data() == self.state.allowed.key_data();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        let port = u16::try_from(port).unwrap();
        let mut onward = TcpStream::connect((host, port)).await.unwrap();
        reply.accept().await;
        tokio::spawn(async move {
            let _ = copy_bidirectional(&mut channel.into_stream(), &mut onward).await;
        });
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        let channel = self.channels.remove(&id).unwrap();
        let greeting = self.state.greeting.lock().unwrap().clone();
        let command = format!("{greeting}{}", String::from_utf8_lossy(command));
        self.state.count();
        let state = Arc::clone(&self.state);
        tokio::spawn(async move { serve(channel, state, &command).await });
        Ok(())
    }
}

/// Runs one command, as sshd does: what it does is not ended when its connection is.
async fn serve(channel: Channel<Msg>, state: Arc<State>, command: &str) {
    state.running.fetch_add(1, Ordering::SeqCst);
    let counted = Arc::clone(&state);
    let mut child = state
        .command(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut read, write) = channel.split();
    let feeding = tokio::spawn(async move {
        let mut fed = 0;
        while let Some(message) = read.wait().await {
            if let ChannelMsg::Data { data } = message {
                fed += data.len();
                if state.cut_in_input.lock().unwrap().take_if(|max| fed > *max).is_some() {
                    state.cut();
                    state.cut.notify_one();
                }
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(&data).await.is_err()
                {
                    stdin = None;
                }
            } else if matches!(message, ChannelMsg::Eof) {
                stdin = None;
            }
        }
    });
    let mut buffers = ([0; 4096], [0; 4096]);
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        tokio::select! {
            read = stdout.read(&mut buffers.0), if out_open => match read {
                Ok(len) if len > 0 => {
                    let _ = write.data(&buffers.0[..len]).await;
                }
                _ => out_open = false,
            },
            read = stderr.read(&mut buffers.1), if err_open => match read {
                Ok(len) if len > 0 => {
                    let _ = write.extended_data(1, &buffers.1[..len]).await;
                }
                _ => err_open = false,
            },
        }
    }
    let code = child.wait().await.unwrap().code().and_then(|code| u32::try_from(code).ok());
    let _ = write.exit_status(code.unwrap_or(255)).await;
    let _ = write.eof().await;
    let _ = write.close().await;
    feeding.abort();
    counted.running.fetch_sub(1, Ordering::SeqCst);
}
