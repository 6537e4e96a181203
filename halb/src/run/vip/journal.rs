//! The last transitions of the virtual routers, kept across restarts: one JSON object per line, in
//! a file that is replaced as a whole, so that no crash leaves half of one.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::status::vrrp::{State, Transition};
use crate::status::words::utc;

/// Transitions that are kept, of all virtual routers together: weeks of a healthy node, a bad
/// night of a flapping one. About 100 kB.
const ENTRIES_MAX: usize = 512;

/// Longest file that is read: what [`ENTRIES_MAX`] entries take, ten times over.
const FILE_LEN_MAX: u64 = 2 * 1024 * 1024;

/// Name of the file in the directory for state.
const FILE: &str = "vip.jsonl";

/// A transition as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// When, in milliseconds since 1970, UTC.
    pub(super) unix_ms: u64,
    /// The virtual router.
    pub(super) instance: String,
    /// The state before.
    pub(super) from: State,
    /// The state after.
    pub(super) to: State,
    /// Why, in a word.
    pub(super) reason: String,
    /// Why.
    pub(super) why: String,
    /// The priority at that time, as a sum.
    pub(super) priority: String,
}

/// The last transitions, the latest last.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: VecDeque<Entry>,
    /// So many at the front were read from the file.
    earlier: usize,
}

impl Journal {
    /// What an earlier process left. Lines that make no sense are left out: an older or newer halb
    /// may have written them.
    pub(super) fn parse(text: &str) -> Self {
        let entries = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let mut journal = Self::default();
        entries.for_each(|entry| journal.push(entry));
        journal.earlier = journal.entries.len();
        journal
    }

    /// The oldest goes where there is no room.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
            self.earlier = self.earlier.saturating_sub(1);
        }
        self.entries.push_back(entry);
    }

    /// The file's content.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            // Strings and numbers only, which JSON takes.
            if let Ok(line) = serde_json::to_string(entry) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    /// Those of one virtual router, as the status tells them.
    pub(super) fn history(&self, instance: &str, now: SystemTime) -> Vec<Transition> {
        let entries = self.entries.iter().enumerate();
        let own = entries.filter(|(_, entry)| entry.instance == instance);
        own.map(|(index, entry)| {
            let at = UNIX_EPOCH + Duration::from_millis(entry.unix_ms);
            Transition {
                at: utc(at),
                // A clock that was set back since makes it now.
                ago_seconds: now.duration_since(at).unwrap_or_default().as_secs_f64(),
                from: entry.from,
                to: entry.to,
                reason: entry.reason.clone(),
                why: entry.why.clone(),
                priority: entry.priority.clone(),
                earlier_process: index < self.earlier,
            }
        })
        .collect()
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The journal's file in the directory for state.
pub(super) fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// Reads what an earlier process left; nothing, if there is no file. May block on the disk.
///
/// # Errors
/// The directory isn't there, or the file can't be read.
pub(super) fn read(path: &Path) -> io::Result<Journal> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = path.parent().unwrap_or_else(|| Path::new("/"));
            return fs::metadata(directory).map(|_| Journal::default());
        }
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(Journal::parse(&String::from_utf8_lossy(&bytes)))
}

/// Puts `text` in the file's place. May block on the disk.
///
/// # Errors
/// It can't be written; then the old file is as it was.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let next = path.with_extension("new");
    let mut file = File::create(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Entry {
        Entry {
            unix_ms: 1_795_316_645_000 + number,
            instance: format!("VI_{}", number % 2),
            from: State::Backup,
            to: State::Active,
            reason: "silence".to_owned(),
            why: "nothing was heard for \"3.61 s\"\n".to_owned(),
            priority: "100".to_owned(),
        }
    }

    #[test]
    fn what_was_written_is_read_back_as_of_an_earlier_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path());
        let mut journal = read(&path).unwrap();
        (0..4).for_each(|number| journal.push(entry(number)));
        replace(&path, &journal.text()).unwrap();
        let mut journal = read(&path).unwrap();
        journal.push(entry(5));
        let now = UNIX_EPOCH + Duration::from_millis(1_795_316_646_005);
        let history = journal.history("VI_1", now);
        let told: Vec<_> =
            history.iter().map(|one| (one.earlier_process, one.ago_seconds)).collect();
        assert_eq!(told, [(true, 1.004), (true, 1.002), (false, 1.0)]);
        assert_eq!(history[0].at, "2026-11-22T03:04:05Z");
        assert_eq!(history[0].why, entry(0).why);
    }

    #[test]
    fn it_keeps_the_latest_and_no_more() {
        let mut journal = Journal::parse(&serde_json::to_string(&entry(0)).unwrap());
        for number in 0..2000 {
            journal.push(entry(number));
        }
        assert_eq!(journal.text().lines().count(), ENTRIES_MAX);
        let history = journal.history("VI_1", SystemTime::now());
        assert!(history.iter().all(|one| !one.earlier_process));
        assert!(u64::try_from(journal.text().len()).unwrap() < FILE_LEN_MAX / 4);
    }

    #[test]
    fn lines_that_make_no_sense_are_left_out() {
        let good = serde_json::to_string(&entry(0)).unwrap();
        let text = format!("{good}\n{{\"half\": \nnoise\n{good}");
        assert_eq!(Journal::parse(&text).entries.len(), 2);
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        let missing = file(Path::new("/nonexistent/halb"));
        assert_eq!(read(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(replace(&missing, "").is_err());
    }
}
