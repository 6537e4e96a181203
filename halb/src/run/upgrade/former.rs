//! What a daemon still does after it was replaced, and what the one that replaced it knows of it.
//!
//! Each knows one other: the daemon before it, and the one after it. A report holds what those
//! before told, so that the newest daemon knows them all, and its counters lack nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use halb_lb::driver::Hurry;
use tokio::sync::OwnedMutexGuard;
use tracing::{debug, info};

use super::super::daemon::Daemon;
use super::state;
use super::wire::Wire;
use super::words::{ToNew, ToOld};

/// From one report to the next; so old are figures of a former daemon at most.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// From one look at what might have to be told to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The daemon that was replaced, as the one that did so hears of it.
#[derive(Debug)]
pub(in crate::run) struct Former {
    wire: Wire,
}

impl Former {
    pub(super) fn new(wire: Wire) -> Self {
        Self { wire }
    }

    /// Listens to it on a thread of its own, until it has ended.
    pub(in crate::run) fn follow(mut self, daemon: Arc<Daemon>) -> io::Result<()> {
        daemon.upgrades.former_begins();
        let body = move || {
            while self.turn(&daemon) {}
            daemon.upgrades.former_ended();
            info!("the former daemon has ended");
        };
        thread::Builder::new().name("halb-former".to_owned()).spawn(body).map(drop)
    }

    /// False: it has ended.
    fn turn(&mut self, daemon: &Daemon) -> bool {
        let told = daemon.upgrades.to_tell(|| state::standings(&daemon.engine.snapshot()));
        for word in told {
            if self.wire.send(&word, None).is_err() {
                return false;
            }
        }
        match self.wire.receive::<ToNew>(Instant::now() + LOOK_EVERY) {
            Ok(Some(ToNew::Report(report))) => daemon.upgrades.learn(*report),
            Ok(Some(word)) => debug!(?word, "the former daemon says more than is understood"),
            Ok(None) => {}
            Err(error) => {
                debug!(%error, "nothing more comes from the former daemon");
                return false;
            }
        }
        true
    }
}

/// What is left of a daemon that has given everything away.
pub(in crate::run) struct Given {
    pub(super) wire: Wire,
    /// Keeps others from reloading what no longer serves.
    pub(super) alone: OwnedMutexGuard<()>,
}

/// Tells the new daemon how the last connections are, on a thread of its own.
pub(in crate::run) struct Reporter {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Reporter {
    /// Connections are reset at `deadline`, or before if the new daemon was told to stop.
    pub(in crate::run) fn start(
        given: Given,
        daemon: Arc<Daemon>,
        hurry: Hurry,
        deadline: Instant,
    ) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ended);
        let body = move || report(given, &daemon, &hurry, deadline, &is_over);
        let thread = thread::Builder::new().name("halb-reporter".to_owned()).spawn(body)?;
        Ok(Self { ended, thread })
    }

    /// All has ended; the last figures are told. Blocks for a moment.
    pub(in crate::run) fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        // A panic of it was printed.
        let _ = self.thread.join();
    }
}

fn report(given: Given, daemon: &Daemon, hurry: &Hurry, deadline: Instant, over: &AtomicBool) {
    let Given { mut wire, alone } = given;
    let _until_the_end = alone;
    let since = Instant::now();
    let mut until = deadline;
    let mut due = since;
    loop {
        let last = over.load(Ordering::Relaxed);
        let now = Instant::now();
        if now >= until {
            hurry.now();
        }
        if last || now >= due {
            due = now + REPORT_EVERY;
            let me = (!last).then(|| (now - since, until.saturating_duration_since(now)));
            let word = ToNew::Report(Box::new(daemon.report(me)));
            if wire.send(&word, None).is_err() || last {
                return wait_for_the_end(over, hurry, until);
            }
        }
        match wire.receive::<ToOld>(due.min(now + LOOK_EVERY)) {
            Ok(Some(ToOld::Standing { servers })) => state::follow(&daemon.engine, &servers),
            Ok(Some(ToOld::Stop { patience_ms })) => {
                let patience = Duration::from_millis(patience_ms);
                until = until.min(Instant::now() + patience);
                daemon.upgrades.stop_former(patience);
            }
            Ok(Some(
                ToOld::Hello { .. } | ToOld::Refused { .. } | ToOld::Ready | ToOld::Serving,
            ))
            | Ok(None) => {}
            Err(error) => {
                debug!(%error, "the new daemon no longer listens");
                return wait_for_the_end(over, hurry, until);
            }
        }
    }
}

/// Nobody listens any more; the deadline holds all the same.
fn wait_for_the_end(over: &AtomicBool, hurry: &Hurry, until: Instant) {
    while !over.load(Ordering::Relaxed) {
        if Instant::now() >= until {
            hurry.now();
        }
        thread::sleep(LOOK_EVERY);
    }
}
