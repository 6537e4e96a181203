//! Reads the key that two balancers share, or the two of a roll from one to the next.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use halb_peer::config::{Key, Keys};

/// Keys in a file: the one that signs, and one that is accepted too.
const KEYS_MAX: usize = 2;

/// Longest file that is read: lines of digits with their ends.
const FILE_LEN_MAX: usize = KEYS_MAX * (2 * Key::LEN + 2);

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
    /// There is nothing to look at, for this user.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        use io::ErrorKind::{NotFound, PermissionDenied};
        matches!(self, Self::Unreadable { source, .. }
            if matches!(source.kind(), NotFound | PermissionDenied))
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let make = |path: &Path| {
            format!(
                "make one: openssl rand -hex {} | install -m 0640 -g halb /dev/stdin {}, \
                 and copy it to the other balancer",
                Key::LEN,
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

/// The keys in a file that its owner and at most a group may read: a line of 64 hex digits, which
/// signs and is accepted, and perhaps another, which is accepted too.
///
/// # Errors
/// It isn't there, may be read or changed by others, or holds something else.
pub fn read(path: &Path) -> Result<Keys, KeyFileError> {
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

fn parse(bytes: &[u8]) -> Result<Keys, String> {
    let text = str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let key = |(index, line): (usize, &&str)| {
        Key::from_hex(line.trim_end()).map_err(|why| format!("line {}: {why}", index + 1))
    };
    let mut keys = lines.iter().enumerate().map(key);
    let sign = keys.next().ok_or("it is empty")??;
    let also = keys.next().transpose()?;
    if bytes.len() > FILE_LEN_MAX || keys.next().is_some() {
        return Err(format!("it has more than {KEYS_MAX} lines of {} hex digits", 2 * Key::LEN));
    }
    if also.as_ref() == Some(&sign) {
        return Err("both lines are the same key".to_owned());
    }
    Ok(Keys { sign, also })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ONE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
    const TWO: &str = "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn written(text: &str, mode: u32) -> Result<Keys, KeyFileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peer.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read(&path)
    }

    fn keys(sign: &str, also: Option<&str>) -> Keys {
        let key = |text: &str| Key::from_hex(text).unwrap();
        Keys { sign: key(sign), also: also.map(key) }
    }

    #[test]
    fn a_key_is_64_hex_digits_in_a_file_of_ones_own() {
        for mode in [0o600, 0o640, 0o400, 0o440] {
            for end in ["", "\n", "\r\n"] {
                let read = written(&format!("{ONE}{end}"), mode).unwrap();
                assert_eq!(read, keys(ONE, None), "{mode:o} {end:?}");
            }
        }
        for mode in [0o644, 0o660, 0o604, 0o602, 0o700, 0o610] {
            let error = written(ONE, mode).expect_err("exposed");
            assert!(matches!(error, KeyFileError::Exposed { .. }), "{mode:o}: {error}");
            assert!(error.remedy().starts_with("chmod 0640 /"), "{}", error.remedy());
        }
    }

    #[test]
    fn the_first_of_two_lines_signs_and_the_second_is_accepted_too() {
        for end in ["\n", "\r\n"] {
            let read = written(&format!("{ONE}{end}{TWO}{end}"), 0o600).unwrap();
            assert_eq!(read, keys(ONE, Some(TWO)), "{end:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_telling_the_key() {
        for (text, said) in [
            (String::new(), "it is empty"),
            ("\n\n".to_owned(), "it is empty"),
            ("ab".repeat(31), "line 1: a key has 64 hexadecimal digits, this has 62 characters"),
            ("ab".repeat(34), "line 1: a key has 64 hexadecimal digits, this has 68 characters"),
            (format!("0x{}", &ONE[2..]), "line 1: character 2 is no hexadecimal digit"),
            (
                "00".repeat(32),
                "line 1: all bytes of the key are equal, which is a placeholder and no secret",
            ),
            (
                format!("{ONE}\n\n{TWO}\n"),
                "line 2: a key has 64 hexadecimal digits, this has 0 characters",
            ),
            (format!("{ONE}\n{TWO}\n{ONE}"), "it has more than 2 lines of 64 hex digits"),
            (format!("{ONE}\n{TWO}{}", " ".repeat(9)), "it has more than 2 lines of 64 hex digits"),
            (format!("{ONE}\n{ONE}"), "both lines are the same key"),
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
