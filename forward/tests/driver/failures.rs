//! What goes wrong beside the connections.

use std::io::{Read, Write};
use std::net::Shutdown;

use halb_forward::table::Balance;
use halb_lab::eventually;

use super::support::{Node, PATIENCE, VIP, World, link, run, table};

#[test]
#[ignore = "needs root"]
fn a_half_closed_connection_is_copied_and_one_that_ended_is_not() {
    let world = World::new();
    world.place(0);
    let mut nodes =
        [0, 1].map(|index| Node::start(&world.nodes[index], &table(Balance::RoundRobin, &[])));
    link(&mut nodes);
    nodes[0].hold(true);
    let (open, _) = world.connect(VIP, b'W').unwrap();
    let (over, _) = world.connect(VIP, b'W').unwrap();
    open.shutdown(Shutdown::Write).unwrap();
    let copies = || run(&world.nodes[1], &["conntrack", "-L", "-p", "tcp"]);
    eventually("both are copied, one of them half closed", PATIENCE, || {
        let copies = copies();
        (copies.lines().count() == 2 && copies.contains("CLOSE_WAIT")).then_some(()).ok_or(copies)
    });
    drop(over);
    eventually("the other is gone", PATIENCE, || {
        let copies = copies();
        (copies.lines().count() == 1).then_some(()).ok_or(copies)
    });

    // And it lives on where it was copied to.
    world.nodes[0].link_down().unwrap();
    nodes[1].hold(true);
    world.place(1);
    let mut open = open;
    let mut heard = vec![0; 8 * 50];
    open.read_exact(&mut heard).unwrap();
}

/// A standby that was away for a while, or never heard anything, asks for all.
#[test]
#[ignore = "needs root"]
fn a_standby_that_starts_late_learns_all_flows() {
    let world = World::new();
    world.place(0);
    let table = table(Balance::RoundRobin, &[]);
    let holder = Node::start(&world.nodes[0], &table);
    holder.hold(true);
    let streams: Vec<_> = (0..5).map(|_| world.connect(VIP, b'E').unwrap()).collect();
    eventually("they are known", PATIENCE, || holder.handle.status().flows == 5);
    let mut nodes = [holder, Node::start(&world.nodes[1], &table)];
    link(&mut nodes);
    eventually("all are copied", PATIENCE, || nodes[1].handle.status().copies == 5);
    // Entries that somebody removes are there again after the next round; nothing is told twice
    // of those that are whole.
    for (mut stream, _) in streams {
        stream.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
    }
    assert_eq!(nodes[1].handle.status().refused, 0);
}

#[test]
#[ignore = "needs root"]
fn what_the_peer_sends_without_sense_is_counted() {
    let world = World::new();
    let node = Node::start(&world.nodes[0], &table(Balance::RoundRobin, &[]));
    for nonsense in [&b""[..], &[9; 40], &[1, 1, 0, 0]] {
        node.handle.deliver(nonsense.to_vec());
    }
    eventually("it is counted", PATIENCE, || node.handle.status().unreadable == 3);
}
