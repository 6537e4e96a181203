//! Who has the address, and how it moves.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use halb_lab::{Capture, eventually};
use halb_vrrp::driver::{DriverNotice, Event, Scheduling, Stopped};
use halb_vrrp::packet::GROUP_V4;
use halb_vrrp::router::{Cause, State};
use halb_vrrp::settings::Settings;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::world::{
    Node, PATIENCE, VIP, instance, ip, paced, pair, settings, settle_on, speaking_pair,
};

#[test]
#[ignore = "needs root"]
fn of_two_nodes_the_better_one_has_the_address_in_whatever_order_they_start() {
    let lab = halb_lab::Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let mut two = Node::new(&lab, "two", "172.16.16.52/24");
    two.start(settings(instance(100)));
    settle_on(&two, &[&one]);
    one.start(settings(instance(200)));
    settle_on(&one, &[&two]);
    let causes: Vec<_> = two.transitions().into_iter().map(|transition| transition.cause).collect();
    assert!(matches!(causes.last(), Some(Cause::Outranked { .. })), "{causes:?}");
    eventually("the snapshot says what the kernel does", PATIENCE, || {
        one.view().present == [ip(VIP)] && two.view().present.is_empty()
    });
    eventually("the backup hears adverts at their pace", PATIENCE, || {
        two.view().arrivals.count() >= 5
    });
}

#[test]
#[ignore = "needs root"]
fn a_cable_that_is_pulled_moves_the_address_and_back_when_it_is_put_in() {
    let (_lab, one, two) = pair();
    one.host.link_down().unwrap();
    settle_on(&two, &[&one]);
    assert_eq!(one.state(), State::Fault);
    one.host.link_up().unwrap();
    settle_on(&one, &[&two]);
}

#[test]
#[ignore = "needs root"]
fn a_changed_priority_moves_the_address() {
    let (_lab, one, two) = pair();
    assert_eq!(one.apply(settings(instance(50))), ["VI_1: priority 200 -> 50"]);
    settle_on(&two, &[&one]);
}

#[test]
#[ignore = "needs root"]
fn a_stop_hands_over_before_it_gives_up() {
    let (_lab, mut one, two) = pair();
    one.transitions();
    two.transitions();
    assert_eq!(one.stop(), Stopped::Done);
    settle_on(&two, &[&one]);
    let came = two.transitions().pop().unwrap();
    let left = one.event(|event| match event {
        Event::Transition { transition, .. } => Some(transition),
        Event::Notice { .. } | Event::Word { .. } | Event::Driver(_) => None,
    });
    assert_eq!((left.from, left.to), (State::Active, State::Initialize));
    assert!(came.at < left.at, "on nobody for {:?}", came.at - left.at);
}

#[test]
#[ignore = "needs root"]
fn two_halbs_that_speak_hand_over_at_once_and_without_a_gap() {
    let (_lab, mut one, two) = speaking_pair();
    two.transitions();
    one.transitions();
    two.transitions();
    assert_eq!(one.stop(), Stopped::Done);
    settle_on(&two, &[&one]);
    let came = two.transitions().pop().unwrap();
    let left = one.event(|event| match event {
        Event::Transition { transition, .. } => Some(transition),
        Event::Notice { .. } | Event::Word { .. } | Event::Driver(_) => None,
    });
    assert!(came.at < left.at, "on nobody for {:?}", came.at - left.at);
    assert!(matches!(came.cause, Cause::Invited { .. }), "{came}");
}

#[test]
#[ignore = "needs root"]
fn a_flood_of_adverts_moves_nothing_and_demotes_nobody() {
    let lab = halb_lab::Lab::new().unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    let flooder = lab.host("flooder", "172.16.16.90/24").unwrap();
    // A host that is busy with other things must not look like a stall, or like a freeze.
    let freeze_limit = Some(PATIENCE);
    one.start(Settings { freeze_limit, ..paced(100, instance(200)) });
    settle_on(&one, &[]);
    one.transitions();
    let handle = one.vrrp().handle();
    let strays = || handle.snapshot().thread.strays;
    let end = Instant::now() + PATIENCE;
    flooder.run(|| flood(|| strays() < STRAYS && Instant::now() < end));
    assert!(strays() >= STRAYS, "only {} were heard", strays());
    assert_ne!(handle.snapshot().thread.scheduling, Scheduling::Demoted);
    let moved = one.transitions();
    assert!(moved.is_empty(), "{moved:?}");
    settle_on(&one, &[]);
}

/// Strays that are to be heard: a second's worth of a flood, many times what a socket holds.
const STRAYS: u64 = 50_000;

/// Adverts of another router and without any sense, as fast as they leave.
fn flood(goes_on: impl Fn() -> bool) {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).unwrap();
    socket.set_multicast_if_v4(&Ipv4Addr::new(172, 16, 16, 90)).unwrap();
    let group = SockAddr::from(SocketAddrV4::new(GROUP_V4, 0));
    while goes_on() {
        for _ in 0..100 {
            for message in [&[0x31, 7, 255, 1, 0, 10, 0, 0][..], &[0x31, 51, 255, 1], &[0]] {
                let _full = socket.send_to(message, &group);
            }
        }
    }
}

#[test]
#[ignore = "needs root"]
fn a_thread_that_is_dropped_leaves_no_address_behind() {
    let (_lab, mut one, two) = pair();
    drop(one.vrrp.take());
    assert!(!one.holds(VIP));
    settle_on(&two, &[&one]);
}

#[test]
#[ignore = "needs root"]
fn an_operator_gives_the_address_away_and_takes_it_back() {
    let (_lab, one, two) = pair();
    let handle = one.vrrp().handle();
    let names =
        |names: Vec<std::sync::Arc<str>>| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(handle.give_away(None).unwrap()), ["VI_1"]);
    settle_on(&two, &[&one]);
    assert!(one.view().yielded);
    assert_eq!(names(handle.resume(Some("VI_1")).unwrap()), ["VI_1"]);
    settle_on(&one, &[&two]);
    assert!(handle.give_away(Some("VI_9")).is_err());
}

#[test]
#[ignore = "needs root"]
fn a_new_holder_tells_the_segment_where_the_address_is_once_the_kernel_has_it() {
    let lab = halb_lab::Lab::new().unwrap();
    let bystander = lab.host("bystander", "172.16.16.90/24").unwrap();
    let capture = Capture::start(&bystander).unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    one.start(settings(instance(200)));
    settle_on(&one, &[]);
    let mac = one.view().mac.unwrap();
    eventually("five goes in both forms", PATIENCE, || {
        let claims = capture.claims_since(0);
        let own = claims
            .iter()
            .filter(|claim| claim.gratuitous && claim.hardware == mac && claim.address == ip(VIP));
        let count = own.count();
        if count >= 10 { Ok(()) } else { Err(count) }
    });
    eventually("they are counted", PATIENCE, || one.view().announcements >= 5);
}

#[test]
#[ignore = "needs root"]
fn a_machine_that_has_the_address_without_speaking_vrrp_is_named() {
    let lab = halb_lab::Lab::new().unwrap();
    let squatter = lab.host("squatter", "172.16.16.90/24").unwrap();
    squatter.add_address(&format!("{VIP}/32")).unwrap();
    let mut one = Node::new(&lab, "one", "172.16.16.51/24");
    one.start(settings(instance(200)));
    let (address, mac) = one.event(|event| match event {
        Event::Driver(DriverNotice::ForeignClaim { address, mac, .. }) => Some((address, mac)),
        Event::Driver(_) | Event::Transition { .. } | Event::Notice { .. } | Event::Word { .. } => {
            None
        }
    });
    assert_eq!(address, ip(VIP));
    assert_ne!(Some(mac), one.view().mac);
}
