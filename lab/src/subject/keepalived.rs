//! keepalived's VRRP, from Debian's package.

use std::{
    collections::BTreeSet,
    fs,
    ops::Deref,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Error, Place, Program, STARTING, Subject};
use crate::process::Signal;

/// A keepalived that runs: a process that supervises and its child that speaks VRRP.
#[derive(Debug)]
pub struct Keepalived(Subject);

/// What it says of its first virtual router.
#[derive(Clone, Debug)]
pub struct Report(Value);

/// Starts keepalived with the given configuration file and waits until it has read it.
///
/// It stays in the foreground, logs to its output, and keeps its pid and report files in its own
/// directory, so that several run side by side.
///
/// # Errors
/// [`Error`]; a configuration that it rejects is an ended process with keepalived's own words.
pub fn keepalived(place: &dyn Place, configuration: &str) -> Result<Keepalived, Error> {
    let program = PROGRAM.find()?;
    let (directory, file) = PROGRAM.configured(CONFIGURATION, configuration)?;
    let mut command = Command::new(program);
    command
        .args(["--dont-fork", "--vrrp", "--log-console", "--log-detail", "--no-syslog"])
        .arg("--use-file")
        .arg(file)
        .arg("--pid")
        .arg(directory.path().join("keepalived.pid"))
        .arg("--vrrp_pid")
        .arg(directory.path().join(CHILD))
        // Where it puts its reports.
        .env("TMPDIR", directory.path());
    let subject = Subject { process: place.spawn(command)?, directory };
    subject.process.wait_for_line("Startup complete", STARTING)?;
    Ok(Keepalived(subject))
}

impl Keepalived {
    /// Has it read another configuration, and waits until it has.
    ///
    /// # Errors
    /// [`Error`].
    pub fn reload(&self, configuration: &str) -> Result<(), Error> {
        let file = self.directory().join(CONFIGURATION);
        fs::write(file, configuration).map_err(Self::unreadable)?;
        let mark = self.line_count();
        self.signal(Signal::SIGHUP)?;
        self.wait_for_line_after(mark, "Reload complete", STARTING)?;
        Ok(())
    }

    /// Has it write what it knows, and reads it.
    ///
    /// # Errors
    /// [`Error::Files`], or [`Error::Asking`] when it writes nothing.
    pub fn report(&self) -> Result<Report, Error> {
        let reports = self.directory().join("keepalived.json");
        let pid = fs::read_to_string(self.directory().join(CHILD)).map_err(Self::unreadable)?;
        // What an earlier question left would be taken for the answer.
        let _ = fs::remove_file(&reports);
        // The signal is a real-time one, which has no name that is the same everywhere.
        let asked = Command::new("kill").arg(format!("-{ASK}")).arg(pid.trim()).status();
        asked.map_err(Self::unreadable)?;
        let deadline = Instant::now() + STARTING;
        loop {
            // Half a file is no JSON yet.
            let text = fs::read(&reports).unwrap_or_default();
            if let Ok(all) = serde_json::from_slice::<Value>(&text)
                && let Some(first) = all.get(0)
            {
                return Ok(Report(first.clone()));
            }
            if Instant::now() >= deadline {
                let reason = String::from_utf8_lossy(&text).into_owned();
                return Err(Error::Asking { program: PROGRAM.name, reason });
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn unreadable(source: std::io::Error) -> Error {
        Error::Files { program: PROGRAM.name, source }
    }
}

impl Report {
    /// Whether it holds the addresses.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.0["data"]["state"] == MASTER
    }

    /// Its priority at the time, trackers included.
    #[must_use]
    pub fn priority(&self) -> Option<u64> {
        self.0["data"]["effective_priority"].as_u64()
    }

    /// A counter by the name that it has in the report, such as `advert_rcvd`.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.0["stats"][name].as_u64()
    }

    /// The names in a part of the report, `data` or `stats`.
    #[must_use]
    pub fn names(&self, part: &str) -> BTreeSet<String> {
        self.0[part].as_object().into_iter().flat_map(|part| part.keys().cloned()).collect()
    }

    /// The counters of adverts that it found fault with and that aren't zero.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, u64)> {
        let fault = |name: &str| {
            let told = ["advert_rcvd", "advert_sent", "become_master", "release_master"];
            !told.contains(&name) && !name.starts_with("pri_zero")
        };
        let counters = self.0["stats"].as_object().into_iter().flatten();
        counters
            .filter(|(name, _)| fault(name))
            .filter_map(|(name, value)| Some((name.clone(), value.as_u64()?)))
            .filter(|(_, value)| *value > 0)
            .collect()
    }
}

impl Deref for Keepalived {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.0
    }
}

const PROGRAM: Program = Program { name: "keepalived", install: "apt-get install keepalived" };

const CONFIGURATION: &str = "keepalived.conf";

/// Where the child that speaks VRRP says its process id.
const CHILD: &str = "vrrp.pid";

/// What `keepalived --signum=JSON` says on Linux: `SIGRTMIN` + 2.
const ASK: u8 = 36;

/// Its number for that state.
const MASTER: u64 = 2;

const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
