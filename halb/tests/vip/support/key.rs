//! The secret that two halbs share for `[peer]`.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use halb_lab::Host;
use tempfile::TempDir;

/// A key file.
pub(crate) struct Key(TempDir);

/// Port of the link, as the documentation has it.
const PORT: u16 = 7112;

impl Key {
    pub(crate) fn new() -> Self {
        Self::of("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
    }

    /// A key of 64 hexadecimal digits.
    pub(crate) fn of(digits: &str) -> Self {
        let key = Self(TempDir::new().unwrap());
        fs::write(key.path(), format!("{digits}\n")).unwrap();
        fs::set_permissions(key.path(), Permissions::from_mode(0o600)).unwrap();
        key
    }

    /// What the node beside `other` has in its file.
    pub(crate) fn peer(&self, other: &Host) -> (SocketAddr, PathBuf) {
        (SocketAddr::new(other.ip(), PORT), self.path())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("peer.key")
    }
}
