//! Nodes whose files disagree: what each version makes of it, and how it mends.

use std::time::Duration;

use halb_lab::eventually;

use crate::support::PATIENCE;
use crate::support::member::{Kind, Member};
use crate::support::router::{FAST, Router};
use crate::support::segment::{Segment, with_each_pair};

#[test]
#[ignore = "needs root and keepalived"]
fn nodes_with_different_passwords_both_serve_until_the_password_is_the_same() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let stranger = Router { password: Some("another"), ..Router::of_the_guides(100) };
        let members = [
            segment.start(0, kinds[0], &Router::of_the_guides(101)),
            segment.start(1, kinds[1], &stranger),
        ];
        eventually("both hold it", PATIENCE, || segment.holders() == [true, true]);
        for member in &members {
            eventually("it tells the reason", PATIENCE, || {
                names_the_reason(member, "auth_failure", "invalid passwd")
            });
        }
        members[1].reload(&Router::of_the_guides(100));
        segment.wait_for_holder(0);
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn version_2_with_different_intervals_has_two_holders_until_they_agree() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let slower = |priority| Router {
            interval: Duration::from_secs(2),
            ..Router::of_the_guides(priority)
        };
        let members = [
            segment.start(0, kinds[0], &Router::of_the_guides(101)),
            segment.start(1, kinds[1], &slower(100)),
        ];
        eventually("both hold it", PATIENCE, || segment.holders() == [true, true]);
        for member in &members {
            eventually("it tells the reason", PATIENCE, || {
                names_the_reason(member, "advert_interval_err", "interval mismatch")
            });
        }
        members[1].reload(&Router::of_the_guides(100));
        segment.wait_for_holder(0);
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn version_3_with_different_intervals_goes_by_those_of_the_active_node() {
    with_each_pair(|kinds| {
        let segment = Segment::new();
        let slower = |priority| Router { interval: 3 * FAST, ..Router::fast(priority) };
        let first = segment.start(1, kinds[1], &Router::fast(100));
        segment.wait_for_holder(1);
        let second = segment.start(0, kinds[0], &slower(101));
        segment.wait_for_holder(0);
        // The faster one doesn't take three of its own intervals for a death.
        segment.stays_for(Duration::from_secs(2));
        assert_eq!(segment.next_advert(0).interval, 3 * FAST);
        second.stop();
        segment.wait_for_holder(1);
        assert_eq!(segment.next_advert(1).interval, FAST);
        assert_eq!(first.faults(), Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_password_is_changed_on_running_nodes_without_a_move() {
    let segment = Segment::new();
    let halb = |password, also| Router {
        password: Some(password),
        password_also: also,
        ..Router::of_the_guides(100)
    };
    let keepalived = |password| Router { password: Some(password), ..Router::of_the_guides(101) };
    let members = [
        segment.start(0, Kind::Keepalived, &keepalived("old")),
        segment.start(1, Kind::Halb, &halb("old", None)),
    ];
    segment.wait_for_holder(0);
    members[1].reload(&halb("old", Some("new")));
    members[0].reload(&keepalived("new"));
    segment.stays_for(Duration::from_secs(5));
    members[1].reload(&halb("new", None));
    segment.stays_for(Duration::from_secs(5));
    segment.wait_for_holder(0);
}

/// Whether the program tells why it refuses the other's adverts.
fn names_the_reason(member: &Member, counter: &str, words: &str) -> Result<(), String> {
    let counted = member.faults();
    // keepalived counts no intervals of version 2, but says so.
    let said = member.process().output().contains(words);
    let is_named = counted.iter().any(|fault| fault.starts_with(counter)) || said;
    if is_named { Ok(()) } else { Err(format!("{counted:?}")) }
}
