//! What an import reads: texts with names, places in them, and whatever else of this host a
//! configuration leans on.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{env, io};

use thiserror::Error;

/// Largest source, in bytes: as much as a `halb.toml` may hold.
pub const SOURCE_LEN_MAX: usize = 1024 * 1024;

/// One text of the old pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// What reports call it; usually the path that was given.
    pub name: String,
    /// All of it.
    pub text: String,
}

impl SourceFile {
    /// A text and its name.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// A line, counted from 1, without its end; empty beyond the last one.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|index| self.text.lines().nth(index)).unwrap_or_default()
    }
}

/// Where words stand. Ordered as one reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index into the sources of one language.
    pub file: usize,
    /// Counted from 1.
    pub line: usize,
    /// Bytes of the line, counted from 0, without its end.
    pub columns: Range<usize>,
}

impl Place {
    /// File, line and first column: what places are sorted and told apart by.
    #[must_use]
    pub fn start(&self) -> (usize, usize, usize) {
        (self.file, self.line, self.columns.start)
    }

    /// From the beginning of this place to the end of another one on the same line.
    #[must_use]
    pub fn to(&self, last: &Self) -> Self {
        Self { columns: self.columns.start..last.columns.end.max(self.columns.end), ..self.clone() }
    }
}

/// Why a file can't be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It can't be opened or read.
    #[error("{} can't be read", path.display())]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It holds more than a configuration does.
    #[error("{} is larger than {} KiB; name the configuration itself", path.display(), SOURCE_LEN_MAX / 1024)]
    TooLarge {
        /// What was asked for.
        path: PathBuf,
    },
}

/// Reads a file. What isn't UTF-8 is replaced: comments in old files are often in Latin-1, and
/// nothing that either language knows is beyond ASCII.
///
/// # Errors
/// It can't be opened or read, or is far too large.
pub fn read(path: &Path) -> Result<SourceFile, ReadError> {
    let unreadable = |cause| ReadError::Unreadable { path: path.to_owned(), cause };
    let limit = u64::try_from(SOURCE_LEN_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > SOURCE_LEN_MAX {
        return Err(ReadError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(SourceFile::new(path.display().to_string(), text))
}

/// What a configuration may lean on beside its own text. Tests and fuzzing give their own, so that
/// an import by itself touches nothing.
pub trait Surroundings {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// A file that a source names: included text, a list of addresses, a script.
    ///
    /// # Errors
    /// It can't be read.
    fn file(&self, path: &Path) -> Result<SourceFile, ReadError>;

    /// Files that a pattern of the shell names (`/etc/keepalived/conf.d/*.conf`), sorted.
    fn files(&self, pattern: &str) -> Vec<PathBuf>;

    /// The address that a host name stands for now.
    fn address(&self, host: &str) -> Option<IpAddr>;
}

/// This host.
#[derive(Debug, Clone, Copy)]
pub struct Host;

impl Surroundings for Host {
    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Result<SourceFile, ReadError> {
        read(path)
    }

    fn files(&self, pattern: &str) -> Vec<PathBuf> {
        glob(Path::new(pattern))
    }

    fn address(&self, host: &str) -> Option<IpAddr> {
        (host, 0).to_socket_addrs().ok()?.next().map(|address| address.ip())
    }
}

/// A host with nothing on it.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Surroundings for Nothing {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &Path) -> Result<SourceFile, ReadError> {
        let cause = io::ErrorKind::NotFound.into();
        Err(ReadError::Unreadable { path: path.to_owned(), cause })
    }

    fn files(&self, _pattern: &str) -> Vec<PathBuf> {
        Vec::new()
    }

    fn address(&self, _host: &str) -> Option<IpAddr> {
        None
    }
}

/// Expands `*` and `?` in the last part of a path, which is where people write them. Hidden files
/// stay out, as in a shell.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(name) = name.filter(|name| name.contains(['*', '?'])) else {
        return if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() };
    };
    let folder = pattern.parent().unwrap_or_else(|| Path::new("."));
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let fitting = names.filter(|found| {
        let found = found.to_string_lossy();
        !found.starts_with('.') && matches(name.as_bytes(), found.as_bytes())
    });
    let mut paths: Vec<_> = fitting.map(|found| folder.join(found)).collect();
    paths.sort();
    paths
}

/// Whether a name fits a pattern of `*`, `?` and plain bytes.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on if the last `*` must take one byte more.
    let mut retry: Option<(usize, usize)> = None;
    let (mut at, mut seen) = (0, 0);
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            Some(_) | None => match retry {
                Some((after, taken)) => {
                    retry = Some((after, taken + 1));
                    (at, seen) = (after, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_the_visible_files_that_fit_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", ".hidden.conf", "a.conf.bak", "c.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = |pattern: &str| {
            let pattern = folder.path().join(pattern);
            let names = glob(&pattern).into_iter();
            let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            names.map(name).collect::<Vec<_>>()
        };
        assert_eq!(found("*.conf"), ["a.conf", "b.conf"]);
        assert_eq!(found("?.*"), ["a.conf", "a.conf.bak", "b.conf", "c.txt"]);
        assert_eq!(found("c.txt"), ["c.txt"]);
        assert_eq!(found("d.txt"), [""; 0]);
    }

    #[test]
    fn a_file_that_is_not_utf8_is_read_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latin1.cfg");
        std::fs::write(&path, b"# gr\xfc\xdfe\nglobal\n").unwrap();
        let source = read(&path).unwrap();
        assert_eq!(source.line(2), "global");
        assert_eq!(source.line(3), "");
    }
}
