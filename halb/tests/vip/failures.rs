//! Nodes that die, stop, freeze or lose their link: the address moves to the other one, and back.

use std::time::{Duration, Instant};

use halb_lab::net::Loss;

use crate::support::PATIENCE;
use crate::support::member::Kind;
use crate::support::router::{Router, VIP};
use crate::support::segment::{Segment, with_each_pair};

#[test]
#[ignore = "needs root and keepalived"]
fn a_stopped_node_says_so_and_the_other_serves_within_its_skew() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let members = segment.pair(kinds, Router::fast);
        let mark = segment.seen.mark();
        members[0].stop();
        segment.wait_for_holder(1);
        let release = segment.adverts_of(0, mark);
        assert!(release.iter().any(|advert| advert.priority == 0), "no release: {release:?}");
        let _again = segment.start(0, kinds[0], &Router::fast(101));
        segment.wait_for_holder(0);
        assert_eq!(members[1].faults(), Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_killed_node_is_replaced_and_takes_its_place_again() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let members = segment.pair(kinds, Router::fast);
        let (mark, killed) = (segment.seen.mark(), Instant::now());
        members[0].kill();
        // A killed keepalived leaves its address behind; a killed halb leaves its guard, which
        // takes the address away and says so.
        if kinds[0] == Kind::Halb {
            segment.wait_for_holder(1);
            let released = segment.adverts_of(0, mark).iter().any(|advert| advert.priority == 0);
            assert!(released, "the guard said nothing");
            assert!(segment.watches[0].last(VIP, false, killed).is_some());
        } else {
            segment.wait_for_holders(1, [true, true]);
        }
        let _again = segment.start(0, kinds[0], &Router::fast(101));
        segment.wait_for_holder(0);
        assert_eq!(members[1].faults(), Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_node_whose_cable_is_pulled_gives_the_address_up_and_gets_it_back() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let members = segment.pair(kinds, Router::fast);
        segment.balancers[0].link_down().unwrap();
        segment.wait_for_holder(1);
        segment.balancers[0].link_up().unwrap();
        segment.wait_for_holder(0);
        segment.stays_for(Duration::from_millis(500));
        assert!(members.iter().all(|member| member.faults().is_empty()));
        segment.check_adverts(&Router::fast(0));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_segment_that_falls_apart_has_a_holder_in_each_part_and_one_again_when_it_heals() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let members = segment.pair(kinds, Router::fast);
        segment.balancers[0].lose(Loss::Everything).unwrap();
        segment.wait_for_holders(1, [true, true]);
        segment.balancers[0].lose(Loss::Nothing).unwrap();
        segment.wait_for_holder(0);
        segment.stays_for(Duration::from_millis(500));
        assert!(members.iter().all(|member| member.faults().is_empty()));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_backup_that_hears_nothing_loses_as_soon_as_it_hears_again() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let members = segment.pair(kinds, Router::fast);
        // It is heard, and loses against the higher priority, but doesn't know it.
        segment.balancers[1].lose(Loss::Received).unwrap();
        halb_lab::eventually("both hold it", PATIENCE, || segment.holders() == [true, true]);
        segment.balancers[1].lose(Loss::Nothing).unwrap();
        segment.wait_for_holder(0);
        assert!(members.iter().all(|member| member.faults().is_empty()));
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_frozen_halb_loses_the_address_and_starts_as_backup_when_it_thaws() {
    for other in [Kind::Keepalived, Kind::Halb] {
        let segment = Segment::new();
        let members = segment.pair([Kind::Halb, other], Router::fast);
        let frozen = Instant::now();
        members[0].freeze();
        segment.wait_for_holder(1);
        assert!(segment.watches[0].last(VIP, false, frozen).is_some());
        let mark = segment.seen.mark();
        members[0].thaw();
        // The higher priority takes it over in order: nothing is claimed on the strength of what
        // it knew before.
        segment.wait_for_holder(0);
        let first = segment.adverts_of(0, mark).first().map(|advert| advert.at).unwrap();
        let taken = segment.watches[0].last(VIP, true, frozen).unwrap();
        assert!(taken >= first, "the address came {:?} before the advert", first - taken);
        assert_eq!(members[1].faults(), Vec::<String>::new());
    }
}
