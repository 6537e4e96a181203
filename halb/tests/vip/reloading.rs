//! Reloads while halb holds the address, beside keepalived and beside halb: nothing moves but what
//! the change demands.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::eventually;
use halb_lab::net::Watch;

use crate::support::PATIENCE;
use crate::support::member::{Kind, Member};
use crate::support::router::{Router, VIP};
use crate::support::segment::Segment;

const MORE: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 16, 16, 101));

/// Longer than a backup waits.
const DOWN_INTERVAL: Duration = Duration::from_secs(4);

/// halb on loadbalancer01, which has the address, and another node.
struct Site {
    segment: Segment,
    members: [Member; 2],
    begun: Instant,
    mark: usize,
}

impl Site {
    fn new(other: Kind) -> Self {
        let segment = Segment::new();
        let members = segment.pair([Kind::Halb, other], Router::of_the_guides);
        let mark = segment.seen.mark();
        Self { segment, members, begun: Instant::now(), mark }
    }

    fn reload(&self, node: usize, router: &Router) {
        self.members[node].reload(router);
    }

    /// The other node had time to take over, and nothing has moved since the beginning: no address,
    /// no state, and nobody gave anything up or claimed to be active but halb.
    fn nothing_moved(&self) {
        thread::sleep(DOWN_INTERVAL);
        let moves: Vec<_> = self.segment.watches.iter().flat_map(Watch::changes).collect();
        let moved = moves.iter().any(|change| change.at >= self.begun && change.address == VIP);
        assert!(!moved, "{moves:?}");
        assert_eq!(self.segment.holders(), [true, false]);
        let own = self.segment.adverts_of(0, self.mark);
        assert!(own.iter().all(|advert| advert.priority != 0), "it gave the address up");
        assert_eq!(self.segment.adverts_of(1, self.mark), [], "the other one was active");
    }

    fn wait_for_more(&self, there: bool) {
        eventually("the other address follows", PATIENCE, || {
            self.segment.balancers[0].holds(MORE).unwrap() == there
        });
        assert!(!self.segment.balancers[1].holds(MORE).unwrap());
    }
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_priority_and_addresses_change_on_an_active_node_and_nothing_moves() {
    with_each_other(|other| {
        let site = Site::new(other);
        let own = |priority| Router::of_the_guides(priority);
        site.reload(0, &own(150));
        site.segment
            .seen
            .wait_for("the new priority", site.mark, PATIENCE, |it| it.priority == 150);
        site.reload(0, &own(101));
        let more = |priority| Router { addresses: vec![VIP, MORE], ..own(priority) };
        site.reload(0, &more(101));
        site.reload(1, &more(100));
        site.wait_for_more(true);
        site.reload(0, &own(101));
        site.reload(1, &own(100));
        site.wait_for_more(false);
        site.nothing_moved();
    });
}

/// The two lists differ for as long as an operator needs from one node to the other.
#[test]
#[ignore = "needs root"]
fn halbs_with_different_lists_of_addresses_stay_who_they_are() {
    let site = Site::new(Kind::Halb);
    site.reload(0, &Router { addresses: vec![VIP, MORE], ..Router::of_the_guides(101) });
    site.wait_for_more(true);
    site.nothing_moved();
}

#[test]
#[ignore = "needs root"]
fn a_password_is_rolled_over_two_halbs_one_after_the_other_and_nothing_moves() {
    let site = Site::new(Kind::Halb);
    let with = |password, also| {
        move |priority| Router {
            password: Some(password),
            password_also: also,
            ..Router::of_the_guides(priority)
        }
    };
    for first in [0, 1] {
        let (old, new) = if first == 0 { ("mysecret", "newone") } else { ("newone", "mysecret") };
        // Each step is as good as the next; who goes first doesn't matter.
        for router in [with(old, Some(new)), with(new, Some(old)), with(new, None)] {
            for node in [first, 1 - first] {
                site.reload(node, &router(if node == 0 { 101 } else { 100 }));
            }
        }
    }
    site.nothing_moved();
    assert_eq!(site.members[1].faults(), Vec::<String>::new());
}

/// A keepalived knows one password only: both nodes change it within its down interval, and an
/// active halb that takes the old one, too, isn't the one who loses.
#[test]
#[ignore = "needs root and keepalived"]
fn a_password_changes_beside_keepalived_within_its_down_interval_and_nothing_moves() {
    let site = Site::new(Kind::Keepalived);
    let with = |password, also, priority| Router {
        password: Some(password),
        password_also: also,
        ..Router::of_the_guides(priority)
    };
    site.reload(0, &with("mysecret", Some("newone"), 101));
    site.reload(1, &with("newone", None, 100));
    site.reload(0, &with("newone", Some("mysecret"), 101));
    site.nothing_moved();
    site.reload(0, &with("newone", None, 101));
    site.nothing_moved();
}

fn with_each_other(scenario: impl Fn(Kind) + Sync) {
    thread::scope(|scope| {
        for other in [Kind::Keepalived, Kind::Halb] {
            let (scenario, name) = (&scenario, format!("beside {other:?}"));
            thread::Builder::new().name(name).spawn_scoped(scope, move || scenario(other)).unwrap();
        }
    });
}
