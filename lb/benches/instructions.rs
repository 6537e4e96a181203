//! Hot paths of the pure parts, to be counted in instructions rather than timed: the count is the
//! same on a busy machine. `.ci/soak.d/instructions` counts and holds them to bounds.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{env, process};

use halb_lb::config::{Backend, Balance, OnDown, QueueLimit, Server, SideOptions, Weight};
use halb_lb::names::{BackendName, ServerName};
use halb_lb::pool::{Choice, Demand, Loads, Pool, ServerKey};
use halb_lb::session::{ReadOutcome, Relay, Side, Step, WriteOutcome};
use halb_lb::wheel::Wheel;

/// Does one of the works so many times: `instructions WORK COUNT`.
fn main() {
    let mut arguments = env::args().skip(1);
    let work = arguments.next().unwrap_or_default();
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1);
    match work.as_str() {
        "pick-roundrobin" => pick(Balance::RoundRobin, count),
        "pick-leastconn" => pick(Balance::LeastConn, count),
        "pick-source" => pick(Balance::Source, count),
        "relay-exchange" => relay(count),
        "wheel-rearm" => wheel(count),
        // Without a name, as `cargo bench` runs it, there is nothing to do.
        "" | "--bench" => {}
        _ => {
            eprintln!("no work is called {work:?}");
            process::exit(2);
        }
    }
}

/// Nobody has connections.
struct NoLoad;

impl Loads for NoLoad {
    fn active(&self, _: ServerKey) -> u32 {
        0
    }
}

/// A server is chosen out of three.
fn pick(balance: Balance, count: u32) {
    let mut pool = Pool::new(backend(balance));
    let now = Instant::now();
    let client = SocketAddr::from(([172, 16, 16, 11], 40_000));
    let demand = Demand { client, random: 0x0123_4567_89ab_cdef, tried: &[] };
    for _ in 0..count {
        let choice = pool.choose(black_box(&demand), &NoLoad, now);
        assert!(matches!(black_box(choice), Choice::Server(_)));
    }
}

fn backend(balance: Balance) -> Backend {
    let side =
        SideOptions { keepalive: None, user_timeout: None, fin_timeout: Duration::from_secs(30) };
    let server = |last: u8| Server {
        name: ServerName::new(&format!("kmaster{last}")).expect("a good name"),
        address: Some(SocketAddr::from(([172, 16, 16, 100 + last], 6443))),
        weight: Weight::DEFAULT,
        backup: false,
        maxconn: None,
    };
    Backend {
        name: BackendName::new("masters").expect("a good name"),
        balance,
        servers: [1, 2, 3].map(server).into(),
        connect_timeout: Duration::from_secs(2),
        retries: 3,
        redispatch: true,
        queue: QueueLimit { max: 1024, timeout: Duration::from_secs(5) },
        on_down: OnDown::Keep,
        slow_start: None,
        server: side,
        source: None,
        send_proxy: None,
    }
}

/// A request and its answer pass a session, two hundred bytes each.
fn relay(count: u32) {
    let now = Instant::now();
    let mut relay = Relay::new(0, now);
    for _ in 0..count {
        for side in [Side::Client, Side::Server] {
            relay.begin_turn();
            relay.readable(side, false);
            loop {
                match black_box(relay.poll()) {
                    Step::Read { from, max } => relay.read(from, max, ReadOutcome::Bytes(200), now),
                    Step::Write { to } => relay.wrote(to, WriteOutcome::Bytes(200), now),
                    Step::Wait => break,
                    step @ (Step::Splice { .. }
                    | Step::ShutdownWrite { .. }
                    | Step::Yield
                    | Step::End(_)) => panic!("{step:?} of a small exchange"),
                }
            }
        }
    }
}

/// A session among a thousand moves its deadline away, as each byte makes it do, and the time
/// passes on to the next millisecond.
fn wheel(count: u32) {
    const SESSIONS: u32 = 1000;
    let start = Instant::now();
    let mut wheel = Wheel::new(start);
    for turn in 0..count {
        let now = start + Duration::from_millis(turn.into());
        wheel.arm_by(turn % SESSIONS, now + Duration::from_secs(30));
        while let Some(key) = wheel.expire(now) {
            black_box(key);
        }
    }
}
