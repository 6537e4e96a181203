//! The command line's end of the control socket: blocking, one question, one answer.

use std::io;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frame::RESPONSE_LEN_MAX;
use super::protocol::{Envelope, Request, Response, VERSION};

/// A daemon that says nothing for so long won't. An order to a data path that is stuck takes 5 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// The same for what may hand virtual IPs over, a reload that removes them included: 30 s at the
/// longest intervals.
const PATIENCE_FOR_HAND_OVER: Duration = Duration::from_secs(40);

/// The same for another binary that starts: its deadlines are 40 s together, and a reload in its
/// stead takes no longer.
const PATIENCE_FOR_UPGRADE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing listens.
    #[error(
        "no halb runs on {path}; start it: systemctl start halb, or name its socket: --socket PATH"
    )]
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
    /// It took too long.
    #[error(
        "halb on {path} gave no answer for {} s, so it may hang; look at 'systemctl status halb' \
         and at its log",
        patience.as_secs()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        patience: Duration,
    },
    /// It broke off.
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
    let patience = patience(&request);
    ask_within(path, request, patience)
}

fn patience(request: &Request) -> Duration {
    match request {
        Request::Reload | Request::VipYield { .. } | Request::VipResume { .. } => {
            PATIENCE_FOR_HAND_OVER
        }
        Request::Upgrade { .. } => PATIENCE_FOR_UPGRADE,
        Request::Status
        | Request::ServerAdmin { .. }
        | Request::ServerWeight { .. }
        | Request::Sessions { .. }
        | Request::Kill { .. }
        | Request::LogLevel { .. } => PATIENCE,
    }
}

fn ask_within(path: &Path, request: Request, patience: Duration) -> Result<Response, AskError> {
    let line = exchange(path, request, patience).map_err(|source| {
        let (path, kind) = (path.to_owned(), source.kind());
        if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&kind) {
            AskError::NotRunning { path }
        } else if kind == io::ErrorKind::PermissionDenied {
            AskError::Denied { path }
        } else if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&kind) {
            AskError::Silent { path, patience }
        } else {
            AskError::Io { path, source }
        }
    })?;
    let envelope: Envelope<Response> = serde_json::from_slice(&line)
        .map_err(|source| AskError::Answer { path: path.to_owned(), source })?;
    Ok(envelope.body)
}

fn exchange(path: &Path, request: Request, patience: Duration) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_daemon_that_hangs_is_waited_for_a_little_and_named() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("admin.sock");
        let _hangs = UnixListener::bind(&path).unwrap();
        let error = ask_within(&path, Request::Status, Duration::from_secs(1)).unwrap_err();
        let expected = format!("halb on {} gave no answer for 1 s", path.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(patience(&Request::Reload) > patience(&Request::Status));
    }
}
