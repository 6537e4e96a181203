//! What a check found: passed, failed, or nothing that could be held against the server.

use std::fmt;

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server answered as it should.
    Passed {
        /// The last layer that was asked.
        layer: Layer,
        /// What it said, in a line.
        detail: Detail,
    },
    /// The server didn't.
    Failed {
        /// Where and how.
        kind: FailureKind,
        /// What happened, in a line.
        detail: Detail,
    },
    /// This host was short of something, so nothing is known. Moves no health.
    Inconclusive {
        /// What was missing.
        detail: Detail,
    },
}

/// The layer of a check that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// A connection was accepted.
    Connect,
    /// A TLS handshake succeeded.
    Tls,
    /// An HTTP answer was as expected.
    Http,
    /// A script ended with status 0.
    Script,
}

/// Where and how a check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The check can't be made as configured: an unreadable CA file, a missing key.
    Setup,
    /// The connection attempt was left unanswered.
    ConnectTimeout,
    /// The connection was refused, or the network said it can't be made.
    Connect,
    /// The TLS handshake was left unfinished.
    TlsTimeout,
    /// The TLS handshake failed, certificate included.
    Tls,
    /// There was no (complete) HTTP answer in time.
    ResponseTimeout,
    /// The HTTP answer was malformed, cut off, or without the text expected.
    Response,
    /// The HTTP answer had another status than expected.
    Status,
    /// The script still ran at the deadline and was killed.
    ScriptTimeout,
    /// The script couldn't be started, or ended otherwise than with status 0.
    Script,
}

impl Outcome {
    /// A check that passed.
    #[must_use]
    pub fn passed(layer: Layer, detail: &str) -> Self {
        Self::Passed { layer, detail: Detail::new(detail) }
    }

    /// A check that failed.
    #[must_use]
    pub fn failed(kind: FailureKind, detail: &str) -> Self {
        Self::Failed { kind, detail: Detail::new(detail) }
    }

    /// A check that couldn't be made for want of something on this host.
    #[must_use]
    pub fn inconclusive(detail: &str) -> Self {
        Self::Inconclusive { detail: Detail::new(detail) }
    }

    /// HAProxy's word for it.
    #[must_use]
    pub fn code(&self) -> CheckCode {
        match self {
            Self::Passed { layer, .. } => match layer {
                Layer::Connect => CheckCode::L4Ok,
                Layer::Tls => CheckCode::L6Ok,
                Layer::Http => CheckCode::L7Ok,
                Layer::Script => CheckCode::ProcOk,
            },
            Self::Failed { kind, .. } => match kind {
                FailureKind::Setup => CheckCode::SockErr,
                FailureKind::ConnectTimeout => CheckCode::L4Tout,
                FailureKind::Connect => CheckCode::L4Con,
                FailureKind::TlsTimeout => CheckCode::L6Tout,
                FailureKind::Tls => CheckCode::L6Rsp,
                FailureKind::ResponseTimeout => CheckCode::L7Tout,
                FailureKind::Response => CheckCode::L7Rsp,
                FailureKind::Status => CheckCode::L7Sts,
                FailureKind::ScriptTimeout => CheckCode::ProcTout,
                FailureKind::Script => CheckCode::ProcErr,
            },
            Self::Inconclusive { .. } => CheckCode::SockErr,
        }
    }

    /// What happened, in a line.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Passed { detail, .. }
            | Self::Failed { detail, .. }
            | Self::Inconclusive { detail } => detail.as_str(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail())
    }
}

/// HAProxy's `check_status` codes (src/check.c:304-335), as far as halb has a use for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckCode {
    /// Not checked yet.
    Ini,
    /// Trouble on this host: a local shortage, or files of the check that can't be used.
    SockErr,
    /// Connection accepted, and no more was asked.
    L4Ok,
    /// Connection attempt unanswered.
    L4Tout,
    /// Connection refused or impossible.
    L4Con,
    /// TLS handshake succeeded, and no more was asked.
    L6Ok,
    /// TLS handshake unfinished.
    L6Tout,
    /// TLS handshake failed.
    L6Rsp,
    /// HTTP answer as expected.
    L7Ok,
    /// No HTTP answer in time.
    L7Tout,
    /// HTTP answer malformed or without the text expected.
    L7Rsp,
    /// HTTP answer with an unexpected status.
    L7Sts,
    /// Script succeeded.
    ProcOk,
    /// Script failed.
    ProcErr,
    /// Script took too long.
    ProcTout,
}

impl CheckCode {
    /// The code as HAProxy writes it, for tables and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ini => "INI",
            Self::SockErr => "SOCKERR",
            Self::L4Ok => "L4OK",
            Self::L4Tout => "L4TOUT",
            Self::L4Con => "L4CON",
            Self::L6Ok => "L6OK",
            Self::L6Tout => "L6TOUT",
            Self::L6Rsp => "L6RSP",
            Self::L7Ok => "L7OK",
            Self::L7Tout => "L7TOUT",
            Self::L7Rsp => "L7RSP",
            Self::L7Sts => "L7STS",
            Self::ProcOk => "PROCOK",
            Self::ProcErr => "PROCERR",
            Self::ProcTout => "PROCTOUT",
        }
    }
}

impl fmt::Display for CheckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A line about a check that is safe to show: at most [`DETAIL_LEN_MAX`] bytes, no control
/// characters (a server or script may say anything, and the line goes to logs and terminals).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail(Box<str>);

/// Longest detail, in bytes: a line on a wide screen; kept once per server.
pub const DETAIL_LEN_MAX: usize = 256;

impl Detail {
    /// Cuts `text` to size; control characters become spaces.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        let end = text.floor_char_boundary(DETAIL_LEN_MAX);
        Self(text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    }

    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_bounded_and_without_control_characters() {
        let detail = Detail::new("  a\x1b[31mb\nc\u{7}  ");
        assert_eq!(detail.as_str(), "a [31mb c");
        let long = Detail::new(&"ä".repeat(DETAIL_LEN_MAX));
        assert_eq!(long.as_str().len(), DETAIL_LEN_MAX);
        let odd = Detail::new(&format!("x{}", "ä".repeat(DETAIL_LEN_MAX)));
        assert_eq!(odd.as_str().len(), DETAIL_LEN_MAX - 1);
    }

    #[test]
    fn each_outcome_has_haproxys_code() {
        let table = [
            (Outcome::passed(Layer::Connect, ""), "L4OK"),
            (Outcome::passed(Layer::Tls, ""), "L6OK"),
            (Outcome::passed(Layer::Http, ""), "L7OK"),
            (Outcome::passed(Layer::Script, ""), "PROCOK"),
            (Outcome::failed(FailureKind::Setup, ""), "SOCKERR"),
            (Outcome::failed(FailureKind::ConnectTimeout, ""), "L4TOUT"),
            (Outcome::failed(FailureKind::Connect, ""), "L4CON"),
            (Outcome::failed(FailureKind::TlsTimeout, ""), "L6TOUT"),
            (Outcome::failed(FailureKind::Tls, ""), "L6RSP"),
            (Outcome::failed(FailureKind::ResponseTimeout, ""), "L7TOUT"),
            (Outcome::failed(FailureKind::Response, ""), "L7RSP"),
            (Outcome::failed(FailureKind::Status, ""), "L7STS"),
            (Outcome::failed(FailureKind::ScriptTimeout, ""), "PROCTOUT"),
            (Outcome::failed(FailureKind::Script, ""), "PROCERR"),
            (Outcome::inconclusive(""), "SOCKERR"),
        ];
        for (outcome, code) in table {
            assert_eq!(outcome.code().to_string(), code);
        }
        assert_eq!(CheckCode::Ini.to_string(), "INI");
        assert_eq!(format!("{:<8}|", CheckCode::L4Ok), "L4OK    |");
    }

    #[test]
    fn an_outcome_reads_as_code_and_detail() {
        let outcome = Outcome::failed(FailureKind::Status, "HTTP status 500");
        assert_eq!(outcome.to_string(), "L7STS: HTTP status 500");
    }
}
