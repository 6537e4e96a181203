//! An event as one line of text: what it says, then its fields.

use std::fmt;
use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::syslog::Severity;

/// `server is DOWN backend="masters" server="kmaster2"`.
#[must_use]
pub fn text(event: &Event<'_>) -> String {
    let mut words = Words::default();
    event.record(&mut words);
    words.message + &words.fields
}

/// What the event's level is to syslog.
#[must_use]
pub fn severity(level: Level) -> Severity {
    // Levels are ordered by how much they tell.
    if level > Level::INFO {
        Severity::Debug
    } else if level > Level::WARN {
        Severity::Informational
    } else if level > Level::ERROR {
        Severity::Warning
    } else {
        Severity::Error
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String can't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
