use super::*;

fn names(stand: &Stand) -> Vec<(String, bool)> {
    stand.pool.servers().map(|server| (server.config.name.to_string(), server.removed)).collect()
}

fn moved(server: Server) -> Server {
    Server { address: Some(SocketAddr::from(([192, 0, 2, 250], 6443))), ..server }
}

fn abc() -> Stand {
    Stand::new(backend(Balance::RoundRobin, ["a", "b", "c"].map(server).to_vec()))
}

#[test]
fn servers_stay_come_and_go_by_name_and_address() {
    let mut stand = abc();
    let [a, b, c] = ["a", "b", "c"].map(|name| stand.key(name));
    let servers = vec![server("d"), server("c"), moved(server("a"))];
    let change = stand.apply(backend(Balance::RoundRobin, servers));
    let [d, new_a] = ["d", "a"].map(|name| stand.key(name));
    assert_ne!(a, new_a);
    let expected = PoolChange {
        added: vec![d, new_a],
        removed: vec![a, b],
        kept: vec![c],
        ..PoolChange::default()
    };
    assert_eq!(change, expected);
    let order = [("d", false), ("c", false), ("a", false), ("a", true), ("b", true)];
    assert_eq!(names(&stand), order.map(|(name, removed)| (name.to_owned(), removed)));
    assert_eq!(stand.pool.find(&ServerName::new("b").unwrap()), None);
    assert_eq!(stand.opened(3).len(), "d c a".len());
}

#[test]
fn a_removed_server_is_gone_when_it_is_forgotten_and_others_cannot_be() {
    let mut stand = abc();
    let [a, b] = ["a", "b"].map(|name| stand.key(name));
    let _ = stand.apply(backend(Balance::RoundRobin, vec![server("a")]));
    stand.pool.forget(a);
    stand.pool.forget(b);
    stand.pool.check_invariants();
    assert!(stand.pool.server(a).is_some() && stand.pool.server(b).is_none());
    let change = stand.apply(backend(Balance::RoundRobin, vec![server("a"), server("b")]));
    assert_ne!(change.added, [b], "a key is never used again");
    assert_eq!(change.added.len(), 1);
}

#[test]
fn a_removed_server_with_sessions_comes_back_under_its_key() {
    let mut stand = abc();
    let b = stand.key("b");
    let _ = stand.admin("b", Admin::Drain);
    let _ = stand.health("b", Health::Down);
    let _ = stand.apply(backend(Balance::RoundRobin, vec![server("a")]));
    let change = stand.apply(backend(Balance::RoundRobin, vec![server("a"), server("b")]));
    assert_eq!((change.revived, change.added), (vec![b], vec![]));
    let view = stand.pool.server(b).unwrap();
    assert_eq!((view.health, view.admin, view.removed), (Health::Up, Admin::Ready, false));
}

#[test]
fn what_the_operator_said_survives_unless_the_file_changed_that_very_weight() {
    let mut stand = abc();
    let _ = stand.admin("a", Admin::Drain);
    let _ = stand.admin("b", Admin::Maint);
    for name in ["a", "b", "c"] {
        let _ = stand.weight(name, Some(9));
    }
    let _ = stand.health("c", Health::Down);
    let servers = vec![server("a"), moved(server("b")), weighted("c", 2)];
    let _ = stand.apply(backend(Balance::LeastConn, servers));
    let state = |name: &str| {
        let view = stand.pool.server(stand.key(name)).unwrap();
        (view.health, view.admin, view.weight.get())
    };
    assert_eq!(state("a"), (Health::Up, Admin::Drain, 9));
    assert_eq!(state("b"), (Health::Up, Admin::Maint, 9), "on its new address too");
    assert_eq!(state("c"), (Health::Down, Admin::Ready, 2), "the file's new weight wins");
    let _ = stand.weight("a", None);
    assert_eq!(stand.pool.server(stand.key("a")).unwrap().weight.get(), 1);
}

#[test]
fn an_unchanged_file_changes_nothing_and_keeps_the_turn() {
    let mut stand = abc();
    assert_eq!(stand.opened(2), "a b");
    let keys = ["a", "b", "c"].map(|name| stand.key(name)).to_vec();
    let change = stand.apply(backend(Balance::RoundRobin, ["a", "b", "c"].map(server).to_vec()));
    assert_eq!(change, PoolChange { kept: keys, ..PoolChange::default() });
    assert_eq!(stand.opened(4), "c a b c");
}

#[test]
fn the_way_to_balance_may_change_while_connections_wait() {
    let servers = vec![limited("a", 1), limited("b", 1)];
    let mut stand = Stand::new(backend(Balance::RoundRobin, servers.clone()));
    stand.opened(2);
    (0..4).for_each(|number| {
        stand.wait(number, client(10 + u32::try_from(number).unwrap())).unwrap()
    });
    for balance in [Balance::Source, Balance::LeastConn, Balance::Flow, Balance::Random] {
        let _ = stand.apply(backend(balance, servers.clone()));
        assert_eq!(stand.served(), []);
    }
    // From any server will do to one of one's own: each finds its line.
    let _ = stand.apply(backend(Balance::Source, servers));
    for _ in 0..4 {
        for key in ["a", "b"].map(|name| stand.key(name)) {
            if stand.loads.active(key) > 0 {
                stand.close(key);
            }
        }
        stand.served();
    }
    assert_eq!(stand.pool.queued(), 0);
}

#[test]
fn a_server_without_an_address_is_down_whatever_is_said() {
    let nowhere = Server { address: None, ..server("a") };
    let mut stand = Stand::new(backend(Balance::RoundRobin, vec![nowhere, server("b")]));
    let _ = stand.health("a", Health::Up);
    assert_eq!(stand.pool.server(stand.key("a")).unwrap().health, Health::Down);
    assert_eq!(stand.opened(3), "b b b");
}

#[test]
fn a_server_that_loses_its_address_keeps_what_the_operator_said_and_its_sessions() {
    let mut stand = abc();
    let a = stand.key("a");
    let _ = stand.weight("a", Some(9));
    let nowhere = Server { address: None, ..server("a") };
    let change = stand.apply(backend(Balance::RoundRobin, vec![nowhere, server("b")]));
    assert!(change.removed.contains(&a), "it drains under its old key");
    let view = stand.pool.server(stand.key("a")).unwrap();
    assert_eq!((view.health, view.weight.get()), (Health::Down, 9));
    assert_eq!(stand.opened(2), "b b");
    let change = stand.apply(backend(Balance::RoundRobin, vec![server("a"), server("b")]));
    assert_eq!(change.revived, [a], "the same address is the same server");
    assert_eq!(stand.pool.server(a).unwrap().weight.get(), 9);
}
