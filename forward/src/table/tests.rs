use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn server(last: u16, weight: u16, standing: Standing) -> Server {
    Server { address: SocketAddr::from(([172, 16, 16, 1], last)), weight, standing }
}

fn frontend(name: &str, bind: &str, servers: Vec<Server>) -> Frontend {
    let binds = vec![address(bind)];
    Frontend {
        name: name.to_owned(),
        binds,
        balance: Balance::RoundRobin,
        servers,
        spread: Duration::ZERO,
        strays: Strays::Drop,
        limits: Limits::default(),
    }
}

fn three() -> Vec<Server> {
    (101..104).map(|last| server(last, 1, Standing::Serving)).collect()
}

#[test]
fn what_does_not_fit_is_refused_with_its_name() {
    let good = frontend("a", "10.0.0.1:1", three());
    let refused = |frontends: Vec<Frontend>| Table::new(frontends).unwrap_err();
    assert_eq!(
        refused(vec![frontend("a b", "10.0.0.1:1", three())]),
        TableError::Name("a b".into())
    );
    assert_eq!(refused(vec![good.clone(), good.clone()]), TableError::DuplicateName("a".into()));
    assert_eq!(
        refused(vec![good.clone(), frontend("b", "10.0.0.1:1", three())]),
        TableError::DuplicateBind(address("10.0.0.1:1"))
    );
    let star = refused(vec![frontend("a", "0.0.0.0:1", three())]);
    assert!(star.to_string().contains("write the virtual address"), "{star}");
    let circle = refused(vec![good, frontend("b", "172.16.16.1:101", three())]);
    assert!(matches!(circle, TableError::Circle { .. }), "{circle}");
    let heavy = refused(vec![frontend("a", "10.0.0.1:1", vec![server(1, 257, Standing::Down)])]);
    assert!(matches!(heavy, TableError::Weight { weight: 257, .. }), "{heavy}");
    let many = refused((0..=FRONTENDS_MAX).map(|_| frontend("a", "10.0.0.1:1", three())).collect());
    assert_eq!(many, TableError::TooMany);
}

#[test]
fn only_flows_of_servers_that_went_down_end() {
    let of = |servers| Table::new(vec![frontend("a", "10.0.0.1:1", servers)]).unwrap();
    let before = of(three());
    let bind = address("10.0.0.1:1");
    assert_eq!(before.ended_by(&before), []);
    let mut servers = three();
    servers[0].standing = Standing::Draining;
    servers[1].standing = Standing::Down;
    let after = of(servers);
    assert_eq!(before.ended_by(&after), [(bind, address("172.16.16.1:102"))]);
    assert_eq!(after.ended_by(&after), []);
    assert_eq!(before.ended_by(&of(three()[1..].to_vec())), [], "one that is removed keeps them");
    assert_eq!(before.ended_by(&Table::default()), [], "a frontend that goes ends nothing");
}

#[test]
fn equal_servers_take_turns() {
    assert_eq!(
        slots(Balance::RoundRobin, &three()).iter().map(SocketAddr::port).collect::<Vec<_>>(),
        [101, 102, 103]
    );
}

#[test]
fn nobody_serves_no_slots() {
    for balance in [Balance::RoundRobin, Balance::Flow, Balance::Source] {
        let servers = [server(1, 1, Standing::Down), server(2, 0, Standing::Serving)];
        assert_eq!(slots(balance, &servers), []);
    }
}

fn counted(slots: &[SocketAddr]) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for slot in slots {
        *counts.entry(slot.port()).or_default() += 1;
    }
    counts
}

fn standings() -> impl Strategy<Value = Standing> {
    prop_oneof![
        3 => Just(Standing::Serving),
        1 => Just(Standing::Draining),
        1 => Just(Standing::Down),
    ]
}

fn servers() -> impl Strategy<Value = Vec<Server>> {
    prop::collection::vec((0..=20u16, standings()), 1..8).prop_map(|all| {
        let numbered = (1..).zip(all);
        numbered.map(|(last, (weight, standing))| server(last, weight, standing)).collect()
    })
}

proptest! {
    #[test]
    fn a_cycle_holds_each_server_as_often_as_its_weight(servers in servers()) {
        let slots = slots(Balance::RoundRobin, &servers);
        let counts = counted(&slots);
        let serving: Vec<_> =
            servers.iter().filter(|s| s.standing == Standing::Serving && s.weight > 0).collect();
        let sum: usize = serving.iter().map(|server| usize::from(server.weight)).sum();
        for server in &servers {
            let count = counts.get(&server.address.port()).copied().unwrap_or_default();
            let is_serving = serving.iter().any(|other| other.address == server.address);
            let weight = if is_serving { usize::from(server.weight) } else { 0 };
            prop_assert_eq!(count * sum, weight * slots.len());
        }
    }

    #[test]
    fn by_hash_a_server_that_stops_moves_its_own_slots_only(
        servers in servers(),
        which in any::<prop::sample::Index>(),
    ) {
        let before = slots(Balance::Flow, &servers);
        let mut fewer = servers.clone();
        let index = which.index(servers.len());
        fewer[index].standing = Standing::Down;
        let after = slots(Balance::Flow, &fewer);
        prop_assume!(!before.is_empty() && !after.is_empty());
        prop_assert_eq!(before.len(), after.len());
        let serves: Vec<_> = servers.iter().map(|s| s.standing == Standing::Serving).collect();
        let last_resort = servers.iter().zip(&serves).find(|(s, serves)| **serves && s.weight > 0);
        for (was, is) in before.iter().zip(&after) {
            let gone = fewer[index].address;
            prop_assert!(*is != gone);
            // The last resort may be another server afterwards.
            if *was != gone && Some(*was) != last_resort.map(|(s, _)| s.address) {
                prop_assert_eq!(was, is);
            }
        }
    }

    #[test]
    fn weights_of_any_size_fit(weights in prop::collection::vec(1..=WEIGHT_MAX, 1..SERVERS_MAX)) {
        let numbered = (1..).zip(&weights);
        let servers: Vec<_> =
            numbered.map(|(last, weight)| server(last, *weight, Standing::Serving)).collect();
        for balance in [Balance::RoundRobin, Balance::Source] {
            let slots = slots(balance, &servers);
            prop_assert!(slots.len() <= slots::SLOTS_MAX as usize + SERVERS_MAX);
            prop_assert_eq!(counted(&slots).len(), servers.len(), "each has a slot");
        }
    }
}
