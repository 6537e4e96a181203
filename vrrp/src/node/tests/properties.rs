//! Whatever happens in whatever order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Hear { vrid: u8, priority: u8 },
    Noise(Vec<u8>),
    Pass(u64),
    Stall(u64),
    Link { index: usize, is_up: bool },
    Lost { index: usize },
    Refused { index: usize },
    Revoked,
    GiveAway,
    Resume,
    Settings(Vec<Choice>, bool),
}

/// One of the virtual routers that may be configured.
#[derive(Debug, Clone)]
struct Choice {
    present: bool,
    other_interface: bool,
    priority: u8,
    more: bool,
}

const NAMES: [&str; 3] = ["A", "B", "C"];

fn choose(choices: &[Choice], in_group: bool) -> Settings {
    let instances = choices.iter().zip(NAMES).zip(1..).filter(|((choice, _), _)| choice.present);
    let instances = instances.map(|((choice, name), vrid)| {
        let interface = if choice.other_interface { "eth1" } else { "eth0" };
        let mut list = vec![vip(vrid)];
        list.extend(choice.more.then(|| vip(vrid + 100)));
        Instance {
            priority: BasePriority::new(choice.priority).unwrap(),
            router: router(vrid, list.clone()),
            placements: list.into_iter().map(placement).collect(),
            ..instance(name, interface, vrid)
        }
    });
    let instances: Vec<_> = instances.collect();
    let names: Vec<_> = instances.iter().map(|instance| instance.name.to_string()).collect();
    let two: Vec<_> = names.iter().take(2).map(String::as_str).collect();
    if in_group { grouped(instances, &two) } else { settings(instances) }
}

fn any_choice() -> impl Strategy<Value = Choice> {
    let all = (prop::bool::weighted(0.8), prop::bool::weighted(0.2), 1..=255_u8, any::<bool>());
    all.prop_map(|(present, other_interface, priority, more)| Choice {
        present,
        other_interface,
        priority,
        more,
    })
}

fn any_settings() -> impl Strategy<Value = (Vec<Choice>, bool)> {
    (prop::collection::vec(any_choice(), NAMES.len()), any::<bool>())
}

fn any_op() -> impl Strategy<Value = Op> {
    let index = 0..NAMES.len();
    prop_oneof![
        4 => (1..6_u8, any::<u8>()).prop_map(|(vrid, priority)| Op::Hear { vrid, priority }),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Op::Noise),
        6 => (0..500_u64).prop_map(Op::Pass),
        1 => (0..3000_u64).prop_map(Op::Stall),
        2 => (index.clone(), any::<bool>()).prop_map(|(index, is_up)| Op::Link { index, is_up }),
        1 => index.clone().prop_map(|index| Op::Lost { index }),
        1 => index.prop_map(|index| Op::Refused { index }),
        1 => Just(Op::Revoked),
        1 => Just(Op::GiveAway),
        1 => Just(Op::Resume),
        2 => any_settings().prop_map(|(choices, group)| Op::Settings(choices, group)),
    ]
}

fn carry_out(driven: &mut Driven, op: Op) {
    let key = |driven: &Driven, index: usize| {
        driven.node.members().nth(index).map(|(member, _)| member.key())
    };
    match op {
        Op::Hear { vrid, priority } => {
            driven.hear("eth0", vrid, priority);
        }
        Op::Noise(bytes) => {
            driven.hear_message("eth0", OTHER, &bytes);
        }
        Op::Pass(millis) => driven.pass(Duration::from_millis(millis)),
        Op::Stall(millis) => {
            driven.now += Duration::from_millis(millis);
            driven.pass(Duration::ZERO);
        }
        Op::Link { index, is_up } => {
            if let Some(key) = key(driven, index) {
                driven.node.handle_link(key, Link { is_up, ..own() }, driven.now);
            }
        }
        Op::Lost { index } => {
            if let Some(key) = key(driven, index) {
                driven.node.handle_addresses(key, AddressReport::Lost, driven.now);
            }
        }
        Op::Refused { index } => {
            if let Some(key) = key(driven, index) {
                driven.node.handle_addresses(key, AddressReport::Refused, driven.now);
            }
        }
        Op::Revoked => driven.node.handle_revoked(driven.now),
        Op::GiveAway => drop(driven.node.give_away(None, driven.now)),
        Op::Resume => drop(driven.node.resume(None, driven.now)),
        Op::Settings(choices, group) => {
            driven.apply(&choose(&choices, group));
        }
    }
    driven.act();
}

proptest! {
    #[test]
    fn addresses_are_held_by_active_routers_alone_and_groups_hold_together(
        (choices, group) in any_settings(),
        ops in prop::collection::vec(any_op(), 0..60),
    ) {
        let mut driven = Driven::new(&choose(&choices, group));
        for op in ops {
            carry_out(&mut driven, op);
            let mut held: Vec<_> = driven.held.clone();
            held.sort_unstable();
            held.dedup();
            let active = driven.node.members().filter(|(_, router)| router.state() == State::Active);
            let mut expected: Vec<_> = active
                .flat_map(|(member, router)| {
                    let list = router.config().addresses().as_slice().iter();
                    list.map(|address| (member.key(), *address))
                })
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(held, expected);
            let of_group = driven.node.members().filter(|(member, _)| member.group().is_some());
            let active: Vec<_> = of_group.map(|(_, router)| router.is_active()).collect();
            prop_assert!(active.iter().all(|one| *one == active[0]), "{:?}", active);
            driven.pass(Duration::ZERO);
        }
    }
}
