//! The driver of clients: threads with a readiness loop each.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    net::SocketAddr,
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{MsgFlags, recv},
};

use super::{
    CHUNK, CONNECTIONS_MAX, EVENTS_MAX, MOVES, Window,
    alarm::Alarm,
    client::{self, Client, Want, Work},
    order::LEN,
    tally::Tally,
};

/// What to do to an address, and when.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to connect.
    pub target: SocketAddr,
    /// Who connects.
    pub parts: Vec<Part>,
    /// When the first one begins.
    pub begins: Instant,
    /// What counts; the load ends with it.
    pub window: Window,
    /// Threads that generate it.
    pub threads: usize,
}

/// Connections with the same work.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// What each does.
    pub work: Work,
    /// How many.
    pub connections: usize,
    /// Time over which they begin, one after the other; zero: all at once.
    pub spread: Duration,
}

/// Why a load couldn't be generated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It asks for too much.
    #[error("a load of {0} connections, {CONNECTIONS_MAX} at most")]
    Connections(usize),
    /// The kernel refused what a readiness loop needs.
    #[error("the load generator can't run")]
    Kernel(#[from] io::Error),
    /// A thread of it panicked.
    #[error("a thread of the load generator panicked")]
    Panicked,
}

/// Lets this process have as many sockets as the system allows it.
///
/// # Errors
/// The kernel's reason.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// Generates a load and returns a tally for each part. Returns when its window has passed.
///
/// # Errors
/// [`Error`]. What fails at the target isn't an error: it is counted.
pub fn run(load: &Load) -> Result<Vec<Tally>, Error> {
    let connections = load.parts.iter().map(|part| part.connections).sum();
    if connections > CONNECTIONS_MAX {
        return Err(Error::Connections(connections));
    }
    let threads = load.threads.max(1);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|index| scope.spawn(move || Thread::new(load, index, threads)?.run()))
            .collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| Error::Panicked)).collect()
    });
    let mut total: Vec<_> = load.parts.iter().map(|part| tally_of(part, load.window)).collect();
    for outcome in outcomes {
        for (sum, tally) in total.iter_mut().zip(outcome??) {
            sum.add(&tally);
        }
    }
    Ok(total)
}

/// Where work is due at a fixed rate, when it waited is kept too.
fn tally_of(part: &Part, window: Window) -> Tally {
    let tally = Tally::new(window);
    if part.work.is_paced() { tally.keeping_waits() } else { tally }
}

/// One thread: a share of the connections of each part.
struct Thread {
    target: SocketAddr,
    window: Window,
    poll: Poll,
    alarm: Alarm,
    slots: Vec<Slot>,
    tallies: Vec<Tally>,
    /// What goes out first for each part: its order and as much of what follows as fits.
    requests: Vec<Vec<u8>>,
    zeros: Vec<u8>,
    /// Never read: the kernel is asked to throw bytes away.
    waste: Vec<u8>,
    /// Slots with something to do. One entry each at most, see [`Slot::queued`].
    runnable: VecDeque<usize>,
}

struct Slot {
    client: Client,
    part: usize,
    stream: Option<TcpStream>,
    readable: bool,
    writable: bool,
    queued: bool,
    /// The moment that its alarm is set to.
    alarm: Option<Instant>,
}

/// How a turn of a connection goes on.
enum Turn {
    Again,
    Over,
}

impl Thread {
    fn new(load: &Load, index: usize, threads: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut slots = Vec::new();
        for (number, part) in load.parts.iter().enumerate() {
            let gap = part.spread / u32::try_from(part.connections.max(1)).unwrap_or(u32::MAX);
            for connection in (index..part.connections).step_by(threads) {
                let begins = load.begins + gap * u32::try_from(connection).unwrap_or(u32::MAX);
                slots.push(Slot {
                    client: Client::new(part.work, begins),
                    part: number,
                    stream: None,
                    readable: false,
                    writable: false,
                    queued: true,
                    alarm: None,
                });
            }
        }
        Ok(Self {
            target: load.target,
            window: load.window,
            alarm: Alarm::new(poll.registry(), ALARM)?,
            poll,
            runnable: (0..slots.len()).collect(),
            slots,
            tallies: load.parts.iter().map(|part| tally_of(part, load.window)).collect(),
            requests: load.parts.iter().map(|part| first_bytes(part.work)).collect(),
            zeros: vec![0; CHUNK],
            waste: vec![0; CHUNK],
        })
    }

    fn run(mut self) -> Result<Vec<Tally>, Error> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut swept = Instant::now();
        loop {
            let now = Instant::now();
            if now >= self.window.to {
                return Ok(self.finish());
            }
            if now.saturating_duration_since(swept) > SWEEP {
                self.end_overdue(now);
                swept = now;
            }
            self.alarm.arm(now)?;
            let rest = if self.runnable.is_empty() { SWEEP } else { Duration::ZERO };
            let rest = rest.min(self.window.to.saturating_duration_since(now));
            match self.poll.poll(&mut events, Some(rest)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error.into());
                }
                Ok(()) | Err(_) => {}
            }
            for event in events.iter().filter(|event| event.token() != ALARM) {
                self.note(event);
            }
            let now = Instant::now();
            while let Some(key) = self.alarm.ring(now) {
                self.slots[key].alarm = None;
                self.make_runnable(key);
            }
            for _ in 0..self.runnable.len() {
                let Some(key) = self.runnable.pop_front() else { break };
                self.slots[key].queued = false;
                self.turn(key);
            }
        }
    }

    fn note(&mut self, event: &Event) {
        let Token(key) = event.token();
        let slot = &mut self.slots[key];
        slot.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        slot.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        self.make_runnable(key);
    }

    fn make_runnable(&mut self, key: usize) {
        let slot = &mut self.slots[key];
        if !slot.queued {
            slot.queued = true;
            self.runnable.push_back(key);
        }
    }

    fn turn(&mut self, key: usize) {
        for _ in 0..MOVES {
            let now = Instant::now();
            let slot = &mut self.slots[key];
            let turn = match slot.client.want(now) {
                Want::Connect => self.connect(key, now),
                Want::Move { sent, send, receive } => self.exchange(key, sent, send, receive),
                Want::Rest(until) => self.rest(key, until, now),
                Want::Close => {
                    slot.stream = None;
                    slot.client.closed(now);
                    Turn::Again
                }
            };
            if matches!(turn, Turn::Over) {
                return;
            }
        }
        self.make_runnable(key);
    }

    fn connect(&mut self, key: usize, now: Instant) -> Turn {
        let slot = &mut self.slots[key];
        (slot.readable, slot.writable) = (false, false);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let opened = TcpStream::connect(self.target).and_then(|mut stream| {
            stream.set_nodelay(true)?;
            self.poll.registry().register(&mut stream, Token(key), interest)?;
            Ok(stream)
        });
        if let Ok(stream) = opened {
            slot.stream = Some(stream);
            return Turn::Over; // its writability tells more
        }
        slot.client.lost(now, &mut self.tallies[slot.part]);
        Turn::Again
    }

    /// A client that rests: for an alarm, or for its connection to stand.
    fn rest(&mut self, key: usize, until: Option<Instant>, now: Instant) -> Turn {
        let slot = &mut self.slots[key];
        if slot.client.is_connecting() && slot.writable {
            let stands = slot.stream.as_ref().is_some_and(|stream| {
                matches!(stream.take_error(), Ok(None)) && stream.peer_addr().is_ok()
            });
            return if stands {
                slot.client.connected(now);
                Turn::Again
            } else {
                self.lose(key, now)
            };
        }
        if slot.readable && slot.stream.is_some() && !slot.client.is_connecting() {
            // Nothing is expected, so that what comes is an end or a mistake.
            return match receive(slot.stream.as_ref(), &mut self.waste, CHUNK) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    slot.readable = false;
                    Turn::Again
                }
                Ok(_) | Err(_) => self.lose(key, now),
            };
        }
        if let Some(until) = until
            && slot.alarm != Some(until)
        {
            slot.alarm = Some(until);
            self.alarm.set(until, key);
        }
        Turn::Over
    }

    /// Sends and receives as far as the socket goes.
    fn exchange(&mut self, key: usize, sent: u64, send: u64, receive_max: u64) -> Turn {
        let slot = &mut self.slots[key];
        let tally = &mut self.tallies[slot.part];
        let mut turn = Turn::Over;
        if send > 0 && slot.writable {
            let piece = piece(&self.requests[slot.part], &self.zeros, sent, send);
            match slot.stream.as_ref().map_or_else(gone, |mut stream| stream.write(piece)) {
                Ok(count) => {
                    slot.writable = count == piece.len();
                    slot.client.sent(count as u64, Instant::now(), tally);
                    turn = Turn::Again;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.writable = false,
                Err(_) => return self.lose(key, Instant::now()),
            }
        }
        if receive_max > 0 && slot.readable {
            let most = usize::try_from(receive_max).unwrap_or(usize::MAX).min(CHUNK);
            match receive(slot.stream.as_ref(), &mut self.waste, most) {
                Ok(0) => return self.lose(key, Instant::now()),
                Ok(count) => {
                    slot.client.received(count as u64, Instant::now(), tally);
                    turn = Turn::Again;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.readable = false,
                Err(_) => return self.lose(key, Instant::now()),
            }
        }
        turn
    }

    fn lose(&mut self, key: usize, now: Instant) -> Turn {
        let slot = &mut self.slots[key];
        slot.stream = None;
        slot.client.lost(now, &mut self.tallies[slot.part]);
        Turn::Again
    }

    fn end_overdue(&mut self, now: Instant) {
        for key in 0..self.slots.len() {
            if self.slots[key].client.is_overdue(now) {
                self.lose(key, now);
                self.make_runnable(key);
            }
        }
    }

    fn finish(mut self) -> Vec<Tally> {
        for slot in &mut self.slots {
            slot.client.finish(&mut self.tallies[slot.part]);
        }
        self.tallies
    }
}

/// The order of some work, and as much of what follows it as goes out with one call.
fn first_bytes(work: Work) -> Vec<u8> {
    let mut bytes = client::order(work).encode().to_vec();
    let payload = match work {
        Work::Exchanges { up, .. } => usize::try_from(up).unwrap_or(usize::MAX),
        Work::Idle => 1,
        Work::Stream { .. } | Work::Watch { .. } => 0,
    };
    bytes.resize(LEN + payload.min(CHUNK), 0);
    bytes
}

/// The bytes that come after the first `sent`, at most `send` of them.
fn piece<'a>(first: &'a [u8], zeros: &'a [u8], sent: u64, send: u64) -> &'a [u8] {
    let from = usize::try_from(sent).unwrap_or(usize::MAX);
    let most = usize::try_from(send).unwrap_or(usize::MAX);
    let rest = first.get(from..).filter(|rest| !rest.is_empty()).unwrap_or(zeros);
    &rest[..rest.len().min(most)]
}

/// Receives up to `most` bytes into nothing: `MSG_TRUNC` on a TCP socket has the kernel discard them
/// (tcp(7)), so that the generator spends no time on copies.
pub(super) fn receive(
    stream: Option<&TcpStream>,
    waste: &mut [u8],
    most: usize,
) -> io::Result<usize> {
    let Some(stream) = stream else { return gone() };
    let most = most.min(waste.len());
    Ok(recv(stream.as_raw_fd(), &mut waste[..most], MsgFlags::MSG_TRUNC)?)
}

fn gone() -> io::Result<usize> {
    Err(io::ErrorKind::NotConnected.into())
}

const ALARM: Token = Token(usize::MAX);

/// How often connections are looked at that may be overdue.
const SWEEP: Duration = Duration::from_millis(500);
