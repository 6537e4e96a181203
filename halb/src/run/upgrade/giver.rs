//! The old daemon's end of a hand-over, on a thread of its own that may wait.

use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use halb_healthcheck::status::TargetStatus;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tracing::{error, info};

use super::super::daemon::Daemon;
use super::super::{ORDERS_MAX, service};
use super::giving::{Action, Event, Giving, HANDING_OVER_MAX};
use super::roles::{self, Role};
use super::state::{self, KeptCheck};
use super::wire::{Wire, WireError};
use super::words::{Door, ToNew, ToOld};
use super::{FORMERS_MAX, Given, lock};

/// Servers in one word.
const SERVERS_PER_WORD: usize = 64;

/// A program that closed its socket is about to end; after this it is made to.
const END_MAX: Duration = Duration::from_secs(2);

/// How often an ending program is looked at.
const END_LOOK: Duration = Duration::from_millis(10);

/// What the kernel says behind the path of a program whose file was replaced.
const DELETED: &str = " (deleted)";

/// What an operator wants.
pub(in crate::run) struct Order {
    /// The binary; none: whatever the running one's path names now.
    pub(in crate::run) binary: Option<PathBuf>,
}

/// Hands over to another binary, and says so in words.
///
/// # Errors
/// Why it couldn't be done; this daemon is as it was.
pub(in crate::run) async fn give(daemon: Arc<Daemon>, order: Order) -> Result<String, String> {
    let Ok(alone) = Arc::clone(&daemon.reloading).try_lock_owned() else {
        return Err("a reload or an upgrade is under way; ask again when it is over".to_owned());
    };
    if daemon.stopping.load(Ordering::Relaxed) {
        return Err("halb is stopping".to_owned());
    }
    may(&daemon)?;
    let binary = order.binary.map_or_else(installed, Ok)?;
    // Held until it is over: what is ordered meanwhile would be lost.
    let every = u32::try_from(ORDERS_MAX).unwrap_or(u32::MAX);
    let orders = Arc::clone(&daemon.orders).acquire_many_owned(every).await;
    let checks = daemon.checks.status().await;
    service::reloading();
    info!(binary = %binary.display(), "handing over to another binary");
    let (done, outcome) = oneshot::channel();
    let giver = Giver { daemon: Arc::clone(&daemon), binary, checks };
    let work = move || {
        // Who waits is the order, which is answered whatever happens.
        let _ = done.send(giver.run(alone));
    };
    let outcome = match thread::Builder::new().name("halb-upgrade".to_owned()).spawn(work) {
        Ok(_) => outcome.await.unwrap_or_else(|_| Err("the hand-over broke off".to_owned())),
        Err(error) => Err(format!("there is no thread to hand over in: {error}")),
    };
    match &outcome {
        Ok(message) => {
            daemon.orders.close();
            info!("{message}");
        }
        Err(why) => {
            error!("not handed over, this daemon goes on: {why}");
            service::ready();
        }
    }
    drop(orders);
    outcome
}

/// Whether this daemon could be replaced now.
///
/// # Errors
/// Why not, and what to do instead.
pub(in crate::run) fn may(daemon: &Daemon) -> Result<(), String> {
    let formers = daemon.upgrades.formers().len();
    if formers >= FORMERS_MAX {
        return Err(format!(
            "{formers} former daemons still serve connections ('halb status' shows them); wait \
             until some have ended, or shorten upgrade_drain_timeout"
        ));
    }
    Ok(())
}

/// The file that the running program's path names now; a package may have replaced it.
fn installed() -> Result<PathBuf, String> {
    let running = fs::read_link("/proc/self/exe")
        .map_err(|error| format!("can't tell which binary runs ({error}); name one: --binary"))?;
    let path = running.to_string_lossy();
    Ok(path.strip_suffix(DELETED).map_or_else(|| running.clone(), PathBuf::from))
}

/// Whether the running program's path names another file now.
pub(in crate::run) fn another_is_installed() -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let installed = installed().ok().and_then(|path| identity(&path));
    installed.is_some() && installed != identity(Path::new("/proc/self/exe"))
}

/// One hand-over.
struct Giver {
    daemon: Arc<Daemon>,
    binary: PathBuf,
    checks: Vec<TargetStatus>,
}

impl Giver {
    fn run(self, alone: OwnedMutexGuard<()>) -> Result<String, String> {
        let failed = |error: io::Error| format!("can't start {}: {error}", self.binary.display());
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut wire = Wire::new(ours).map_err(failed)?;
        let mut child = self.command(theirs).spawn().map_err(failed)?;
        let pid = child.id();
        let version = match self.converse(&mut wire, &mut child) {
            Ok(version) => version,
            Err(why) => {
                end(&mut child);
                return Err(why);
            }
        };
        // From here on the other one serves: what fails now changes nothing about that.
        self.daemon.vip.depart();
        self.daemon.runtime.block_on(self.daemon.peer.stop());
        service::main_pid(pid);
        if let Err(error) = wire.send(&ToNew::Main, None) {
            error!(%error, "the new daemon does not hear that it is the main process");
        }
        self.daemon.upgrades.give(Given { wire, alone });
        let connections = self.daemon.connections();
        Ok(format!(
            "halb {version} serves (process {pid}); this one keeps its {connections} connections \
             until they end"
        ))
    }

    fn command(&self, socket: UnixStream) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["run", "--take-over", "--config"]).arg(&self.daemon.config_file);
        if let Some(socket) = &self.daemon.upgrades.socket {
            command.arg("--socket").arg(socket);
        }
        command.stdin(Stdio::from(OwnedFd::from(socket)));
        // It names this process, and the watchdog is to hear the new one.
        command.env_remove("WATCHDOG_PID");
        command
    }

    /// Talks until it is over; the new daemon's version, or why it doesn't take over.
    fn converse(&self, wire: &mut Wire, child: &mut Child) -> Result<String, String> {
        let patience = self.daemon.vip.patience_aside().unwrap_or(HANDING_OVER_MAX);
        let mut core = Giving::new(patience.min(HANDING_OVER_MAX), Instant::now());
        loop {
            let event = match wire.receive::<ToOld>(core.deadline()) {
                Ok(Some(word)) => Event::Heard(word),
                Ok(None) => Event::Timeout,
                Err(error) => Event::Gone(how_it_ended(&error, child)),
            };
            let mut actions = core.handle(Instant::now(), event);
            while !actions.is_empty() {
                let mut broken = None;
                for action in std::mem::take(&mut actions) {
                    let done = match action {
                        Action::SayMismatch(why) => wire.send(&ToNew::Mismatch { why }, None),
                        Action::Welcome(protocol) => self.welcome(wire, protocol),
                        Action::Go => match self.daemon.vip.stand_aside() {
                            Ok(roles) => {
                                // Two would put each other's rules right.
                                self.daemon.forward.leave();
                                let roles = roles.into_iter().map(Role::from).collect();
                                wire.send(&ToNew::Go { roles }, None)
                            }
                            Err(error) => {
                                let why = format!("the virtual IPs can't be handed over: {error}");
                                broken = Some(why);
                                Ok(())
                            }
                        },
                        // What was given so far are copies; only one may go on.
                        Action::TakeBack => {
                            let killed = child.kill().and_then(|()| child.wait());
                            self.daemon.vip.take_back();
                            self.forward_again();
                            killed.map(drop).map_err(WireError::from)
                        }
                        Action::Over(outcome) => return outcome,
                    };
                    if let Err(error) = done {
                        broken = Some(how_it_ended(&error, child));
                    }
                }
                if let Some(how) = broken {
                    actions = core.handle(Instant::now(), Event::Gone(how));
                }
            }
        }
    }

    /// What the kernel was told went on meanwhile.
    fn forward_again(&self) {
        if let Err(error) = self.daemon.forward_anew() {
            error!("the kernel forwards on, and is no longer told who serves: {error:#}");
        }
    }

    /// Hands over copies of all doors, and what this daemon knows.
    fn welcome(&self, wire: &mut Wire, protocol: u32) -> Result<(), WireError> {
        let daemon = &self.daemon;
        wire.send(&ToNew::Welcome { protocol }, None)?;
        for (address, listener) in daemon.engine.listeners()? {
            let door = Door::Listener(address);
            wire.send(&ToNew::Door { door }, Some(listener.as_fd()))?;
        }
        for (door, descriptor) in &*lock(&daemon.upgrades.doors) {
            wire.send(&ToNew::Door { door: door.clone() }, Some(descriptor.as_fd()))?;
        }
        for some in self.checks.chunks(SERVERS_PER_WORD) {
            let targets = some.iter().map(KeptCheck::from).collect();
            wire.send(&ToNew::Checks { targets }, None)?;
        }
        let orders = state::orders(&daemon.engine.snapshot(), &daemon.in_force().settings);
        for some in orders.chunks(SERVERS_PER_WORD) {
            wire.send(&ToNew::Orders { servers: some.to_vec() }, None)?;
        }
        let routers = roles::routers(&daemon.in_force().settings.vrrp);
        wire.send(&ToNew::Routers { routers }, None)?;
        let now = Some((Duration::ZERO, Duration::ZERO));
        wire.send(&ToNew::Report(Box::new(daemon.report(now))), None)?;
        wire.send(&ToNew::Complete, None)
    }
}

fn how_it_ended(error: &WireError, child: &mut Child) -> String {
    let deadline = Instant::now() + END_MAX;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) => {
                return format!("the new daemon ended with {status}; its log says more");
            }
            Ok(None) => thread::sleep(END_LOOK),
            Err(_) => break,
        }
    }
    format!("the new daemon can't be talked with: {}", crate::cli::chain(error))
}

/// Makes sure that a daemon which isn't to take over is gone. One that refused ends by itself.
fn end(child: &mut Child) {
    let deadline = Instant::now() + END_MAX;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(END_LOOK);
    }
    // It may have ended just now.
    let _ = child.kill();
    let _ = child.wait();
}
