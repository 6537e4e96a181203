//! Signals: SIGHUP reloads, SIGTERM and SIGINT stop, and so does SIGUSR1, which is how HAProxy is
//! asked to end gently. SIGUSR2 opens log files anew. SIGALRM would end a process that doesn't catch
//! it, and does nothing here. SIGPIPE is ignored by Rust's start-up.

use std::io;

use tokio::signal::unix;
use tokio::signal::unix::SignalKind;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Read the configuration again.
    Reload,
    /// Open log files anew.
    Reopen,
    /// Stop; the second one: now.
    Stop,
}

/// The signals that are caught.
pub(super) struct Signals {
    hangup: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
    gentle: unix::Signal,
    reopen: unix::Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(super) fn catch() -> io::Result<Self> {
        // A signal that was caught once is never deadly again.
        drop(unix::signal(SignalKind::alarm())?);
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            gentle: unix::signal(SignalKind::user_defined1())?,
            reopen: unix::signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one. May be cancelled without losing any.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.gentle.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.reopen.recv() => Signal::Reopen,
        }
    }
}
