//! The clients: requests at a steady pace, each over a connection of its own, whether or not those
//! before it were answered.

use std::future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use halb_lab::Host;
use halb_lab::client::{Client, Protocol};
use tokio::task::{JoinHandle, JoinSet};
use tokio::{task, time};

use super::felt::Felt;

/// From one request to the next: what is felt is measured no finer. A hundred handshakes a second
/// are no load.
const PACE: Duration = Duration::from_millis(10);

/// Connect, TLS and answer together. TCP has repeated a lost beginning by then.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Requests that wait at a time: those of a whole [`TIMEOUT`]. Beyond it none begins.
const WAITING_MAX: usize = 200;

/// Clients that ask until they end or their host goes.
pub(super) struct Clients {
    asking: JoinHandle<()>,
    host: Host,
}

impl Clients {
    /// Begins to ask `target` from a host, trusting `authority` (PEM).
    pub(super) fn start(
        host: Host,
        target: SocketAddr,
        authority: &str,
        felt: Arc<Mutex<Felt>>,
    ) -> Self {
        let authority: Arc<str> = authority.into();
        // A future, so that it is spawned on the host's own runtime.
        let asking = host.block_on(future::poll_fn(move |_| {
            let asking = ask_for_ever(target, Arc::clone(&authority), Arc::clone(&felt));
            Poll::Ready(task::spawn(asking))
        }));
        Self { asking, host }
    }

    /// Ends them. What was on its way counts as never asked.
    pub(super) fn end(self) {
        let Self { asking, host } = self;
        host.block_on(async move {
            asking.abort();
            // Its end is what was asked for.
            let _ = asking.await;
        });
    }
}

async fn ask_for_ever(target: SocketAddr, authority: Arc<str>, felt: Arc<Mutex<Felt>>) {
    let mut ticks = time::interval(PACE);
    // After a pause the pace goes on; what was left out isn't made up for.
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut waiting = JoinSet::new();
    loop {
        ticks.tick().await;
        while waiting.try_join_next().is_some() {}
        if waiting.len() < WAITING_MAX {
            waiting.spawn(request(target, Arc::clone(&authority), Arc::clone(&felt)));
        }
    }
}

async fn request(target: SocketAddr, authority: Arc<str>, felt: Arc<Mutex<Felt>>) {
    let number = lock(&felt).begin(Instant::now());
    let answer = time::timeout(TIMEOUT, ask(target, &authority)).await;
    let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    lock(&felt).end(number, Instant::now(), answer);
}

async fn ask(target: SocketAddr, authority: &str) -> Result<String, String> {
    let client = Client::connect(target, authority, Protocol::Http1).await;
    let mut client = client.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    let reply = client.get("/version").await;
    let reply = reply.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    Ok(reply.served_by().unwrap_or("?").to_owned())
}

pub(super) fn lock(felt: &Mutex<Felt>) -> MutexGuard<'_, Felt> {
    // Each change is complete before the next call.
    felt.lock().unwrap_or_else(PoisonError::into_inner)
}
