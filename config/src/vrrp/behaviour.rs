//! Reads how a virtual router behaves beside its election.

use std::time::Duration;

use halb_vrrp::config::{Announcements, Answers, Behaviour, Preempt};
use halb_vrrp::values::DownTimerAdverts;
use toml::de::DeValue;

use crate::diagnostic::Diagnostic;
use crate::reader::Table;
use crate::{DAY, HOUR, SECOND, SHORTEST, units};

/// Most announcements in one go: more is a flood, and tells nobody anything new.
const GARP_REPEAT_MAX: u8 = 100;

/// Most adverts that may be missed: keepalived's.
const DOWN_TIMER_MAX: u16 = 100;

/// Reads preemption, delays and announcements.
pub(super) fn read(table: &Table<'_>) -> Behaviour {
    let default = Behaviour::default();
    let startup_delay = table.duration("startup_delay", Duration::ZERO..=HOUR);
    Behaviour {
        preempt: read_preempt(table).unwrap_or(default.preempt),
        startup_delay: startup_delay.unwrap_or(default.startup_delay),
        announcements: read_announcements(table),
        down_timer_adverts: read_down_timer(table).unwrap_or(default.down_timer_adverts),
        answers: Answers {
            lower_prio_no_advert: table.boolean("lower_prio_no_advert").unwrap_or(false),
            higher_prio_send_advert: table.boolean("higher_prio_send_advert").unwrap_or(false),
        },
        peer_link: default.peer_link,
    }
}

fn read_down_timer(table: &Table<'_>) -> Option<DownTimerAdverts> {
    let adverts = table.number("down_timer_adverts", 1..=DOWN_TIMER_MAX)?;
    if let (1, Some(entry)) = (adverts, table.get("down_timer_adverts")) {
        table.sink.report(
            Diagnostic::lint(entry.span.clone(), "one lost advert moves the addresses")
                .consequence("any network loses a packet now and then")
                .remedy("write 2 or more, and a shorter 'advert_interval' if that is too slow"),
        );
    }
    DownTimerAdverts::new(adverts).ok()
}

fn read_preempt(table: &Table<'_>) -> Option<Preempt> {
    let entry = table.get("preempt")?;
    match entry.value {
        DeValue::Boolean(true) => return Some(Preempt::Immediately),
        DeValue::Boolean(false) => return Some(Preempt::Never),
        DeValue::String(text) if units::guess_duration(text).is_none() => {
            let remedy = match text.to_lowercase().as_str() {
                "false" | "no" | "off" | "never" | "none" => "write `preempt = false`",
                "true" | "yes" | "on" => "write `preempt = true`",
                _ => "write true, false, or a delay such as \"30s\"",
            };
            let what = format!("'{}' can't be \"{text}\"", entry.path);
            table.sink.report(Diagnostic::error(entry.span.clone(), what).remedy(remedy));
            return None;
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {}
    }
    let takes = "true, false, or a delay in quotes, with a unit";
    let delay = table.duration_of(entry, Duration::ZERO..=DAY, takes)?;
    Some(if delay.is_zero() { Preempt::Immediately } else { Preempt::After(delay) })
}

fn read_announcements(table: &Table<'_>) -> Announcements {
    let default = Announcements::default();
    let again_after = table.duration_or_off("garp_delay", SHORTEST..=HOUR);
    let refresh = table.duration_or_off("garp_refresh", SECOND..=DAY);
    Announcements {
        repeats: table.number("garp_repeat", 1..=GARP_REPEAT_MAX).unwrap_or(default.repeats),
        again_after: again_after.unwrap_or(default.again_after),
        refresh: refresh.unwrap_or(default.refresh),
    }
}
