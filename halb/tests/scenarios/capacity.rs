//! A hard limit of descriptors that everything has to fit under.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use halb_lab::subject::Here;
use halb_lab::{Loopback, eventually};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, http_get};
use crate::support::files::HALB;
use crate::support::greeters::{Crowd, visit};

/// Clients beyond what fits.
const FURTHER: usize = 50;

/// This program holds both ends of what halb connects.
fn raise_own_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard >= 20_000, "a hard limit of {hard} descriptors doesn't carry this test");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

fn is_waiting(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let read = client.read(&mut [0]);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn under_a_small_limit_halb_says_what_fits_and_further_clients_wait() {
    beyond_what_fits_clients_wait(1_000, 400);
}

#[test]
fn nine_thousand_nine_hundred_connections_fit_and_further_clients_wait() {
    raise_own_limit();
    beyond_what_fits_clients_wait(20_000, 9_900);
}

/// Two descriptors a connection, 200 kept for the rest.
fn beyond_what_fits_clients_wait(descriptors: u64, connections: u64) {
    let home = Loopback::claim().unwrap();
    let (frontend, admin) = (home.port(6443), home.port(8404));
    let servers = [home.port(8001), home.port(8002)].map(|at| Crowd::listen("hi", at));
    let configuration = format!(
        "[frontend.web]\nbind = [\"{frontend}\"]\nbackend = \"pool\"\n\
         [backend.pool]\ncheck = {{ type = \"tcp\", interval = \"100ms\", timeout = \"10s\" }}\n\
         [backend.pool.server]\none = \"{}\"\ntwo = \"{}\"\n[admin]\nhttp = \"{admin}\"\n",
        servers[0].address(),
        servers[1].address(),
    );
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={descriptors}:{descriptors}")).arg(HALB);
    let halb = Daemon::start_by(&Here, command, &configuration);
    let said = halb.wait_for_line("halb serves", PATIENCE).unwrap();
    let limit = format!(
        "the hard limit of {descriptors} file descriptors carries {connections} connections"
    );
    let room = format!("room_for_connections={connections}");
    assert!(said.contains(&room) && said.contains(&limit), "{said}");

    let mut clients: Vec<_> = (0..connections).map(|_| visit(frontend, 2).0).collect();
    let mut further: Vec<_> = (0..FURTHER).map(|_| TcpStream::connect(frontend).unwrap()).collect();
    assert!(is_waiting(&mut further[0]) && is_waiting(&mut further[FURTHER - 1]));
    let status = halb.status();
    assert_eq!(status.process.connections, connections);
    assert!(status.frontends[0].listeners[0].paused.is_some());
    assert_eq!(status.process.accept_pauses, 0, "full isn't short of anything");

    let readyz = http_get(admin, "/readyz").unwrap();
    let reason = "frontend web accepts no connections: as many connections as it may hold";
    assert!(readyz.starts_with("HTTP/1.1 503") && readyz.contains(reason), "{readyz}");
    let livez = http_get(admin, "/livez").unwrap();
    assert!(livez.starts_with("HTTP/1.1 200"), "{livez}");
    let metrics = http_get(admin, "/metrics").unwrap();
    assert!(metrics.contains(&format!("halb_process_connections {connections}\n")), "{metrics}");
    let checks = |name| halb.server(name).check.unwrap();
    let before = checks("one").checks;
    eventually("checks go on", PATIENCE, || checks("one").checks >= before + 3);
    for name in ["one", "two"] {
        let check = checks(name);
        assert_eq!((check.inconclusive, check.failures), (0, 0), "{check:?}");
        assert_eq!(halb.server(name).local_errors, 0);
    }

    // As clients leave, those that wait are served, the first ones first.
    clients.drain(..10);
    let mut hi = [0; 2];
    for client in &mut further[..10] {
        client.read_exact(&mut hi).unwrap();
        assert_eq!(&hi, b"hi");
    }
    assert!(is_waiting(&mut further[FURTHER - 1]));
    drop(clients);
    for client in &mut further[10..] {
        client.read_exact(&mut hi).unwrap();
    }
    let readyz = http_get(admin, "/readyz").unwrap();
    assert!(readyz.starts_with("HTTP/1.1 200"), "{readyz}");
}
