use super::*;

/// `a` and `b` with one connection each, both taken.
fn full() -> Stand {
    let servers = vec![limited("a", 1), limited("b", 1)];
    let mut stand = Stand::new(backend(Balance::RoundRobin, servers));
    assert_eq!(stand.opened(3), "a b -");
    stand
}

fn queue(stand: &mut Stand, tickets: std::ops::RangeInclusive<u64>) {
    tickets.for_each(|ticket| stand.wait(ticket, client(1)).unwrap());
}

#[test]
fn waiters_are_served_in_order_of_arrival() {
    let mut stand = full();
    queue(&mut stand, 1..=3);
    assert_eq!(stand.served(), []);
    let [a, b] = ["a", "b"].map(|name| stand.key(name));
    stand.close(b);
    assert_eq!(stand.served(), [(1, "b".to_owned())]);
    stand.close(a);
    stand.close(b);
    let tickets: Vec<u64> = stand.served().iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(tickets, [2, 3]);
    assert_eq!(stand.pool.queued(), 0);
}

#[test]
fn a_newcomer_does_not_overtake_who_waits() {
    let mut stand = full();
    queue(&mut stand, 1..=1);
    let a = stand.key("a");
    stand.close(a);
    assert_eq!(stand.opened(1), "-", "the room is the waiter's");
    assert_eq!(stand.served(), [(1, "a".to_owned())]);
}

#[test]
fn the_queue_is_bounded() {
    let mut stand = full();
    queue(&mut stand, 1..=4);
    assert_eq!(stand.wait(5, client(1)), Err(QueueFull { max: 4 }));
    assert!(stand.pool.cancel(2));
    stand.wait(6, client(1)).unwrap();
    let none = QueueLimit { max: 0, timeout: SECOND };
    let servers = vec![limited("a", 1)];
    let mut stand = Stand::new(Backend { queue: none, ..backend(Balance::RoundRobin, servers) });
    assert_eq!(stand.wait(1, client(1)), Err(QueueFull { max: 0 }));
}

#[test]
fn a_client_that_leaves_is_served_no_more() {
    let mut stand = full();
    queue(&mut stand, 1..=2);
    assert!(stand.pool.cancel(1));
    assert!(!stand.pool.cancel(1));
    assert!(!stand.pool.cancel(99));
    let a = stand.key("a");
    stand.close(a);
    assert_eq!(stand.served(), [(2, "a".to_owned())]);
}

#[test]
fn each_waiter_has_a_deadline_of_its_own() {
    let mut stand = full();
    let start = stand.now;
    queue(&mut stand, 1..=1);
    stand.now += SECOND;
    queue(&mut stand, 2..=2);
    assert_eq!(stand.pool.poll_timeout(), Some((start + 10 * SECOND, "queue timeout")));
    stand.now = start + 10 * SECOND - Duration::from_nanos(1);
    assert_eq!(stand.expired(), []);
    stand.now = start + 10 * SECOND;
    assert_eq!(stand.expired(), [(1, Expiry::TimedOut)]);
    assert_eq!(stand.pool.poll_timeout(), Some((start + 11 * SECOND, "queue timeout")));
    assert!(stand.pool.cancel(2));
    assert_eq!(stand.pool.poll_timeout(), None);
}

#[test]
fn with_no_server_left_waiters_are_refused_at_once() {
    let mut stand = full();
    queue(&mut stand, 1..=2);
    assert!(stand.health("a", Health::Down).wake_queue);
    assert_eq!(stand.expired(), []);
    stand.now += SECOND;
    assert!(stand.admin("b", Admin::Drain).wake_queue);
    let (due, what) = stand.pool.poll_timeout().unwrap();
    assert_eq!((due, what), (stand.now, "no server is left to wait for"));
    assert_eq!(stand.served(), []);
    assert_eq!(stand.expired(), [(1, Expiry::NoServer), (2, Expiry::NoServer)]);
    assert_eq!(stand.pool.poll_timeout(), None);
    assert_eq!(stand.opened(1), "!");
}

#[test]
fn waiters_go_to_a_backup_when_their_servers_go() {
    let servers = vec![limited("a", 1), backup("x")];
    let mut stand = Stand::new(backend(Balance::RoundRobin, servers));
    assert_eq!(stand.opened(2), "a -");
    queue(&mut stand, 1..=1);
    assert!(stand.health("a", Health::Down).wake_queue);
    assert_eq!(stand.expired(), []);
    assert_eq!(stand.served(), [(1, "x".to_owned())]);
}

#[test]
fn a_waiter_avoids_the_server_it_has_tried() {
    let mut stand = full();
    let [a, b] = ["a", "b"].map(|name| stand.key(name));
    let waiter = Waiter { ticket: 1, client: client(1), tried: vec![a] };
    stand.pool.enqueue(waiter, stand.now).unwrap();
    stand.close(a);
    stand.close(b);
    assert_eq!(stand.served(), [(1, "b".to_owned())]);
}

/// A client that belongs to `name` out of `a` and `b`.
fn client_of(name: &str) -> SocketAddr {
    let mut stand = Stand::new(backend(Balance::Source, vec![server("a"), server("b")]));
    let own = Choice::Server(stand.key(name));
    (0..).map(client).find(|client| stand.open(*client, &[]) == own).unwrap()
}

#[test]
fn with_a_hash_each_line_moves_on_its_own() {
    let servers = vec![limited("a", 1), limited("b", 1)];
    let mut stand = Stand::new(backend(Balance::Source, servers));
    let [of_a, of_b] = ["a", "b"].map(client_of);
    let [a, b] = ["a", "b"].map(|name| stand.key(name));
    assert_eq!(stand.open(of_a, &[]), Choice::Server(a));
    assert_eq!(stand.open(of_b, &[]), Choice::Server(b));
    for (ticket, client) in [(1, of_a), (2, of_b), (3, of_a)] {
        assert_eq!(stand.open(client, &[]), Choice::Wait);
        stand.wait(ticket, client).unwrap();
    }
    stand.close(b);
    assert_eq!(stand.open(of_b, &[]), Choice::Wait, "another one waits for it already");
    assert_eq!(stand.served(), [(2, "b".to_owned())], "although 1 waits longer");
    stand.close(a);
    assert_eq!(stand.served(), [(1, "a".to_owned())]);
    // Its own server goes: the waiter belongs to the other one now.
    stand.close(b);
    assert!(stand.health("a", Health::Down).wake_queue);
    assert_eq!(stand.served(), [(3, "b".to_owned())]);
}

#[test]
fn of_two_lines_that_can_move_the_one_who_waits_longer_comes_first() {
    let servers = vec![limited("a", 1), limited("b", 1)];
    let mut stand = Stand::new(backend(Balance::Source, servers));
    let [of_a, of_b] = ["a", "b"].map(client_of);
    stand.open(of_a, &[]);
    stand.open(of_b, &[]);
    stand.wait(1, of_b).unwrap();
    stand.wait(2, of_a).unwrap();
    for key in ["a", "b"].map(|name| stand.key(name)) {
        stand.close(key);
    }
    assert_eq!(stand.served(), [(1, "b".to_owned()), (2, "a".to_owned())]);
}

#[test]
fn a_higher_maxconn_wakes_the_queue() {
    let mut stand = full();
    queue(&mut stand, 1..=1);
    let servers = vec![limited("a", 1), limited("b", 2)];
    assert!(stand.apply(backend(Balance::RoundRobin, servers)).wake_queue);
    assert_eq!(stand.served(), [(1, "b".to_owned())]);
}

#[test]
fn a_reload_changes_how_long_and_how_many_may_wait() {
    let mut stand = full();
    let start = stand.now;
    queue(&mut stand, 1..=3);
    let servers = vec![limited("a", 1), limited("b", 1)];
    let limit = QueueLimit { max: 2, timeout: 3 * SECOND };
    let _ = stand.apply(Backend { queue: limit, ..backend(Balance::RoundRobin, servers) });
    assert_eq!(stand.pool.queued(), 3, "who waits already goes on waiting");
    assert_eq!(stand.wait(4, client(1)), Err(QueueFull { max: 2 }));
    assert_eq!(stand.pool.poll_timeout(), Some((start + 3 * SECOND, "queue timeout")));
}

#[test]
fn endless_timeouts_are_no_timer() {
    let limit = QueueLimit { max: 1, timeout: Duration::MAX };
    let servers = vec![limited("a", 1)];
    let mut stand = Stand::new(Backend { queue: limit, ..backend(Balance::RoundRobin, servers) });
    stand.opened(1);
    stand.wait(1, client(1)).unwrap();
    assert_eq!(stand.pool.poll_timeout(), None);
    assert_eq!(stand.expired(), []);
}
