//! `halb log level`: what is logged, without a reload.

use std::path::Path;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::output::Output;
use super::{Exit, output};
use crate::control::client;
use crate::control::protocol::{Level, Request, Response};

/// What the log is told.
#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Logs more or less than the file says, until it is told otherwise or ends
    #[command(after_help = "\
Examples:
  halb log level debug --for 10m             more, for ten minutes
  halb log level file                        as the file says again")]
    Level {
        /// The least important that is logged
        level: Wanted,

        /// As the file says again after so long, such as 10m [default: it stays until it is told
        /// otherwise]
        #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
        lasts: Option<Duration>,
    },
}

/// A level, or the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Wanted {
    /// Something doesn't work
    Error,
    /// And what is worth waking someone
    Warn,
    /// And each change of a state
    Info,
    /// And what helps to find faults
    Debug,
    /// And each step
    Trace,
    /// As the file says
    File,
}

pub(super) fn run(order: Order, socket: &Path, out: &mut Output) -> Exit {
    let Order::Level { level, lasts } = order;
    let level = match level {
        Wanted::Error => Some(Level::Error),
        Wanted::Warn => Some(Level::Warn),
        Wanted::Info => Some(Level::Info),
        Wanted::Debug => Some(Level::Debug),
        Wanted::Trace => Some(Level::Trace),
        Wanted::File => None,
    };
    // A part of a second counts as a whole one.
    let seconds = lasts.map(|lasts| lasts.as_secs() + u64::from(lasts.subsec_nanos() > 0));
    match client::ask(socket, Request::LogLevel { level, seconds }) {
        Ok(Response::Done { message }) => out.line(&message),
        Ok(response) => output::unexpected(&response),
        Err(error) => output::failed(&error),
    }
}
