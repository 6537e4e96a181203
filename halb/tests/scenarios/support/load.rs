//! Clients that note what became of each of their requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use halb_lab::client::{Client, Protocol};
use http_body_util::BodyExt;
use tokio::task::JoinHandle;
use tokio::time;

use super::PATIENCE;

/// How a client uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A new one for each request.
    New(Protocol),
    /// One for all requests; a further one only when it is lost.
    Kept(Protocol),
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    /// The server that answered, or why none did.
    pub(crate) outcome: Result<String, String>,
}

impl Request {
    pub(crate) fn failed(&self) -> bool {
        self.outcome.is_err()
    }

    pub(crate) fn ended(&self) -> Instant {
        self.begun + self.took
    }
}

/// Clients at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    target: SocketAddr,
    ca: String,
    over: AtomicBool,
    /// Connections that clients of [`Style::Kept`] have made.
    kept_connections: AtomicUsize,
    requests: Mutex<Vec<Request>>,
}

impl Load {
    /// Starts clients as tasks of the runtime in which it is called.
    pub(crate) async fn start(target: SocketAddr, ca: String, styles: Vec<Style>) -> Self {
        let shared = Arc::new(Shared {
            target,
            ca,
            over: AtomicBool::new(false),
            kept_connections: AtomicUsize::new(0),
            requests: Mutex::default(),
        });
        let client = |style| tokio::spawn(work(Arc::clone(&shared), style));
        let clients = styles.into_iter().map(client).collect();
        Self { shared, clients }
    }

    /// Requests that have ended so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// Connections that clients which keep theirs have made so far.
    pub(crate) fn kept_connections(&self) -> usize {
        self.shared.kept_connections.load(Ordering::Relaxed)
    }

    /// Waits for the requests under way, ends the clients and returns all requests.
    pub(crate) async fn end(self) -> Vec<Request> {
        self.shared.over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }
}

async fn work(shared: Arc<Shared>, style: Style) {
    let mut kept = None;
    while !shared.over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let answered = time::timeout(PATIENCE, ask(&shared, style, &mut kept)).await;
        let outcome = answered.unwrap_or_else(|_| Err(format!("nothing within {PATIENCE:?}")));
        if outcome.is_err() {
            kept = None;
        }
        let request = Request { begun, took: begun.elapsed(), outcome };
        shared.requests.lock().unwrap().push(request);
        time::sleep(PAUSE).await;
    }
}

async fn ask(shared: &Shared, style: Style, kept: &mut Option<Client>) -> Result<String, String> {
    let connect =
        async |protocol| Client::connect(shared.target, &shared.ca, protocol).await.map_err(chain);
    match style {
        Style::New(protocol) => version(&mut connect(protocol).await?).await,
        Style::Kept(protocol) => {
            if kept.is_none() {
                *kept = Some(connect(protocol).await?);
                shared.kept_connections.fetch_add(1, Ordering::Relaxed);
            }
            version(kept.as_mut().expect("made above")).await
        }
    }
}

/// Asks for a small document and returns the name of the server that has it.
async fn version(client: &mut Client) -> Result<String, String> {
    let reply = client.get("/version").await.map_err(chain)?;
    match reply.served_by() {
        Some(server) if reply.status == 200 => Ok(server.to_owned()),
        _ => Err(format!("{reply:?}")),
    }
}

/// An error with its causes.
fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Who answers `count` requests that come one after the other, each on a connection of its own.
pub(crate) async fn shares(
    target: SocketAddr,
    ca: String,
    count: usize,
) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        let mut client = Client::connect(target, &ca, Protocol::Http1).await.unwrap();
        *shares.entry(version(&mut client).await.unwrap()).or_default() += 1;
    }
    shares
}

/// A watch: an answer that doesn't end until someone ends it.
pub(crate) struct Watch {
    /// The server that it came to.
    pub(crate) server: String,
    end: JoinHandle<(Instant, String)>,
}

impl Watch {
    /// Begins one in the runtime in which it is called.
    pub(crate) async fn start(target: SocketAddr, ca: String) -> Self {
        let path = "/api/v1/namespaces/default/configmaps?watch=true";
        let mut client = Client::connect(target, &ca, Protocol::Http2).await.unwrap();
        let response = client.open(path).await.unwrap();
        let server = response.headers()["x-served-by"].to_str().unwrap().to_owned();
        let end = tokio::spawn(async move {
            let mut events = response.into_body();
            let why = loop {
                match events.frame().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break chain(error),
                    None => break "the server ended it".to_owned(),
                }
            };
            drop(client);
            (Instant::now(), why)
        });
        Self { server, end }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_finished()
    }

    /// Waits for its end; when and why.
    pub(crate) async fn end(self) -> (Instant, String) {
        time::timeout(PATIENCE, self.end).await.expect("the watch ends").unwrap()
    }
}

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(30);
