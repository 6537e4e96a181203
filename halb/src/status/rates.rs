//! Figures of a second, out of two looks.

use std::time::Duration;

use super::{Frontend, Status};

/// The time between two looks at one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    millis: u64,
}

impl Between {
    /// From `before` to `now`; none: they are of two processes, or of one moment.
    #[must_use]
    pub fn looks(before: &Status, now: &Status) -> Option<Self> {
        if before.process.pid != now.process.pid {
            return None;
        }
        let seconds = now.process.uptime_seconds - before.process.uptime_seconds;
        let millis = Duration::try_from_secs_f64(seconds).ok()?.as_millis();
        let millis = u64::try_from(millis).ok().filter(|millis| *millis > 0)?;
        Some(Self { millis })
    }

    /// What a counter gained in a second, rounded down.
    #[must_use]
    pub fn per_second(self, before: u64, now: u64) -> u64 {
        now.saturating_sub(before).saturating_mul(1_000) / self.millis
    }
}

/// What a frontend did in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Connections accepted.
    pub accepted: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// Rates of `frontend` since the look before, if that one knew it too.
#[must_use]
pub fn of(frontend: &Frontend, now: &Status, before: Option<&Status>) -> Option<Rates> {
    let before = before?;
    let between = Between::looks(before, now)?;
    let then = before.frontends.iter().find(|then| then.name == frontend.name)?;
    Some(Rates {
        accepted: between.per_second(then.accepted, frontend.accepted),
        bytes_in: between.per_second(then.bytes_in, frontend.bytes_in),
        bytes_out: between.per_second(then.bytes_out, frontend.bytes_out),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::samples;

    #[test]
    fn rates_are_differences_by_the_time_between() {
        let before = samples::all_fine().status();
        let mut now = before.clone();
        now.process.uptime_seconds += 2.0;
        now.frontends[0].accepted += 30;
        now.frontends[0].bytes_out += 5_000;
        let wanted = Rates { accepted: 15, bytes_in: 0, bytes_out: 2_500 };
        assert_eq!(of(&now.frontends[0], &now, Some(&before)), Some(wanted));
        assert_eq!(of(&now.frontends[0], &now, None), None);
        assert_eq!(of(&now.frontends[0], &before, Some(&before)), None, "no time between");
        now.process.pid += 1;
        assert_eq!(of(&now.frontends[0], &now, Some(&before)), None, "another process");
        now.process.pid -= 1;
        now.frontends[0].name = "new".to_owned();
        assert_eq!(of(&now.frontends[0], &now, Some(&before)), None);
    }
}
