//! TLS of the tls and https probes: rustls with ring, full handshakes only. A resumed session
//! would prove neither certificate nor key, and at the pace of checks it saves nothing.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::files::Reading;
use super::shortage;
use crate::config::{TlsOptions, Verify};
use crate::outcome::{FailureKind, Outcome};

mod load;
mod unverified;

pub use load::TlsError;
pub(crate) use load::load;

/// The TLS side of one target; its files are read once and again when they change.
pub(super) struct Connector {
    options: TlsOptions,
    alpn: &'static [&'static [u8]],
    /// Held while files are read, so that reads that hang don't pile up.
    gate: Arc<Mutex<()>>,
    known: Known,
}

/// What was read last; locked to look and to replace, never while a file is read.
type Known = Arc<std::sync::Mutex<Option<Read>>>;

/// What has been read.
#[derive(Clone)]
struct Read {
    stamps: Vec<Stamp>,
    client: Client,
}

/// A configuration of rustls that can be used.
#[derive(Clone)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    /// Its files have changed since and can't be used any more.
    trouble: Option<Arc<str>>,
}

/// What tells that a file is another one: device, inode, length, time of the last change.
type Stamp = Option<(u64, u64, u64, SystemTime)>;

impl Connector {
    pub(super) fn new(options: TlsOptions, alpn: &'static [&'static [u8]]) -> Self {
        Self { options, alpn, gate: Arc::default(), known: Arc::default() }
    }

    /// The configuration as the files now say, or as they said when they were last good. Where
    /// they aren't read within `patience`, those read before do; without such it goes on waiting.
    pub(super) async fn client(
        &self,
        reading: &Reading,
        patience: Duration,
    ) -> Result<Client, Outcome> {
        if paths(&self.options).is_empty() {
            return refresh(&self.known, &self.options, self.alpn);
        }
        let mut fresh = pin!(self.read(reading));
        if let Ok(client) = tokio::time::timeout(patience, &mut fresh).await {
            return client;
        }
        let before = look(&self.known).clone();
        match before {
            Some(Read { client, .. }) => {
                let trouble = format!("they were not read again within {patience:?}");
                Ok(Client { trouble: Some(trouble.into()), ..client })
            }
            None => fresh.await,
        }
    }

    async fn read(&self, reading: &Reading) -> Result<Client, Outcome> {
        let guard = self.gate.clone().lock_owned().await;
        let (known, options, alpn) = (self.known.clone(), self.options.clone(), self.alpn);
        let read = move || {
            let client = refresh(&known, &options, alpn);
            drop(guard);
            client
        };
        reading.aside(read).await?
    }

    /// Has no deadline of its own.
    pub(super) async fn handshake(
        &self,
        client: &Client,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<TlsStream<TcpStream>, Outcome> {
        let name = server_name(&self.options, address)
            .map_err(|error| Outcome::failed(FailureKind::Setup, &error.to_string()))?;
        TlsConnector::from(client.config.clone())
            .connect(name, stream)
            .await
            .map_err(|error| shortage::outcome(FailureKind::Tls, "TLS handshake", &error))
    }
}

impl Client {
    /// An outcome that also says that changed files could not be used.
    pub(super) fn with_trouble(&self, outcome: Outcome) -> Outcome {
        match (&self.trouble, outcome) {
            (Some(trouble), Outcome::Passed { layer, detail }) => Outcome::passed(
                layer,
                &format!("{detail}; still with the files read before: {trouble}"),
            ),
            (_, outcome) => outcome,
        }
    }
}

fn look(known: &Known) -> MutexGuard<'_, Option<Read>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks where there are files.
fn refresh(known: &Known, options: &TlsOptions, alpn: &[&[u8]]) -> Result<Client, Outcome> {
    let stamps: Vec<Stamp> = paths(options).into_iter().map(stamp).collect();
    let before = look(known).clone();
    if let Some(read) = &before
        && read.stamps == stamps
    {
        return Ok(read.client.clone());
    }
    let (client, good) = match (load(options, alpn), before) {
        (Ok(config), _) => (Client { config: Arc::new(config), trouble: None }, true),
        (Err(error), None) => return Err(shortage::setup_outcome(&error)),
        // A bad file never replaces a good one.
        (Err(error), Some(before)) => {
            let trouble = shortage::setup_outcome(&error);
            let known = matches!(trouble, Outcome::Failed { .. });
            let trouble = Some(trouble.detail().into());
            (Client { trouble, config: before.client.config }, known)
        }
    };
    if good {
        *look(known) = Some(Read { stamps, client: client.clone() });
    }
    Ok(client)
}

fn paths(options: &TlsOptions) -> Vec<PathBuf> {
    let ca = match &options.verify {
        Verify::None => None,
        Verify::CaFile(path) => Some(path),
    };
    let client = options.client.as_ref().map(|client| [&client.cert_file, &client.key_file]);
    ca.into_iter().chain(client.into_iter().flatten()).cloned().collect()
}

fn stamp(path: impl AsRef<Path>) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.len(), metadata.modified().ok()?))
}

/// The name that is sent and verified; an address is verified, but by RFC 6066 not sent.
pub(crate) fn server_name(
    options: &TlsOptions,
    address: SocketAddr,
) -> Result<ServerName<'static>, InvalidDnsNameError> {
    match &options.server_name {
        Some(name) => ServerName::try_from(name.clone()),
        None => Ok(ServerName::IpAddress(address.ip().into())),
    }
}

/// What was agreed on, in a line.
pub(super) fn describe_session(stream: &TlsStream<TcpStream>) -> String {
    let (_, session) = stream.get_ref();
    let version = session.protocol_version().and_then(|version| version.as_str());
    format!("TLS handshake done ({})", version.unwrap_or("TLS"))
}

/// Says goodbye as TLS wants it, and waits for the server to do so too: closing with unread
/// session tickets would reset the connection and leave a line in the server's log.
pub(super) async fn part(mut stream: TlsStream<TcpStream>) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 1024];
    // Bounded in time by the caller; a server that talks on and on is cut off then.
    while stream.read(&mut rest).await.is_ok_and(|len| len > 0) {}
}
