//! A name server on loopback, written by hand, so that it shares no fault with whoever asks it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What a name server does with each question, whatever its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    /// It answers with those of these that are of the kind asked for; they may be believed for
    /// one second.
    Addresses(Vec<IpAddr>),
    /// With these, over TCP alone.
    OverTcp(Vec<IpAddr>),
    /// With this code and nothing else: 2 is SERVFAIL, 3 NXDOMAIN, 5 REFUSED.
    Code(u8),
    /// With junk, then with an answer that has another id, then with the right one.
    AfterAForgery(IpAddr),
    /// Not at all.
    Silence,
}

/// A name server; it ends when this is dropped.
#[derive(Debug)]
pub struct Nameserver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    zone: Mutex<Zone>,
    questions: AtomicU64,
    ended: AtomicBool,
}

/// From one look at whether it has ended to the next.
const PACE: Duration = Duration::from_millis(50);

/// Longest question, in bytes (RFC 1035 section 4.2.1).
const QUESTION_LEN_MAX: usize = 512;

impl Nameserver {
    /// Serves on this address, over UDP and TCP; port 0 lets the kernel choose.
    ///
    /// # Errors
    /// The address can't be bound, or there is no thread.
    pub fn start(address: SocketAddr, zone: Zone) -> io::Result<Self> {
        // A port that is free for one may be taken for the other.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind(address)?;
            match TcpListener::bind(udp.local_addr()?) {
                Ok(tcp) => break (udp, tcp),
                Err(error) if address.port() != 0 => return Err(error),
                Err(_) => {}
            }
        };
        udp.set_read_timeout(Some(PACE))?;
        tcp.set_nonblocking(true)?;
        let address = udp.local_addr()?;
        let shared = Arc::new(Shared {
            zone: Mutex::new(zone),
            questions: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let of_udp = Arc::clone(&shared);
        thread::Builder::new()
            .name("names-udp".to_owned())
            .spawn(move || of_udp.serve_udp(&udp))?;
        let of_tcp = Arc::clone(&shared);
        thread::Builder::new()
            .name("names-tcp".to_owned())
            .spawn(move || of_tcp.serve_tcp(&tcp))?;
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers so.
    pub fn becomes(&self, zone: Zone) {
        *self.shared.zone.lock().unwrap_or_else(PoisonError::into_inner) = zone;
    }

    /// Questions that it was asked so far.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.shared.questions.load(Ordering::Relaxed)
    }
}

impl Drop for Nameserver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn zone(&self) -> Zone {
        self.questions.fetch_add(1, Ordering::Relaxed);
        self.zone.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; QUESTION_LEN_MAX];
        while !self.ended.load(Ordering::Relaxed) {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
            let question = &buffer[..len];
            let answers = match self.zone() {
                Zone::Addresses(addresses) => vec![answer(question, 0, &addresses)],
                Zone::OverTcp(_) => vec![truncated(question)],
                Zone::Code(code) => vec![answer(question, code, &[])],
                Zone::AfterAForgery(address) => {
                    let mut forged = answer(question, 0, &[IpAddr::from([192, 0, 2, 66])]);
                    forged[0] ^= 0xff;
                    vec![b"junk".to_vec(), forged, answer(question, 0, &[address])]
                }
                Zone::Silence => Vec::new(),
            };
            for answer in answers {
                // Who asked may have gone.
                let _ = socket.send_to(&answer, from);
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        while !self.ended.load(Ordering::Relaxed) {
            match listener.accept() {
                // Whoever breaks off learns nothing.
                Ok((stream, _)) => drop(self.serve_one(stream)),
                Err(_) => thread::sleep(PACE),
            }
        }
    }

    fn serve_one(&self, mut stream: std::net::TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(len)).min(QUESTION_LEN_MAX)];
        stream.read_exact(&mut question)?;
        if let Zone::OverTcp(addresses) = self.zone() {
            let answer = answer(&question, 0, &addresses);
            let len = u16::try_from(answer.len()).map_err(io::Error::other)?;
            stream.write_all(&[&len.to_be_bytes()[..], &answer].concat())?;
        }
        Ok(())
    }
}

fn truncated(question: &[u8]) -> Vec<u8> {
    let mut bytes = answer(question, 0, &[]);
    if let Some(flags) = bytes.get_mut(2) {
        *flags |= 0x02;
    }
    bytes
}

/// The question with the flags of an answer, and a record for each address of the kind that it
/// asks for.
fn answer(question: &[u8], code: u8, addresses: &[IpAddr]) -> Vec<u8> {
    let asked = question.len().checked_sub(4).map_or(0, |at| question[at + 1]);
    let records: Vec<(u8, Vec<u8>)> = addresses
        .iter()
        .map(|address| match address {
            IpAddr::V4(v4) => (1, v4.octets().to_vec()),
            IpAddr::V6(v6) => (28, v6.octets().to_vec()),
        })
        .filter(|(kind, _)| *kind == asked)
        .collect();
    let mut bytes = question.to_vec();
    if let Some(header) = bytes.get_mut(..8) {
        header[2] = 0x81;
        header[3] = 0x80 | code;
        header[6] = 0;
        header[7] = u8::try_from(records.len()).unwrap_or(u8::MAX);
    }
    for (kind, address) in records {
        bytes.extend_from_slice(&[0xc0, 0x0c, 0, kind, 0, 1, 0, 0, 0, 1, 0]);
        bytes.push(u8::try_from(address.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&address);
    }
    bytes
}
