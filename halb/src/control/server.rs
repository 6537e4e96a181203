//! The daemon's end of the control socket.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time;
use tracing::debug;

use super::bound::BoundSocket;
use super::frame::LineError;
use super::protocol::{Envelope, Request, Response, VERSION};
use super::{bound, frame};

/// Most connections at a time; further ones wait in the backlog. A person uses one.
const CONNECTIONS_MAX: usize = 32;

/// A client that says nothing for so long is sent away, so that forgotten ones don't fill the
/// [`CONNECTIONS_MAX`].
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A client that takes no byte of its answer for so long is sent away.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Owner and group may talk to the daemon; group `halb` is who is let in.
const SOCKET_MODE: u32 = 0o660;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A daemon answers on it.
    #[error(
        "another halb runs here: it answers on {0} (stop it, or give this one its own: --socket PATH)"
    )]
    InUse(PathBuf),
    /// Something that is no socket has its name.
    #[error("{0} exists and is not a socket; remove it or choose another path: admin.socket")]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("can't make the control socket {path}")]
    Io {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl From<bound::BindError> for BindError {
    fn from(error: bound::BindError) -> Self {
        match error {
            bound::BindError::InUse(path) => Self::InUse(path),
            bound::BindError::NotASocket(path) => Self::NotASocket(path),
            bound::BindError::Io { path, source } => Self::Io { path, source },
        }
    }
}

/// A bound control socket; its file goes when this does.
#[derive(Debug)]
pub struct ControlSocket(BoundSocket);

impl ControlSocket {
    /// Binds `path`, makes its directory where it is missing, and replaces the socket file that a
    /// dead daemon left. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        Ok(Self(BoundSocket::bind(path, SOCKET_MODE)?))
    }

    /// Takes a control socket that another process has bound and may still serve; see
    /// [`BoundSocket::inherit`].
    ///
    /// # Errors
    /// It is no listening socket.
    pub fn inherit(path: &Path, listener: OwnedFd) -> Result<Self, BindError> {
        let failed = |source| BindError::Io { path: path.to_owned(), source };
        BoundSocket::inherit(path, listener).map(Self).map_err(failed)
    }

    /// What is under it.
    #[must_use]
    pub fn bound(&self) -> &BoundSocket {
        &self.0
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Serves until it is dropped; `answer` is asked for each request.
    pub async fn serve<F, A>(self, answer: F)
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output = Response> + Send,
    {
        let answer = Arc::new(answer);
        let talk = move |stream| {
            let answer = Arc::clone(&answer);
            async move {
                if let Err(error) = converse(stream, &*answer).await {
                    debug!(%error, "control connection ended early");
                }
            }
        };
        self.0.serve(CONNECTIONS_MAX, talk).await;
    }
}

async fn converse<F, A>(mut stream: UnixStream, answer: &F) -> Result<(), LineError>
where
    F: Fn(Request) -> A,
    A: Future<Output = Response>,
{
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    loop {
        let reading = frame::read_line(&mut reader, frame::REQUEST_LEN_MAX);
        let response = match time::timeout(IDLE_TIMEOUT, reading).await {
            Err(_) | Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(line))) => match understand(&line) {
                Ok(request) => answer(request).await,
                Err(message) => Response::Refused { message },
            },
            Ok(Err(error)) => {
                let message = format!("not understood: {error}");
                send(&mut writer, Response::Refused { message }).await?;
                return Err(error);
            }
        };
        send(&mut writer, response).await?;
    }
}

fn understand(line: &[u8]) -> Result<Request, String> {
    let envelope: Envelope<serde_json::Value> =
        serde_json::from_slice(line).map_err(|error| format!("not understood: {error}"))?;
    if envelope.version != VERSION {
        let theirs = envelope.version;
        return Err(format!(
            "this halb ({}) speaks version {VERSION} of the control protocol, not {theirs}; \
             use the command that belongs to the running daemon",
            env!("CARGO_PKG_VERSION")
        ));
    }
    serde_json::from_value(envelope.body).map_err(|error| format!("not understood: {error}"))
}

async fn send(
    writer: &mut (impl tokio::io::AsyncWrite + Unpin),
    response: Response,
) -> Result<(), LineError> {
    let mut line = serde_json::to_vec(&Envelope { version: VERSION, body: response })
        .map_err(io::Error::from)?;
    line.push(b'\n');
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        let writing = writer.write(rest);
        let written = time::timeout(WRITE_TIMEOUT, writing)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
