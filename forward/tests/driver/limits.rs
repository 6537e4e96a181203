//! Clients that aren't served, or not yet.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use halb_forward::driver::Limited;
use halb_forward::table::{Balance, Limits};
use halb_lab::eventually;

use super::support::{
    Node, PATIENCE, PORT, Traffic, VIP, VIP6, World, all_hear_more, limited, table,
};

fn with(limits: Limits) -> halb_forward::table::Table {
    limited(&table(Balance::RoundRobin, &[]), &limits)
}

fn prefixes(prefixes: &[&str]) -> Vec<ipnet::IpNet> {
    prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect()
}

/// Waits until the frontend's counters say so.
fn counts(node: &Node, is_so: impl Fn(&Limited) -> bool) {
    eventually("it is counted", PATIENCE, || {
        let limited = node.handle.status().limited;
        if matches!(&limited[..], [one] if is_so(one)) { Ok(()) } else { Err(limited) }
    });
}

#[test]
#[ignore = "needs root"]
fn whom_lists_refuse_is_reset_and_what_they_have_goes_on() {
    let world = World::new();
    world.place(0);
    let node = Node::start(&world.nodes[0], &table(Balance::RoundRobin, &[]));
    node.hold(true);
    let traffic = [Traffic::echo(&world)];
    let client = ["172.16.16.9/32", "fd00::9/128"];
    let lists = |allow: &[&str], deny: &[&str]| {
        let (allow, deny) = (prefixes(allow), prefixes(deny));
        with(Limits { allow, deny, ..Limits::default() })
    };
    for (allow, deny, is_served) in [
        (&[][..], &client[..], false),
        (&["172.16.16.0/20", "fd00::/60"], &[][..], true),
        (&["172.16.0.0/20", "fd01::/60"], &[][..], false),
        (&["172.16.16.0/24", "fd00::/64"], &["172.16.16.8/29", "fd00::8/125"], false),
        (&["0.0.0.0/0", "::/0"], &["172.16.16.10/32", "fd00::/127"], true),
        (&[], &[], true),
    ] {
        node.handle.set_table(lists(allow, deny));
        for address in [VIP, VIP6] {
            eventually("lists are in force", PATIENCE, || {
                match (world.connect(address, b'E'), is_served) {
                    (Ok(_), true) => Ok(()),
                    (Err(error), false) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                    (outcome, _) => Err(format!("{allow:?} {deny:?} {address}: {outcome:?}")),
                }
            });
        }
        if !is_served {
            counts(&node, |limited| limited.denied >= 2 && limited.held_back == 0);
        }
    }
    all_hear_more(&traffic, 10);
    assert!(!node.has_told("Trouble") && !node.has_told("Drift"), "{:?}", node.notices);
}

#[test]
#[ignore = "needs root"]
fn beyond_maxconn_a_client_waits_until_another_one_leaves() {
    let world = World::new();
    world.place(0);
    let maxconn = NonZeroU32::new(2);
    let limits = Limits { maxconn, ..Limits::default() };
    let node = Node::start(&world.nodes[0], &with(limits));
    node.hold(true);
    // One count for both families.
    let (first, _) = world.connect(VIP, b'E').unwrap();
    let (_second, _) = world.connect(VIP6, b'E').unwrap();
    let target = SocketAddr::new(VIP.parse().unwrap(), PORT);
    let within = |time| world.client.run(|| TcpStream::connect_timeout(&target, time));
    let refused = within(Duration::from_millis(500)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TimedOut);
    counts(&node, |limited| limited.held_back >= 1 && limited.denied == 0);
    drop(first);
    within(PATIENCE).unwrap();
    assert!(!node.has_told("Trouble") && !node.has_told("Drift"), "{:?}", node.notices);
}

#[test]
#[ignore = "needs root"]
fn beyond_the_rate_clients_wait_and_all_are_served() {
    let world = World::new();
    world.place(0);
    let accept_rate = NonZeroU32::new(2);
    let limits = Limits { accept_rate, ..Limits::default() };
    let node = Node::start(&world.nodes[0], &with(limits));
    node.hold(true);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let clients = [(); 3].map(|()| scope.spawn(|| world.connect(VIP, b'E').map(drop)));
        for client in clients {
            client.join().unwrap().unwrap();
        }
    });
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    counts(&node, |limited| limited.held_back >= 2);
    assert!(!node.has_told("Trouble") && !node.has_told("Drift"), "{:?}", node.notices);
}

/// A stop and a start of the daemon change nothing of what the kernel has.
#[test]
#[ignore = "needs root"]
fn limits_outlive_the_driver_and_are_adopted() {
    let world = World::new();
    world.place(0);
    let table = with(Limits {
        allow: prefixes(&["172.16.16.0/23"]),
        deny: prefixes(&["172.16.16.9/32"]),
        maxconn: NonZeroU32::new(100),
        accept_rate: NonZeroU32::new(1000),
    });
    let refused = || world.connect(VIP, b'E').unwrap_err().kind();
    let node = Node::start(&world.nodes[0], &table);
    assert_eq!(refused(), ErrorKind::ConnectionRefused);
    drop(node);
    assert_eq!(refused(), ErrorKind::ConnectionRefused);
    let node = Node::start(&world.nodes[0], &table);
    assert!(node.has_told("Adopted") && !node.has_told("Applied"), "{:?}", node.notices);
    counts(&node, |limited| limited.denied == 2);
    // Of another hand.
    super::support::run(
        &world.nodes[0],
        &["nft", "flush", "chain", "inet", "halb", "limits_kubernetes"],
    );
    eventually("it is put right", PATIENCE, || node.handle.status().repairs == 1);
    assert_eq!(refused(), ErrorKind::ConnectionRefused);
    assert!(node.has_told("rules of chain limits_kubernetes differ"), "{:?}", node.notices);
}
