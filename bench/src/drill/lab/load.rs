//! What the client does meanwhile: requests at a steady pace, each over a connection of its own, and
//! watches that stay open.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use halb_lab::{
    Host,
    client::{Client, Protocol},
};
use http_body_util::BodyExt;

use crate::drill::{record::Connections, requests::Requests};

/// A client at work, as tasks of its host. They end with the host.
#[derive(Debug)]
pub(super) struct Load {
    /// Its requests.
    pub(super) requests: Requests,
    target: Arc<Target>,
    watches: Arc<Mutex<Vec<Watched>>>,
}

/// Who is asked.
#[derive(Debug)]
struct Target {
    address: SocketAddr,
    /// The certificate that its servers' are signed with, as PEM.
    authority: String,
}

/// A connection that is kept.
#[derive(Clone, Copy, Debug)]
struct Watched {
    /// When something last came.
    heard: Instant,
    ended: bool,
    /// It was opened for something that is over.
    forgotten: bool,
}

impl Load {
    /// Begins to send requests to `address`, whose servers' certificates are by the authority.
    pub(super) fn start(client: &Host, address: SocketAddr, authority: &str) -> Self {
        let requests = Requests::default();
        let target = Arc::new(Target { address, authority: authority.to_owned() });
        let (sent, asked) = (requests.clone(), Arc::clone(&target));
        client.block_on(async move {
            tokio::spawn(sent.send(PACE, move || request(Arc::clone(&asked))));
        });
        Self { requests, target, watches: Arc::default() }
    }

    /// Opens the watches; those that can't be opened are left out.
    pub(super) fn open_watches(&self, client: &Host) {
        for _ in 0..WATCHES {
            let (target, watches) = (Arc::clone(&self.target), Arc::clone(&self.watches));
            client.block_on(async move {
                tokio::spawn(watch(target, watches));
            });
        }
    }

    /// Those that were opened before don't count any more.
    pub(super) fn forget_watches(&self) {
        lock(&self.watches).iter_mut().for_each(|watched| watched.forgotten = true);
    }

    /// Watches that have told something and are open.
    pub(super) fn open(&self) -> usize {
        let watches = lock(&self.watches);
        watches.iter().filter(|watched| !watched.ended && !watched.forgotten).count()
    }

    /// What became of the watches by now.
    pub(super) fn connections(&self) -> Connections {
        let now = Instant::now();
        let watches = lock(&self.watches);
        let counted: Vec<&Watched> = watches.iter().filter(|watched| !watched.forgotten).collect();
        let is_silent = |watched: &&&Watched| {
            !watched.ended && now.saturating_duration_since(watched.heard) > SILENT
        };
        Connections {
            open: counted.len(),
            ended: counted.iter().filter(|watched| watched.ended).count(),
            silent: counted.iter().filter(is_silent).count(),
        }
    }
}

/// Asks one of the servers for something, and says whether it answered.
async fn request(target: Arc<Target>) -> bool {
    let connected = Client::connect(target.address, &target.authority, Protocol::Http1).await;
    let Ok(mut client) = connected else { return false };
    client.get("/readyz").await.is_ok_and(|reply| reply.status.is_success())
}

/// A watch, from its opening to its end.
async fn watch(target: Arc<Target>, watches: Arc<Mutex<Vec<Watched>>>) {
    let connected = Client::connect(target.address, &target.authority, Protocol::Http1).await;
    let Ok(mut client) = connected else { return };
    let Ok(mut events) = client.open(WATCH).await else { return };
    let mut number = None;
    while let Some(Ok(_)) = events.frame().await {
        let mut watches = lock(&watches);
        let number = *number.get_or_insert(watches.len());
        if number == watches.len() {
            watches.push(Watched { heard: Instant::now(), ended: false, forgotten: false });
        } else {
            watches[number].heard = Instant::now();
        }
    }
    if let Some(number) = number {
        lock(&watches)[number].ended = true;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is complete before the next one; a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Between two requests: as dense as handshakes allow that cost no core on a laptop.
const PACE: Duration = Duration::from_millis(20);

/// Watches that are kept open, by all three servers.
pub(super) const WATCHES: usize = 12;

/// Between two events of a watch.
pub(super) const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// A watch that has told nothing for so long tells nothing any more.
const SILENT: Duration = Duration::from_secs(1);

/// Something that changes with each interval only.
const WATCH: &str = "/api/v1/pods?watch=true&allowWatchBookmarks=true";
