//! The answering side.

use std::{
    io::{self, PipeWriter},
    net::{Ipv6Addr, UdpSocket},
    os::fd::AsFd,
    thread::{self, JoinHandle},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{NAME, QUESTION, prober::widen};
use crate::net::Host;

/// Answers on a host, at every address that it has, until it is dropped.
#[derive(Debug)]
pub struct Responder {
    /// Closed to end the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Begins to answer at `port` of the host's addresses, those of both families and those that
    /// come later too.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(host: &Host, port: u16) -> io::Result<Self> {
        let socket = host.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)))?;
        socket.set_nonblocking(true)?;
        widen(&socket);
        let name: Vec<u8> = host.name().bytes().take(NAME).collect();
        let (stopped, stop) = io::pipe()?;
        let answer = move || loop {
            let mut ready = [
                PollFd::new(socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
            if ready[1].any() == Some(true) {
                return;
            }
            let mut question = [0; QUESTION];
            while let Ok((_, client)) = socket.recv_from(&mut question) {
                // An answer that can't be sent is one that the client misses.
                let _ = socket.send_to(&[&question, name.as_slice()].concat(), client);
            }
        };
        let thread = thread::Builder::new().name("responder".to_owned()).spawn(answer)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("a responder panicked");
        }
    }
}
