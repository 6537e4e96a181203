use std::num::NonZeroU32;
use std::time::Instant;

use ConnectFailure::{Local, Refused, TimedOut, WentDown};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::config::{Balance, OnDown, QueueLimit, Server, SideOptions, Weight};
use crate::names::{BackendName, ServerName};
use crate::pool::{Choice, Demand, Loads, Pool};

const TIMEOUT: Duration = Duration::from_secs(3);

fn backend(retries: u32, redispatch: bool) -> Backend {
    Backend {
        name: BackendName::new("masters").expect("a good name"),
        balance: Balance::RoundRobin,
        servers: Vec::new(),
        connect_timeout: TIMEOUT,
        retries,
        redispatch,
        queue: QueueLimit { max: 0, timeout: TIMEOUT },
        on_down: OnDown::Keep,
        slow_start: None,
        server: SideOptions { keepalive: None, user_timeout: None, fin_timeout: TIMEOUT },
        source: None,
        send_proxy: None,
    }
}

fn with_servers(count: usize, backend: Backend) -> Backend {
    let server = |index: usize| Server {
        name: ServerName::new(&format!("s{index}")).expect("a good name"),
        address: Some(([127, 0, 0, 1], 6443).into()),
        weight: Weight::DEFAULT,
        backup: false,
        maxconn: NonZeroU32::new(1000),
    };
    Backend { servers: (0..count).map(server).collect(), ..backend }
}

/// Keys of so many servers.
fn keys(count: usize) -> Vec<ServerKey> {
    let pool = Pool::new(with_servers(count, backend(0, true)));
    pool.servers().map(|server| server.key).collect()
}

#[test]
fn what_follows_a_failure_is_in_the_table() {
    let same = Next::SameAfter(RETRY_PAUSE);
    // redispatch, retries, failures before, this failure: what follows, and is the server avoided
    let table = [
        (true, 3, 0, Refused, Next::Ask, true),
        (true, 3, 0, TimedOut, Next::Ask, true),
        (true, 3, 0, WentDown, Next::Ask, true),
        (true, 3, 0, Local, same, false),
        (false, 3, 0, Refused, same, false),
        (false, 3, 0, TimedOut, same, false),
        // Trying a server again that is known to be down would be in vain.
        (false, 3, 0, WentDown, Next::Ask, true),
        (false, 3, 0, Local, same, false),
        (true, 3, 2, Refused, Next::Ask, true),
        (true, 3, 3, Refused, Next::GiveUp, true),
        (false, 3, 3, Refused, Next::GiveUp, false),
        (true, 3, 3, Local, Next::GiveUp, false),
        (true, 0, 0, Refused, Next::GiveUp, true),
        (true, 0, 0, Local, Next::GiveUp, false),
    ];
    let server = keys(1)[0];
    for row in table {
        let (redispatch, retries, before, why, expected, avoided) = row;
        let backend = backend(retries, redispatch);
        let mut attempts = Attempts::default();
        for _ in 0..before {
            attempts.failed(server, Local, &backend);
        }
        assert_eq!(attempts.failed(server, why, &backend), expected, "{row:?}");
        assert_eq!(attempts.tried().contains(&server), avoided, "{row:?}");
    }
}

#[test]
fn the_pause_is_a_second_and_never_longer_than_the_connect_timeout() {
    let patient = backend(3, false);
    let hasty = Backend { connect_timeout: Duration::from_millis(200), ..patient.clone() };
    let server = keys(1)[0];
    let mut attempts = Attempts::default();
    assert_eq!(attempts.failed(server, Refused, &patient), Next::SameAfter(RETRY_PAUSE));
    let shorter = Next::SameAfter(Duration::from_millis(200));
    assert_eq!(attempts.failed(server, Refused, &hasty), shorter);
}

#[test]
fn a_server_chosen_again_after_it_failed_gets_a_pause_and_a_fresh_one_none() {
    let backend = backend(9, true);
    let [a, b] = keys(2)[..] else { panic!("two keys") };
    let mut attempts = Attempts::default();
    assert_eq!(attempts.chosen(a, &backend), Duration::ZERO);
    attempts.failed(a, Refused, &backend);
    assert_eq!(attempts.chosen(b, &backend), Duration::ZERO);
    attempts.failed(b, Refused, &backend);
    assert_eq!(attempts.chosen(a, &backend), RETRY_PAUSE);

    let mut attempts = Attempts::default();
    attempts.failed(a, Local, &backend);
    assert_eq!(attempts.chosen(a, &backend), RETRY_PAUSE, "also after a local shortage");
}

#[test]
fn redispatched_says_that_an_attempt_went_to_another_server_than_the_one_before() {
    let backend = backend(9, true);
    let [a, b] = keys(2)[..] else { panic!("two keys") };
    let mut attempts = Attempts::default();
    attempts.chosen(a, &backend);
    assert!(!attempts.redispatched(), "the first choice is none");
    attempts.failed(a, Refused, &backend);
    attempts.chosen(a, &backend);
    assert!(!attempts.redispatched(), "the same again is none");
    attempts.failed(a, Local, &backend);
    attempts.chosen(b, &backend);
    assert!(attempts.redispatched());
    attempts.chosen(b, &backend);
    assert!(attempts.redispatched(), "it stays said");
}

#[test]
fn retries_count_attempts_after_the_first_not_failures() {
    let backend = backend(2, true);
    let server = keys(1)[0];
    let mut attempts = Attempts::default();
    let mut counted = vec![attempts.retries()];
    for _ in 0..3 {
        attempts.failed(server, Refused, &backend);
        counted.push(attempts.retries());
    }
    assert_eq!(counted, [0, 1, 2, 2]);
}

#[test]
fn a_smaller_limit_from_a_reload_holds_for_attempts_under_way() {
    let server = keys(1)[0];
    let mut attempts = Attempts::default();
    for _ in 0..5 {
        attempts.failed(server, Refused, &backend(9, true));
    }
    assert_eq!(attempts.failed(server, Refused, &backend(2, true)), Next::GiveUp);
}

struct NoLoad;

impl Loads for NoLoad {
    fn active(&self, _: ServerKey) -> u32 {
        0
    }
}

#[test]
fn with_a_pool_each_server_is_tried_before_any_is_tried_again() {
    let backend = with_servers(3, backend(7, true));
    let mut pool = Pool::new(backend.clone());
    let mut attempts = Attempts::default();
    let mut route = Vec::new();
    loop {
        let demand =
            Demand { client: ([127, 0, 0, 1], 40_000).into(), random: 0, tried: attempts.tried() };
        let Choice::Server(server) = pool.choose(&demand, &NoLoad, Instant::now()) else {
            panic!("three servers are up");
        };
        let pause = attempts.chosen(server, &backend);
        assert_eq!(pause > Duration::ZERO, route.contains(&server), "{route:?}");
        route.push(server);
        match attempts.failed(server, Refused, &backend) {
            Next::Ask => {}
            Next::GiveUp => break,
            Next::SameAfter(_) => panic!("redispatch asks for another server"),
        }
    }
    assert_eq!(route.len(), 8, "one attempt and seven retries");
    let mut first = route[..3].to_vec();
    first.sort();
    first.dedup();
    assert_eq!(first.len(), 3, "{route:?}");
}

/// Whom the pool chooses each time it is asked, and how the attempt fails.
fn failures() -> impl Strategy<Value = Vec<(usize, ConnectFailure)>> {
    let why = prop_oneof![Just(Refused), Just(TimedOut), Just(Local), Just(WentDown)];
    vec((0..SERVERS, why), 1..40)
}

const SERVERS: usize = 12;

proptest! {
    #[test]
    fn attempts_are_bounded_and_never_meet_the_same_server_without_a_pause(
        failures in failures(),
        retries in 0..20_u32,
        redispatch in any::<bool>(),
    ) {
        let backend = backend(retries, redispatch);
        let keys = keys(SERVERS);
        let mut attempts = Attempts::default();
        let mut made = 0;
        let mut before: Option<ServerKey> = None;
        let mut same_again = false;
        let mut moved = false;
        for (server, why) in failures {
            let server = match before {
                Some(before) if same_again => before,
                Some(_) | None => {
                    let pause = attempts.chosen(keys[server], &backend);
                    prop_assert!(before != Some(keys[server]) || !pause.is_zero());
                    moved |= before.is_some_and(|before| before != keys[server]);
                    keys[server]
                }
            };
            prop_assert_eq!(attempts.redispatched(), moved);
            made += 1;
            before = Some(server);
            let tried_before = attempts.tried().to_vec();
            let next = attempts.failed(server, why, &backend);
            check_tried(attempts.tried(), &tried_before, why)?;
            prop_assert_eq!(attempts.retries(), made.min(retries));
            match next {
                Next::GiveUp => {
                    prop_assert_eq!(made, retries + 1, "not before its time");
                    return Ok(());
                }
                Next::Ask => {
                    prop_assert_eq!(attempts.tried().last(), Some(&server));
                    same_again = false;
                }
                Next::SameAfter(pause) => {
                    prop_assert!(!pause.is_zero());
                    prop_assert!(why != WentDown);
                    same_again = true;
                }
            }
            prop_assert!(made <= retries, "another attempt is allowed");
        }
    }
}

/// Each server once, no more than the bound, and a local shortage is no server's failure.
fn check_tried(
    tried: &[ServerKey],
    before: &[ServerKey],
    why: ConnectFailure,
) -> Result<(), TestCaseError> {
    let mut distinct = tried.to_vec();
    distinct.sort();
    distinct.dedup();
    prop_assert_eq!(distinct.len(), tried.len());
    prop_assert!(tried.len() <= TRIED_MAX);
    if why == Local {
        prop_assert_eq!(tried, before);
    }
    Ok(())
}
