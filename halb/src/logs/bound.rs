//! The bound of [`super::limiter`] before the event log.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::time;
use tracing::callsite::Identifier;
use tracing::{Event, Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::limiter::{Limiter, WINDOW};
use super::record;

/// What is said of events that were left out is never left out itself.
const TARGET: &str = "halb::logs::left_out";

/// Longest text of an event that stands for those like it, in characters.
const LIKE_LEN_MAX: usize = 200;

/// Lets so many events of each kind pass; clones share the count.
#[derive(Clone)]
pub struct Bound(Arc<Shared>);

struct Shared {
    limiter: Mutex<Limiter<Identifier>>,
    left_out: Notify,
}

impl Bound {
    /// Lets `most` events of each kind pass in a second.
    #[must_use]
    pub fn new(most: NonZeroU32) -> Self {
        let limiter = Mutex::new(Limiter::new(most));
        Self(Arc::new(Shared { limiter, left_out: Notify::new() }))
    }

    /// From now on `most` pass.
    pub fn set(&self, most: NonZeroU32) {
        self.lock().set(most);
    }

    /// Says what was left out, a window after it began. Never ends.
    pub async fn tell(self) {
        loop {
            self.0.left_out.notified().await;
            time::sleep(WINDOW).await;
            self.say();
        }
    }

    /// Says what was left out until now.
    pub fn say(&self) {
        // Not while the lock is held: each is an event itself.
        let left_out = self.lock().take();
        for kind in left_out {
            warn!(target: TARGET, events = kind.count, like = kind.like, "events were left out");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Limiter<Identifier>> {
        self.0.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Bound {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if event.metadata().target() == TARGET {
            return true;
        }
        let text = || record::text(event).chars().take(LIKE_LEN_MAX).collect();
        let passes = self.lock().admit(event.metadata().callsite(), Instant::now(), text);
        if !passes {
            self.0.left_out.notify_one();
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing::error;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{fmt, registry};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_of_one_kind_leaves_a_few_lines_and_a_word_on_the_rest() {
        let kept = Kept::default();
        let bound = Bound::new(NonZeroU32::new(3).unwrap());
        let out = kept.clone();
        let lines = fmt::layer().with_ansi(false).with_writer(move || out.clone());
        let subscriber = registry().with(bound.clone()).with(lines);
        tracing::subscriber::with_default(subscriber, || {
            for server in 0..1_000 {
                error!(server, "server is DOWN");
            }
            error!("another kind");
            bound.say();
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches("server is DOWN server=").count(), 4, "{text}");
        assert!(text.contains("another kind"), "{text}");
        let word = r#"events were left out events=997 like="server is DOWN server=3""#;
        assert!(text.contains(word), "{text}");
    }
}
