//! The link to the other balancer within the daemon: it carries words of the virtual routers and
//! copies of what the kernel forwards, and tells the status how it is.
//!
//! ```text
//!  virtual routers ──tell──▶ ┌───────────┐ ──datagrams──▶ the other balancer
//!  virtual routers ◀─words── │ peer link │ ◀─datagrams──
//!  kernel forwarding ◀flows▶ └─────┬─────┘ ──▶ log, status
//!                        reload ───┘
//! ```

mod words;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use halb_peer::config::{Channel, Channels, Config};
use halb_peer::driver::{self, Handle};
use halb_peer::link::Event;
use halb_vrrp::link::Word;
use tokio::runtime;
use tracing::{debug, info, warn};

use crate::config::key_file;
use crate::status::peer;
use halb_config::settings;
use words::Words;

/// Takes words of the other balancer, with its address; returns at once.
pub(super) type Hear = Arc<dyn Fn(IpAddr, Word) + Send + Sync>;

/// Takes copies of the other balancer's connections; returns at once.
pub(super) type HearFlows = Arc<dyn Fn(Vec<u8>) + Send + Sync>;

/// On which words of the virtual routers go, and copies of connections. Both balancers agree on
/// them; one that doesn't know a channel counts and drops what comes on it.
const WORDS: Channel = Channel::new(1).expect("1 is a channel");
const FLOWS: Channel = Channel::new(2).expect("2 is a channel");

/// Where messages go.
#[derive(Default)]
struct Incoming {
    words: Words,
    flows: OnceLock<HearFlows>,
}

/// The link of this daemon; there may be none.
pub(super) struct Peer {
    /// None: none is configured, or its key isn't there.
    running: Mutex<Option<Running>>,
    incoming: Arc<Incoming>,
    runtime: runtime::Handle,
}

#[derive(Clone)]
struct Running {
    handle: Handle,
    settings: driver::Settings,
}

impl Peer {
    /// Starts it as configured. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The key file holds something else than a key, or there is no socket.
    pub(super) fn start(settings: Option<&settings::Peer>) -> anyhow::Result<Arc<Self>> {
        let incoming = Arc::default();
        let running = settings.map(|settings| begin(settings, &incoming)).transpose()?.flatten();
        let runtime = runtime::Handle::current();
        Ok(Arc::new(Self { running: Mutex::new(running), incoming, runtime }))
    }

    /// From now on words of the other balancer go there; until then they are dropped.
    pub(super) fn bring_words_to(&self, hear: Hear) {
        self.incoming.words.bring_to(hear);
    }

    /// From now on copies of its connections go there; until then they are dropped.
    pub(super) fn bring_flows_to(&self, hear: HearFlows) {
        if self.incoming.flows.set(hear).is_err() {
            warn!("copies of the other balancer's connections go somewhere already");
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the other balancer a word. Returns at once; that it arrives nobody promises.
    pub(super) fn tell(&self, word: &Word) {
        self.send(WORDS, &word.encode());
    }

    /// Copies connections to the other balancer, as [`Peer::tell`] tells words.
    pub(super) fn copy(&self, flows: &[u8]) {
        self.send(FLOWS, flows);
    }

    fn send(&self, channel: Channel, message: &[u8]) {
        let Some(handle) = self.running().as_ref().map(|running| running.handle.clone()) else {
            return;
        };
        if let Err(error) = handle.send(channel, message) {
            // Counted, and a later message says the same anew.
            debug!(%error, "a message to the other balancer was dropped");
        }
    }

    /// Puts changed settings into force, and says what changed in words. The key file is read anew;
    /// where it can't be read the link is as before. Blocks on the file.
    ///
    /// # Errors
    /// It holds something else than a key, or there is no socket; the link is as before.
    pub(super) fn apply(&self, wanted: Option<&settings::Peer>) -> anyhow::Result<Vec<String>> {
        // A reload calls from a blocking thread, which knows of no runtime by itself.
        let _within = self.runtime.enter();
        let before = self.running().clone();
        let (after, changes) = match (before, wanted) {
            (None, None) => (None, Ok(Vec::new())),
            (None, Some(wanted)) => match begin(wanted, &self.incoming) {
                Ok(running) => {
                    let state = if running.is_some() { "is on" } else { "waits for its key" };
                    let address = wanted.address;
                    (running, Ok(vec![format!("peer link to {address} {state}")]))
                }
                Err(error) => (None, Err(error)),
            },
            (Some(running), None) => {
                let address = running.settings.link.peer;
                self.runtime.block_on(running.handle.shutdown());
                (None, Ok(vec![format!("peer link to {address} is off")]))
            }
            (Some(running), Some(wanted)) => {
                let changed = self.change(&running, wanted);
                let settings = match &changed {
                    Ok((settings, _)) => settings.clone(),
                    Err(_) => running.settings,
                };
                let handle = running.handle;
                (Some(Running { handle, settings }), changed.map(|(_, changes)| changes))
            }
        };
        *self.running() = after;
        changes
    }

    fn change(
        &self,
        running: &Running,
        wanted: &settings::Peer,
    ) -> anyhow::Result<(driver::Settings, Vec<String>)> {
        let before = &running.settings;
        let Some(after) = driver_settings(wanted)? else {
            let file = wanted.key_file.display();
            let kept = format!("peer link is as before, since {file} can't be read");
            return Ok((before.clone(), vec![kept]));
        };
        let mut changes = Vec::new();
        if after.link.peer != before.link.peer {
            changes.push(format!("peer link goes to {}", after.link.peer));
        }
        if after.bind != before.bind {
            changes.push(format!("peer link listens on {}", after.bind));
        }
        if after.link.keys != before.link.keys {
            changes.push("peer link has other keys".to_owned());
        }
        if !changes.is_empty() {
            self.runtime.block_on(running.handle.apply(after.clone()))?;
        }
        Ok((after, changes))
    }

    /// The section of the status; none: no link is configured, or it waits for its key.
    pub(super) fn status(&self) -> Option<peer::Peer> {
        let status = self.running().as_ref()?.handle.status();
        Some(peer::build(&status, self.incoming.words.unreadable(), Instant::now()))
    }

    /// Ends it; what it was told before is sent.
    pub(super) async fn stop(&self) {
        let running = self.running().take();
        if let Some(running) = running {
            running.handle.shutdown().await;
        }
    }
}

/// None: its key isn't there.
fn begin(wanted: &settings::Peer, incoming: &Arc<Incoming>) -> anyhow::Result<Option<Running>> {
    let Some(settings) = driver_settings(wanted)? else { return Ok(None) };
    let (address, incoming) = (wanted.address, Arc::clone(incoming));
    let listener = Arc::new(move |event| take(event, &incoming));
    let handle = driver::start(settings.clone(), listener)
        .context("can't link to the other balancer (another address: peer.bind)")?;
    info!(peer = %address, bind = %settings.bind, "peer link is on");
    Ok(Some(Running { handle, settings }))
}

/// None: its key isn't there, which is said.
fn driver_settings(wanted: &settings::Peer) -> anyhow::Result<Option<driver::Settings>> {
    let keys = match key_file::read(&wanted.key_file) {
        Ok(keys) => keys,
        Err(error) if error.is_absence() => {
            warn!("{error}; the virtual IP goes by VRRP alone: {}", error.remedy());
            return Ok(None);
        }
        Err(error) => {
            let remedy = error.remedy();
            let context = format!("peer.key_file is unusable: {remedy}");
            return Err(anyhow::Error::new(error).context(context));
        }
    };
    let link = Config { peer: wanted.address, keys, channels: Channels::of(&[WORDS, FLOWS]) };
    Ok(Some(driver::Settings { bind: wanted.bind, link }))
}

/// An event of the link, on the link's task.
fn take(event: Event, incoming: &Incoming) {
    match event {
        Event::Up { anew } => {
            if anew {
                incoming.words.begin_anew();
            }
            info!(anew, "the other balancer is there");
        }
        Event::Down => warn!("the other balancer is silent; VRRP decides without it"),
        Event::Received { payload, channel: FLOWS, .. } => {
            if let Some(hear) = incoming.flows.get() {
                hear(payload);
            }
        }
        // There are two channels.
        Event::Received { from, sequence, payload, channel: _ } => {
            incoming.words.take(from.ip(), sequence, &payload);
        }
        Event::Refused { from, refusal } => {
            warn!(%from, "the peer link refused a datagram: {refusal}. Said once in a while");
        }
    }
}
