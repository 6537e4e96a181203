//! A little traffic: one request after the other, each over a connection of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use halb_lab::client::{Client, Protocol};
use tokio::{task, time};

/// From one request to the next: ten a second are seen to move and cost nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Connect, TLS and answer together.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What the client has met so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// By the server that gave them.
    pub(super) by_server: BTreeMap<String, u64>,
    /// Requests without an answer.
    pub(super) failed: u64,
    /// How long the last answer took.
    pub(super) took: Duration,
    /// Why the last failed request did.
    pub(super) last_failure: Option<String>,
}

impl Answers {
    pub(super) fn answered(&self) -> u64 {
        self.by_server.values().sum()
    }
}

/// The running client.
pub(super) struct Traffic {
    answers: Arc<Mutex<Answers>>,
    task: task::JoinHandle<()>,
}

impl Traffic {
    /// Starts to ask `address`, trusting `authority` (PEM).
    pub(super) fn start(address: SocketAddr, authority: &str) -> Self {
        let answers = Arc::new(Mutex::new(Answers::default()));
        let (counted, authority) = (Arc::clone(&answers), authority.to_owned());
        let task = task::spawn(async move {
            let mut ticks = time::interval(PAUSE);
            ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let begun = Instant::now();
                let answer = time::timeout(TIMEOUT, ask(address, &authority)).await;
                let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
                count(&mut lock(&counted), answer, begun.elapsed());
            }
        });
        Self { answers, task }
    }

    /// What it has met so far.
    pub(super) fn answers(&self) -> Answers {
        lock(&self.answers).clone()
    }

    /// Stops it.
    pub(super) async fn end(self) -> Answers {
        self.task.abort();
        // Its end is what was asked for.
        let _ = self.task.await;
        lock(&self.answers).clone()
    }
}

fn lock(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ask(address: SocketAddr, authority: &str) -> Result<String, String> {
    let client = Client::connect(address, authority, Protocol::Http2).await;
    let mut client = client.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    let reply = client.get("/version").await;
    let reply = reply.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    Ok(reply.served_by().unwrap_or("?").to_owned())
}

fn count(answers: &mut Answers, answer: Result<String, String>, took: Duration) {
    match answer {
        Ok(server) => {
            let count = answers.by_server.entry(server).or_default();
            *count = count.saturating_add(1);
            answers.took = took;
        }
        Err(why) => {
            answers.failed = answers.failed.saturating_add(1);
            answers.last_failure = Some(why);
        }
    }
}
