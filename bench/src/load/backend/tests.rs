use std::{num::NonZeroU32, thread};

use super::*;
use crate::load::{Life, Load, Pace, Part, Tally, Window, Work, order::LEN, run};

/// Serves on loopback while `with` runs, and for no longer than `PATIENCE`.
fn with_backend<R>(with: impl FnOnce(SocketAddr) -> R) -> R {
    let backend = Backend::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let address = backend.address();
    thread::spawn(move || backend.serve(Some(Instant::now() + Duration::from_secs(60))));
    with(address)
}

fn tallies(target: SocketAddr, parts: Vec<Part>) -> Vec<Tally> {
    let begins = Instant::now();
    let from = begins + Duration::from_millis(100);
    let window = Window { from, to: from + Duration::from_secs(1) };
    run(&Load { target, parts, begins, window, threads: 2 }).unwrap()
}

fn part(work: Work, connections: usize) -> Part {
    Part { work, connections, spread: Duration::from_millis(10) }
}

fn exchanges(pace: Pace, life: Life) -> Work {
    Work::Exchanges { up: 300, down: 40_000, pace, life }
}

#[test]
fn all_kinds_of_work_are_done_side_by_side() {
    let ms = Duration::from_millis;
    let parts = vec![
        part(exchanges(Pace::Closed, Life::Kept), 3),
        part(exchanges(Pace::Closed, Life::Exchanges(NonZeroU32::MIN)), 3),
        part(exchanges(Pace::Every(ms(50)), Life::Kept), 4),
        part(Work::Stream { up: true, down: false }, 1),
        part(Work::Stream { up: false, down: true }, 1),
        part(Work::Stream { up: true, down: true }, 1),
        part(Work::Watch { event: 300, every: ms(20) }, 5),
        part(Work::Idle, 20),
    ];
    let tallies = with_backend(|address| tallies(address, parts));
    for tally in &tallies {
        assert_eq!(tally.failed, 0, "{tally:?}");
    }
    let [kept, once, open, up, down, both, watch, idle] = &tallies[..] else { unreachable!() };
    assert!(kept.done > 0 && kept.down >= (kept.done - 3) * 40_000);
    assert!(once.done > 0);
    // Four connections, twenty times each, and what a stall moved into the window.
    assert!((76..=96).contains(&(open.done + open.unfinished)), "{open:?}");
    assert!(up.up > 0 && up.down == 0);
    assert!(down.up == 0 && down.down > 0);
    assert!(both.up > 0 && both.down > 0);
    assert!(watch.done > 0 && watch.held == 5);
    assert_eq!((idle.held, idle.failed), (20, 0));
}

#[test]
fn nobody_there_is_counted_as_failed() {
    let closed = Backend::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let address = closed.address();
    drop(closed);
    let tallies = tallies(address, vec![part(exchanges(Pace::Closed, Life::Kept), 2)]);
    assert_eq!(tallies[0].done, 0);
    assert!(tallies[0].failed > 2, "{:?}", tallies[0]);
}

#[test]
fn a_backend_of_ours_is_told_from_a_stranger() {
    let limit = Duration::from_secs(20);
    assert!(with_backend(|address| answers(address, limit)).unwrap());
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap();
    let greeting = thread::spawn(move || {
        let (mut stream, _) = stranger.accept().unwrap();
        stream.write_all(b"220 mail.example.com ESMTP").unwrap();
        // Until the other side is done.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert!(!answers(address, limit).unwrap());
    greeting.join().unwrap();
}

#[test]
fn a_stranger_is_disconnected() {
    with_backend(|address| {
        let mut stream = StdStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&[b'G'; LEN]).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    });
}
