//! Who else said that an address is his.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::status::vrrp::{ForeignClaim, ForeignClaims};

/// The last claim on each address; bounded by the addresses of the configuration.
#[derive(Debug, Default)]
pub(super) struct Claims {
    of: HashMap<Arc<str>, Claimed>,
}

#[derive(Debug, Default)]
struct Claimed {
    count: u64,
    last: BTreeMap<IpAddr, ([u8; 6], Instant)>,
}

impl Claims {
    pub(super) fn note(&mut self, instance: &Arc<str>, address: IpAddr, mac: [u8; 6]) {
        let claimed = self.of.entry(Arc::clone(instance)).or_default();
        claimed.count = claimed.count.saturating_add(1);
        claimed.last.insert(address, (mac, Instant::now()));
    }

    /// Drops what concerns other instances.
    pub(super) fn keep(&mut self, stays: impl Fn(&Arc<str>) -> bool) {
        self.of.retain(|name, _| stays(name));
    }

    pub(super) fn told(&self, now: Instant) -> HashMap<String, ForeignClaims> {
        let claims = |claimed: &Claimed| ForeignClaims {
            count: claimed.count,
            last: claimed.last.iter().map(|(address, last)| claim(*address, *last, now)).collect(),
        };
        self.of.iter().map(|(name, claimed)| (name.to_string(), claims(claimed))).collect()
    }
}

fn claim(address: IpAddr, (mac, at): ([u8; 6], Instant), now: Instant) -> ForeignClaim {
    let [a, b, c, d, e, f] = mac;
    ForeignClaim {
        address: address.to_string(),
        hardware: format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
        ago_seconds: now.saturating_duration_since(at).as_secs_f64(),
    }
}
