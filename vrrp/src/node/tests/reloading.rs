//! What a change of settings does, and what it doesn't.

use super::*;
use crate::config::{Answers, Preempt};
use crate::values::DownTimerAdverts;

/// What a change may cost.
#[derive(Debug, PartialEq, Eq)]
enum Cost {
    /// No transition at all.
    Nothing,
    /// The router stops and starts.
    Anew,
}

fn tracked(weight: i64) -> Vec<Tracker> {
    let subject = Subject::Interface("eth9".into());
    vec![Tracker { subject, weight: Weight::new(weight).unwrap(), reverse: false }]
}

fn with_behaviour(behaviour: Behaviour) -> Instance {
    let mut changed = instance("A", "eth0", 1);
    changed.router.behaviour = behaviour;
    changed
}

fn with_addresses(list: &[IpAddr]) -> Instance {
    let placements = list.iter().copied().map(placement).collect();
    Instance { router: router(1, list.to_vec()), placements, ..instance("A", "eth0", 1) }
}

#[test]
fn a_change_costs_what_it_demands_and_is_told_in_words() {
    let base = || instance("A", "eth0", 1);
    let never = Behaviour { preempt: Preempt::Never, ..Behaviour::default() };
    let wider = || vec![Placement { prefix_len: 24, ..placement(vip(1)) }];
    let table = [
        (base(), Cost::Nothing, vec![]),
        (
            Instance { priority: BasePriority::new(90).unwrap(), ..base() },
            Cost::Nothing,
            vec!["A: priority 100 -> 90"],
        ),
        (with_addresses(&[vip(1), vip(7)]), Cost::Nothing, vec!["A: address 10.0.1.7 added"]),
        (
            with_addresses(&[vip(7)]),
            Cost::Nothing,
            vec!["A: address 10.0.1.7 added", "A: address 10.0.1.1 removed"],
        ),
        (with_behaviour(never), Cost::Nothing, vec!["A: preemption at once -> never"]),
        (
            Instance { trackers: tracked(-2), ..base() },
            Cost::Nothing,
            vec!["A: tracks interface 'eth9' with weight -2"],
        ),
        (
            Instance { source: Some(OTHER), ..base() },
            Cost::Nothing,
            vec!["A: source address the interface's first -> 10.0.0.2"],
        ),
        (
            Instance { placements: wider(), ..base() },
            Cost::Nothing,
            vec!["A: 10.0.1.1 is placed as /32 -> /24"],
        ),
        (
            Instance { interface: "eth1".into(), ..base() },
            Cost::Anew,
            vec!["A: is another virtual router now and starts anew"],
        ),
        (
            Instance { router: router(3, vec![vip(1)]), ..base() },
            Cost::Anew,
            vec!["A: is another virtual router now and starts anew"],
        ),
        (
            with_behaviour(Behaviour {
                down_timer_adverts: DownTimerAdverts::new(5).unwrap(),
                answers: Answers { lower_prio_no_advert: true, higher_prio_send_advert: true },
                peer_link: true,
                ..Behaviour::default()
            }),
            Cost::Nothing,
            vec![
                "A: adverts that are missed before a takeover 3 -> 5",
                "A: an advert at once to a router of lower priority yes -> no",
                "A: a last advert to a router of higher priority no -> yes",
                "A: words to another halb no -> yes",
            ],
        ),
    ];
    for (changed, cost, words) in table {
        let mut driven = Driven::new(&settings(vec![base()]));
        driven.activate();
        let key = driven.key("A");
        driven.transitions.clear();
        let applied = driven.apply(&settings(vec![changed.clone()]));
        assert_eq!(applied.changes, words);
        let anew = driven.key("A") != key;
        assert_eq!(anew, cost == Cost::Anew, "{words:?}");
        assert_eq!(driven.transitions.is_empty(), !anew, "{words:?}: {:?}", driven.transitions);
        driven.activate();
        let held: Vec<_> = driven.held.iter().map(|(_, address)| *address).collect();
        assert_eq!(held, changed.router.addresses().as_slice(), "{words:?}");
    }
}

#[test]
fn a_router_that_goes_says_so_and_takes_its_addresses_along() {
    let mut driven = Driven::new(&two());
    driven.activate();
    let (gone, stays) = (driven.key("A"), driven.key("B"));
    driven.sent.clear();
    let applied = driven.apply(&settings(vec![instance("B", "eth1", 2)]));
    assert_eq!(applied.changes, ["A: removed"]);
    assert_eq!(driven.sent, [(gone, Priority::RELEASE)]);
    assert_eq!(driven.held, [(stays, vip(2))]);
    assert!(driven.node.settings(gone).is_none() && driven.node.member(gone).is_none());
    assert_eq!(driven.transitions.last().unwrap().1.cause, Cause::Stopped);
}

#[test]
fn keys_are_never_used_again() {
    let mut driven = Driven::new(&settings(vec![instance("A", "eth0", 1)]));
    let first = driven.key("A");
    driven.apply(&settings(Vec::new()));
    driven.apply(&settings(vec![instance("A", "eth0", 1)]));
    assert_ne!(driven.key("A"), first);
}

#[test]
fn an_address_that_changes_routers_is_taken_away_before_it_is_put_on_anew() {
    let mut driven = Driven::new(&settings(vec![instance("A", "eth0", 1)]));
    driven.activate();
    let gone = driven.key("A");
    let heir = Instance {
        priority: BasePriority::new(255).unwrap(),
        router: router(2, vec![vip(1)]),
        placements: vec![placement(vip(1))],
        ..instance("B", "eth0", 2)
    };
    driven.node.apply(&settings(vec![heir]), |_| own(), driven.now);
    let mut order = Vec::new();
    while let Some((key, action)) = driven.node.poll_action() {
        match action {
            Action::AddAddresses(_) => order.push((key, "add")),
            Action::RemoveAddresses(_) => order.push((key, "remove")),
            Action::Send(_)
            | Action::Announce { .. }
            | Action::EndAnnouncements
            | Action::AnnounceSource(_)
            | Action::Tell(_)
            | Action::Transition(_)
            | Action::Notice(_) => {}
        }
    }
    assert_eq!(order, [(gone, "remove"), (driven.key("B"), "add")]);
}

#[test]
fn only_an_active_router_has_addresses_to_place_anew() {
    let wider = Instance {
        placements: vec![Placement { prefix_len: 24, ..placement(vip(1)) }],
        ..instance("A", "eth0", 1)
    };
    let mut driven = Driven::new(&settings(vec![instance("A", "eth0", 1)]));
    assert_eq!(driven.apply(&settings(vec![wider.clone()])).moved, []);
    driven.apply(&settings(vec![instance("A", "eth0", 1)]));
    driven.activate();
    let moved = driven.apply(&settings(vec![wider.clone()])).moved;
    let (from, to) = (vec![placement(vip(1))], wider.placements);
    assert_eq!(moved, [Moved { key: driven.key("A"), from, to }]);
}

#[test]
fn routers_join_and_leave_a_group_without_losing_what_they_know() {
    let members = || vec![instance("A", "eth0", 1), instance("B", "eth1", 2)];
    let mut driven = Driven::new(&settings(members()));
    driven.activate();
    driven.transitions.clear();
    let applied = driven.apply(&grouped(members(), &["A", "B"]));
    assert_eq!(applied.changes, ["A: moves with group 'G'", "B: moves with group 'G'"]);
    assert!(driven.transitions.is_empty() && driven.states() == [State::Active; 2]);
    driven.node.handle_link(driven.key("A"), Link { is_up: false, source: None }, driven.now);
    driven.act();
    assert_eq!(driven.states(), [State::Fault; 2]);
    let applied = driven.apply(&settings(members()));
    let left = ["A: no longer moves with group 'G'", "B: no longer moves with group 'G'"];
    assert_eq!(applied.changes, left);
    assert_eq!(driven.states(), [State::Backup; 2], "the link is up again, as `apply` is told");
    driven.activate();
}

#[test]
fn a_member_that_is_removed_leaves_the_rest_of_its_group_active() {
    let members = || vec![instance("A", "eth0", 1), instance("B", "eth1", 2)];
    let mut driven = Driven::new(&grouped(members(), &["A", "B"]));
    driven.activate();
    driven.apply(&grouped(vec![instance("B", "eth1", 2)], &["B"]));
    assert_eq!(driven.states(), [State::Active]);
}

#[test]
fn what_was_given_away_stays_so_when_the_router_starts_anew() {
    let mut driven = Driven::new(&settings(vec![instance("A", "eth0", 1)]));
    driven.node.give_away(Some("A"), driven.now).unwrap();
    driven.apply(&settings(vec![instance("A", "eth1", 1)]));
    assert!(driven.node.members().all(|(_, router)| router.is_yielded()));
}
