//! Who the operator is to a host: a key in a file, or what an agent holds.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{self, PrivateKey};
use tokio::sync::Mutex;
use tokio::{fs, task};

use super::access::{Access, Asked};

/// Why a key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read.
    #[error("the key {} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has a passphrase and nobody to ask for it.
    #[error(
        "the key {} has a passphrase, and nobody is there to ask: run it from a terminal, say where \
         the passphrase is, or use an agent",
        path.display()
    )]
    NoPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase is not the key's.
    #[error("the passphrase of {} is wrong", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key of a type that is known here.
    #[error("{} is no private key that can be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: keys::Error,
    },
}

/// Keys that were read in this run: seven hosts cost one passphrase and one decryption.
#[derive(Debug, Default)]
pub struct Keys {
    read: Mutex<HashMap<PathBuf, Arc<PrivateKey>>>,
}

impl Keys {
    /// The key in a file, with its passphrase from `access` if it has one.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn load(&self, path: &Path, access: &Access) -> Result<Arc<PrivateKey>, KeyError> {
        let mut read = self.read.lock().await;
        if let Some(key) = read.get(path) {
            return Ok(Arc::clone(key));
        }
        let text = fs::read_to_string(path)
            .await
            .map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        let key = match keys::decode_secret_key(&text, None) {
            Ok(key) => key,
            Err(error) if has_passphrase(&text, &error) => decrypt(path, text, access).await?,
            Err(source) => return Err(KeyError::Unusable { path: path.to_owned(), source }),
        };
        let key = Arc::new(key);
        read.insert(path.to_owned(), Arc::clone(&key));
        Ok(key)
    }
}

/// Old formats don't say in their error that all they lack is a passphrase.
fn has_passphrase(text: &str, error: &keys::Error) -> bool {
    matches!(error, keys::Error::KeyIsEncrypted) || text.contains("ENCRYPTED")
}

async fn decrypt(path: &Path, text: String, access: &Access) -> Result<PrivateKey, KeyError> {
    let asked = Asked::Passphrase(path.to_owned());
    let path = path.to_owned();
    let Some(passphrase) = access.get(asked).await else {
        return Err(KeyError::NoPassphrase { path });
    };
    // Deriving a key from a passphrase is slow on purpose.
    let decoding =
        task::spawn_blocking(move || keys::decode_secret_key(&text, Some(passphrase.expose())));
    match decoding.await {
        Ok(Ok(key)) => Ok(key),
        Ok(Err(_)) | Err(_) => Err(KeyError::WrongPassphrase { path }),
    }
}
