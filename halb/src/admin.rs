//! The admin address: status page, metrics and probes over HTTP. Reads only; nothing that comes in
//! here can change anything.
//!
//! ```text
//!  GET /             status page            GET /livez   200 if the data path's threads turn
//!  GET /status.json  the same as JSON       GET /readyz  200 if clients are served
//!  GET /metrics      Prometheus             GET /events  the page as it changes
//! ```
//!
//! One request per connection: with 32 connections of at most 30 seconds each, of which a new one
//! displaces the oldest, a client that stalls delays nobody.

mod events;
pub mod page;
pub mod routes;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time;
use tracing::{debug, warn};

use crate::status::Status;
use routes::Answer;

/// Most connections at a time: a handful of scrapers, probes and people. One more displaces the
/// oldest, which has had the most time to be served and so is the likeliest to stall.
const CONNECTIONS_MAX: usize = 32;

/// A request's head must arrive within this time.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// Request and answer together may take this long; a scrape of a thousand servers over a slow
/// line takes less.
const CONNECTION_TIME: Duration = Duration::from_secs(30);

/// Largest head of a request, in bytes; the least that hyper allows.
const HEAD_LEN_MAX: usize = 8 * 1024;

/// Most headers of a request; browsers send about 20.
const HEADERS_MAX: usize = 64;

/// Answers made at a time: one, so that a flood of requests leaves a thread to signals, checks and
/// the watchdog.
const ANSWERS_MAX: usize = 1;

/// Pause after an accept error that won't go away at once (no descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the daemon is looked at.
#[derive(Clone)]
pub struct Looks {
    /// Its status.
    pub status: Look<Status>,
    /// Metrics beside those of the status, in Prometheus' format; none: there are none.
    pub more_metrics: Look<Option<String>>,
}

/// Looks at the daemon.
pub type Look<T> = Arc<dyn Fn() -> Looking<T> + Send + Sync>;

/// A look under way. It blocks no thread.
pub type Looking<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, look: Looks) {
    let turns = Arc::new(Semaphore::new(ANSWERS_MAX));
    let mut open: VecDeque<AbortHandle> = VecDeque::with_capacity(CONNECTIONS_MAX);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "admin address accepts nothing at the moment");
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS_MAX
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let connection = serve_one(stream, look.clone(), Arc::clone(&turns));
        open.push_back(tokio::spawn(connection).abort_handle());
    }
}

async fn serve_one(stream: TcpStream, look: Looks, turns: Arc<Semaphore>) {
    let service = service_fn(|request| {
        let (look, turns) = (look.clone(), Arc::clone(&turns));
        async move { Ok::<_, Infallible>(answer(&request, &look, &turns).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_LEN_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match time::timeout(CONNECTION_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "admin connection ended early"),
        Err(_) => debug!("admin connection took too long"),
    }
}

async fn answer(request: &Request<Incoming>, look: &Looks, turns: &Arc<Semaphore>) -> Answer {
    let route = routes::find(request.method(), request.uri().path());
    let Ok(_turn) = turns.acquire().await else { return routes::unavailable() };
    routes::respond(route, look, turns).await
}

#[cfg(test)]
mod tests;
