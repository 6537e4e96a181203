//! The guard itself: a process with one thread, which waits for the daemon to die or freeze.

mod giving_up;

use std::io;
use std::num::NonZeroU8;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{chdir, setsid};

use self::giving_up::Hands;
use super::judge::{Judge, Look, Verdict};
use super::page::{OpenError, Page};
use super::stamp::Stamp;
use crate::driver::punctual;
use crate::plan::Plan;

/// Why the guard can't take up its post.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Standard input and output aren't what the daemon gives it.
    #[error(
        "the guard is started by the daemon, which gives it a page of memory and a pipe as \
         standard input and output; it does nothing when started by hand"
    )]
    ByHand(#[source] Option<io::Error>),
    /// The program was replaced while the daemon ran.
    #[error("the daemon that starts this guard is of another version; restart it")]
    Version,
    /// Without netlink it could remove no address.
    #[error("the guard could remove no address")]
    Netlink(#[source] io::Error),
}

/// Guards the daemon that started this process, until that ends: the body of a hidden command of
/// the binary. Standard input is the shared page, standard output the reading end of the pipe whose
/// other end the daemon holds; on standard error may be written.
///
/// # Errors
/// [`GuardError`], at the start only.
pub fn run() -> Result<(), GuardError> {
    Guard::take_up()?.watch();
    Ok(())
}

struct Guard {
    page: Page,
    pipe: OwnedFd,
    hands: Hands,
    judge: Judge,
    /// The priority that it has asked for last.
    realtime: Option<NonZeroU8>,
    /// The plan that the hands are ready for.
    prepared: Option<u64>,
    /// What the daemon held when it lost its leave. When it runs again it publishes something else,
    /// maybe before this is done.
    to_sweep: Option<Plan>,
    /// The adverts of priority 0 went out, and the daemon hasn't taken up anything since. Sent
    /// over and over they would keep a backup waiting.
    has_taken_leave: bool,
}

impl Guard {
    fn take_up() -> Result<Self, GuardError> {
        // Whoever stops a daemon signals its group, its session or its terminal; the guard is to
        // be there after it. It can lead a session already only if started by hand.
        let _ = setsid();
        let _ = SigSet::all().thread_block();
        // The name is for people; the directory shall not be kept from being unmounted.
        let _ = prctl::set_name(c"halb-guard");
        let _ = chdir("/");
        let page = Page::open(io::stdin().as_fd()).map_err(|error| match error {
            OpenError::Map(error) => GuardError::ByHand(Some(error)),
            OpenError::Layout => GuardError::Version,
        })?;
        let pipe = pipe().map_err(|error| GuardError::ByHand(Some(error)))?;
        let pipe = pipe.ok_or(GuardError::ByHand(None))?;
        // Nothing else was handed down by a daemon of ours; before Linux 5.9 that must do.
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let kept = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd(), pipe.as_fd()];
        let _ = punctual::own_descriptors(&kept);
        let hands = Hands::new().map_err(|error| GuardError::Netlink(io::Error::other(error)))?;

        let _ = prctl::set_timerslack(1);
        let lock = punctual::lock_memory();
        let judge = Judge::new(Stamp::now(), page.lease());
        let mut guard = Self {
            page,
            pipe,
            hands,
            judge,
            realtime: None,
            prepared: None,
            to_sweep: None,
            has_taken_leave: false,
        };
        guard.follow_schedule();
        guard.page.tell_ready(std::process::id(), lock);
        Ok(guard)
    }

    fn watch(mut self) {
        loop {
            let look = self.look();
            if !look.lease.is_revoked {
                self.to_sweep = None;
                self.has_taken_leave = false;
            }
            match self.judge.judge(&look) {
                Verdict::Wait { until } => {
                    self.prepare();
                    self.follow_schedule();
                    self.is_alive(until.since(Stamp::now()));
                }
                Verdict::Revoke => {
                    // A daemon that published another plan in between has beaten, too.
                    let plan = self.page.plan();
                    if self.page.revoke(look.lease) {
                        self.page.tell_revocation();
                        self.to_sweep = plan;
                    }
                }
                Verdict::Sweep => {
                    let plan = self.to_sweep.clone().or_else(|| self.page.plan());
                    let is_done = plan.is_some_and(|plan| self.give_up(plan, SWEEP_ROUNDS));
                    if is_done && !look.lease.is_acting {
                        self.page.mark_swept();
                    }
                }
                Verdict::Release => {
                    // A dead daemon publishes nothing that could keep its plan from being read.
                    let plans = self.to_sweep.take().into_iter().chain(self.page.plan());
                    for plan in plans.collect::<Vec<_>>() {
                        self.give_up(plan, RELEASE_ROUNDS);
                    }
                    return;
                }
                Verdict::Leave => return,
            }
        }
    }

    fn look(&self) -> Look {
        // In this order: who closes in good order says so before the pipe hangs up.
        let is_alive = self.is_alive(Duration::ZERO);
        Look {
            now: Stamp::now(),
            is_alive,
            is_closing: self.page.is_closing(),
            is_holding: self.page.is_holding(),
            lease: self.page.lease(),
            limit: self.page.limit(),
        }
    }

    /// Whether the other end of the pipe is open; waits for its close.
    fn is_alive(&self, wait: Duration) -> bool {
        let mut pipe = [PollFd::new(self.pipe.as_fd(), PollFlags::empty())];
        // An error can only come from a lack of kernel memory; then it looks again.
        let closed = ppoll(&mut pipe, Some(wait.into()), None).is_ok_and(|count| count > 0);
        !closed
    }

    /// Gets ready for the plan in force, so that a release has nothing to open.
    fn prepare(&mut self) {
        let generation = self.page.generation();
        if self.prepared != Some(generation)
            && let Some(plan) = self.page.plan()
        {
            self.hands.prepare(&plan);
            self.prepared = Some(generation);
        }
    }

    /// Asks for the scheduling that the daemon orders.
    fn follow_schedule(&mut self) {
        let wanted = self.page.realtime();
        if self.realtime == wanted {
            return;
        }
        self.realtime = wanted;
        let outcome = wanted.map_or_else(
            || {
                punctual::schedule_as_usual();
                Ok(())
            },
            punctual::schedule,
        );
        self.page.tell_scheduling(outcome);
    }

    /// Gives everything up that a plan names. False: an address remained.
    fn give_up(&mut self, mut plan: Plan, rounds: u32) -> bool {
        let begun = Stamp::now();
        if std::mem::replace(&mut self.has_taken_leave, true) {
            plan.farewells.clear();
        }
        let undone = self.hands.give_up(&plan, rounds);
        self.page.tell_sweep(Stamp::now().since(begun), undone.farewells + undone.addresses);
        undone.addresses == 0
    }
}

/// Standard output, if that is a pipe.
fn pipe() -> io::Result<Option<OwnedFd>> {
    let pipe = io::stdout().as_fd().try_clone_to_owned()?;
    let kind = SFlag::from_bits_truncate(fstat(&pipe).map_err(|errno: Errno| errno)?.st_mode);
    Ok((kind & SFlag::S_IFMT == SFlag::S_IFIFO).then_some(pipe))
}

/// Tries of whatever fails for a daemon that stands still; the judge asks for more.
const SWEEP_ROUNDS: u32 = 4;

/// Tries for a daemon that is dead: for about ten seconds.
const RELEASE_ROUNDS: u32 = 60;
