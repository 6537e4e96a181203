//! Finds the control socket.

use std::path::{Path, PathBuf};

use crate::config;
use halb_config::defaults;

/// The socket that was named, else the configuration's, else the usual one. A configuration that
/// can't be read or is bad (it may be under way to a reload) doesn't keep anybody from steering.
pub(super) fn find(named: Option<&Path>, config: &Path) -> PathBuf {
    match named {
        Some(path) => path.to_owned(),
        None => configured(config).unwrap_or_else(|| defaults::ADMIN_SOCKET.into()),
    }
}

fn configured(config: &Path) -> Option<PathBuf> {
    config::load(config).ok().map(|loaded| loaded.settings.admin.socket)
}
