//! Changed settings in operation.

use std::thread;
use std::time::{Duration, Instant};

use halb_lab::eventually;
use halb_vrrp::config::{Auth, Behaviour, Delivery, Protocol, RouterConfig};
use halb_vrrp::packet::{Password, VirtualAddresses};
use halb_vrrp::settings::{Instance, Placement, Settings};
use halb_vrrp::values::{Seconds, VrId};
use nix::sched::{CloneFlags, unshare};

use crate::world::{
    Node, PATIENCE, VIP, instance, ip, paced, pair, settings, settle_on, with_addresses,
};

const MORE: &str = "172.16.16.101";

#[test]
#[ignore = "needs root"]
fn addresses_come_and_go_without_a_transition() {
    let (_lab, one, two) = pair();
    one.transitions();
    two.transitions();
    let both = |priority| settings(with_addresses(priority, &[VIP, MORE]));
    assert_eq!(two.apply(both(100)), [format!("VI_1: address {MORE} added")]);
    assert_eq!(one.apply(both(200)), [format!("VI_1: address {MORE} added")]);
    assert!(one.holds(VIP) && one.holds(MORE), "there when the order is answered");
    assert_eq!(one.apply(settings(instance(200))), [format!("VI_1: address {MORE} removed")]);
    assert!(one.holds(VIP) && !one.holds(MORE));
    two.apply(settings(instance(100)));
    settle_on(&one, &[&two]);
    assert!(one.transitions().is_empty() && two.transitions().is_empty());
}

/// Makes and deletes network namespaces, which keeps the kernel's lock on interfaces busy.
fn churn(until: Instant) {
    while Instant::now() < until {
        let namespace = thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET));
        namespace.join().unwrap().unwrap();
    }
}

#[test]
#[ignore = "needs root"]
fn addresses_that_the_kernel_is_slow_with_hold_no_advert_up() {
    let lab = halb_lab::Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let mut two = Node::new(&lab, "two", "172.16.16.52/24");
    one.start(paced(10, instance(200)));
    two.start(paced(10, instance(100)));
    settle_on(&one, &[&two]);
    one.transitions();
    two.transitions();
    let until = Instant::now() + Duration::from_secs(3);
    thread::scope(|scope| {
        scope.spawn(|| churn(until));
        scope.spawn(|| churn(until));
        while Instant::now() < until {
            for addresses in [&[VIP, MORE][..], &[VIP]] {
                one.apply(paced(10, with_addresses(200, addresses)));
                two.apply(paced(10, with_addresses(100, addresses)));
            }
        }
    });
    let (one_moved, two_moved) = (one.transitions(), two.transitions());
    assert!(one_moved.is_empty() && two_moved.is_empty(), "{one_moved:?} {two_moved:?}");
    settle_on(&one, &[&two]);
}

#[test]
#[ignore = "needs root"]
fn an_address_that_is_placed_in_another_way_is_moved_there_without_a_transition() {
    let (_lab, one, _two) = pair();
    one.transitions();
    let placement = Placement { address: ip(VIP), prefix_len: 24, interface: None, label: None };
    let wider = Instance { placements: vec![placement], ..instance(200) };
    let changes = one.apply(settings(wider));
    assert_eq!(changes, [format!("VI_1: {VIP} is placed as /32 -> /24")]);
    let placed = one.host.addresses().unwrap();
    let prefixes: Vec<_> =
        placed.iter().filter(|net| net.addr() == ip(VIP)).map(|net| net.prefix_len()).collect();
    assert_eq!(prefixes, [24]);
    assert!(one.transitions().is_empty());
}

#[test]
#[ignore = "needs root"]
fn routers_that_are_removed_hand_over_and_come_back() {
    let (_lab, one, two) = pair();
    let none = Settings { instances: Vec::new(), ..settings(instance(200)) };
    assert_eq!(one.apply(none), ["VI_1: removed"]);
    assert!(!one.holds(VIP));
    eventually("the other one has it", PATIENCE, || two.holds(VIP));
    assert_eq!(one.apply(settings(instance(200))), ["VI_1: new"]);
    settle_on(&one, &[&two]);
}

#[test]
#[ignore = "needs root"]
fn a_password_is_changed_without_a_transition() {
    let secret = |text| Auth { password: Password::new(text), also: None };
    let seconds = |auth: Auth| {
        let router = RouterConfig::new(
            VrId::new(51).unwrap(),
            Protocol::V2 { interval: Seconds::new(1).unwrap(), auth: Some(auth) },
            VirtualAddresses::new(vec![ip(VIP)]).unwrap(),
            Delivery::Multicast,
            Behaviour::default(),
        );
        settings(Instance { router: router.unwrap(), ..instance(200) })
    };
    let lab = halb_lab::Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    one.start(seconds(secret("old")));
    settle_on(&one, &[]);
    one.transitions();
    let also = Auth { also: Some(Password::new("old")), ..secret("new") };
    assert_eq!(one.apply(seconds(also)), ["VI_1: password changed"]);
    assert!(one.transitions().is_empty() && one.holds(VIP));
}

#[test]
#[ignore = "needs root"]
fn a_snapshot_is_never_older_than_a_second_or_so() {
    let lab = halb_lab::Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    one.start(settings(instance(200)));
    let first = one.vrrp().handle().snapshot().at;
    eventually("it is replaced", Duration::from_secs(3), || {
        one.vrrp().handle().snapshot().at > first
    });
    assert!(Instant::now() - one.vrrp().handle().snapshot().at < Duration::from_secs(3));
}
