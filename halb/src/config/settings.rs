//! What a good file amounts to.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use halb_healthcheck::config::Target;

/// Everything that the daemon is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Frontends, backends and servers.
    pub lb: halb_lb::config::Config,
    /// Servers under check, by `BACKEND/SERVER`.
    pub checks: Vec<Target>,
    /// Limits of the process.
    pub global: Global,
    /// What is logged, and how.
    pub log: Log,
    /// Where halb is looked at and controlled.
    pub admin: Admin,
}

/// `[global]`, without `maxconn`, which [`Settings::lb`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Global {
    /// Threads that forward. None: one for each core, at most
    /// [`WORKERS_MAX`](crate::config::defaults::WORKERS_MAX).
    pub workers: Option<NonZeroU32>,
    /// When halb is told to stop, sessions have so long to end by themselves.
    pub drain_timeout: Duration,
}

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Least important event that is logged.
    pub level: LogLevel,
    /// How a record is written.
    pub format: LogFormat,
    /// Ended connections leave a line.
    pub access: bool,
}

/// How important an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something doesn't work.
    Error,
    /// Worth waking someone.
    Warn,
    /// A state changed.
    Info,
    /// For finding faults.
    Debug,
    /// Each step.
    Trace,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A line of JSON.
    Json,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Status page and metrics. None: not served.
    pub http: Option<SocketAddr>,
    /// Unix socket for status and control.
    pub socket: PathBuf,
}
