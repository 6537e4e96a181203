//! Servers that say their name and then wait for the client to go, on threads of this program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::PATIENCE;

/// A server. It doesn't listen any more when it is dropped.
pub(crate) struct Greeter {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Greeter {
    pub(crate) fn listen(name: &'static str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                thread::spawn(move || greet(client, name));
            }
        });
        Self { address, over, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A word for each word, after the name. Checks leave before, and nobody minds.
fn greet(mut client: TcpStream, name: &str) {
    if client.write_all(name.as_bytes()).is_ok() {
        let mut word = [0; 64];
        while let Ok(length @ 1..) = client.read(&mut word) {
            if client.write_all(&word[..length]).is_err() {
                return;
            }
        }
    }
}

impl Drop for Greeter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread, which closes the listener as it ends.
        let woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take()
            && woken.is_ok()
        {
            // A panic in there has been printed.
            let _ = thread.join();
        }
    }
}

/// A connection and the first `length` bytes of the name that the server says.
pub(crate) fn visit(address: SocketAddr, length: usize) -> (TcpStream, String) {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut name = vec![0; length];
    client.read_exact(&mut name).unwrap();
    (client, String::from_utf8(name).unwrap())
}
