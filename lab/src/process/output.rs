//! What a process says: the newest lines, bounded, and waiting for one of them.

use std::{
    collections::VecDeque,
    io::{self, Read},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Lines of one process, shared by the reader thread and those who wait.
#[derive(Debug, Default)]
pub(super) struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    /// Lines said before the first kept one.
    forgotten: u64,
    /// Bytes of a line that isn't complete yet.
    partial: Vec<u8>,
    /// Nobody holds the writing end of the pipe any more.
    closed: bool,
    leader_ended: bool,
}

impl Output {
    /// Takes in everything until the pipe is closed by all who write to it.
    pub(super) fn read_from(&self, mut pipe: impl Read) {
        let mut buffer = [0; 4096];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    self.lines().take(&buffer[..length]);
                    self.changed.notify_all();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let mut lines = self.lines();
        lines.end_line_if_any();
        lines.closed = true;
        self.changed.notify_all();
    }

    /// The leader of the group is gone; its children may hold the pipe open, or say more.
    pub(super) fn leader_ended(&self) {
        self.lines().leader_ended = true;
        self.changed.notify_all();
    }

    pub(super) fn count(&self) -> u64 {
        self.lines().count()
    }

    pub(super) fn text(&self) -> String {
        let lines = self.lines();
        let mut text = String::new();
        if lines.forgotten > 0 {
            text = format!("({} lines before)\n", lines.forgotten);
        }
        for line in &lines.kept {
            text.push_str(line);
            text.push('\n');
        }
        text + &String::from_utf8_lossy(&lines.partial)
    }

    /// The first line after `mark` lines that contains `pattern`; none when the time is up or when
    /// the process has ended without it.
    pub(super) fn find_after(&self, mark: u64, pattern: &str, deadline: Instant) -> Option<String> {
        let mut seen = mark;
        let mut lines = self.lines();
        loop {
            if let Some(line) = lines.after(seen).find(|line| line.contains(pattern)) {
                return Some(line.clone());
            }
            seen = seen.max(lines.count());
            let mut left = deadline.saturating_duration_since(Instant::now());
            if lines.leader_ended {
                // Its last lines may still be in the pipe; what its children hold open isn't
                // waited for.
                left = left.min(LAST_WORDS);
            }
            if lines.closed || left.is_zero() {
                return None;
            }
            let ended_before = lines.leader_ended;
            let (next, timeout) =
                self.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner);
            lines = next;
            if timeout.timed_out() && ended_before {
                let line = lines.after(seen).find(|line| line.contains(pattern));
                return line.cloned();
            }
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // Each change is complete before the next call; a panic elsewhere spoils nothing.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else {
                self.partial.push(byte);
                if self.partial.len() >= LINE_LIMIT {
                    self.end_line();
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        if self.kept.len() == KEPT_LINES {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.kept.push_back(line);
    }

    fn end_line_if_any(&mut self) {
        if !self.partial.is_empty() {
            self.end_line();
        }
    }

    fn count(&self) -> u64 {
        self.forgotten + u64::try_from(self.kept.len()).expect("a count of lines fits 64 bits")
    }

    fn after(&self, mark: u64) -> impl Iterator<Item = &String> {
        let skip = usize::try_from(mark.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        self.kept.iter().skip(skip)
    }
}

/// Lines kept of one process: enough to see what led to a failure; at most 8 MiB with the next.
const KEPT_LINES: usize = 2048;

/// Bytes in a line before it is cut in two, so that a process that never ends one grows nothing.
const LINE_LIMIT: usize = 4096;

/// How long after the end of a process its last lines may take through the pipe.
const LAST_WORDS: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn lines_are_split_counted_and_found_after_a_mark() {
        let output = Output::default();
        output.read_from(&b"one\ntwo\none again"[..]);
        assert_eq!(output.count(), 3);
        assert_eq!(output.find_after(0, "one", soon()).as_deref(), Some("one"));
        assert_eq!(output.find_after(1, "one", soon()).as_deref(), Some("one again"));
        assert_eq!(output.find_after(3, "one", soon()), None, "closed without it: no waiting");
    }

    #[test]
    fn only_the_newest_lines_are_kept_and_marks_still_count_from_the_first() {
        let output = Output::default();
        let said = 3 * KEPT_LINES;
        let text: String = (0..said).map(|n| format!("line {n}.\n")).collect();
        output.read_from(text.as_bytes());
        assert_eq!(output.count(), u64::try_from(said).unwrap());
        assert_eq!(output.find_after(0, "line 0.", soon()), None);
        let last = u64::try_from(said - 1).unwrap();
        assert_eq!(output.find_after(last, "line", soon()), Some(format!("line {last}.")),);
        assert!(output.text().starts_with(&format!("({} lines before)", said - KEPT_LINES)));
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_bytes_that_are_no_text_are_shown_as_such() {
        let output = Output::default();
        output.read_from(vec![0xff; LINE_LIMIT + 1].as_slice());
        assert_eq!(output.count(), 2);
        assert!(output.text().contains('\u{fffd}'));
    }
}
