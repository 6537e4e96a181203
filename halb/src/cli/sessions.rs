//! `halb sessions …`.

use std::path::Path;

use clap::{Args, Subcommand};

use super::output::Output;
use super::{Exit, output};
use crate::control::client;
use crate::control::protocol::{Kill, Request, Response, SESSIONS_MAX, Session};
use crate::status::text::table;
use crate::status::text::table::{Align, Column};
use crate::status::words::{count, size, span, things};

/// What to do with open connections.
#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Lists them, the oldest first
    #[command(after_help = "Example: halb sessions list --server masters/kmaster1 --limit 20")]
    List {
        /// Only those of this server: BACKEND/SERVER
        #[arg(long, value_name = "SERVER")]
        server: Option<String>,

        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100,
              value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Ends them at once, with a reset to both sides
    #[command(after_help = "\
Examples:
  halb sessions kill 4711                            the one of this number
  halb sessions kill --server masters/kmaster1       all of a server
  halb sessions kill --frontend kubernetes           all of a frontend")]
    Kill(Victims),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Victims {
    /// The number that 'halb sessions list' shows
    id: Option<u64>,

    /// All of this server: BACKEND/SERVER
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,

    /// All of this frontend
    #[arg(long, value_name = "FRONTEND")]
    frontend: Option<String>,
}

pub(super) fn run(order: Order, socket: &Path, out: &mut Output) -> Exit {
    match order {
        Order::List { server, limit, json } => list(server, limit.into(), json, socket, out),
        Order::Kill(victims) => kill(victims, socket, out),
    }
}

fn list(server: Option<String>, limit: usize, json: bool, socket: &Path, out: &mut Output) -> Exit {
    let request = Request::Sessions { server, limit: limit.min(SESSIONS_MAX) };
    match client::ask(socket, request) {
        Ok(Response::Sessions { sessions, .. }) if json => out.json(&sessions),
        Ok(Response::Sessions { sessions, open }) => {
            out.text(&render(&sessions, open)).err().unwrap_or(Exit::Done)
        }
        Ok(response) => output::unexpected(&response),
        Err(error) => output::failed(&error),
    }
}

const COLUMNS: [Column; 7] = [
    Column { title: "ID", align: Align::Right, width_max: 20 },
    Column { title: "CLIENT", align: Align::Left, width_max: 47 },
    Column { title: "SERVER", align: Align::Left, width_max: 40 },
    Column { title: "AGE", align: Align::Right, width_max: 12 },
    Column { title: "IDLE", align: Align::Right, width_max: 12 },
    Column { title: "IN", align: Align::Right, width_max: 8 },
    Column { title: "OUT", align: Align::Right, width_max: 8 },
];

/// Wide enough for any row: lists of sessions are searched by programs more than looked at.
const WIDTH: usize = 200;

fn render(sessions: &[Session], open: u64) -> String {
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .map(|session| {
            vec![
                session.id.to_string(),
                session.client.clone(),
                session.server.clone().unwrap_or_else(|| "-".to_owned()),
                span(session.age_seconds),
                span(session.idle_seconds),
                size(session.bytes_in),
                size(session.bytes_out),
            ]
        })
        .collect();
    let shown = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
    let total = things(open, "connection", "connections");
    let table = if rows.is_empty() {
        String::new()
    } else {
        table::render(&COLUMNS, &rows, WIDTH, |l, _| l)
    };
    format!("{} of {total}\n{table}", count(shown))
}

fn kill(victims: Victims, socket: &Path, out: &mut Output) -> Exit {
    let sessions = match victims {
        Victims { id: Some(id), .. } => Kill::Id(id),
        Victims { server: Some(server), .. } => Kill::Server(server),
        Victims { frontend: Some(frontend), .. } => Kill::Frontend(frontend),
        Victims { id: None, server: None, frontend: None } => {
            return output::refused("say which: an id, --server or --frontend");
        }
    };
    match client::ask(socket, Request::Kill { sessions }) {
        Ok(Response::Killed { count: 0 }) => output::refused("there is no such connection"),
        Ok(Response::Killed { count }) => {
            out.line(&format!("{} ended", things(count, "connection", "connections")))
        }
        Ok(response) => output::unexpected(&response),
        Err(error) => output::failed(&error),
    }
}
