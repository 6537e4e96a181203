//! What comes first when an address moves: the advert, the address or its announcement.

use std::time::Instant;

use halb_lab::capture::{Advert, Claim};
use halb_lab::{Capture, Host, Lab, eventually};
use halb_vrrp::driver::{DriverNotice, Event, Stopped};
use halb_vrrp::router::State;
use halb_vrrp::settings::Placement;

use crate::world::{Node, PATIENCE, VIP, instance, ip, settings, settle_on, speaking_pair};

/// Listens on a host that has no part in it.
fn bystander(lab: &Lab) -> (Host, Capture) {
    let host = lab.host("bystander", "172.16.16.90/24").unwrap();
    let capture = Capture::start(&host).unwrap();
    (host, capture)
}

/// Announcements of the address that a node made.
fn announcements(capture: &Capture, node: &Node, mark: usize) -> Vec<Claim> {
    let mac = node.view().mac.unwrap();
    let mut claims = capture.claims_since(mark);
    claims.retain(|claim| claim.gratuitous && claim.hardware == mac && claim.address == ip(VIP));
    claims
}

fn adverts(capture: &Capture, node: &Node, mark: usize) -> Vec<Advert> {
    let mut adverts = capture.adverts_since(mark);
    adverts.retain(|advert| advert.source == node.host.ip());
    adverts
}

#[test]
#[ignore = "needs root"]
fn who_takes_over_says_so_and_announces_the_address_when_the_kernel_has_it() {
    let lab = Lab::new().unwrap();
    let (_bystander, capture) = bystander(&lab);
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    one.start(settings(instance(200)));
    eventually("it announces the address", PATIENCE, || {
        !announcements(&capture, &one, 0).is_empty()
    });
    assert!(one.holds(VIP));
    let announced = announcements(&capture, &one, 0)[0].at;
    assert!(adverts(&capture, &one, 0)[0].at < announced);
}

#[test]
#[ignore = "needs root"]
fn an_address_that_the_kernel_refuses_is_never_announced() {
    let lab = Lab::new().unwrap();
    let (_bystander, capture) = bystander(&lab);
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    // Longer than the kernel takes.
    let label = Some("eth1:far-too-long-a-label".into());
    let placement = Placement { label, ..instance(200).placements[0].clone() };
    let mut refused = instance(200);
    refused.placements = vec![placement];
    one.start(settings(refused));
    let what = one.event(|event| match event {
        Event::Driver(DriverNotice::Failed { what, .. }) => Some(what),
        Event::Driver(_) | Event::Transition { .. } | Event::Notice { .. } | Event::Word { .. } => {
            None
        }
    });
    assert!(what.contains(VIP), "{what}");
    eventually("it is a fault", PATIENCE, || one.state() == State::Fault);
    capture.wait_for("the end of its try", 0, PATIENCE, |advert| advert.priority == 0);
    assert!(!one.holds(VIP));
    assert_eq!(announcements(&capture, &one, 0), []);
}

/// The other one keeps the address until it hears the advert.
#[test]
#[ignore = "needs root"]
fn who_is_invited_has_the_address_and_announces_it_before_it_says_so() {
    let (lab, mut one, two) = speaking_pair();
    let (_bystander, capture) = bystander(&lab);
    assert_eq!(one.stop(), Stopped::Done);
    settle_on(&two, &[&one]);
    eventually("it announces and says so", PATIENCE, || {
        !announcements(&capture, &two, 0).is_empty() && !adverts(&capture, &two, 0).is_empty()
    });
    let announced = announcements(&capture, &two, 0)[0].at;
    let said = adverts(&capture, &two, 0)[0].at;
    assert!(announced < said, "{:?} later", announced - said);
}

/// Nobody takes it, so that it is given up in the end.
#[test]
#[ignore = "needs root"]
fn who_stops_says_so_before_the_address_goes_and_announces_nothing_more() {
    let lab = Lab::new().unwrap();
    let (_bystander, capture) = bystander(&lab);
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    one.start(settings(instance(200)));
    settle_on(&one, &[]);
    let watch = one.host.watch_addresses().unwrap();
    let begun = Instant::now();
    let mac = one.view().mac.unwrap();
    assert_eq!(one.stop(), Stopped::Done);
    let gone = eventually("the address is gone", PATIENCE, || watch.last(ip(VIP), false, begun));
    let last = adverts(&capture, &one, 0).pop().expect("it spoke");
    assert_eq!(last.priority, 0);
    // The kernel's time of the advert against a later look at the address.
    assert!(last.at < gone, "{:?} later", last.at - gone);
    let claims = capture.claims_since(0).into_iter();
    let late = claims.filter(|claim| claim.hardware == mac && claim.gratuitous && claim.at > gone);
    assert_eq!(late.collect::<Vec<_>>(), []);
}

/// An announcement after the goodbye would draw clients back to a node that leaves.
#[test]
#[ignore = "needs root"]
fn who_gives_the_address_away_announces_it_no_more() {
    let lab = Lab::new().unwrap();
    let (_bystander, capture) = bystander(&lab);
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let mut patient = instance(200);
    // For four seconds.
    patient.router.behaviour.announcements.repeats = 200;
    one.start(settings(patient));
    eventually("it announces the address", PATIENCE, || {
        !announcements(&capture, &one, 0).is_empty()
    });
    let mark = capture.mark();
    one.vrrp().handle().give_away(None).unwrap();
    let goodbye = capture.wait_for("the goodbye", mark, PATIENCE, |advert| advert.priority == 0).at;
    // Nobody takes it, so that it speaks again.
    let mark = capture.mark();
    capture.wait_for("more of it", mark, PATIENCE, |advert| advert.priority > 0);
    let announced = announcements(&capture, &one, 0);
    let late = announced.iter().filter(|claim| claim.at > goodbye).count();
    assert_eq!(late, 0, "of {}", announced.len());
}
