//! What a command prints. A reader that left (`halb status | head -1`) is no failure.

use std::error::Error;
use std::io;
use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use super::Exit;
use crate::control::protocol::Response;
use crate::status::text::Colour;

/// Standard output, and where a command's end is decided.
pub(super) struct Output {
    stdout: io::Stdout,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { stdout: io::stdout() }
    }

    /// Colours only for a terminal, and only where nobody set `NO_COLOR`.
    pub(super) fn colour(&self) -> Colour {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if self.is_terminal() && !refused { Colour::Ansi } else { Colour::Plain }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.stdout.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Prints `text`; an error is the reader's.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Exit> {
        let written = self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush());
        written.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe { Exit::Done } else { failed(&error) }
        })
    }

    /// Prints one line.
    pub(super) fn line(&mut self, text: &str) -> Exit {
        self.text(&format!("{text}\n")).err().unwrap_or(Exit::Done)
    }

    /// Prints JSON for programs and people.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Exit {
        match serde_json::to_string_pretty(value) {
            Ok(json) => self.line(&json),
            Err(error) => failed(&error),
        }
    }
}

/// Writes to standard error, whose reader may have gone.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// Says an error with its causes on one line.
pub(super) fn failed(error: &dyn Error) -> Exit {
    refused(&chain(error))
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Says why something wasn't done.
pub(super) fn refused(why: &str) -> Exit {
    complain(&format!("halb: {why}"));
    Exit::Failed
}

/// The daemon answered something else than what was asked: versions apart, or a refusal.
pub(super) fn unexpected(response: &Response) -> Exit {
    if let Response::Refused { message } = response {
        refused(message)
    } else {
        refused(&format!("the daemon gave another answer than asked for: {response:?}"))
    }
}
