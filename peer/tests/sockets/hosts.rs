//! Two nodes on a segment, each in a network namespace.

use std::net::SocketAddr;

use halb_lab::{Host, Lab, eventually};
use halb_peer::driver::Settings;
use halb_peer::link::{Event, State};
use halb_peer::refusal::Reason;

use crate::support::{Node, PATIENCE, PORT, channel, settings};

fn start(host: &Host, settings: Settings) -> Node {
    host.block_on(async move { Node::start(settings) })
}

fn wait_for(node: &Node, state: State) {
    eventually(&format!("the link is {state:?}"), PATIENCE, || node.is(state));
}

#[test]
#[ignore = "needs root"]
fn a_cut_is_noticed_by_both_and_mended_without_a_new_session() {
    let lab = Lab::new().unwrap();
    let one = lab.host("one", "172.16.16.51/24").unwrap();
    let two = lab.host("two", "172.16.16.52/24").unwrap();
    let [at_one, at_two] = [&one, &two].map(|host| SocketAddr::new(host.ip(), PORT));
    // Where nothing is said, a node listens on all addresses.
    let anywhere = SocketAddr::from(([0, 0, 0, 0], PORT));
    let a = start(&one, settings(anywhere, at_two));
    let b = start(&two, settings(anywhere, at_one));
    wait_for(&a, State::Up);
    wait_for(&b, State::Up);
    one.link_down().unwrap();
    wait_for(&a, State::Silent);
    wait_for(&b, State::Silent);
    one.link_up().unwrap();
    wait_for(&a, State::Up);
    wait_for(&b, State::Up);
    a.handle.send(channel(), b"again").unwrap();
    eventually("the message arrives", PATIENCE, || b.has(b"again"));
    assert_eq!(b.messages(), [(at_one, b"again".to_vec())]);
    assert_eq!(b.events()[1..3], [Event::Down, Event::Up { anew: false }]);
    assert_eq!(b.status().link.counts.sessions, 1);
}

#[test]
#[ignore = "needs root"]
fn a_node_with_a_virtual_address_still_speaks_from_its_own() {
    let lab = Lab::new().unwrap();
    let one = lab.host("one", "172.16.16.51/24").unwrap();
    let two = lab.host("two", "172.16.16.52/24").unwrap();
    let three = lab.host("three", "172.16.16.53/24").unwrap();
    let [at_one, at_two] = [&one, &two].map(|host| SocketAddr::new(host.ip(), PORT));
    let anywhere = SocketAddr::from(([0, 0, 0, 0], PORT));
    one.add_address("172.16.16.100/32").unwrap();
    let a = start(&one, settings(anywhere, at_two));
    let b = start(&two, settings(anywhere, at_one));
    wait_for(&b, State::Up);
    wait_for(&a, State::Up);
    // A third that has the key, and whom nobody asked, changes nothing.
    let c = start(&three, settings(anywhere, at_two));
    let refused = eventually("the third is noticed", PATIENCE, || b.refused(Reason::NotPeer));
    assert_eq!(refused.from, SocketAddr::new(three.ip(), PORT));
    assert_eq!(c.status().link.state, State::Waiting);
    assert_eq!(b.status().link.state, State::Up);
}
