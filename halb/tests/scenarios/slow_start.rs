//! A server that comes back gets its share little by little.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::subject::Here;
use halb_lab::{Loopback, eventually};

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::greeters::{Greeter, visit};

const SLOW_START: Duration = Duration::from_secs(4);

/// How many of these visits met the server that is new.
fn new_share(visits: &[(Duration, String)], from: Duration, to: Duration) -> f64 {
    let within: Vec<_> = visits.iter().filter(|(at, _)| (from..to).contains(at)).collect();
    let new = within.iter().filter(|(_, name)| name == "new").count();
    assert!(within.len() >= 20, "{} visits from {from:?} to {to:?}", within.len());
    f64::from(u32::try_from(new).unwrap()) / f64::from(u32::try_from(within.len()).unwrap())
}

#[test]
fn a_server_that_comes_back_ramps_up_over_slow_start() {
    let home = Loopback::claim().unwrap();
    let frontend: SocketAddr = home.port(6443);
    let _old = Greeter::listen("old", home.port(8001));
    let configuration = format!(
        "[frontend.web]\nbind = [\"{frontend}\"]\nbackend = \"pool\"\n\
         [backend.pool]\nslow_start = \"{}s\"\n\
         check = {{ type = \"tcp\", interval = \"50ms\", timeout = \"10s\", fall = 2, rise = 1 }}\n\
         [backend.pool.server]\nold = \"{}\"\nnew = \"{}\"\n\
         [admin]\nhttp = \"{}\"\n",
        SLOW_START.as_secs(),
        home.port(8001),
        home.port(8002),
        home.port(8404),
    );
    let halb = Daemon::start(&Here, &configuration);
    halb.wait_for_state("new", "DOWN");
    let mark = halb.line_count();
    let _new = Greeter::listen("new", home.port(8002));
    halb.wait_for_line_after(mark, "server is UP", PATIENCE).unwrap();
    let up = Instant::now();
    let percent = halb.server("new").slow_start_percent;
    assert!(percent < 100, "{percent} %");

    let mut visits = Vec::new();
    while up.elapsed() < SLOW_START {
        let at = up.elapsed();
        visits.push((at, visit(frontend, 3).1));
        // Enough to count on, and no flood of connections that wait for their last segment.
        thread::sleep(Duration::from_millis(2));
    }
    let quarter = SLOW_START / 4;
    let shares = [0, 1, 2, 3].map(|n| new_share(&visits, quarter * n, quarter * (n + 1)));
    println!("{} visits, shares in each quarter: {shares:?}", visits.len());
    // An eighth of the weight on average, against the whole of the other.
    assert!(shares[0] < 0.25, "{shares:?}");
    assert!(shares.is_sorted(), "{shares:?}");
    assert!(shares[3] > 0.4, "{shares:?}");

    eventually("it has its whole weight", PATIENCE, || {
        let percent = halb.server("new").slow_start_percent;
        if percent == 100 { Ok(()) } else { Err(percent) }
    });
    let new = (0..40).filter(|_| visit(frontend, 3).1 == "new").count();
    assert!((19..=21).contains(&new), "{new} of 40");
}
