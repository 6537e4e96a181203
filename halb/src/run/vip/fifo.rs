//! The FIFO in which changes are told in keepalived's format, a line each:
//!
//! ```text
//!  INSTANCE "VI_1" MASTER 100
//!  GROUP "gateway" MASTER 0
//! ```
//!
//! What nobody reads waits in the kernel, which keeps 64 KiB of it; what doesn't fit is left out,
//! counted and told in the status. Writing never waits, and nobody needs to listen.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tracing::{info, warn};

use super::hooks::Change;
use crate::status::vrrp::NotifyFifo;

/// The end that changes are written to.
#[derive(Debug, Default)]
pub(super) struct Fifo {
    /// None: it can't be opened.
    pipe: Option<Pipe>,
    /// None: none is configured.
    told: Option<NotifyFifo>,
}

#[derive(Debug)]
struct Pipe {
    path: PathBuf,
    file: File,
    /// It wasn't there before.
    is_own: bool,
}

impl Fifo {
    /// From now on changes are told there. None: nowhere.
    pub(super) fn configure(&mut self, path: Option<&Path>) {
        let text = path.map(|path| path.display().to_string());
        let is_same = self.told.as_ref().map(|told| &told.path) == text.as_ref();
        if is_same && (self.pipe.is_some() || text.is_none()) {
            return;
        }
        self.pipe = None;
        self.told = text.map(|path| NotifyFifo { path, ..NotifyFifo::default() });
        let (Some(path), Some(told)) = (path, &mut self.told) else { return };
        match Pipe::open(path) {
            Ok(pipe) => self.pipe = Some(pipe),
            Err(error) => {
                let path = path.display();
                warn!(%path, %error, "changes aren't told in the FIFO: it can't be opened");
                told.error = Some(format!("it can't be opened: {error}"));
            }
        }
    }

    /// What has become of it.
    pub(super) fn told(&self) -> Option<&NotifyFifo> {
        self.told.as_ref()
    }

    /// Tells a change of a virtual router, or of a group. Returns at once.
    pub(super) fn tell(&mut self, change: &Change) {
        let state = change.to.keepalived();
        let line = match &change.group {
            None => line("INSTANCE", &change.instance, state, change.priority),
            Some(group) => line("GROUP", group, state, 0),
        };
        self.write(&line);
    }

    fn write(&mut self, line: &str) {
        let Some(told) = &mut self.told else { return };
        // Less than PIPE_BUF goes in as a whole or not at all.
        let error = match self.pipe.as_mut().map(|pipe| pipe.file.write(line.as_bytes())) {
            Some(Ok(_)) => {
                if told.error.take().is_some() {
                    info!(lost = told.lost, "the FIFO has room again for changes of virtual IPs");
                }
                return;
            }
            Some(Err(error)) => Some(format!("nobody reads it ({error})")),
            None => None,
        };
        told.lost = told.lost.saturating_add(1);
        if let Some(error) = error.filter(|_| told.error.is_none()) {
            warn!(path = told.path, error, "a change isn't told in the FIFO");
            told.error = Some(error);
        }
    }
}

fn line(kind: &str, name: &str, state: &str, priority: u8) -> String {
    format!("{kind} \"{name}\" {state} {priority}\n")
}

impl Pipe {
    fn open(path: &Path) -> io::Result<Self> {
        let is_own = match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP) {
            Ok(()) => true,
            Err(nix::Error::EEXIST) => false,
            Err(error) => return Err(error.into()),
        };
        // With a reading end of its own it opens without a reader, and never gets SIGPIPE.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
        if !file.metadata()?.file_type().is_fifo() {
            return Err(io::Error::other("it is no FIFO"));
        }
        Ok(Self { path: path.to_owned(), file, is_own })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if self.is_own {
            // As keepalived does it; whoever reads has it open.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
