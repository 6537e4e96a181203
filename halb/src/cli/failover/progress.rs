//! How a run gets on: on a terminal a line that changes, on a pipe a line for each drill.

use std::io;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use halb_bench::drill::lab::{Event, Progress as Now};
use halb_bench::drill::plan::Drill;
use halb_bench::drill::report::short;

/// It goes to standard error, so that standard output is the result alone.
pub(super) struct Progress {
    terminal: bool,
    under_way: Vec<Drill>,
    now: Now,
}

impl Progress {
    pub(super) fn start(all: usize, left: Duration) -> Self {
        let now = Now { done: 0, all, left };
        let progress = Self { terminal: io::stderr().is_terminal(), under_way: Vec::new(), now };
        progress.line(&format!("{all} drills, about {}", minutes(left)));
        progress.show();
        progress
    }

    pub(super) fn tell(&mut self, event: &Event<'_>, now: Now) {
        self.now = now;
        match event {
            Event::Begun(drill) => self.under_way.push(*drill),
            Event::Ended(played) => {
                self.under_way.retain(|drill| *drill != played.drill());
                self.line(&short(played));
            }
        }
        self.show();
    }

    pub(super) fn end(&self) {
        self.line("");
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        let clear = if self.terminal { CLEAR } else { "" };
        // Nobody may be left to read it.
        let _ = writeln!(io::stderr(), "{clear}{text}");
    }

    /// The line that changes.
    fn show(&self) {
        if !self.terminal {
            return;
        }
        let Now { done, all, left } = self.now;
        let filled = BAR * done / all.max(1);
        let bar: String = (0..BAR).map(|at| if at < filled { '#' } else { '-' }).collect();
        let under_way = self.under_way.first().map_or_else(String::new, Drill::to_string);
        let text = format!("[{bar}] {done}/{all}, {} left  {under_way}", minutes(left));
        let text: String = text.chars().take(WIDTH).collect();
        let _ = write!(io::stderr(), "{CLEAR}{text}").and_then(|()| io::stderr().flush());
    }
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

/// Characters of the bar.
const BAR: usize = 20;

/// Characters of the line, so that it stays one on the narrowest terminal.
const WIDTH: usize = 79;
