//! Ends connections in good order after the verdict is known, so that politeness costs the check
//! no time and a slow goodbye can't turn a check that passed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Goodbyes under way; cheap to clone.
#[derive(Clone)]
pub(crate) struct Closing {
    slots: Arc<Semaphore>,
}

/// Most goodbyes at a time, each with one descriptor; beyond it connections are just closed. As
/// many as probes can end at once.
const CLOSING_MAX: usize = crate::fleet::PROBES_MAX;

/// Longest goodbye: several round trips across a continent.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

impl Closing {
    pub(crate) fn new() -> Self {
        Self { slots: Arc::new(Semaphore::new(CLOSING_MAX)) }
    }

    /// Runs `goodbye` aside, for a bounded time.
    pub(super) fn later(&self, goodbye: impl Future<Output = ()> + Send + 'static) {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            tokio::spawn(async move {
                // The time is up or the peer is gone: either way it is closed now.
                let _ = tokio::time::timeout(CLOSE_PATIENCE, goodbye).await;
                drop(slot);
            });
        }
    }
}
