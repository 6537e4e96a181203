//! The network, the servers, and what clients do.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use halb_forward::driver::{Changed, Handle, Notice, Settings, start};
use halb_forward::table::{Balance, Frontend, Limits, Server, Standing, Strays, Table};
use halb_lab::{Host, Lab, eventually};
use ipnet::IpNet;

/// A busy machine may stand still for long; what never comes fails all the same.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const VIP: &str = "172.16.16.100";
pub(crate) const VIP6: &str = "fd00::100";
pub(crate) const PORT: u16 = 6443;

/// A client, two balancers, and three servers that say their number first and then do as they are
/// told: `E` echo, `W` speak every 20 ms, `D` speak without end.
pub(crate) struct World {
    pub(crate) nodes: [Host; 2],
    pub(crate) client: Host,
    pub(crate) servers: Vec<Host>,
    _lab: Lab,
}

impl World {
    pub(crate) fn new() -> Self {
        let lab = Lab::new().unwrap();
        let host = |name: &str, last: u8| {
            let host = lab.host(name, &format!("172.16.16.{last}/24")).unwrap();
            host.add_address(&format!("fd00::{last}/64")).unwrap();
            host
        };
        let servers = (101..=103).map(|last| {
            let server = host(&format!("server{last}"), last);
            server.run(|| {
                for any in ["0.0.0.0", "::"] {
                    serve(any.parse().unwrap(), last);
                }
            });
            server
        });
        let servers = servers.collect();
        let nodes = [host("loadbalancer01", 51), host("loadbalancer02", 52)];
        Self { nodes, client: host("client", 9), servers, _lab: lab }
    }

    /// Puts the addresses on a node, and tells all others where they are now.
    pub(crate) fn place(&self, node: usize) {
        self.place_only(node, &[VIP, VIP6]);
    }

    /// Puts some of them there.
    pub(crate) fn place_only(&self, node: usize, addresses: &[&str]) {
        for address in addresses {
            let address = IpNet::from(address.parse::<IpAddr>().unwrap());
            self.nodes[node].add_address(&address.to_string()).unwrap();
        }
        for host in self.servers.iter().chain([&self.client]) {
            run(host, &["ip", "neigh", "flush", "dev", "eth1"]);
        }
    }

    /// Takes the addresses off a node.
    pub(crate) fn take_away(&self, node: usize) {
        let node = &self.nodes[node];
        node.remove_address(&format!("{VIP}/32")).unwrap();
        node.remove_address(&format!("{VIP6}/128")).unwrap();
    }

    /// A connection, and the number of the server that took it.
    pub(crate) fn connect(&self, address: &str, told: u8) -> io::Result<(TcpStream, u8)> {
        let to = SocketAddr::new(address.parse().unwrap(), PORT);
        self.client.run(|| {
            let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let mut number = [0];
            stream.read_exact(&mut number)?;
            stream.write_all(&[told])?;
            Ok((stream, number[0]))
        })
    }
}

/// Runs a program on a host to its end, and returns what it printed.
pub(crate) fn run(host: &Host, words: &[&str]) -> String {
    let output = host.run(|| Command::new(words[0]).args(&words[1..]).output().unwrap());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn serve(any: IpAddr, number: u8) {
    let domain = socket2::Domain::for_address(SocketAddr::new(any, PORT));
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    if any.is_ipv6() {
        socket.set_only_v6(true).unwrap();
    }
    socket.bind(&SocketAddr::new(any, PORT).into()).unwrap();
    socket.listen(128).unwrap();
    let listener = TcpListener::from(socket);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            thread::spawn(move || attend(stream, number));
        }
    });
}

fn attend(mut stream: TcpStream, number: u8) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(&[number])?;
    let mut told = [0];
    stream.read_exact(&mut told)?;
    let mut said = 0u64;
    let mut buffer = vec![0; 16 << 10];
    loop {
        match told[0] {
            b'W' | b'D' => {
                stream.write_all(&said.to_be_bytes())?;
                said += 1;
                if told[0] == b'W' {
                    thread::sleep(Duration::from_millis(20));
                }
            }
            _ => {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..length])?;
            }
        }
    }
}

/// A client that goes on until it is stopped, and compares what it hears.
pub(crate) struct Traffic {
    /// Numbers that came back, or came.
    heard: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
    pub(crate) server: u8,
}

impl Traffic {
    /// Asks and is answered, every few milliseconds.
    pub(crate) fn echo(world: &World) -> Self {
        Self::echo_at(world, VIP)
    }

    pub(crate) fn echo_at(world: &World, address: &str) -> Self {
        let (stream, server) = world.connect(address, b'E').unwrap();
        Self::start(stream, server, |stream, number| {
            stream.write_all(&number.to_be_bytes())?;
            thread::sleep(Duration::from_millis(5));
            Ok(())
        })
    }

    /// Never says anything: as a watch does.
    pub(crate) fn watch(world: &World) -> Self {
        Self::watch_at(world, VIP)
    }

    pub(crate) fn watch_at(world: &World, address: &str) -> Self {
        let (stream, server) = world.connect(address, b'W').unwrap();
        Self::start(stream, server, |_, _| Ok(()))
    }

    /// Reads as fast as it can.
    pub(crate) fn download(world: &World) -> Self {
        let (stream, server) = world.connect(VIP, b'D').unwrap();
        Self::start(stream, server, |_, _| Ok(()))
    }

    fn start(
        mut stream: TcpStream,
        server: u8,
        ask: impl Fn(&mut TcpStream, u64) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let (heard, stopped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (Arc::clone(&heard), Arc::clone(&stopped));
        let thread = thread::spawn(move || {
            for number in 0u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                ask(&mut stream, number)?;
                let mut answer = [0; 8];
                stream.read_exact(&mut answer)?;
                assert_eq!(u64::from_be_bytes(answer), number, "bytes were lost or changed");
                count.store(number + 1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { heard, stopped, thread: Some(thread), server }
    }

    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    /// Stops it, and says what became of it.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }

    /// What ended it by itself.
    pub(crate) fn error(mut self) -> io::Error {
        let thread = self.thread.take().unwrap();
        eventually("the connection ends", PATIENCE, || thread.is_finished());
        thread.join().unwrap().unwrap_err()
    }
}

/// Waits until each has heard at least this much more.
pub(crate) fn all_hear_more(traffic: &[Traffic], more: u64) {
    let before: Vec<_> = traffic.iter().map(Traffic::heard).collect();
    eventually("all connections go on", PATIENCE, || {
        let ended = traffic.iter().position(Traffic::has_ended);
        assert_eq!(ended, None, "a connection broke");
        traffic.iter().zip(&before).all(|(one, before)| one.heard() >= before + more)
    });
}

/// A running driver on a node, and what it told.
pub(crate) struct Node {
    pub(crate) handle: Arc<Handle>,
    pub(crate) notices: Arc<Mutex<Vec<String>>>,
    messages: Option<mpsc::Receiver<Vec<u8>>>,
}

impl Node {
    pub(crate) fn start(host: &Host, table: &Table) -> Self {
        Self::start_after(host, table, Vec::new())
    }

    /// After a run that had changed these settings and didn't put them back.
    pub(crate) fn start_after(host: &Host, table: &Table, changed: Vec<Changed>) -> Self {
        let (sender, messages) = mpsc::channel();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let notice = move |notice| match notice {
            Notice::Send(bytes) => sender.send(bytes).unwrap_or_default(),
            other @ (Notice::Adopted
            | Notice::Applied
            | Notice::Drift(_)
            | Notice::Settings(_)
            | Notice::Trouble(_)) => told.lock().unwrap().push(format!("{other:?}")),
        };
        let settings = Settings { table: table.clone(), epoch: 7, changed };
        let handle = host.run(|| start(settings, notice)).unwrap();
        Self { handle: Arc::new(handle), notices, messages: Some(messages) }
    }

    pub(crate) fn has_told(&self, word: &str) -> bool {
        self.notices.lock().unwrap().iter().any(|notice| notice.contains(word))
    }

    /// Holds the addresses from now on, or none.
    pub(crate) fn hold(&self, holds: bool) {
        self.hold_only(if holds { &[VIP, VIP6] } else { &[] });
    }

    /// Holds these from now on.
    pub(crate) fn hold_only(&self, addresses: &[&str]) {
        self.handle.set_held(addresses.iter().map(|a| a.parse().unwrap()).collect());
    }
}

/// Carries messages between two nodes until they are gone or cut.
pub(crate) fn link(nodes: &mut [Node; 2]) -> Arc<AtomicBool> {
    let is_cut = Arc::new(AtomicBool::new(false));
    for from in [0, 1] {
        let messages = nodes[from].messages.take().unwrap();
        let to = Arc::downgrade(&nodes[1 - from].handle);
        let is_cut = Arc::clone(&is_cut);
        thread::spawn(move || {
            for message in messages {
                let Some(handle) = to.upgrade() else { return };
                if !is_cut.load(Ordering::Relaxed) {
                    handle.deliver(message);
                }
            }
        });
    }
    is_cut
}

/// The table of all tests: both addresses, all servers but those that are down.
pub(crate) fn table(balance: Balance, down: &[u8]) -> Table {
    let server = |last: u8| {
        let standing = if down.contains(&last) { Standing::Down } else { Standing::Serving };
        let addresses = [
            SocketAddr::from(([172, 16, 16, last], PORT)),
            format!("[fd00::{last}]:{PORT}").parse().unwrap(),
        ];
        addresses.map(|address| Server { address, weight: 1, standing })
    };
    let frontend = Frontend {
        name: "kubernetes".to_owned(),
        binds: [VIP, VIP6].map(|a| SocketAddr::new(a.parse().unwrap(), PORT)).to_vec(),
        balance,
        servers: (101..=103).flat_map(server).collect(),
        spread: Duration::ZERO,
        strays: Strays::Drop,
        limits: Limits::default(),
    };
    Table::new(vec![frontend]).unwrap()
}

/// The same with limits of its frontend.
pub(crate) fn limited(table: &Table, limits: &Limits) -> Table {
    let mut frontends = table.frontends().to_vec();
    frontends.iter_mut().for_each(|frontend| frontend.limits = limits.clone());
    Table::new(frontends).unwrap()
}

/// True if these are all different.
pub(crate) fn are_different(numbers: &[u8]) -> bool {
    numbers.iter().collect::<HashSet<_>>().len() == numbers.len()
}
