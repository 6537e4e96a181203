//! How long certificates are still valid.

use super::{Area, Finding, Seen, Verdict};
use crate::certs::{self, Standing};

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
        let mut first: Option<Standing> = None;
        for (path, certificate) in certificates {
            let one = certs::of_file(&host.name, path, certificate, seen.now_seconds);
            if one.ends_seconds.is_none() {
                let what = format!("{path} holds no certificate that can be read");
                findings.push(Finding::unproven(area, &host.name, what));
            } else if first.as_ref().is_none_or(|first| one.ends_seconds < first.ends_seconds) {
                first = Some(one);
            }
        }
        findings.extend(first.map(|one| judge(&one)));
    }
}

fn judge(one: &Standing) -> Finding {
    let Standing { host, path, .. } = one;
    let days = one.days_left.unwrap_or_default().abs();
    let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let remedy = one.kind.remedy();
    if one.ended {
        let what = format!("{path} ended {days} ago");
        Finding::bad(Area::Certificates, host, what).so(remedy)
    } else if one.verdict == Verdict::Bad {
        Finding::bad(Area::Certificates, host, format!("{path} ends in {days}")).so(remedy)
    } else {
        let what = format!("the first ends in {days} ({path})");
        Finding::good(Area::Certificates, host, what)
    }
}
