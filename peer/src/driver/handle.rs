//! How the rest of the process asks and orders.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::{OpenError, Settings};
use crate::config::Channel;
use crate::frame::{PAYLOAD_LEN_MAX, PayloadTooLong};
use crate::link::{self, Link};

/// Messages that wait for the task. It takes them within a fraction of a millisecond; what the
/// queue holds beyond that, at 1,156 bytes each, is old by the time it would be sent.
pub const MESSAGES_MAX: usize = 256;

/// Orders that wait: people and reloads give them one by one.
const COMMANDS_MAX: usize = 2;

/// A running link. It ends when the last handle goes.
#[derive(Debug, Clone)]
pub struct Handle {
    messages: mpsc::Sender<Message>,
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

/// What task and handles share.
#[derive(Debug)]
struct Shared {
    status: Mutex<Status>,
    /// [`Status::dropped`].
    dropped: AtomicU64,
}

/// Why a message wasn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// It doesn't fit.
    #[error(transparent)]
    TooLong(#[from] PayloadTooLong),
    /// More wait than [`MESSAGES_MAX`].
    #[error("{MESSAGES_MAX} messages wait for the peer link already")]
    Busy,
    /// There is no link any more.
    #[error("the peer link has stopped")]
    Stopped,
}

/// Why settings weren't put into force; those of before hold.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The new socket couldn't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no link any more.
    #[error("the peer link has stopped")]
    Stopped,
}

/// One look at a running link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it listens.
    pub bound: SocketAddr,
    /// The link itself.
    pub link: link::Status,
    /// Messages that [`Handle::send`] refused because too many waited.
    pub dropped: u64,
    /// What the kernel refused.
    pub failures: Failures,
}

/// Datagrams that the kernel didn't send or receive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures {
    /// How many weren't sent.
    pub unsent: u64,
    /// How many calls to receive failed.
    pub unreceived: u64,
    /// The latest of either, in words, and when it was.
    pub latest: Option<(Instant, String)>,
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) channel: Channel,
    pub(super) payload: Box<[u8]>,
}

#[derive(Debug)]
pub(super) enum Command {
    Apply(Settings, oneshot::Sender<Result<(), OpenError>>),
    Stop(oneshot::Sender<()>),
}

/// The task's side of a [`Handle`].
pub(super) struct Ends {
    pub(super) messages: mpsc::Receiver<Message>,
    pub(super) commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
}

pub(super) fn pair(status: Status) -> (Handle, Ends) {
    let (messages, messages_end) = mpsc::channel(MESSAGES_MAX);
    let (commands, commands_end) = mpsc::channel(COMMANDS_MAX);
    let shared = Arc::new(Shared { status: Mutex::new(status), dropped: AtomicU64::new(0) });
    let handle = Handle { messages, commands, shared: Arc::clone(&shared) };
    (handle, Ends { messages: messages_end, commands: commands_end, shared })
}

impl Handle {
    /// Hands a message to the link; from any thread, and it never waits. That it was taken doesn't
    /// mean that it arrives.
    ///
    /// # Errors
    /// [`Unsent`]; the message is gone then.
    pub fn send(&self, channel: Channel, payload: &[u8]) -> Result<(), Unsent> {
        if payload.len() > PAYLOAD_LEN_MAX {
            return Err(PayloadTooLong(payload.len()).into());
        }
        self.messages.try_send(Message { channel, payload: payload.into() }).map_err(|error| {
            match error {
                mpsc::error::TrySendError::Full(_) => {
                    self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                    Unsent::Busy
                }
                mpsc::error::TrySendError::Closed(_) => Unsent::Stopped,
            }
        })
    }

    /// How it stands; never waits for the link.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = self.shared.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Status { dropped: self.shared.dropped.load(Ordering::Relaxed), ..status }
    }

    /// These settings hold from now on. Other keys leave the link up; another place to listen is
    /// opened before the old one is closed.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing has changed then.
    pub async fn apply(&self, settings: Settings) -> Result<(), ApplyError> {
        let (done, applied) = oneshot::channel();
        let sent = self.commands.send(Command::Apply(settings, done)).await;
        sent.map_err(|_| ApplyError::Stopped)?;
        Ok(applied.await.map_err(|_| ApplyError::Stopped)??)
    }

    /// Ends the link and closes its socket.
    pub async fn shutdown(&self) {
        let (done, stopped) = oneshot::channel();
        // It may have stopped already; the socket is closed by the time that the answer's other
        // end is dropped.
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            let _ = stopped.await;
            self.commands.closed().await;
        }
    }
}

impl Status {
    pub(super) fn new(link: &Link, bound: SocketAddr, failures: &Failures) -> Self {
        Self { bound, link: link.status(), dropped: 0, failures: failures.clone() }
    }
}

impl Failures {
    pub(super) fn note(&mut self, now: Instant, to: SocketAddr, error: &io::Error) {
        self.unsent = self.unsent.saturating_add(1);
        self.latest = Some((now, format!("can't send to {to}: {error}")));
    }

    pub(super) fn note_receive(&mut self, now: Instant, error: &io::Error) {
        self.unreceived = self.unreceived.saturating_add(1);
        self.latest = Some((now, format!("can't receive: {error}")));
    }
}

impl Ends {
    pub(super) fn publish(&self, status: Status) {
        *self.shared.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}
