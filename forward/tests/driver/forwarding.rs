//! One node forwards.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use halb_forward::driver::{StopHow, clear};
use halb_forward::table::Balance;
use halb_lab::eventually;
use socket2::{Domain, Socket, Type};

use super::support::{
    Node, PATIENCE, PORT, Traffic, VIP, VIP6, World, all_hear_more, are_different, run, table,
};

#[test]
#[ignore = "needs root"]
fn connections_go_to_one_server_after_the_other() {
    let world = World::new();
    world.place(0);
    let node = Node::start(&world.nodes[0], &table(Balance::RoundRobin, &[]));
    node.hold(true);
    for address in [VIP, VIP6] {
        let connect = |_| world.connect(address, b'E').unwrap().1;
        let servers: Vec<_> = (0..12).map(connect).collect();
        assert!(!node.has_told("Drift"), "{:?}", node.notices);
        assert!(are_different(&servers[..3]), "{servers:?}");
        assert!(servers.chunks(3).all(|turn| turn == &servers[..3]), "{servers:?}");
    }
    assert!(!node.has_told("Trouble"), "{:?}", node.notices);
    assert!(!node.has_told("Drift"), "{:?}", node.notices);
}

#[test]
#[ignore = "needs root"]
fn by_source_a_client_keeps_its_server() {
    let world = World::new();
    world.place(0);
    let _node = Node::start(&world.nodes[0], &table(Balance::Source, &[]));
    let servers: Vec<_> = (0..5).map(|_| world.connect(VIP, b'E').unwrap().1).collect();
    assert!(servers.iter().all(|server| *server == servers[0]), "{servers:?}");
    let v6 = world.connect(VIP6, b'E');
    v6.unwrap();
}

#[test]
#[ignore = "needs root"]
fn without_a_server_a_client_is_refused_at_once_and_not_after_one_comes_back() {
    let world = World::new();
    world.place(0);
    let node = Node::start(&world.nodes[0], &table(Balance::RoundRobin, &[101, 102, 103]));
    for address in [VIP, VIP6] {
        let refused = world.connect(address, b'E').unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{address}");
    }
    node.handle.set_table(table(Balance::RoundRobin, &[101, 103]));
    eventually("the server takes connections", PATIENCE, || {
        world.connect(VIP, b'E').is_ok_and(|(_, server)| server == 102)
    });
}

/// A watch's client says nothing, so that nothing would tell it.
#[test]
#[ignore = "needs root"]
fn flows_of_a_server_that_goes_down_are_reset_and_those_of_others_go_on() {
    let world = World::new();
    world.place(0);
    let node = Node::start(&world.nodes[0], &table(Balance::RoundRobin, &[]));
    node.hold(true);
    let traffic =
        (0..3).map(|_| Traffic::echo(&world)).chain((0..3).map(|_| Traffic::watch(&world)));
    let traffic: Vec<_> = traffic.collect();
    all_hear_more(&traffic, 3);
    world.servers[1].link_down().unwrap();
    node.handle.set_table(table(Balance::RoundRobin, &[102]));
    let (gone, stay): (Vec<_>, Vec<_>) = traffic.into_iter().partition(|one| one.server == 102);
    assert_eq!((gone.len(), stay.len()), (2, 4));
    for one in gone {
        assert_eq!(one.error().kind(), std::io::ErrorKind::ConnectionReset);
    }
    all_hear_more(&stay, 20);
    for one in stay {
        one.stop().unwrap();
    }
    eventually("they are counted", PATIENCE, || node.handle.status().ended.ended == 2);
}

#[test]
#[ignore = "needs root"]
fn connections_outlive_the_driver_and_its_table_is_adopted() {
    let world = World::new();
    world.place(0);
    let table = table(Balance::RoundRobin, &[]);
    let node = Node::start(&world.nodes[0], &table);
    node.hold(true);
    assert!(node.has_told("Applied"));
    let traffic = [Traffic::echo(&world), Traffic::watch(&world), Traffic::download(&world)];
    all_hear_more(&traffic, 10);
    drop(node);
    all_hear_more(&traffic, 10);
    let later = Traffic::echo(&world);
    let node = Node::start(&world.nodes[0], &table);
    assert!(node.has_told("Adopted") && !node.has_told("Applied"), "{:?}", node.notices);
    node.hold(true);
    eventually("it knows the flows of before", PATIENCE, || node.handle.status().flows >= 4);
    all_hear_more(&traffic, 10);
    for one in traffic.into_iter().chain([later]) {
        one.stop().unwrap();
    }
    assert!(!node.has_told("Trouble"), "{:?}", node.notices);
}

#[test]
#[ignore = "needs root"]
fn what_another_hand_changes_is_put_right() {
    let world = World::new();
    world.place(0);
    let node = Node::start(&world.nodes[0], &table(Balance::RoundRobin, &[]));
    let host = &world.nodes[0];
    let traffic = [Traffic::echo(&world)];
    let harm = |repairs, words: &[&str]| {
        run(host, words);
        eventually("it is put right", PATIENCE, || node.handle.status().repairs == repairs);
        eventually("connections are taken", PATIENCE, || world.connect(VIP, b'E').is_ok());
    };
    harm(1, &["nft", "flush", "chain", "inet", "halb", "translate"]);
    harm(2, &["nft", "add", "rule", "inet", "halb", "rest", "drop"]);
    harm(3, &["nft", "add", "element", "inet", "halb", "forwarded_v4", "{ 10.0.0.1 . 1 }"]);
    assert!(node.has_told("rules of chain translate differ"), "{:?}", node.notices);
    all_hear_more(&traffic, 10);
    // Without any rules the host's own stack answers, so that connections of before are lost.
    harm(4, &["nft", "delete", "table", "inet", "halb"]);
    // A table of somebody else's is none of ours.
    run(host, &["nft", "add", "table", "inet", "other"]);
    assert!(!node.has_told("Trouble"), "{:?}", node.notices);
}

#[test]
#[ignore = "needs root"]
fn a_stop_on_purpose_leaves_nothing_behind() {
    let world = World::new();
    let host = &world.nodes[0];
    let names = ["net.ipv4.ip_forward", "net.ipv4.conf.eth1.send_redirects"];
    let settings = || names.map(|name| run(host, &["sysctl", "-n", name]).trim().to_owned());
    let before = settings();
    assert_eq!(before, ["0", "1"]);
    let node = Node::start(host, &table(Balance::RoundRobin, &[]));
    assert_eq!(settings(), ["1", "0"]);
    assert!(run(host, &["nft", "list", "tables"]).contains("table inet halb"));
    let handle = std::sync::Arc::into_inner(node.handle).unwrap();
    assert!(handle.status().settings.iter().any(|changed| changed.name == names[0]));
    handle.stop(StopHow::RemoveTable);
    assert_eq!(run(host, &["nft", "list", "tables"]), "");
    assert_eq!(settings(), before);
}

#[test]
#[ignore = "needs root"]
fn two_clients_with_one_port_are_both_served_and_the_one_that_got_another_is_counted() {
    let world = World::new();
    world.place(0);
    world.client.add_address("172.16.16.8/24").unwrap();
    let node = Node::start(&world.nodes[0], &table(Balance::RoundRobin, &[102, 103]));
    node.hold(true);
    let target: SocketAddr = format!("{VIP}:{PORT}").parse().unwrap();
    let connect = |last: u8| {
        world.client.run(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from(([172, 16, 16, last], 40_000)).into()).unwrap();
            socket.connect_timeout(&target.into(), PATIENCE).unwrap();
            let mut stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut number = [0];
            stream.read_exact(&mut number).unwrap();
            (stream, number[0])
        })
    };
    let (_first, one) = connect(9);
    eventually("it is known", PATIENCE, || node.handle.status().flows == 1);
    assert_eq!(node.handle.status().renumbered, 0);
    let (_second, other) = connect(8);
    assert_eq!((one, other), (101, 101));
    eventually("it is counted", PATIENCE, || node.handle.status().renumbered == 1);
}

/// A run that is killed puts nothing back; whoever comes later does, or clears up after it.
#[test]
#[ignore = "needs root"]
fn what_a_killed_run_changed_is_put_back_by_whoever_comes_later() {
    let world = World::new();
    let host = &world.nodes[0];
    let names = ["net.ipv4.ip_forward", "net.ipv4.conf.eth1.send_redirects"];
    let settings = || names.map(|name| run(host, &["sysctl", "-n", name]).trim().to_owned());
    let before = settings();
    let table = table(Balance::RoundRobin, &[]);
    let killed = |node: Node| {
        let changed = node.handle.status().settings;
        assert!(node.has_told(&format!("{changed:?}")), "told when they were changed");
        changed
    };
    let changed = killed(Node::start(host, &table));
    assert_eq!(settings(), ["1", "0"]);
    // Nothing is left to change, and nothing is forgotten.
    let next = Node::start_after(host, &table, changed.clone());
    assert!(next.has_told("Adopted") && !next.has_told("Settings"), "{:?}", next.notices);
    let handle = std::sync::Arc::into_inner(next.handle).unwrap();
    assert_eq!(handle.status().settings, changed);
    handle.stop(StopHow::RemoveTable);
    assert_eq!(settings(), before);

    let changed = killed(Node::start(host, &table));
    assert_eq!(settings(), ["1", "0"]);
    host.run(|| clear(&changed)).unwrap();
    assert_eq!(run(host, &["nft", "list", "tables"]), "");
    assert_eq!(settings(), before);
}
