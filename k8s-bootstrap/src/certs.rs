//! Certificates of a cluster's hosts: what is left of each, and what to do about those that end.
//!
//! ```text
//!  views, the operator's kubeconfig ──status──▶ one line for each certificate, unusual ones first
//! ```
//!
//! How they are renewed is a plan like any other: [`crate::plan::certs`].

use pem::Pem;
use serde::Serialize;

use crate::inventory::Inventory;
use crate::verify::{Certificate, Verdict, Views};

/// A certificate that ends sooner than this is bad: kubelet renews its own long before, and kubeadm
/// renews those of a master with each upgrade, or when it is told to.
const SOON_SECONDS: i64 = 30 * DAY_SECONDS;

const DAY_SECONDS: i64 = 86_400;

/// Who the operator's own certificate belongs to in a list of hosts.
pub const OPERATOR: &str = "(you)";

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Whose it is: a host of the inventory, or [`OPERATOR`].
    pub host: String,
    /// The file that holds it.
    pub path: String,
    /// Who renews it.
    pub kind: Kind,
    /// When it ends, in seconds since 1970; none if it can't be read.
    pub ends_seconds: Option<i64>,
    /// What is left of it in whole days, negative if it has ended; none if it can't be read.
    pub days_left: Option<i64>,
    /// Whether it has ended.
    pub ended: bool,
    /// Bad if it has ended or ends soon, unproven if it can't be read.
    pub verdict: Verdict,
    /// What to do, where something is to be done.
    pub remedy: Option<&'static str>,
}

/// Who renews a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An authority: nobody does; ten years are meant to be enough.
    Authority,
    /// kubeadm, when `halb k8s certs renew` has it do so.
    Kubeadm,
    /// kubelet, by itself.
    Kubelet,
    /// `halb k8s certs renew`, in the operator's own kubeconfig.
    Operator,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Kubeadm => "kubeadm",
            Self::Kubelet => "kubelet",
            Self::Operator => "kubeconfig",
        }
    }

    /// Whose a file on a host is.
    fn of(path: &str) -> Self {
        if path.starts_with("/var/lib/kubelet") {
            Self::Kubelet
        } else if path.ends_with("ca.crt") {
            Self::Authority
        } else {
            Self::Kubeadm
        }
    }

    /// What to do about one that ends.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Kubelet => {
                "kubelet renews it by itself: 'journalctl -u kubelet' there says why it didn't"
            }
            Self::Authority => {
                "an authority: replace it as 'Manual Rotation of CA Certificates' of Kubernetes' \
                 documentation has it"
            }
            Self::Kubeadm | Self::Operator => "halb k8s certs renew",
        }
    }
}

/// Every certificate that was seen: bad ones first, then unread ones, then by what is left of them.
/// `operator` is the file and the certificate of the operator's own access, if there is one.
#[must_use]
pub fn status(
    inventory: &Inventory,
    views: &Views,
    operator: Option<(&str, &Certificate)>,
    now_seconds: i64,
) -> Vec<Standing> {
    let mut all = Vec::new();
    for host in &inventory.hosts {
        let Some(view) = views.get(&host.name) else { continue };
        for (path, certificate) in &view.certificates {
            all.push(standing(&host.name, (path, Kind::of(path)), certificate, now_seconds));
        }
    }
    if let Some((path, certificate)) = operator {
        all.push(standing(OPERATOR, (path, Kind::Operator), certificate, now_seconds));
    }
    all.sort_by_key(|one| (std::cmp::Reverse(one.verdict), one.ends_seconds));
    all
}

/// One certificate of a host, as it stands.
pub(crate) fn standing(
    host: &str,
    (path, kind): (&str, Kind),
    certificate: &Certificate,
    now_seconds: i64,
) -> Standing {
    let ends_seconds = not_after(certificate);
    let left = ends_seconds.map(|ends| ends.saturating_sub(now_seconds));
    let verdict = match left {
        None => Verdict::Unproven,
        Some(left) if left < SOON_SECONDS => Verdict::Bad,
        Some(_) => Verdict::Good,
    };
    Standing {
        host: host.to_owned(),
        path: path.to_owned(),
        kind,
        ends_seconds,
        days_left: left.map(|left| left / DAY_SECONDS),
        ended: left.is_some_and(|left| left <= 0),
        verdict,
        remedy: (verdict == Verdict::Bad).then(|| kind.remedy()),
    }
}

/// One certificate of a host by its file, as it stands.
pub(crate) fn of_file(
    host: &str,
    path: &str,
    certificate: &Certificate,
    now_seconds: i64,
) -> Standing {
    standing(host, (path, Kind::of(path)), certificate, now_seconds)
}

/// The worst of all.
#[must_use]
pub fn verdict(all: &[Standing]) -> Verdict {
    all.iter().map(|one| one.verdict).max().unwrap_or(Verdict::Unproven)
}

/// Those that `halb k8s certs renew` renews and that end no later than before: host and file.
#[must_use]
pub fn not_renewed<'a>(before: &[Standing], after: &'a [Standing]) -> Vec<(&'a str, &'a str)> {
    let renewable = |one: &&Standing| match one.kind {
        Kind::Kubeadm | Kind::Operator => true,
        Kind::Authority | Kind::Kubelet => false,
    };
    let same = |one: &&Standing| {
        let was = before.iter().find(|was| was.host == one.host && was.path == one.path);
        was.is_some_and(|was| one.ends_seconds <= was.ends_seconds)
    };
    let left = after.iter().filter(renewable).filter(same);
    left.map(|one| (one.host.as_str(), one.path.as_str())).collect()
}

/// When it ends, in seconds since 1970.
fn not_after(Certificate(text): &Certificate) -> Option<i64> {
    let armour = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let der = pem::parse(armour).ok().map(Pem::into_contents)?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests;
