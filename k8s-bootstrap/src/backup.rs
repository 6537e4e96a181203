//! Backups: a snapshot of etcd and the cluster's keys, and what is known of them.
//!
//! ```text
//!  etcd ──snapshot──▶ SnapshotCheck ──▶ folder: backup.json, snapshot.db, state/…
//!  folder ──Record::fits──▶ crate::plan::restore
//! ```
//!
//! etcd writes the hash of a snapshot behind it. It is computed here again, over what arrived, so
//! that no backup is kept and none is restored that isn't what etcd wrote.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::inventory::Inventory;
use crate::pki::Material;
use crate::plan::preflight::Fault;

/// Name of a backup's record.
pub const RECORD: &str = "backup.json";

/// Name of a backup's snapshot.
pub const SNAPSHOT: &str = "snapshot.db";

/// Name of the folder with the cluster's keys, as they lie beside the inventory.
pub const STATE: &str = "state";

/// Largest snapshot that is taken and restored: etcd's own limit for its database is 8 GiB at most
/// and 2 GiB where nothing is said, and a restore holds it in memory.
pub const SNAPSHOT_BYTES_MAX: u64 = 8 << 30;

/// What is known of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Name of the cluster.
    pub cluster: String,
    /// Which cluster that is: the hash of its authority, `sha256:` and hexadecimal digits.
    pub authority: String,
    /// Its version of Kubernetes.
    pub kubernetes: String,
    /// When the snapshot was taken: `2026-11-22T12:03:11Z`.
    pub taken: String,
    /// The master whose etcd it was taken from.
    pub master: String,
    /// The snapshot's length in bytes.
    pub snapshot_bytes: u64,
    /// The snapshot's SHA-256, in hexadecimal digits.
    pub snapshot_sha256: String,
}

impl Record {
    /// What a new backup is going to say.
    #[must_use]
    pub fn new(
        (inventory, material): (&Inventory, &Material),
        (taken, master): (String, String),
        snapshot: &Snapshot,
    ) -> Self {
        Self {
            cluster: inventory.name.clone(),
            authority: material.ca_hash(),
            kubernetes: inventory.kubernetes.version.to_string(),
            taken,
            master,
            snapshot_bytes: snapshot.bytes,
            snapshot_sha256: snapshot.sha256.clone(),
        }
    }

    /// Why it isn't for this cluster, or its snapshot isn't the one that was taken.
    #[must_use]
    pub fn faults(
        &self,
        inventory: &Inventory,
        material: &Material,
        snapshot: &Snapshot,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |what: String, remedy: &str| {
            faults.push(Fault { host: None, what, remedy: remedy.to_owned() });
        };
        if self.authority != material.ca_hash() {
            let what = format!(
                "the backup is of a cluster '{}' with another authority: nothing in it would be \
                 trusted here",
                self.cluster
            );
            let remedy = "take a backup of this cluster; or, if its keys are lost here, put the \
                          backup's 'state' in place of NAME.halb beside the inventory";
            fault(what, remedy);
        }
        let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
        let wanted = inventory.kubernetes.version.to_string();
        if minor(&self.kubernetes) != minor(&wanted) {
            let what = format!(
                "the backup is of Kubernetes {}, and the inventory says {wanted}",
                self.kubernetes
            );
            let remedy = "objects of another minor version may not be understood: restore with \
                          the backup's version, and upgrade after";
            fault(what, remedy);
        }
        if self.snapshot_sha256 != snapshot.sha256 || self.snapshot_bytes != snapshot.bytes {
            let what = "the snapshot isn't the one that its record speaks of".to_owned();
            fault(what, "take another backup: this one was changed since it was taken");
        }
        faults
    }
}

/// A snapshot that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of all of it, in hexadecimal digits.
    pub sha256: String,
}

/// Why a snapshot isn't whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It has another length than any snapshot.
    #[error("{bytes} bytes are no snapshot of etcd: a part is missing, or its hash is")]
    Length {
        /// How many there are.
        bytes: u64,
    },
    /// What it says of itself isn't so.
    #[error("the snapshot's own hash doesn't fit: it was changed or damaged since etcd wrote it")]
    Altered,
}

/// Bytes of the hash that etcd writes behind a snapshot.
const HASH: usize = 32;

/// What a database's length is a multiple of: its pages are larger, and all of them are whole.
const BLOCK: u64 = 512;

/// Looks at a snapshot as it comes, piece by piece.
#[derive(Clone)]
pub struct SnapshotCheck {
    /// Of all but the bytes that may be the hash.
    database: Context,
    whole: Context,
    /// The last bytes so far, at most as many as a hash has.
    tail: Vec<u8>,
    bytes: u64,
}

impl Default for SnapshotCheck {
    fn default() -> Self {
        let (database, whole) = (Context::new(&SHA256), Context::new(&SHA256));
        Self { database, whole, tail: Vec::with_capacity(HASH), bytes: 0 }
    }
}

impl SnapshotCheck {
    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.whole.update(piece);
        self.bytes += u64::try_from(piece.len()).expect("no machine has longer pieces");
        let (old, new) = piece.split_at(piece.len().saturating_sub(HASH));
        if !old.is_empty() {
            self.database.update(&self.tail);
            self.database.update(old);
            self.tail.clear();
        }
        self.tail.extend_from_slice(new);
        let excess = self.tail.len().saturating_sub(HASH);
        let sure: Vec<u8> = self.tail.drain(..excess).collect();
        self.database.update(&sure);
    }

    /// The end.
    ///
    /// # Errors
    /// [`SnapshotError`]: it isn't what etcd wrote.
    pub fn finish(self) -> Result<Snapshot, SnapshotError> {
        let Self { database, whole, tail, bytes } = self;
        let hash_bytes = u64::try_from(HASH).expect("a small number");
        if bytes <= hash_bytes || bytes % BLOCK != hash_bytes {
            return Err(SnapshotError::Length { bytes });
        }
        if database.finish().as_ref() != tail {
            return Err(SnapshotError::Altered);
        }
        let sha256 = whole.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Snapshot { bytes, sha256 })
    }
}

impl std::fmt::Debug for SnapshotCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotCheck").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
