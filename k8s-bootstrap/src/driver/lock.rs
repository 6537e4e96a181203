//! Locks against two operators: one beside the inventory, and one on each host.
//!
//! A host's lock is the kernel's lock on a file in /run, held by a command that lives as long as its
//! connection and hears a sign of life every few seconds. Nothing has to be cleared away after a
//! crash, a lost network or a reboot.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::shell;

use super::host::{Host, HostError};
use super::run::{Exit, HEARTBEAT, Input, Job, Output};

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run of this project holds it.
    #[error("another run works with this inventory: {holder}. Wait for it, or end it")]
    Here {
        /// Who.
        holder: String,
    },
    /// Another run works on the host.
    #[error("{host} is being worked on by {holder}. Wait for it, or end it")]
    There {
        /// The host.
        host: String,
        /// Who.
        holder: String,
    },
    /// The file can't be locked.
    #[error("{} can't be locked", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The host can't be asked.
    #[error("{host} can't be locked")]
    Host {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: Box<HostError>,
    },
}

/// The lock of a project, held until it is dropped.
#[derive(Debug)]
pub struct ProjectLock {
    _file: File,
}

/// Longest note of who holds a lock.
const HOLDER_MAX: u64 = 200;

impl ProjectLock {
    /// Takes it, with a note of who has it.
    ///
    /// # Errors
    /// [`LockError::Here`], [`LockError::File`].
    pub fn take(path: &Path, who: &str) -> Result<Self, LockError> {
        let failed = |source| LockError::File { path: path.to_owned(), source };
        let mut open = OpenOptions::new();
        let mut file =
            open.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // A note that can't be read says nothing; that there is a holder is known.
                let _ = file.take(HOLDER_MAX).read_to_string(&mut holder);
                return Err(LockError::Here { holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{who}")).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Where a host keeps its lock.
const FILE: &str = "/run/halb-bootstrap.lock";

/// How often the holder hears a sign of life.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

/// Silence after which a host lets go of its lock: the holder's machine is gone.
const SILENCE_SECONDS: u32 = 40;

/// How long a host waits for a lock to be let go. A run that was killed a moment ago still holds
/// it until the host notices.
const WAIT_SECONDS: u32 = 5;

/// Longest run.
const RUN_MAX: Duration = Duration::from_secs(24 * 3600);

/// The holder's exit code when another one holds the lock.
const EXIT_BUSY: u32 = 75;

/// What it says once it has it.
const LOCKED: &str = "locked";

/// Pause before a connection that held a lock is made anew.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);

/// A lock on one host, held until it is dropped.
#[derive(Debug)]
pub struct HostLock {
    holding: JoinHandle<()>,
}

/// A host that another run took over while its connection was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The host.
    pub host: String,
    /// Who has it now.
    pub holder: String,
}

impl HostLock {
    /// Takes it, with a note of who has it, and tells if it is ever taken over.
    ///
    /// # Errors
    /// [`LockError::There`], [`LockError::Host`].
    pub async fn take(
        host: Arc<Host>,
        who: &str,
        taken_over: mpsc::Sender<TakenOver>,
    ) -> Result<Self, LockError> {
        let (locked, is_locked) = oneshot::channel();
        let who = who.to_owned();
        let lock = Self {
            holding: tokio::spawn(async move {
                let mut first = Some(locked);
                let end = hold(&host, &who, &mut first).await;
                match first {
                    // Who waited may be gone.
                    Some(locked) => drop(locked.send(Err(end))),
                    None => {
                        if let LockError::There { host, holder } = end {
                            let _ = taken_over.send(TakenOver { host, holder }).await;
                        }
                    }
                }
            }),
        };
        is_locked.await.expect("the task says how it went before it ends").map(|()| lock)
    }
}

impl Drop for HostLock {
    fn drop(&mut self) {
        self.holding.abort();
    }
}

type First = oneshot::Sender<Result<(), LockError>>;

/// Holds a lock, again after each loss of the connection, until another has it; `first` is taken
/// out when it is held for the first time, and until then nothing is tried again.
async fn hold(host: &Host, who: &str, first: &mut Option<First>) -> LockError {
    loop {
        let ended = hold_once(host, who, first).await;
        let name = || host.name().to_owned();
        match ended {
            Ok(output) if output.exit == Exit::Code(EXIT_BUSY) => {
                let holder = output.text().trim().to_owned();
                // Ourselves: the host hasn't noticed yet that our former connection is gone.
                if first.is_some() || holder != who {
                    return LockError::There { host: name(), holder };
                }
            }
            Ok(output) if first.is_some() => {
                let what = "locking the host".to_owned();
                let source = Box::new(HostError::Failed { what, output: Box::new(output) });
                return LockError::Host { host: name(), source };
            }
            Err(source) if first.is_some() => {
                return LockError::Host { host: name(), source: Box::new(source) };
            }
            // It was held, and the connection was lost; whoever works on the host notices as well.
            Ok(_) | Err(_) => {}
        }
        sleep(RECONNECT_PAUSE).await;
    }
}

async fn hold_once(host: &Host, who: &str, first: &mut Option<First>) -> Result<Output, HostError> {
    let script = format!(
        "exec 9>>{FILE}
         flock -w {WAIT_SECONDS} 9 || {{ head -c {HOLDER_MAX} {FILE}; exit {EXIT_BUSY}; }}
         printf '%s\\n' {} >{FILE}
         echo {LOCKED}
         while [ \"$(timeout {SILENCE_SECONDS} head -c 1)\" = {HEARTBEAT} ]; do :; done",
        shell::quote(who)
    );
    let job = Job::root(script, RUN_MAX).reading(Input::Heartbeat(HEARTBEAT_EVERY));
    let mut said = Vec::new();
    let mut tap = |bytes: &[u8]| {
        if first.is_none() {
            return;
        }
        said.extend_from_slice(bytes);
        if said.ends_with(format!("{LOCKED}\n").as_bytes())
            && let Some(locked) = first.take()
        {
            // Who waited may be gone.
            let _ = locked.send(Ok(()));
        }
    };
    host.run(&job, &mut tap).await
}
