//! The files of the guides that halb makes obsolete: HAProxy and keepalived before three API
//! servers, as people run them; and the one file of halb that takes their place.

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

/// `/etc/haproxy/haproxy.cfg`, from `frontend` on: what stands before comes with the system's
/// package, [`HAPROXY_DEFAULTS`].
pub const HAPROXY: &str = include_str!("guides/haproxy.cfg");

/// The timeouts that the packages of Debian and AlmaLinux bring along, and Alma's retries on
/// another server.
pub const HAPROXY_DEFAULTS: &str = "\
defaults
    mode tcp
    option redispatch
    retries 3
    timeout connect 10s
    timeout client 1m
    timeout server 1m
    timeout check 10s
";

/// `/etc/keepalived/keepalived.conf`, with the closing brace that the guide forgets.
pub const KEEPALIVED: &str = include_str!("guides/keepalived.conf");

/// `/etc/keepalived/check_apiserver.sh`.
pub const CHECK_APISERVER: &str = include_str!("guides/check_apiserver.sh");

/// [`KEEPALIVED`] with other values: of version 2 or 3, with a priority, an interval of adverts and
/// the command of its check. With version 3 there are no passwords.
#[must_use]
pub fn keepalived(version: u8, priority: u8, interval: Duration, check: &str) -> String {
    let mut text = KEEPALIVED.to_owned();
    for (old, new) in [
        ("/etc/keepalived/check_apiserver.sh", check),
        ("priority 100 ", &format!("priority {priority} ")),
        ("advert_int 5 ", &format!("advert_int {} ", interval.as_secs_f64())),
        ("    virtual_router_id 1 ", &format!("    version {version}\n    virtual_router_id 1 ")),
    ] {
        text = replace(&text, old, new);
    }
    if version == 2 { text } else { without_password(&text) }
}

/// What differs from node to node, and from purpose to purpose, in [`halb`]'s file.
#[derive(Clone, Copy, Debug)]
pub struct Halb<'a> {
    /// The servers, with their names.
    pub servers: &'a [(&'a str, SocketAddr)],
    /// Keys of the check besides type and path, such as `verify = "none"`.
    pub check: &'a str,
    /// Version of VRRP; the guides' password comes with 2.
    pub version: u8,
    /// This node's priority.
    pub priority: u8,
    /// Between adverts, in whole milliseconds.
    pub interval: Duration,
    /// The address that clients use.
    pub vip: IpAddr,
    /// The other node.
    pub peer: IpAddr,
    /// The file with the secret of both.
    pub key: &'a Path,
    /// Further tables.
    pub rest: &'a str,
}

/// A balancer of the guides' cluster as halb's file: `examples/loadbalancer01.toml` with other
/// values.
#[must_use]
pub fn halb(node: &Halb<'_>) -> String {
    let Halb { check, version, priority, vip, peer, rest, .. } = node;
    let (interval, key) = (node.interval.as_millis(), node.key.display());
    let mut servers = String::new();
    for (name, address) in node.servers {
        writeln!(servers, "{name} = \"{address}\"").expect("a string takes any text");
    }
    // keepalived's auth_type PASS.
    let password = if *version == 2 { "auth_pass       = \"mysecret\"\n" } else { "" };
    format!(
        r#"[frontend.kubernetes]
bind    = ["*:6443"]
backend = "masters"

[backend.masters]
balance = "roundrobin"
check   = {{ type = "https", path = "/readyz", {check} }}

[backend.masters.server]
{servers}
[vrrp.VI_1]
interface       = "eth1"
router_id       = 1
version         = {version}
priority        = {priority}
advert_interval = "{interval}ms"
{password}addresses       = ["{vip}"]
track           = [{{ frontend = "kubernetes", weight = -2 }}]

[peer]
address  = "{peer}:7112"
key_file = "{key}"

{rest}"#
    )
}

/// Such a file without its block `authentication`.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn without_password(text: &str) -> String {
    let block = "    authentication {";
    let begin = text.find(block).expect("the guide has a password");
    let length = text[begin..].find("}\n").expect("the block is closed") + 2;
    format!("{}{}", &text[..begin], &text[begin + length..])
}

/// Replaces in such a file what stands there exactly once.
///
/// # Panics
/// When `old` doesn't stand there exactly once: the file isn't what the caller thinks.
#[must_use]
pub fn replace(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old:?} in {text}");
    text.replace(old, new)
}
