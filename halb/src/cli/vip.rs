//! `halb vip …`: who holds the virtual IPs and why, and orders to give them away.

mod release;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;

use super::output::Output;
use super::{Exit, output};
use crate::control::client;
use crate::control::protocol::{Request, Response};
use crate::status::peer;
use crate::status::peer::Peer;
use crate::status::text::WIDTH;
use crate::status::vrrp::{Instance, Vrrp, explain, keepalived, text};
use crate::status::words::wrap;

/// What to do with virtual IPs.
#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Shows who holds them, and what comes next
    #[command(after_help = "Example: halb vip status")]
    Status {
        /// Only this one: NAME of [vrrp.NAME]
        name: Option<String>,

        /// Answer as JSON (docs/status.md)
        #[arg(long)]
        json: bool,

        /// Answer as JSON in keepalived's shape and under its names (docs/vip.md)
        #[arg(long, conflicts_with = "json")]
        keepalived_json: bool,
    },
    /// Explains why this node holds them or not, and what would happen if something failed now
    #[command(after_help = "Example: halb vip explain VI_1")]
    Explain {
        /// Only this one: NAME of [vrrp.NAME]
        name: Option<String>,

        /// Answer as JSON (docs/status.md)
        #[arg(long)]
        json: bool,
    },
    /// Gives them to another node, and leaves them there until 'halb vip resume'
    ///
    /// The addresses stay here until another node has taken them, so that clients notice as little
    /// as possible; exit code 1 if nobody takes them. Routers of a group move together.
    #[command(after_help = "Example: halb vip yield VI_1")]
    Yield {
        /// Only this one: NAME of [vrrp.NAME]
        name: Option<String>,

        /// Also where no other node is known that could take them
        #[arg(long)]
        force: bool,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes part again after 'halb vip yield'
    #[command(after_help = "Example: halb vip resume VI_1")]
    Resume {
        /// Only this one: NAME of [vrrp.NAME]
        name: Option<String>,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes addresses off this host that a daemon left behind, and says goodbye for it
    ///
    /// systemd does so after the daemon has ended, in whichever way. It is refused while one runs.
    #[command(after_help = "Example: halb vip release")]
    Release {
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(order: Order, config: &Path, socket: &Path, out: &mut Output) -> Exit {
    match order {
        Order::Status { name, keepalived_json: true, .. } => match ask(name.as_deref(), socket) {
            Ok((vrrp, _)) => out.json(&keepalived::json(&vrrp, unix_seconds())),
            Err(exit) => exit,
        },
        Order::Status { name, json, keepalived_json: false } => {
            show(name.as_deref(), json, socket, out, |vrrp, peer, out| {
                let peer = peer.map(|peer| peer::text::short(peer, out.colour()));
                text::render(vrrp, out.colour()) + &peer.unwrap_or_default()
            })
        }
        Order::Explain { name, json } => {
            show(name.as_deref(), json, socket, out, |vrrp, peer, out| {
                let colour = out.colour();
                let texts = vrrp.instances.iter().map(|one| explain::render(one, vrrp, colour));
                let peer = peer.map(|peer| peer::text::full(peer, colour));
                texts.collect::<Vec<_>>().join("\n\n") + &peer.unwrap_or_default()
            })
        }
        Order::Yield { name, force, json } => {
            steer(Request::VipYield { instance: name, force }, json, socket, out)
        }
        Order::Resume { name, json } => {
            steer(Request::VipResume { instance: name }, json, socket, out)
        }
        Order::Release { json } => release::run(config, socket, json, out),
    }
}

fn show(
    name: Option<&str>,
    json: bool,
    socket: &Path,
    out: &mut Output,
    text: impl Fn(&Vrrp, Option<&Peer>, &Output) -> String,
) -> Exit {
    match ask(name, socket) {
        Ok((vrrp, _)) if json => out.json(&vrrp),
        Ok((vrrp, peer)) => out.text(&text(&vrrp, peer.as_ref(), out)).err().unwrap_or(Exit::Done),
        Err(exit) => exit,
    }
}

/// What the daemon says of the virtual router with this name, or of all.
fn ask(name: Option<&str>, socket: &Path) -> Result<(Vrrp, Option<Peer>), Exit> {
    let status = match client::ask(socket, Request::Status) {
        Ok(Response::Status { status }) => status,
        Ok(response) => return Err(output::unexpected(&response)),
        Err(error) => return Err(output::failed(&error)),
    };
    let Some(mut vrrp) = status.vrrp else {
        return Err(output::refused("no virtual IP is configured ([vrrp.NAME])"));
    };
    if let Some(name) = name {
        let all = names(&vrrp.instances);
        vrrp.instances.retain(|instance| instance.name == name);
        if vrrp.instances.is_empty() {
            let why = format!("there is no virtual router '{name}'; there are: {all}");
            return Err(output::refused(&why));
        }
    }
    Ok((vrrp, status.peer))
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn names(instances: &[Instance]) -> String {
    instances.iter().map(|instance| instance.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn steer(request: Request, json: bool, socket: &Path, out: &mut Output) -> Exit {
    let outcomes = match client::ask(socket, request) {
        Ok(Response::Vip { outcomes }) => outcomes,
        Ok(response) => return output::unexpected(&response),
        Err(error) => return output::failed(&error),
    };
    let printed = if json {
        out.json(&outcomes)
    } else {
        // One line each for programs.
        let width = if out.is_terminal() { WIDTH } else { usize::MAX };
        let lines = outcomes.iter().map(|one| format!("{}\n", wrap(&one.message, width, 2)));
        out.text(&lines.collect::<String>()).err().unwrap_or(Exit::Done)
    };
    if outcomes.iter().all(|outcome| outcome.done) { printed } else { Exit::Failed }
}
