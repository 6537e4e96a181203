//! Clients and servers that do whatever comes to their minds, for a while: every byte that arrives
//! is the right one, and nothing is left when they have gone.
//!
//! The seed is printed; `HALB_SIM_SEED=` plays the same minds again, as far as threads allow.

use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use socket2::SockRef;

use crate::common::{PATIENCE, connect, eventually, patterned};
use crate::part::Part;

/// How long it goes on.
const LENGTH: Duration = Duration::from_secs(5);

/// Clients at a time.
const CLIENTS: u64 = 16;

/// Most bytes that one side says.
const LEN_MAX: usize = 6_000_000;

/// Empty pipes that the two workers may keep, eight each.
const SPARE_PIPES: u64 = 16;

/// splitmix64, as the engine's own.
struct Mind(u64);

impl Mind {
    fn number(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below
    }

    /// Mostly little, sometimes more than the kernel's buffers hold.
    fn length(&mut self) -> usize {
        let most = [1, 100, 20_000, 300_000, LEN_MAX][usize::try_from(self.number(5)).unwrap()];
        usize::try_from(self.number(most as u64)).unwrap()
    }

    fn manner(&mut self) -> Manner {
        match self.number(8) {
            0 => Manner::Trickle,
            1 => Manner::Sleepy,
            2 => Manner::Abort,
            _ => Manner::Plain,
        }
    }
}

/// How one side behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Writes and reads as fast as it can.
    Plain,
    /// Writes small pieces.
    Trickle,
    /// Reads little at a time, with pauses.
    Sleepy,
    /// Resets the connection in the middle of its writing.
    Abort,
}

/// What one connection is to be; the client tells it to the server in its first bytes.
#[derive(Clone, Copy, Debug)]
struct Plan {
    seed: u64,
    up: usize,
    down: usize,
    client: Manner,
    server: Manner,
    /// The server says nothing before it has heard all.
    answers: bool,
}

const MANNERS: [Manner; 4] = [Manner::Plain, Manner::Trickle, Manner::Sleepy, Manner::Abort];

impl Plan {
    const LEN: usize = 24;

    fn draw(mind: &mut Mind) -> Self {
        Self {
            seed: mind.number(u64::MAX),
            up: mind.length(),
            down: mind.length(),
            client: mind.manner(),
            server: mind.manner(),
            answers: mind.number(2) == 0,
        }
    }

    fn to_bytes(self) -> [u8; Self::LEN] {
        let code = |manner| MANNERS.iter().position(|known| *known == manner).unwrap() as u64;
        let flags = code(self.client) << 16 | code(self.server) << 8 | u64::from(self.answers);
        let lengths = (self.up as u64) << 32 | self.down as u64;
        let mut bytes = [0; Self::LEN];
        for (place, word) in bytes.chunks_mut(8).zip([self.seed, lengths, flags]) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let word = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        let (seed, lengths, flags) = (word(0), word(8), word(16));
        let length = |bits: u64| usize::try_from(bits & 0xFFFF_FFFF).unwrap();
        let manner = |bits: u64| MANNERS[usize::try_from(bits & 0xFF).unwrap()];
        Self {
            seed,
            up: length(lengths >> 32),
            down: length(lengths),
            client: manner(flags >> 16),
            server: manner(flags >> 8),
            answers: flags & 1 == 1,
        }
    }

    fn upward(&self) -> &'static [u8] {
        stretch(self.seed, self.up)
    }

    fn downward(&self) -> &'static [u8] {
        stretch(!self.seed, self.down)
    }

    /// Somebody resets: then less than all may arrive, but nothing else.
    fn is_cut(&self) -> bool {
        self.client == Manner::Abort || self.server == Manner::Abort
    }

    fn check(&self, who: &str, received: &[u8], expected: &[u8]) {
        let right =
            if self.is_cut() { expected.starts_with(received) } else { expected == received };
        assert!(right, "{who} got {} bytes of {}: {self:?}", received.len(), expected.len());
    }
}

/// So many bytes from a place of their own in a text that never repeats itself.
fn stretch(seed: u64, len: usize) -> &'static [u8] {
    static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| patterned(7, 2 * LEN_MAX));
    let start = usize::try_from(seed % LEN_MAX as u64).unwrap();
    &TEXT[start..start + len]
}

/// Says it all in its manner; false if the connection broke before the end.
fn say(mut stream: &TcpStream, bytes: &[u8], manner: Manner) -> bool {
    let bytes = if manner == Manner::Abort { &bytes[..bytes.len() / 2] } else { bytes };
    let piece = if manner == Manner::Trickle { bytes.len().div_ceil(50).max(1) } else { 1 << 20 };
    for piece in bytes.chunks(piece) {
        if stream.write_all(piece).is_err() {
            return false;
        }
        if manner == Manner::Trickle {
            thread::sleep(Duration::from_micros(500));
        }
    }
    match manner {
        Manner::Abort => {
            SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
            false
        }
        Manner::Plain | Manner::Trickle | Manner::Sleepy => {
            stream.shutdown(Shutdown::Write).is_ok()
        }
    }
}

/// Hears until the end, or until the connection breaks. Silence without an end is a hang.
fn hear(mut stream: &TcpStream, manner: Manner) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut buffer = vec![0; if manner == Manner::Sleepy { 32 << 10 } else { 256 << 10 }];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return heard,
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing comes any more"),
            Err(_) => return heard,
        }
        if manner == Manner::Sleepy {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// One side of a connection: speaks and listens at the same time, unless it answers.
fn converse(stream: &TcpStream, own: &[u8], manner: Manner, answers: bool) -> Vec<u8> {
    if answers {
        let heard = hear(stream, manner);
        say(stream, own, manner);
        return heard;
    }
    thread::scope(|scope| {
        let heard = scope.spawn(|| hear(stream, manner));
        // Who aborts doesn't wait for the other's end: the drop of the socket is the abort.
        if !say(stream, own, manner) {
            let _ = stream.shutdown(Shutdown::Read);
        }
        heard.join().unwrap()
    })
}

fn serve(mut stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut plan = [0; Plan::LEN];
    if stream.read_exact(&mut plan).is_err() {
        return; // the client aborted before it was heard
    }
    let plan = Plan::from_bytes(plan);
    let heard = converse(&stream, plan.downward(), plan.server, plan.answers);
    plan.check("the server", &heard, plan.upward());
}

/// A server; what goes wrong in its threads is counted.
fn server(faults: &'static AtomicU64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                if thread::spawn(move || serve(stream.unwrap())).join().is_err() {
                    faults.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    address
}

/// One client's connections, one after the other, until the time is up; how many they were.
fn live(mut mind: Mind, engine: SocketAddr, end: Instant) -> u64 {
    let mut connections = 0;
    while Instant::now() < end {
        let plan = Plan::draw(&mut mind);
        let mut stream = connect(engine);
        connections += 1;
        stream.write_all(&plan.to_bytes()).unwrap();
        let heard = converse(&stream, plan.upward(), plan.client, false);
        plan.check("the client", &heard, plan.downward());
    }
    connections
}

fn seed() -> u64 {
    let drawn = RandomState::new().hash_one(0_u8);
    env::var("HALB_SIM_SEED").map_or(drawn, |seed| seed.parse().expect("HALB_SIM_SEED is a number"))
}

#[test]
fn whatever_clients_and_servers_do_no_byte_is_wrong_and_nothing_is_left_over() {
    static FAULTS: AtomicU64 = AtomicU64::new(0);
    let seed = seed();
    println!("HALB_SIM_SEED={seed}");
    let engine = Part::engine(4_096, 4_096, &[server(&FAULTS), server(&FAULTS)]);
    let (address, at_rest) = (engine.address, engine.descriptors());
    let end = Instant::now() + LENGTH;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mind = Mind(seed.wrapping_add(number));
            thread::spawn(move || live(mind, address, end))
        })
        .collect();
    let lives: Vec<_> = clients.into_iter().map(thread::JoinHandle::join).collect();
    let failed = lives.iter().filter(|life| life.is_err()).count();
    assert_eq!(failed, 0, "clients failed; HALB_SIM_SEED={seed}");
    let connections: u64 = lives.into_iter().map(Result::unwrap).sum();
    println!("{connections} connections");

    eventually("nothing is left", || {
        let figures = engine.figures();
        ["connections", "frontend_connections", "server_connections", "worker_sessions"]
            .iter()
            .all(|figure| figures[*figure] == 0)
    });
    let figures = engine.figures();
    assert_eq!(figures["accepted"], connections);
    assert_eq!((figures["local_errors"], figures["accept_pauses"]), (0, 0));
    assert!(figures["pipes"] <= SPARE_PIPES, "{} pipes are kept", figures["pipes"]);
    assert_eq!(engine.descriptors(), at_rest + 2 * figures["pipes"]);
    assert_eq!(FAULTS.load(Ordering::Relaxed), 0, "servers heard wrong; HALB_SIM_SEED={seed}");
}
