//! Event log and access log. Events go to stderr and, if wanted, to syslog; the access log to either
//! or to a file of its own. Whatever takes lines is behind a [`Sink`], which never makes its callers
//! wait: what a stalled reader (a full journal, a stopped `less`) can't take is dropped and counted.

pub mod access;
pub mod bound;
pub mod datagrams;
pub mod file;
pub mod limiter;
pub mod outlets;
pub mod record;
pub mod sink;
pub mod syslog;

use std::time::Duration;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt, reload};

use bound::Bound;
use halb_config::settings::{Log, LogFormat, LogLevel};
use outlets::{OutletError, Outlets};
pub use sink::Sink;

/// The log of the process.
#[derive(Clone)]
pub struct Logs {
    outlets: Outlets,
    level: reload::Handle<LevelFilter, Registry>,
    bound: Bound,
}

impl Logs {
    /// Where lines go.
    #[must_use]
    pub fn outlets(&self) -> &Outlets {
        &self.outlets
    }

    /// Takes over what can change at run time: level and bound.
    pub fn apply(&self, settings: &Log) {
        // It fails only where the event log is gone, and then nothing is logged anyway.
        let _ = self.level.reload(filter(settings.level));
        self.bound.set(settings.burst);
    }

    /// Says now and then what the bound left out. Never ends.
    pub async fn tell_what_is_left_out(self) {
        self.bound.tell().await;
    }

    /// Goes on in a new file where the access log was moved away.
    ///
    /// # Errors
    /// The file can't be opened; lines go where they went before.
    pub fn reopen(&self) -> Result<(), OutletError> {
        self.outlets.reopen()
    }

    /// Writes what there is to write, at most for `patience` at each place.
    pub fn end(&self, patience: Duration) {
        self.bound.say();
        self.outlets.flush(patience);
    }
}

/// Sends the event log of the whole process to `outlets`.
///
/// # Errors
/// Something else has taken the event log already.
pub fn install(outlets: Outlets, settings: &Log) -> Result<Logs, TryInitError> {
    let (filter, level) = reload::Layer::new(filter(settings.level));
    let bound = Bound::new(settings.burst);
    let lines = outlets.stderr().clone();
    let layer = fmt::layer().with_target(false).with_ansi(false).with_writer(lines);
    let layer = match settings.format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let registry = tracing_subscriber::registry().with(filter).with(bound.clone()).with(layer);
    registry.with(outlets.syslog()).try_init()?;
    Ok(Logs { outlets, level, bound })
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Lets the subscriber write events: each event is one `write_all`.
impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
