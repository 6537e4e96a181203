//! Files that an operator names: read aside from the runtime, and never more than a bound of them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

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

/// Reads all of a file; `what` is its key in the configuration. Blocks.
pub(crate) fn read_bounded(what: &'static str, path: &Path) -> Result<Vec<u8>, FileError> {
    let read = || {
        let mut content = Vec::new();
        let len = File::open(path)?.take(FILE_LEN_MAX + 1).read_to_end(&mut content)?;
        if u64::try_from(len).is_ok_and(|len| len <= FILE_LEN_MAX) {
            Ok(content)
        } else {
            Err(io::Error::other(format!("longer than {FILE_LEN_MAX} bytes")))
        }
    };
    read().map_err(|source| FileError { what, path: path.to_owned(), source })
}
