//! How long certificates are still valid.

use pem::Pem;

use super::view::Certificate;
use super::{Area, Finding, Seen};

/// A certificate that ends sooner than this is bad: kubelet renews its own long before, and kubeadm
/// renews those of a master with each upgrade, or when it is told to.
const SOON_SECONDS: i64 = 30 * DAY_SECONDS;

const DAY_SECONDS: i64 = 86_400;

/// The certificate of each node that ends first.
pub(super) fn check(seen: &Seen<'_>, findings: &mut Vec<Finding>) {
    let area = Area::Certificates;
    for host in seen.nodes().filter(|host| !seen.silent.contains_key(&host.name)) {
        let certificates = seen.views.get(&host.name).map(|view| &view.certificates);
        let Some(certificates) = certificates.filter(|certificates| !certificates.is_empty())
        else {
            findings.push(Finding::unproven(area, &host.name, "none could be read"));
            continue;
        };
        let mut first: Option<(i64, &str)> = None;
        for (path, certificate) in certificates {
            match not_after(certificate) {
                Some(ends) if first.is_none_or(|(soonest, _)| ends < soonest) => {
                    first = Some((ends, path));
                }
                Some(_) => {}
                None => {
                    let what = format!("{path} holds no certificate that can be read");
                    findings.push(Finding::unproven(area, &host.name, what));
                }
            }
        }
        let Some((ends, path)) = first else { continue };
        findings.push(judge(seen, &host.name, ends, path));
    }
}

fn judge(seen: &Seen<'_>, host: &str, ends: i64, path: &str) -> Finding {
    let left = ends.saturating_sub(seen.now_seconds);
    let days = left.unsigned_abs() / DAY_SECONDS.unsigned_abs();
    let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let remedy = if path.starts_with("/var/lib/kubelet") {
        "kubelet renews it by itself: 'journalctl -u kubelet' there says why it didn't"
    } else if path.ends_with("ca.crt") {
        "an authority: replace it as 'Manual Rotation of CA Certificates' of Kubernetes' \
         documentation has it"
    } else {
        "there: kubeadm certs renew all, then restart the four static pods"
    };
    if left <= 0 {
        let what = format!("{path} ended {days} ago");
        Finding::bad(Area::Certificates, host, what).so(remedy)
    } else if left < SOON_SECONDS {
        Finding::bad(Area::Certificates, host, format!("{path} ends in {days}")).so(remedy)
    } else {
        let what = format!("the first ends in {days} ({path})");
        Finding::good(Area::Certificates, host, what)
    }
}

/// When it ends, in seconds since 1970.
fn not_after(Certificate(text): &Certificate) -> Option<i64> {
    let armour = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let der = pem::parse(armour).ok().map(Pem::into_contents)?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
