//! What is unusual about the virtual IPs, in sentences.

use super::remedy::{OTHER_ADDRESSES, SAME_PRIORITY, SPLIT};
use super::{ForeignClaim, Instance, NotifyFifo, Peer, State, Vrrp};
use crate::status::notices::Severity;
use crate::status::readiness::HEARTBEAT_LATE;
use crate::status::words::{span, things};

/// Refused adverts, claims and failures are news for so long.
const RECENT_SECONDS: f64 = 300.0;

/// So long after a change of state, addresses have followed it.
pub(super) const SETTLED_SECONDS: f64 = 1.0;

/// A claim of another machine tells of now for so long; after that it tells of what was.
const CLAIM_SECONDS: f64 = 30.0;

/// Two nodes hold the addresses of some virtual router now, as far as this one can tell.
#[must_use]
pub fn is_split(vrrp: &Vrrp) -> bool {
    vrrp.instances.iter().any(is_held_twice)
}

/// Another node holds the addresses too, as far as this one can tell: the other halb says so, or
/// where it says nothing a machine did a moment ago.
#[must_use]
pub fn is_held_twice(instance: &Instance) -> bool {
    let since = instance.since_seconds;
    let claimed = |ago: f64| ago < CLAIM_SECONDS && ago < since;
    let two = match said_over_the_link(instance) {
        Some(is_active) => is_active,
        None => instance.foreign_claims.last.iter().any(|claim| claimed(claim.ago_seconds)),
    };
    two && instance.state == State::Active && since >= SETTLED_SECONDS
}

/// Another machine claimed addresses that this node holds, and nobody says that it is over.
#[must_use]
pub fn is_claimed(vrrp: &Vrrp) -> bool {
    let open = |instance| recent_claims(instance).any(|claim| !is_over(instance, claim));
    vrrp.instances.iter().any(open)
}

/// Claims of other machines since this node became active; one that only follows them has none.
fn recent_claims(instance: &Instance) -> impl Iterator<Item = &ForeignClaim> {
    let since = instance.since_seconds;
    let holds = instance.state == State::Active && since >= SETTLED_SECONDS;
    let recent = move |ago: f64| holds && ago < RECENT_SECONDS && ago < since;
    instance.foreign_claims.last.iter().filter(move |claim| recent(claim.ago_seconds))
}

/// The other halb doesn't hold what was claimed, and nobody has claimed it again.
fn is_over(instance: &Instance, claim: &ForeignClaim) -> bool {
    said_over_the_link(instance) == Some(false) && claim.ago_seconds > CLAIM_SECONDS
}

/// Whether the other halb says that it is active; none: it says nothing that counts.
fn said_over_the_link(instance: &Instance) -> Option<bool> {
    let mut words = instance.words.iter().filter(|word| word.counts).peekable();
    words.peek()?;
    Some(words.any(|word| word.state == State::Active))
}

/// Adds what tells of two nodes that hold the same addresses: whatever else is wrong, that is worse.
pub fn add_splits(vrrp: &Vrrp, add: &mut impl FnMut(Severity, String)) {
    vrrp.instances.iter().for_each(|instance| split_brain(instance, add));
}

/// Adds all the rest.
pub fn add_all(vrrp: &Vrrp, add: &mut impl FnMut(Severity, String)) {
    for instance in &vrrp.instances {
        self::instance(instance, add);
    }
    let thread = &vrrp.thread;
    if thread.heartbeat_age_seconds > HEARTBEAT_LATE.as_secs_f64() {
        let age = span(thread.heartbeat_age_seconds);
        add(Severity::Warning, format!("the thread of the virtual IPs has stood still for {age}"));
    }
    if thread.guard != "watching" {
        let text = "no guard process watches: if halb dies, its virtual IPs stay on the interface";
        add(Severity::Warning, text.to_owned());
    }
    if thread.scheduling == "refused" || thread.scheduling == "demoted" {
        let text = format!("the virtual IPs' thread is scheduled {}", thread.scheduling_detail);
        add(Severity::Note, text);
    }
    if let Some(ago) = thread.guard_revoked_ago_seconds.filter(|ago| *ago < RECENT_SECONDS) {
        let ago = span(ago);
        let text = format!(
            "halb stood still for more than its freeze limit {ago} ago, and its guard took the \
             virtual IPs off"
        );
        add(Severity::Warning, text);
    }
    if let ("unknown", Some(why)) = (thread.address_marks.as_str(), &thread.address_marks_detail) {
        let text = format!("virtual IPs that a crash leaves behind won't be known as such: {why}");
        add(Severity::Warning, text);
    }
    if let Some(failure) = &vrrp.hooks.last_failure {
        let failed = things(vrrp.hooks.failed, "run of a hook", "runs of hooks");
        add(Severity::Note, format!("{failed} failed, the last: {failure}"));
    }
    if let Some(NotifyFifo { path, lost, error: Some(error) }) = &vrrp.fifo {
        let lost = things(*lost, "change", "changes");
        let text = format!("{lost} of virtual IPs couldn't be told in the FIFO {path}: {error}");
        add(Severity::Warning, text);
    }
    if let Some(error) = &vrrp.journal.error {
        let text = format!("transitions of the virtual IPs are lost with this process: {error}");
        add(Severity::Note, text);
    }
}

fn instance(instance: &Instance, add: &mut impl FnMut(Severity, String)) {
    let (name, since) = (&instance.name, span(instance.since_seconds));
    if let Some(fault) = &instance.fault {
        add(Severity::Warning, format!("vip {name} is in FAULT for {since}: {fault}"));
    } else if instance.state == State::Fault {
        let why = "a tracker of weight 0 has failed";
        add(Severity::Warning, format!("vip {name} is in FAULT for {since}: {why}"));
    }
    if instance.yielded {
        let text = format!("vip {name} is given away as ordered; back: halb vip resume {name}");
        add(Severity::Note, text);
    } else if instance.priority.sick && instance.state != State::Fault {
        let sum = &instance.priority.arithmetic;
        add(Severity::Warning, format!("vip {name} has less than its priority: {sum}"));
    }
    // Around a change of state the kernel is looked at a moment later.
    let settled = instance.since_seconds > SETTLED_SECONDS;
    for address in instance.addresses.iter().filter(|_| settled) {
        let text = match (instance.state == State::Active, address.present) {
            (true, false) => "is missing on this node, which is active",
            (false, true) => "is on this node, which isn't active",
            (true, true) | (false, false) => continue,
        };
        add(Severity::Warning, format!("vip {name}: {} {text}", address.address));
    }
    for peer in &instance.peers {
        peer_notices(instance, peer, add);
    }
    for refused in &instance.refused {
        let heard_since = |peer: &Peer| {
            peer.address == refused.address
                && peer.ago_seconds.is_some_and(|ago| ago < refused.ago_seconds)
        };
        let is_over = instance.peers.iter().any(heard_since);
        if refused.ago_seconds < RECENT_SECONDS && refused.reason != "foreign_vrid" && !is_over {
            let who = &refused.address;
            let text = format!("vip {name}: adverts of {who} aren't taken: {}", refused.detail);
            add(Severity::Warning, text);
        }
    }
}

/// Two nodes hold the addresses: another machine claims one while this node is active, or another
/// halb says that it is active too.
fn split_brain(instance: &Instance, add: &mut impl FnMut(Severity, String)) {
    let since = instance.since_seconds;
    if instance.state != State::Active || since < SETTLED_SECONDS {
        return;
    }
    let name = &instance.name;
    for word in instance.words.iter().filter(|word| word.counts && word.state == State::Active) {
        let text = format!("vip {name}: {} says that it is active too: {SPLIT}", word.from);
        add(Severity::Warning, text);
    }
    for claim in recent_claims(instance) {
        let (address, who, ago) = (&claim.address, &claim.hardware, span(claim.ago_seconds));
        let claimed = format!("vip {name}: {who} said {ago} ago that {address} is its own");
        if said_over_the_link(instance) == Some(true) {
            continue; // Told already.
        }
        if is_over(instance, claim) {
            add(Severity::Note, format!("{claimed}; the other halb doesn't hold it now"));
        } else {
            add(Severity::Warning, format!("{claimed}, so two nodes may hold it: {SPLIT}"));
        }
    }
}

/// What can only be seen on the wire, and is a mistake of somebody's configuration.
fn peer_notices(instance: &Instance, peer: &Peer, add: &mut impl FnMut(Severity, String)) {
    let (name, who, id) = (&instance.name, &peer.address, instance.router_id);
    if !peer.active && peer.ago_seconds.is_none_or(|ago| ago > RECENT_SECONDS) {
        return;
    }
    if peer.same_priority == Some(true) && !instance.priority.sick {
        let priority = instance.priority.effective;
        let text = format!("vip {name}: {who} has the same priority, {priority}: {SAME_PRIORITY}");
        add(Severity::Note, text);
    }
    if peer.same_addresses == Some(false) {
        let text =
            format!("vip {name}: {who} has other addresses for router id {id}: {OTHER_ADDRESSES}");
        add(Severity::Warning, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::vrrp::{ForeignClaim, ForeignClaims, samples};

    fn texts(vrrp: &Vrrp) -> Vec<String> {
        let mut texts = Vec::new();
        let mut add = |_, text| texts.push(text);
        add_splits(vrrp, &mut add);
        add_all(vrrp, &mut add);
        texts
    }

    #[test]
    fn a_healthy_node_is_nothing_unusual_whichever_it_is() {
        assert_eq!(texts(&samples::active().vrrp()), [] as [&str; 0]);
        let mut node = samples::Node::new();
        node.hear(samples::OTHER, 101, "mysecret");
        assert_eq!(texts(&node.vrrp()), [] as [&str; 0]);
    }

    #[test]
    fn two_nodes_with_one_address_are_the_news_on_both() {
        let mut vrrp = samples::active().vrrp();
        let claim = ForeignClaim {
            address: "172.16.16.100".to_owned(),
            hardware: "52:54:00:00:00:52".to_owned(),
            ago_seconds: 3.0,
        };
        vrrp.instances[0].foreign_claims = ForeignClaims { count: 1, last: vec![claim] };
        let told = texts(&vrrp);
        assert!(told[0].contains("52:54:00:00:00:52 said 3 s ago that 172.16.16.100"), "{told:?}");
        assert!(is_split(&vrrp));
        vrrp.instances[0].foreign_claims.last[0].ago_seconds = CLAIM_SECONDS;
        assert!(!is_split(&vrrp) && !texts(&vrrp).is_empty(), "it was, and may be over");
        vrrp.instances[0].foreign_claims.last[0].ago_seconds = RECENT_SECONDS;
        assert_eq!(texts(&vrrp), [] as [&str; 0]);
        vrrp.instances[0].foreign_claims.last[0].ago_seconds = 3.0;
        vrrp.instances[0].state = State::Backup;
        assert!(texts(&vrrp).iter().all(|text| !text.contains("said")), "{:?}", texts(&vrrp));
        let mut node = samples::active();
        node.say(|_| ());
        let told = texts(&node.vrrp());
        assert!(told[0].contains("172.16.16.52 says that it is active too: "), "{told:?}");
        assert!(is_split(&node.vrrp()));
        node.say(|word| word.state = halb_vrrp::router::State::Backup);
        assert_eq!(texts(&node.vrrp()), [] as [&str; 0]);
        let mut vrrp = node.vrrp();
        vrrp.instances[0].foreign_claims.last[0].ago_seconds = 3.0;
        assert!(!is_split(&vrrp), "the other halb has given it up since");
        assert!(is_claimed(&vrrp), "but it was claimed");
        vrrp.instances[0].foreign_claims.last[0].ago_seconds = CLAIM_SECONDS + 1.0;
        assert!(!is_claimed(&vrrp), "nobody claimed it again");
    }

    #[test]
    fn a_refusal_that_is_over_is_no_news() {
        let mut vrrp = samples::backup().vrrp();
        let refused =
            |vrrp: &Vrrp| texts(vrrp).iter().filter(|t| t.contains("aren't taken")).count();
        let before = refused(&vrrp);
        assert!(before > 0);
        let instance = &mut vrrp.instances[0];
        let address = instance.refused[0].address.clone();
        let mut peer = instance.peers[0].clone();
        (peer.address, peer.ago_seconds) = (address, Some(0.1));
        instance.peers.push(peer);
        instance.refused[0].ago_seconds = 1.0;
        assert_eq!(refused(&vrrp), before - 1);
    }

    #[test]
    fn what_stands_in_the_way_is_told() {
        let told = texts(&samples::fault().vrrp());
        assert!(told[0].contains("is in FAULT") && told[0].contains("the interface is down"));
        assert!(told.iter().any(|text| text.contains("no guard process watches")), "{told:?}");
        let told = texts(&samples::backup().vrrp());
        assert!(told[0].contains("172.16.16.53 aren't taken: the password"), "{told:?}");
        let told = texts(&samples::sick().vrrp());
        assert!(told[0].contains("100 - 2 (frontend 'kubernetes') = 98"), "{told:?}");
        let mut node = samples::Node::new();
        node.hear(samples::OTHER, 100, "mysecret");
        assert!(texts(&node.vrrp())[0].contains("172.16.16.52 has the same priority, 100"));
        let mut vrrp = samples::backup().vrrp();
        vrrp.instances[0].peers[0].same_addresses = Some(false);
        assert!(texts(&vrrp)[0].contains("172.16.16.52 has other addresses for router id 1"));
        let mut vrrp = samples::active().vrrp();
        vrrp.instances[0].addresses[0].present = false;
        assert!(texts(&vrrp)[0].contains("is missing on this node"));
        let mut node = samples::active();
        node.revoke(std::time::Duration::from_millis(2));
        node.pass(std::time::Duration::from_secs(60));
        let told = texts(&node.vrrp());
        assert!(told.iter().any(|text| text.contains("its guard took the virtual IPs off")));
        node.pass(std::time::Duration::from_secs(600));
        assert_eq!(texts(&node.vrrp()), [] as [&str; 0]);
    }
}
