//! Reads the version of a virtual router, and what depends on it.

use std::time::Duration;

use halb_vrrp::config::{Auth, ChecksumChoice, Protocol};
use halb_vrrp::packet::{ChecksumForm, Password};
use halb_vrrp::values::{AdvertInterval, Centiseconds, Seconds, Version};
use toml::de::DeValue;

use crate::diagnostic::Diagnostic;
use crate::reader::Table;
use crate::units::{DURATION_MAX, DurationText};
use crate::{SECOND, defaults};

/// The version and its parts; none where they are wrong.
pub(super) struct ProtocolDraft {
    pub(super) version: Option<Version>,
    pub(super) interval: Option<AdvertInterval>,
    auth: Option<Auth>,
    checksum: ChecksumChoice,
}

impl ProtocolDraft {
    /// There is a password, and a version that has them.
    pub(super) fn has_password(&self) -> bool {
        self.version == Some(Version::V2) && self.auth.is_some()
    }

    /// All of it, if nothing is wrong.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        Some(match self.interval? {
            AdvertInterval::V2(interval) => Protocol::V2 { interval, auth: self.auth.clone() },
            AdvertInterval::V3(interval) => Protocol::V3 { interval, checksum: self.checksum },
        })
    }
}

/// Length of a step of version 3, and its longest interval.
const STEP: Duration = Duration::from_millis(10);
const LONGEST_V3: Duration = Duration::from_millis(40_950);

/// Longest interval of version 2.
const LONGEST_V2: Duration = Duration::from_secs(255);

const CHECKSUMS: &[(&str, ChecksumChoice)] = &[
    ("auto", ChecksumChoice::Auto),
    ("rfc9568", ChecksumChoice::Fixed(ChecksumForm::Message)),
    ("pseudo", ChecksumChoice::Fixed(ChecksumForm::PseudoHeader)),
];

/// Reads version, interval, passwords and checksum.
pub(super) fn read(table: &Table<'_>) -> ProtocolDraft {
    let version = read_version(table);
    let interval = version.and_then(|version| read_interval(table, version));
    let auth = read_auth(table);
    let checksum = table.choice("checksum", CHECKSUMS).unwrap_or(ChecksumChoice::Auto);
    match version {
        Some(Version::V3) => {
            for key in ["auth_pass", "auth_pass_also"] {
                let remedy = "remove it; or write `version = 2` on all nodes";
                report_misplaced(table, Version::V3, key, remedy);
            }
        }
        Some(Version::V2) => {
            let remedy = "remove it: adverts of version 2 have one kind of checksum";
            report_misplaced(table, Version::V2, "checksum", remedy);
        }
        None => {}
    }
    ProtocolDraft { version, interval, auth, checksum }
}

/// None: it is written, and wrong.
fn read_version(table: &Table<'_>) -> Option<Version> {
    if !table.has("version") {
        return Some(Version::V3);
    }
    match table.number("version", 2..=3_u8)? {
        2 => Some(Version::V2),
        _ => Some(Version::V3),
    }
}

fn report_misplaced(table: &Table<'_>, version: Version, key: &str, remedy: &str) {
    let Some(entry) = table.get(key) else { return };
    let what = format!("version {} takes no '{key}'", version.number());
    let consequence = match version {
        Version::V2 => "it would do nothing, so the file is refused",
        Version::V3 => "adverts of version 3 carry no password, so it would keep nobody out",
    };
    table.sink.report(
        Diagnostic::error(entry.key_span.clone(), what).consequence(consequence).remedy(remedy),
    );
}

fn read_interval(table: &Table<'_>, version: Version) -> Option<AdvertInterval> {
    let interval = if table.has("advert_interval") {
        table.duration("advert_interval", Duration::ZERO..=DURATION_MAX)?
    } else {
        defaults::ADVERT_INTERVAL
    };
    let read = match version {
        Version::V2 => seconds(interval),
        Version::V3 => centiseconds(interval),
    };
    if let (None, Some(entry)) = (read, table.get("advert_interval")) {
        let why = misfit(version, interval);
        let what = format!("an interval of {} {}", DurationText(interval), why.what);
        table.sink.report(
            Diagnostic::error(entry.span.clone(), what)
                .consequence(why.consequence)
                .remedy(why.remedy),
        );
    }
    read
}

/// Why a version doesn't know an interval.
struct Misfit {
    what: &'static str,
    consequence: String,
    remedy: String,
}

fn misfit(version: Version, interval: Duration) -> Misfit {
    let (number, other, step, longest) = match version {
        Version::V2 => {
            (2, "`version = 3` on all nodes, which goes down to 10ms", SECOND, LONGEST_V2)
        }
        Version::V3 => (3, "`version = 2` on all nodes, which goes up to 4m15s", STEP, LONGEST_V3),
    };
    let (step_text, longest_text) = (DurationText(step), DurationText(longest));
    let counts = format!("version {number} counts in steps of {step_text}, up to {longest_text}");
    if interval > longest {
        let remedy = match version {
            Version::V2 => format!("write at most \"{longest_text}\""),
            Version::V3 => format!("write at most \"{longest_text}\"; or {other}"),
        };
        return Misfit { what: "is too long", consequence: counts, remedy };
    }
    if interval < step {
        let remedy = match version {
            Version::V2 => format!("write at least \"{step_text}\"; or {other}"),
            Version::V3 => format!("write at least \"{step_text}\""),
        };
        return Misfit { what: "is too short", consequence: counts, remedy };
    }
    let lower = interval.as_millis() / step.as_millis() * step.as_millis();
    let lower = Duration::from_millis(u64::try_from(lower).unwrap_or_default());
    let (below, above) = (DurationText(lower), DurationText(lower + step));
    let remedy = match version {
        Version::V2 => format!("write \"{below}\" or \"{above}\"; or {other}"),
        Version::V3 => format!("write \"{below}\" or \"{above}\""),
    };
    Misfit { what: "is between two steps", consequence: counts, remedy }
}

fn seconds(interval: Duration) -> Option<AdvertInterval> {
    let whole = u16::try_from(interval.as_secs()).ok().filter(|_| interval.subsec_nanos() == 0)?;
    Seconds::new(whole).ok().map(AdvertInterval::V2)
}

fn centiseconds(interval: Duration) -> Option<AdvertInterval> {
    let (count, rest) =
        (interval.as_millis() / STEP.as_millis(), interval.as_millis() % STEP.as_millis());
    let count = u16::try_from(count).ok().filter(|_| rest == 0)?;
    Centiseconds::new(count).ok().map(AdvertInterval::V3)
}

fn read_auth(table: &Table<'_>) -> Option<Auth> {
    let password = read_password(table, "auth_pass");
    let also = read_password(table, "auth_pass_also");
    if let (Some(entry), false) = (table.get("auth_pass_also"), table.has("auth_pass")) {
        table.sink.report_absence(
            Diagnostic::error(entry.key_span.clone(), "'auth_pass_also' without 'auth_pass'")
                .consequence("adverts would carry no password, and those with one be accepted")
                .remedy("write the password to send as 'auth_pass'"),
        );
    }
    if let (Some(one), Some(other), Some(entry)) = (password, also, table.get("auth_pass_also"))
        && one == other
    {
        table.sink.report(
            Diagnostic::lint(entry.span.clone(), "both passwords are the same")
                .consequence("only their first 8 bytes count, so nothing more is accepted")
                .remedy("remove 'auth_pass_also', or write the other password"),
        );
    }
    Some(Auth { password: password?, also })
}

fn read_password(table: &Table<'_>, key: &'static str) -> Option<Password> {
    let entry = table.get(key)?;
    if let DeValue::Table(_) = entry.value {
        table.report_type(entry, "a text in quotes", None);
        return None;
    }
    let text = table.text_of(entry)?;
    if text.is_empty() {
        table.sink.report(
            Diagnostic::error(entry.span.clone(), format!("'{}' is empty", entry.path))
                .consequence("it can't be told from no password at all")
                .remedy("write the password that all nodes have, or remove the key"),
        );
        return None;
    }
    if Password::cuts(text) {
        let what = format!("only the first {} bytes of this password count", Password::LEN);
        let cut = text.floor_char_boundary(Password::LEN);
        let kept = text.get(..cut).filter(|_| cut == Password::LEN);
        let remedy = match kept {
            Some(kept) => {
                format!("write \"{kept}\", which is what travels, here and on the others")
            }
            None => format!("write at most {} bytes, the same on all nodes", Password::LEN),
        };
        table.sink.report(
            Diagnostic::lint(entry.span.clone(), what)
                .consequence("the rest adds nothing, and another rest is accepted too")
                .remedy(remedy),
        );
    }
    Some(Password::new(text))
}
