//! Where a host is, and who to be there.

use std::env;
use std::path::PathBuf;

use crate::inventory::{self, Sudo};

/// How one host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host's name in the inventory.
    pub name: String,
    /// The host itself.
    pub login: Login,
    /// A host to go through.
    pub bastion: Option<Login>,
    /// How to become root.
    pub sudo: Sudo,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Who to be.
    pub user: String,
    /// File of a private key.
    pub key: Option<PathBuf>,
    /// Socket of an agent that is asked.
    pub agent: Option<PathBuf>,
}

impl Login {
    /// Address and port, for messages.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl From<&inventory::Host> for Target {
    fn from(host: &inventory::Host) -> Self {
        let ssh = &host.ssh;
        let agent = ssh.agent.then(|| env::var_os("SSH_AUTH_SOCK").map(PathBuf::from)).flatten();
        let bastion = ssh.bastion.as_ref().map(|bastion| Login {
            host: bastion.address.clone(),
            port: bastion.port,
            user: bastion.user.clone(),
            key: bastion.key.as_ref().or(ssh.key.as_ref()).map(|path| at_home(path)),
            agent: agent.clone(),
        });
        let login = Login {
            host: ssh.address.clone(),
            port: ssh.port,
            user: ssh.user.clone(),
            key: ssh.key.as_ref().map(|path| at_home(path)),
            agent,
        };
        Self { name: host.name.clone(), login, bastion, sudo: ssh.sudo }
    }
}

/// A path of the operator's, whose `~/` a shell never saw.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_) | None, _) => PathBuf::from(path),
    }
}
