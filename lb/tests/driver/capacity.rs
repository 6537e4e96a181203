//! As many connections as the descriptors of one process carry.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, eventually, take};
use crate::part::Part;

/// The hard limit that the daemon must cope with.
const DESCRIPTORS: u64 = 20_000;

/// What that carries: two descriptors for each connection, 200 kept.
const CONNECTIONS: u64 = 9_900;

/// Connections over which the memory of one is measured.
const MEASURED: u64 = 4_500;

/// Most memory that an idle connection may hold, in bytes.
const IDLE_BYTES_MAX: u64 = 1024;

fn is_waiting(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let read = client.read(&mut [0; 1]);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn one_process_holds_9_900_idle_connections_of_1_kib_at_most_and_the_next_clients_wait() {
    let server = Part::server(DESCRIPTORS);
    let engine = Part::engine(DESCRIPTORS, DESCRIPTORS, &[server.address]);
    let clients = Part::clients(DESCRIPTORS, engine.address);
    assert_eq!(engine.figure("connections_max"), CONNECTIONS);

    let before = engine.proportional_set_size();
    assert_eq!(clients.ask(&format!("open {MEASURED}")), MEASURED.to_string());
    let each = engine.proportional_set_size().saturating_sub(before) / MEASURED;
    println!("an idle connection holds {each} bytes of the process ({before} at rest)");
    assert!(each <= IDLE_BYTES_MAX, "{each} bytes for each idle connection");

    clients.ask(&format!("open {}", CONNECTIONS - MEASURED));
    assert_eq!(engine.figure("connections"), CONNECTIONS);
    assert!(engine.descriptors() > 2 * CONNECTIONS);

    let mut waiting: Vec<_> = (0..20).map(|_| engine.connect()).collect();
    assert!(is_waiting(&mut waiting[0]) && is_waiting(&mut waiting[19]));
    assert_eq!(engine.figure("is_full"), 1);
    let cpu = engine.cpu_time();
    let asked = Instant::now();
    assert_eq!(engine.ask("sessions"), CONNECTIONS.to_string());
    println!("all sessions were listed in {:?}", asked.elapsed());
    std::thread::sleep(Duration::from_secs(1));
    let worked = engine.cpu_time() - cpu;
    assert!(worked < Duration::from_millis(500), "{worked:?} of work with nothing to do");

    clients.ask("close 10");
    for client in &mut waiting[..10] {
        assert_eq!(take(client, 1), "x", "who came first is served as others leave");
    }
    assert!(is_waiting(&mut waiting[10]));
    clients.ask("close 10");
    waiting[10..].iter_mut().for_each(|client| assert_eq!(take(client, 1), "x"));
    assert_eq!(engine.figure("local_errors") + engine.figure("accept_pauses"), 0);

    drop(waiting);
    clients.ask(&format!("close {CONNECTIONS}"));
    eventually("all are gone", || engine.figure("connections") == 0);
}
