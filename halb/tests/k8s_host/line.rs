//! The only way to a host whose network holds nothing but itself: a port here that leads to one
//! there, and that can be cut.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::host::Host;

/// A line to one port of a host.
pub(crate) struct Line {
    port: u16,
    carried: Arc<Mutex<Vec<TcpStream>>>,
    /// How many connections there have been.
    made: Arc<AtomicUsize>,
}

impl Line {
    pub(crate) fn to(host: &Host, there: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ask, asked) = mpsc::channel::<mpsc::Sender<io::Result<TcpStream>>>();
        let network = host.in_network(|| File::open("/proc/thread-self/ns/net")).unwrap();
        thread::spawn(move || {
            setns(network, CloneFlags::CLONE_NEWNET).unwrap();
            while let Ok(answer) = asked.recv() {
                let _ = answer.send(TcpStream::connect((Ipv4Addr::LOCALHOST, there)));
            }
        });
        let carried = Arc::new(Mutex::new(Vec::new()));
        let made = Arc::new(AtomicUsize::new(0));
        let (cuttable, counted) = (Arc::clone(&carried), Arc::clone(&made));
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let (answer, answered) = mpsc::channel();
                if ask.send(answer).is_err() {
                    return;
                }
                let Ok(Ok(far)) = answered.recv() else { continue };
                counted.fetch_add(1, Ordering::SeqCst);
                cuttable.lock().unwrap().push(near.try_clone().unwrap());
                carry(near.try_clone().unwrap(), far.try_clone().unwrap());
                carry(far, near);
            }
        });
        Self { port, carried, made }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// Waits until something holds, and cuts all connections.
    pub(crate) fn cut_when(&self, holds: impl Fn() -> bool) {
        while !holds() {
            thread::sleep(Duration::from_millis(20));
        }
        for connection in self.carried.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
