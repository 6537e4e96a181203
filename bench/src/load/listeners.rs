//! One address, and a listener and a thread for each share of its connections.

use std::{io, net::SocketAddr, thread};

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

/// A listener for each of `threads`, and where they listen.
pub(super) fn listen_each(
    address: SocketAddr,
    threads: usize,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let first = listen(address)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(listen(address)?);
    }
    Ok((listeners, address))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?; // each thread has a listener of its own
    socket.set_tcp_nodelay(true)?; // inherited by what is accepted
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Gives each listener a thread, and waits until all have ended.
pub(super) fn on_threads(
    listeners: Vec<TcpListener>,
    run: impl Fn(TcpListener) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let run = &run;
    thread::scope(|scope| {
        let threads = listeners.into_iter().map(|listener| scope.spawn(move || run(listener)));
        let threads: Vec<_> = threads.collect();
        let panicked = || io::Error::other("a thread panicked");
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(panicked())))
    })
}

/// Connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
