//! What halb keeps of a cluster on the operator's side: its authorities, their keys and the token.
//!
//! A folder beside the inventory, `NAME.halb`, that belongs to the operator alone. Whoever has it
//! is the cluster's administrator. It is made with the first plan, since each plan shows files that
//! depend on it; hosts are given its content by `halb k8s apply` only.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use halb_k8s_bootstrap::pki::{MakeError, Material, STATE_FILES, StateError};
use halb_k8s_bootstrap::secret::Secret;

/// Why a state can't be used or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of it can't be read or written.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "{} may be read by others (mode {mode:04o}): it holds the keys of the cluster; \
         run 'chmod -R go= {}'",
        path.display(),
        path.display()
    )]
    Open {
        /// Which folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// What is there is no state of a cluster.
    #[error("{} can't be used", path.display())]
    Content {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: StateError,
    },
    /// Keys can't be made.
    #[error("the cluster's keys can't be made")]
    Make(#[from] MakeError),
}

/// The folder of a cluster's state: beside its inventory, by its name.
#[must_use]
pub fn folder(inventory: &Path, cluster: &str) -> PathBuf {
    let name = format!("{cluster}.halb");
    inventory.parent().map_or_else(|| PathBuf::from(&name), |parent| parent.join(&name))
}

/// Reads a state, or makes it anew where there is none.
///
/// # Errors
/// It can't be read, others may read it, it isn't whole, or it can't be made.
pub fn open(folder: &Path) -> Result<Material, Error> {
    match fs::metadata(folder) {
        Ok(found) => {
            let mode = found.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(Error::Open { path: folder.to_owned(), mode });
            }
            read(folder)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder),
        Err(source) => Err(Error::File { path: folder.to_owned(), source }),
    }
}

fn read(folder: &Path) -> Result<Material, Error> {
    let mut texts = Vec::new();
    for name in STATE_FILES {
        let path = folder.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => texts.push((name, text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::File { path, source }),
        }
    }
    let text = |name| texts.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone());
    Material::from_state(text).map_err(|source| Error::Content { path: folder.to_owned(), source })
}

/// Makes a state under another name first: one that is cut off here never counts as one.
fn make(folder: &Path) -> Result<Material, Error> {
    let material = Material::make_with_system(SystemTime::now())?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let ours = fs::Permissions::from_mode(0o700);
    let draft = tempfile::Builder::new().prefix(".halb-").permissions(ours).tempdir_in(parent);
    let draft = draft.map_err(at(parent))?;
    write_all(draft.path(), &material).map_err(at(draft.path()))?;
    fs::rename(draft.path(), folder).map_err(at(folder))?;
    // It has gone to its place.
    let _ = draft.keep();
    Ok(material)
}

/// Writes all files of a state into a folder, which is made if need be.
///
/// # Errors
/// The system's.
pub(super) fn write_all(folder: &Path, material: &Material) -> io::Result<()> {
    material
        .to_state()
        .into_iter()
        .try_for_each(|(name, secret)| write(&folder.join(name), &secret))
}

fn write(path: &Path, secret: &Secret) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.expose().as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_once_is_read_ever_after() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = folder(&parent.path().join("cluster.yaml"), "seed");
        let made = open(&folder).expect("made");
        assert_eq!(open(&folder).expect("read"), made);
        let key = fs::metadata(folder.join("etcd/ca.key")).expect("it is there");
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(parent.path()).expect("readable").count(), 1, "no draft is left");
    }

    #[test]
    fn a_state_that_others_may_read_is_refused() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("seed.halb");
        open(&folder).expect("made");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("ours");
        let error = open(&folder).expect_err("refused");
        assert!(error.to_string().contains("chmod -R go="), "{error}");
    }

    #[test]
    fn a_state_that_lacks_a_file_is_never_made_anew() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("seed.halb");
        open(&folder).expect("made");
        fs::remove_file(folder.join("sa.key")).expect("ours");
        let error = open(&folder).expect_err("not whole");
        assert!(matches!(error, Error::Content { .. }), "{error:?}");
    }
}
