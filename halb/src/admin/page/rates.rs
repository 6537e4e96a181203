//! Figures of a second, out of two looks.

use std::time::Duration;

use crate::status::{Frontend, Status};

/// What a frontend did in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) accepted: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// Rates of `frontend` since the look before, if that one knew it too.
pub(super) fn of(frontend: &Frontend, now: &Status, before: Option<&Status>) -> Option<Rates> {
    let before = before?;
    let seconds = now.process.uptime_seconds - before.process.uptime_seconds;
    let millis = Duration::try_from_secs_f64(seconds).ok()?.as_millis();
    let millis = u64::try_from(millis).ok().filter(|millis| *millis > 0)?;
    let then = before.frontends.iter().find(|then| then.name == frontend.name)?;
    let per_second = |now: u64, then: u64| now.saturating_sub(then).saturating_mul(1_000) / millis;
    Some(Rates {
        accepted: per_second(frontend.accepted, then.accepted),
        bytes_in: per_second(frontend.bytes_in, then.bytes_in),
        bytes_out: per_second(frontend.bytes_out, then.bytes_out),
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
        now.frontends[0].name = "new".to_owned();
        assert_eq!(of(&now.frontends[0], &now, Some(&before)), None);
    }
}
