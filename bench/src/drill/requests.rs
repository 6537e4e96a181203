//! Requests at a steady pace, and what becomes of each.
//!
//! They don't wait for each other: one that hangs delays none of the next.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::{self, MissedTickBehavior};

use super::record::{Outcome, Request};

/// Requests so far; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    noted: Arc<Mutex<Vec<Noted>>>,
}

/// A request; without an end it is under way.
#[derive(Clone, Copy, Debug)]
struct Noted {
    sent: Instant,
    end: Option<(Instant, Outcome)>,
}

impl Requests {
    /// Sends one per `pace`, until the task ends or there were [`REQUESTS`]. An `attempt` says
    /// whether it was answered.
    pub(super) async fn send<A, F>(self, pace: Duration, attempt: A)
    where
        A: Fn() -> F,
        F: Future<Output = bool> + Send + 'static,
    {
        let mut ticks = time::interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..REQUESTS {
            ticks.tick().await;
            self.lock().push(Noted { sent: Instant::now(), end: None });
            let (requests, attempt) = (self.clone(), attempt());
            tokio::spawn(async move {
                let outcome = match time::timeout(PATIENCE, attempt).await {
                    Ok(true) => Outcome::Answered,
                    Ok(false) => Outcome::Failed,
                    Err(_) => Outcome::Hung,
                };
                requests.lock()[number].end = Some((Instant::now(), outcome));
            });
        }
    }

    /// Whether the last few requests were all answered that were sent since a moment and have
    /// ended, [`IN_A_ROW`] of them at least.
    pub(super) fn is_answered_since(&self, moment: Instant) -> bool {
        let noted = self.lock();
        let sent = noted.iter().rev().take_while(|noted| noted.sent >= moment);
        let outcomes = sent.filter_map(|noted| noted.end).map(|(_, outcome)| outcome);
        let last: Vec<Outcome> = outcomes.take(IN_A_ROW).collect();
        last.len() == IN_A_ROW && last.iter().all(|outcome| *outcome == Outcome::Answered)
    }

    /// Whether one failed or hung that was sent since a moment.
    pub(super) fn is_lost_since(&self, moment: Instant) -> bool {
        let noted = self.lock();
        let mut sent = noted.iter().rev().take_while(|noted| noted.sent >= moment);
        sent.any(|noted| noted.end.is_some_and(|(_, outcome)| outcome != Outcome::Answered))
    }

    /// What was sent since `begin` and what became of it by `end`. Times count from `begin`.
    pub(super) fn between(&self, begin: Instant, end: Instant) -> Vec<Request> {
        let request = |noted: &Noted| {
            let (ended, outcome) = match noted.end.filter(|(at, _)| *at <= end) {
                Some(known) => known,
                // It may still be answered in time.
                None if end - noted.sent < MAY_BE_UNDER_WAY => return None,
                None => (end, Outcome::Hung),
            };
            Some(Request { sent: noted.sent - begin, ended: ended - begin, outcome })
        };
        let noted = self.lock();
        let of_record = noted.iter().filter(|noted| noted.sent >= begin && noted.sent <= end);
        of_record.filter_map(request).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Noted>> {
        // Each change is complete before the next one; a panic elsewhere spoils nothing.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a client waits for an answer. A first SYN that is lost is sent again after a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Requests of one drill, so that it ends and its memory is bounded: ten minutes of them at fifty a
/// second.
const REQUESTS: usize = 30_000;

/// Answers in a row that show that clients are served.
const IN_A_ROW: usize = 5;

/// A request that was sent so shortly before the end isn't taken for one that hangs.
const MAY_BE_UNDER_WAY: Duration = Duration::from_millis(250);
