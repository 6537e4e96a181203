//! Servers that say their name and then wait for the client to go, on threads of this program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{self, Runtime};

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

/// The same server for thousands of clients at a time: tasks instead of threads.
pub(crate) struct Crowd {
    address: SocketAddr,
    /// Ends the tasks when it is dropped.
    _runtime: Runtime,
}

impl Crowd {
    pub(crate) fn listen(name: &'static str, address: SocketAddr) -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            loop {
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(greet_async(client, name));
                }
            }
        });
        Self { address, _runtime: runtime }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn greet_async(mut client: tokio::net::TcpStream, name: &str) {
    if client.write_all(name.as_bytes()).await.is_ok() {
        // Nothing is expected but the client's leave.
        let _ = client.read(&mut [0]).await;
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
