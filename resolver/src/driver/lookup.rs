//! Asks name servers: each in turn, over UDP, and over TCP where the answer is too long for that.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time;

use crate::config::{Family, HostName, Question};
use crate::message::{self, ANSWER_LEN_MAX, Reply, Said};
use crate::name::{Answer, Source};

/// How long and how often name servers are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) attempts: NonZeroU32,
}

/// Asks for all kinds of addresses at the same time. Where one kind is found, the other is waited
/// for no longer than one timeout: some name servers never answer the question for it.
pub(super) async fn ask(servers: &[SocketAddr], question: &Question, limits: Limits) -> Answer {
    let of = |family: Family| ask_all(servers, &question.host, family, limits);
    let said = match *question.families.in_order() {
        [first, second] => {
            let (one, other) = both(of(first), of(second), limits.timeout).await;
            vec![(first, one), (second, other)]
        }
        ref others => {
            let mut said = Vec::new();
            for family in others {
                said.push((*family, of(*family).await));
            }
            said
        }
    };
    Answer { source: Source::Nameserver, said }
}

async fn both(
    one: impl Future<Output = Said>,
    other: impl Future<Output = Said>,
    patience: Duration,
) -> (Said, Said) {
    tokio::pin!(one, other);
    tokio::select! {
        said = &mut one => {
            let late = the_other(&said, other, patience).await;
            (said, late)
        }
        said = &mut other => {
            let late = the_other(&said, one, patience).await;
            (late, said)
        }
    }
}

async fn the_other(said: &Said, late: impl Future<Output = Said>, patience: Duration) -> Said {
    match said {
        Said::Addresses { .. } => {
            let said = time::timeout(patience, late).await;
            said.unwrap_or_else(|_| Said::Unanswered("no answer for this kind".to_owned()))
        }
        Said::NoSuchName | Said::NoAddress | Said::Unanswered(_) => late.await,
    }
}

/// The first answer of use, else the last trouble.
async fn ask_all(servers: &[SocketAddr], host: &HostName, family: Family, limits: Limits) -> Said {
    let mut trouble = Said::Unanswered("there is no name server to ask".to_owned());
    for _ in 0..limits.attempts.get() {
        for server in servers {
            let said = time::timeout(limits.timeout, ask_one(*server, host, family)).await;
            let why = match said {
                Ok(Ok(Said::Unanswered(why))) => why,
                Ok(Ok(said)) => return said,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            trouble = Said::Unanswered(format!("name server {server}: {why}"));
        }
    }
    trouble
}

async fn ask_one(server: SocketAddr, host: &HostName, family: Family) -> io::Result<Said> {
    let id = unpredictable();
    let question = message::question(id, host, family);
    match over_udp(server, &question, |bytes| message::reply(bytes, id, host, family)).await? {
        Reply::Said(said) => Ok(said),
        Reply::Truncated => {
            let bytes = over_tcp(server, &question).await?;
            Ok(match message::reply(&bytes, id, host, family) {
                Some(Reply::Said(said)) => said,
                Some(Reply::Truncated) | None => {
                    Said::Unanswered("its answer over TCP can't be read".to_owned())
                }
            })
        }
    }
}

/// The socket is connected, so that datagrams of others never reach it, and its port is the
/// kernel's choice, a new one for each question.
async fn over_udp(
    server: SocketAddr,
    question: &[u8],
    read: impl Fn(&[u8]) -> Option<Reply>,
) -> io::Result<Reply> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = [0; ANSWER_LEN_MAX];
    loop {
        let len = socket.recv(&mut buffer).await?;
        if let Some(reply) = read(&buffer[..len]) {
            return Ok(reply);
        }
    }
}

/// Each message follows its length in two bytes (RFC 1035 section 4.2.2).
async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(question.len()).expect("a question holds one name");
    stream.write_all(&[&len.to_be_bytes()[..], question].concat()).await?;
    let len = usize::from(stream.read_u16().await?);
    if len > ANSWER_LEN_MAX {
        return Err(io::Error::other(format!("its answer of {len} bytes is too long")));
    }
    let mut answer = vec![0; len];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Seeded from the operating system, as the standard library's hash maps are.
fn unpredictable() -> u16 {
    let [high, low, ..] = RandomState::new().hash_one(0_u8).to_be_bytes();
    u16::from_be_bytes([high, low])
}
