//! `halb server …`, `halb reload` and `halb upgrade`: orders that are answered with a sentence.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::output::Output;
use super::{Exit, output};
use crate::control::client;
use crate::control::protocol::{Request, Response};
use crate::status::{Admin, LastReload, ReloadFailure};

/// What a server is told.
#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Sends it no new connections; old ones stay, checks go on
    #[command(after_help = "Example: halb server drain masters/kmaster1")]
    Drain {
        /// BACKEND/SERVER, or SERVER where one backend alone has it
        server: String,
    },
    /// Takes it out of service: no connections, no checks
    #[command(after_help = "Example: halb server maint masters/kmaster1")]
    Maint {
        /// BACKEND/SERVER, or SERVER where one backend alone has it
        server: String,
    },
    /// Puts it back into service after drain or maint
    #[command(after_help = "Example: halb server ready masters/kmaster1")]
    Ready {
        /// BACKEND/SERVER, or SERVER where one backend alone has it
        server: String,
    },
    /// Changes its share of new connections until it is changed back, here or in the file
    #[command(after_help = "\
Examples:
  halb server weight masters/kmaster1 10     ten times the usual share
  halb server weight masters/kmaster1        as configured again")]
    Weight {
        /// BACKEND/SERVER, or SERVER where one backend alone has it
        server: String,

        /// 0 (no new connections) to 256 [default: as configured]
        #[arg(value_parser = clap::value_parser!(u16).range(0..=256))]
        weight: Option<u16>,
    },
}

pub(super) fn run(order: Order, socket: &Path, out: &mut Output) -> Exit {
    let request = match order {
        Order::Drain { server } => Request::ServerAdmin { server, admin: Admin::Drain },
        Order::Maint { server } => Request::ServerAdmin { server, admin: Admin::Maint },
        Order::Ready { server } => Request::ServerAdmin { server, admin: Admin::Ready },
        Order::Weight { server, weight } => Request::ServerWeight { server, weight },
    };
    match client::ask(socket, request) {
        Ok(Response::Done { message }) => out.line(&message),
        Ok(response) => output::unexpected(&response),
        Err(error) => output::failed(&error),
    }
}

pub(super) fn reload(socket: &Path, json: bool, out: &mut Output) -> Exit {
    match client::ask(socket, Request::Reload) {
        Ok(Response::Reloaded { reload }) => show_reload(&reload, json, out),
        Ok(response) => output::unexpected(&response),
        Err(error) => output::failed(&error),
    }
}

pub(super) fn upgrade(
    binary: Option<PathBuf>,
    if_changed: bool,
    socket: &Path,
    out: &mut Output,
) -> Exit {
    // The daemon may have another directory.
    let binary = match binary.map(std::path::absolute).transpose() {
        Ok(binary) => binary,
        Err(error) => return output::failed(&error),
    };
    match client::ask(socket, Request::Upgrade { binary, if_changed }) {
        Ok(Response::Upgraded { message }) => out.line(&message),
        Ok(Response::Reloaded { reload }) => show_reload(&reload, false, out),
        Ok(response) => output::unexpected(&response),
        Err(error) => output::failed(&error),
    }
}

fn show_reload(reload: &LastReload, json: bool, out: &mut Output) -> Exit {
    let printed = if json { out.json(reload) } else { Exit::Done };
    if let Some(error) = &reload.error {
        if !json {
            output::refused(&format!("nothing was changed:\n{error}"));
        }
        return match reload.failure {
            Some(ReloadFailure::BadFile) => Exit::BadConfiguration,
            Some(ReloadFailure::NotApplied) | None => Exit::Failed,
        };
    }
    if json {
        return printed;
    }
    let mut text = match reload.changes.as_slice() {
        [] => "reloaded: nothing has changed\n".to_owned(),
        changes => format!("reloaded:\n  {}\n", changes.join("\n  ")),
    };
    for setting in &reload.needs_restart {
        text.push_str(&format!("  waits for a restart: {setting}\n"));
    }
    out.text(&text).err().unwrap_or(Exit::Done)
}
