//! Links with their events, and waiting for them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use halb_lab::{Loopback, eventually_async};
use halb_peer::config::{Channel, Channels, Config, Key, Keys};
use halb_peer::driver::{self, Handle, Settings, Status};
use halb_peer::link::{Event, Refused, State};
use halb_peer::refusal::Reason;

/// Long enough for a busy machine; nothing here waits for a fixed time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const OLD: &str = "0123456789abcdef";
pub(crate) const NEW: &str = "fedcba9876543210";
pub(crate) const PORT: u16 = 7112;

pub(crate) fn channel() -> Channel {
    Channel::new(1).unwrap()
}

/// Sixteen digits, four times.
pub(crate) fn keys(sign: &str, also: Option<&str>) -> Keys {
    let key = |digits: &str| Key::from_hex(&digits.repeat(4)).unwrap();
    Keys { sign: key(sign), also: also.map(key) }
}

pub(crate) fn settings(bind: SocketAddr, peer: SocketAddr) -> Settings {
    let channels = Channels::of(&[channel()]);
    Settings { bind, link: Config { peer, keys: keys(OLD, None), channels } }
}

/// A link and all that it told.
pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) settings: Settings,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Node {
    pub(crate) fn start(settings: Settings) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&events);
        let listen = move |event| listener.lock().unwrap().push(event);
        let handle = driver::start(settings.clone(), Arc::new(listen)).unwrap();
        Self { handle, settings, events }
    }

    pub(crate) fn status(&self) -> Status {
        self.handle.status()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Messages with their sender.
    pub(crate) fn messages(&self) -> Vec<(SocketAddr, Vec<u8>)> {
        let message = |event| match event {
            Event::Received { from, payload, .. } => Some((from, payload)),
            Event::Up { .. } | Event::Down | Event::Refused { .. } => None,
        };
        self.events().into_iter().filter_map(message).collect()
    }

    pub(crate) fn refused(&self, reason: Reason) -> Option<Refused> {
        let refused = self.status().link.refused;
        refused.into_iter().find(|entry| entry.refusal.reason() == reason)
    }

    pub(crate) fn is(&self, state: State) -> Result<(), Box<Status>> {
        let status = self.status();
        if status.link.state == state { Ok(()) } else { Err(status.into()) }
    }

    pub(crate) fn has(&self, payload: &[u8]) -> Result<(), Vec<(SocketAddr, Vec<u8>)>> {
        let messages = self.messages();
        if messages.iter().any(|(_, got)| got == payload) { Ok(()) } else { Err(messages) }
    }

    pub(crate) async fn wait_for(&self, state: State) {
        let what = format!("the link is {state:?}");
        eventually_async(&what, PATIENCE, async || self.is(state)).await;
    }

    pub(crate) async fn wait_for_message(&self, payload: &[u8]) {
        eventually_async("the message arrives", PATIENCE, async || self.has(payload)).await;
    }

    pub(crate) async fn wait_for_refusal(&self, reason: Reason) -> Refused {
        let what = format!("{reason:?} is counted");
        eventually_async(&what, PATIENCE, async || self.refused(reason)).await
    }
}

/// Two links that are up, and the addresses that they have to themselves.
pub(crate) struct Pair {
    pub(crate) a: Node,
    pub(crate) b: Node,
    _addresses: [Loopback; 2],
}

pub(crate) async fn pair() -> Pair {
    let addresses = [Loopback::claim().unwrap(), Loopback::claim().unwrap()];
    let [at_a, at_b] = [addresses[0].port(PORT), addresses[1].port(PORT)];
    let (a, b) = (Node::start(settings(at_a, at_b)), Node::start(settings(at_b, at_a)));
    a.wait_for(State::Up).await;
    b.wait_for(State::Up).await;
    Pair { a, b, _addresses: addresses }
}
