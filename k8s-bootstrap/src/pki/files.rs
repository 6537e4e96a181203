//! Material as files: on masters, and in the folder where the operator keeps a cluster's state.

use rcgen::{KeyPair, PublicKeyData};

use super::{Material, Pair};
use crate::plan::Content;
use crate::secret::Secret;

/// What masters share, below `/etc/kubernetes/pki`. Everything else there kubeadm makes.
pub(crate) const NODE_FILES: [&str; 8] = [
    "ca.crt",
    "ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "sa.key",
    "sa.pub",
];

/// The token's file in the state.
const TOKEN_FILE: &str = "token";

/// Files of the state, by name. All belong to the operator alone (0600).
pub const STATE_FILES: [&str; 9] = [
    NODE_FILES[0],
    NODE_FILES[1],
    NODE_FILES[2],
    NODE_FILES[3],
    NODE_FILES[4],
    NODE_FILES[5],
    NODE_FILES[6],
    NODE_FILES[7],
    TOKEN_FILE,
];

/// Why a state can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file is missing.
    #[error("'{0}' is missing in the cluster's state")]
    Missing(&'static str),
    /// A private key can't be read.
    #[error("'{0}' is no private key that halb made")]
    Key(&'static str, #[source] rcgen::Error),
    /// A certificate or public key belongs to another private key.
    #[error("'{public}' doesn't belong to '{key}'")]
    NoPair {
        /// The public file.
        public: &'static str,
        /// The private one.
        key: &'static str,
    },
    /// The token has another form.
    #[error("'token' holds no token of the form abcdef.0123456789abcdef")]
    Token,
}

impl Material {
    /// The files that masters share, by their path below `/etc/kubernetes/pki`.
    #[must_use]
    pub fn node_files(&self) -> Vec<(&'static str, Content)> {
        let text = |name: &str| match name {
            "ca.crt" => Content::Public(self.ca.public.clone()),
            "ca.key" => Content::Secret(self.ca.key.clone()),
            "etcd/ca.crt" => Content::Public(self.etcd_ca.public.clone()),
            "etcd/ca.key" => Content::Secret(self.etcd_ca.key.clone()),
            "front-proxy-ca.crt" => Content::Public(self.front_proxy_ca.public.clone()),
            "front-proxy-ca.key" => Content::Secret(self.front_proxy_ca.key.clone()),
            "sa.key" => Content::Secret(self.service_accounts.key.clone()),
            _ => Content::Public(self.service_accounts.public.clone()),
        };
        NODE_FILES.iter().map(|name| (*name, text(name))).collect()
    }

    /// Everything as files of [`STATE_FILES`], to be kept.
    #[must_use]
    pub fn to_state(&self) -> Vec<(&'static str, Secret)> {
        let files = self.node_files().into_iter();
        let files = files.map(|(name, content)| (name, Secret::new(content.expose())));
        files.chain([(TOKEN_FILE, self.token.clone())]).collect()
    }

    /// What was kept; `file` is the text of one of [`STATE_FILES`], if it is there.
    ///
    /// # Errors
    /// A file is missing, can't be read, or doesn't belong to the others.
    pub fn from_state(
        mut file: impl FnMut(&'static str) -> Option<String>,
    ) -> Result<Self, StateError> {
        let mut pair = |public: &'static str, key: &'static str| {
            let pair = Pair {
                public: file(public).ok_or(StateError::Missing(public))?,
                key: Secret::new(file(key).ok_or(StateError::Missing(key))?),
            };
            check_pair(&pair, public, key)?;
            Ok(pair)
        };
        let ca = pair("ca.crt", "ca.key")?;
        let front_proxy_ca = pair("front-proxy-ca.crt", "front-proxy-ca.key")?;
        let etcd_ca = pair("etcd/ca.crt", "etcd/ca.key")?;
        let service_accounts = pair("sa.pub", "sa.key")?;
        let token = file(TOKEN_FILE).ok_or(StateError::Missing(TOKEN_FILE))?;
        let token = Secret::new(token.trim());
        if !is_token(token.expose()) {
            return Err(StateError::Token);
        }
        Ok(Self { ca, front_proxy_ca, etcd_ca, service_accounts, token })
    }
}

/// A certificate holds the key's public half as it stands, and so does a file of a public key.
fn check_pair(
    pair: &Pair,
    public_name: &'static str,
    key_name: &'static str,
) -> Result<(), StateError> {
    let key = KeyPair::from_pem(pair.key.expose());
    let key = key.map_err(|error| StateError::Key(key_name, error))?;
    let spki = key.subject_public_key_info();
    let belongs = pem::parse(&pair.public)
        .is_ok_and(|pem| pem.contents().windows(spki.len()).any(|window| window == spki));
    if belongs { Ok(()) } else { Err(StateError::NoPair { public: public_name, key: key_name }) }
}

/// `[a-z0-9]{6}.[a-z0-9]{16}`, as Kubernetes has it.
fn is_token(text: &str) -> bool {
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    text.split_once('.').is_some_and(|(id, secret)| {
        id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret)
    })
}
