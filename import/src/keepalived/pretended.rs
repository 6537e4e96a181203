//! A host for tests, with nothing on it but files that they name.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::source::{ReadError, SourceFile, Surroundings};

/// Files by their paths.
#[derive(Debug, Default)]
pub(super) struct Pretended(BTreeMap<PathBuf, String>);

impl Pretended {
    /// With one more file.
    pub(super) fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(path.into(), text.to_owned());
        self
    }
}

impl Surroundings for Pretended {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &Path) -> Result<SourceFile, ReadError> {
        let cause = io::ErrorKind::NotFound.into();
        let missing = || ReadError::Unreadable { path: path.to_owned(), cause };
        let text = self.0.get(path).ok_or_else(missing)?;
        Ok(SourceFile::new(path.display().to_string(), text.as_str()))
    }

    fn files(&self, pattern: &str) -> Vec<PathBuf> {
        let (before, behind) = pattern.split_once('*').unwrap_or((pattern, ""));
        let named = |path: &&PathBuf| {
            let path = path.to_string_lossy();
            match pattern.contains('*') {
                false => path == pattern,
                true => path
                    .strip_prefix(before)
                    .and_then(|rest| rest.strip_suffix(behind))
                    .is_some_and(|middle| !middle.contains('/')),
            }
        };
        self.0.keys().filter(named).cloned().collect()
    }

    fn address(&self, _host: &str) -> Option<IpAddr> {
        None
    }
}
