//! The handle to running checks.

use tokio::sync::{mpsc, oneshot};

use super::Driver;
use super::event::{EVENTS_MAX, Event};
use crate::config::Target;
use crate::status::TargetStatus;

/// Running checks. Cheap to clone; they end with [`Checks::shutdown`] or with the last handle.
#[derive(Clone)]
pub struct Checks {
    requests: mpsc::Sender<Request>,
    failed_connects: mpsc::Sender<Box<str>>,
}

pub(super) enum Request {
    Command(Command),
    Shutdown(oneshot::Sender<()>),
}

/// Each with where its answer goes; for a bool: whether there is such a target.
pub(super) enum Command {
    Apply(Vec<Target>, Vec<TargetStatus>, oneshot::Sender<()>),
    Pause(String, oneshot::Sender<bool>),
    Resume(String, oneshot::Sender<bool>),
    Status(oneshot::Sender<Vec<TargetStatus>>),
}

/// Commands that wait: operators and scrapes come one by one, and a full queue makes them wait.
const REQUESTS_MAX: usize = 64;

/// Failed connects that wait. What doesn't fit is dropped: those that wait say the same.
const FAILED_CONNECTS_MAX: usize = 256;

impl Checks {
    /// Starts with no targets, on the current tokio runtime (which needs I/O and time). `seed`
    /// decides how checks are spread in time; take it from a clock or the like, so that two
    /// balancers don't check in step.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(seed: u64) -> (Self, mpsc::Receiver<Event>) {
        let (requests, request_queue) = mpsc::channel(REQUESTS_MAX);
        let (failed_connects, failed_queue) = mpsc::channel(FAILED_CONNECTS_MAX);
        let (events, event_queue) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(Driver::new(seed, request_queue, failed_queue, events).run());
        (Self { requests, failed_connects }, event_queue)
    }

    /// These are the targets from now on; returns when that is so. Kept ids keep verdict, counters
    /// and maintenance; new ones tell their first verdict as an event.
    pub async fn apply(&self, targets: Vec<Target>) {
        self.apply_with(targets, Vec::new()).await;
    }

    /// As [`Checks::apply`]; a new target that is among `kept` goes on where other checks left it.
    pub async fn apply_with(&self, targets: Vec<Target>, kept: Vec<TargetStatus>) {
        let _ = self.ask(|done| Command::Apply(targets, kept, done)).await;
    }

    /// A client's connect to this server failed: its next check comes forward, at a bounded rate.
    /// Never waits; may be called on any thread, as often as connects fail.
    pub fn connect_failed(&self, id: &str) {
        // Full: enough of them wait. Closed: nothing is checked any more.
        let _ = self.failed_connects.try_send(id.into());
    }

    /// Maintenance: no checks until [`Checks::resume`]. False if there is no such target.
    pub async fn pause(&self, id: &str) -> bool {
        self.ask(|known| Command::Pause(id.to_owned(), known)).await.unwrap_or(false)
    }

    /// Maintenance ends: the health is as before the first answer, so that by default one failure
    /// takes the server down, and a check comes at once. False if there is no such target.
    pub async fn resume(&self, id: &str) -> bool {
        self.ask(|known| Command::Resume(id.to_owned(), known)).await.unwrap_or(false)
    }

    /// All targets in the order of the configuration; empty after a shutdown.
    pub async fn status(&self) -> Vec<TargetStatus> {
        self.ask(Command::Status).await.unwrap_or_default()
    }

    /// Ends all checks, scripts included; returns when that is so. Events end after it.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        if self.requests.send(Request::Shutdown(done)).await.is_ok() {
            // An error means the same: it has ended.
            let _ = ended.await;
        }
    }

    /// None after a shutdown.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.requests.send(Request::Command(command(sender))).await.ok()?;
        answer.await.ok()
    }
}
