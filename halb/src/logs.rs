//! Event log and access log. Both go to stderr through one [`Sink`], which never makes its callers
//! wait: what a stalled reader (a full journal, a stopped `less`) can't take is dropped and counted.

pub mod access;
pub mod sink;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt, reload};

use halb_config::settings::{LogFormat, LogLevel};
pub use sink::Sink;

/// Changes the least important event that is logged.
#[derive(Debug, Clone)]
pub struct Level(reload::Handle<LevelFilter, Registry>);

impl Level {
    /// From now on only events of `level` and above are logged.
    pub fn set(&self, level: LogLevel) {
        // It fails only where the event log is gone, and then nothing is logged anyway.
        let _ = self.0.reload(filter(level));
    }
}

/// Sends the event log of the whole process to `sink`.
///
/// # Errors
/// Something else has taken the event log already.
pub fn install(sink: &Sink, format: LogFormat, level: LogLevel) -> Result<Level, TryInitError> {
    let (filter, handle) = reload::Layer::new(filter(level));
    let layer = fmt::layer().with_target(false).with_ansi(false).with_writer(sink.clone());
    let layer = match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).try_init()?;
    Ok(Level(handle))
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
