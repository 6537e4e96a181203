//! Messages for syslog: RFC 5424 for collectors, and for `/dev/log` the older form, which is what
//! systemd-journald and rsyslog read there. Pure.

use std::fmt::Write as _;

/// Longest message, in bytes: more than an event has, and what collectors take by default.
pub const MESSAGE_LEN_MAX: usize = 8_000;

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Number of the facility (RFC 5424, table 1).
    pub facility: u8,
    /// How messages are written.
    pub dialect: Dialect,
    /// Name of this host.
    pub host: String,
    /// Process id.
    pub pid: u32,
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 5424.
    Rfc5424,
    /// What the C library writes to `/dev/log`: RFC 3164 without the host.
    Local,
}

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something doesn't work.
    Error,
    /// Worth waking someone.
    Warning,
    /// A state changed.
    Informational,
    /// For finding faults.
    Debug,
}

impl Severity {
    /// Syslog's number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Informational => 6,
            Self::Debug => 7,
        }
    }
}

impl Sender {
    /// A message without its end. `when` is as RFC 3339 has it, in UTC; `kind` says what the
    /// message is of, in a word.
    #[must_use]
    pub fn message(&self, severity: Severity, when: &str, kind: &str, text: &str) -> String {
        let priority = self.facility * 8 + severity.number();
        let mut out = match self.dialect {
            Dialect::Rfc5424 => {
                format!("<{priority}>1 {when} {} halb {} {kind} - ", self.host(), self.pid)
            }
            Dialect::Local => format!("<{priority}>{} halb[{}]: ", older(when), self.pid),
        };
        for character in text.trim_end().chars() {
            if out.len() + character.len_utf8() > MESSAGE_LEN_MAX {
                break;
            }
            out.push(if character.is_control() { ' ' } else { character });
        }
        out
    }

    /// Printable ASCII without blanks, or "-" for no name.
    fn host(&self) -> &str {
        let fits = !self.host.is_empty() && self.host.len() <= 255;
        if fits && self.host.bytes().all(|byte| byte.is_ascii_graphic()) { &self.host } else { "-" }
    }
}

/// `2026-01-31T12:00:00.000000Z` as `Jan 31 12:00:00`.
fn older(when: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let number = |from: usize| when.get(from..from + 2).and_then(|two| two.parse::<usize>().ok());
    let month = number(5).and_then(|month| MONTHS.get(month.checked_sub(1)?)).unwrap_or(&"Jan");
    let mut out = String::new();
    let (day, time) = (number(8).unwrap_or(1), when.get(11..19).unwrap_or("00:00:00"));
    // Writing to a String can't fail.
    let _ = write!(out, "{month} {day:2} {time}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHEN: &str = "2026-02-03T04:05:06.000007Z";

    fn sender(dialect: Dialect) -> Sender {
        Sender { facility: 16, dialect, host: "loadbalancer01".to_owned(), pid: 42 }
    }

    #[test]
    fn messages_are_as_the_rfcs_have_them() {
        let severity = Severity::Warning;
        assert_eq!(
            sender(Dialect::Rfc5424).message(severity, WHEN, "event", "server is DOWN\n"),
            "<132>1 2026-02-03T04:05:06.000007Z loadbalancer01 halb 42 event - server is DOWN"
        );
        assert_eq!(
            sender(Dialect::Local).message(severity, WHEN, "event", "server is DOWN\n"),
            "<132>Feb  3 04:05:06 halb[42]: server is DOWN"
        );
        let nameless = Sender { host: "a b".to_owned(), ..sender(Dialect::Rfc5424) };
        assert!(
            nameless
                .message(severity, WHEN, "event", "x")
                .starts_with("<132>1 2026-02-03T04:05:06.000007Z - halb 42 event - x")
        );
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        let text = format!("one\ntwo\0three{}", "ß".repeat(10_000));
        let message = sender(Dialect::Rfc5424).message(Severity::Error, WHEN, "event", &text);
        assert!(message.contains("one two three") && !message.contains(char::is_control));
        assert!(message.len() <= MESSAGE_LEN_MAX && message.len() > MESSAGE_LEN_MAX - 2);
    }
}
