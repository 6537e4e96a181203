use super::*;

fn slow(servers: Vec<Server>) -> Stand {
    let slow_start = Some(100 * SECOND);
    Stand::new(Backend { slow_start, ..backend(Balance::RoundRobin, servers) })
}

fn percent(stand: &Stand, name: &str) -> u8 {
    stand.pool.server(stand.key(name)).unwrap().slow_start_percent
}

/// Follows the pool's own timers for so long.
fn run(stand: &mut Stand, duration: Duration) {
    let end = stand.now + duration;
    while let Some((due, what)) = stand.pool.poll_timeout().filter(|(due, _)| *due <= end) {
        assert_eq!(what, "slow start step");
        assert!(due > stand.now, "a timer that doesn't move on");
        stand.now = due;
        let _ = stand.pool.handle_timeout(due);
        stand.pool.check_invariants();
    }
    stand.now = end;
}

#[test]
fn nothing_starts_slowly_at_the_start_of_the_process_or_when_a_reload_adds_it() {
    let mut stand = slow(vec![server("a")]);
    assert_eq!(percent(&stand, "a"), 100);
    let servers = vec![server("a"), server("b")];
    let slow_start = Some(100 * SECOND);
    let _ = stand.apply(Backend { slow_start, ..backend(Balance::RoundRobin, servers) });
    assert_eq!(percent(&stand, "b"), 100);
    assert_eq!(stand.pool.poll_timeout(), None);
}

#[test]
fn a_server_that_comes_back_rises_from_one_per_cent_to_all() {
    let mut stand = slow(vec![server("a"), server("b")]);
    let _ = stand.health("a", Health::Down);
    let _ = stand.health("a", Health::Up);
    assert_eq!(percent(&stand, "a"), 1);
    for expected in [25, 50, 75] {
        run(&mut stand, 25 * SECOND);
        assert_eq!(percent(&stand, "a"), expected);
    }
    run(&mut stand, 25 * SECOND);
    assert_eq!(percent(&stand, "a"), 100);
    assert_eq!(stand.pool.poll_timeout(), None);
}

#[test]
fn shares_of_connections_follow_the_ramp() {
    let mut stand = slow(vec![server("a"), server("b")]);
    let _ = stand.health("a", Health::Down);
    let _ = stand.health("a", Health::Up);
    let a = stand.key("a");
    let mut shares = Vec::new();
    for _ in 0..4 {
        let before = stand.loads.active(a);
        for _ in 0..250 {
            run(&mut stand, SECOND / 10);
            stand.opened(1);
        }
        shares.push(stand.loads.active(a) - before);
    }
    // The integral of w/(1+w) over each quarter of the ramp, for 250 connections.
    for (share, expected) in shares.iter().zip([28, 68, 96, 116]) {
        assert!(share.abs_diff(expected) <= 3, "{shares:?}");
    }
}

#[test]
fn maintenance_ends_with_a_slow_start_and_drain_does_not() {
    let mut stand = slow(vec![server("a"), server("b")]);
    let _ = stand.admin("a", Admin::Drain);
    let _ = stand.admin("a", Admin::Ready);
    assert_eq!(percent(&stand, "a"), 100);
    let _ = stand.admin("a", Admin::Maint);
    let _ = stand.admin("a", Admin::Ready);
    assert_eq!(percent(&stand, "a"), 1);
    // Down and up again within maintenance: it comes back once, when the operator lets it.
    let _ = stand.admin("b", Admin::Maint);
    let _ = stand.health("b", Health::Down);
    let _ = stand.health("b", Health::Up);
    assert_eq!(percent(&stand, "b"), 100);
    let _ = stand.admin("b", Admin::Ready);
    assert_eq!(percent(&stand, "b"), 1);
}

#[test]
fn a_server_that_goes_down_while_it_rises_starts_again_from_one_per_cent() {
    let mut stand = slow(vec![server("a"), server("b")]);
    let _ = stand.health("a", Health::Down);
    let _ = stand.health("a", Health::Up);
    run(&mut stand, 60 * SECOND);
    let _ = stand.health("a", Health::Down);
    assert_eq!(stand.pool.poll_timeout(), None);
    let _ = stand.health("a", Health::Up);
    assert_eq!(percent(&stand, "a"), 1);
}

#[test]
fn maxconn_rises_too_and_wakes_who_waits() {
    let mut stand = slow(vec![limited("a", 100)]);
    let _ = stand.health("a", Health::Down);
    let _ = stand.health("a", Health::Up);
    assert_eq!(stand.opened(2), "a -", "one connection at least, and one per cent of 100");
    stand.wait(1, client(1)).unwrap();
    let (due, _) = stand.pool.poll_timeout().unwrap();
    stand.now = due;
    assert!(stand.served().is_empty() && due < stand.now + SECOND);
    stand.now += SECOND;
    assert!(stand.pool.handle_timeout(stand.now).wake_queue);
    assert_eq!(stand.served(), [(1, "a".to_owned())]);
}

#[test]
fn a_maxconn_of_one_is_one_from_the_start() {
    let mut stand = slow(vec![limited("a", 1)]);
    let _ = stand.health("a", Health::Down);
    let _ = stand.health("a", Health::Up);
    assert_eq!(stand.opened(2), "a -");
}

#[test]
fn a_newcomer_does_not_swallow_the_timer_that_wakes_who_waits() {
    let mut stand = slow(vec![limited("a", 100)]);
    let _ = stand.health("a", Health::Down);
    let _ = stand.health("a", Health::Up);
    stand.opened(1);
    stand.wait(1, client(1)).unwrap();
    stand.now += 5 * SECOND;
    assert_eq!(stand.opened(1), "-");
    assert!(stand.pool.handle_timeout(stand.now).wake_queue);
    assert_eq!(stand.served(), [(1, "a".to_owned())]);
}

#[test]
fn a_late_timer_keeps_no_connection_from_its_server() {
    let mut stand = slow(vec![limited("a", 100)]);
    let _ = stand.health("a", Health::Down);
    let _ = stand.health("a", Health::Up);
    stand.now += 100 * SECOND;
    assert_eq!(stand.opened(101).matches('a').count(), 100);
}

#[test]
fn a_reload_that_ends_slow_start_gives_all_at_once() {
    let mut stand = slow(vec![server("a"), server("b")]);
    let _ = stand.health("a", Health::Down);
    let _ = stand.health("a", Health::Up);
    let _ = stand.apply(backend(Balance::RoundRobin, vec![server("a"), server("b")]));
    assert_eq!(percent(&stand, "a"), 100);
    assert_eq!(stand.pool.poll_timeout(), None);
}

#[test]
fn with_leastconn_a_cold_server_is_not_buried() {
    let slow_start = Some(100 * SECOND);
    let servers = vec![server("a"), server("b")];
    let mut stand = Stand::new(Backend { slow_start, ..backend(Balance::LeastConn, servers) });
    let _ = stand.health("a", Health::Down);
    stand.opened(200);
    let _ = stand.health("a", Health::Up);
    stand.opened(20);
    let a = stand.key("a");
    assert_eq!(stand.loads.active(a), 3, "a hundredth of what the other carries");
}
