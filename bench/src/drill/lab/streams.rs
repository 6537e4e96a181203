//! Connections that carry bytes all the while: who asks and is answered, who only listens, and who
//! downloads. Each byte is known beforehand on both ends, so that one that is lost, doubled or in
//! another's place is found where it arrives.

mod bytes;
mod server;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use halb_lab::{Host, Masters};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use self::{
    bytes::Bytes,
    server::{EVENT, PIECE, Server},
};

/// A client's connections, and the servers at their other ends. They end with their hosts.
#[derive(Debug)]
pub(super) struct Streams {
    target: SocketAddr,
    wanted: usize,
    states: Arc<Mutex<Vec<State>>>,
    servers: Vec<Server>,
}

/// One connection, as its client sees it.
#[derive(Clone, Copy, Debug)]
struct State {
    server: u8,
    /// Since when something is owed to the client.
    waits: Option<Instant>,
    /// The longest time that it ever waited.
    stall: Duration,
    ended: bool,
    /// Something else came than was sent.
    wrong: bool,
    counts: Counts,
}

/// What is expected of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// That it goes on.
    Lasting,
    /// That its client is told of its end: its server is gone.
    Told,
    /// Nothing: it was opened for something that is over, and may go on where the kernel forwards.
    Forgotten,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) open: usize,
    pub(super) ended: usize,
    pub(super) silent: usize,
    pub(super) wrong: usize,
    pub(super) stall: Duration,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Questions and answers, each of up to [`PIECE`] bytes.
    Exchange,
    /// The server tells [`EVENT`] bytes now and then, and the client never speaks.
    Watch,
    /// The server sends without an end.
    Download,
}

/// Where they are served.
pub(super) const PORT: u16 = 6444;

/// Between an answer and the next question.
const PACE: Duration = Duration::from_millis(100);

/// A connection that has told nothing for so long tells nothing any more.
const SILENT: Duration = Duration::from_secs(1);

/// One of so many downloads, at least one in all; and half of the rest are watches.
const DOWNLOADS: usize = 100;

impl Streams {
    /// Starts servers beside the API servers; `wanted` connections will be opened to `target`.
    pub(super) fn start(masters: &Masters, target: SocketAddr, wanted: usize) -> io::Result<Self> {
        let hosts = masters.hosts().take(if wanted == 0 { 0 } else { usize::MAX });
        let servers = hosts.zip(0..).map(|(host, number)| Server::start(host, number, PORT));
        let servers = servers.collect::<io::Result<_>>()?;
        Ok(Self { target, wanted, states: Arc::default(), servers })
    }

    /// Where they are served; none: there are none.
    pub(super) fn port(&self) -> Option<u16> {
        (self.wanted > 0).then_some(PORT)
    }

    /// Opens the connections; those that can't be opened are left out.
    pub(super) fn open(&self, client: &Host) {
        for number in 0..self.wanted {
            let kind = match number {
                number if number % DOWNLOADS == 0 => Kind::Download,
                number if number % 2 == 1 => Kind::Exchange,
                _ => Kind::Watch,
            };
            let (target, states) = (self.target, Arc::clone(&self.states));
            client.block_on(async move {
                tokio::spawn(connect(target, kind, number, states));
            });
        }
    }

    /// All of them are open.
    pub(super) fn are_open(&self) -> bool {
        let states = lock(&self.states);
        states.iter().filter(|state| state.is_lasting() && !state.ended).count() == self.wanted
    }

    /// What was before doesn't count any more.
    pub(super) fn begin(&self) {
        let now = Instant::now();
        for state in lock(&self.states).iter_mut() {
            state.stall = Duration::ZERO;
            if let Some(since) = &mut state.waits {
                *since = now;
            }
        }
    }

    /// Those that were opened before don't count any more.
    pub(super) fn forget(&self) {
        lock(&self.states).iter_mut().for_each(|state| state.counts = Counts::Forgotten);
    }

    /// What becomes of those to this server doesn't count, as long as their clients are told.
    pub(super) fn give_up_server(&self, number: u8) {
        let mut states = lock(&self.states);
        // One that ended before was lost, whatever became of its server later.
        let of_it = states.iter_mut().filter(|state| state.server == number && !state.ended);
        of_it.filter(|state| state.is_lasting()).for_each(|state| state.counts = Counts::Told);
    }

    /// Clients of a server that was given up that still wait for it.
    pub(super) fn untold(&self) -> usize {
        let states = lock(&self.states);
        let is_untold = |state: &&State| state.counts == Counts::Told && !state.ended;
        states.iter().filter(is_untold).count()
    }

    /// What became of them by now.
    pub(super) fn outcome(&self) -> Outcome {
        let now = Instant::now();
        let states = lock(&self.states);
        let counted: Vec<&State> = states.iter().filter(|state| state.is_lasting()).collect();
        let waits = |state: &State| state.waits.map(|since| now.saturating_duration_since(since));
        let is_silent =
            |state: &&&State| !state.ended && waits(state).is_some_and(|time| time > SILENT);
        let lasting = counted.iter().filter(|state| !state.ended);
        let stalls = lasting.map(|state| state.stall.max(waits(state).unwrap_or_default()));
        Outcome {
            open: counted.len(),
            ended: counted.iter().filter(|state| state.ended).count(),
            silent: counted.iter().filter(is_silent).count(),
            wrong: counted.iter().filter(|state| state.wrong).count()
                + self.servers.iter().map(Server::wrong).sum::<usize>(),
            stall: stalls.max().unwrap_or_default(),
        }
    }
}

impl State {
    /// Of one that was just opened, at which something is owed.
    fn new(server: u8) -> Self {
        Self {
            server,
            waits: Some(Instant::now()),
            stall: Duration::ZERO,
            ended: false,
            wrong: false,
            counts: Counts::Lasting,
        }
    }

    fn is_lasting(&self) -> bool {
        self.counts == Counts::Lasting
    }
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Exchange => b'e',
            Self::Watch => b'w',
            Self::Download => b'd',
        }
    }
}

/// One connection's place among all.
struct Place {
    states: Arc<Mutex<Vec<State>>>,
    index: usize,
}

impl Place {
    fn new(states: Arc<Mutex<Vec<State>>>, server: u8) -> Self {
        let mut all = lock(&states);
        let index = all.len();
        all.push(State::new(server));
        drop(all);
        Self { states, index }
    }

    /// Something is owed from now on.
    fn waits(&self) {
        lock(&self.states)[self.index].waits = Some(Instant::now());
    }

    /// What was owed has come; more is, if the server goes on by itself.
    fn heard(&self, goes_on: bool) {
        let state = &mut lock(&self.states)[self.index];
        if let Some(since) = state.waits {
            state.stall = state.stall.max(since.elapsed());
        }
        state.waits = goes_on.then(Instant::now);
    }

    fn ended(&self, why: &io::Error) {
        let state = &mut lock(&self.states)[self.index];
        state.ended = true;
        state.wrong |= why.kind() == io::ErrorKind::InvalidData;
    }
}

/// The client's end, from its opening to its end.
async fn connect(target: SocketAddr, kind: Kind, number: usize, states: Arc<Mutex<Vec<State>>>) {
    let seed = u64::try_from(number).unwrap_or_default();
    // Those that can't be opened are missed when they are counted.
    let Ok((mut stream, server)) = greet(target, kind, seed).await else { return };
    let place = Place::new(states, server);
    let gone = match kind {
        Kind::Exchange => exchange(&mut stream, seed, &place).await,
        Kind::Watch => listen(&mut stream, seed, EVENT, &place).await,
        Kind::Download => listen(&mut stream, seed, PIECE, &place).await,
    };
    if let Err(why) = gone {
        place.ended(&why);
    }
}

/// Says what the connection is for, and hears who serves it.
async fn greet(target: SocketAddr, kind: Kind, seed: u64) -> io::Result<(TcpStream, u8)> {
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    stream.write_u8(kind.byte()).await?;
    stream.write_u64(seed).await?;
    let server = stream.read_u8().await?;
    Ok((stream, server))
}

async fn exchange(stream: &mut TcpStream, seed: u64, place: &Place) -> io::Result<()> {
    let (mut asked, mut answered) = (Bytes::asked(seed), Bytes::answered(seed));
    place.heard(false);
    // Their lengths differ from one to the next, so that no segment ends where another does.
    let lengths = (0..PIECE).cycle().step_by(997).map(|length| length + 1);
    for length in lengths {
        sleep(PACE).await;
        place.waits();
        let mut question = (u32::try_from(length).unwrap_or_default()).to_be_bytes().to_vec();
        question.extend(asked.take(length));
        stream.write_all(&question).await?;
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        answered.compare(&answer)?;
        place.heard(false);
    }
    Ok(())
}

async fn listen(stream: &mut TcpStream, seed: u64, length: usize, place: &Place) -> io::Result<()> {
    let mut told = Bytes::answered(seed);
    let mut piece = vec![0; length];
    loop {
        stream.read_exact(&mut piece).await?;
        told.compare(&piece)?;
        place.heard(true);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is complete before the next one; a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections to these servers.
    fn streams(servers: &[u8]) -> Streams {
        let states: Vec<_> = servers.iter().copied().map(State::new).collect();
        Streams {
            target: SocketAddr::from(([127, 0, 0, 1], PORT)),
            wanted: servers.len(),
            states: Arc::new(Mutex::new(states)),
            servers: Vec::new(),
        }
    }

    fn end(streams: &Streams, index: usize) {
        lock(&streams.states)[index].ended = true;
    }

    #[test]
    fn connections_of_before_that_go_on_are_no_losses() {
        let streams = streams(&[0, 1, 2]);
        streams.forget();
        lock(&streams.states).extend([0, 1, 2].map(State::new));
        assert!(streams.are_open());
        let outcome = streams.outcome();
        assert_eq!((outcome.open, outcome.ended, outcome.silent, streams.untold()), (3, 0, 0, 0));
        // Nor are their ends.
        end(&streams, 0);
        assert_eq!((streams.outcome().ended, streams.untold()), (0, 0));
        end(&streams, 3);
        assert_eq!((streams.outcome().ended, streams.are_open()), (1, false));
    }

    #[test]
    fn a_client_of_a_server_that_is_given_up_has_to_be_told() {
        let streams = streams(&[0, 0, 0, 1]);
        end(&streams, 0);
        streams.give_up_server(0);
        assert_eq!(streams.untold(), 2);
        end(&streams, 1);
        assert_eq!(streams.untold(), 1);
        let outcome = streams.outcome();
        assert_eq!((outcome.open, outcome.ended), (2, 1), "one was lost before");
        streams.forget();
        streams.give_up_server(0);
        assert_eq!((streams.outcome().open, streams.untold()), (0, 0));
    }
}
