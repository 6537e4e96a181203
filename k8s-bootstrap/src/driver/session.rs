//! One connection to one host: reached, recognised, let in.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, AuthResult, ChannelOpenHandle, Handle, Msg};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, Disconnect, Preferred};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Shared;
use super::identity::KeyError;
use super::known_hosts::{HostKeyError, KnownHosts};
use super::target::{Login, Target};

/// How long reaching, recognising and letting in may take, each hop by itself. A host that boots
/// answers later than one that works, and then the connection is tried again.
const CONNECT_MAX: Duration = Duration::from_secs(20);

/// Silence after which a host is asked for a sign of life.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Signs of life that may be missing: a connection is given up after forty seconds of silence.
const KEEPALIVES_MISSED_MAX: usize = 3;

/// Keys of an agent that are offered. OpenSSH ends a connection after six attempts.
const AGENT_KEYS_MAX: usize = 5;

/// Why a host isn't connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers.
    #[error("{address} can't be reached")]
    Unreachable {
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It answers too slowly, or not in SSH.
    #[error("{address} did not let anybody in within {} s", CONNECT_MAX.as_secs())]
    Slow {
        /// Address and port.
        address: String,
    },
    /// The protocol failed.
    #[error("the SSH connection to {address} failed")]
    Protocol {
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: russh::Error,
    },
    /// It isn't the host that it was.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// A key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is nothing to show.
    #[error(
        "there is nothing to log in to {address} with: no agent answers at SSH_AUTH_SOCK, and no \
         key is named in the inventory"
    )]
    NoIdentity {
        /// Address and port.
        address: String,
    },
    /// The host takes none of the keys.
    #[error("{address} lets {user} in with none of these: {}", tried.join(", "))]
    Denied {
        /// Address and port.
        address: String,
        /// The user.
        user: String,
        /// What was shown.
        tried: Vec<String>,
    },
    /// The host in between failed.
    #[error("the bastion {address} can't be passed")]
    Bastion {
        /// The bastion's address and port.
        address: String,
        /// Why.
        #[source]
        source: Box<Self>,
    },
}

impl ConnectError {
    /// Whether another attempt may find it otherwise without anybody doing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Slow { .. } | Self::Protocol { .. } => true,
            Self::Bastion { source, .. } => source.may_pass(),
            Self::HostKey(_) | Self::Key(_) | Self::NoIdentity { .. } | Self::Denied { .. } => {
                false
            }
        }
    }
}

/// A connection on which commands can be run.
pub(super) struct Session {
    handle: Handle<Checker>,
    /// Carries this connection, and ends with it.
    _bastion: Option<Box<Self>>,
}

impl Session {
    pub(super) async fn open(target: &Target, shared: &Shared) -> Result<Self, ConnectError> {
        let Some(login) = &target.bastion else {
            return hop(&target.login, shared, None).await;
        };
        let wrapped =
            |source| ConnectError::Bastion { address: login.address(), source: Box::new(source) };
        let bastion = hop(login, shared, None).await.map_err(wrapped)?;
        hop(&target.login, shared, Some(bastion)).await
    }

    pub(super) async fn channel(&self) -> Result<Channel<Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    pub(super) async fn close(&self) {
        // A host that is gone needs no farewell.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// Connects to one host, through another if there is one.
async fn hop(
    login: &Login,
    shared: &Shared,
    through: Option<Session>,
) -> Result<Session, ConnectError> {
    // Before the clock starts: whoever is asked for a passphrase may take his time.
    let key = match &login.key {
        Some(path) => Some(shared.keys.load(path, &shared.access).await?),
        None => None,
    };
    let connecting = async {
        let mut session = match through {
            None => {
                let unreachable =
                    |source| ConnectError::Unreachable { address: login.address(), source };
                let stream = TcpStream::connect((login.host.as_str(), login.port))
                    .await
                    .map_err(unreachable)?;
                stream.set_nodelay(true).map_err(unreachable)?;
                greet(login, shared, stream, None).await?
            }
            Some(bastion) => {
                let port = u32::from(login.port);
                let channel = bastion
                    .handle
                    .channel_open_direct_tcpip(login.host.as_str(), port, "127.0.0.1", 0)
                    .await
                    .map_err(|source| ConnectError::Protocol {
                        address: login.address(),
                        source,
                    })?;
                greet(login, shared, channel.into_stream(), Some(Box::new(bastion))).await?
            }
        };
        authenticate(&mut session.handle, login, key).await?;
        Ok(session)
    };
    let slow = |_| ConnectError::Slow { address: login.address() };
    timeout(CONNECT_MAX, connecting).await.map_err(slow)?
}

async fn greet<S>(
    login: &Login,
    shared: &Shared,
    stream: S,
    bastion: Option<Box<Session>>,
) -> Result<Session, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let known = &shared.known_hosts;
    let mut preferred = Preferred::default();
    let expected = known.algorithms(&login.host, login.port)?;
    if !expected.is_empty() {
        preferred.key = Cow::Owned(rsa_by_its_signatures(expected));
    }
    let config = client::Config {
        preferred,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES_MISSED_MAX,
        nodelay: true,
        ..client::Config::default()
    };
    let (host, port) = (login.host.clone(), login.port);
    let checker = Checker { known: Arc::clone(known), host, port };
    match client::connect_stream(Arc::new(config), stream, checker).await {
        Ok(handle) => Ok(Session { handle, _bastion: bastion }),
        Err(Refusal::HostKey(error)) => Err(error.into()),
        Err(Refusal::Ssh(source)) => {
            Err(ConnectError::Protocol { address: login.address(), source })
        }
    }
}

/// An RSA key is one type in the file, and signs in ways that are agreed on by name.
fn rsa_by_its_signatures(types: Vec<Algorithm>) -> Vec<Algorithm> {
    let names = |kind: Algorithm| {
        if kind.clone().is_rsa() {
            [HashAlg::Sha512, HashAlg::Sha256]
                .map(|hash| Algorithm::Rsa { hash: Some(hash) })
                .to_vec()
        } else {
            vec![kind]
        }
    };
    types.into_iter().flat_map(names).collect()
}

async fn authenticate(
    handle: &mut Handle<Checker>,
    login: &Login,
    key: Option<Arc<PrivateKey>>,
) -> Result<(), ConnectError> {
    let protocol = |source| ConnectError::Protocol { address: login.address(), source };
    let mut tried = Vec::new();
    if let (Some(key), Some(path)) = (key, &login.key) {
        let hash = rsa_hash(handle, key.algorithm().is_rsa()).await.map_err(protocol)?;
        let offer = PrivateKeyWithHashAlg::new(key, hash);
        let answer = handle.authenticate_publickey(login.user.as_str(), offer).await;
        if answer.map_err(protocol)?.success() {
            return Ok(());
        }
        tried.push(format!("the key {}", path.display()));
    }
    if let Some(socket) = &login.agent
        && let Ok(mut agent) = AgentClient::connect_uds(socket).await
    {
        let held = agent.request_identities().await.unwrap_or_default();
        for identity in held.into_iter().take(AGENT_KEYS_MAX) {
            let AgentIdentity::PublicKey { key, comment } = identity else { continue };
            let hash = rsa_hash(handle, key.algorithm().is_rsa()).await.map_err(protocol)?;
            let user = login.user.as_str();
            let answer = handle.authenticate_publickey_with(user, key, hash, &mut agent).await;
            // An agent that won't sign with this key may sign with the next.
            if answer.as_ref().is_ok_and(AuthResult::success) {
                return Ok(());
            }
            tried.push(format!("the agent's key {comment}"));
        }
    }
    let address = login.address();
    if tried.is_empty() {
        return Err(ConnectError::NoIdentity { address });
    }
    Err(ConnectError::Denied { address, user: login.user.clone(), tried })
}

async fn rsa_hash(handle: &Handle<Checker>, rsa: bool) -> Result<Option<HashAlg>, russh::Error> {
    if !rsa {
        return Ok(None);
    }
    // A server that doesn't say what it takes is taken to know what RFC 8332 brought in 2018.
    Ok(handle.best_supported_rsa_hash().await?.flatten().or(Some(HashAlg::Sha512)))
}

/// Recognises a host by its key, and lets it open nothing.
struct Checker {
    known: Arc<KnownHosts>,
    host: String,
    port: u16,
}

/// Why a connection ended before it was one.
#[derive(Debug)]
enum Refusal {
    Ssh(russh::Error),
    HostKey(HostKeyError),
}

impl From<russh::Error> for Refusal {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// What a host may ask to open towards us: nothing. The library's own answer would be yes.
macro_rules! refuse {
    ($($channel:ident($($of:ty),*);)*) => {$(
        async fn $channel(
            &mut self,
            _: Channel<Msg>,
            $(_: $of,)*
            refused: ChannelOpenHandle,
            _: &mut client::Session,
        ) -> Result<(), Refusal> {
            drop(refused);
            Ok(())
        }
    )*};
}

impl client::Handler for Checker {
    type Error = Refusal;

    refuse! {
        server_channel_open_agent_forward();
        server_channel_open_direct_streamlocal(&str);
        server_channel_open_direct_tcpip(&str, u32, &str, u32);
        server_channel_open_forwarded_streamlocal(&str);
        server_channel_open_forwarded_tcpip(&str, u32, &str, u32);
        server_channel_open_session();
        server_channel_open_x11(&str, u32);
    }

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Refusal> {
        let verdict = self.known.check(&self.host, self.port, &shown.public_key());
        verdict.map(|_| true).map_err(Refusal::HostKey)
    }
}
