//! A log file that can be moved away: asked to, its writer goes on in a new one of the same name.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

/// Clients' addresses are in it: its owner writes, its group reads.
const MODE: u32 = 0o640;

/// The writer's end.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    next: Arc<Mutex<Option<File>>>,
}

/// The end of whoever rotates logs.
#[derive(Debug, Clone)]
pub struct Reopener {
    path: PathBuf,
    next: Arc<Mutex<Option<File>>>,
}

/// Opens the file at `path`, to append to it; makes it where it isn't there.
///
/// # Errors
/// Those of opening it.
pub fn open(path: &Path) -> io::Result<(LogFile, Reopener)> {
    let next = Arc::new(Mutex::new(None));
    let file = LogFile { file: append(path)?, next: Arc::clone(&next) };
    Ok((file, Reopener { path: path.to_owned(), next }))
}

fn append(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

impl Reopener {
    /// Opens the file anew, at once; lines that come from now on go there.
    ///
    /// # Errors
    /// Those of opening it. Then the writer goes on where it was.
    pub fn reopen(&self) -> io::Result<()> {
        let file = append(&self.path)?;
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Write for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if let Some(file) = self.next.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.file = file;
        }
        self.file.write(lines)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_a_reopening_are_in_a_new_file_and_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let (mut file, reopener) = open(&path).unwrap();
        file.write_all(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        file.write_all(b"two\n").unwrap();
        reopener.reopen().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"", "the new one is there before its first line");
        file.write_all(b"three\n").unwrap();
        assert_eq!(fs::read(&moved).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::read(&path).unwrap(), b"three\n");
    }

    #[test]
    fn where_it_cannot_be_opened_anew_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("logs");
        fs::create_dir(&inner).unwrap();
        let (mut file, reopener) = open(&inner.join("access.log")).unwrap();
        fs::rename(&inner, folder.path().join("moved")).unwrap();
        assert!(reopener.reopen().is_err());
        file.write_all(b"still\n").unwrap();
        assert_eq!(fs::read(folder.path().join("moved/access.log")).unwrap(), b"still\n");
    }
}
