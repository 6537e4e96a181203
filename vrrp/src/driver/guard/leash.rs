//! The daemon's side: starts the guard and another one when it dies, and keeps the page.
//!
//! All of it is for one thread, whose descriptor table gets the pipe. Starting a process blocks
//! its parent until the child has executed its program, which on a busy host takes longer than an
//! advert may be late; so a short-lived thread does that, in the same descriptor table.

mod patience;

use std::io::{self, PipeReader};
use std::mem;
use std::num::NonZeroU8;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::process::{Child, Command, ExitStatus};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use self::patience::Patience;
use super::judge;
use super::page::{Page, Report};
use super::stamp::Stamp;
use crate::driver::GuardCommand;
use crate::plan::{Plan, PlanTooLong};

/// The daemon's end of the leash. Dropping it without [`Leash::close`] is a death to the guard: it
/// gives everything up.
#[derive(Debug)]
pub struct Leash {
    page: Page,
    file: OwnedFd,
    command: Option<GuardCommand>,
    /// What the guard gets as its end.
    reader: PipeReader,
    /// Nothing is written; that it is open says that the daemon lives.
    writer: OwnedFd,
    guard: Guard,
    patience: Patience,
    replaced: u64,
    /// The absence was told and has not ended.
    is_absence_told: bool,
    /// An act lasts that another thread does.
    is_in_act: bool,
    /// Since when a revocation waits for the guard to end its sweep.
    sweeping_since: Option<Instant>,
}

/// The process, as far as it is known.
#[derive(Debug)]
enum Guard {
    /// None is wanted, or none before that.
    Absent { until: Option<Instant> },
    /// A thread starts it.
    Starting(JoinHandle<io::Result<Running>>),
    /// Not even such a thread could be had.
    Failed(io::Error),
    /// It runs. `is_ready`: it has said so.
    Running { running: Running, since: Instant, is_ready: bool },
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Readable once it has ended.
    pidfd: OwnedFd,
}

/// What becomes of the guard, for people.
#[derive(Debug)]
pub enum Notice {
    /// Another one is ready in place of one that died.
    Replaced,
    /// There is none, and it is tried again and again.
    Absent(AbsentError),
}

/// Why there is no guard.
#[derive(Debug, thiserror::Error)]
pub enum AbsentError {
    /// It couldn't be started.
    #[error("cannot start it")]
    Start(#[source] io::Error),
    /// It ended before it was ready.
    #[error("it ended at its start: {0}; its reason is on standard error")]
    Ended(ExitStatus),
    /// It didn't become ready, and was killed.
    #[error("it was not ready within {READY_PATIENCE:?}")]
    Late,
}

/// The guard took the daemon's leave away: it holds nothing any more and is to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the guard has taken the addresses away")]
pub struct Revoked;

impl Leash {
    /// Makes page and pipe, and starts the guard if there is to be one. `limit`: how long the
    /// thread may be silent. `realtime`: the guard's priority under `SCHED_FIFO`, if it gets it.
    ///
    /// # Errors
    /// The kernel's reason why page or pipe can't be made. That the guard can't be started is told
    /// by [`Leash::tend`].
    pub fn new(
        command: Option<GuardCommand>,
        limit: Duration,
        realtime: Option<NonZeroU8>,
    ) -> io::Result<Self> {
        let (page, file) = Page::create(limit, realtime)?;
        let (reader, writer) = io::pipe()?;
        let writer = closed_first(writer.into());
        let until = command.as_ref().map(|_| Instant::now());
        let mut leash = Self {
            page,
            file,
            command,
            reader,
            writer,
            guard: Guard::Absent { until },
            patience: Patience::default(),
            replaced: 0,
            is_absence_told: false,
            is_in_act: false,
            sweeping_since: None,
        };
        leash.start();
        Ok(leash)
    }

    /// Says that the thread runs. To be called in each turn, and at least every [`Leash::pace`].
    pub fn beat(&self) {
        self.page.beat(Stamp::now());
    }

    /// Longest time between two beats.
    #[must_use]
    pub fn pace(&self) -> Duration {
        judge::pause(self.page.limit())
    }

    /// Changes how long the thread may be silent.
    pub fn set_limit(&self, limit: Duration) {
        self.beat();
        self.page.set_limit(limit);
    }

    /// Changes the priority that the guard asks for under `SCHED_FIFO`; none: scheduled as usual.
    pub fn set_realtime(&self, priority: Option<NonZeroU8>) {
        self.page.set_realtime(priority);
    }

    /// Tells the guard what to give up from now on. To be called before anything is taken and
    /// after it was given up; a death in between leaves the plan before.
    ///
    /// # Errors
    /// [`PlanTooLong`], with the plan before still in force; [`check`](crate::plan::check) foretells it.
    pub fn publish(&self, plan: &Plan) -> Result<(), PlanTooLong> {
        self.beat();
        self.page.publish(plan)
    }

    /// The guard took the leave away, and it wasn't acknowledged yet.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.page.lease().is_revoked
    }

    /// Acts on behalf of an active router: an advert, an announcement. Beginning and end are beats.
    /// If the guard takes the leave away meanwhile, which it does only if the act takes longer than
    /// the limit, it stays at it until the act is over, and [`Leash::is_revoked`] says so
    /// afterwards.
    ///
    /// # Errors
    /// [`Revoked`], without having acted.
    pub fn act<R>(&self, act: impl FnOnce() -> R) -> Result<R, Revoked> {
        if !self.page.begin_act(Stamp::now()) {
            return Err(Revoked);
        }
        let outcome = act();
        if !self.is_in_act {
            self.page.end_act(Stamp::now());
        }
        Ok(outcome)
    }

    /// Begins an act that lasts while this thread goes on: addresses that another one puts on
    /// interfaces.
    ///
    /// # Errors
    /// [`Revoked`]: it must not begin.
    pub fn begin(&mut self) -> Result<(), Revoked> {
        self.is_in_act = self.is_in_act || self.page.begin_act(Stamp::now());
        if self.is_in_act { Ok(()) } else { Err(Revoked) }
    }

    /// What was begun is over, if anything was.
    pub fn end(&mut self) {
        if mem::take(&mut self.is_in_act) {
            self.page.end_act(Stamp::now());
        }
    }

    /// Asks for a new leave, once everything is given up and an empty plan is published. Not yet,
    /// while the guard is still removing what it found: then [`Leash::tend`] and ask again. A guard
    /// that takes longer than a second is killed and replaced.
    pub fn acknowledge(&mut self, now: Instant) -> bool {
        let is_alone = matches!(self.guard, Guard::Absent { .. } | Guard::Failed(_));
        if self.page.acknowledge(Stamp::now(), is_alone) {
            self.sweeping_since = None;
            return true;
        }
        let since = *self.sweeping_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= SWEEP_PATIENCE {
            if let Guard::Running { running, .. } = &mut self.guard {
                running.kill();
            }
            self.sweeping_since = Some(now);
        }
        false
    }

    /// Readable when the guard has ended: then [`Leash::tend`].
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.guard {
            Guard::Running { running, .. } => Some(running.pidfd.as_fd()),
            Guard::Absent { .. } | Guard::Starting(_) | Guard::Failed(_) => None,
        }
    }

    /// When [`Leash::tend`] has something to do at the latest.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        match &self.guard {
            Guard::Absent { until } => *until,
            Guard::Failed(_) => Some(now),
            Guard::Starting(_) | Guard::Running { is_ready: false, .. } => Some(now + START_LOOK),
            Guard::Running { is_ready: true, .. } => None,
        }
    }

    /// Looks after the guard: starts one if there is none, and learns what became of it. Never
    /// blocks.
    pub fn tend(&mut self, now: Instant) -> Option<Notice> {
        match mem::replace(&mut self.guard, Guard::Absent { until: None }) {
            Guard::Absent { until } if until.is_some_and(|until| now >= until) => {
                self.start();
                None
            }
            Guard::Starting(starting) if starting.is_finished() => match join(starting) {
                Ok(running) => {
                    self.guard = Guard::Running { running, since: now, is_ready: false };
                    None
                }
                Err(error) => self.miss(now, Duration::ZERO, AbsentError::Start(error)),
            },
            Guard::Failed(error) => self.miss(now, Duration::ZERO, AbsentError::Start(error)),
            Guard::Running { running, since, is_ready } => {
                self.look_at(running, since, is_ready, now)
            }
            same @ (Guard::Absent { .. } | Guard::Starting(_)) => {
                self.guard = same;
                None
            }
        }
    }

    /// What became of a guard that was started.
    fn look_at(
        &mut self,
        mut running: Running,
        since: Instant,
        is_ready: bool,
        now: Instant,
    ) -> Option<Notice> {
        let lived = now.saturating_duration_since(since);
        if let Some(exit) = running.exit() {
            self.page.forget_guard();
            if !is_ready {
                return self.miss(now, lived, AbsentError::Ended(exit));
            }
            self.replaced += 1;
            self.wait(now, lived);
            return None;
        }
        let is_ready_now = is_ready || self.page.report().ready == Some(running.child.id());
        let is_late = !is_ready_now && lived >= READY_PATIENCE;
        if is_late {
            running.kill();
        }
        self.guard = Guard::Running { running, since, is_ready: is_ready_now };
        if is_late {
            return self.tell(AbsentError::Late);
        }
        if is_ready || !is_ready_now {
            return None;
        }
        let was_missed = mem::replace(&mut self.is_absence_told, false) || self.replaced > 0;
        was_missed.then_some(Notice::Replaced)
    }

    /// What the guard says of itself, and what guards have done since the page was made.
    #[must_use]
    pub fn report(&self) -> Report {
        self.page.report()
    }

    /// How many guards died after they had been ready.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Sends the guard away without touching anything: everything has been given up. Blocks until
    /// it has ended, a second at most.
    pub fn close(self) {
        let Self { page, guard, writer, .. } = self;
        page.close();
        drop(writer);
        let running = match guard {
            Guard::Running { running, .. } => Ok(running),
            Guard::Starting(starting) => join(starting),
            Guard::Absent { .. } | Guard::Failed(_) => return,
        };
        let Ok(mut running) = running else { return };
        let timeout = PollTimeout::try_from(CLOSE_PATIENCE).unwrap_or(PollTimeout::MAX);
        // However the wait ends, the process is to be gone.
        let _ = poll(&mut [PollFd::new(running.pidfd.as_fd(), PollFlags::POLLIN)], timeout);
        running.kill();
        let _ = running.child.wait();
    }

    fn start(&mut self) {
        let Some(command) = &self.command else { return };
        let starting = prepare(command, &self.file, &self.reader).and_then(|command| {
            let builder = thread::Builder::new().name("halb-leash".to_owned());
            builder.stack_size(START_STACK).spawn(move || spawn(command))
        });
        self.guard = starting.map_or_else(Guard::Failed, Guard::Starting);
    }

    /// There is no guard now: another one is tried after a while.
    fn miss(&mut self, now: Instant, lived: Duration, why: AbsentError) -> Option<Notice> {
        self.wait(now, lived);
        self.tell(why)
    }

    fn wait(&mut self, now: Instant, lived: Duration) {
        self.guard = Guard::Absent { until: Some(now + self.patience.after(lived)) };
    }

    /// An absence is told once.
    fn tell(&mut self, why: AbsentError) -> Option<Notice> {
        let is_told = mem::replace(&mut self.is_absence_told, true);
        (!is_told).then_some(Notice::Absent(why))
    }
}

impl Running {
    /// How it ended, if it has.
    fn exit(&mut self) -> Option<ExitStatus> {
        // An error can't be: nobody else waits for this child.
        self.child.try_wait().ok().flatten()
    }

    fn kill(&mut self) {
        // It has not been waited for, so this can't hit another process, and it can't fail but
        // for one that has ended.
        let _ = self.child.kill();
    }
}

/// The same with a number above those of other descriptors. When a thread dies, the kernel closes
/// what it has in the order of numbers, the highest first; and a packet socket takes it tens of
/// milliseconds, as it waits until no processor looks at it any more (`synchronize_net`).
fn closed_first(fd: OwnedFd) -> OwnedFd {
    // Beyond the limit of descriptors it keeps its number, and a death is told a little later.
    fcntl_dupfd_cloexec(&fd, HIGH).unwrap_or(fd)
}

/// A command with page and pipe where the guard expects them. They are inherited by no other
/// process: every other descriptor, and the pipe's other end above all, closes at an exec.
fn prepare(command: &GuardCommand, file: &OwnedFd, reader: &PipeReader) -> io::Result<Command> {
    let mut prepared = Command::new(&command.program);
    prepared.args(&command.arguments);
    prepared.stdin(file.try_clone()?).stdout(reader.try_clone()?);
    Ok(prepared)
}

fn spawn(mut command: Command) -> io::Result<Running> {
    let mut child = command.spawn()?;
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Running { child, pidfd }),
        Err(errno) => {
            child.kill().and_then(|()| child.wait())?;
            Err(errno.into())
        }
    }
}

fn join(starting: JoinHandle<io::Result<Running>>) -> io::Result<Running> {
    starting.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))
}

/// Above the descriptors of a thread with hundreds of sockets, below the usual limit of 1,024.
const HIGH: RawFd = 1000;

/// Stack of the thread that starts the process: a fork in shared memory, no more.
const START_STACK: usize = 128 << 10;

/// Time between two looks at a guard that is starting.
const START_LOOK: Duration = Duration::from_millis(20);

/// How long it may take a guard to become ready.
const READY_PATIENCE: Duration = Duration::from_secs(5);

/// How long a sweep may take after the daemon runs again. It takes milliseconds, unless the guard
/// was stopped.
const SWEEP_PATIENCE: Duration = Duration::from_secs(1);

/// How long a guard that is sent away may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
