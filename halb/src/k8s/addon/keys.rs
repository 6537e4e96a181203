//! What add-ons have that nobody may see, in files beside the cluster's own keys: made where it isn't
//! there yet, and the same ever after.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use halb_k8s_bootstrap::addon::keys::{self, Keys, USER};
use halb_k8s_bootstrap::pki::{MakeError, Pair};
use halb_k8s_bootstrap::secret::Secret;
use ring::rand::SystemRandom;

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A file can't be read or written.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Keys can't be made.
    #[error("the add-ons' keys can't be made")]
    Make(#[from] MakeError),
    /// A password can't be hashed.
    #[error("the registry's password can't be hashed")]
    Hash(#[from] bcrypt::BcryptError),
}

/// Rounds of bcrypt, as a power of two: each pull asks for one hash, of some 50 ms.
const HASH_COST: u32 = 10;

/// Reads them, and makes what isn't there; a registry at this address has a certificate for it.
///
/// # Errors
/// Files can't be read or written, or the random source failed.
pub(super) fn open(folder: &Path, address: Option<Ipv4Addr>) -> Result<Keys, Error> {
    let random = SystemRandom::new();
    let now = SystemTime::now().into();
    let files = Files { folder: folder.join("addons") };
    files.make_folder()?;
    let authority = files.pair("registry-ca", |_| true, || Keys::authority(&random, now))?;
    // Without a registry the certificate is for nobody.
    let address = address.unwrap_or(Ipv4Addr::LOCALHOST);
    let is_current = |pair: &Pair| keys::is_current(&pair.public, address, now);
    let certificate = || keys::certificate(&authority, address, &random, now);
    let registry = files.pair("registry", is_current, certificate)?;
    let secret = |name: &str| files.secret(name, || Ok(Keys::password(&random)?));
    let password = secret("registry-password")?;
    let htpasswd = files.secret("registry-htpasswd", || {
        let hash = bcrypt::hash(password.expose(), HASH_COST)?;
        Ok(Secret::new(format!("{USER}:{hash}")))
    })?;
    let superuser = secret("patroni-superuser-password")?;
    let replication = secret("patroni-replication-password")?;
    Ok(Keys { authority, registry, password, htpasswd, superuser, replication })
}

/// The folder that all of it is in.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn at(&self, name: &str) -> (PathBuf, impl Fn(io::Error) -> Error) {
        let path = self.folder.join(name);
        let named = path.clone();
        (path, move |source| Error::File { path: named.clone(), source })
    }

    fn make_folder(&self) -> Result<(), Error> {
        let (path, failed) = self.at("");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)
    }

    /// What a file holds; none if there is none.
    fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let (path, failed) = self.at(name);
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes a file under another name first: one that is cut off never counts.
    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let (path, failed) = self.at(name);
        let draft = self.folder.join(format!(".{name}"));
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&draft);
        opened
            .and_then(|mut file| {
                io::Write::write_all(&mut file, text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&draft, path))
            .map_err(failed)
    }

    /// A secret of one line.
    fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Secret, Error>,
    ) -> Result<Secret, Error> {
        if let Some(text) = self.read(name)? {
            return Ok(Secret::new(text.trim_end()));
        }
        let secret = make()?;
        self.write(name, &format!("{}\n", secret.expose()))?;
        Ok(secret)
    }

    /// A certificate and its key, as long as it is good.
    fn pair(
        &self,
        name: &str,
        is_good: impl FnOnce(&Pair) -> bool,
        make: impl FnOnce() -> Result<Pair, MakeError>,
    ) -> Result<Pair, Error> {
        let (public, key) = (format!("{name}.crt"), format!("{name}.key"));
        if let (Some(public), Some(key)) = (self.read(&public)?, self.read(&key)?) {
            let pair = Pair { public, key: Secret::new(key) };
            if is_good(&pair) {
                return Ok(pair);
            }
        }
        let pair = make()?;
        self.write(&key, pair.key.expose())?;
        self.write(&public, &pair.public)?;
        Ok(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_once_stays_but_for_a_certificate_of_another_address() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |last: u8| open(folder.path(), Some(Ipv4Addr::new(172, 16, 16, last)));
        let first = at(151).expect("made");
        assert_eq!(at(151).expect("read"), first);
        let moved = at(152).expect("read, and a certificate made");
        assert_ne!(moved.registry, first.registry);
        assert_eq!(moved.authority, first.authority);
        assert_eq!(moved.htpasswd, first.htpasswd);
        let hash = first.htpasswd.expose().strip_prefix("halb:").expect("whose it is");
        assert!(bcrypt::verify(first.password.expose(), hash).expect("a hash"));
    }
}
