//! `halb k8s …`.

use clap::{Subcommand, ValueEnum};
use halb_k8s_bootstrap::inventory::example;

use super::Exit;
use super::output::Output;

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
    }
}
