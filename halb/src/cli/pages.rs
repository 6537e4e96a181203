//! `halb man` and `halb completions`: what packages ship beside the program, made of the command
//! line itself. So is docs/cli.md, by the tests.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use clap_complete::Shell;

use super::output::Output;
use super::{Exit, command_line, output};

/// Where manual pages go.
#[derive(Debug, Args)]
pub(super) struct Manual {
    /// Write a page for each command into this folder, rather than the first one to standard output
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn manual(order: &Manual, out: &mut Output) -> Exit {
    match &order.output {
        None => match page() {
            Ok(page) => out.text(&page).err().unwrap_or(Exit::Done),
            Err(error) => output::failed(&error),
        },
        Some(folder) => match pages(folder) {
            Ok(()) => Exit::Done,
            Err(error) => {
                output::refused(&format!("{} can't be written: {error}", folder.display()))
            }
        },
    }
}

pub(super) fn completions(shell: Shell, out: &mut Output) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "halb", &mut script);
    out.text(&String::from_utf8_lossy(&script)).err().unwrap_or(Exit::Done)
}

fn page() -> io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command_line()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// `halb.1`, `halb-server-drain.1` and so on; hidden commands have none.
fn pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command_line(), folder)
}

#[cfg(test)]
mod tests;
