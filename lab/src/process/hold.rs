//! Threads that stand still while the rest of their process runs: a program that hangs and doesn't
//! know it. SIGSTOP can't do that; it stops all of them.
//!
//! A tracer (ptrace(2)) can. What it traces is bound to the thread that traces, so that one waits
//! here until the hold is over. The kernel lets go of everything when that thread ends, however it
//! ends.

use std::{
    fs, io,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use nix::{
    errno::Errno,
    sys::{
        ptrace,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

use super::{Error, Process};

/// Threads of a process that stand still until this is dropped.
///
/// To be dropped before the process is ended: a thread that is held can't be buried, and its
/// process stays until then.
#[derive(Debug)]
pub struct Held {
    /// Closed to let go.
    release: Option<mpsc::Sender<()>>,
    holder: Option<JoinHandle<()>>,
    names: Vec<String>,
}

impl Process {
    /// Stops the threads whose names are wanted, and returns when they stand still.
    ///
    /// The kernel cuts names of threads to 15 bytes.
    ///
    /// # Errors
    /// [`Error::Hold`] when there is no such thread, or the system lets nobody trace it.
    pub fn hold_threads(&self, wanted: impl Fn(&str) -> bool) -> Result<Held, Error> {
        let failed = |source| Error::Hold { program: self.shared.program.clone(), source };
        let threads = threads(self.pid(), wanted).map_err(failed)?;
        let (names, ids): (Vec<_>, Vec<_>) = threads.into_iter().unzip();
        if ids.is_empty() {
            return Err(failed(io::Error::other("it has no thread of that name")));
        }
        let (report, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let hold = move || {
            let outcome = ids.iter().try_for_each(|id| stop(*id));
            let is_held = outcome.is_ok();
            // Whoever asked waits for it below.
            let _ = report.send(outcome);
            if is_held {
                // An error is the drop of the other end: the sign to let go.
                let _: Result<(), _> = released.recv();
            }
            for id in ids {
                // One that is gone needs it no more.
                let _ = ptrace::detach(id, None);
            }
        };
        let holder = thread::Builder::new().name("holder".to_owned()).spawn(hold);
        let held = Held { release: Some(release), holder: Some(holder.map_err(failed)?), names };
        let outcome = begun.recv().unwrap_or(Err(Errno::EIO));
        outcome.map_err(|errno| failed(errno.into()))?;
        Ok(held)
    }
}

impl Held {
    /// The names of the threads.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(holder) = self.holder.take()
            && holder.join().is_err()
        {
            eprintln!("the holder of threads panicked");
        }
    }
}

/// Names and ids of the wanted threads of a process.
fn threads(process: u32, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<(String, Pid)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let path = entry?.path();
        // One that has just ended has no name any more.
        let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
        let id = path.file_name().and_then(|id| id.to_str()?.parse().ok());
        if let Some(id) = id.filter(|_| wanted(name.trim_end())) {
            found.push((name.trim_end().to_owned(), Pid::from_raw(id)));
        }
    }
    Ok(found)
}

/// Stops one thread, and waits until it stands still.
fn stop(id: Pid) -> nix::Result<()> {
    ptrace::seize(id, ptrace::Options::empty())?;
    ptrace::interrupt(id)?;
    loop {
        match waitpid(id, Some(WaitPidFlag::__WALL)) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
