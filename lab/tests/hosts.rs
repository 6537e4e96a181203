//! Hosts in network namespaces: reach each other, lose their link, and leave nothing behind.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::{
    collections::BTreeSet,
    fs, io,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use halb_lab::{
    ApiServer, Capture, Host, Lab,
    apiserver::{Ca, Options},
    client::{Client, Protocol},
    eventually,
    net::{INTERFACE, Loss},
    process::{Exit, Process, Signal},
};

const SOON: Duration = Duration::from_secs(10);

/// How long a connect may take on a link that works.
const BRIEF: Duration = Duration::from_millis(300);

/// Packets that fit the buffer of a socket.
const PACKETS: usize = 200;

/// Bytes that are carried over a slow link.
const CARRIED: usize = 512 * 1024;

fn pair() -> (Lab, Host, Host) {
    let lab = Lab::new().unwrap();
    let one = lab.host("loadbalancer01", "172.16.16.51/24").unwrap();
    let two = lab.host("kmaster1", "172.16.16.101/24").unwrap();
    (lab, one, two)
}

fn connect(from: &Host, to: SocketAddr) -> io::Result<TcpStream> {
    from.run(|| TcpStream::connect_timeout(&to, BRIEF))
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600");
    command
}

/// Inode numbers of all network namespaces that some thread is in or some process holds open.
fn namespaces() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let names =
        |path: &str| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    for process in names("/proc") {
        let process = process.display().to_string();
        let fds = names(&format!("{process}/fd"));
        let tasks = names(&format!("{process}/task")).map(|task| task.join("ns/net"));
        for path in fds.chain(tasks) {
            let target = fs::read_link(path).unwrap_or_default().display().to_string();
            if target.starts_with("net:[") {
                found.insert(target);
            }
        }
    }
    found
}

fn namespace_of(host: &Host) -> String {
    host.run(|| fs::read_link("/proc/thread-self/ns/net").unwrap().display().to_string())
}

#[test]
#[ignore = "needs root"]
fn hosts_reach_each_other_and_data_flows_both_ways() {
    let (_lab, one, two) = pair();
    let listener = two.run(|| TcpListener::bind("172.16.16.101:6443").unwrap());
    // At the first attempt: a host is complete when it is there.
    let mut client = one.run(|| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let (mut server, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), one.ip());
    client.write_all(b"ping").unwrap();
    let mut word = [0; 4];
    server.read_exact(&mut word).unwrap();
    server.write_all(&word).unwrap();
    client.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"ping");
}

#[test]
#[ignore = "needs root"]
fn a_cut_link_carries_nothing_keeps_its_addresses_and_heals() {
    let (_lab, one, two) = pair();
    let listener = two.run(|| TcpListener::bind("172.16.16.101:0").unwrap());
    let address = listener.local_addr().unwrap();
    eventually("reached at first", SOON, || connect(&one, address));
    two.link_down().unwrap();
    let interfaces = two.run(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap());
    assert!(interfaces.contains(INTERFACE), "the interface is still there: {interfaces}");
    assert!(connect(&one, address).is_err(), "reached over a cut link");
    assert_eq!(two.addresses().unwrap(), ["172.16.16.101/24".parse().unwrap()]);
    two.link_up().unwrap();
    eventually("reached again", SOON, || connect(&one, address));
}

#[test]
#[ignore = "needs root"]
fn a_share_of_the_packets_is_lost_at_random() {
    let (_lab, one, two) = pair();
    let sockets = [&one, &two].map(|host| host.run(|| UdpSocket::bind((host.ip(), 0)).unwrap()));
    let to = sockets[1].local_addr().unwrap();
    sockets[1].set_read_timeout(Some(BRIEF)).unwrap();
    let passed = |loss: Loss| {
        one.lose(loss).unwrap();
        // The answer to the question who has the address may be among the lost ones.
        eventually("the neighbour is known", SOON, || {
            sockets[0].send_to(b"mark", to).unwrap();
            sockets[1].recv_from(&mut [0; 4]).is_ok()
        });
        // Bounded by the socket's buffer, so that nothing else is lost.
        (0..PACKETS).filter(|_| sockets[0].send_to(b"word", to).is_ok()).count();
        std::iter::from_fn(|| sockets[1].recv_from(&mut [0; 4]).ok()).count()
    };
    assert_eq!(passed(Loss::Percent(0)), PACKETS);
    let some = passed(Loss::Percent(50));
    assert!(some > 0 && some < PACKETS, "{some} of {PACKETS}");
    assert_eq!(passed(Loss::Nothing), PACKETS);
}

#[test]
#[ignore = "needs root"]
fn a_slow_link_takes_its_time_both_ways_and_is_fast_again() {
    let (_lab, one, two) = pair();
    let listener = two.run(|| TcpListener::bind((two.ip(), 0)).unwrap());
    let carry = |from: &mut TcpStream, to: &mut TcpStream| {
        let begun = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| from.write_all(&vec![0; CARRIED]).unwrap());
            to.read_exact(&mut vec![0; CARRIED]).unwrap();
        });
        begun.elapsed()
    };
    let mut client = eventually("reached", SOON, || connect(&one, listener.local_addr().unwrap()));
    let (mut server, _) = listener.accept().unwrap();
    one.limit_rate(Some(1_000_000)).unwrap();
    // What is over the burst that passes at once: a third of a second at least.
    for took in [carry(&mut client, &mut server), carry(&mut server, &mut client)] {
        assert!(took > Duration::from_millis(300), "{took:?}");
    }
    one.limit_rate(None).unwrap();
    one.limit_rate(None).unwrap();
    eventually("fast again", SOON, || {
        let took = carry(&mut client, &mut server);
        if took < Duration::from_millis(300) { Ok(()) } else { Err(took) }
    });
}

#[test]
#[ignore = "needs root"]
fn an_open_connection_survives_a_link_that_is_cut_for_a_moment() {
    let (_lab, one, two) = pair();
    let listener = two.run(|| TcpListener::bind("172.16.16.101:0").unwrap());
    let mut client = eventually("reached", SOON, || connect(&one, listener.local_addr().unwrap()));
    let (mut server, _) = listener.accept().unwrap();
    one.link_down().unwrap();
    client.write_all(b"late").unwrap();
    server.set_read_timeout(Some(BRIEF)).unwrap();
    let mut word = [0; 4];
    assert!(server.read_exact(&mut word).is_err(), "data over a cut link");
    one.link_up().unwrap();
    server.set_read_timeout(Some(SOON)).unwrap();
    server.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"late");
}

#[test]
#[ignore = "needs root"]
fn an_address_moves_from_one_host_to_the_other() {
    let lab = Lab::new().unwrap();
    // A client each: one that has spoken to the first holder keeps that one's hardware address,
    // which is what a gratuitous ARP is for.
    let [one, two, early, late] = [51, 52, 8, 9].map(|number| {
        lab.host(&format!("host{number}"), &format!("172.16.16.{number}/24")).unwrap()
    });
    let vip = "172.16.16.100/32";
    let address: SocketAddr = "172.16.16.100:80".parse().unwrap();
    let listeners = [&one, &two].map(|host| host.run(|| TcpListener::bind("0.0.0.0:80").unwrap()));
    for ((host, listener), client) in [&one, &two].into_iter().zip(&listeners).zip([&early, &late])
    {
        host.add_address(vip).unwrap();
        assert!(host.addresses().unwrap().contains(&vip.parse().unwrap()));
        eventually("the holder answers", SOON, || connect(client, address));
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), client.ip());
        host.remove_address(vip).unwrap();
        assert!(!host.addresses().unwrap().contains(&vip.parse().unwrap()));
        assert!(connect(client, address).is_err(), "nobody holds it");
    }
    assert!(one.remove_address(vip).is_err(), "it isn't there any more");
    assert!(one.add_address("172.16.16.100").is_err(), "no prefix length");
}

#[test]
#[ignore = "needs root"]
fn ipv6_addresses_can_be_used_at_once() {
    let (_lab, one, two) = pair();
    one.add_address("fd00::51/64").unwrap();
    two.add_address("fd00::101/64").unwrap();
    let listener = two.run(|| TcpListener::bind("[fd00::101]:0").expect("no duplicate search"));
    eventually("reached", SOON, || connect(&one, listener.local_addr().unwrap()));
    let addresses = two.addresses().unwrap();
    assert_eq!(addresses.len(), 2, "without the link-local one: {addresses:?}");
}

#[test]
#[ignore = "needs root"]
fn a_route_leads_to_addresses_beyond_the_segment() {
    let (_lab, one, two) = pair();
    two.add_address("10.9.8.7/32").unwrap();
    let listener = two.run(|| TcpListener::bind("10.9.8.7:0").unwrap());
    let address = listener.local_addr().unwrap();
    assert!(connect(&one, address).is_err());
    one.add_route("10.9.8.0/24", two.ip()).unwrap();
    eventually("reached", SOON, || connect(&one, address));
    let mixed = one.add_route("fd00::/64", two.ip()).unwrap_err();
    assert!(mixed.to_string().contains("adding a route to fd00::/64"), "{mixed}");
}

#[test]
#[ignore = "needs root"]
fn two_labs_with_the_same_addresses_know_nothing_of_each_other() {
    let (_first, one, _) = pair();
    let (_second, _, other) = pair();
    let listener = other.run(|| TcpListener::bind("172.16.16.101:0").unwrap());
    let address = listener.local_addr().unwrap();
    assert!(connect(&one, address).is_err(), "reached a host of another lab");
}

#[test]
#[ignore = "needs root"]
fn the_stand_in_serves_on_a_host_and_a_client_on_another_host_reaches_it() {
    let (_lab, one, two) = pair();
    let ca = Ca::new().unwrap();
    let options = Options::new("kmaster1", SocketAddr::new(two.ip(), 6443), &ca);
    let server = two.block_on(ApiServer::start(options)).unwrap();
    let (address, pem) = (server.address(), ca.pem().to_owned());
    let ask = || {
        let pem = pem.clone();
        one.block_on(async move {
            let mut client = Client::connect(address, &pem, Protocol::Http2).await?;
            client.get("/readyz").await
        })
    };
    assert_eq!(eventually("served", SOON, ask).served_by(), Some("kmaster1"));
}

#[test]
#[ignore = "needs root"]
fn a_process_runs_on_its_host_and_ends_with_it() {
    let (_lab, one, two) = pair();
    let process = one.spawn(sleeper()).unwrap();
    let seen = fs::read_link(format!("/proc/{}/ns/net", process.pid())).unwrap();
    assert_eq!(seen.display().to_string(), namespace_of(&one));
    let other = two.spawn(sleeper()).unwrap();
    drop(one);
    assert!(matches!(process.wait(SOON).unwrap(), Exit::Signal(_)));
    assert_eq!(other.exit(), None, "the other host goes on");
}

#[test]
#[ignore = "needs root"]
fn a_host_that_is_gone_is_unplugged_and_can_come_back() {
    let (lab, one, two) = pair();
    drop(two);
    assert!(connect(&one, "172.16.16.101:80".parse().unwrap()).is_err());
    let again = lab.host("kmaster1", "172.16.16.101/24").unwrap();
    let listener = again.run(|| TcpListener::bind("172.16.16.101:0").unwrap());
    // The neighbour still has the old hardware address until it notices.
    eventually("reached", SOON, || connect(&one, listener.local_addr().unwrap()));
}

#[test]
#[ignore = "needs root"]
fn nothing_is_left_after_a_panic() {
    let (tell, told) = std::sync::mpsc::channel();
    let interfaces = fs::read_to_string("/proc/net/dev").unwrap().lines().count();
    let panicked = thread::spawn(move || {
        let (_lab, one, two) = pair();
        let process = one.spawn(sleeper()).unwrap();
        let mine = [&one, &two].map(namespace_of);
        let now = fs::read_to_string("/proc/net/dev").unwrap().lines().count();
        tell.send((process.pid(), mine, now)).unwrap();
        panic!("on purpose, in a test");
    })
    .join();
    assert!(panicked.is_err());
    let (pid, mine, now) = told.recv().unwrap();
    assert_eq!(now, interfaces, "nothing appears among this machine's own interfaces");
    eventually("the process is gone", SOON, || fs::metadata(format!("/proc/{pid}")).is_err());
    eventually("the namespaces are gone", SOON, || {
        let left: Vec<_> =
            namespaces().into_iter().filter(|namespace| mine.contains(namespace)).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

#[test]
#[ignore = "needs root"]
fn what_a_capture_saw_is_kept_as_a_file_when_its_test_panics() {
    let name = format!("panics-in-{}", std::process::id());
    let of = name.clone();
    let panicked = thread::spawn(move || {
        let lab = Lab::new().unwrap();
        let host = lab.host(&of, "172.16.16.51/24").unwrap();
        let seen = Capture::start(&host).unwrap();
        // Asks the segment for a neighbour that isn't there.
        assert!(connect(&host, "172.16.16.52:80".parse().unwrap()).is_err());
        eventually("the question is seen", SOON, || seen.mark() > 0);
        panic!("on purpose, in a test");
    })
    .join();
    assert!(panicked.is_err());
    let files = fs::read_dir(std::env::temp_dir()).unwrap().map(|file| file.unwrap().path());
    let kept = files.filter(|path| path.to_string_lossy().contains(&name)).collect::<Vec<_>>();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let bytes = fs::read(&kept[0]).unwrap();
    fs::remove_file(&kept[0]).unwrap();
    // The header of the file, and of a frame at least.
    assert!(bytes.len() > 24 + 16, "{} bytes", bytes.len());
}

#[test]
#[ignore = "needs root"]
fn nothing_is_left_of_a_program_that_is_killed() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halb-lab-hosts"));
    command.arg("--stay");
    let program = Process::spawn(command).unwrap();
    program.wait_for_line("called holds process", SOON).unwrap();
    let output = program.output();
    let pids: Vec<_> = output
        .lines()
        .filter(|line| line.contains("holds process"))
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(pids.len(), 2, "{output}");
    let theirs: Vec<_> = pids
        .iter()
        .map(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap().display().to_string())
        .collect();
    assert_ne!(theirs[0], theirs[1]);
    // The program alone, not its group: what it started is in groups of its own.
    program.signal(Signal::SIGKILL).unwrap();
    eventually("the namespaces are gone", SOON, || {
        let left: Vec<_> =
            namespaces().into_iter().filter(|namespace| theirs.contains(namespace)).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

#[test]
#[ignore = "needs root"]
fn a_panic_inside_a_host_reaches_the_test() {
    let (_lab, one, _two) = pair();
    let word = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        one.run(|| panic!("from inside"));
    }));
    assert_eq!(*word.unwrap_err().downcast::<&str>().unwrap(), "from inside");
    let word = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        one.block_on(async { panic!("from a task") });
    }));
    assert_eq!(*word.unwrap_err().downcast::<&str>().unwrap(), "from a task");
    assert_eq!(one.ip(), IpAddr::from([172, 16, 16, 51]));
    one.run(|| ());
}

/// The program as anyone may run it: in a directory that everybody can read.
fn copy_for_everybody(program: &str) -> (tempfile::TempDir, Command) {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("program");
    fs::copy(program, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    (directory, Command::new(copy))
}

#[test]
#[ignore = "needs root"]
fn an_ordinary_user_makes_hosts_in_a_user_namespace() {
    let (_directory, mut command) = copy_for_everybody(env!("CARGO_BIN_EXE_halb-lab-hosts"));
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    let process = Process::spawn(command).unwrap();
    assert_eq!(process.wait(SOON).unwrap(), Exit::Code(0), "{}", process.output());
    process.wait_for_line("one heard: hello", SOON).unwrap();
}

#[test]
#[ignore = "needs root"]
fn where_namespaces_are_denied_one_line_says_so() {
    let (_directory, mut command) = copy_for_everybody(env!("CARGO_BIN_EXE_halb-lab-hosts"));
    // In a user namespace that allows no further ones, as root there but without rights outside.
    let copy = command.get_program().to_owned();
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  echo 0 > /proc/sys/user/max_net_namespaces && exec \"$0\"";
    command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", script]).arg(copy);
    let process = Process::spawn(command).unwrap();
    assert_eq!(process.wait(SOON).unwrap(), Exit::Code(1), "{}", process.output());
    process.wait_for_line("lets this user make no network namespaces", SOON).unwrap();
    assert_eq!(process.line_count(), 1, "{}", process.output());
}

/// User and group `nobody` of Debian.
const NOBODY: u32 = 65534;
