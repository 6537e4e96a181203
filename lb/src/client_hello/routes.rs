//! Which backend serves a server name.

use crate::config::{SniPattern, SniRoute};
use crate::names::BackendName;

/// The backend of the first route that fits; none without a server name, or if none fits. Case
/// and a final dot make no difference.
#[must_use]
pub fn route<'a>(routes: &'a [SniRoute], sni: Option<&str>) -> Option<&'a BackendName> {
    let sni = sni?;
    let name = sni.strip_suffix('.').unwrap_or(sni).as_bytes();
    routes.iter().find(|route| matches(&route.sni, name)).map(|route| &route.backend)
}

fn matches(pattern: &SniPattern, name: &[u8]) -> bool {
    match pattern {
        SniPattern::Exact(exact) => name.eq_ignore_ascii_case(exact.as_bytes()),
        SniPattern::Below(domain) => {
            // At least one character and the dot stand before the domain.
            let Some(before) = name.len().checked_sub(domain.len()).filter(|&len| len >= 2) else {
                return false;
            };
            let (labels, rest) = name.split_at(before);
            labels.ends_with(b".") && rest.eq_ignore_ascii_case(domain.as_bytes())
        }
    }
}
