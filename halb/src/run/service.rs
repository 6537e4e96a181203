//! What the service manager is told (`sd_notify(3)`). Without one all of this does nothing.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time;
use tracing::{debug, error};

use super::daemon::Daemon;

/// Pings come this much oftener than the watchdog asks, as `sd_watchdog_enabled(3)` advises.
const PINGS_PER_TIMEOUT: u32 = 2;

/// Clients are served.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] ends it. systemd wants the time with it, to tell reloads apart.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => {
            debug!(%error, "no monotonic time, so the service manager hears of no reload")
        }
    }
}

/// Another process is the main one from now on. What this one says isn't heard any more.
pub(super) fn main_pid(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// The end begins.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Pings for as long as every worker comes round; a stuck one makes the service manager start the
/// daemon anew.
pub(super) async fn watchdog(daemon: Arc<Daemon>) {
    let Some(timeout) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = time::interval((timeout / PINGS_PER_TIMEOUT).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        let stuck = daemon.stuck_threads();
        if stuck.is_empty() {
            tell(&[NotifyState::Watchdog]);
        } else {
            error!(reason = stuck.join(", "), "no ping to the watchdog");
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "the service manager does not listen");
    }
}
