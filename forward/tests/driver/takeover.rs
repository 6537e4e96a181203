//! The address moves, and connections with it.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use halb_forward::table::Balance;
use halb_lab::eventually;

use super::support::{Node, PATIENCE, Traffic, VIP, VIP6, World, all_hear_more, link, table};

fn nodes(world: &World, balance: Balance) -> [Node; 2] {
    [0, 1].map(|index| Node::start(&world.nodes[index], &table(balance, &[])))
}

fn mixed(world: &World) -> Vec<Traffic> {
    let kinds: [fn(&World) -> Traffic; 3] = [Traffic::echo, Traffic::watch, Traffic::download];
    let counts = [12, 6, 2];
    let of_kind = |(kind, count): (fn(&World) -> Traffic, usize)| {
        std::iter::repeat_with(move || kind(world)).take(count).collect::<Vec<_>>()
    };
    kinds.into_iter().zip(counts).flat_map(of_kind).collect()
}

/// Waits until the other node has all flows of this one.
fn is_copied(nodes: &[Node; 2], from: usize, count: usize) {
    eventually("all flows are copied", PATIENCE, || {
        let [holder, standby] = [from, 1 - from].map(|node| nodes[node].handle.status());
        (holder.flows == count && standby.copies == count)
            .then_some(())
            .ok_or_else(|| format!("holder: {holder:?}\nstandby: {standby:?}"))
    });
}

#[test]
#[ignore = "needs root"]
fn every_connection_survives_its_node_and_the_way_back() {
    let world = World::new();
    world.place(0);
    let mut nodes = nodes(&world, Balance::RoundRobin);
    let is_cut = link(&mut nodes);
    nodes[0].hold(true);
    let traffic = mixed(&world);
    all_hear_more(&traffic, 3);
    is_copied(&nodes, 0, traffic.len());

    // The node falls off the network without a word.
    is_cut.store(true, Ordering::Relaxed);
    world.nodes[0].link_down().unwrap();
    nodes[1].hold(true);
    world.place(1);
    all_hear_more(&traffic, 20);

    // It comes back as standby, learns what it missed, and takes over by arrangement.
    nodes[0].hold(false);
    world.take_away(0);
    world.nodes[0].link_up().unwrap();
    is_cut.store(false, Ordering::Relaxed);
    let late = Traffic::watch(&world);
    let traffic: Vec<_> = traffic.into_iter().chain([late]).collect();
    is_copied(&nodes, 1, traffic.len());
    world.take_away(1);
    nodes[1].hold(false);
    nodes[0].hold(true);
    world.place(0);
    all_hear_more(&traffic, 20);
    for one in traffic {
        one.stop().unwrap();
    }
    for node in &nodes {
        assert!(!node.has_told("Trouble"), "{:?}", node.notices);
        assert_eq!(node.handle.status().refused, 0);
    }
}

/// Each copies to the other at the same time, of both families.
#[test]
#[ignore = "needs root"]
fn each_node_holds_one_address_and_whoever_is_left_goes_on_with_both() {
    let world = World::new();
    let mut nodes = nodes(&world, Balance::RoundRobin);
    let is_cut = link(&mut nodes);
    for (node, address) in [VIP, VIP6].iter().enumerate() {
        world.place_only(node, &[address]);
        nodes[node].hold_only(&[address]);
    }
    let traffic: Vec<_> = [(VIP, 3), (VIP6, 5)]
        .into_iter()
        .flat_map(|(address, count)| (0..count).map(move |_| address))
        .flat_map(|address| [Traffic::echo_at(&world, address), Traffic::watch_at(&world, address)])
        .collect();
    all_hear_more(&traffic, 3);
    eventually("each has the other's flows", PATIENCE, || {
        let has = nodes.each_ref().map(|node| {
            let status = node.handle.status();
            (status.flows, status.copies)
        });
        if has == [(6, 10), (10, 6)] { Ok(()) } else { Err(has) }
    });
    is_cut.store(true, Ordering::Relaxed);
    world.nodes[1].link_down().unwrap();
    nodes[0].hold_only(&[VIP, VIP6]);
    world.place_only(0, &[VIP6]);
    all_hear_more(&traffic, 20);
    for one in traffic {
        one.stop().unwrap();
    }
    assert_eq!(nodes.map(|node| node.handle.status().refused), [0, 0]);
}

/// What nothing was copied of: a hash leads to the same server.
#[test]
#[ignore = "needs root"]
fn by_flow_busy_connections_survive_without_a_copy() {
    let world = World::new();
    world.place(0);
    let nodes = nodes(&world, Balance::Flow);
    nodes[0].hold(true);
    let traffic: Vec<_> = (0..12).map(|_| Traffic::echo(&world)).collect();
    all_hear_more(&traffic, 3);
    world.nodes[0].link_down().unwrap();
    nodes[1].hold(true);
    world.place(1);
    all_hear_more(&traffic, 20);
    for one in traffic {
        one.stop().unwrap();
    }
}

#[test]
#[ignore = "needs root"]
fn strays_meet_silence_right_after_a_take_over_and_a_reset_then() {
    let world = World::new();
    world.place(0);
    let nodes = nodes(&world, Balance::RoundRobin);
    nodes[0].hold(true);
    let traffic = [Traffic::echo(&world)];
    all_hear_more(&traffic, 3);
    world.nodes[0].link_down().unwrap();
    // The address comes before the node knows that it holds it: the order that must not harm.
    world.place(1);
    let held = Instant::now();
    nodes[1].hold(true);
    let [traffic] = traffic;
    let error = traffic.error();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(held.elapsed() >= Duration::from_secs(1), "reset after {:?}", held.elapsed());
}
