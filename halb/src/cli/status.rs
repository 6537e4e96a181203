//! `halb status`.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::output::Output;
use super::{Exit, output};
use crate::control::client;
use crate::control::client::AskError;
use crate::control::protocol::{Request, Response};
use crate::status::{Status, text};

/// Pause between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(1);

/// Puts the cursor at the top left and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

pub(super) fn once(socket: &Path, json: bool, out: &mut Output) -> Exit {
    match ask(socket) {
        Ok(Ok(status)) if json => out.json(&status),
        Ok(Ok(status)) => {
            out.text(&text::render(&status, out.colour())).err().unwrap_or(Exit::Done)
        }
        Ok(Err(exit)) => exit,
        Err(error) => output::failed(&error),
    }
}

/// On a terminal it outlasts the daemon's restarts; otherwise it ends with the daemon.
pub(super) fn watch(socket: &Path, json: bool, out: &mut Output) -> Exit {
    let terminal = out.is_terminal() && !json;
    loop {
        let screen = match ask(socket) {
            Ok(Ok(status)) if json => match serde_json::to_string(&status) {
                Ok(line) => format!("{line}\n"),
                Err(error) => return output::failed(&error),
            },
            Ok(Ok(status)) => text::render(&status, out.colour()),
            Ok(Err(exit)) => return exit,
            Err(error) if terminal => format!("{error}\n"),
            Err(error) => return output::failed(&error),
        };
        let end = if json { "" } else { "\n" };
        let frame = if terminal { format!("{CLEAR}{screen}") } else { format!("{screen}{end}") };
        if let Err(exit) = out.text(&frame) {
            return exit;
        }
        thread::sleep(PAUSE);
    }
}

fn ask(socket: &Path) -> Result<Result<Status, Exit>, AskError> {
    let response = client::ask(socket, Request::Status)?;
    let Response::Status { status } = response else {
        return Ok(Err(output::unexpected(&response)));
    };
    Ok(Ok(*status))
}
