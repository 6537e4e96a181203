//! Who says what of a virtual IP, node by node: this one as it knows itself, the other halb by its
//! words over the link, anybody else by adverts.

use super::{Instance, LinkWord, Peer, State};
use crate::status::words::{exact, span};

/// A node of a virtual router, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `this node`, or an address.
    pub who: String,
    /// Its state in capitals; `-`: nobody knows.
    pub state: &'static str,
    /// It says that it holds the addresses.
    pub active: bool,
    /// Its priority and, where it is another, what it would be: `98 of 100`.
    pub priority: String,
    /// How well it can serve, as far as it says so.
    pub health: String,
    /// Since when that is known or when it was last heard, and how.
    pub known: String,
}

/// More than one node says that it holds the addresses.
#[must_use]
pub fn is_split(nodes: &[Node]) -> bool {
    nodes.iter().filter(|node| node.active).count() > 1
}

/// This node first.
#[must_use]
pub fn of(instance: &Instance) -> Vec<Node> {
    let mut nodes = vec![this(instance)];
    // Whose link is silent may still be heard by its adverts.
    let advertises = |word: &&LinkWord| {
        !word.counts && instance.peers.iter().any(|peer| peer.active && is_of(word, peer))
    };
    let words = || instance.words.iter().filter(|word| !advertises(word));
    nodes.extend(words().map(by_link));
    let others = instance.peers.iter().filter(|peer| !words().any(|word| is_of(word, peer)));
    nodes.extend(others.map(|peer| by_advert(peer, instance.state)));
    nodes
}

/// It is the same node that said it over the link and in adverts.
fn is_of(word: &LinkWord, peer: &Peer) -> bool {
    word.source.as_deref() == Some(&peer.address) || word.from == peer.address
}

fn this(instance: &Instance) -> Node {
    let priority = &instance.priority;
    let health = match (&instance.fault, priority.failed, priority.sick, instance.yielded) {
        (Some(fault), ..) => fault.clone(),
        (None, true, ..) => "failed".to_owned(),
        (None, false, true, _) => "sick".to_owned(),
        (None, false, false, true) => "yielded".to_owned(),
        (None, false, false, false) => "well".to_owned(),
    };
    Node {
        who: "this node".to_owned(),
        state: instance.state.loud(),
        active: instance.state == State::Active,
        priority: of_base(priority.effective, priority.configured),
        health,
        known: format!("for {}", span(instance.since_seconds)),
    }
}

fn by_link(word: &LinkWord) -> Node {
    let able = if word.able { "" } else { ", not able to take over" };
    let yielded = if word.yielded { ", yielded" } else { "" };
    Node {
        who: word.source.as_ref().unwrap_or(&word.from).clone(),
        state: if word.counts { word.state.loud() } else { "SILENT" },
        active: word.counts && word.state == State::Active,
        priority: of_base(word.effective, word.configured),
        health: format!("{}{yielded}{able}", word.health),
        known: format!("link, {} ago", exact(word.ago_seconds)),
    }
}

fn by_advert(peer: &Peer, own: State) -> Node {
    // Only who is active advertises; what it said last it may have left since.
    let gone = peer.last_priority == Some(0);
    let (state, active) = match (peer.active, own) {
        (true, _) => (State::Active.loud(), true),
        (false, State::Active) if peer.heard && !gone => (State::Backup.loud(), false),
        (false, State::Initialize | State::Backup | State::Active | State::Fault) => ("-", false),
    };
    let known = match peer.ago_seconds {
        Some(ago) => format!("advert, {} ago", exact(ago)),
        None => "never heard".to_owned(),
    };
    let priority = peer.last_priority.map(|priority| priority.to_string());
    Node {
        who: peer.address.clone(),
        state,
        active,
        priority: priority.unwrap_or_else(|| "-".to_owned()),
        health: String::new(),
        known,
    }
}

fn of_base(effective: u8, configured: u8) -> String {
    match effective {
        0 => "about to stop".to_owned(),
        _ if effective == configured => effective.to_string(),
        _ => format!("{effective} of {configured}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::vrrp::samples;

    fn states(instance: &Instance) -> Vec<(String, &'static str)> {
        of(instance).into_iter().map(|node| (node.who, node.state)).collect()
    }

    #[test]
    fn a_node_that_speaks_over_the_link_is_told_once_by_its_word() {
        let mut node = samples::backup();
        node.say(|_| ());
        let vrrp = node.vrrp();
        let nodes = of(&vrrp.instances[0]);
        let other: Vec<_> = nodes.iter().filter(|node| node.who == samples::OTHER).collect();
        assert_eq!(other.len(), 1, "{nodes:?}");
        assert_eq!((other[0].state, other[0].health.as_str()), ("ACTIVE", "well"));
        assert!(other[0].known.starts_with("link, "), "{nodes:?}");
        assert!(!is_split(&nodes), "this one is a backup");
    }

    #[test]
    fn without_a_link_adverts_tell_who_is_active() {
        let backup = samples::backup().vrrp();
        let who = states(&backup.instances[0]);
        assert_eq!(who[0], ("this node".to_owned(), "BACKUP"));
        assert!(who.contains(&(samples::OTHER.to_owned(), "ACTIVE")), "{who:?}");
    }

    #[test]
    fn two_that_say_active_are_a_split_and_an_old_word_is_none() {
        let mut node = samples::active();
        node.say(|_| ());
        let mut vrrp = node.vrrp();
        assert!(is_split(&of(&vrrp.instances[0])));
        vrrp.instances[0].words[0].counts = false;
        let nodes = of(&vrrp.instances[0]);
        assert!(!is_split(&nodes));
        assert_eq!(nodes[1].state, "SILENT");
    }

    #[test]
    fn a_node_whose_link_is_silent_is_told_by_its_adverts() {
        let mut node = samples::backup();
        node.say(|_| ());
        let mut vrrp = node.vrrp();
        vrrp.instances[0].words[0].counts = false;
        let nodes = of(&vrrp.instances[0]);
        let other: Vec<_> = nodes.iter().filter(|node| node.who == samples::OTHER).collect();
        assert_eq!((other.len(), other[0].state), (1, "ACTIVE"), "{nodes:?}");
        assert!(other[0].known.starts_with("advert, "), "{nodes:?}");
    }
}
