//! What the thread of kernel forwarding tells, on its way to the log and
//! to the other balancer.

use halb_forward::driver::{Changed, Notice};
use tracing::{debug, error, info, warn};

use super::Copy;
use super::memory::Memory;
use crate::cli::chain;

/// What takes notices: it returns at once, as the thread waits for it. Settings are kept, which is
/// rare, and waits for no disk.
pub(super) fn teller(copy: Copy, memory: Memory) -> impl FnMut(Notice) + Send + 'static {
    move |notice| match notice {
        Notice::Send(message) => copy(&message),
        Notice::Adopted => info!("the kernel's rules of before were found as they should be"),
        Notice::Applied => debug!("the kernel forwards by other rules"),
        Notice::Drift(differences) => warn!(
            differences = differences.join("; "),
            "somebody else changed the rules of kernel forwarding; they are put right"
        ),
        Notice::Settings(changed) => memory.keep(&changed),
        Notice::Trouble(error) => error!("kernel forwarding: {}", chain(&error)),
    }
}

/// Settings of the kernel that were changed, and are put back at the end.
pub(super) fn tell_settings(changed: &[Changed]) {
    for Changed { name, before, now } in changed {
        info!(name, before, now, "kernel forwarding changed a setting of the kernel");
    }
}
