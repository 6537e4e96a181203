//! Reads the key that two balancers share.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Length of a key, in bytes; a file has twice as many digits.
pub const KEY_LEN: usize = 32;

/// Longest file that is read: the digits, and a line's end.
const FILE_LEN_MAX: usize = 2 * KEY_LEN + 2;

/// What only the owner, and a group that reads, may have.
const FORBIDDEN_MODE: u32 = 0o137;

/// Why a file holds no key that can be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can't be read.
    #[error("can't read the key {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a directory, a device or the like.
    #[error("{0} is no file")]
    NoFile(PathBuf),
    /// More than the owner and a group that reads may touch it.
    #[error("{path} has mode {mode:04o}, so that others may read or change the key")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds something else.
    #[error("{path} holds no key: {why}")]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong; nothing of the key itself.
        why: String,
    },
}

impl KeyFileError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let make = |path: &Path| {
            format!(
                "make one: openssl rand -hex {KEY_LEN} | install -m 0640 -g halb /dev/stdin {}, \
                 and copy it to the other balancer",
                path.display()
            )
        };
        match self {
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                make(path)
            }
            Self::Unreadable { path, .. } => {
                format!("let the user that halb runs as read it: chgrp halb {}", path.display())
            }
            Self::Exposed { path, .. } => format!("chmod 0640 {}", path.display()),
            Self::NoFile(path) | Self::NoKey { path, .. } => make(path),
        }
    }
}

/// The key in a file: 64 hex digits, in a file that its owner and at most a group may read.
///
/// # Errors
/// It isn't there, may be read or changed by others, or holds something else.
pub fn read(path: &Path) -> Result<[u8; KEY_LEN], KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    check(path, &file.metadata().map_err(unreadable)?)?;
    let mut bytes = Vec::with_capacity(FILE_LEN_MAX + 1);
    let limit = u64::try_from(FILE_LEN_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    parse(&bytes).map_err(|why| KeyFileError::NoKey { path: path.to_owned(), why })
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), KeyFileError> {
    if !metadata.is_file() {
        return Err(KeyFileError::NoFile(path.to_owned()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<[u8; KEY_LEN], String> {
    if bytes.len() > FILE_LEN_MAX {
        return Err(format!("it has more than {} hex digits", 2 * KEY_LEN));
    }
    let digits = bytes.trim_ascii_end();
    if let Some(stray) = digits.iter().position(|byte| !byte.is_ascii_hexdigit()) {
        return Err(format!("byte {} is no hex digit", stray + 1));
    }
    if digits.len() != 2 * KEY_LEN {
        return Err(format!("it has {} hex digits, not {}", digits.len(), 2 * KEY_LEN));
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
    let mut key = [0; KEY_LEN];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (value(pair[0]).unwrap_or_default(), value(pair[1]).unwrap_or_default());
        *byte = high << 4 | low;
    }
    if key.iter().all(|byte| *byte == key[0]) {
        return Err("all its bytes are the same".to_owned());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn written(text: &str, mode: u32) -> Result<[u8; KEY_LEN], KeyFileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peer.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read(&path)
    }

    #[test]
    fn a_key_is_64_hex_digits_in_a_file_of_ones_own() {
        let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
        let expected: Vec<u8> = (0..32).collect();
        for mode in [0o600, 0o640, 0o400, 0o440] {
            for end in ["", "\n", "\r\n"] {
                let key = written(&format!("{digits}{end}"), mode).unwrap();
                assert_eq!(key.to_vec(), expected, "{mode:o} {end:?}");
            }
        }
        for mode in [0o644, 0o660, 0o604, 0o602, 0o700, 0o610] {
            let error = written(digits, mode).expect_err("exposed");
            assert!(matches!(error, KeyFileError::Exposed { .. }), "{mode:o}: {error}");
            assert!(error.remedy().starts_with("chmod 0640 /"), "{}", error.remedy());
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_telling_the_key() {
        for (text, said) in [
            (String::new(), "it has 0 hex digits, not 64"),
            ("ab".repeat(31), "it has 62 hex digits, not 64"),
            ("ab".repeat(34), "it has more than 64 hex digits"),
            (format!("0x{}", "ab".repeat(31)), "byte 2 is no hex digit"),
            ("00".repeat(32), "all its bytes are the same"),
        ] {
            let error = written(&text, 0o600).expect_err(&text);
            assert!(error.to_string().ends_with(said), "{error}");
            assert!(error.remedy().contains("openssl rand -hex 32"), "{}", error.remedy());
        }
        assert!(matches!(read(Path::new("/etc")), Err(KeyFileError::NoFile(_))));
        let missing = read(Path::new("/nonexistent/peer.key")).expect_err("missing");
        assert!(
            missing.remedy().contains("install -m 0640 -g halb /dev/stdin /nonexistent/peer.key")
        );
    }
}
