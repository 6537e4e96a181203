//! The driver of the backend: `halb bench --serve`.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream as StdStream},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    event::Event,
    net::{TcpListener, TcpStream},
};
use slab::Slab;

use super::{
    CHUNK, EVENTS_MAX, MOVES,
    alarm::Alarm,
    answer::{Answer, Reading},
    generator::receive,
    listeners::{listen_each, on_threads},
    order::Order,
};

/// A backend that listens.
#[derive(Debug)]
pub struct Backend {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

impl Backend {
    /// Listens on `address` for each of `threads`; port 0 lets the kernel choose.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn bind(address: SocketAddr, threads: usize) -> io::Result<Self> {
        let (listeners, address) = listen_each(address, threads)?;
        Ok(Self { listeners, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `until`, or without end.
    ///
    /// # Errors
    /// What a readiness loop needs and the kernel refuses.
    pub fn serve(self, until: Option<Instant>) -> io::Result<()> {
        on_threads(self.listeners, |listener| Thread::new(listener, until)?.run())
    }
}

/// Whether a backend of ours answers at `target`, directly or through whatever stands before it.
///
/// # Errors
/// Nobody accepts, or not within `limit`. Someone who answers otherwise is `Ok(false)`.
pub fn answers(target: SocketAddr, limit: Duration) -> io::Result<bool> {
    const PROBE: usize = 8;
    let mut stream = StdStream::connect_timeout(&target, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let order = Order::Exchange { up: 0, down: PROBE as u64 };
    let mut answer = [0; PROBE];
    let exchanged = stream.write_all(&order.encode()).and_then(|()| stream.read_exact(&mut answer));
    Ok(exchanged.is_ok() && answer == [FILLING; PROBE])
}

struct Thread {
    listener: TcpListener,
    until: Option<Instant>,
    poll: Poll,
    alarm: Alarm,
    connections: Slab<Connection>,
    /// Connections with something to do. One entry each at most.
    runnable: VecDeque<usize>,
    buffer: Vec<u8>,
    filling: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    answer: Answer,
    readable: bool,
    writable: bool,
    queued: bool,
    alarm: Option<Instant>,
}

/// How a turn of a connection ends.
enum Turn {
    Again,
    Over,
    Close,
}

impl Thread {
    fn new(mut listener: TcpListener, until: Option<Instant>) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            listener,
            until,
            alarm: Alarm::new(poll.registry(), ALARM)?,
            poll,
            connections: Slab::new(),
            runnable: VecDeque::new(),
            buffer: vec![0; CHUNK],
            filling: vec![FILLING; CHUNK],
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let now = Instant::now();
            if self.until.is_some_and(|until| until <= now) {
                return Ok(());
            }
            self.alarm.arm(now)?;
            let rest = if self.runnable.is_empty() { LOOK } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(rest)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                match event.token() {
                    ALARM => {}
                    LISTENER => self.accept(),
                    Token(key) => self.note(key, event),
                }
            }
            let now = Instant::now();
            while let Some(key) = self.alarm.ring(now) {
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.alarm = None;
                    self.make_runnable(key);
                }
            }
            for _ in 0..self.runnable.len() {
                let Some(key) = self.runnable.pop_front() else { break };
                self.turn(key, now);
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nobody is left, or the kernel has no descriptor; then the next arrival asks again.
                Err(_) => return,
            }
        }
    }

    fn admit(&mut self, mut stream: TcpStream) {
        if self.connections.len() >= CONNECTIONS_MAX {
            return;
        }
        let entry = self.connections.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, Token(entry.key()), interest).is_ok() {
            entry.insert(Connection {
                stream,
                answer: Answer::new(),
                readable: false,
                writable: true,
                queued: false,
                alarm: None,
            });
        }
    }

    fn note(&mut self, key: usize, event: &Event) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        connection.writable |= event.is_writable() || event.is_write_closed();
        self.make_runnable(key);
    }

    fn make_runnable(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if !connection.queued {
            connection.queued = true;
            self.runnable.push_back(key);
        }
    }

    fn turn(&mut self, key: usize, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.queued = false;
        for _ in 0..MOVES {
            match connection.step(&mut self.buffer, &self.filling, now) {
                Turn::Again => {}
                Turn::Close => {
                    self.connections.remove(key);
                    return;
                }
                Turn::Over => {
                    let wake = connection.answer.wants(now).wake;
                    if wake.is_some() && wake != connection.alarm {
                        connection.alarm = wake;
                        wake.into_iter().for_each(|at| self.alarm.set(at, key));
                    }
                    return;
                }
            }
        }
        self.make_runnable(key);
    }
}

impl Connection {
    /// Reads and writes once each, as far as there is something to read and to write.
    fn step(&mut self, buffer: &mut [u8], filling: &[u8], now: Instant) -> Turn {
        let wants = self.answer.wants(now);
        let mut turn = Turn::Over;
        let read = match wants.read {
            Reading::Later => None,
            Reading::Look if self.readable => Some(self.stream.read(buffer).and_then(|count| {
                let read = self.answer.received(&buffer[..count], now);
                read.map(|()| count).map_err(io::Error::other)
            })),
            Reading::Discard(most) if self.readable => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let discarded = receive(Some(&self.stream), buffer, most);
                discarded.as_ref().iter().for_each(|count| self.answer.discarded(**count as u64));
                Some(discarded)
            }
            Reading::Look | Reading::Discard(_) => None,
        };
        match read {
            None => {}
            Some(Ok(0)) => return Turn::Close,
            Some(Ok(_)) => turn = Turn::Again,
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => turn = Turn::Again,
            Some(Err(_)) => return Turn::Close,
        }
        // What was just read may have been an order.
        let send = self.answer.wants(now).send;
        if send > 0 && self.writable {
            let most = usize::try_from(send).unwrap_or(usize::MAX).min(filling.len());
            match self.stream.write(&filling[..most]) {
                Ok(count) => {
                    self.answer.sent(count as u64);
                    self.writable = count == most;
                    turn = Turn::Again;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => turn = Turn::Again,
                Err(_) => return Turn::Close,
            }
        }
        turn
    }
}

/// What answers consist of.
const FILLING: u8 = b'h';

const ALARM: Token = Token(usize::MAX - 1);
const LISTENER: Token = Token(usize::MAX);

/// Most connections of one thread, more than a process usually has descriptors for; beyond it they
/// are closed at once.
const CONNECTIONS_MAX: usize = 65_536;

/// How often it looks whether its time is up.
const LOOK: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
