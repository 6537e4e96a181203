use super::*;

#[test]
fn round_robin_follows_the_weights() {
    let servers = vec![weighted("a", 5), server("b"), server("c")];
    let mut stand = Stand::new(backend(Balance::RoundRobin, servers));
    assert_eq!(stand.opened(14), "a a b a c a a a a b a c a a");
}

#[test]
fn round_robin_passes_over_full_servers_and_gives_them_nothing_to_catch_up() {
    let servers = vec![limited("a", 1), server("b"), server("c")];
    let mut stand = Stand::new(backend(Balance::RoundRobin, servers));
    assert_eq!(stand.opened(7), "a b c b c b c");
    let a = stand.key("a");
    stand.close(a);
    assert_eq!(stand.opened(3), "b c a", "its turn before it was full was its turn");
}

#[test]
fn the_order_of_the_turns_survives_a_server_that_flaps_between_them() {
    let mut stand = Stand::new(backend(Balance::RoundRobin, vec![server("a"), server("b")]));
    let mut counts = BTreeMap::new();
    for _ in 0..100 {
        *counts.entry(stand.opened(1)).or_insert(0) += 1;
        let _ = stand.health("a", Health::Down);
        let _ = stand.health("a", Health::Up);
    }
    assert_eq!(counts, BTreeMap::from([("a".to_owned(), 50), ("b".to_owned(), 50)]));
}

#[test]
fn a_changed_weight_counts_from_the_next_turn() {
    let mut stand = Stand::new(backend(Balance::RoundRobin, vec![server("a"), server("b")]));
    assert_eq!(stand.opened(4), "a b a b");
    assert!(stand.weight("a", Some(3)).changed);
    assert_eq!(stand.opened(8), "a a b a a a b a");
    assert!(!stand.weight("a", Some(3)).changed);
    assert!(stand.weight("a", None).changed);
    assert_eq!(stand.opened(4), "a b a b");
}

#[test]
fn leastconn_follows_the_connections_that_are_open() {
    let servers = vec![server("a"), weighted("b", 2), server("c")];
    let mut stand = Stand::new(backend(Balance::LeastConn, servers));
    let shares = stand.opened(40);
    let share = |name: &str| shares.split(' ').filter(|server| *server == name).count();
    assert_eq!((share("a"), share("b"), share("c")), (10, 20, 10));
    let b = stand.key("b");
    (0..6).for_each(|_| stand.close(b));
    assert_eq!(stand.opened(6), "b b b b b b");
}

#[test]
fn random_takes_the_less_busy_of_two_and_spreads() {
    let servers = ["a", "b", "c", "d"].map(server).to_vec();
    let mut stand = Stand::new(backend(Balance::Random, servers));
    stand.opened(400);
    for count in stand.loads.0.values() {
        // Two choices keep the fullest within a few connections of the mean.
        assert!(count.abs_diff(100) <= 5, "{:?}", stand.loads);
    }
}

#[test]
fn a_client_keeps_its_server_by_address_or_by_flow() {
    let servers = ["a", "b", "c"].map(server).to_vec();
    let mut source = Stand::new(backend(Balance::Source, servers.clone()));
    let mut flow = Stand::new(backend(Balance::Flow, servers));
    let mut flows = BTreeSet::new();
    for port in 1..50 {
        let client = SocketAddr::new(client(7).ip(), port);
        assert_eq!(source.open(client, &[]), source.open(self::client(7), &[]));
        let Choice::Server(key) = flow.open(client, &[]) else { panic!("there is a server") };
        assert_eq!(flow.open(client, &[]), Choice::Server(key));
        flows.insert(key);
    }
    assert_eq!(flows.len(), 3, "flows of one client reach all servers");
}

#[test]
fn a_tried_server_is_avoided_while_another_has_room_whatever_the_balancing() {
    for balance in
        [Balance::RoundRobin, Balance::LeastConn, Balance::Source, Balance::Flow, Balance::Random]
    {
        let mut stand = Stand::new(backend(balance, ["a", "b", "c"].map(server).to_vec()));
        let [a, b, c] = ["a", "b", "c"].map(|name| stand.key(name));
        for number in 0..50 {
            let client = client(number);
            assert_eq!(stand.open(client, &[a, c]), Choice::Server(b), "{balance:?}");
            assert_ne!(stand.open(client, &[b]), Choice::Server(b), "{balance:?}");
            let again = stand.open(client, &[c, b, a]);
            assert!(matches!(again, Choice::Server(_)), "all tried: one is tried again");
        }
    }
}

#[test]
fn a_tried_server_is_tried_again_rather_than_waiting_for_a_full_one() {
    let servers = vec![server("a"), limited("b", 1)];
    let mut stand = Stand::new(backend(Balance::RoundRobin, servers));
    let [a, b] = ["a", "b"].map(|name| stand.key(name));
    assert_eq!(stand.open(client(1), &[a]), Choice::Server(b));
    assert_eq!(stand.open(client(1), &[a]), Choice::Server(a));
}

#[test]
fn a_client_with_a_server_of_its_own_waits_for_it() {
    let servers = vec![limited("a", 1), limited("b", 1)];
    let mut stand = Stand::new(backend(Balance::Source, servers));
    let Choice::Server(own) = stand.open(client(1), &[]) else { panic!("there is a server") };
    assert_eq!(stand.open(client(1), &[]), Choice::Wait, "although another one has room");
    assert!(matches!(stand.open(client(1), &[own]), Choice::Server(_)), "tried, it moves");
}

#[test]
fn backups_share_alike_once_no_other_server_is_eligible() {
    let servers = vec![server("a"), backup("x"), server("b"), backup("y")];
    let mut stand = Stand::new(backend(Balance::RoundRobin, servers));
    assert_eq!(stand.opened(4), "a b a b");
    let _ = stand.health("a", Health::Down);
    assert_eq!(stand.opened(2), "b b");
    let _ = stand.admin("b", Admin::Drain);
    assert_eq!(stand.opened(4), "x y x y");
    let _ = stand.health("a", Health::Up);
    assert_eq!(stand.opened(2), "a a");
}

#[test]
fn a_full_server_is_no_reason_to_use_backups() {
    let mut stand = Stand::new(backend(Balance::RoundRobin, vec![limited("a", 1), backup("x")]));
    assert_eq!(stand.opened(2), "a -");
}

#[test]
fn a_pool_without_servers_refuses() {
    let mut stand = Stand::new(backend(Balance::RoundRobin, Vec::new()));
    assert_eq!(stand.opened(2), "! !");
    assert_eq!(stand.pool.in_rotation(), 0);
}
