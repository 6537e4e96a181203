//! Event log and access log. Both go to stderr through one [`Sink`], which never makes its callers
//! wait: what a stalled reader (a full journal, a stopped `less`) can't take is dropped and counted.

pub mod access;
pub mod sink;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

pub use sink::Sink;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: time, level, words, `key=value`.
    Text,
    /// For collectors: one JSON object per line.
    Json,
}

/// Sends the event log of the whole process to `sink`.
///
/// # Errors
/// Something else has taken the event log already.
pub fn install(
    sink: &Sink,
    format: Format,
    filter: EnvFilter,
) -> Result<(), tracing::dispatcher::SetGlobalDefaultError> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let builder = builder.with_ansi(false).with_writer(sink.clone());
    let subscriber: Box<dyn Subscriber + Send + Sync> = match format {
        Format::Text => Box::new(builder.finish()),
        Format::Json => Box::new(builder.json().flatten_event(true).finish()),
    };
    tracing::subscriber::set_global_default(subscriber)
}

/// Lets the subscriber write events: each event is one `write_all`.
impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
