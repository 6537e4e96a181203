//! The command line's end of the control socket: blocking, one question, one answer.

use std::io;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frame::RESPONSE_LEN_MAX;
use super::protocol::{Envelope, Request, Response, VERSION};

/// A daemon that says nothing for so long won't: a reload, its longest work, takes milliseconds
/// unless it removes all virtual IPs, which are handed over first: 30 s at the longest intervals.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing listens.
    #[error("no halb runs on {path}; start it with 'halb run', or name its socket: --socket PATH")]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The socket's permissions.
    #[error("no right to talk to halb on {path}; become root or a member of the socket's group")]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// It broke off, or took too long.
    #[error("halb on {path} does not answer")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The answer makes no sense.
    #[error("halb on {path} gave an answer that this command does not understand")]
    Answer {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Asks the daemon behind `path`.
///
/// # Errors
/// [`AskError`].
pub fn ask(path: &Path, request: Request) -> Result<Response, AskError> {
    let line = exchange(path, request).map_err(|source| {
        let (path, kind) = (path.to_owned(), source.kind());
        if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&kind) {
            AskError::NotRunning { path }
        } else if kind == io::ErrorKind::PermissionDenied {
            AskError::Denied { path }
        } else {
            AskError::Io { path, source }
        }
    })?;
    let envelope: Envelope<Response> = serde_json::from_slice(&line)
        .map_err(|source| AskError::Answer { path: path.to_owned(), source })?;
    Ok(envelope.body)
}

fn exchange(path: &Path, request: Request) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = serde_json::to_vec(&Envelope { version: VERSION, body: request })?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let len_max = u64::try_from(RESPONSE_LEN_MAX).unwrap_or(u64::MAX);
    let mut answer = Vec::new();
    BufReader::new(stream.take(len_max)).read_until(b'\n', &mut answer)?;
    if answer.last() == Some(&b'\n') {
        Ok(answer)
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"))
    }
}
