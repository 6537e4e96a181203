//! What a process costs: processor time and memory, with all that it has started (proc(5)).

use std::{fs, io, ops::AddAssign, path::Path, time::Duration};

use super::Process;

/// What a process and its descendants have used, or use at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor of all threads that live, in user and kernel mode, as the scheduler
    /// counts it, to the nanosecond. A thread takes its time along when it ends: the difference of
    /// two readings is exact for a program whose threads stay.
    pub cpu: Duration,
    /// Memory of its own in bytes: anonymous, and its share of shared memory. Pages of files, its
    /// program's among them, are the kernel's to keep or drop; how many of them are mapped depends
    /// on how the file came into the cache: since Linux 6.18 a fault maps whole large folios, which
    /// made the same program 3.5 MB or 9.8 MB.
    pub memory: u64,
    /// Threads that live.
    pub threads: usize,
    /// Open descriptors.
    pub descriptors: usize,
    /// Processes that the figures are of; a supervisor, its workers and guards count.
    pub processes: usize,
}

impl Process {
    /// What it and its descendants have used so far; processes in groups of their own count too.
    ///
    /// # Errors
    /// When the process has ended, or `/proc` can't be read.
    pub fn usage(&self) -> io::Result<Usage> {
        let mut family = vec![self.pid()];
        let parents = parents()?;
        // Each round looks for children of those who were found last; a process has one parent, so
        // none is counted twice and there is an end.
        let mut looked_at = 0;
        while let Some(&parent) = family.get(looked_at) {
            family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            looked_at += 1;
        }
        let mut sum = usage_of(self.pid())?;
        for pid in &family[1..] {
            // One that has just ended costs nothing any more.
            if let Ok(usage) = usage_of(*pid) {
                sum += usage;
            }
        }
        Ok(sum)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.threads += other.threads;
        self.descriptors += other.descriptors;
        self.processes += other.processes;
    }
}

/// The figures of one process.
fn usage_of(pid: u32) -> io::Result<Usage> {
    let proc = format!("/proc/{pid}");
    let mut usage = Usage { processes: 1, ..Usage::default() };
    for thread in fs::read_dir(format!("{proc}/task"))? {
        let schedstat = thread?.path().join("schedstat");
        // A thread that ends between listing and reading counts no more than one that has ended.
        let Ok(text) = fs::read_to_string(schedstat) else { continue };
        usage.cpu += Duration::from_nanos(number(text.split(' ').next(), &proc)?);
        usage.threads += 1;
    }
    usage.memory = memory(Path::new(&proc))?;
    usage.descriptors = fs::read_dir(format!("{proc}/fd"))?.count();
    Ok(usage)
}

fn memory(proc: &Path) -> io::Result<u64> {
    let path = proc.join("smaps_rollup");
    let text = fs::read_to_string(&path)?;
    let kibibytes = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let word = line.and_then(|line| line.split_whitespace().next());
        number(word, &path.display().to_string())
    };
    Ok((kibibytes("Pss_Anon:")? + kibibytes("Pss_Shmem:")?) * 1024)
}

fn number(text: Option<&str>, of: &str) -> io::Result<u64> {
    let number = text.and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| io::Error::other(format!("{of} isn't as proc(5) says")))
}

/// Each process of this machine with its parent.
fn parents() -> io::Result<Vec<(u32, u32)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // The name in parentheses may hold anything; after it come state and parent.
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest);
        let parent = rest.and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        found.extend(parent.map(|parent| (pid, parent)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::eventually;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn(command).unwrap()
    }

    #[test]
    fn a_process_that_works_uses_the_processor_and_one_that_waits_does_not() {
        let busy = shell("while :; do :; done");
        eventually("time is used", SOON, || {
            let usage = busy.usage().unwrap();
            if usage.cpu >= Duration::from_millis(20) { Ok(()) } else { Err(usage) }
        });
        let idle = shell("exec sleep 600");
        let usage = eventually("the shell has become the sleeper", SOON, || {
            let name = fs::read_to_string(format!("/proc/{}/comm", idle.pid())).unwrap();
            if name == "sleep\n" { Ok(idle.usage().unwrap()) } else { Err(name) }
        });
        assert!(usage.memory > 0 && usage.descriptors > 2, "{usage:?}");
        assert_eq!((usage.processes, usage.threads), (1, 1));
    }

    #[test]
    fn what_a_process_has_started_counts_also_from_groups_of_its_own() {
        let process = shell("setsid sh -c 'sleep 600; :' & wait");
        eventually("shell, session and sleeper", SOON, || {
            let processes = process.usage().unwrap().processes;
            if processes == 3 { Ok(()) } else { Err(processes) }
        });
        // The group alone is killed with the process; the session is nobody else's to end.
        let family = parents().unwrap();
        let children_of =
            |pid| family.iter().find(|(_, parent)| *parent == pid).map(|(pid, _)| *pid);
        let session = children_of(process.pid()).unwrap();
        let session = nix::unistd::Pid::from_raw(i32::try_from(session).unwrap());
        nix::sys::signal::killpg(session, nix::sys::signal::Signal::SIGKILL).unwrap();
    }

    #[test]
    fn a_process_that_has_ended_has_no_usage() {
        let process = shell("exit 0");
        process.wait(SOON).unwrap();
        let error = process.usage().map(|usage| usage.memory);
        assert!(error.is_err(), "{error:?}");
    }
}
