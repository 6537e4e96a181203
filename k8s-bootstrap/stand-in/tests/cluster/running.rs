//! Commands of the operator's: how they ended, and those under way.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

/// How a command of halb ended, and all that it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

/// A run under way. It is killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    /// The file of what it says.
    output: PathBuf,
}

impl Running {
    pub(crate) fn new(child: Child, output: PathBuf) -> Self {
        Self { child, output }
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Whether it has come to an end of its own.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Kills it, which it can't notice.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let _reaped = self.child.wait();
    }

    /// Waits for its end.
    pub(crate) fn finish(&mut self) -> Said {
        let code = self.child.wait().unwrap().code();
        Said { code, text: self.text() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
