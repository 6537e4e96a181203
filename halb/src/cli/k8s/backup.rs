//! `halb k8s backup` and `halb k8s restore`.

use std::path::PathBuf;

use clap::Args;

use super::Site;
use crate::cli::Exit;
use crate::k8s::commands;

/// Where a backup goes.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    site: Site,

    /// The folder that the backup becomes a folder of [default: NAME.halb/backups beside the
    /// inventory]
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

impl Backup {
    pub(super) fn run(self) -> Exit {
        let (inventory, sources) = self.site.open();
        commands::backup(&inventory, sources, self.to.as_deref())
    }
}

/// What is restored.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup's folder
    #[arg(value_name = "FOLDER")]
    from: PathBuf,

    #[command(flatten)]
    site: Site,

    /// Throw away a cluster that runs, and all that has changed since the backup
    #[arg(long)]
    discard_running: bool,

    /// Don't ask before the first change
    #[arg(long, short)]
    yes: bool,
}

impl Restore {
    pub(super) fn run(self) -> Exit {
        let (inventory, sources) = self.site.open();
        commands::restore(&inventory, sources, &self.from, (self.discard_running, self.yes))
    }
}
