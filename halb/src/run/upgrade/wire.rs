//! The socket between two daemons: words as JSON, each behind its length, some with a descriptor.

use std::collections::VecDeque;
use std::io;
use std::io::{IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest word: counters of some ten thousand servers. Whoever sends more isn't halb.
const WORD_LEN_MAX: usize = 8 << 20;

/// Bytes before a word: its length.
const HEAD_LEN: usize = 4;

/// Read at a time.
const CHUNK_LEN: usize = 16 << 10;

/// Patience with a reader that takes nothing. Both ends read as long as they are alive.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// Descriptors that came before the words that they belong to: listeners of one configuration.
const DESCRIPTORS_MAX: usize = 4096;

/// Least patience; the system takes zero for none at all.
const PATIENCE_MIN: Duration = Duration::from_millis(1);

/// Why there is no word any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The other end has gone.
    #[error("it closed the connection")]
    Closed,
    /// Not what halb says.
    #[error("it said something that makes no sense")]
    Garbled,
    /// The system's word.
    #[error("the connection to it broke")]
    Io(#[from] io::Error),
}

/// One end.
#[derive(Debug)]
pub(super) struct Wire {
    socket: UnixStream,
    unread: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Wire {
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_write_timeout(Some(WRITE_MAX))?;
        Ok(Self { socket, unread: Vec::new(), descriptors: VecDeque::new() })
    }

    /// Says a word, with a descriptor or without.
    pub(super) fn send(
        &mut self,
        word: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), WireError> {
        let word = serde_json::to_vec(word).map_err(io::Error::from)?;
        let len = u32::try_from(word.len()).ok().filter(|_| word.len() <= WORD_LEN_MAX);
        let Some(len) = len else { return Err(WireError::Garbled) };
        let bytes = [&len.to_be_bytes(), word.as_slice()].concat();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if let Some(descriptor) = &descriptor {
            beside.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
        }
        let vectors = [IoSlice::new(&bytes)];
        let sent = sendmsg(&self.socket, &vectors, &mut beside, SendFlags::NOSIGNAL)
            .map_err(io::Error::from)?;
        self.socket.write_all(bytes.get(sent..).unwrap_or_default())?;
        Ok(())
    }

    /// The next word; none: there was none until then.
    pub(super) fn receive<T: DeserializeOwned>(
        &mut self,
        until: Instant,
    ) -> Result<Option<T>, WireError> {
        loop {
            if let Some(word) = self.take_word()? {
                return serde_json::from_slice(&word).map(Some).map_err(|_| WireError::Garbled);
            }
            let patience = until.saturating_duration_since(Instant::now());
            if patience.is_zero() || !self.read(patience.max(PATIENCE_MIN))? {
                return Ok(None);
            }
        }
    }

    /// The descriptor that came with the last word.
    pub(super) fn descriptor(&mut self) -> Result<OwnedFd, WireError> {
        self.descriptors.pop_front().ok_or(WireError::Garbled)
    }

    fn take_word(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let Some(head) = self.unread.first_chunk::<HEAD_LEN>() else { return Ok(None) };
        let len = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if len > WORD_LEN_MAX {
            return Err(WireError::Garbled);
        }
        if self.unread.len() < HEAD_LEN + len {
            return Ok(None);
        }
        let rest = self.unread.split_off(HEAD_LEN + len);
        let mut word = std::mem::replace(&mut self.unread, rest);
        word.drain(..HEAD_LEN);
        Ok(Some(word))
    }

    /// Reads what is there; false: nothing came within `patience`.
    fn read(&mut self, patience: Duration) -> Result<bool, WireError> {
        self.socket.set_read_timeout(Some(patience))?;
        let mut chunk = [0; CHUNK_LEN];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut vectors = [IoSliceMut::new(&mut chunk)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = match recvmsg(&self.socket, &mut vectors, &mut beside, flags) {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(io::Error::from(error).into()),
        };
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if self.descriptors.len() > DESCRIPTORS_MAX {
            return Err(WireError::Garbled);
        }
        if received == 0 {
            return Err(WireError::Closed);
        }
        self.unread.extend_from_slice(chunk.get(..received).unwrap_or_default());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::os::fd::AsFd as _;
    use std::thread;

    use super::*;

    fn pair() -> (Wire, Wire) {
        let (one, two) = UnixStream::pair().unwrap();
        (Wire::new(one).unwrap(), Wire::new(two).unwrap())
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn words_arrive_whole_and_in_order_whatever_their_length() {
        let (mut one, mut two) = pair();
        let long = "x".repeat(3 << 20);
        let said = long.clone();
        let talk = thread::spawn(move || {
            for word in ["a", &said, "b"] {
                one.send(&word, None).unwrap();
            }
        });
        for expected in ["a", &long, "b"] {
            assert_eq!(two.receive::<String>(soon()).unwrap().unwrap(), expected);
        }
        talk.join().unwrap();
        assert!(matches!(two.receive::<String>(soon()), Err(WireError::Closed)));
    }

    #[test]
    fn descriptors_come_with_their_words() {
        let (mut one, mut two) = pair();
        let listeners: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        for listener in &listeners {
            one.send(&listener.local_addr().unwrap(), Some(listener.as_fd())).unwrap();
        }
        for listener in &listeners {
            let address = two.receive::<std::net::SocketAddr>(soon()).unwrap().unwrap();
            let copy = TcpListener::from(two.descriptor().unwrap());
            assert_eq!(address, listener.local_addr().unwrap());
            assert_eq!(copy.local_addr().unwrap(), address);
        }
        assert!(matches!(two.descriptor(), Err(WireError::Garbled)));
    }

    #[test]
    fn silence_is_no_end_and_half_a_word_is_kept() {
        let (one, two) = UnixStream::pair().unwrap();
        let (mut one, mut two) = (one, Wire::new(two).unwrap());
        assert_eq!(two.receive::<u8>(Instant::now() + PATIENCE_MIN).unwrap(), None);
        one.write_all(&[0, 0, 0, 2, b'4']).unwrap();
        assert_eq!(two.receive::<u8>(Instant::now() + PATIENCE_MIN).unwrap(), None);
        one.write_all(b"2").unwrap();
        assert_eq!(two.receive::<u8>(soon()).unwrap(), Some(42));
    }

    #[test]
    fn a_word_without_measure_or_sense_is_refused() {
        for bytes in [&[0xff, 0, 0, 0][..], &[0, 0, 0, 1, b'{'][..]] {
            let (mut one, two) = UnixStream::pair().unwrap();
            one.write_all(bytes).unwrap();
            let mut two = Wire::new(two).unwrap();
            assert!(matches!(two.receive::<u8>(soon()), Err(WireError::Garbled)));
            drop(two);
            assert_eq!(one.read(&mut [0; 8]).unwrap_or_default(), 0);
        }
    }
}
