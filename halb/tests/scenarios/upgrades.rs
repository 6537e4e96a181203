//! Upgrades of the node that holds the address, under load through it: no request fails, no advert
//! is left out, and the address stays.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halb::status::vrrp::State;
use halb_lab::Capture;
use halb_lab::client::Protocol;
use halb_lab::net::Watch;

use crate::forward::{Node, Successor, VIP, of_pair, wait_for, work_on, write_key};
use crate::support::daemon::Daemon;
use crate::support::load::{Load, Style};
use crate::support::masters::PORT;
use crate::support::network::Network;

/// One that was left out would make it two seconds.
const LONGEST_GAP: Duration = Duration::from_millis(1500);

/// Upgrades it so often; requests that were answered meanwhile, and the longest time between two
/// adverts, which are a second apart.
fn upgrades_under_load(times: usize) -> (usize, Duration) {
    let network = Network::new();
    let second = network.lab.host("loadbalancer02", "172.16.16.52/24").unwrap();
    let masters = network.api_servers();
    let directory = tempfile::tempdir().unwrap();
    let key = write_key(directory.path());
    let node = |priority, other| {
        let (key, forward, interval) = (&*key, "proxy", "1s");
        of_pair(&masters, &Node { priority, other, key, forward, interval })
    };
    let one = Daemon::start(&network.balancer, &node(150, "172.16.16.52"));
    let _successor = Successor(&one);
    wait_for(&one, State::Active);
    let two = Daemon::start(&second, &node(100, "172.16.16.51"));
    wait_for(&two, State::Backup);

    let vip = VIP.parse().unwrap();
    let (target, ca) = (SocketAddr::new(vip, PORT), masters.ca());
    let protocols = [Protocol::Http1, Protocol::Http2];
    let clients = [protocols.map(Style::New), protocols.map(Style::Kept)].concat();
    let kept = clients.len() / 2;
    let load = network.client.block_on(Load::start(target, ca, clients));
    let seen = Capture::start(&network.client).unwrap();
    let watches = [&network.balancer, &second].map(|host| host.watch_addresses().unwrap());
    let begun = Instant::now();
    work_on(&load);
    for _ in 0..times {
        let before = one.status().process.pid;
        assert!(one.done(&["upgrade"]).contains("serves"));
        assert_ne!(one.status().process.pid, before);
        work_on(&load);
    }
    // Time enough for the other one to take over, had it missed something.
    let own = |advert: &halb_lab::capture::Advert| advert.source == network.balancer.ip();
    for _ in 0..4 {
        seen.wait_for("an advert", seen.mark(), crate::support::PATIENCE, own);
    }
    assert_eq!(load.kept_connections(), kept, "nobody had to connect again");
    let requests = network.client.block_on(load.end());
    let failed: Vec<_> = requests.iter().filter(|request| request.failed()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), requests.len());
    let moves: Vec<_> = watches.iter().flat_map(Watch::changes).collect();
    let moved = moves.iter().any(|change| change.at >= begun && change.address == vip);
    assert!(!moved, "{moves:?}");
    let adverts = seen.adverts();
    assert!(adverts.iter().all(own), "the other one was active: {adverts:?}");
    let gaps = adverts.windows(2).map(|two| two[1].at.saturating_duration_since(two[0].at));
    (requests.len(), gaps.max().unwrap())
}

#[test]
#[ignore = "needs root"]
fn upgrades_of_the_node_with_the_address_cost_its_clients_nothing() {
    let (_, gap) = upgrades_under_load(3);
    assert!(gap < LONGEST_GAP, "no advert for {gap:?}");
}

/// The same twenty times in a row.
#[test]
#[ignore = "measures"]
fn measure_twenty_upgrades_under_load_through_the_address() {
    let (requests, gap) = upgrades_under_load(20);
    println!(
        "| upgrades in a row | requests through the address | failed | longest time between adverts, 1 s apart | moves |"
    );
    println!("|---|---|---|---|---|\n| 20 | {requests} | 0 | {gap:.3?} | 0 |");
    assert!(gap < LONGEST_GAP, "no advert for {gap:?}");
}
