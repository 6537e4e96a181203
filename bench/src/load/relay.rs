//! The driver of a relay: `halb bench --serve ADDR --relay BACKEND`.
//!
//! Between client and server it does what every program there must do, and nothing else: what one
//! side sends, the other one gets. No choice among servers, no check, no limit of time, no figures.
//! Beside it a balancer shows what it costs to be more than that.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use mio::{
    Events, Interest, Poll, Token,
    event::Event,
    net::{TcpListener, TcpStream},
};
use slab::Slab;

use super::{
    EVENTS_MAX, MOVES,
    listeners::{listen_each, on_threads},
};

/// A relay that listens.
#[derive(Debug)]
pub struct Relay {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    server: SocketAddr,
}

impl Relay {
    /// Listens on `address` for each of `threads`, and passes on to `server`; port 0 lets the kernel
    /// choose.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn bind(address: SocketAddr, server: SocketAddr, threads: usize) -> io::Result<Self> {
        let (listeners, address) = listen_each(address, threads)?;
        Ok(Self { listeners, address, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes on, without end.
    ///
    /// # Errors
    /// What a readiness loop needs and the kernel refuses.
    pub fn run(self) -> io::Result<()> {
        let server = self.server;
        on_threads(self.listeners, |listener| Thread::new(listener, server)?.run())
    }
}

struct Thread {
    listener: TcpListener,
    server: SocketAddr,
    poll: Poll,
    pairs: Slab<Pair>,
    /// Pairs with more to do than one turn allows.
    runnable: VecDeque<usize>,
    buffer: Vec<u8>,
}

/// A client's socket and its server's.
struct Pair([End; 2]);

struct End {
    stream: TcpStream,
    readable: bool,
    /// It said that a FIN comes behind what is to be read.
    closing: bool,
    /// Its FIN was passed on.
    ended: bool,
    /// What it hasn't taken yet.
    rest: Vec<u8>,
}

/// How a turn of a pair ends.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Wait,
    Again,
    Over,
}

impl Thread {
    fn new(mut listener: TcpListener, server: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let buffer = vec![0; READ];
        Ok(Self { listener, server, poll, pairs: Slab::new(), runnable: VecDeque::new(), buffer })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let patience = (!self.runnable.is_empty()).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    token => self.note(token, event),
                }
            }
            for _ in 0..self.runnable.len() {
                let Some(key) = self.runnable.pop_front() else { break };
                self.turn(key);
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                // Whoever can't be served is closed.
                Ok((client, _)) => drop(self.admit(client)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn admit(&mut self, mut client: TcpStream) -> io::Result<()> {
        let mut server = TcpStream::connect(self.server)?;
        server.set_nodelay(true)?;
        let entry = self.pairs.vacant_entry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        for (side, stream) in [&mut client, &mut server].into_iter().enumerate() {
            self.poll.registry().register(stream, Token(entry.key() * 2 + side), interest)?;
        }
        entry.insert(Pair([End::new(client), End::new(server)]));
        Ok(())
    }

    /// Notes an event, and does what follows. One of a pair that has ended may come to the next one
    /// in its place, which then looks in vain.
    fn note(&mut self, Token(token): Token, event: &Event) {
        let (key, side) = (token / 2, token % 2);
        let Some(Pair(ends)) = self.pairs.get_mut(key) else { return };
        let end = &mut ends[side];
        end.closing |= event.is_read_closed() || event.is_error();
        end.readable |= event.is_readable() || end.closing;
        self.turn(key);
    }

    fn turn(&mut self, key: usize) {
        let Some(pair) = self.pairs.get_mut(key) else { return };
        match pair.turn(&mut self.buffer) {
            Turn::Wait => {}
            Turn::Again => self.runnable.push_back(key),
            Turn::Over => drop(self.pairs.remove(key)),
        }
    }
}

impl Pair {
    fn turn(&mut self, buffer: &mut [u8]) -> Turn {
        let [client, server] = &mut self.0;
        let turns = client.pass_on(server, buffer).and_then(|first| {
            let second = server.pass_on(client, buffer)?;
            Ok([first, second])
        });
        let is_over = turns.is_err() || self.0.iter().all(|end| end.ended);
        match turns {
            _ if is_over => Turn::Over,
            Ok(turns) if turns.contains(&Turn::Again) => Turn::Again,
            Ok(_) | Err(_) => Turn::Wait,
        }
    }
}

impl End {
    fn new(stream: TcpStream) -> Self {
        Self { stream, readable: false, closing: false, ended: false, rest: Vec::new() }
    }

    /// Writes what it says to `to`. An error is the end of both.
    fn pass_on(&mut self, to: &mut Self, buffer: &mut [u8]) -> io::Result<Turn> {
        let kept = std::mem::take(&mut to.rest);
        to.take(&kept)?;
        for _ in 0..MOVES {
            if !self.readable || self.ended || !to.rest.is_empty() {
                return Ok(Turn::Wait);
            }
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.ended = true;
                    // The last FIN is the close.
                    if !to.ended {
                        to.stream.shutdown(Shutdown::Write)?;
                    }
                }
                Ok(count) => {
                    // A short read says that there is no more, as long as no FIN follows.
                    self.readable = count == buffer.len() || self.closing;
                    to.take(&buffer[..count])?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Turn::Again)
    }

    /// Writes to it, and keeps what it doesn't take.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It is full, or isn't connected yet.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.rest = bytes.to_vec();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

const LISTENER: Token = Token(usize::MAX);

/// Bytes of one read.
const READ: usize = 64 * 1024;

#[cfg(test)]
mod tests;
