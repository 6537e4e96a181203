//! The status page as it changes, as server-sent events: each is what the page's `main` holds, a
//! second after the one before.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use hyper::body::{Bytes, Frame};
use tokio::sync::Semaphore;
use tokio::time;
use tokio::time::{Interval, MissedTickBehavior};

use super::{Looks, page};
use crate::status::Status;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks of one stream: it ends in good order before [`super::CONNECTION_TIME`] ends it, and the
/// browser opens another one. So a page that nobody closes holds no connection for ever.
const LOOKS_MAX: u32 = 20;

/// How the browser is told to come again.
const RETRY: &str = "retry: 500\n";

struct Live {
    looks: Looks,
    turns: Arc<Semaphore>,
    ticks: Interval,
    left: u32,
    before: Option<Status>,
}

/// The body of one stream; its first event comes at once.
pub(super) fn stream(
    looks: Looks,
    turns: Arc<Semaphore>,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    let mut ticks = time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let live = Live { looks, turns, ticks, left: LOOKS_MAX, before: None };
    stream::unfold(live, async |mut live| {
        let event = live.next().await?;
        Some((Ok(Frame::data(event)), live))
    })
}

impl Live {
    async fn next(&mut self) -> Option<Bytes> {
        self.left = self.left.checked_sub(1)?;
        self.ticks.tick().await;
        // Takes its turn like any other answer; none is left when the daemon ends.
        let _turn = self.turns.acquire().await.ok()?;
        let status = (self.looks.status)().await;
        let mut event = if self.before.is_none() { RETRY.to_owned() } else { String::new() };
        for line in page::content(&status, self.before.as_ref()).lines() {
            event.push_str("data: ");
            event.push_str(line);
            event.push('\n');
        }
        event.push('\n');
        self.before = Some(status);
        Some(event.into())
    }
}
