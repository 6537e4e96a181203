//! Host keys: taken on trust the first time, strictly the same ever after.
//!
//! The file is one of OpenSSH's own format beside the inventory, so that it can be filled by
//! `ssh-keyscan` beforehand, read by `ssh -o UserKnownHostsFile=` and committed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use russh::keys::ssh_key::{Algorithm, HashAlg, PublicKey};
use russh::keys::{PublicKeyBase64 as _, known_hosts as format};

/// The file of host keys of one project.
#[derive(Debug)]
pub struct KnownHosts {
    path: PathBuf,
    /// Hosts are met at the same time; each is looked up and written down in one go.
    writing: Mutex<()>,
}

/// What became of a key that a host showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The file has it.
    Known,
    /// The file had no key of this host, and has this one now. The text is its fingerprint.
    Learned(String),
}

/// Why a host is not talked to.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// It shows another key than it did.
    #[error(
        "the host key of {host} has changed: {} says {known} in line {line}, the host shows \
         {shown}. If the host was made anew, remove that line (ssh-keygen -R '{host}' -f {}) and \
         run again. If not, someone may stand between you and the host: nothing was sent to it",
        file.display(),
        file.display()
    )]
    Changed {
        /// The host as the file names it.
        host: String,
        /// The file.
        file: PathBuf,
        /// The line with the key that was expected, counted from 1.
        line: usize,
        /// Type and fingerprint of that key.
        known: String,
        /// Type and fingerprint of the key that was shown.
        shown: String,
    },
    /// The file can't be read, so that nobody knows what is expected.
    #[error("the file of host keys {} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file has a line that is no key.
    #[error("the file of host keys {} has a line for {host} that is no key", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The host as the file names it.
        host: String,
        /// Why.
        #[source]
        source: Box<russh::keys::Error>,
    },
    /// A new key can't be written down, so that it would not be recognised the next time.
    #[error("the key of {host} can't be added to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The host as the file names it.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl KnownHosts {
    /// The keys in a file, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writing: Mutex::new(()) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The types of keys that the file has for a host: a host that has several must be asked for one
    /// of these.
    ///
    /// # Errors
    /// The file is there and can't be read.
    pub fn algorithms(&self, address: &str, port: u16) -> Result<Vec<Algorithm>, HostKeyError> {
        let keys = self.recorded(address, port)?;
        Ok(keys.into_iter().map(|(_, key)| key.algorithm()).collect())
    }

    /// Compares a key with what the file has for a host, and writes it down if that is nothing.
    ///
    /// # Errors
    /// [`HostKeyError`]: the host must not be talked to.
    pub fn check(
        &self,
        address: &str,
        port: u16,
        shown: &PublicKey,
    ) -> Result<Verdict, HostKeyError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let recorded = self.recorded(address, port)?;
        if recorded.iter().any(|(_, known)| known.key_data() == shown.key_data()) {
            return Ok(Verdict::Known);
        }
        // A key of another type is no less a stranger's: the file's types were asked for.
        if let Some((line, known)) = recorded.first() {
            return Err(HostKeyError::Changed {
                host: name(address, port),
                file: self.path.clone(),
                line: *line,
                known: describe(known),
                shown: describe(shown),
            });
        }
        self.append(address, port, shown)?;
        Ok(Verdict::Learned(describe(shown)))
    }

    fn recorded(&self, address: &str, port: u16) -> Result<Vec<(usize, PublicKey)>, HostKeyError> {
        match File::open(&self.path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(HostKeyError::Read { path: self.path.clone(), source }),
        }
        format::known_host_keys_path(address, port, &self.path).map_err(|source| {
            let (path, host) = (self.path.clone(), name(address, port));
            HostKeyError::Malformed { path, host, source: Box::new(source) }
        })
    }

    fn append(&self, address: &str, port: u16, key: &PublicKey) -> Result<(), HostKeyError> {
        let host = name(address, port);
        let line = format!("{host} {} {}\n", key.algorithm(), key.public_key_base64());
        append_line(&self.path, &line).map_err(|source| HostKeyError::Write {
            path: self.path.clone(),
            host,
            source,
        })
    }
}

/// Adds a line at the end, also where the last one has no end of its own.
fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut before = Vec::new();
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    file.read_to_end(&mut before)?;
    let gap = if before.last().is_some_and(|byte| *byte != b'\n') { "\n" } else { "" };
    file.write_all(format!("{gap}{line}").as_bytes())?;
    file.sync_all()
}

/// A host as OpenSSH's file names it.
fn name(address: &str, port: u16) -> String {
    if port == 22 { address.to_owned() } else { format!("[{address}]:{port}") }
}

fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

#[cfg(test)]
mod tests;
