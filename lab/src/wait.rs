//! Waiting for something to become true, with a deadline and a message that says what was seen.

use std::{
    fmt::Debug,
    thread,
    time::{Duration, Instant},
};

/// An answer that is either there or tells what is there instead.
///
/// `bool`, [`Option`] and [`Result`] are conditions; a `Result` with a telling error gives the best
/// message when the wait fails.
pub trait Condition {
    /// What the wait returns once the condition holds.
    type Value;

    /// The value, or what was seen in its place.
    ///
    /// # Errors
    /// The condition doesn't hold; the text says what was seen.
    fn outcome(self) -> Result<Self::Value, String>;
}

impl Condition for bool {
    type Value = ();

    fn outcome(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".to_owned()) }
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: Debug> Condition for Result<T, E> {
    type Value = T;

    fn outcome(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Asks `probe` until its condition holds, and returns the value.
///
/// Asks at least once, then every 1 ms at first and every 50 ms at last. Blocks the thread: in
/// async code use [`eventually_async`].
///
/// # Panics
/// When the condition doesn't hold within `limit`; the message has `what` and what was last seen.
#[track_caller]
pub fn eventually<C: Condition>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> C,
) -> C::Value {
    let mut polls = Polls::new(limit);
    loop {
        match probe().outcome() {
            Ok(value) => return value,
            Err(seen) => match polls.pause() {
                Some(pause) => thread::sleep(pause),
                None => panic!("{what}: not within {limit:?}, last seen: {seen}"),
            },
        }
    }
}

/// [`eventually`] for a probe that is a future; yields to the runtime between two probes.
///
/// The deadline is looked at between probes, so a probe that may hang needs a limit of its own.
///
/// # Panics
/// As [`eventually`].
pub async fn eventually_async<C: Condition>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> C,
) -> C::Value {
    let mut polls = Polls::new(limit);
    loop {
        match probe().await.outcome() {
            Ok(value) => return value,
            Err(seen) => match polls.pause() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => panic!("{what}: not within {limit:?}, last seen: {seen}"),
            },
        }
    }
}

/// The pauses between probes: doubling, so that what is quick is seen quickly and what is slow
/// costs little.
struct Polls {
    deadline: Instant,
    next: Duration,
}

impl Polls {
    const FIRST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(50);

    fn new(limit: Duration) -> Self {
        Self { deadline: Instant::now() + limit, next: Self::FIRST }
    }

    /// How long to wait before the next probe; none when the time is up.
    fn pause(&mut self) -> Option<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let pause = self.next.min(left);
        self.next = (self.next * 2).min(Self::LONGEST);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_ends_the_wait_with_its_value() {
        let mut asked = 0;
        let value = eventually("third time", Duration::from_secs(5), || {
            asked += 1;
            (asked == 3).then_some("here")
        });
        assert_eq!((value, asked), ("here", 3));
    }

    #[test]
    #[should_panic(expected = "the moon: not within 5ms, last seen: \"a cloud\"")]
    fn a_wait_that_fails_says_what_was_last_seen() {
        eventually("the moon", Duration::from_millis(5), || Err::<(), _>("a cloud"));
    }

    #[tokio::test]
    async fn an_async_condition_is_asked_again_until_it_holds() {
        let mut asked = 0;
        eventually_async("second time", Duration::from_secs(5), async || {
            asked += 1;
            asked == 2
        })
        .await;
        assert_eq!(asked, 2);
    }
}
