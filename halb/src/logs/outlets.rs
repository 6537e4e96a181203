//! Where logs go: the standard error, and whatever else the configuration names.

use std::io;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use halb_config::settings::{AccessTo, Log, LogFormat, Syslog};
use halb_lb::snapshot::ConnectionRecord;
use thiserror::Error;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;

use super::datagrams::{Datagrams, END, Target};
use super::file::Reopener;
use super::journal::ToJournal;
use super::sink::Framing;
use super::syslog::{Dialect, Sender, Severity};
use super::{Sink, file, journal, record};

/// Why a log can't be written.
#[derive(Debug, Error)]
pub enum OutletError {
    /// No thread or no socket.
    #[error("can't start the log to {to}")]
    NotStarted {
        /// Where it was to go.
        to: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The access log's file.
    #[error("can't write the access log to {} ([log] access)", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// All places that lines go to.
#[derive(Clone)]
pub struct Outlets {
    stderr: Sink,
    journal: Option<ToJournal>,
    syslog: Option<ToSyslog>,
    file: Option<(Sink, Reopener)>,
}

/// A way to syslog.
#[derive(Clone)]
pub struct ToSyslog {
    sink: Sink,
    sender: Arc<Sender>,
}

/// Where lines of the access log go.
#[derive(Clone)]
pub enum AccessOutlet {
    /// As they are.
    Lines(Sink),
    /// As messages.
    Syslog(ToSyslog),
    /// As entries with fields.
    Journal(ToJournal),
}

impl Outlets {
    /// Opens all that `log` names.
    ///
    /// # Errors
    /// [`OutletError`].
    pub fn open(log: &Log) -> Result<Self, OutletError> {
        let not_started = |to: &str| {
            let to = to.to_owned();
            move |source| OutletError::NotStarted { to, source }
        };
        let stderr = Sink::stderr().map_err(not_started("the standard error"))?;
        // Who asked for JSON reads lines.
        let journal = if log.format == LogFormat::Text && journal::is_stderr() {
            let opened = ToJournal::open(journal::SOCKET.as_ref(), log.facility);
            opened.map_err(not_started("the journal"))?
        } else {
            None
        };
        let syslog = log.syslog.as_ref().filter(|to| !is_journal(to));
        let syslog = syslog.map(|to| ToSyslog::open(to, log.facility)).transpose()?;
        let file = match &log.access_to {
            AccessTo::File(path) => {
                let opened = file::open(path)
                    .map_err(|source| OutletError::File { path: path.clone(), source })?;
                let (file, reopener) = opened;
                let sink = Sink::new(file, Framing::lines());
                Some((sink.map_err(not_started("a file"))?, reopener))
            }
            AccessTo::Stderr | AccessTo::Syslog => None,
        };
        Ok(Self { stderr, journal, syslog, file })
    }

    /// The standard error.
    #[must_use]
    pub fn stderr(&self) -> &Sink {
        &self.stderr
    }

    /// The journal, if the standard error leads there.
    #[must_use]
    pub fn journal(&self) -> Option<ToJournal> {
        self.journal.clone()
    }

    /// Syslog, if the configuration names one.
    #[must_use]
    pub fn syslog(&self) -> Option<ToSyslog> {
        self.syslog.clone()
    }

    /// Where the access log goes.
    #[must_use]
    pub fn access(&self, to: &AccessTo) -> AccessOutlet {
        match (to, &self.syslog, &self.file) {
            (AccessTo::Syslog, Some(syslog), _) => AccessOutlet::Syslog(syslog.clone()),
            (AccessTo::File(_), _, Some((sink, _))) => AccessOutlet::Lines(sink.clone()),
            (AccessTo::Stderr | AccessTo::Syslog | AccessTo::File(_), _, _) => {
                match &self.journal {
                    Some(journal) => AccessOutlet::Journal(journal.clone()),
                    None => AccessOutlet::Lines(self.stderr.clone()),
                }
            }
        }
    }

    /// Lines dropped so far, everywhere.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.sinks().map(Sink::dropped).fold(0, u64::saturating_add)
    }

    /// Waits until all is written, at most `patience` for each place.
    pub fn flush(&self, patience: Duration) {
        for sink in self.sinks() {
            sink.flush(patience);
        }
    }

    /// Goes on in a new file where the old one was moved away.
    ///
    /// # Errors
    /// The file can't be opened; lines go where they went before.
    pub fn reopen(&self) -> Result<(), OutletError> {
        let Some((_, reopener)) = &self.file else { return Ok(()) };
        let path = reopener.path().to_owned();
        reopener.reopen().map_err(|source| OutletError::File { path, source })
    }

    fn sinks(&self) -> impl Iterator<Item = &Sink> {
        let journal = self.journal.as_ref().map(ToJournal::sink);
        let syslog = self.syslog.as_ref().map(|syslog| &syslog.sink);
        let file = self.file.as_ref().map(|(sink, _)| sink);
        [Some(&self.stderr), journal, syslog, file].into_iter().flatten()
    }
}

/// Whether the journal has everything that would be sent there.
fn is_journal(to: &Syslog) -> bool {
    match to {
        Syslog::Udp(_) => false,
        Syslog::Local(path) => journal::is_syslog(path),
    }
}

impl ToSyslog {
    fn open(to: &Syslog, facility: u8) -> Result<Self, OutletError> {
        let (target, dialect) = match to {
            Syslog::Udp(address) => (Target::Udp(*address), Dialect::Rfc5424),
            Syslog::Local(path) => (Target::Local(path.clone()), Dialect::Local),
        };
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let host = host.unwrap_or_default();
        let sender = Arc::new(Sender { facility, dialect, host, pid: process::id() });
        let of_losses = Arc::clone(&sender);
        let note = move |words: &str| framed(&of_losses, Severity::Warning, "event", words);
        let framing = Framing { end: END, note: Box::new(note) };
        let sink = Datagrams::to(&target).and_then(|datagrams| Sink::new(datagrams, framing));
        let sink =
            sink.map_err(|source| OutletError::NotStarted { to: target.to_string(), source })?;
        Ok(Self { sink, sender })
    }

    fn send(&self, severity: Severity, kind: &str, text: &str) {
        self.sink.push(&framed(&self.sender, severity, kind, text));
    }
}

/// A message of this moment, its end included.
fn framed(sender: &Sender, severity: Severity, kind: &str, text: &str) -> Vec<u8> {
    let mut when = String::new();
    // Writing to a String can't fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut when));
    let mut message = sender.message(severity, &when, kind, text).into_bytes();
    message.push(END);
    message
}

impl<S: Subscriber> Layer<S> for ToSyslog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let severity = record::severity(*event.metadata().level());
        self.send(severity, "event", &record::text(event));
    }
}

impl AccessOutlet {
    /// Takes the line of `record`, its end included; `head` is the length of its time of day.
    pub fn push(&self, line: &str, head: usize, record: &ConnectionRecord) {
        match self {
            Self::Journal(journal) => journal.access(line.get(head..).unwrap_or(line), record),
            Self::Lines(sink) => sink.push(line.as_bytes()),
            Self::Syslog(syslog) => {
                let text = line.get(head..).unwrap_or(line);
                syslog.send(Severity::Informational, "access", text);
            }
        }
    }
}
