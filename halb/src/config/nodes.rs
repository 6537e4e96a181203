//! What can only be seen where the files of several nodes are looked at together: whether their
//! virtual IPs will agree on who holds the addresses.

use halb_config::settings::Settings;
use halb_vrrp::config::{Auth, Delivery, Protocol};
use halb_vrrp::settings::Instance;
use serde::Serialize;

use crate::status::vrrp::remedy::SAME_PRIORITY;

/// Two nodes that won't get on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Their files.
    pub files: [String; 2],
    /// What is unwise, with what follows from it.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

/// What is unwise between any two of these files, each with its name.
#[must_use]
pub fn remarks(nodes: &[(&str, &Settings)]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (index, (other_name, other)) in nodes.iter().enumerate() {
        for (name, settings) in &nodes[..index] {
            for (one, two) in pairs(settings, other) {
                remarks.extend(between(one, two).into_iter().map(|(what, remedy)| Remark {
                    files: [(*name).to_owned(), (*other_name).to_owned()],
                    what,
                    remedy: remedy.to_owned(),
                }));
            }
        }
    }
    remarks
}

/// Instances that are about the same address.
fn pairs<'a>(
    one: &'a Settings,
    two: &'a Settings,
) -> impl Iterator<Item = (&'a Instance, &'a Instance)> {
    let instances = |settings: &'a Settings| settings.vrrp.routers.instances.iter();
    let share = |one: &Instance, two: &Instance| {
        one.router.addresses().as_slice().iter().any(|ip| two.router.addresses().contains(*ip))
    };
    let twins = move |one| instances(two).filter(move |two| share(one, two)).map(move |t| (one, t));
    instances(one).flat_map(twins)
}

/// What follows from most of it.
const BOTH: &str = "neither hears the other, and both will hold the addresses";

fn between(one: &Instance, two: &Instance) -> Vec<(String, &'static str)> {
    let name = &one.name;
    let (a, b) = (&one.router, &two.router);
    let (id, other_id) = (a.vrid().get(), b.vrid().get());
    if id != other_id {
        let what = format!("{name} has router_id {id} in the one and {other_id} in the other");
        return vec![(format!("{what}: {BOTH}"), "give both nodes the same 'router_id'")];
    }
    let mut found = protocols(a.protocol(), b.protocol());
    let is_unicast = |delivery: &Delivery| matches!(delivery, Delivery::Unicast { .. });
    if is_unicast(a.delivery()) != is_unicast(b.delivery()) {
        found.push((
            format!("unicast_peers in one only: {BOTH}"),
            "write 'unicast_peers' in both, or in neither",
        ));
    }
    let (a, b) = (a.addresses().as_slice(), b.addresses().as_slice());
    if a.len() != b.len() || !a.iter().all(|address| b.contains(address)) {
        found.push((
            "other addresses in each: those that only one has don't move".to_owned(),
            "give both nodes the same 'addresses'",
        ));
    }
    if one.priority == two.priority {
        found.push((format!("priority {} in both", one.priority.get()), SAME_PRIORITY));
    }
    found.into_iter().map(|(what, remedy)| (format!("{name} has {what}"), remedy)).collect()
}

fn protocols(one: &Protocol, two: &Protocol) -> Vec<(String, &'static str)> {
    let (own, theirs) = match (one, two) {
        (Protocol::V2 { interval, auth }, Protocol::V2 { interval: other, auth: other_auth }) => {
            ((interval, auth), (other, other_auth))
        }
        (Protocol::V3 { .. }, Protocol::V3 { .. }) => return Vec::new(),
        (Protocol::V2 { .. }, Protocol::V3 { .. }) | (Protocol::V3 { .. }, Protocol::V2 { .. }) => {
            return vec![(
                format!("another version in each: {BOTH}"),
                "give both nodes the same 'version'",
            )];
        }
    };
    let mut found = Vec::new();
    if own.0 != theirs.0 {
        let (one, two) = (own.0.get(), theirs.0.get());
        found.push((
            format!("adverts every {one} s in the one and every {two} s in the other: {BOTH}"),
            "give both nodes the same 'advert_interval', or version 3",
        ));
    }
    if !takes(own.1.as_ref(), theirs.1.as_ref()) || !takes(theirs.1.as_ref(), own.1.as_ref()) {
        found.push((
            format!("a password that the other node doesn't take: {BOTH}"),
            "give both nodes the same 'auth_pass'; while you change it, 'auth_pass_also' accepts a \
             second one",
        ));
    }
    found
}

/// Whether one node accepts what the other one sends.
fn takes(own: Option<&Auth>, theirs: Option<&Auth>) -> bool {
    let Some(own) = own else { return theirs.is_none() };
    theirs
        .is_some_and(|theirs| theirs.password == own.password || own.also == Some(theirs.password))
}
