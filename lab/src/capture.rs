//! What passes a host's interface: VRRP, ARP and neighbour discovery, kept with the time at which
//! the kernel saw it.
//!
//! ```text
//!   AF_PACKET socket on the host ─► filter in the kernel ─► ring of frames ─► adverts(), wait_for()
//!                                                                         └─► pcap file for tcpdump
//! ```
//!
//! It hears what comes and what goes, and on a bridge that floods multicast also what others say to
//! each other. A test that fails shows what its captures kept, and where they lie as a file.

mod packet;
mod pcap;
mod socket;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt, io,
    io::PipeWriter,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

pub use self::packet::{Advert, Checksum, Claim, Packet};
use crate::net::Host;

/// A capture in progress; it ends when it is dropped.
#[derive(Debug)]
pub struct Capture {
    host: String,
    ring: Arc<Ring>,
    /// Closed to end the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

/// An Ethernet frame, its beginning at least.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When the kernel saw it.
    pub at: Instant,
    /// The same, by the clock of the wall.
    pub wall: SystemTime,
    /// Sent by the host itself.
    pub outgoing: bool,
    /// From the Ethernet header on, at most [`SNAP_LENGTH`] bytes.
    pub bytes: Vec<u8>,
    /// Bytes that it had on the wire.
    pub length: usize,
}

#[derive(Debug, Default)]
struct Ring {
    frames: Mutex<Frames>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Frames {
    kept: VecDeque<Frame>,
    /// Frames before the first kept one.
    forgotten: usize,
}

impl Capture {
    /// Begins on the host's interface. What comes after the return is kept.
    ///
    /// # Errors
    /// When the kernel gives no packet socket.
    pub fn start(host: &Host) -> io::Result<Self> {
        let (stopped, stop) = io::pipe()?;
        let interface = usize::try_from(host.interface()).map_err(io::Error::other)?;
        let tap = host.run(|| socket::Tap::open(interface))?;
        let ring = Arc::new(Ring::default());
        let kept = Arc::clone(&ring);
        let thread = thread::Builder::new()
            .name(format!("capture {}", host.name()))
            .spawn(move || tap.read_until(&stopped, |frame| kept.take(frame)))?;
        let (host, stop, thread) = (host.name().to_owned(), Some(stop), Some(thread));
        Ok(Self { host, ring, stop, thread })
    }

    /// How many frames there were so far: a mark for [`Self::since`] and [`Self::wait_for`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.ring.frames().count()
    }

    /// The frames after the first `mark`, as far as they are kept.
    #[must_use]
    pub fn since(&self, mark: usize) -> Vec<Frame> {
        self.ring.frames().since(mark).cloned().collect()
    }

    /// All adverts that are kept.
    #[must_use]
    pub fn adverts(&self) -> Vec<Advert> {
        self.adverts_since(0)
    }

    /// The adverts after the first `mark` frames.
    #[must_use]
    pub fn adverts_since(&self, mark: usize) -> Vec<Advert> {
        self.ring.frames().since(mark).filter_map(Advert::of).collect()
    }

    /// Who claimed which address, by ARP or neighbour discovery, after the first `mark` frames.
    #[must_use]
    pub fn claims_since(&self, mark: usize) -> Vec<Claim> {
        self.ring.frames().since(mark).filter_map(Claim::of).collect()
    }

    /// Waits for an advert after the first `mark` frames that is as wished, and returns it.
    ///
    /// # Panics
    /// When there is none within `limit`; the message has `what`.
    #[track_caller]
    pub fn wait_for(
        &self,
        what: &str,
        mark: usize,
        limit: Duration,
        mut is_wished: impl FnMut(&Advert) -> bool,
    ) -> Advert {
        let deadline = Instant::now() + limit;
        let mut seen = mark;
        let mut frames = self.ring.frames();
        loop {
            let found = frames.since(seen).filter_map(Advert::of).find(|advert| is_wished(advert));
            if let Some(advert) = found {
                return advert;
            }
            seen = seen.max(frames.count());
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{}: no advert within {limit:?}: {what}", self.host);
            let waited = self.ring.changed.wait_timeout(frames, left);
            frames = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes what is kept as a file that tcpdump reads.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_pcap(&self, path: &Path) -> io::Result<()> {
        pcap::write(path, self.ring.frames().kept.iter())
    }

    /// For a test that fails: the newest packets, and all of them in a file that stays.
    fn show(&self) {
        let frames = self.since(0);
        eprintln!("seen on {} ({} frames):", self.host, frames.len());
        for frame in &frames[frames.len().saturating_sub(SHOWN)..] {
            eprintln!("{frame}");
        }
        let kept = tempfile::Builder::new()
            .prefix(&format!("halb-lab-{}-", self.host))
            .suffix(".pcap")
            .tempfile()
            .and_then(|file| file.into_temp_path().keep().map_err(io::Error::other))
            .and_then(|path| self.write_pcap(&path).map(|()| path));
        match kept {
            Ok(path) => eprintln!("kept as {}", path.display()),
            Err(error) => eprintln!("can't be kept: {error}"),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the capture on {} panicked", self.host);
        }
        if thread::panicking() {
            self.show();
        }
    }
}

impl Ring {
    fn take(&self, frame: Frame) {
        let mut frames = self.frames();
        if frames.kept.len() == KEPT_FRAMES {
            frames.kept.pop_front();
            frames.forgotten += 1;
        }
        frames.kept.push_back(frame);
        drop(frames);
        self.changed.notify_all();
    }

    fn frames(&self) -> MutexGuard<'_, Frames> {
        // Each change is complete before the next call; a panic elsewhere spoils nothing.
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frames {
    fn count(&self) -> usize {
        self.forgotten + self.kept.len()
    }

    fn since(&self, mark: usize) -> impl Iterator<Item = &Frame> {
        self.kept.iter().skip(mark.saturating_sub(self.forgotten))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_epoch = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since_epoch.as_secs() % (24 * 60 * 60);
        let [hour, minute, second] = [seconds / 3600, seconds / 60 % 60, seconds % 60];
        let way = if self.outgoing { '>' } else { '<' };
        let micros = since_epoch.subsec_micros();
        write!(f, "{hour:02}:{minute:02}:{second:02}.{micros:06} {way} {}", Packet::of(self))
    }
}

/// Bytes of a frame that are kept: an advert with a dozen IPv6 addresses.
pub const SNAP_LENGTH: usize = 256;

/// Frames kept: an hour of adverts at one a second, five minutes at a hundred; at most 12 MiB.
const KEPT_FRAMES: usize = 32_768;

/// Frames shown when a test fails.
const SHOWN: usize = 120;
