//! Event log and access log. Events go to stderr, or to the journal with their fields where stderr
//! leads there, and, if wanted, to syslog; the access log to any of them or to a file of its own. Whatever takes lines is behind a [`Sink`], which never makes its callers
//! wait: what a stalled reader (a full journal, a stopped `less`) can't take is dropped and counted.

pub mod access;
pub mod bound;
pub mod datagrams;
pub mod file;
pub mod journal;
pub mod level;
pub mod limiter;
pub mod outlets;
pub mod record;
pub mod sink;
pub mod syslog;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time;
use tracing::info;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt, reload};

use bound::Bound;
use halb_config::settings::{Log, LogFormat, LogLevel};
use level::Levels;
use outlets::{OutletError, Outlets};
pub use sink::Sink;

/// The log of the process.
#[derive(Clone)]
pub struct Logs {
    outlets: Outlets,
    level: reload::Handle<LevelFilter, Registry>,
    levels: Arc<Mutex<Levels>>,
    /// An order to the level has come.
    ordered: Arc<Notify>,
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
        let mut levels = self.levels();
        levels.set_file(settings.level);
        self.put_into_force(&levels);
        drop(levels);
        self.bound.set(settings.burst);
    }

    /// Logs from this level on, whatever the file says, for so long or until it is ordered
    /// otherwise; without a level, as the file says.
    pub fn order_level(&self, level: Option<LogLevel>, lasts: Option<Duration>) {
        let mut levels = self.levels();
        levels.order(level, lasts.and_then(|lasts| Instant::now().checked_add(lasts)));
        self.put_into_force(&levels);
        drop(levels);
        self.ordered.notify_one();
    }

    /// The level, and where it comes from.
    #[must_use]
    pub fn level(&self) -> Levels {
        self.levels().clone()
    }

    /// Ends orders to the level when their time is over. Never ends.
    pub async fn end_orders(self) {
        loop {
            let due = self.levels().poll_timeout();
            tokio::select! {
                () = self.ordered.notified() => {}
                () = time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    let mut levels = self.levels();
                    let over = levels.handle_timeout(Instant::now());
                    self.put_into_force(&levels);
                    let level = levels.of_file();
                    drop(levels);
                    if over {
                        info!(level = word(level), "logging as the file says again");
                    }
                }
            }
        }
    }

    fn put_into_force(&self, levels: &Levels) {
        // It fails only where the event log is gone, and then nothing is logged anyway.
        let _ = self.level.reload(filter(levels.in_force()));
    }

    fn levels(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
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
    let levels = Arc::new(Mutex::new(Levels::new(settings.level)));
    let lines = outlets.stderr().clone();
    let layer = fmt::layer().with_target(false).with_ansi(false).with_writer(lines);
    let layer = match settings.format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // Where the journal takes events, they don't also go there as lines.
    let journal = outlets.journal();
    let layer = journal.is_none().then_some(layer);
    let registry = tracing_subscriber::registry().with(filter).with(bound.clone()).with(layer);
    registry.with(journal).with(outlets.syslog()).try_init()?;
    Ok(Logs { outlets, level, levels, ordered: Arc::default(), bound })
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

/// The word of the configuration for a level.
#[must_use]
pub fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

/// Lets the subscriber write events: each event is one `write_all`.
impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
