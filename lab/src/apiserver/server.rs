//! The server as its owner sees it: start, behaviours, counts, end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::header::HeaderValue;
use rustls::ServerConfig;
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
    task::{JoinHandle, JoinSet},
    time,
};
use tokio_rustls::TlsAcceptor;

use super::{
    api::Part,
    connection::{self, Phase},
    counters::{Counters, Counts},
    gate::Gate,
    handler::Server,
    health::Readiness,
    resources::Cluster,
    tls::{self, Ca, CaError},
};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// Its name: `X-Served-By`, and the node that it shows.
    pub name: String,
    /// Who signs its certificate.
    pub ca: Ca,
    /// What it is a part of, and answers for; none for a server that stands alone.
    pub part: Option<Part>,
    /// Names and addresses that its certificate is for besides `listen`, `localhost`, loopback and
    /// `kubernetes`: those of the balancer in front of it.
    pub names: Vec<String>,
    /// Time between two events of a watch.
    pub watch_interval: Duration,
}

impl Options {
    /// A server that signs with `ca`, listens on `listen`, and sends watch events each second.
    #[must_use]
    pub fn new(name: &str, listen: SocketAddr, ca: &Ca) -> Self {
        Self {
            listen,
            name: name.to_owned(),
            ca: ca.clone(),
            part: None,
            names: Vec::new(),
            watch_interval: Duration::from_secs(1),
        }
    }
}

/// Why a server doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't listen.
    #[error("{name} can't listen on {address}")]
    Listen {
        /// Its name.
        name: String,
        /// Where it should.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// It has no certificate.
    #[error("{name} has no certificate")]
    Certificate {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: CaError,
    },
    /// Its name can't stand in a header.
    #[error("{name:?} can't be a server's name: it doesn't fit in an HTTP header")]
    Name {
        /// The name.
        name: String,
    },
}

/// How connections end with a server that stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Closed, as by a process that ends.
    Fin,
    /// Reset, as by a host that comes back and knows nothing of them.
    Rst,
}

/// A stand-in API server on the tokio runtime it was started on. Dropping it stops it.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    server: Arc<Server>,
    phase: watch::Sender<Phase>,
    /// The task that accepts and holds the connections; none when the server is stopped.
    run: Mutex<Option<JoinHandle<()>>>,
}

impl ApiServer {
    /// Starts a server; when this returns, it listens.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn start(options: Options) -> Result<Self, Error> {
        let Options { listen, name, ca, part, names, watch_interval } = options;
        let served_by =
            HeaderValue::from_str(&name).map_err(|_| Error::Name { name: name.clone() })?;
        let names = certified_names(listen, names);
        let config = match &part {
            Some(part) => tls::given(part, &names),
            None => ca.server_config(&names),
        };
        let config = config.map_err(|source| Error::Certificate { name: name.clone(), source })?;
        let server = Server {
            name: name.clone(),
            served_by,
            counters: Counters::default(),
            gate: Arc::new(Gate::default()),
            readiness: Readiness::new(true),
            cluster: Cluster::new(name),
            api: part.map(|part| part.api),
            watch_interval,
        };
        let mut api = Self {
            address: listen,
            tls: Arc::new(config),
            server: Arc::new(server),
            phase: watch::channel(Phase::Serving).0,
            run: Mutex::new(None),
        };
        let listener = api.listen().await?;
        api.address = listener.local_addr().map_err(|source| api.listen_failed(source))?;
        *api.run.get_mut() = Some(api.accept_on(listener));
        Ok(api)
    }

    /// Where it listens, or did before it was stopped.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.server.name
    }

    /// What it has counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.server.counters.counts()
    }

    /// Makes `/readyz` answer 200, or 500 as of a server that shuts down; `/livez` stays 200.
    pub fn set_ready(&self, ready: bool) {
        self.server.readiness.set(ready);
    }

    /// From now on answers nothing, as a process that is stopped or swapped out: connections are
    /// taken and stay open, yet nothing is read or written, not even a handshake.
    pub fn hang(&self) {
        self.server.gate.set(true);
    }

    /// Goes on after [`Self::hang`], with what has arrived meanwhile.
    pub fn unhang(&self) {
        self.server.gate.set(false);
    }

    /// Stops listening and ends all connections at once. Returns when both is done.
    pub async fn stop(&self, ending: Ending) {
        // At once, which also cuts short a drain that holds the lock.
        self.phase.send_replace(Phase::Over(ending));
        let mut run = self.run.lock().await;
        self.end(&mut run, ending).await;
    }

    /// Leaves as kube-apiserver does: not ready at once; after `delay` (its
    /// `--shutdown-delay-duration`) no new connections, watches ended, requests finished for at most
    /// [`DRAIN_LIMIT`]; then gone.
    pub async fn shutdown(&self, delay: Duration) {
        self.set_ready(false);
        time::sleep(delay).await;
        let mut run = self.run.lock().await;
        self.phase.send_replace(Phase::Draining);
        if let Some(task) = run.as_mut()
            && time::timeout(DRAIN_LIMIT, task).await.is_ok()
        {
            *run = None;
        }
        self.end(&mut run, Ending::Fin).await;
    }

    /// Starts again, ready, on the same address, after [`Self::stop`] or [`Self::shutdown`]; a
    /// running server is stopped before.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn restart(&self) -> Result<(), Error> {
        self.stop(Ending::Fin).await;
        let mut run = self.run.lock().await;
        let listener = self.listen().await?;
        self.server.gate.set(false);
        self.set_ready(true);
        self.phase.send_replace(Phase::Serving);
        *run = Some(self.accept_on(listener));
        Ok(())
    }

    async fn end(&self, run: &mut Option<JoinHandle<()>>, ending: Ending) {
        self.phase.send_replace(Phase::Over(ending));
        if let Some(task) = run.take()
            && let Err(panicked) = task.await
        {
            eprintln!("{}: {panicked}", self.name());
        }
    }

    async fn listen(&self) -> Result<TcpListener, Error> {
        TcpListener::bind(self.address).await.map_err(|source| self.listen_failed(source))
    }

    fn listen_failed(&self, source: io::Error) -> Error {
        Error::Listen { name: self.name().to_owned(), address: self.address, source }
    }

    fn accept_on(&self, listener: TcpListener) -> JoinHandle<()> {
        let (server, tls) = (Arc::clone(&self.server), TlsAcceptor::from(Arc::clone(&self.tls)));
        tokio::spawn(accept(server, tls, listener, self.phase.subscribe()))
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Over(Ending::Fin));
    }
}

/// Accepts until the server is no longer serving, then waits for its connections to end.
async fn accept(
    server: Arc<Server>,
    tls: TlsAcceptor,
    listener: TcpListener,
    mut phase: watch::Receiver<Phase>,
) {
    let mut connections = JoinSet::new();
    let for_connections = phase.clone();
    loop {
        tokio::select! {
            () = Phase::left_serving(&mut phase) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let (server, tls) = (Arc::clone(&server), tls.clone());
                    connections.spawn(connection::serve(server, tls, stream, for_connections.clone()));
                }
                // The client is gone, or descriptors are short; the latter takes a moment.
                Err(_) => time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Everything that the certificate is for.
fn certified_names(listen: SocketAddr, more: Vec<String>) -> Vec<String> {
    let mut names: Vec<_> = CERTIFIED.map(str::to_owned).into();
    if !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    names.extend(more);
    names.sort();
    names.dedup();
    names
}

/// Names that each certificate is for, as kubeadm has them, and loopback.
const CERTIFIED: [&str; 6] =
    ["127.0.0.1", "::1", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"];

/// Connections at a time; beyond it they wait in the kernel's backlog. A process here may have no
/// more descriptors anyway.
const MAX_CONNECTIONS: usize = 20_000;

/// Pause after a failed accept, so that a shortage isn't answered with a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How long a draining server waits for requests, kube-apiserver's `--request-timeout`.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(60);
