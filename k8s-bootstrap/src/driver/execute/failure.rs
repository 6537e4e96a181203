//! What an operator is told when a step fails.

use std::error::Error;
use std::path::PathBuf;

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The host.
    pub host: String,
    /// The step's title.
    pub step: String,
    /// What happened, in a line: `the act ended with exit code 1`.
    pub what: String,
    /// The last that the host said of it, without secrets.
    pub said: Vec<String>,
    /// What to do, if it is known.
    pub hint: Option<&'static str>,
    /// The command, for whoever wants to try by hand.
    pub command: String,
    /// Where all is that the host said.
    pub log: PathBuf,
}

/// What stood in the way of a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What happened, in a line.
    pub(super) what: String,
    /// The end of what the host said.
    pub(super) said: String,
}

/// Lines of what a host said that a failure shows.
pub(super) const SAID_LINES: usize = 10;

/// An error and what is behind it, in a line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let said = source.to_string();
        // Some libraries repeat the cause in their own words.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        next = source.source();
    }
    text
}
