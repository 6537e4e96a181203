//! Runs a [`Link`] on tokio: a task that owns the socket, keeps time and tells events.

use std::io::ErrorKind;
use std::iter;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::rand::{self, SystemRandom};
use tokio::net::UdpSocket;
use tokio::task;

use crate::config::Config;
use crate::frame::{FRAME_LEN_MAX, Session};
use crate::link::{Event, Link};

mod handle;
mod socket;

pub use handle::{ApplyError, Failures, Handle, MESSAGES_MAX, Status, Unsent};
pub use socket::OpenError;

use handle::{Command, Ends, Message};

/// What the driver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where this node listens, and where its datagrams come from; of the peer's family. It need
    /// not be on an interface yet. Port 0 lets the kernel choose.
    pub bind: SocketAddr,
    /// What the link is told.
    pub link: Config,
}

/// Is told each event, on the link's task: it must not block.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// Why a link didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no socket.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kernel gave no random number.
    #[error("the kernel gives no random number for the session of the peer link")]
    NoRandomness,
}

/// Datagrams that are read before others have their turn on this thread: some flood is over by
/// then, and none keeps the thread for more than a fraction of a millisecond.
const READS_PER_TURN: usize = 16;

/// Messages that are taken from the queue before frames are sent; fits
/// [`TRANSMITS_MAX`](crate::link::TRANSMITS_MAX) beside answers and hellos.
const MESSAGES_PER_TURN: usize = 16;

/// Everything the task owns.
struct Driver {
    link: Link,
    socket: UdpSocket,
    settings: Settings,
    failures: Failures,
    ends: Ends,
    listener: Listener,
}

/// Rest after a failure to receive, so that one that lasts costs no processor.
const REST: Duration = Duration::from_millis(10);

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There may be more to read.
    MayHoldMore,
    /// The socket doesn't work.
    Failed,
    Done,
    /// The last handle went, or the link was told to stop.
    Over,
}

/// Starts a link, on the tokio runtime that this is called in.
///
/// # Errors
/// [`StartError`]; nothing is left then.
///
/// # Panics
/// Outside a tokio runtime with I/O and time.
pub fn start(settings: Settings, listener: Listener) -> Result<Handle, StartError> {
    let bits = rand::generate::<[u8; 8]>(&SystemRandom::new());
    let bits = bits.map_err(|_| StartError::NoRandomness)?.expose();
    let session = Session::from_random(u64::from_be_bytes(bits));
    let socket = socket::open(settings.bind)?;
    let link = Link::new(settings.link.clone(), session, now());
    let failures = Failures::default();
    let bound = socket::local(&socket, settings.bind);
    let (handle, ends) = handle::pair(Status::new(&link, bound, &failures));
    task::spawn(Driver { link, socket, settings, failures, ends, listener }.run());
    Ok(handle)
}

impl Driver {
    async fn run(mut self) {
        loop {
            self.act();
            let (deadline, _) = self.link.poll_timeout();
            let turn = tokio::select! {
                ready = self.socket.readable() => match ready {
                    Ok(()) => self.read(),
                    // The runtime is shutting down.
                    Err(_) => Turn::Over,
                },
                Some(message) = self.ends.messages.recv() => self.send(message),
                command = self.ends.commands.recv() => self.obey(command),
                () = tokio::time::sleep_until(deadline.into()) => {
                    self.link.handle_timeout(now());
                    Turn::Done
                }
            };
            match turn {
                Turn::MayHoldMore => task::yield_now().await,
                Turn::Failed => tokio::time::sleep(REST).await,
                Turn::Done => {}
                Turn::Over => return,
            }
        }
    }

    /// Carries out what the link wants, and lets everybody see how it stands.
    fn act(&mut self) {
        while let Some(transmit) = self.link.poll_transmit() {
            if let Err(error) = socket::send(&self.socket, &transmit) {
                self.failures.note(now(), transmit.to, &error);
            }
        }
        while let Some(event) = self.link.poll_event() {
            (self.listener)(event);
        }
        let bound = socket::local(&self.socket, self.settings.bind);
        self.ends.publish(Status::new(&self.link, bound, &self.failures));
    }

    fn send(&mut self, first: Message) -> Turn {
        let more = (1..MESSAGES_PER_TURN).map_while(|_| self.ends.messages.try_recv().ok());
        for Message { channel, payload } in iter::once(first).chain(more) {
            // What becomes of it is counted by the link.
            let _ = self.link.send(now(), channel, &payload);
        }
        Turn::Done
    }

    fn obey(&mut self, command: Option<Command>) -> Turn {
        match command {
            Some(Command::Apply(settings, done)) => {
                let applied = self.apply(settings);
                // Before the answer, so that who asked and then looks sees what he asked for.
                self.act();
                // Who asked may have gone.
                let _ = done.send(applied);
                Turn::Done
            }
            Some(Command::Stop(done)) => {
                // What was handed over before still goes out.
                while let Ok(message) = self.ends.messages.try_recv() {
                    self.send(message);
                    self.act();
                }
                let _ = done.send(());
                Turn::Over
            }
            None => Turn::Over,
        }
    }

    fn apply(&mut self, settings: Settings) -> Result<(), OpenError> {
        if settings.bind != self.settings.bind {
            self.socket = socket::reopen(&self.socket, settings.bind)?;
        }
        self.link.apply(now(), settings.link.clone());
        self.settings = settings;
        Ok(())
    }

    fn read(&mut self) -> Turn {
        // One more byte than a frame has tells what is longer.
        let mut datagram = [0; FRAME_LEN_MAX + 1];
        for _ in 0..READS_PER_TURN {
            match self.socket.try_recv_from(&mut datagram) {
                Ok((len, from)) => {
                    let read = datagram.get(..len).unwrap_or(&datagram);
                    self.link.handle_datagram(now(), from, read);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Turn::Done,
                Err(error) => {
                    self.failures.note_receive(now(), &error);
                    return Turn::Failed;
                }
            }
        }
        Turn::MayHoldMore
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
