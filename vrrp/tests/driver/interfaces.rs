//! What others do to interfaces and addresses.

use std::time::{Duration, Instant};

use halb_lab::net::Loss;
use halb_lab::{Lab, eventually};
use halb_vrrp::config::Delivery;
use halb_vrrp::driver::{DriverNotice, Event, Stopped};
use halb_vrrp::router::State;
use halb_vrrp::settings::Instance;

use crate::world::{
    Node, PATIENCE, VIP, delivered, instance, ip, pair, settings, settle_on, settle_with,
    with_addresses,
};

/// An address that somebody takes away is to be back within this time.
const REPAIRED_WITHIN: Duration = Duration::from_millis(100);

#[test]
#[ignore = "needs root"]
fn an_address_that_somebody_takes_away_is_put_back_at_once_without_a_move() {
    let (_lab, one, two) = pair();
    one.transitions();
    let watch = one.host.watch_addresses().unwrap();
    let mut times: Vec<_> = (0..5)
        .map(|_| {
            let begin = Instant::now();
            one.host.remove_address(&format!("{VIP}/32")).unwrap();
            let back = || watch.last(ip(VIP), true, begin);
            eventually("the address is back", PATIENCE, back) - begin
        })
        .collect();
    // Whoever makes interfaces at the same time may keep the kernel from it once in a while.
    times.sort_unstable();
    assert!(times[2] < REPAIRED_WITHIN, "{times:?}");
    settle_on(&one, &[&two]);
    assert!(one.transitions().is_empty());
    eventually("it is counted", PATIENCE, || one.view().status.stats.repairs == 5);
}

#[test]
#[ignore = "needs root"]
fn of_a_hundred_addresses_only_the_one_that_is_gone_is_put_back() {
    let lab = Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let addresses: Vec<_> = (100..200).map(|last| format!("172.16.16.{last}")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    one.start(settings(with_addresses(200, &addresses)));
    eventually("all are there", PATIENCE, || one.view().present.len() == 100);
    let watch = one.host.watch_addresses().unwrap();
    let begin = Instant::now();
    one.host.remove_address(&format!("{VIP}/32")).unwrap();
    eventually("the address is back", PATIENCE, || watch.last(ip(VIP), true, begin));
    let changes = watch.changes().into_iter().filter(|change| change.at >= begin);
    let others = changes.filter(|change| change.address != ip(VIP)).count();
    assert_eq!(others, 0);
}

#[test]
#[ignore = "needs root"]
fn an_address_that_an_earlier_life_left_is_removed_at_the_start_and_never_sent_from() {
    let (lab, one, mut two) = pair();
    drop(two.vrrp.take());
    // As the only address, too, so that it would be chosen if anything were.
    let mut three = Node::new(&lab, "three", "172.16.16.53/24");
    three.host.add_address(&format!("{VIP}/32")).unwrap();
    three.host.remove_address("172.16.16.53/24").unwrap();
    three.start(settings(instance(100)));
    let left = three.event(|event| match event {
        Event::Driver(DriverNotice::LeftoverRemoved { address, .. }) => Some(address),
        Event::Driver(_) | Event::Transition { .. } | Event::Notice { .. } | Event::Word { .. } => {
            None
        }
    });
    assert_eq!((left, three.holds(VIP)), (ip(VIP), false));
    assert_eq!((three.state(), three.view().link.source), (State::Fault, None));
    three.host.add_address("172.16.16.53/24").unwrap();
    eventually("it takes part", PATIENCE, || three.state() == State::Backup);
    settle_on(&one, &[&three]);
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_is_deleted_and_made_again_is_spoken_and_heard_on_again() {
    let (_lab, one, mut two) = pair();
    drop(two.vrrp.take());
    two.shell("ip link add link eth1 name mv0 type macvlan mode bridge");
    two.shell("ip link set mv0 up");
    two.shell("ip address add 172.16.16.62/24 dev mv0");
    two.start(settings(Instance { interface: "mv0".into(), ..instance(250) }));
    settle_on(&two, &[&one]);
    let before = two.view().index.unwrap();
    two.shell("ip link delete mv0");
    eventually("its router can't take part", PATIENCE, || two.state() == State::Fault);
    settle_on(&one, &[&two]);
    two.shell("ip link add link eth1 name mv0 type macvlan mode bridge");
    two.shell("ip link set mv0 up");
    two.shell("ip address add 172.16.16.62/24 dev mv0");
    settle_on(&two, &[&one]);
    assert_ne!(two.view().index, Some(before));
    let heard = two.view().status.stats.advert_rcvd;
    assert!(heard > 0, "it heard the other one before it took over");
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_gets_another_name_is_another_one() {
    let (_lab, one, mut two) = pair();
    drop(two.vrrp.take());
    two.shell("ip link add link eth1 name mv0 type macvlan mode bridge");
    two.shell("ip link set mv0 up");
    two.shell("ip address add 172.16.16.62/24 dev mv0");
    two.start(settings(Instance { interface: "mv0".into(), ..instance(250) }));
    settle_on(&two, &[&one]);
    for command in ["link set mv0 down", "link set mv0 name mv1", "link set mv1 up"] {
        two.shell(&format!("ip {command}"));
    }
    settle_on(&one, &[&two]);
    assert_eq!((two.state(), two.view().index), (State::Fault, None));
    for command in ["link set mv1 down", "link set mv1 name mv0", "link set mv0 up"] {
        two.shell(&format!("ip {command}"));
    }
    settle_on(&two, &[&one]);
}

#[test]
#[ignore = "needs root"]
fn an_address_of_the_node_that_goes_is_a_fault_and_its_return_ends_it() {
    let (_lab, one, two) = pair();
    one.host.remove_address("172.16.16.51/24").unwrap();
    settle_on(&two, &[&one]);
    assert_eq!(one.state(), State::Fault);
    one.host.add_address("172.16.16.51/24").unwrap();
    settle_on(&one, &[&two]);
}

#[test]
#[ignore = "needs root"]
fn changes_by_the_thousand_are_survived_and_nothing_moves() {
    let (_lab, one, two) = pair();
    one.transitions();
    let batch: String = (0..4000)
        .map(|n| {
            format!(
                "address {} 10.{}.{}.1/32 dev lo\n",
                if n % 2 == 0 { "add" } else { "del" },
                n / 2 / 250,
                n / 2 % 250
            )
        })
        .collect();
    let file = tempfile(&batch);
    one.shell(&format!("ip -batch {}", file.path().display()));
    one.host.remove_address(&format!("{VIP}/32")).unwrap();
    eventually("the address is back", PATIENCE, || one.holds(VIP));
    settle_on(&one, &[&two]);
    assert!(one.transitions().is_empty());
}

#[test]
#[ignore = "needs root"]
fn a_firewall_that_keeps_adverts_in_moves_the_address_and_is_named_once() {
    let (_lab, one, two) = pair();
    one.shell("nft add table ip wall");
    one.shell("nft add chain ip wall out { type filter hook output priority 0 ; }");
    one.shell("nft add rule ip wall out ip protocol 112 drop");
    settle_on(&two, &[&one]);
    let what = one.event(|event| match event {
        Event::Driver(DriverNotice::Failed { what, .. }) => Some(what),
        Event::Driver(_) | Event::Transition { .. } | Event::Notice { .. } | Event::Word { .. } => {
            None
        }
    });
    assert!(what.contains("eth1") && what.contains("not permitted"), "{what}");
    one.shell("nft delete table ip wall");
    settle_on(&one, &[&two]);
}

#[test]
#[ignore = "needs root"]
fn a_segment_that_fell_apart_and_heals_has_one_holder_again() {
    let (_lab, one, two) = pair();
    one.host.lose(Loss::Everything).unwrap();
    eventually("each takes the other for dead", PATIENCE, || two.holds(VIP) && one.holds(VIP));
    one.host.lose(Loss::Nothing).unwrap();
    settle_on(&one, &[&two]);
}

#[test]
#[ignore = "needs root"]
fn nodes_that_only_speak_to_each_other_elect_one_as_well() {
    let lab = Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let mut two = Node::new(&lab, "two", "172.16.16.52/24");
    let with = |peer| Delivery::Unicast { peers: vec![ip(peer)], hop_limit_min: 255 };
    one.start(settings(delivered(200, VIP, with("172.16.16.52"))));
    two.start(settings(delivered(100, VIP, with("172.16.16.51"))));
    settle_on(&one, &[&two]);
    one.host.link_down().unwrap();
    settle_on(&two, &[&one]);
    one.host.link_up().unwrap();
    settle_on(&one, &[&two]);
}

#[test]
#[ignore = "needs root"]
fn an_ipv6_address_has_one_holder_and_moves() {
    const VIP6: &str = "fd00:16::100";
    let lab = Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "fd00:16::51/64");
    let mut two = Node::new(&lab, "two", "fd00:16::52/64");
    one.start(settings(delivered(200, VIP6, Delivery::Multicast)));
    two.start(settings(delivered(100, VIP6, Delivery::Multicast)));
    settle_with(VIP6, &one, &[&two]);
    one.host.link_down().unwrap();
    settle_with(VIP6, &two, &[&one]);
    one.host.link_up().unwrap();
    settle_with(VIP6, &one, &[&two]);
    assert!(two.stop() == Stopped::Done && one.stop() == Stopped::Done);
    assert!(!one.holds(VIP6) && !two.holds(VIP6));
}

fn tempfile(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}
