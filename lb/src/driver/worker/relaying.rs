//! Carries out what the relay asks for: reads, writes, splices, shutdowns.

use std::io;
use std::net::Shutdown;
use std::time::Instant;

use mio::Interest;
use mio::net::TcpStream;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::super::pipe::{Pipe, Pipes};
use super::ending::{End, count_bytes};
use super::session::{Held, Session, State, index};
use super::{Worker, token};
use crate::session::{ReadOutcome, Relay, Side, Step, WriteOutcome};

impl Worker {
    /// A turn of a session whose bytes flow.
    pub(super) fn relay(&mut self, key: usize, now: Instant) {
        let session = &mut self.sessions[key];
        let limits = session.limits();
        let State::Relaying(relay) = &mut session.state else { return };
        relay.begin_turn();
        relay.expire(&limits, now);
        if session.lasts_from().is_some_and(|from| from <= now) {
            session.watch_server();
        }
        let last = run(session, &mut self.buffer, &mut self.pipes, now);
        if let Step::End(ending) = last {
            self.end(key, End::Relayed(ending), now);
            return;
        }
        if last == Step::Yield {
            self.make_runnable(key);
        }
        self.watch_client_writes(key);
        count_bytes(&mut self.sessions[key], self.index);
    }

    /// Asks for the client's writability once a write to it fell short, and not before: most
    /// clients never need it.
    fn watch_client_writes(&mut self, key: usize) {
        let session = &mut self.sessions[key];
        let held = !matches!(session.held[index(Side::Server)], Held::Nothing);
        if !held || session.wants_client_writable {
            return;
        }
        session.wants_client_writable = true;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = token(session, key, Side::Client);
        // Modifying an interest that exists fails only for want of kernel memory; then the idle
        // and fin timeouts end the session.
        let _ = self.poll.registry().reregister(&mut session.client, token, interest);
    }
}

/// Steps until the relay waits, yields or ends; returns that last step.
fn run(session: &mut Session, buffer: &mut [u8], pipes: &mut Pipes, now: Instant) -> Step {
    let Session { client, server, state: State::Relaying(relay), held, server_nagle, .. } = session
    else {
        return Step::Wait;
    };
    let Some(server) = server else { return Step::Wait };
    let mut fresh = None;
    loop {
        let step = relay.poll();
        match step {
            Step::Read { from, max } => {
                let outcome = read(stream(client, server, from), &mut buffer[..max]);
                relay.read(from, max, outcome, now);
                fresh = Some(from);
            }
            Step::Splice { from } => {
                let source = stream(client, server, from);
                splice(relay, source, from, &mut held[index(from)], pipes, now);
            }
            Step::Write { to } => {
                let from = to.other();
                let sink = stream(client, server, to);
                if to == Side::Server {
                    server_nagle.before_write(server);
                }
                let amount = relay.held_from(from);
                let place = &mut held[index(from)];
                let outcome = if fresh == Some(from) {
                    write_fresh(sink, &buffer[..amount], place)
                } else {
                    write_held(sink, amount, place, pipes)
                };
                fresh = None;
                relay.wrote(to, outcome, now);
            }
            Step::ShutdownWrite { to } => {
                if !relay.ends_with_fin_to(to) {
                    // Fails only if the peer reset meanwhile, which the next read tells.
                    let _ = stream(client, server, to).shutdown(Shutdown::Write);
                }
                relay.shut_down(to, now);
            }
            Step::Yield | Step::Wait | Step::End(_) => return step,
        }
    }
}

fn stream<'a>(client: &'a TcpStream, server: &'a TcpStream, side: Side) -> &'a TcpStream {
    match side {
        Side::Client => client,
        Side::Server => server,
    }
}

/// By rustix, as the write below: the C library's own functions are points of cancellation, whose
/// locked instructions cost these two calls, which everything else waits for, a fiftieth.
fn read(source: &TcpStream, buffer: &mut [u8]) -> ReadOutcome {
    read_outcome(|| {
        let (_, count) = recv(source, &mut *buffer, RecvFlags::empty())?;
        Ok(count)
    })
}

fn read_outcome(mut read: impl FnMut() -> io::Result<usize>) -> ReadOutcome {
    loop {
        match read() {
            Ok(0) => return ReadOutcome::Eof,
            Ok(count) => return ReadOutcome::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return ReadOutcome::WouldBlock;
            }
            Err(_) => return ReadOutcome::Gone,
        }
    }
}

fn splice(
    relay: &mut Relay,
    source: &TcpStream,
    from: Side,
    held: &mut Held,
    pipes: &mut Pipes,
    now: Instant,
) {
    let Some(pipe) = pipes.take() else {
        relay.no_pipe(from);
        return;
    };
    let outcome = read_outcome(|| pipe.fill(source));
    match outcome {
        ReadOutcome::Bytes(_) => *held = Held::Piped(pipe),
        ReadOutcome::WouldBlock | ReadOutcome::Eof | ReadOutcome::Gone => pipes.give(pipe),
    }
    relay.spliced(from, outcome, now);
}

/// Writes what lies in the worker's buffer; what the socket doesn't take is kept with the session.
fn write_fresh(sink: &TcpStream, bytes: &[u8], held: &mut Held) -> WriteOutcome {
    let outcome = write(sink, bytes);
    let rest = match outcome {
        WriteOutcome::Bytes(count) => &bytes[count..],
        WriteOutcome::WouldBlock => bytes,
        WriteOutcome::Gone | WriteOutcome::Closed => &[],
    };
    if !rest.is_empty() {
        *held = Held::Bytes { bytes: rest.into(), start: 0 };
    }
    outcome
}

fn write_held(sink: &TcpStream, amount: usize, held: &mut Held, pipes: &mut Pipes) -> WriteOutcome {
    match std::mem::take(held) {
        Held::Nothing => WriteOutcome::Bytes(0),
        Held::Bytes { bytes, start } => {
            let outcome = write(sink, &bytes[start..]);
            let start = match outcome {
                WriteOutcome::Bytes(count) => start + count,
                WriteOutcome::WouldBlock => start,
                WriteOutcome::Gone | WriteOutcome::Closed => bytes.len(),
            };
            if start < bytes.len() {
                *held = Held::Bytes { bytes, start };
            }
            outcome
        }
        Held::Piped(pipe) => drain(pipe, sink, amount, held, pipes),
    }
}

fn drain(
    pipe: Pipe,
    sink: &TcpStream,
    amount: usize,
    held: &mut Held,
    pipes: &mut Pipes,
) -> WriteOutcome {
    let outcome = write_outcome(|| pipe.drain(sink, amount));
    match outcome {
        WriteOutcome::Bytes(count) if count == amount => pipes.give(pipe),
        WriteOutcome::Bytes(_) | WriteOutcome::WouldBlock => *held = Held::Piped(pipe),
        WriteOutcome::Gone | WriteOutcome::Closed => drop(pipe), // with what is in it
    }
    outcome
}

fn write(sink: &TcpStream, bytes: &[u8]) -> WriteOutcome {
    write_outcome(|| Ok(send(sink, bytes, SendFlags::NOSIGNAL)?))
}

fn write_outcome(mut write: impl FnMut() -> io::Result<usize>) -> WriteOutcome {
    loop {
        match write() {
            Ok(count) => return WriteOutcome::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return WriteOutcome::WouldBlock;
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return WriteOutcome::Closed,
            Err(_) => return WriteOutcome::Gone,
        }
    }
}
