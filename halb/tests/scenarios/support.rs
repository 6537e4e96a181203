//! What the scenarios have in common.

pub(crate) mod daemon;
pub(crate) mod files;
pub(crate) mod greeters;
pub(crate) mod load;
pub(crate) mod masters;
pub(crate) mod network;

use std::time::Duration;

/// How long anything may take that isn't being measured, on a machine that is busy otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a busy machine may add to a time that the configuration bounds.
pub(crate) const SLACK: Duration = Duration::from_secs(3);
