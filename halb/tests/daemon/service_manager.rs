//! What the daemon tells its service manager, and what keeps it from pinging.

use std::fs;
use std::os::unix::net::UnixDatagram;

use halb_lab::eventually;
use halb_lab::process::{Exit, Process, Signal};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::upgrade::Successors;
use super::{PATIENCE, Site};

/// What the daemon tells its service manager.
struct ServiceManager {
    socket: UnixDatagram,
}

impl ServiceManager {
    /// Starts a daemon that is to ping it every 100 ms.
    fn start(site: &Site) -> (Self, Process) {
        let socket = UnixDatagram::bind(site.path("notify.sock")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let manager = Self { socket };
        let mut command = site.command();
        command.env("NOTIFY_SOCKET", site.path("notify.sock")).env("WATCHDOG_USEC", "200000");
        let daemon = Process::spawn(command).unwrap();
        assert_eq!(manager.next(), "READY=1");
        (manager, daemon)
    }

    /// The next message that isn't a ping.
    fn next(&self) -> String {
        loop {
            let message = self.any();
            if message != "WATCHDOG=1" {
                return message;
            }
        }
    }

    /// Drops what was said so far.
    fn forget(&self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut [0; 512]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
    }

    fn is_told_nothing(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let nothing = self.socket.recv(&mut [0; 512]).is_err();
        self.socket.set_nonblocking(false).unwrap();
        nothing
    }

    fn any(&self) -> String {
        let mut buffer = [0; 512];
        let length = self.socket.recv(&mut buffer).expect("a message in time");
        String::from_utf8(buffer[..length].to_vec()).unwrap().trim_end().to_owned()
    }
}

#[test]
fn the_service_manager_hears_of_start_pings_reload_and_stop() {
    let site = Site::new();
    let (manager, daemon) = ServiceManager::start(&site);
    assert_eq!(manager.any(), "WATCHDOG=1");
    assert_eq!(manager.any(), "WATCHDOG=1");
    daemon.signal(Signal::SIGHUP).unwrap();
    let reloading = manager.next();
    let (first, second) = reloading.split_once('\n').unwrap();
    assert_eq!(first, "RELOADING=1");
    assert!(second.starts_with("MONOTONIC_USEC="), "{reloading}");
    assert_eq!(manager.next(), "READY=1");
    daemon.signal(Signal::SIGTERM).unwrap();
    assert_eq!(manager.next(), "STOPPING=1");
    assert_eq!(daemon.wait(PATIENCE).unwrap(), Exit::Code(0));
}

#[test]
fn a_worker_that_is_stuck_keeps_pings_from_the_service_manager() {
    let site = Site::new();
    let (manager, daemon) = ServiceManager::start(&site);
    let held = daemon.hold_threads(|name| name.starts_with("halb-worker")).unwrap();
    let missed = || daemon.output().matches("no ping to the watchdog").count();
    eventually("pings are held back", PATIENCE, || {
        manager.forget(); // or its full socket would hold them back
        if missed() > 0 { Ok(()) } else { Err(daemon.output()) }
    });
    let held_back = missed();
    eventually("three more are", PATIENCE, || {
        if missed() >= held_back + 3 { Ok(()) } else { Err(daemon.output()) }
    });
    assert!(manager.is_told_nothing());
    drop(held);
    assert_eq!(manager.any(), "WATCHDOG=1");
}

#[test]
fn a_pipe_in_place_of_a_file_of_checks_keeps_nothing_waiting() {
    let site = Site::new();
    let token = site.path("token");
    fs::write(&token, "secret").unwrap();
    let text = fs::read_to_string(site.path("halb.toml")).unwrap();
    let server = site.servers[0].local_addr().unwrap();
    // More checks than threads that may block.
    let servers: String = (3..12).map(|n| format!("s{n} = \"{server}\"\n")).collect();
    let check = format!(
        "check = {{ type = \"http\", bearer_token_file = \"{}\", interval = \"100ms\", \
         timeout = \"50ms\", fall = 1000 }}",
        token.display()
    );
    let text = text
        .lines()
        .map(|line| if line.starts_with("check = ") { check.as_str() } else { line })
        .map(|line| if line.starts_with("one = ") { servers.as_str() } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(site.path("halb.toml"), text).unwrap();
    let (manager, daemon) = ServiceManager::start(&site);
    fs::remove_file(&token).unwrap();
    mkfifo(&token, Mode::S_IRWXU).unwrap();
    eventually("every check says what is wrong", PATIENCE, || {
        let servers = site.status().backends.remove(0).servers;
        let detail = |s: halb::status::Server| s.check.map(|check| check.detail);
        let mut details = servers.into_iter().filter_map(detail);
        details.find(|detail| !detail.contains("name a regular file")).map_or(Ok(()), Err)
    });
    manager.forget();
    assert_eq!([manager.any(), manager.any()], ["WATCHDOG=1", "WATCHDOG=1"]);
    let (code, said) = site.halb(&["check"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("name a regular file"), "{said}");
    assert_eq!(site.halb(&["reload"]).0, 3);
    assert_eq!(daemon.stop(PATIENCE).unwrap(), Exit::Code(0));
}

#[test]
fn the_service_manager_is_told_of_another_main_process_before_that_one_speaks() {
    let site = Site::new();
    let (manager, _daemon) = ServiceManager::start(&site);
    let _successors = Successors(&site);
    let (code, said) = site.halb(&["upgrade"]);
    assert_eq!(code, 0, "{said}");
    assert!(manager.next().starts_with("RELOADING=1\n"));
    assert_eq!(manager.next(), format!("MAINPID={}", site.status().process.pid));
    assert_eq!(manager.next(), "READY=1");
    manager.forget();
    assert_eq!(manager.any(), "WATCHDOG=1");
}
