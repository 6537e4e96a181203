//! One virtual router's settings, in the words of each program.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use halb_lab::subject::guides;

/// What both nodes of a pair agree on, and what is a node's own.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) version: u8,
    pub(crate) priority: u8,
    pub(crate) interval: Duration,
    /// Version 2 only.
    pub(crate) password: Option<&'static str>,
    /// A second one that halb accepts.
    pub(crate) password_also: Option<&'static str>,
    /// The first one is what the client asks.
    pub(crate) addresses: Vec<IpAddr>,
    /// The other node's address, where adverts go to it alone.
    pub(crate) unicast_peer: Option<IpAddr>,
    /// The priority falls by two while this file isn't there.
    pub(crate) health: Option<PathBuf>,
    /// A server whose loss lowers the priority by two, for halb alone.
    pub(crate) tracked_server: Option<SocketAddr>,
    /// The other node's halb, and the key that both have.
    pub(crate) peer: Option<(SocketAddr, PathBuf)>,
    /// How often halb announces an address in one go, where not as usual.
    pub(crate) announcements: Option<u8>,
    /// Whether halb is scheduled before everything else.
    pub(crate) realtime: bool,
}

/// The address that the guides' cluster is reached at.
pub(crate) const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 16, 16, 100));

/// Port of halb's frontend.
pub(crate) const FRONTEND: u16 = 6443;

/// A refused connection is found at once; a server that is slow on a busy machine isn't dead.
const CHECK: &str = "check = { type = \"tcp\", interval = \"50ms\", timeout = \"5s\", fall = 1 }\n";

/// Id of the virtual router.
pub(crate) const ROUTER_ID: u8 = 1;

/// A short interval of which a peer that has to wait for a busy machine doesn't miss three.
pub(crate) const FAST: Duration = Duration::from_millis(200);

impl Router {
    /// Version 3, five adverts a second.
    pub(crate) fn fast(priority: u8) -> Self {
        Self {
            version: 3,
            priority,
            interval: FAST,
            password: None,
            password_also: None,
            addresses: vec![VIP],
            unicast_peer: None,
            health: None,
            tracked_server: None,
            peer: None,
            announcements: None,
            realtime: false,
        }
    }

    /// As the guides have it, but for an advert each second.
    pub(crate) fn of_the_guides(priority: u8) -> Self {
        Self {
            version: 2,
            interval: Duration::from_secs(1),
            password: Some("mysecret"),
            ..Self::fast(priority)
        }
    }

    /// halb's file: the virtual router, and a frontend before one server.
    pub(crate) fn for_halb(&self, state_dir: &Path) -> String {
        let addresses: Vec<_> = self.addresses.iter().map(|ip| format!("\"{ip}\"")).collect();
        let mut text = format!(
            "[vrrp.VI_1]\ninterface = \"eth1\"\nrouter_id = {ROUTER_ID}\nversion = {}\n\
             priority = {}\nadvert_interval = \"{}ms\"\naddresses = [{}]\n",
            self.version,
            self.priority,
            self.interval.as_millis(),
            addresses.join(", "),
        );
        let mut line = |line: String| text.push_str(&(line + "\n"));
        if let Some(password) = self.password {
            line(format!("auth_pass = \"{password}\""));
        }
        if let Some(password) = self.password_also {
            line(format!("auth_pass_also = \"{password}\""));
        }
        if let Some(peer) = self.unicast_peer {
            line(format!("unicast_peers = [\"{peer}\"]"));
        }
        if let Some(repeats) = self.announcements {
            line(format!("garp_repeat = {repeats}"));
        }
        let trackers: Vec<_> = self.trackers().collect();
        line(format!("track = [{}]", trackers.join(", ")));
        let (server, check) = match self.tracked_server {
            Some(server) => (server.to_string(), CHECK),
            None => ("127.0.0.1:7001".to_owned(), ""),
        };
        line(format!(
            "[frontend.kubernetes]\nbind = [\"*:{FRONTEND}\"]\nbackend = \"masters\"\n\
             [backend.masters]\nserver = {{ kmaster1 = \"{server}\" }}\n{check}[global]\n\
             state_dir = \"{}\"",
            state_dir.display()
        ));
        if self.realtime {
            line("realtime_priority = 50".to_owned());
        }
        if let Some((address, key)) = &self.peer {
            line(format!("[peer]\naddress = \"{address}\"\nkey_file = \"{}\"", key.display()));
        }
        text
    }

    fn trackers(&self) -> impl Iterator<Item = String> {
        let script = self.health.as_ref().map(|file| {
            let script = format!("[\"/usr/bin/test\", \"-e\", \"{}\"]", file.display());
            format!("{{ script = {script}, interval = \"100ms\", weight = -2, rise = 2 }}")
        });
        let frontend = "{ frontend = \"kubernetes\", weight = -2 }".to_owned();
        script.into_iter().chain(self.tracked_server.map(|_| frontend))
    }

    /// The guides' own file for keepalived, its missing brace mended, with these values in it.
    pub(crate) fn for_keepalived(&self) -> String {
        let addresses: String = self.addresses.iter().map(|ip| format!("        {ip}\n")).collect();
        let check = match &self.health {
            Some(file) => format!("/usr/bin/test -e {}", file.display()),
            None => "/usr/bin/true".to_owned(),
        };
        let mut text = guides::keepalived(self.version, self.priority, self.interval, &check);
        if let Some(peer) = self.unicast_peer {
            let peers = format!("    unicast_peer {{\n        {peer}\n    }}\n");
            let id = "    virtual_router_id 1 ";
            text = guides::replace(&text, id, &format!("{peers}{id}"));
        }
        let listed = "        172.16.16.100      # The VIP Address floating between nodes\n";
        for (old, new) in
            [("interval 3 ", "interval 1 "), ("fall 5 ", "fall 1 "), (listed, &addresses)]
        {
            text = guides::replace(&text, old, new);
        }
        match self.password {
            Some(password) if password != GUIDES_PASSWORD => guides::replace(
                &text,
                &format!("auth_pass {GUIDES_PASSWORD} "),
                &format!("auth_pass {password} "),
            ),
            None if self.version == 2 => guides::without_password(&text),
            Some(_) | None => text,
        }
    }

    /// As FRR's file has it. Addresses belong on interfaces of their own, too.
    pub(crate) fn for_frr(&self) -> String {
        let mut text = format!(
            "interface eth1\n vrrp {ROUTER_ID} version {}\n vrrp {ROUTER_ID} priority {}\n \
             vrrp {ROUTER_ID} advertisement-interval {}\n",
            self.version,
            self.priority,
            self.interval.as_millis(),
        );
        for address in &self.addresses {
            let family = if address.is_ipv4() { "ip" } else { "ipv6" };
            writeln!(text, " vrrp {ROUTER_ID} {family} {address}").unwrap();
        }
        text
    }
}

/// The password in the guides' file.
const GUIDES_PASSWORD: &str = "mysecret";
