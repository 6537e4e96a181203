//! What the demo shows, as text.

use std::env;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::traffic::Answers;
use crate::status::text::table::{Align, Column};
use crate::status::text::{WIDTH, table};
use crate::status::words::{clip, count, span, things};
use crate::status::{Server, Status, notices};

/// Everything that a picture is made of.
pub(super) struct Scene {
    /// Why it is the plain form; none: because that was asked for.
    pub(super) why: Option<&'static str>,
    pub(super) elapsed: Duration,
    pub(super) frontend: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) socket: PathBuf,
    pub(super) status: Status,
    pub(super) answers: Answers,
}

const COLUMNS: [Column; 5] = [
    Column { title: "SERVER", align: Align::Left, width_max: 10 },
    Column { title: "ADDRESS", align: Align::Left, width_max: 21 },
    Column { title: "STATE", align: Align::Left, width_max: 8 },
    Column { title: "ANSWERED", align: Align::Right, width_max: 10 },
    Column { title: "", align: Align::Left, width_max: BAR },
];

/// Longest bar, in characters.
const BAR: usize = 22;

/// Most notices: what is left of 24 lines.
const NOTICES_MAX: usize = 4;

/// One screen of 80 columns and 24 lines.
pub(super) fn picture(scene: &Scene, keyboard: bool) -> String {
    let mut out = String::new();
    let time = format!("for {}", elapsed(scene));
    let title = "halb demo: three API servers, one balancer before them, a little traffic";
    let why = scene.why.map(|why| format!("  {why}"));
    let _ = writeln!(out, "\n  {title}\n{}", why.unwrap_or_default());
    let _ = writeln!(out, "  client -> halb https://{} -> masters{time:>14}\n", scene.frontend);
    let rows: Vec<Vec<String>> = servers(scene).map(|server| row(server, &scene.answers)).collect();
    out.push_str(&table::render(&COLUMNS, &rows, WIDTH, |line, _| line));
    let _ = writeln!(out, "\n  {}", clip(&requests(&scene.answers), WIDTH - 2));
    let notices = notices::of(&scene.status);
    for notice in notices.iter().take(NOTICES_MAX) {
        let line = format!("{} {}", notice.severity.sign(), notice.text);
        let _ = writeln!(out, "  {}", clip(&line, WIDTH - 2));
    }
    if notices.is_empty() {
        out.push_str("  all is well\n");
    }
    if keyboard {
        out.push_str("\n  Keys: 1 2 3 kill or revive a server, q ends the demo\n");
    } else {
        out.push_str("\n  Ctrl-C ends the demo\n");
    }
    out.push_str("\n  Try in another terminal:\n");
    for line in suggestions(scene) {
        let _ = writeln!(out, "    {line}");
    }
    out
}

/// One line, where the output is no terminal.
pub(super) fn line(scene: &Scene) -> String {
    let servers: Vec<String> =
        servers(scene).map(|server| format!("{} {}", server.name, server.state)).collect();
    let time = elapsed(scene);
    format!("{time}: {}; {}\n", servers.join(", "), requests(&scene.answers))
}

/// The last words.
pub(super) fn farewell(answers: &Answers) -> String {
    let servers: Vec<String> = answers
        .by_server
        .iter()
        .map(|(server, number)| format!("{server} {}", count(*number)))
        .collect();
    format!("demo ended: {} ({})\n", requests(answers), servers.join(", "))
}

fn elapsed(scene: &Scene) -> String {
    format!("{} s", scene.elapsed.as_secs())
}

fn servers(scene: &Scene) -> impl Iterator<Item = &Server> {
    scene.status.backends.iter().flat_map(|backend| &backend.servers)
}

fn row(server: &Server, answers: &Answers) -> Vec<String> {
    let answered = answers.by_server.get(&server.name).copied().unwrap_or(0);
    let most = answers.by_server.values().copied().max().unwrap_or(0).max(1);
    let bar = u64::try_from(BAR).unwrap_or(u64::MAX);
    let length = usize::try_from(answered.saturating_mul(bar) / most).unwrap_or(BAR);
    vec![
        server.name.clone(),
        server.address.clone(),
        server.state.clone(),
        count(answered),
        "#".repeat(length),
    ]
}

fn requests(answers: &Answers) -> String {
    let requests = answers.answered().saturating_add(answers.failed);
    let requests = things(requests, "request", "requests");
    let took = span(answers.took.as_secs_f64());
    match &answers.last_failure {
        None => format!("{requests}, none failed, the last took {took}"),
        Some(why) => {
            format!(
                "{requests}, {} failed (last: {why}), the last took {took}",
                count(answers.failed)
            )
        }
    }
}

/// Commands as they work where the demo was started.
fn suggestions(scene: &Scene) -> [String; 4] {
    let halb = env::args_os().next().unwrap_or_else(|| "halb".into());
    let halb = Path::new(&halb).display();
    let socket = scene.socket.display();
    [
        format!("curl -k https://{}/version", scene.frontend),
        format!("curl http://{}/metrics      (status page: /)", scene.http),
        format!("{halb} status --socket {socket}"),
        format!("{halb} server drain kmaster1 --socket {socket}"),
    ]
}

#[cfg(test)]
mod tests;
