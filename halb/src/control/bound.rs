//! A unix socket that is served: bound where nobody else answers, gone when it is dropped.

use std::future::Future;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time;
use tracing::warn;

/// Pause after an accept error that won't go away at once (no descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Mode of a directory that had to be made for the socket.
const DIRECTORY_MODE: u32 = 0o755;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers on it.
    #[error("another program answers on {0}")]
    InUse(PathBuf),
    /// Something that is no socket has its name.
    #[error("{0} exists and is not a socket")]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("can't make the socket {path}")]
    Io {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A bound socket; its file goes when this does.
#[derive(Debug)]
pub struct BoundSocket {
    listener: UnixListener,
    path: PathBuf,
    share: Share,
}

/// What others may know and say of a socket while it is served.
#[derive(Debug, Clone)]
pub struct Share(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The file goes with the socket.
    owned: AtomicBool,
    /// Open conversations.
    open: watch::Sender<usize>,
}

impl Share {
    fn new(owned: bool) -> Self {
        let open = watch::Sender::new(0);
        Self(Arc::new(Shared { owned: AtomicBool::new(owned), open }))
    }

    /// Whether the file goes with the socket from now on; it doesn't where another process serves
    /// it, too.
    pub fn own(&self, owned: bool) {
        self.0.owned.store(owned, Ordering::Relaxed);
    }

    /// Returns when no conversation is open.
    pub async fn conversations_end(&self) {
        // The other end is in `self`.
        let _ = self.0.open.subscribe().wait_for(|open| *open == 0).await;
    }
}

impl BoundSocket {
    /// Binds `path` with these permissions, makes its directory where it is missing, and replaces
    /// the socket file that a dead process left. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: &Path, mode: u32) -> Result<Self, BindError> {
        let failed = |source| BindError::Io { path: path.to_owned(), source };
        make_directory(path).map_err(failed)?;
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        let socket = Self { listener, path: path.to_owned(), share: Share::new(true) };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        Ok(socket)
    }

    /// Takes a socket that another process has bound to `path` and may still serve. Its file stays
    /// until [`Share::own`] says otherwise. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// It is no listening socket.
    pub fn inherit(path: &Path, listener: OwnedFd) -> io::Result<Self> {
        let listener = std::os::unix::net::UnixListener::from(listener);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        Ok(Self { listener, path: path.to_owned(), share: Share::new(false) })
    }

    /// What others may know and say of it while it is served.
    #[must_use]
    pub fn share(&self) -> Share {
        self.share.clone()
    }

    /// A copy of the listener, for another process.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn copy(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves until it is dropped, at most `connections_max` at a time; further ones wait in the
    /// backlog.
    pub async fn serve<F, A>(self, connections_max: usize, converse: F)
    where
        F: Fn(UnixStream) -> A,
        A: Future<Output = ()> + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(connections_max));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, path = %self.path.display(), "socket accepts nothing at the moment");
                    time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let conversation = converse(stream);
            let share = self.share.clone();
            share.0.open.send_modify(|open| *open += 1);
            tokio::spawn(async move {
                conversation.await;
                share.0.open.send_modify(|open| *open -= 1);
                drop(slot);
            });
        }
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        if self.share.0.owned.load(Ordering::Relaxed) {
            // Gone already is as good.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty() && !d.exists()) else {
        return Ok(());
    };
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(DIRECTORY_MODE))
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::Io { path: path.to_owned(), source };
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !kind.is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}
