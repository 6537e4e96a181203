//! Who holds the address when nothing is broken: priorities, their change, and whoever starts first.

use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::member::{Kind, Member};
use crate::support::router::Router;
use crate::support::segment::{Segment, with_each_pair};

#[test]
#[ignore = "needs root and keepalived"]
fn the_higher_priority_holds_the_address_when_it_starts_first() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let first = segment.start(0, kinds[0], &Router::fast(101));
        segment.wait_for_holder(0);
        let second = segment.start(1, kinds[1], &Router::fast(100));
        segment.stays_for(Duration::from_secs(1));
        segment.wait_for_holder(0);
        check(&segment, &[first, second], &Router::fast(0));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn the_higher_priority_takes_the_address_over_when_it_starts_last() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let first = segment.start(1, kinds[1], &Router::fast(100));
        segment.wait_for_holder(1);
        let second = segment.start(0, kinds[0], &Router::fast(101));
        segment.wait_for_holder(0);
        segment.stays_for(Duration::from_secs(1));
        check(&segment, &[first, second], &Router::fast(0));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn version_2_with_the_guides_password_elects_in_both_roles() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let members = segment.pair(kinds, Router::of_the_guides);
        segment.stays_for(Duration::from_secs(2));
        members[0].stop();
        segment.wait_for_holder(1);
        check(&segment, &members[1..], &Router::of_the_guides(0));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn of_equal_priorities_that_start_together_one_holds_the_address() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let router = Router::fast(100);
        let _members = [0, 1].map(|number| segment.start(number, kinds[number], &router));
        halb_lab::eventually("one holder", PATIENCE, || {
            segment.holders().iter().filter(|holds| **holds).count() == 1
        });
        segment.stays_for(Duration::from_secs(1));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_changed_priority_moves_the_address_and_moves_it_back() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let members = segment.pair(kinds, Router::fast);
        members[0].reload(&Router::fast(99));
        segment.wait_for_holder(1);
        members[0].reload(&Router::fast(101));
        segment.wait_for_holder(0);
        members[1].reload(&Router::fast(102));
        segment.wait_for_holder(1);
        check(&segment, &members, &Router::fast(0));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_reload_that_changes_nothing_moves_nothing() {
    let segment = Segment::new();
    let members = segment.pair([Kind::Halb, Kind::Keepalived], Router::fast);
    let mark = segment.seen.mark();
    for _ in 0..3 {
        members[0].reload(&Router::fast(101));
    }
    segment.stays_for(Duration::from_millis(500));
    let adverts = segment.adverts_of(0, mark);
    assert!(adverts.iter().all(|advert| advert.priority == 101), "{adverts:?}");
    check(&segment, &members, &Router::fast(0));
}

/// Nobody found anything wrong with what anybody sent.
fn check(segment: &Segment, members: &[Member], router: &Router) {
    for member in members {
        assert_eq!(member.faults(), Vec::<String>::new());
    }
    segment.check_adverts(router);
}
