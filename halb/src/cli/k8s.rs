//! `halb k8s …`.

mod addon;
mod backup;
mod certs;
mod drill;
mod life;
mod render;
mod reset;

use std::path::{Path, PathBuf};
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

    /// Nodes go, come, and take each other's place
    #[command(subcommand)]
    Node(life::Node),

    /// Brings the cluster to another version of Kubernetes, one minor version at a time
    ///
    /// halb on the balancers becomes this one, etcd is saved, masters follow one by one and workers
    /// in batches; each is out of service meanwhile. Cut off anywhere, the same command goes on.
    #[command(after_help = "Example: halb k8s upgrade 1.37.2")]
    Upgrade(life::To),

    /// Takes one host or the database's leader away on purpose, and tells what clients noticed
    ///
    /// A master asks the API through the virtual IP five times a second, balancers say who holds it,
    /// nodes and members of etcd are watched; for the database it asks each member whether it leads
    /// or streams. Then comes a timeline and a verdict. Refused where it would cost the quorum of
    /// etcd or the last member that has everything, or where not all is well before. The exit code
    /// is 0 if clients went on and all came back.
    #[command(after_help = "Example: halb k8s drill balancer")]
    Drill(drill::Drill),

    /// Certificates: what is left of each, and how they are renewed
    #[command(subcommand)]
    Certs(certs::Order),

    /// Takes a backup: a snapshot of etcd and the cluster's keys, in a folder that is yours alone
    ///
    /// etcd checks the snapshot on the master, and halb checks it again as it arrives. The folder
    /// is there with all of it or not at all.
    #[command(after_help = "Example: halb k8s backup --to /srv/backups")]
    Backup(backup::Backup),

    /// Restores a backup on all masters: one snapshot, and etcd's members anew
    ///
    /// It is refused while the cluster runs, and for a backup of another cluster or of another
    /// minor version. What etcd held before is kept on each master.
    #[command(after_help = "Example: halb k8s restore /srv/backups/seed-2026-11-22T12-03-11Z")]
    Restore(backup::Restore),

    /// Puts hosts back as they were before halb: one of them, or all
    ///
    /// A node leaves its cluster first. Files, packages, services, kernel settings, swap and
    /// firewall become what each host remembers of the time before halb's first change. A host that
    /// the cluster can't do without is refused.
    #[command(after_help = "Example: halb k8s reset --host kworker02")]
    Reset(reset::Reset),

    /// Manifests for those who put them in place themselves
    #[command(subcommand)]
    Render(render::Order),

    /// Add-ons: what is installed on top of a running cluster
    #[command(subcommand)]
    Addon(addon::Order),
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
    fn path(&self) -> &Path {
        &self.inventory
    }

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
        Order::Reset(order) => order.run(),
        Order::Render(order) => render::run(order, out),
        Order::Backup(order) => order.run(),
        Order::Restore(order) => order.run(),
        Order::Certs(order) => certs::run(order, out),
        Order::Addon(order) => addon::run(order, out),
        Order::Status { site, json } => looked(site, Duration::ZERO, |status| {
            show(out, status, json, |status| status::text(status, WIDTH))
        }),
        Order::Verify { site, wait, json } => {
            looked(site, wait, |status| show(out, status, json, status::findings))
        }
        Order::Node(order) => life::node(order),
        Order::Upgrade(to) => life::upgrade(to),
        Order::Drill(order) => drill::drill(order),
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
