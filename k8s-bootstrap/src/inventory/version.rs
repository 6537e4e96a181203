//! Versions of Kubernetes and Calico, and which of them halb knows.

use std::fmt;

/// A version of three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
}

impl Version {
    /// Reads `1.37.2`, also with a `v` before it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |part: &str| {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if plain { part.parse().ok() } else { None }
        };
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts = text.split('.').map(digits);
        let version = Self { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
        parts.next().is_none().then_some(version)
    }

    /// `v1.37`, as repositories of packages are called.
    #[must_use]
    pub fn minor_text(self) -> String {
        format!("v{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// First minor version of Kubernetes whose kubeadm reads `v1beta4`.
pub const KUBERNETES_FIRST: u16 = 31;

/// First minor version that still gets fixes (November 2026).
pub const KUBERNETES_MAINTAINED: u16 = 35;

/// Newest minor version that halb knows.
pub const KUBERNETES_LAST: u16 = 37;

/// First minor version whose kubelet doesn't start on cgroup v1 unless told to.
pub const KUBERNETES_WITHOUT_CGROUP_V1: u16 = 35;

/// The pause image that a minor version's kubeadm expects; none where that isn't known, so that the
/// runtime's own stays and kubeadm at worst warns.
#[must_use]
pub fn pause_image(minor: u16) -> Option<&'static str> {
    match minor {
        34 | 35 => Some("3.10.1"),
        36 => Some("3.10.2"),
        _ => None,
    }
}

/// Minor versions of Kubernetes that a Calico was tested with, from its requirements; none for one
/// that isn't listed here.
#[must_use]
pub fn calico_tested(calico: Version) -> Option<(u16, u16)> {
    match (calico.major, calico.minor) {
        (3, 28) => Some((27, 30)),
        (3, 29) => Some((29, 32)),
        (3, 30) => Some((31, 35)),
        (3, 31) => Some((32, 35)),
        (3, 32) => Some((34, 36)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        let version = Version { major: 1, minor: 37, patch: 2 };
        assert_eq!(Version::parse("1.37.2"), Some(version));
        assert_eq!(Version::parse("v1.37.2"), Some(version));
        assert_eq!((version.to_string(), version.minor_text()), ("1.37.2".into(), "v1.37".into()));
        for wrong in ["1.37", "1.37.2.1", "1.37.x", "latest", "", "1.37.-2", "1.37.99999", "+1.2.3"]
        {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
