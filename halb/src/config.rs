//! The configuration of this host: `halb_config` reads its text, this module the files.
//!
//! `halb check` ([`command`]) is the same code that start and reload run.

pub mod command;
pub mod key_file;
pub mod nodes;

mod files;
mod host;

use std::path::Path;

use halb_config::{Loaded, Report, parse_for};

/// Reads a file and checks all of it, and what it names of this host.
///
/// # Errors
/// Everything that is wrong with it, or why it can't be read.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    parse_for(files::read(path)?, &path.display().to_string(), &host::ThisHost)
}

#[cfg(test)]
mod tests;
