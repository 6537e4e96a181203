//! The other end of such connections.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use halb_lab::Host;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::{Kind, bytes::Bytes};

/// Tasks on a host, which end with it.
#[derive(Debug)]
pub(super) struct Server {
    wrong: Arc<AtomicUsize>,
}

/// The longest question, and what a download brings at a time.
pub(super) const PIECE: usize = 4096;

/// What a watch tells at a time.
pub(super) const EVENT: usize = 64;

/// Between two events of a watch.
const EVENT_EVERY: Duration = Duration::from_millis(100);

/// Between two pieces of a download: 800 kB a second, which disturbs nobody.
const PIECE_EVERY: Duration = Duration::from_millis(5);

impl Server {
    /// Serves at this port of the host, and calls itself by the number.
    pub(super) fn start(host: &Host, number: u8, port: u16) -> io::Result<Self> {
        let address = SocketAddr::new(host.ip(), port);
        let wrong = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&wrong);
        host.block_on(async move {
            let listener = TcpListener::bind(address).await?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let counted = Arc::clone(&counted);
                    tokio::spawn(async move {
                        let gone = serve(stream, number).await;
                        if gone.is_err_and(|why| why.kind() == io::ErrorKind::InvalidData) {
                            counted.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            Ok(Self { wrong })
        })
    }

    /// Connections that brought something else than their clients sent.
    pub(super) fn wrong(&self) -> usize {
        self.wrong.load(Ordering::Relaxed)
    }
}

/// One connection, until its client goes. A check of the balancer's says nothing.
async fn serve(mut stream: TcpStream, number: u8) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let kind = stream.read_u8().await?;
    let seed = stream.read_u64().await?;
    stream.write_u8(number).await?;
    if kind == Kind::Exchange.byte() {
        answer(&mut stream, seed).await
    } else if kind == Kind::Watch.byte() {
        tell(&mut stream, seed, EVENT, EVENT_EVERY).await
    } else {
        tell(&mut stream, seed, PIECE, PIECE_EVERY).await
    }
}

async fn answer(stream: &mut TcpStream, seed: u64) -> io::Result<()> {
    let (mut asked, mut answered) = (Bytes::asked(seed), Bytes::answered(seed));
    loop {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if length > PIECE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut question = vec![0; length];
        stream.read_exact(&mut question).await?;
        asked.compare(&question)?;
        stream.write_all(&answered.take(length)).await?;
    }
}

async fn tell(stream: &mut TcpStream, seed: u64, length: usize, pace: Duration) -> io::Result<()> {
    let mut told = Bytes::answered(seed);
    loop {
        stream.write_all(&told.take(length)).await?;
        sleep(pace).await;
    }
}
