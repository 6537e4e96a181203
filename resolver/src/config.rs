//! What is asked, of whom, and how long answers hold.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The text is no name of a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a host name has labels of 1 to 63 letters, digits, '-' and '_' with dots between them, at \
     most 253 characters in all, and its last label is no number"
)]
pub struct BadHostName;

/// Longest name, in bytes, less the root's dot (RFC 1035 section 2.3.4).
const NAME_LEN_MAX: usize = 253;

/// Longest label, in bytes.
const LABEL_LEN_MAX: usize = 63;

/// The name of a host, in lower case and without a final dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

impl HostName {
    /// Checks a text. A name whose last label is a number is refused: it would be taken for a
    /// mistyped address.
    ///
    /// # Errors
    /// [`BadHostName`] says what a name may hold.
    pub fn new(text: &str) -> Result<Self, BadHostName> {
        let bare = text.strip_suffix('.').unwrap_or(text);
        let fits = |label: &str| !label.is_empty() && label.len() <= LABEL_LEN_MAX;
        let plain = |label: &str| {
            label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let number = |label: &str| label.chars().all(|c| c.is_ascii_digit());
        let good = bare.len() <= NAME_LEN_MAX
            && bare.split('.').all(|label| fits(label) && plain(label))
            && !bare.rsplit('.').next().is_some_and(number);
        if good { Ok(Self(bare.to_ascii_lowercase().into())) } else { Err(BadHostName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `A` records.
    Ipv4,
    /// `AAAA` records.
    Ipv6,
}

impl Family {
    /// The kind of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

/// Which kinds of addresses will do, the preferred one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Families {
    /// Both; an IPv4 address where there is one.
    PreferIpv4,
    /// Both; an IPv6 address where there is one.
    PreferIpv6,
    /// IPv4 alone; the other kind is never asked for.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
}

impl Families {
    /// The kinds in order of preference.
    #[must_use]
    pub fn in_order(self) -> &'static [Family] {
        match self {
            Self::PreferIpv4 => &[Family::Ipv4, Family::Ipv6],
            Self::PreferIpv6 => &[Family::Ipv6, Family::Ipv4],
            Self::Ipv4 => &[Family::Ipv4],
            Self::Ipv6 => &[Family::Ipv6],
        }
    }
}

/// A name, and what kinds of addresses will do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// The name.
    pub host: HostName,
    /// Kinds that will do.
    pub families: Families,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nameservers {
    /// Those of this file, in the format of `/etc/resolv.conf`; it is read anew when it changes.
    File(PathBuf),
    /// These, in turn; at most [`NAMESERVERS_MAX`](crate::resolv_conf::NAMESERVERS_MAX).
    These(Vec<SocketAddr>),
}

/// How names are asked, and how long an address holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who is asked.
    pub nameservers: Nameservers,
    /// Names in this file come before all name servers; none: there is no such file. It is read
    /// anew when it changes.
    pub hosts_file: Option<PathBuf>,
    /// A name server that hasn't answered after so long is given up for this try.
    pub timeout: Duration,
    /// Rounds over all name servers before a name counts as unanswered.
    pub attempts: NonZeroU32,
    /// A name is asked at most so often, whatever the time to live of its addresses; and so often
    /// while anything is wrong with it.
    pub refresh_min: Duration,
    /// A name is asked at least so often.
    pub refresh_max: Duration,
    /// How long an address outlives answers that speak against it.
    pub holds: Holds,
}

/// How long an address outlives answers that speak against it. Counted from the first such answer,
/// judged at each further one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// Answers say that there is no such name, or that it has no address (HAProxy's `hold nx`).
    pub gone: Duration,
    /// Nobody answers, or only with errors (HAProxy's `hold timeout`, `refused` and `other`).
    /// None: the address holds for as long as that goes on.
    pub unanswered: Option<Duration>,
    /// Answers hold other addresses, and no longer this one (HAProxy's `hold obsolete`).
    pub obsolete: Duration,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Defaults, but for a host without files.
    pub(crate) fn settings() -> Settings {
        Settings {
            nameservers: Nameservers::These(Vec::new()),
            hosts_file: None,
            timeout: Duration::from_secs(1),
            attempts: NonZeroU32::MIN,
            refresh_min: Duration::from_secs(5),
            refresh_max: Duration::from_secs(300),
            holds: Holds {
                gone: Duration::from_secs(30),
                unanswered: None,
                obsolete: Duration::ZERO,
            },
        }
    }

    #[test]
    fn names_of_hosts_are_taken_in_lower_case_without_the_final_dot() {
        let name = |text| HostName::new(text).map(|name| name.as_str().to_owned());
        for (text, taken) in [
            ("Master01.Example.", "master01.example"),
            ("master01", "master01"),
            ("_api._tcp.example", "_api._tcp.example"),
            ("1a.4b", "1a.4b"),
        ] {
            assert_eq!(name(text).as_deref(), Ok(taken));
        }
    }

    #[test]
    fn what_no_name_server_could_know_is_no_name() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = ["abcdefg"; 40].join(".");
        for text in
            ["", ".", "a..b", "-a", "a-", "a b", "a/b", "10.0.0.300", "12", "*", &long, &longer]
        {
            assert_eq!(HostName::new(text), Err(BadHostName), "{text}");
        }
    }
}
