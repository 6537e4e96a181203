//! The operator's side: a key, a file of host keys, answers to questions.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use halb_k8s_bootstrap::driver::Shared;
use halb_k8s_bootstrap::driver::access::{Access, Asked};
use halb_k8s_bootstrap::driver::host::Host;
use halb_k8s_bootstrap::driver::known_hosts::KnownHosts;
use halb_k8s_bootstrap::driver::target::{Login, Target};
use halb_k8s_bootstrap::inventory::Sudo;
use halb_k8s_bootstrap::secret::Secret;
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use tempfile::TempDir;

use crate::server::Server;

pub(crate) struct Operator {
    pub(crate) folder: TempDir,
    pub(crate) key: PrivateKey,
    answers: HashMap<Asked, String>,
    /// Everything that was asked, in order.
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Operator {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let operator = Self { folder, key, answers: HashMap::new(), asked: Arc::default() };
        fs::write(operator.key_file(), operator.key.to_openssh(LineEnding::LF).unwrap()).unwrap();
        operator
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("id_ed25519")
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    /// Puts a passphrase on the key.
    pub(crate) fn protect_key(&self, passphrase: &str) {
        let key = self.key.encrypt(&mut safe_rng(), passphrase).unwrap();
        fs::write(self.key_file(), key.to_openssh(LineEnding::LF).unwrap()).unwrap();
    }

    /// What to answer when asked.
    pub(crate) fn knows(&mut self, asked: Asked, answer: &str) {
        self.answers.insert(asked, answer.to_owned());
    }

    /// What all hosts of a run have in common: nothing asked, nothing connected.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        let (answers, asked) = (self.answers.clone(), Arc::clone(&self.asked));
        let ask = move |question: &Asked| {
            asked.lock().unwrap().push(question.clone());
            answers.get(question).map(|answer| Secret::new(answer.as_str()))
        };
        Arc::new(Shared::new(KnownHosts::new(self.known_hosts()), Access::new(Arc::new(ask))))
    }

    pub(crate) fn login(&self, address: SocketAddr) -> Login {
        Login {
            host: address.ip().to_string(),
            port: address.port(),
            user: "root".to_owned(),
            key: Some(self.key_file()),
            agent: None,
        }
    }

    pub(crate) fn target(&self, name: &str, address: SocketAddr) -> Target {
        let login = self.login(address);
        Target { name: name.to_owned(), login, bastion: None, sudo: Sudo::No }
    }

    /// A host of this operator, with nothing in common with others.
    pub(crate) fn host(&self, server: &Server) -> Host {
        Host::new(self.target("lb", server.address), self.shared())
    }
}

/// An error and what is behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// Waits for what another process does in its own time.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect(what);
}
