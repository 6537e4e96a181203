//! The thread of the virtual routers: how it comes up and how it ends.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::engine::{Engine, Start, words};
use super::guard::Leash;
use super::handle::Board;
use super::ledger::Ledger;
use super::mailbox::{Answer, Mailbox, answer};
use super::outbox::{self, Outbox};
use super::ownership::Tagging;
use super::release::{Released, release_as};
use super::{
    DriverNotice, Event, GuardCommand, Handle, Options, StartError, Stopped, punctual, realtime,
};
use crate::plan;
use crate::settings::Settings;

/// The thread as whoever started it sees it. Dropping it ends the thread at once.
#[derive(Debug)]
pub(super) struct Running {
    handle: Handle,
    /// Disconnected once the thread has ended.
    ended: Mutex<Receiver<()>>,
}

/// How long the thread may take to come up: it asks the kernel a few dozen questions.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// How long the thread may take to end once its time is up: what it holds is removed in
/// milliseconds, and its guard goes within a second.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Starts it in the network namespace of the calling thread, and waits until it is ready.
pub(super) fn start(
    settings: Settings,
    options: Options,
    tagging: Tagging,
) -> Result<(Handle, Running), StartError> {
    plan::check(&settings)?;
    let Options { guard, events, run_dir, inherits } = options;
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let bell = EventFd::from_flags(flags).map_err(kernel("cannot make an eventfd"))?;
    let bell = Arc::new(bell);
    let mailbox = Arc::new(Mailbox::default());
    let mut outbox = outbox::open(events).map_err(kernel("cannot start a thread for events"))?;
    if !inherits {
        tidy_up(&settings, &run_dir, tagging, &mut outbox);
    }
    let (ledger, listed) = Ledger::open(&run_dir, settings.clone(), tagging);
    if let Err(error) = listed {
        fail(&mut outbox, &error);
    }
    let (ready, board) = answer();
    let (end, ended) = mpsc::channel();
    let (mailbox_there, bell_there) = (Arc::clone(&mailbox), Arc::clone(&bell));
    let given =
        Given { settings, guard, outbox, mailbox: mailbox_there, bell: bell_there, inherits };
    let builder = thread::Builder::new().name("halb-vrrp".to_owned()).stack_size(realtime::STACK);
    let spawned = builder.spawn(move || {
        // Dropped last of all, however this ends.
        let _end = end;
        run(given, ready);
    });
    spawned.map_err(kernel("cannot start the thread of the virtual routers"))?;
    let board = board.wait_until(Instant::now() + READY_WITHIN);
    let board = board.map_err(|_| StartError::NotReady)??;
    let handle = Handle { mailbox, bell, board, ledger: Arc::new(ledger) };
    Ok((handle.clone(), Running { handle, ended: Mutex::new(ended) }))
}

/// Takes away what an earlier life has left behind, before anything could be taken for its own.
fn tidy_up(settings: &Settings, run_dir: &Path, tagging: Tagging, outbox: &mut Outbox) {
    match release_as(settings, run_dir, tagging) {
        Ok(Released { addresses, problems, .. }) => {
            for (interface, address) in addresses {
                let notice = DriverNotice::LeftoverRemoved { interface, address };
                outbox.tell(Event::Driver(notice));
            }
            problems.iter().for_each(|problem| fail(outbox, problem));
        }
        // What keeps the kernel from answering keeps the thread from starting, which says so.
        Err(error) => fail(outbox, &error),
    }
}

fn fail(outbox: &mut Outbox, error: &dyn std::error::Error) {
    let what = words(error);
    outbox.tell(Event::Driver(DriverNotice::Failed { instance: None, what }));
}

/// What the thread takes along.
struct Given {
    settings: Settings,
    guard: Option<GuardCommand>,
    outbox: Outbox,
    mailbox: Arc<Mailbox>,
    bell: Arc<EventFd>,
    inherits: bool,
}

/// Whoever waits for an answer learns that none comes, however the thread ends.
struct Closing(Arc<Mailbox>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn run(given: Given, ready: Answer<Result<Arc<Board>, StartError>>) {
    let _closing = Closing(Arc::clone(&given.mailbox));
    match open(given) {
        Ok(mut engine) => {
            ready.give(Ok(engine.board()));
            engine.run();
        }
        Err(error) => ready.give(Err(error)),
    }
}

fn open(given: Given) -> Result<Engine, StartError> {
    let Given { settings, guard, outbox, mailbox, bell, inherits } = given;
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    // The standard streams stay: a panic is written there, and a socket with one of their numbers
    // would get what it writes.
    let kept = [input.as_fd(), output.as_fd(), error.as_fd(), bell.as_fd()];
    punctual::own_descriptors(&kept)
        .map_err(kernel("cannot give the thread of the virtual routers its own descriptors"))?;
    // The number of the bell belongs to the other threads, which may close it in their table.
    let bell = bell.as_fd().try_clone_to_owned();
    let bell = bell.map_err(kernel("cannot copy an eventfd"))?;
    let guarded = guard.is_some();
    let leash = Leash::new(guard, settings.freeze_limit(), settings.realtime);
    let leash = leash.map_err(kernel("cannot make what the guard is kept by"))?;
    Engine::open(Start { settings, leash, guarded, outbox, mailbox, bell, inherits })
}

fn kernel<E: Into<io::Error>>(what: &str) -> impl FnOnce(E) -> StartError {
    let what = what.to_owned();
    move |error| StartError::Kernel { what, source: error.into() }
}

impl Running {
    /// Hands over and ends it.
    pub(super) fn stop(self, patience: Duration) -> Stopped {
        self.end(patience)
    }

    fn end(&self, patience: Duration) -> Stopped {
        let by = Instant::now() + patience;
        self.handle.mailbox.stop(by);
        self.handle.ring();
        let ended = self.ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match ended.recv_timeout(patience + END_WITHIN) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Stopped::Done,
            Err(RecvTimeoutError::Timeout) => Stopped::Stuck,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests;
