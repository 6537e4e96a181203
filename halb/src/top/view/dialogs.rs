//! What stands below and before the picture: the keys, a question, what came of an order.

use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::Means;
use crate::status::notices::Severity;
use crate::status::words::{plain, things, wrap};
use crate::status::{Admin, Server, Status};
use crate::top::state::{Dialog, Top, Wish};

const KEYS: &str = "q quit  arrows  0-9 sort  d drain  m maint  r ready  ? help";

const HELP: &str = "\
halb top: the daemon as it is, a look every second

  arrows, j k, page up and down    choose a server
  0                                the unusual first, as at the start
  1 … 9                            sort by that column; once more: turned round
  d                                drain: no new connections, those there are stay; checks go on
  m                                maintenance: no connections, no checks
  r                                ready: into service again
  q, Ctrl-C                        the end

Nothing is ordered before it is asked for once more, and only y means yes.
Orders are those of 'halb server'.

Left of a server: ! not as it should be, - out of service as ordered, > chosen.
The bars: new connections a second, and how long checks take, over the last looks.
CHECKS are the last ones, the latest at the right: . passed, x failed, ? couldn't be made.

Any key goes back.";

/// The lines at the bottom.
pub(super) fn below(top: &Top, means: Means) -> Vec<Line<'static>> {
    let (plain_style, bold) = (Style::new(), Style::new().add_modifier(Modifier::BOLD));
    let mut lines = Vec::new();
    match (top.dialog(), top.status()) {
        (Dialog::Sure(wish), Some(status)) => {
            let question = question(wish, status);
            for line in wrap(&plain(&question), means.width.max(20), 2).lines() {
                lines.push(means.line(line, means.style(Severity::Warning).patch(bold)));
            }
            lines.push(means.line("y: yes     any other key: no", bold));
        }
        (Dialog::Told(wish), _) => {
            let text = format!("{} is told to {} …", wish.server, verb(wish.admin));
            lines.push(means.line(&text, bold));
        }
        (Dialog::Help, _) => {}
        (Dialog::None | Dialog::Sure(_), _) => {
            if let Some(outcome) = top.outcome() {
                for line in wrap(&plain(outcome), means.width.max(20), 2).lines() {
                    lines.push(means.line(line, bold));
                }
            }
            let order = top.order();
            let way = if order.reversed { ", reversed" } else { "" };
            let sorted = format!("{KEYS}  | {}{way}", order.by.title());
            lines.push(means.line(&sorted, plain_style));
        }
    }
    lines
}

/// What is asked before an order, with what follows from it.
fn question(wish: &Wish, status: &Status) -> String {
    let named = |backend: &str, server: &Server| {
        !server.removed && format!("{backend}/{}", server.name) == wish.server
    };
    let found = status.backends.iter().find_map(|backend| {
        let server = backend.servers.iter().find(|server| named(&backend.name, server))?;
        Some((backend, server))
    });
    let Some((backend, server)) = found else {
        return format!("{} is gone. Order it all the same?", wish.server);
    };
    let left = things(server.connections, "connection", "connections");
    let what = match wish.admin {
        Admin::Drain => format!("Drain {}? No new connections; {left} stay.", wish.server),
        Admin::Maint => {
            format!("{} into maintenance? No connections, no checks; {left} now.", wish.server)
        }
        Admin::Ready => {
            format!("{} into service again? It gets connections while it is up.", wish.server)
        }
    };
    let takes_away = match wish.admin {
        Admin::Drain | Admin::Maint => server.usable,
        Admin::Ready => false,
    };
    if takes_away && backend.servers_up == 1 {
        return format!("{what} IT IS THE LAST ONE UP: new clients will be turned away.");
    }
    what
}

fn verb(admin: Admin) -> &'static str {
    match admin {
        Admin::Drain => "drain",
        Admin::Maint => "rest",
        Admin::Ready => "serve",
    }
}

/// The keys and marks, in full.
pub(super) fn help(means: Means) -> Vec<Line<'static>> {
    HELP.lines().map(|line| means.line(line, Style::new())).collect()
}
