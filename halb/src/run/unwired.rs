//! What the configuration already says and the daemon doesn't do yet: refused rather than ignored.

use anyhow::bail;

use crate::config::settings::Settings;

/// Refuses a link to the other balancer.
pub(super) fn refuse(settings: &Settings) -> anyhow::Result<()> {
    if settings.peer.is_some() {
        bail!("this version of halb has no link to the other balancer yet: remove [peer]");
    }
    Ok(())
}
