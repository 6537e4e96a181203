//! What the scenarios have in common.

#[expect(dead_code, reason = "the scenarios of the balancer use more of it")]
#[path = "../scenarios/support/daemon.rs"]
pub(crate) mod daemon;
#[path = "../scenarios/support/files.rs"]
pub(crate) mod files;
#[expect(dead_code, reason = "the scenarios of the balancer use more of it")]
#[path = "../scenarios/support/greeters.rs"]
pub(crate) mod greeters;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod member;
pub(crate) mod router;
pub(crate) mod segment;
pub(crate) mod server;

use std::time::Duration;

/// How long anything may take that isn't being measured, on a machine that is busy otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
