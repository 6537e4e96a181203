//! `halb k8s …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use halb_k8s_bootstrap::inventory::example;

use super::Exit;
use super::output::Output;
use crate::k8s::ask::{Source, Sources};
use crate::k8s::status::{self, Status};
use crate::k8s::{commands, inventory};
use crate::status::text::WIDTH;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Prints an inventory to begin with: one file that describes the cluster, with comments
    #[command(after_help = "Example: halb k8s init-inventory > cluster.yaml")]
    InitInventory {
        /// Which cluster
        #[arg(long, value_enum, default_value_t = Topology::Vip)]
        topology: Topology,
    },

    /// Asks all hosts what they are, and shows every step that is left to do; changes nothing
    #[command(after_help = "Example: halb k8s plan --inventory cluster.yaml")]
    Plan {
        #[command(flatten)]
        site: Site,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },

    /// Does every step that is left to do; can be cut off anywhere and run again
    ///
    /// Ctrl-C finishes the steps under way, a second one drops them. Logs of each host are in
    /// NAME.halb/logs beside the inventory.
    #[command(after_help = "Example: halb k8s apply --inventory cluster.yaml")]
    Apply {
        #[command(flatten)]
        site: Site,

        /// Don't ask before the first change
        #[arg(long, short)]
        yes: bool,
    },

    /// Looks at all hosts and at the cluster, and tells all on one screen; changes nothing
    ///
    /// Exit codes are those of verify.
    #[command(after_help = "Example: halb k8s status")]
    Status {
        #[command(flatten)]
        site: Site,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },

    /// Looks at everything that makes the cluster work, and tells each thing; changes nothing
    ///
    /// Nodes and their addresses, static pods, etcd's voters, every API server through the virtual
    /// IP and directly, DNS, a Service, certificates, and what differs from the inventory. What
    /// can't be seen is unproven. The exit code is 0 if all was seen to be as wanted, 1 if something
    /// isn't, 4 if nothing is wrong as far as it can be seen.
    #[command(after_help = "Example: halb k8s verify --wait 5m")]
    Verify {
        #[command(flatten)]
        site: Site,

        /// Look again until what may become good by itself is good, at most so long
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
        wait: Duration,

        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// The cluster, and who may get into its hosts.
#[derive(Debug, Args)]
pub(super) struct Site {
    /// The inventory
    #[arg(long, value_name = "FILE", default_value = inventory::FILE)]
    inventory: PathBuf,

    /// Where sudo's password is: file:PATH, fd:NUMBER or env:NAME [default: the terminal is asked]
    #[arg(long, value_name = "SOURCE")]
    sudo_password_from: Option<Source>,

    /// Where the passphrase of the private key is, likewise
    #[arg(long, value_name = "SOURCE")]
    passphrase_from: Option<Source>,
}

impl Site {
    fn open(self) -> (PathBuf, Sources) {
        let Self { inventory, sudo_password_from, passphrase_from } = self;
        let sources = Sources { sudo_password: sudo_password_from, passphrase: passphrase_from };
        (inventory, sources)
    }
}

/// Clusters that there is an inventory of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Topology {
    /// Two balancers that share a virtual IP, three masters, two workers
    Vip,
    /// One balancer without a virtual IP, three masters, two workers
    OneBalancer,
}

pub(super) fn run(order: Order, out: &mut Output) -> Exit {
    match order {
        Order::InitInventory { topology } => {
            let text = match topology {
                Topology::Vip => example::HIGHLY_AVAILABLE,
                Topology::OneBalancer => example::ONE_BALANCER,
            };
            out.text(text).err().unwrap_or(Exit::Done)
        }
        Order::Plan { site, json } => {
            let (inventory, sources) = site.open();
            match commands::plan(&inventory, sources) {
                Ok(plan) if json => out.json(&plan),
                Ok(plan) => out.text(&commands::plan_text(&plan)).err().unwrap_or(Exit::Done),
                Err(exit) => exit,
            }
        }
        Order::Apply { site, yes } => {
            let (inventory, sources) = site.open();
            commands::apply(&inventory, sources, yes)
        }
        Order::Status { site, json } => looked(site, Duration::ZERO, |status| {
            show(out, status, json, |status| status::text(status, WIDTH))
        }),
        Order::Verify { site, wait, json } => {
            looked(site, wait, |status| show(out, status, json, status::findings))
        }
    }
}

/// Looks, and tells; what was seen decides on the exit code, unless nobody could be told.
fn looked(site: Site, wait: Duration, show: impl FnOnce(&Status) -> Exit) -> Exit {
    let (inventory, sources) = site.open();
    match commands::status(&inventory, sources, wait) {
        Ok(status) => {
            let shown = show(&status);
            if shown == Exit::Done { status.exit() } else { shown }
        }
        Err(exit) => exit,
    }
}

fn show(out: &mut Output, status: &Status, json: bool, text: impl Fn(&Status) -> String) -> Exit {
    if json { out.json(status) } else { out.text(&text(status)).err().unwrap_or(Exit::Done) }
}
