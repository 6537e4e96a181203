//! Files that an operator names: read aside from the runtime, a few at a time, and never more than
//! a bound of each.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::outcome::Outcome;

/// Why a file that a check names can't be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what} {}", path.display())]
pub struct FileError {
    what: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Most bytes of a file: a whole distribution's CA bundle is a quarter of it.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// Reads all of a regular file; `what` is its key in the configuration. Blocks, on a file system
/// that is gone for ever; not on a FIFO, which is refused.
pub(crate) fn read_bounded(what: &'static str, path: &Path) -> Result<Vec<u8>, FileError> {
    read(path).map_err(|source| FileError { what, path: path.to_owned(), source })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Without O_NONBLOCK, opening a FIFO waits for somebody to write. Regular files ignore it.
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is a directory, a pipe or a device; name a regular file"));
    }
    let mut content = Vec::new();
    let len = file.take(FILE_LEN_MAX + 1).read_to_end(&mut content)?;
    if u64::try_from(len).is_ok_and(|len| len <= FILE_LEN_MAX) {
        Ok(content)
    } else {
        Err(io::Error::other(format!("longer than {FILE_LEN_MAX} bytes")))
    }
}

/// Where the files of all checks are read; cheap to clone.
#[derive(Clone)]
pub(crate) struct Reading {
    slots: Arc<Semaphore>,
}

/// Most reads at a time, each on one of the runtime's blocking threads. A read on a file system
/// that is gone never ends and keeps its thread, so this is what such files can take from whoever
/// else blocks; a good read takes microseconds, and those that wait for it wait no longer.
pub const FILE_READS_MAX: usize = 4;

impl Reading {
    pub(crate) fn new() -> Self {
        Self { slots: Arc::new(Semaphore::new(FILE_READS_MAX)) }
    }

    /// Runs `read` aside. Dropped before its turn it never runs; dropped later it runs to its end.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Outcome> {
        let failed = |what: &str| Outcome::inconclusive(&format!("reading files: {what}"));
        let slot = self.slots.clone().acquire_owned().await.map_err(|e| failed(&e.to_string()))?;
        let reading = tokio::task::spawn_blocking(move || {
            let read = read();
            drop(slot);
            read
        });
        reading.await.map_err(|error| failed(&error.to_string()))
    }

    /// As if so many reads hung; until what is returned is dropped.
    #[cfg(test)]
    pub(super) fn hang(&self, count: u32) -> tokio::sync::OwnedSemaphorePermit {
        self.slots.clone().try_acquire_many_owned(count).expect("free slots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [&*fifo, directory.path(), Path::new("/dev/null")] {
            let error = read_bounded("ca_file", path).unwrap_err();
            assert!(error.source.to_string().contains("name a regular file"), "{error:?}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let bound = usize::try_from(FILE_LEN_MAX).unwrap();
        std::fs::write(&path, vec![b'x'; bound]).unwrap();
        assert_eq!(read_bounded("ca_file", &path).unwrap().len(), bound);
        std::fs::write(&path, vec![b'x'; bound + 1]).unwrap();
        assert!(read_bounded("ca_file", &path).is_err());
    }
}
