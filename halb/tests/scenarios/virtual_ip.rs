//! The virtual IP as an operator meets it: hooks, reloads, a stop that hands over, and what each
//! command answers. Who holds the address in which failure is tried in `tests/vip`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use halb::status::vrrp::{Instance, State};
use halb_lab::process::{Exit, Signal};
use halb_lab::{Capture, Host, Lab, eventually};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, http_get};
use crate::support::greeters::{Greeter, visit};

const VIP: &str = "172.16.16.100";

/// Two balancers before one server, and a client.
struct Site {
    balancers: [Host; 2],
    client: Host,
    server: Host,
    _lab: Lab,
}

const SERVER_PORT: u16 = 7000;

impl Site {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let host = |name: &str, last: u8| lab.host(name, &format!("172.16.16.{last}/24")).unwrap();
        Self {
            balancers: [host("one", 51), host("two", 52)],
            client: host("client", 9),
            server: host("server", 101),
            _lab: lab,
        }
    }

    fn serve(&self) -> Served<'_> {
        let address = SocketAddr::new(self.server.ip(), SERVER_PORT);
        let greeter = self.server.run(|| Greeter::listen("one", address));
        Served { host: &self.server, greeter: Some(greeter) }
    }

    fn start(&self, index: usize, vrrp: &str) -> Daemon {
        Daemon::start(&self.balancers[index], &configuration(vrrp))
    }
}

/// A server that ends where it listens: its end calls itself.
struct Served<'a> {
    host: &'a Host,
    greeter: Option<Greeter>,
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let greeter = self.greeter.take();
        self.host.run(move || drop(greeter));
    }
}

fn configuration(vrrp: &str) -> String {
    format!(
        "[frontend.web]\nbind = [\"*:6443\"]\nbackend = \"pool\"\n\
         [backend.pool]\ncheck = {{ type = \"tcp\", interval = \"100ms\", timeout = \"50ms\" }}\n\
         server = {{ one = \"172.16.16.101:{SERVER_PORT}\" }}\n\
         [global]\nstate_dir = \"/nonexistent\"\n[admin]\nhttp = \"127.0.0.1:8404\"\n{vrrp}\n"
    )
}

/// A virtual router that takes over within half a second.
fn router(priority: u8, rest: &str) -> String {
    format!(
        "[vrrp.VI_1]\ninterface = \"eth1\"\nrouter_id = 1\npriority = {priority}\n\
         advert_interval = \"100ms\"\naddresses = [\"{VIP}\"]\n\
         track = [{{ frontend = \"web\", weight = -20 }}]\n{rest}\n"
    )
}

fn vip(daemon: &Daemon) -> Instance {
    daemon.status().vrrp.expect("a virtual IP is configured").instances.remove(0)
}

fn wait_for(daemon: &Daemon, state: State) {
    eventually(&format!("the node is {state:?}"), PATIENCE, || {
        let instance = vip(daemon);
        if instance.state == state { Ok(()) } else { Err(Box::new(instance)) }
    });
}

/// A hook that writes what it is told into a file.
fn hook(directory: &Path) -> (String, impl Fn() -> Vec<String>) {
    let (script, told) = (directory.join("hook"), directory.join("told"));
    fs::write(&script, format!("#!/bin/sh\necho \"$*\" >>{}\n", told.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let read = move || {
        let text = fs::read_to_string(&told).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    (format!("notify = [\"{}\"]", script.display()), read)
}

#[test]
#[ignore = "needs root"]
fn a_stop_hands_the_address_over_while_connections_are_served_and_tells_the_hooks() {
    let (site, directory) = (Site::new(), tempfile::tempdir().unwrap());
    let _server = site.serve();
    let (notify, told) = hook(directory.path());
    let one = site.start(0, &router(150, &notify));
    wait_for(&one, State::Active);
    let two = site.start(1, &router(100, ""));
    wait_for(&two, State::Backup);
    let ready = site.balancers[1].run(|| http_get("127.0.0.1:8404".parse().unwrap(), "/readyz"));
    assert!(ready.unwrap().starts_with("HTTP/1.1 200"), "a backup is ready too");

    let frontend: SocketAddr = format!("{VIP}:6443").parse().unwrap();
    let visit_vip = || site.client.run(|| visit(frontend, 3));
    let (client, name) = visit_vip();
    assert_eq!(name, "one");
    one.signal(Signal::SIGTERM).unwrap();
    one.wait_for_line("the virtual IPs are off this node", PATIENCE).unwrap();
    wait_for(&two, State::Active);
    assert_eq!(visit_vip().1, "one", "the other node serves");
    drop(client);
    assert_eq!(one.wait(PATIENCE).unwrap(), Exit::Code(0));
    let states = ["BACKUP 150", "MASTER 150", "STOP 150"];
    assert_eq!(told(), states.map(|state| format!("INSTANCE VI_1 {state}")));
    let output = one.output();
    let (handed, drained) = (output.find("are off this node"), output.find("stopping drain"));
    assert!(handed.is_some() && handed < drained, "{output}");
}

/// A hook that ignores SIGTERM, hangs when the node is active for the first time, and is told all
/// that follows.
fn hanging_hook(directory: &Path) -> (String, impl Fn() -> Vec<String>) {
    let (notify, told) = hook(directory);
    let (script, hung) = (directory.join("hook"), directory.join("hung"));
    let mut text = fs::read_to_string(&script).unwrap();
    text.push_str(&format!(
        "[ \"$3\" = MASTER ] && [ ! -e {0} ] || exit 0\n\
         echo $$ >{0}\ntrap '' TERM\nwhile :; do sleep 1; done\n",
        hung.display()
    ));
    fs::write(&script, text).unwrap();
    (format!("{notify}\nnotify_timeout = \"3s\""), told)
}

/// Adverts that leave at least while a hook hangs: some fifty are due until it is killed.
const ADVERTS_MEANWHILE: usize = 20;

#[test]
#[ignore = "needs root"]
fn while_a_hook_hangs_adverts_go_on_and_the_next_ones_run_in_order_once_it_is_killed() {
    let (site, directory) = (Site::new(), tempfile::tempdir().unwrap());
    let _server = site.serve();
    let (notify, told) = hanging_hook(directory.path());
    let adverts = Capture::start(&site.client).unwrap();
    let one = site.start(0, &router(100, &notify));
    let hung = eventually("the hook hangs", PATIENCE, || {
        fs::read_to_string(directory.path().join("hung")).ok().filter(|pid| pid.ends_with('\n'))
    });
    let mark = adverts.mark();
    let own = || adverts.adverts_since(mark).iter().filter(|advert| advert.priority == 100).count();
    eventually("adverts go on", PATIENCE, || {
        let count = own();
        if count >= ADVERTS_MEANWHILE { Ok(()) } else { Err(count) }
    });
    assert!(!one.output().contains("hook failed"), "it hung all the while");
    site.balancers[0].link_down().unwrap();
    wait_for(&one, State::Fault);
    site.balancers[0].link_up().unwrap();
    wait_for(&one, State::Active);
    let line = one.wait_for_line("hook failed", PATIENCE).unwrap();
    assert!(line.contains("ran for more than 3 s"), "{line}");
    // Without the priority, which the server's checks lower while the link is down.
    let states = ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"];
    eventually("the others are told", PATIENCE, || {
        let told = told();
        let state = |line: &String| line.split(' ').nth(2).map(str::to_owned);
        if told.iter().filter_map(state).eq(states) { Ok(()) } else { Err(told) }
    });
    let pid = hung.trim();
    assert!(!Path::new("/proc").join(pid).exists(), "hook {pid} is still there");
}

#[test]
#[ignore = "needs root"]
fn a_second_signal_ends_a_hand_over_at_once() {
    let site = Site::new();
    let _server = site.serve();
    // Nobody takes it, and the offer would last for more than five seconds.
    let one = site.start(0, &router(100, "").replace("100ms", "2s"));
    wait_for(&one, State::Active);
    one.signal(Signal::SIGTERM).unwrap();
    one.wait_for_line("handing the virtual IPs over", PATIENCE).unwrap();
    one.signal(Signal::SIGTERM).unwrap();
    assert_eq!(one.wait(Duration::from_secs(3)).unwrap(), Exit::Code(0));
    assert!(
        !site.balancers[0].addresses().unwrap().iter().any(|net| net.addr().to_string() == VIP)
    );
}

#[test]
#[ignore = "needs root"]
fn a_reload_brings_changes_and_takes_a_virtual_ip_away() {
    let site = Site::new();
    let _server = site.serve();
    let one = site.start(0, "");
    assert!(one.status().vrrp.is_none());
    let none = one.files().halb(&["vip", "status"]);
    assert_eq!(none.code, 1, "{}", none.text);
    assert!(none.text.contains("no virtual IP is configured"), "{}", none.text);

    one.files().write(&configuration(&router(100, "")));
    assert!(one.done(&["reload"]).contains("virtual IPs are held from now on"));
    wait_for(&one, State::Active);
    let since = vip(&one).since;
    one.files().write(&configuration(&router(120, "")));
    assert!(one.done(&["reload"]).contains("priority 100 -> 120"));
    let instance = vip(&one);
    assert_eq!((instance.priority.effective, instance.since), (120, since), "no transition");
    one.files().write(&configuration(""));
    assert!(one.done(&["reload"]).contains("virtual IPs are no longer held"));
    assert!(one.status().vrrp.is_none());
    assert!(
        !site.balancers[0].addresses().unwrap().iter().any(|net| net.addr().to_string() == VIP)
    );
}

#[test]
#[ignore = "needs root"]
fn a_reload_that_removes_the_last_virtual_ip_waits_for_the_other_node_as_a_stop_does() {
    let site = Site::new();
    let _server = site.serve();
    // The other node takes an offer after its skew, 1.3 s.
    let slow = |priority| router(priority, "").replace("100ms", "1500ms");
    let one = site.start(0, &slow(150));
    wait_for(&one, State::Active);
    let two = site.start(1, &slow(30));
    eventually("the other node is a healthy backup", PATIENCE, || {
        let instance = vip(&two);
        let ready = instance.state == State::Backup && !instance.priority.sick;
        if ready { Ok(()) } else { Err(Box::new(instance)) }
    });
    one.files().write(&configuration(""));
    assert!(one.done(&["reload"]).contains("virtual IPs are no longer held"));
    one.wait_for_line("took the addresses, which were offered", PATIENCE).unwrap();
    wait_for(&two, State::Active);
}

#[test]
#[ignore = "needs root"]
fn orders_say_what_came_of_them_and_refuse_what_makes_no_sense() {
    let site = Site::new();
    let server = site.serve();
    let one = site.start(0, &router(150, ""));
    wait_for(&one, State::Active);
    let said = one.files().halb(&["vip", "yield", "VI_1"]);
    assert_eq!(said.code, 1);
    assert!(said.text.contains("no other node was heard") && said.text.contains("--force"));
    let said = one.files().halb(&["vip", "yield", "--force"]);
    assert_eq!(said.code, 1, "nobody took it");
    assert!(said.text.contains("nobody took 172.16.16.100"), "{}", said.text);
    assert!(vip(&one).yielded && vip(&one).state == State::Active);
    assert!(one.done(&["vip", "resume", "VI_1"]).contains("it holds 172.16.16.100"));

    let two = site.start(1, &router(100, ""));
    let said = one.done(&["vip", "yield", "VI_1", "--force", "--json"]);
    let outcomes: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(outcomes[0]["done"], true, "{said}");
    wait_for(&two, State::Active);
    assert!(one.done(&["vip", "resume"]).contains("it holds 172.16.16.100"));
    for (arguments, what) in [
        (&["vip", "yield", "nope"][..], "there is no virtual router 'nope'; there are: VI_1"),
        (&["vip", "explain", "nope"], "there is no virtual router 'nope'"),
        (&["vip", "release"], "halb runs"),
    ] {
        let said = one.files().halb(arguments);
        assert_eq!(said.code, 1, "{}", said.text);
        assert!(said.text.contains(what), "{}", said.text);
    }
    assert_eq!(one.files().halb(&["vip", "nonsense"]).code, 2);

    // The service is sick on both nodes: the address stays, and each says why.
    drop(server);
    eventually("the priority falls", PATIENCE, || {
        let priority = vip(&one).priority;
        if priority.effective == 130 { Ok(()) } else { Err(Box::new(priority)) }
    });
    let explained = one.done(&["vip", "explain"]);
    assert!(explained.contains("-20  frontend 'web' is down"), "{explained}");
    assert_eq!(vip(&one).state, State::Active);
    let page = site.balancers[0].run(|| http_get("127.0.0.1:8404".parse().unwrap(), "/")).unwrap();
    assert!(page.contains("VIP VI_1") && page.contains("has less than its priority"), "{page}");
}
