//! A place for lines that never makes its callers wait.
//!
//! ```text
//!  push ──▶ buffer (bounded) ──swap──▶ writer thread ──write──▶ stderr, a file, datagrams
//!             └ full: drop the line and count it
//! ```

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

/// Most bytes that wait for a slow reader: some ten thousand lines, a second or two of a busy
/// balancer. Twice as much memory at worst, since the writer holds a buffer of its own.
const BUFFER_LEN_MAX: usize = 1024 * 1024;

/// Pause before a reader is tried again that says "would block" (a descriptor that another process
/// made non-blocking).
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The near end; clones share one buffer.
#[derive(Clone)]
pub struct Sink {
    shared: Arc<Shared>,
}

/// Makes a line, its end included, of words.
pub type Note = Box<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// How lines end, and what is said of lost ones.
pub struct Framing {
    /// Last byte of each line.
    pub end: u8,
    /// Makes a line of what is said of them.
    pub note: Note,
}

impl Framing {
    /// Lines of text.
    #[must_use]
    pub fn lines() -> Self {
        Self { end: b'\n', note: Box::new(|words| format!("halb: {words}\n").into_bytes()) }
    }
}

struct Shared {
    framing: Framing,
    state: Mutex<State>,
    /// Lines have come, or the writer has written all.
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    /// The writer holds lines that it has not written yet.
    writing: bool,
    /// Lines dropped since the writer last said so.
    dropped_unsaid: u64,
}

impl Sink {
    /// A sink that writes to stderr.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn stderr() -> io::Result<Self> {
        Self::new(io::stderr(), Framing::lines())
    }

    /// A sink that writes to `out`.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn new(out: impl Write + Send + 'static, framing: Framing) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            framing,
            state: Mutex::default(),
            changed: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log-writer".to_owned()).spawn(move || writer.run(out))?;
        Ok(Self { shared })
    }

    /// Takes one line (its end included) or drops it; either way at once.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.shared.lock();
        if state.buffer.len().saturating_add(line.len()) > BUFFER_LEN_MAX {
            state.dropped_unsaid = state.dropped_unsaid.saturating_add(1);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.buffer.extend_from_slice(line);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Lines dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all is written, at most `patience`; tells whether it was.
    pub fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        while !state.buffer.is_empty() || state.writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// For the event log, which writes each event in one piece.
impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer thread; it ends with the process.
    fn run(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let unsaid = self.take(&mut lines);
            if unsaid > 0 {
                let note = format!("{unsaid} log lines dropped, their reader was slow");
                lines.extend_from_slice(&(self.framing.note)(&note));
            }
            let lost = write_lines(&mut out, &lines, self.framing.end);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            lines.clear();
        }
    }

    /// Waits for lines and swaps them into `lines`; returns how many were dropped before them.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        state.writing = false;
        self.changed.notify_all();
        while state.buffer.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writing = true;
        std::mem::swap(&mut state.buffer, lines);
        std::mem::take(&mut state.dropped_unsaid)
    }
}

/// Writes all it can; returns how many lines were lost because the reader is gone.
fn write_lines(out: &mut impl Write, mut lines: &[u8], end: u8) -> u64 {
    while !lines.is_empty() {
        match out.write(lines) {
            Ok(0) => break,
            Ok(written) => lines = lines.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_PAUSE),
            Err(_) => break,
        }
    }
    let lost = lines.split_inclusive(|byte| *byte == end).count();
    u64::try_from(lost).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
