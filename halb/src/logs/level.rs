//! Which events are logged: what the file says, and for a while what an order says. Pure.

use std::time::{Duration, Instant};

use halb_config::settings::LogLevel;

/// The level in force, and where it comes from.
#[derive(Debug, Clone)]
pub struct Levels {
    file: LogLevel,
    ordered: Option<Ordered>,
}

#[derive(Debug, Clone, Copy)]
struct Ordered {
    level: LogLevel,
    /// None: until it is taken back.
    until: Option<Instant>,
}

impl Levels {
    /// As the file says.
    #[must_use]
    pub fn new(file: LogLevel) -> Self {
        Self { file, ordered: None }
    }

    /// The file says something else; an order stays until its time.
    pub fn set_file(&mut self, file: LogLevel) {
        self.file = file;
    }

    /// An order; without a level, the file's holds again.
    pub fn order(&mut self, level: Option<LogLevel>, until: Option<Instant>) {
        self.ordered = level.map(|level| Ordered { level, until });
    }

    /// Ends an order whose time is over; true if there was one.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let over = self.poll_timeout().is_some_and(|until| until <= now);
        if over {
            self.ordered = None;
        }
        over
    }

    /// When an order ends; changes with every order.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.ordered?.until
    }

    /// The level in force.
    #[must_use]
    pub fn in_force(&self) -> LogLevel {
        self.ordered.map_or(self.file, |ordered| ordered.level)
    }

    /// What the file says.
    #[must_use]
    pub fn of_file(&self) -> LogLevel {
        self.file
    }

    /// The level that was ordered, and for how long it still holds (none: until it is taken
    /// back).
    #[must_use]
    pub fn ordered(&self, now: Instant) -> Option<(LogLevel, Option<Duration>)> {
        let ordered = self.ordered?;
        Some((ordered.level, ordered.until.map(|until| until.saturating_duration_since(now))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_for_its_time_and_then_the_file_again() {
        let now = Instant::now();
        let minute = Duration::from_secs(60);
        let mut levels = Levels::new(LogLevel::Info);
        levels.order(Some(LogLevel::Debug), Some(now + minute));
        assert_eq!(levels.in_force(), LogLevel::Debug);
        assert_eq!(levels.poll_timeout(), Some(now + minute));
        assert!(!levels.handle_timeout(now + minute / 2));
        let left = Some((LogLevel::Debug, Some(minute / 2)));
        assert_eq!(levels.ordered(now + minute / 2), left);
        assert!(levels.handle_timeout(now + minute));
        assert_eq!((levels.in_force(), levels.ordered(now)), (LogLevel::Info, None));
    }

    #[test]
    fn an_order_without_a_time_holds_until_it_is_taken_back_also_over_a_reload() {
        let now = Instant::now();
        let mut levels = Levels::new(LogLevel::Info);
        levels.order(Some(LogLevel::Trace), None);
        levels.set_file(LogLevel::Warn);
        assert!(!levels.handle_timeout(now + Duration::from_secs(1_000_000)));
        assert_eq!(levels.in_force(), LogLevel::Trace);
        levels.order(None, None);
        assert_eq!(levels.in_force(), LogLevel::Warn);
    }
}
