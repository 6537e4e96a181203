//! The rules against those that `nft` makes of the same thing in its own language, both as the
//! kernel gives them back.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;

use halb_forward::table::{Balance, Limits};
use halb_lab::Lab;

use super::support::{Node, limited, run, table};

/// What the driver should load, in the language of `nft`. It can't name a map of slots whose key is
/// a number, so that those are anonymous here.
fn text(numbers: [&str; 2], strays: bool, limits: bool) -> String {
    let goes = |kind: &str, family: &str| {
        let vip = if family == "v4" { "172.16.16.100" } else { "fd00::100" };
        format!("elements = {{ {vip} . 6443 : goto {kind}_kubernetes_{family} }}")
    };
    let judged = |family| if strays { goes("strays", family) } else { String::new() };
    // Of no family.
    let limited = |family: &str| {
        let chain = goes("limits", family).replace(&format!("kubernetes_{family}"), "kubernetes");
        if limits { chain } else { String::new() }
    };
    let mut text = "table inet halb {\n".to_owned();
    for (family, kind, vip, server) in [
        ("v4", "ipv4_addr", "172.16.16.100", "172.16.16."),
        ("v6", "ipv6_addr", "fd00::100", "fd00::"),
    ] {
        let servers = [101, 102, 103].map(|last| format!("{server}{last} . 6443"));
        text += &format!(
            "set forwarded_{family} {{ type {kind} . inet_service; elements = {{ {vip} . 6443 }}; }}
             set addresses_{family} {{ type {kind}; elements = {{ {vip} }}; }}
             set servers_{family} {{ type {kind} . inet_service; elements = {{ {} }}; }}
             map frontends_{family} {{ type {kind} . inet_service : verdict; {}; }}
             map judged_{family} {{ type {kind} . inet_service : verdict; {}; }}
             map limited_{family} {{ type {kind} . inet_service : verdict; {}; }}\n",
            servers.join(", "),
            goes("to", family),
            judged(family),
            limited(family),
        );
    }
    let slots = |server: &str, count: usize| {
        let slot = |slot: usize| format!("{slot} : {server}{} . 6443", 101 + slot % 3);
        (0..count).map(slot).collect::<Vec<_>>().join(", ")
    };
    for (family, number, ip, server) in
        [("v4", numbers[0], "ip", "172.16.16."), ("v6", numbers[1], "ip6", "fd00::")]
    {
        let count = if number.contains("hash") { 1023 } else { 3 };
        let slots = slots(server, count);
        text += &format!(
            "chain to_kubernetes_{family} {{ meta nfproto ip{family} meta l4proto tcp \
             dnat {ip} to {number} mod {count} SEED map {{ {slots} }}\n}}\n"
        )
        .replace(" SEED", if number.contains("hash") { " seed 0x68616c62" } else { "" });
        if strays {
            text += &format!(
                "chain strays_kubernetes_{family} {{
                 meta l4proto tcp tcp flags & (fin|syn|rst|ack) != syn drop\n}}\n"
            );
        }
    }
    if limits {
        text += LIMITS;
    }
    text += "chain strays { type filter hook prerouting priority -150;
         ct state invalid,new ip daddr @addresses_v4 ip saddr . tcp sport @servers_v4 drop
         ct state new ip daddr . tcp dport @forwarded_v4 fib daddr type != local drop
         ct state new ip daddr . tcp dport vmap @judged_v4
         ct state invalid,new ip6 daddr @addresses_v6 ip6 saddr . tcp sport @servers_v6 drop
         ct state new ip6 daddr . tcp dport @forwarded_v6 fib daddr type != local drop
         ct state new ip6 daddr . tcp dport vmap @judged_v6
         }
         chain limits { type filter hook prerouting priority -140;
         ct state new ip daddr . tcp dport vmap @limited_v4
         ct state new ip6 daddr . tcp dport vmap @limited_v6
         }
         chain translate { type nat hook prerouting priority -100;
         ip daddr . tcp dport vmap @frontends_v4
         ip6 daddr . tcp dport vmap @frontends_v6
         }
         chain rest { type filter hook prerouting priority -90;
         ip daddr . tcp dport @forwarded_v4 drop
         ip6 daddr . tcp dport @forwarded_v6 drop
         }
         chain sources { type nat hook postrouting priority 100;
         ct status dnat ct original ip daddr 172.16.16.100 meta l4proto tcp \
         ct original proto-dst 6443 snat ip to 172.16.16.100
         ct status dnat ct original ip6 daddr fd00::100 meta l4proto tcp \
         ct original proto-dst 6443 snat ip6 to fd00::100
         }
         chain own { type filter hook output priority -300;
         ip saddr . tcp sport @forwarded_v4 notrack
         ip6 saddr . tcp sport @forwarded_v6 notrack
         }
         }\n";
    text.replace("verdict; ;", "verdict;")
}

/// What [`limits`] are in the language of `nft`.
const LIMITS: &str = "counter denied_kubernetes { }
    counter held_back_kubernetes { }
    chain counted_kubernetes {
    meta l4proto tcp tcp flags & (fin|syn|rst|ack) == syn limit rate over 250/second \
    burst 25 packets counter name \"held_back_kubernetes\" drop
    meta l4proto tcp tcp flags & (fin|syn|rst|ack) == syn ct count over 2000 \
    counter name \"held_back_kubernetes\" drop
    }
    chain limits_kubernetes {
    meta l4proto tcp ip saddr 10.66.0.0/20 counter name \"denied_kubernetes\" reject with tcp reset
    meta l4proto tcp ip6 saddr fd00:66::/33 counter name \"denied_kubernetes\" reject with tcp reset
    ip saddr 10.0.0.0/8 goto counted_kubernetes
    ip saddr 192.0.2.1 goto counted_kubernetes
    ip6 saddr fd00::/16 goto counted_kubernetes
    meta l4proto tcp counter name \"denied_kubernetes\" reject with tcp reset
    }\n";

fn limits() -> Limits {
    let prefixes = |prefixes: &[&str]| prefixes.iter().map(|one| one.parse().unwrap()).collect();
    Limits {
        allow: prefixes(&["10.0.0.0/8", "192.0.2.1/32", "fd00::/16"]),
        deny: prefixes(&["10.66.0.0/20", "fd00:66::/33"]),
        maxconn: NonZeroU32::new(2000),
        accept_rate: NonZeroU32::new(250),
    }
}

/// What the kernel holds, as `nft` shows it below its own language: rules with their chain, and
/// elements with their set, without handles and without names of slot maps.
fn shown(listing: &str) -> BTreeSet<String> {
    let mut blocks = BTreeSet::new();
    let (mut head, mut rule) = (String::new(), String::new());
    for line in listing.lines().chain([""]) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["inet", "halb", name, ..] => {
                head = if name.starts_with("@__map") || name.starts_with("@slots") {
                    "slots".to_owned()
                } else {
                    name.to_owned()
                };
                rule.clear();
            }
            ["element", ..] => {
                blocks.insert(format!("{head}: {line}"));
            }
            ["[", "lookup", "reg", register, "set", name, ref rest @ ..]
                if name.starts_with("__map") || name.starts_with("slots") =>
            {
                rule += &format!("lookup reg {register} {rest:?}\n");
            }
            ["[", ..] => rule += &format!("{}\n", line.trim()),
            [] if !rule.is_empty() => {
                blocks.insert(format!("{head}:\n{rule}"));
                rule.clear();
            }
            _ => {}
        }
    }
    blocks
}

#[test]
#[ignore = "needs root"]
fn the_kernel_holds_what_nft_would_have_made() {
    let directory = tempfile::tempdir().unwrap();
    let list = ["nft", "--debug=netlink", "list", "table", "inet", "halb"];
    let none = Limits::default();
    for (balance, numbers, strays, limits) in [
        (Balance::RoundRobin, ["numgen inc"; 2], true, limits()),
        (
            Balance::Flow,
            ["jhash ip saddr . tcp sport", "jhash ip6 saddr . tcp sport"],
            false,
            none.clone(),
        ),
        (Balance::Source, ["jhash ip saddr", "jhash ip6 saddr"], false, none.clone()),
    ] {
        let lab = Lab::new().unwrap();
        let [ours, theirs] =
            [51, 52].map(|last| lab.host("host", &format!("172.16.16.{last}/24")).unwrap());
        let _node = Node::start(&ours, &limited(&table(balance, &[]), &limits));
        let file = directory.path().join("halb.nft");
        fs::write(&file, text(numbers, strays, limits != none)).unwrap();
        run(&theirs, &["nft", "-f", file.to_str().unwrap()]);
        let [ours, theirs] = [ours, theirs].map(|host| shown(&run(&host, &list)));
        assert!(theirs.len() > 20, "{theirs:#?}");
        let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
            these.difference(those).cloned().collect::<Vec<_>>().join("\n")
        };
        let (more, less) = (only(&ours, &theirs), only(&theirs, &ours));
        assert!(ours == theirs, "{balance:?}: only ours:\n{more}\nonly nft's:\n{less}");
    }
}
