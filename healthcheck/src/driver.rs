//! Runs a [`Fleet`] on tokio: starts probes, keeps time, takes commands, tells events.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};

use crate::config::Target;
use crate::fleet::{Action, Fleet, ProbeId};
use crate::outcome::Outcome;
use crate::probe::{Prober, Progress, Shared};
use crate::status::TargetStatus;

mod event;
mod handle;

pub use event::{EVENTS_MAX, Event};
pub use handle::Checks;

use event::Outbox;
use handle::{Command, Request};

/// Everything the task owns.
struct Driver {
    fleet: Fleet,
    /// What is kept between the checks of a target; an entry per target that has been checked.
    probers: HashMap<String, Arc<Prober>>,
    /// Running probes; the fleet bounds them.
    running: HashMap<ProbeId, Running>,
    tasks: JoinSet<(ProbeId, Outcome)>,
    shared: Shared,
    requests: mpsc::Receiver<Request>,
    /// Ids of targets that clients failed to connect to.
    failed_connects: mpsc::Receiver<Box<str>>,
    outbox: Outbox,
}

struct Running {
    task: task::AbortHandle,
    progress: Arc<Progress>,
    timeout: Duration,
}

impl Driver {
    fn new(
        seed: u64,
        requests: mpsc::Receiver<Request>,
        failed_connects: mpsc::Receiver<Box<str>>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            fleet: Fleet::new(seed),
            probers: HashMap::new(),
            running: HashMap::new(),
            tasks: JoinSet::new(),
            shared: Shared::new(),
            requests,
            failed_connects,
            outbox: Outbox::new(events),
        }
    }

    /// Until it is told to shut down or the last handle goes.
    async fn run(mut self) {
        loop {
            self.act();
            let timeout = self.fleet.poll_timeout();
            tokio::select! {
                // Answers first: one that is there must not be taken for a missed deadline.
                biased;
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                request = self.requests.recv() => match request {
                    Some(Request::Command(command)) => self.obey(command),
                    Some(Request::Shutdown(done)) => {
                        self.tasks.shutdown().await;
                        // Who asked may have gone.
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                () = self.outbox.flush(), if self.outbox.is_waiting() => {}
                () = tokio::time::sleep_until(timeout.unwrap_or_else(now).into()),
                    if timeout.is_some() => self.fleet.handle_timeout(now()),
                Some(id) = self.failed_connects.recv() => {
                    self.fleet.handle_connect_failed(now(), &id);
                }
            }
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.fleet.poll_action() {
            match action {
                Action::StartProbe { probe, target, .. } => self.start(probe, target),
                Action::ExpireProbe(probe) => self.expire(probe),
                Action::AbortProbe(probe) => {
                    if let Some(running) = self.running.remove(&probe) {
                        running.task.abort();
                    }
                }
                Action::Changed(change) => self.outbox.push(Event::Changed(change)),
                Action::Moved(change) => self.outbox.push(Event::Moved(change)),
            }
        }
    }

    fn start(&mut self, probe: ProbeId, target: Arc<Target>) {
        let prober = match self.probers.get(&target.id) {
            Some(prober) if prober.serves(&target) => prober.clone(),
            Some(_) | None => {
                let prober = Arc::new(Prober::new(target.clone(), self.shared.clone()));
                self.probers.insert(target.id.clone(), prober.clone());
                prober
            }
        };
        let progress = Arc::new(Progress::default());
        let timeout = target.check.pace.timeout;
        let task = self.tasks.spawn({
            let progress = progress.clone();
            async move { (probe, prober.run(&progress, timeout).await) }
        });
        self.running.insert(probe, Running { task, progress, timeout });
    }

    fn expire(&mut self, probe: ProbeId) {
        let outcome = match self.running.remove(&probe) {
            Some(running) => {
                running.task.abort();
                running.progress.timed_out(running.timeout)
            }
            None => Outcome::inconclusive("the probe has gone"),
        };
        self.fleet.handle_outcome(now(), probe, outcome);
    }

    fn ended(&mut self, ended: Result<(task::Id, (ProbeId, Outcome)), JoinError>) {
        match ended {
            Ok((_, (probe, outcome))) => {
                self.running.remove(&probe);
                self.fleet.handle_outcome(now(), probe, outcome);
            }
            // One that panicked is our fault, not the server's; aborted ones are gone already.
            Err(error) => {
                let probe = self.running.iter().find(|(_, run)| run.task.id() == error.id());
                if let Some(probe) = probe.map(|(probe, _)| *probe) {
                    self.running.remove(&probe);
                    let outcome = Outcome::inconclusive(&format!("the probe broke: {error}"));
                    self.fleet.handle_outcome(now(), probe, outcome);
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = now();
        // Who asked may have gone, so that nobody takes the answer.
        let _ = match command {
            Command::Apply(targets, kept, done) => {
                self.apply(targets, &kept);
                done.send(()).is_ok()
            }
            Command::Pause(id, known) => known.send(self.fleet.pause(now, &id)).is_ok(),
            Command::Resume(id, known) => known.send(self.fleet.resume(now, &id)).is_ok(),
            Command::Status(status) => status.send(self.fleet.status(now)).is_ok(),
        };
    }

    fn apply(&mut self, targets: Vec<Target>, kept: &[TargetStatus]) {
        self.fleet.apply_with(now(), targets, kept);
        self.probers.retain(|id, _| self.fleet.contains(id));
        self.outbox.retain(|id| self.fleet.contains(id));
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
