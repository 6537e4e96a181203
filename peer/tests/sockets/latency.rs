//! How long a message takes from `send` to the listener; a hand-over of addresses waits for one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use halb_lab::Loopback;
use halb_peer::driver;
use halb_peer::link::Event;
use tokio::sync::mpsc;

use crate::support::{PATIENCE, PORT, channel, settings};

const MESSAGES: usize = 2_000;

/// Of the median, on a machine that is otherwise idle. Half a millisecond each way leaves room in
/// the ten milliseconds that a hand-over between two halbs may take.
const BOUND: Duration = Duration::from_micros(500);

#[test]
#[ignore = "measures"]
fn measure_time_from_send_to_delivery() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
    let mut took = runtime.block_on(deliveries());
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!("median {:?}, 99% {:?}, worst {:?}", at(50), at(99), at(100));
    assert!(at(50) < BOUND, "{:?}", at(50));
}

async fn deliveries() -> Vec<Duration> {
    let addresses = [Loopback::claim().unwrap(), Loopback::claim().unwrap()];
    let [at_a, at_b]: [SocketAddr; 2] = [addresses[0].port(PORT), addresses[1].port(PORT)];
    let (told, mut arrivals) = mpsc::unbounded_channel();
    let listener = move |event| {
        let now = Instant::now();
        if matches!(event, Event::Up { .. } | Event::Received { .. }) {
            told.send((now, event)).unwrap();
        }
    };
    let a = driver::start(settings(at_a, at_b), Arc::new(|_| {})).unwrap();
    let _b = driver::start(settings(at_b, at_a), Arc::new(listener)).unwrap();
    let mut next = async || tokio::time::timeout(PATIENCE, arrivals.recv()).await.unwrap().unwrap();
    assert!(matches!(next().await.1, Event::Up { .. }));
    let mut took = Vec::new();
    for _ in 0..MESSAGES {
        // From a thread of its own, as the one that hands addresses over.
        let a = a.clone();
        let sent = std::thread::spawn(move || {
            let now = Instant::now();
            a.send(channel(), b"take over").unwrap();
            now
        });
        let sent = sent.join().unwrap();
        let (arrived, _) = next().await;
        took.push(arrived.duration_since(sent));
    }
    took
}
