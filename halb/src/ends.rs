//! What ends a program in a terminal from outside: the demo, and `halb top`.

use std::io;
use std::time::Duration;

use tokio::signal::unix;
use tokio::signal::unix::SignalKind;
use tokio::time;
use tokio::time::Instant;

/// The end of its time, and the signals that end a program in a terminal.
pub(crate) struct Ends {
    deadline: Option<Instant>,
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

impl Ends {
    pub(crate) fn catch(seconds: Option<u32>) -> io::Result<Self> {
        let length = seconds.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Self {
            deadline: length.map(|length| Instant::now() + length),
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hangup: unix::signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first of them. May be cancelled and called again.
    pub(crate) async fn come(&mut self) {
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            () = time::sleep_until(self.deadline.unwrap_or(far)), if self.deadline.is_some() => {}
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
