//! Servers with names: a real name server on loopback, a hosts file, and the daemon between them.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use halb_lab::nameserver::Zone;
use halb_lab::{Loopback, Nameserver, Process, eventually};

use super::PATIENCE;
use super::files::{Files, HALB};

/// Two hosts that listen on the same port and tell each client their letter, again at each word; a
/// name server; and a daemon before them, whose one server has a name.
struct Site {
    files: Files,
    /// Where halb listens, and the two hosts.
    addresses: [Loopback; 3],
    port: u16,
    names: Nameserver,
}

impl Site {
    fn new(zone: impl FnOnce(&[Loopback; 3]) -> Zone) -> Self {
        let addresses = [(); 3].map(|()| Loopback::claim().unwrap());
        let first = TcpListener::bind(addresses[1].port(0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let second = TcpListener::bind(addresses[2].port(port)).unwrap();
        for (listener, letter) in [(first, b'1'), (second, b'2')] {
            thread::spawn(move || serve(&listener, letter));
        }
        let names = Nameserver::start(addresses[0].port(0), zone(&addresses)).unwrap();
        let site = Self { files: Files::new(""), addresses, port, names };
        fs::write(site.files.path("hosts"), "").unwrap();
        site.write_config();
        site
    }

    fn write_config(&self) {
        let text = format!(
            r#"
[frontend.web]
bind = ["{frontend}"]
backend = "pool"
[backend.pool]
check = {{ type = "tcp", interval = "100ms", timeout = "50ms", fall = 2, rise = 1 }}
[backend.pool.server]
one = "one.example:{port}"
[resolver]
nameservers = ["{nameserver}"]
hosts_file = "{hosts}"
refresh_min = "1s"
refresh_max = "1s"
timeout = "300ms"
attempts = 1
hold_gone = "2s"
[admin]
http = "{http}"
socket = "{socket}"
"#,
            frontend = self.frontend(),
            port = self.port,
            nameserver = self.names.address(),
            hosts = self.files.path("hosts").display(),
            http = self.addresses[0].port(8404),
            socket = self.files.path("admin.sock").display(),
        );
        self.files.write(&text);
    }

    fn frontend(&self) -> SocketAddr {
        self.addresses[0].port(8080)
    }

    fn start(&self) -> Process {
        let process = Process::spawn(self.files.run(Command::new(HALB))).unwrap();
        process.wait_for_line("halb serves", PATIENCE).unwrap();
        process
    }

    /// Address, whether it is usable, failures of its name.
    fn server(&self) -> (Option<String>, bool, u64) {
        let status = self.files.status();
        let mut servers = status.backends[0].servers.iter().filter(|server| !server.removed);
        let server = servers.next().unwrap();
        let name = server.resolution.as_ref().unwrap();
        (name.address.clone(), server.usable, name.failures)
    }

    /// Waits until a new client is served by the host with this letter.
    fn served_by(&self, letter: u8) {
        eventually("another host serves", PATIENCE, || {
            let client = connect(self.frontend());
            client.is_some_and(|mut client| word(&mut client) == Some(letter))
        });
    }

    fn zone(&self, host: usize) -> Zone {
        Zone::Addresses(vec![self.addresses[host].ip()])
    }
}

fn serve(listener: &TcpListener, letter: u8) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        thread::spawn(move || {
            let mut word = [0; 1];
            while stream.read_exact(&mut word).is_ok() && stream.write_all(&[letter]).is_ok() {}
        });
    }
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Some(stream)
}

/// Says a word; the letter of whoever answers.
fn word(stream: &mut TcpStream) -> Option<u8> {
    let mut letter = [0; 1];
    stream.write_all(b"?").ok()?;
    stream.read_exact(&mut letter).ok()?;
    Some(letter[0])
}

#[test]
fn a_server_follows_its_name_while_its_sessions_stay_and_no_blip_takes_it_down() {
    let site = Site::new(|hosts| Zone::Addresses(vec![hosts[1].ip()]));
    let daemon = site.start();
    let mut session = connect(site.frontend()).unwrap();
    assert_eq!(word(&mut session), Some(b'1'), "resolved before the first client");

    site.names.becomes(site.zone(2));
    site.served_by(b'2');
    let line = daemon.wait_for_line("a name has another address", PATIENCE).unwrap();
    assert!(line.contains("pool/one") && line.contains("one.example"), "{line}");
    assert_eq!(word(&mut session), Some(b'1'), "it lives on where it is");

    for blip in [Zone::Code(2), Zone::Silence, Zone::Code(3)] {
        let (_, _, before) = site.server();
        site.names.becomes(blip.clone());
        eventually("the blip is noticed", PATIENCE, || site.server().2 > before);
        let (address, usable, _) = site.server();
        assert_eq!((address, usable), (Some(site.addresses[2].ip().to_string()), true), "{blip:?}");
        site.names.becomes(site.zone(2));
        let doubted = || site.files.halb(&["status"]).text.contains("in doubt");
        eventually("the blip is over", PATIENCE, || !doubted());
    }
    assert_eq!(word(&mut session), Some(b'1'));
}

#[test]
fn a_name_that_is_gone_takes_its_server_down_after_its_hold_time_and_brings_it_back() {
    let site = Site::new(|hosts| Zone::Addresses(vec![hosts[1].ip()]));
    let daemon = site.start();
    let mut session = connect(site.frontend()).unwrap();
    assert_eq!(word(&mut session), Some(b'1'));
    site.names.becomes(Zone::Code(3));
    daemon.wait_for_line("a name has no address any more", PATIENCE).unwrap();
    eventually("the server is down", PATIENCE, || !site.server().1);
    let told = site.files.halb(&["status"]).text;
    assert!(told.contains("has no address: there is no such name"), "{told}");
    assert_eq!(word(&mut session), Some(b'1'), "sessions are left alone");
    site.names.becomes(site.zone(2));
    site.served_by(b'2');
}

#[test]
fn an_upgrade_that_would_lose_an_address_is_refused_while_the_name_server_is_silent() {
    let site = Site::new(|hosts| Zone::Addresses(vec![hosts[1].ip()]));
    let daemon = site.start();
    site.served_by(b'1');
    site.names.becomes(Zone::Silence);
    let said = site.files.halb(&["upgrade"]).text;
    assert!(said.contains("the name of pool/one isn't answered now"), "{said}");
    assert_eq!(site.files.status().process.pid, daemon.pid());
    assert!(site.server().1, "the server is up as before");
    site.served_by(b'1');
}

#[test]
fn a_name_that_does_not_resolve_at_the_start_is_down_until_the_hosts_file_has_it() {
    let site = Site::new(|_| Zone::Silence);
    let _daemon = site.start();
    let (address, usable, _) = site.server();
    assert_eq!((address, usable), (None, false));
    eventually("the reason is told", PATIENCE, || {
        site.files.halb(&["status"]).text.contains("no answer in time")
    });
    let line = |host: usize| format!("{} one.example\n", site.addresses[host].ip());
    fs::write(site.files.path("hosts"), line(1)).unwrap();
    site.served_by(b'1');
    fs::write(site.files.path("hosts"), line(2) + "# moved\n").unwrap();
    site.served_by(b'2');
    let name = || site.files.status().backends[0].servers[0].resolution.clone().unwrap();
    let (asked, before) = (site.names.questions(), name());
    assert!(before.last_answer.unwrap().ends_with("(hosts file)"));
    eventually("it is looked at again", PATIENCE, || name().answers > before.answers + 1);
    assert!(site.names.questions() <= asked + 2, "for what the file has, nobody is asked");
}
