//! What a program takes of the machine: processor time and memory, as the kernel counts them.
//!
//! A program is a process with its children and theirs. Processor time is the scheduler's own
//! count in nanoseconds (proc(5), `schedstat`): it has no ticks, and it has the work that the
//! kernel does in the name of a thread, which for a proxy is most of it. Memory is PSS: pages that
//! n processes share count as 1/n.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Why it isn't known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read: the process has ended, or belongs to someone else.
    #[error("{} can't be read", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A file has another form than the kernel's documentation says.
    #[error("{} doesn't say what it should", path.display())]
    Form {
        /// Its path.
        path: PathBuf,
    },
}

/// Processor time that a program has taken so far, in user mode and in the kernel. Threads and
/// children that have ended aren't in it.
///
/// # Errors
/// [`Error`].
pub fn processor_time(pid: u32) -> Result<Duration, Error> {
    let mut total = 0_u64;
    for process in family(pid)? {
        for task in tasks(process)? {
            let path = task.join("schedstat");
            // A thread may end between the list and the look.
            let Ok(text) = read(&path) else { continue };
            total += text.split(' ').next().and_then(number).ok_or(Error::Form { path })?;
        }
    }
    Ok(Duration::from_nanos(total))
}

/// Memory that a program holds, in bytes (PSS).
///
/// # Errors
/// [`Error`].
pub fn memory(pid: u32) -> Result<u64, Error> {
    let mut total = 0;
    for process in family(pid)? {
        let path = PathBuf::from(format!("/proc/{process}/smaps_rollup"));
        let text = read(&path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| number(line.trim().trim_end_matches(" kB")));
        total += kib.ok_or(Error::Form { path })? * 1024;
    }
    Ok(total)
}

/// A process, its children and theirs.
fn family(pid: u32) -> Result<Vec<u32>, Error> {
    let mut family = vec![pid];
    let mut known = HashSet::from([pid]);
    let mut next = 0;
    while let Some(process) = family.get(next).copied() {
        next += 1;
        for task in tasks(process)? {
            let text = read(&task.join("children")).unwrap_or_default();
            let children = text.split_whitespace().filter_map(|child| child.parse().ok());
            // A child that ended meanwhile has no tasks; the list of its parent is older than that.
            let alive = children.filter(|child| Path::new(&format!("/proc/{child}")).exists());
            family.extend(alive.filter(|child| known.insert(*child)).take(FAMILY_MAX));
        }
    }
    Ok(family)
}

fn tasks(pid: u32) -> Result<Vec<PathBuf>, Error> {
    let path = PathBuf::from(format!("/proc/{pid}/task"));
    let listed = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let listed = listed.map_err(|source| Error::Unreadable { path, source })?;
    Ok(listed.into_iter().map(|entry| entry.path()).collect())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.into(), source })
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Children of one thread that are looked at. None of the programs has so many.
const FAMILY_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::{process, process::Command, time::Instant};

    use halb_lab::Process;

    use super::*;

    #[test]
    fn time_that_a_thread_takes_is_counted_to_its_process() {
        let before = processor_time(process::id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while processor_time(process::id()).unwrap() < before + Duration::from_millis(20) {
            assert!(Instant::now() < deadline, "the looks themselves take time");
        }
    }

    #[test]
    fn children_count_with_their_parent() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & sleep 60 & echo started; wait"]);
        let parent = Process::spawn(command).unwrap();
        parent.wait_for_line("started", Duration::from_secs(20)).unwrap();
        assert_eq!(family(parent.pid()).unwrap().len(), 3);
        let memory = memory(parent.pid()).unwrap();
        assert!(memory > 100_000, "{memory}");
    }

    #[test]
    fn a_process_that_is_gone_is_an_error_with_its_path() {
        let process = Process::spawn(Command::new("true")).unwrap();
        let pid = process.pid();
        process.wait(Duration::from_secs(20)).unwrap();
        drop(process);
        let error = processor_time(pid).unwrap_err().to_string();
        assert_eq!(error, format!("/proc/{pid}/task can't be read"));
    }
}
