//! Progress where the operator looks: lines on a pipe, and on a terminal a picture below them.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

use halb_k8s_bootstrap::plan::Plan;
use halb_k8s_bootstrap::progress::{Event, Progress};

/// Size that is assumed of a terminal that doesn't tell.
const SIZE: (usize, usize) = (80, 24);

/// Standard error, with the run as it stands.
pub(super) struct Screen<'a> {
    progress: Progress<'a>,
    terminal: bool,
    /// Lines of the picture that is shown.
    shown: usize,
}

impl<'a> Screen<'a> {
    pub(super) fn new(plan: &'a Plan, now: Instant) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = io::stderr().is_terminal() && !dumb;
        Self { progress: Progress::new(plan, now), terminal, shown: 0 }
    }

    /// Takes in what happened.
    pub(super) fn take(&mut self, event: &Event, now: Instant) {
        if let Some(line) = self.progress.take(event, now) {
            self.note(&line);
            self.paint(now);
        }
    }

    /// A line that stays.
    pub(super) fn note(&mut self, line: &str) {
        let text = format!("{}{line}\n", self.erase());
        self.write(&text);
    }

    /// Shows the picture as it is now.
    pub(super) fn paint(&mut self, now: Instant) {
        if !self.terminal {
            return;
        }
        let (columns, lines) = size();
        // One column and one line less, so that nothing wraps or scrolls.
        let picture =
            self.progress.picture(now, columns.saturating_sub(1), lines.saturating_sub(1));
        let erase = self.erase();
        self.shown = picture.len();
        let text: String = picture.iter().map(|line| format!("{line}\n")).collect();
        self.write(&format!("{erase}{text}"));
    }

    /// Takes the picture away.
    pub(super) fn close(&mut self) {
        let erase = self.erase();
        self.write(&erase);
    }

    /// What takes the picture away: up to its first line, and everything from there on.
    fn erase(&mut self) -> String {
        match std::mem::take(&mut self.shown) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }

    /// Nobody may be left to read it.
    fn write(&self, text: &str) {
        let mut out = io::stderr().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        Ok(_) | Err(_) => SIZE,
    }
}
