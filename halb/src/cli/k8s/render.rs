//! `halb k8s render …`.

use std::path::PathBuf;

use clap::Subcommand;
use halb_k8s_bootstrap::placement;

use crate::cli::output::Output;
use crate::cli::{Exit, complain};
use crate::k8s::{inventory, site};
use halb_config::render::Style;

/// What to print.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// The manifest of halb as a static pod of a master that is a balancer too
    ///
    /// It runs on the host's network, with the configuration in /etc/halb and the rights of halb's
    /// unit. No host is asked.
    #[command(
        after_help = "Example: halb k8s render static-pod --host kmaster01 --image registry.example/halb:1.2.3"
    )]
    StaticPod {
        /// The inventory
        #[arg(long, value_name = "FILE", default_value = inventory::FILE)]
        inventory: PathBuf,

        /// The master
        #[arg(long, value_name = "NAME")]
        host: String,

        /// halb's image, by tag or digest
        #[arg(long, value_name = "IMAGE")]
        image: String,
    },
}

pub(super) fn run(order: Order, out: &mut Output) -> Exit {
    let Order::StaticPod { inventory: path, host, image } = order;
    let loaded = inventory::load(&path, Style::for_stream(&std::io::stderr()));
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return Exit::BadConfiguration;
        }
    };
    match placement::static_pod(&loaded.inventory, &host, &image) {
        Ok(manifest) => out.text(&manifest).err().unwrap_or(Exit::Done),
        Err(faults) => {
            complain(site::faults_text(&faults).trim_end());
            Exit::Failed
        }
    }
}
