//! Names of servers: what they stand for goes to the data path and to the checks, the way that a
//! reload does.
//!
//! Nothing waits for a name server but a start and a reload, and those for at most
//! [`FIRST_ANSWERS`], so that servers which can be reached are there from the first connection on.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use halb_config::settings::{NamedServer, Names as Wanted, Settings};
use halb_healthcheck::config::Target;
use halb_lb::config::Config;
use halb_resolver::config::Question;
use halb_resolver::driver::{Event, Resolver};
use halb_resolver::name::{self, Change};
use tokio::sync::mpsc::Receiver;
use tokio::{task, time};
use tracing::{error, info, warn};

use super::daemon::Daemon;
use crate::status::names::{Resolution, view};

/// Patience with the first answers. A name that takes longer is down until it has an address.
const FIRST_ANSWERS: Duration = Duration::from_secs(1);

/// The running resolver.
pub(super) struct Names {
    resolver: Resolver,
}

impl Names {
    /// Starts it, and waits for what the names stand for. The receiver tells what changes.
    pub(super) async fn start(wanted: &Wanted) -> (Self, Receiver<Event>) {
        let (resolver, events) = Resolver::start(wanted.resolver.clone());
        let names = Self { resolver };
        names.follow(wanted).await;
        (names, events)
    }

    /// These are the names from now on; waits for answers, within reason.
    pub(super) async fn follow(&self, wanted: &Wanted) {
        let questions = wanted.servers.iter().map(|server| server.question.clone()).collect();
        self.resolver.follow(wanted.resolver.clone(), questions).await;
        // A name without an answer is told as such.
        let _ = time::timeout(FIRST_ANSWERS, self.resolver.heard()).await;
    }

    /// What data path and checks are told while names stand for what they do now.
    pub(super) fn place(&self, settings: &Settings) -> (Config, Vec<Target>) {
        let known = Arc::clone(&self.resolver.known().borrow());
        settings.with_addresses(|question| known.addresses.get(question).copied())
    }

    /// What is known of each name, by `backend/server`.
    pub(super) async fn status(&self, servers: &[NamedServer]) -> HashMap<String, Resolution> {
        if servers.is_empty() {
            return HashMap::new();
        }
        let all = self.resolver.status().await;
        let all: BTreeMap<&Question, &name::Status> =
            all.iter().map(|status| (&status.question, status)).collect();
        let view = |server: &NamedServer| {
            let status = all.get(&server.question)?;
            Some((server.server.to_string(), view(server, status)))
        };
        servers.iter().filter_map(view).collect()
    }
}

/// Tells what changes, and puts it into force. Runs until the resolver ends.
pub(super) async fn carry(daemon: Arc<Daemon>, mut events: Receiver<Event>) {
    let mut known = daemon.names.resolver.known();
    let mut placed: BTreeMap<Question, IpAddr> = BTreeMap::new();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some((question, change)) => tell(&daemon, &question, change),
                None => return,
            },
            changed = known.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = known.borrow_and_update().addresses.clone();
                if now != placed {
                    placed = now;
                    put_into_force(&daemon).await;
                }
            }
        }
    }
}

/// On a thread that may block, since it waits for the data path; never beside a reload.
async fn put_into_force(daemon: &Arc<Daemon>) {
    let alone = Arc::clone(&daemon.reloading).lock_owned().await;
    let daemon = Arc::clone(daemon);
    let done = task::spawn_blocking(move || daemon.move_servers(alone)).await;
    if let Ok(Err(error)) = done {
        error!("servers stay where they are: {error:#}");
    }
}

/// One line for each change.
fn tell(daemon: &Daemon, question: &Question, change: Change) {
    let servers = servers(daemon, question);
    let name = question.host.as_str();
    match change {
        Change::Resolved { from: None, to } => {
            info!(name, servers, address = %to, "a name has an address");
        }
        Change::Resolved { from: Some(from), to } => {
            let left = "connections to the old address stay until they end";
            info!(name, servers, %from, address = %to, "a name has another address; {left}");
        }
        Change::Lost { from, why } => {
            warn!(name, servers, %from, why, "a name has no address any more, its servers are DOWN");
        }
        Change::Doubted { why, kept: Some(kept) } => {
            warn!(name, servers, why, %kept, "a name is in doubt, its address is kept");
        }
        Change::Doubted { why, kept: None } => {
            warn!(name, servers, why, "a name has no address, its servers are DOWN");
        }
        Change::Settled => info!(name, servers, "a name is answered again"),
    }
}

/// The servers that have a name.
fn servers(daemon: &Daemon, question: &Question) -> String {
    let in_force = daemon.in_force();
    let named = in_force.settings.names.servers.iter();
    let own = named.filter(|named| named.question == *question);
    own.map(|named| named.server.to_string()).collect::<Vec<_>>().join(" ")
}
