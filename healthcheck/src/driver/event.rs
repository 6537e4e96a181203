//! What the checks tell, and how it reaches a reader who may be slow.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::fleet::HealthChange;

/// What the checks tell.
///
/// A slow reader delays no check and loses no verdict: what doesn't fit into the channel waits, one
/// [`Event::Changed`] per target, the latest. So a reader may meet the same verdict twice in a row,
/// but the last one that it meets is the one in force. [`Event::Moved`] is dropped when the channel
/// is full. [`Checks::status`](crate::Checks::status) tells everything at any time.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A target has a verdict: its first, or another than before.
    Changed(HealthChange),
    /// The health moved and the verdict stands; for the log.
    Moved(HealthChange),
}

/// Events that wait in the channel for the reader: several for each server of a large site, all
/// failing at once.
pub const EVENTS_MAX: usize = 1024;

/// Events on their way to the reader.
pub(super) struct Outbox {
    channel: mpsc::Sender<Event>,
    /// What the channel had no room for: at most one entry per target.
    waiting: VecDeque<HealthChange>,
}

impl Outbox {
    pub(super) fn new(channel: mpsc::Sender<Event>) -> Self {
        Self { channel, waiting: VecDeque::new() }
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.waiting.is_empty() {
            match self.channel.try_send(event) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(event)) => self.keep(event),
            }
        } else {
            self.keep(event);
        }
    }

    fn keep(&mut self, event: Event) {
        match event {
            Event::Changed(change) => {
                self.waiting.retain(|older| older.id != change.id);
                self.waiting.push_back(change);
            }
            Event::Moved(_) => {}
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Forgets what waits of targets that have gone.
    pub(super) fn retain(&mut self, known: impl Fn(&str) -> bool) {
        self.waiting.retain(|change| known(&change.id));
    }

    /// Waits for room and sends one; cancel-safe.
    pub(super) async fn flush(&mut self) {
        match self.channel.reserve().await {
            Ok(room) => {
                if let Some(change) = self.waiting.pop_front() {
                    room.send(Event::Changed(change));
                }
            }
            // The reader has gone.
            Err(_) => self.waiting.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Reason;
    use crate::health::Verdict;

    fn change(id: &str, verdict: Verdict) -> HealthChange {
        let (reason, progress) = (Reason::Resumed, (1, 1));
        HealthChange { id: id.into(), verdict, progress, reason, took: None }
    }

    #[tokio::test]
    async fn a_slow_reader_still_gets_the_latest_verdict_of_each_target() {
        let (sender, mut reader) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        for verdict in [Verdict::Down, Verdict::Up, Verdict::Down] {
            outbox.push(Event::Changed(change("a", verdict)));
            outbox.push(Event::Moved(change("a", verdict)));
            outbox.push(Event::Changed(change("b", verdict)));
        }
        outbox.push(Event::Changed(change("gone", Verdict::Up)));
        outbox.retain(|id| id != "gone");
        assert_eq!(outbox.waiting.len(), 2, "one per target");

        let mut seen = Vec::new();
        while let Ok(event) = reader.try_recv() {
            let Event::Changed(change) = event else { panic!("only verdicts wait") };
            seen.push((change.id.to_string(), change.verdict));
            if outbox.is_waiting() {
                outbox.flush().await;
            }
        }
        let expected = [("a", Verdict::Down), ("a", Verdict::Down), ("b", Verdict::Down)];
        assert_eq!(seen, expected.map(|(id, verdict)| (id.to_string(), verdict)));
    }

    #[tokio::test]
    async fn events_for_nobody_are_forgotten() {
        let (sender, reader) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        outbox.push(Event::Changed(change("a", Verdict::Up)));
        outbox.push(Event::Changed(change("a", Verdict::Down)));
        drop(reader);
        outbox.flush().await;
        assert!(!outbox.is_waiting());
    }
}
