//! Tables of the virtual IP.

use super::{Key, Section};

/// `[vrrp.NAME]`.
pub static VRRP: Section = Section {
    path: "[vrrp.NAME]",
    doc: "A virtual router: addresses that one of several nodes holds. The nodes share `router_id`, \
          `version` and the addresses, and with version 2 also interval and password; the one with \
          the highest priority holds the addresses. They may run halb or keepalived.",
    keys: &[
        Key::required("interface", "the name of an interface", r#""eth1""#)
            .also(&["dev", "device", "nic"])
            .doc(
                "Where adverts go and come, and where the addresses are put. It need not exist yet: \
                 until it does, is up and has an address, the node takes no part.",
            ),
        Key::required("router_id", "an integer, 1 to 255", "1")
            .also(&["virtual_router_id", "vrid", "id"])
            .doc("Which routers on the segment belong together."),
        Key::required("addresses", r#"an array of "ADDRESS", "ADDRESS/LENGTH" or tables"#, r#"["172.16.16.100"]"#)
            .also(&["virtual_ipaddress", "virtual_ipaddresses", "virtual_ip", "vip", "vips", "address"])
            .doc(
                "The virtual addresses, all of one family: at most 255 of IPv4 or 92 of IPv6. Without \
                 a length an address stands alone (`/32`, `/128`) and brings no route along.",
            ),
        Key::with_default("version", "2 or 3", "3")
            .also(&["vrrp_version"])
            .doc(
                "Version of the protocol: 2 is keepalived's default, 3 knows IPv6 and intervals below \
                 a second. All nodes need the same.",
            ),
        Key::with_default("priority", "an integer, 1 to 255", "100")
            .also(&["prio"])
            .doc(
                "The highest holds the addresses. Give each node another, tens apart. 255: the \
                 addresses are the node's own, and no tracker changes that.",
            ),
        Key::with_default(
            "advert_interval",
            "a duration: with version 2 whole seconds, 1s to 4m15s; with version 3 steps of 10ms, 10ms to 40s950ms",
            r#""1s""#,
        )
        .also(&["advert_int", "advertisement_interval", "interval"])
        .doc(
            "From one advert to the next. A node that vanishes is replaced after three to four of \
             them. With version 2 all nodes need the same.",
        ),
        Key::optional("auth_pass", "a text, of which 8 bytes count", "no password", r#""mysecret""#)
            .also(&["password", "auth_password"])
            .doc(
                "Password of version 2, as keepalived's `auth_type PASS`. It travels in clear, and \
                 keeps out mistakes, not attackers.",
            ),
        Key::optional("auth_pass_also", "a text, of which 8 bytes count", "no second password", r#""oldsecret""#)
            .also(&["auth_pass_old", "auth_pass_next"])
            .doc(
                "A second password that is accepted while a new one is rolled out. Adverts carry \
                 `auth_pass`.",
            ),
        Key::optional("track", "an array of tables", "the priority stays as configured", r#"[{ frontend = "kubernetes", weight = -20 }]"#)
            .also(&["trackers", "tracks", "tracking"])
            .doc("What the priority depends on besides `priority`."),
        Key::with_default("preempt", "true, false or a delay, 0s to 1d", "true")
            .also(&["preemption"])
            .doc(
                "Whether this node takes the addresses from one of lower priority: at once, never, or \
                 after a delay such as `\"30s\"`.",
            ),
        Key::with_default("startup_delay", "a duration, 0s to 1h", r#""0s""#)
            .also(&["vrrp_startup_delay", "start_delay"])
            .doc("Time from the start in which the node only waits, for links that pass packets late (spanning tree)."),
        Key::optional("unicast_peers", "an array of IP addresses", "adverts go to the group: 224.0.0.18, ff02::12", r#"["172.16.16.52"]"#)
            .also(&["unicast_peer", "peers"])
            .doc(
                "The other nodes' own addresses, at most 32: adverts go to each of them, and nobody \
                 else is heard. For networks without multicast.",
            ),
        Key::with_default("hop_limit_min", "an integer, 1 to 255", "255")
            .also(&["unicast_ttl", "min_ttl", "ttl_min", "ttl"])
            .doc(
                "Least time to live (hop limit) of an advert from `unicast_peers`. 255: it comes from \
                 the same segment. Less by one for each router between.",
            ),
        Key::optional("source", "an IP address", "the interface's first of its own", r#""172.16.16.51""#)
            .also(&["mcast_src_ip", "unicast_src_ip", "src_ip"])
            .doc("Address to send adverts from. The interface must have it."),
        Key::with_default("checksum", r#""auto", "rfc9568" or "pseudo""#, r#""auto""#)
            .also(&["v3_checksum", "v3_checksum_as_v2"])
            .doc(
                "What the checksum of a version 3 advert over IPv4 covers. `auto`: as the peer does \
                 it, and until one is heard as keepalived does. `rfc9568`: the message alone. \
                 `pseudo`: a pseudo-header too, as keepalived and FRR. Any is accepted.",
            ),
        Key::optional("sync_group", "a name", "it moves by itself", r#""gateway""#)
            .also(&["group", "vrrp_sync_group"])
            .doc("Instances with the same name here move together, for a node that forwards between two segments."),
        Key::with_default("down_timer_adverts", "an integer, 1 to 100", "3")
            .also(&["down_timer", "missed_adverts", "dead_interval"])
            .doc(
                "Adverts that a backup misses before it takes over. All nodes need the same; another \
                 number than 3 is known to halb and keepalived only.",
            ),
        Key::with_default("lower_prio_no_advert", "true or false", "false")
            .also(&["vrrp_lower_prio_no_advert"])
            .doc(
                "An active node answers the advert of one with lower priority not at once, but with \
                 its next regular advert.",
            ),
        Key::with_default("higher_prio_send_advert", "true or false", "false")
            .also(&["vrrp_higher_prio_send_advert"])
            .doc(
                "An active node sends a last advert before it yields to one with higher priority, \
                 which then announces the addresses once more.",
            ),
        Key::with_default("garp_repeat", "an integer, 1 to 100", "5")
            .also(&["garp_master_repeat", "garp_repeats"])
            .doc(
                "Times that each address is announced in one go when the node takes over (gratuitous \
                 ARP, for IPv6 unsolicited neighbour advertisements).",
            ),
        Key::with_default("garp_delay", "a duration, 10ms to 1h, or false", r#""5s""#)
            .also(&["garp_master_delay"])
            .doc("Time to a second go; `false`: only one."),
        Key::with_default("garp_refresh", "a duration, 1s to 1d, or false", "false")
            .also(&["garp_master_refresh"])
            .doc("Time between further goes while the node holds the addresses, for switches that forget."),
        Key::optional("notify", "an array of texts", "nothing is run", r#"["/usr/local/bin/vip-moved"]"#)
            .also(&["hook", "hooks", "notify_script", "on_change"])
            .doc(
                "Program (absolute) and arguments to run after each change of state. Four more \
                 arguments follow, as keepalived's `notify` gives them: `INSTANCE`, the name, \
                 `MASTER`, `BACKUP`, `FAULT` or `STOP`, and the priority. Runs come in order, one at a time, and never \
                 delay an advert.",
            ),
        Key::with_default("notify_timeout", "a duration, 10ms to 1h", r#""10s""#)
            .also(&["hook_timeout"])
            .doc("A run of `notify` that takes longer is ended."),
    ],
};

/// `[vrrp_group.NAME]`.
pub static VRRP_GROUP: Section = Section {
    path: "[vrrp_group.NAME]",
    doc: "What is run when a group has changed its state as a whole: the instances with \
          `sync_group = \"NAME\"`. A group needs no such table.",
    keys: &[
        Key::required("notify", "an array of texts", r#"["/usr/local/bin/group-moved"]"#)
            .also(&["hook", "hooks", "notify_script", "on_change"])
            .doc(
                "Program (absolute) and arguments to run after each change of the group. Four more \
                 arguments follow, as keepalived gives them: `GROUP`, the name, \
                 `MASTER`, `BACKUP`, `FAULT` or `STOP` once all members are that, and 0. Runs stand in one line with those of \
                 instances.",
            ),
        Key::with_default("notify_timeout", "a duration, 10ms to 1h", r#""10s""#)
            .also(&["hook_timeout"])
            .doc("A run of `notify` that takes longer is ended."),
    ],
};

/// A virtual address with more than its number.
pub static VIRTUAL_ADDRESS: Section = Section {
    path: "addresses = [{ … }]",
    doc: "A virtual address that takes more than a text.",
    keys: &[
        Key::required("address", r#""ADDRESS" or "ADDRESS/LENGTH""#, r#""172.16.16.100/24""#)
            .also(&["ip", "addr", "vip"])
            .doc("The address, and the length of its prefix."),
        Key::optional("interface", "the name of an interface", "that of the instance", r#""eth2""#)
            .also(&["dev", "device", "nic"])
            .doc("Where the address is put, if not where the adverts go."),
        Key::optional("label", "a text of at most 15 bytes", "no label", r#""eth1:vip""#)
            .doc("What older tools (ifconfig) show the address as; IPv4 only."),
    ],
};

/// A tracker.
pub static TRACK: Section = Section {
    path: "track = [{ … }]",
    doc: "Something that the priority depends on: one of `frontend`, `backend`, `interface`, `file` \
          and `script`. A node that gets worse says so at once and hands the addresses over; if all \
          nodes are equally sick, one of them keeps them.",
    keys: &[
        Key::optional("frontend", "the name of a frontend", "something else is tracked", r#""kubernetes""#)
            .also(&["listener"])
            .doc("Up while its listeners accept, its workers run, and at least one of its servers is up."),
        Key::optional("backend", "the name of a backend", "something else is tracked", r#""masters""#)
            .also(&["pool", "upstream"])
            .doc("Up while at least `servers_min` of its servers are."),
        Key::optional("interface", "the name of an interface", "something else is tracked", r#""eth0""#)
            .also(&["dev", "device", "nic", "track_interface"])
            .doc("Up while it has carrier. That of the instance is tracked anyway."),
        Key::optional("file", "an absolute path", "something else is tracked", r#""/run/halb/weight""#)
            .also(&["path", "track_file"])
            .doc(
                "A number in it, -254 to 254, times `weight` is added; a file that isn't there holds \
                 0. With weight 0 any number but 0 fails the node.",
            ),
        Key::optional("script", "an array of texts", "something else is tracked", r#"["/usr/local/bin/check-uplink"]"#)
            .also(&["command", "cmd", "track_script", "check"])
            .doc(
                "Up while the program (absolute), started without a shell, ends with status 0. The \
                 same command in several instances is run once for all.",
            ),
        Key::with_default("weight", "an integer, -253 to 253", "0")
            .doc(
                "Below 0: added while the subject is down. Above: added while it is up. 0: the node \
                 fails as a whole while the subject is down, and serves only if nobody else does. The \
                 sum stays within 1 and 254.",
            ),
        Key::with_default("reverse", "true or false", "false")
            .also(&["invert", "not"])
            .doc("Up counts as down and the other way round; of a file, the sign turns."),
        Key::with_default("servers_min", "an integer, 1 to 1024", "1")
            .also(&["quorum", "min", "min_servers"])
            .doc("Of a backend: least number of servers that are up."),
        Key::with_default("interval", "a duration, 10ms to 1d", r#""1s""#)
            .also(&["inter"])
            .doc("Of a script or file: from the start of one run, or look, to the next."),
        Key::optional("timeout", "a duration, 10ms to 1h", "as `interval`", r#""1s""#)
            .doc("Of a script: a run that takes longer has failed, and is ended."),
        Key::with_default("rise", "an integer, 1 to 1000", "1")
            .doc("Of a script: successes in a row that make it up."),
        Key::with_default("fall", "an integer, 1 to 1000", "1")
            .doc("Of a script: failures in a row that make it down. The first result decides alone."),
        Key::with_default("init_fail", "true or false", "false")
            .doc("Of a script: it counts as down until it has succeeded `rise` times."),
    ],
};

/// `[peer]`.
pub static PEER: Section = Section {
    path: "[peer]",
    doc: "The other balancer, if it runs halb: a link over UDP on which the two tell each other how \
          they are, so that the virtual IP moves without a gap. Without it VRRP does everything \
          alone.",
    keys: &[
        Key::required("address", r#""ADDRESS:PORT""#, r#""172.16.16.52:7112""#)
            .also(&["host", "ip", "server", "peer", "connect"])
            .doc("Where the other balancer listens; its own address, no virtual one."),
        Key::required("key_file", "an absolute path", r#""/etc/halb/peer.key""#)
            .also(&["key", "secret", "secret_file", "psk"])
            .doc(
                "A key that both have: 64 hex digits, in a file of mode 0600 or 0640. `openssl rand \
                 -hex 32 | install -m 0640 -g halb /dev/stdin /etc/halb/peer.key` makes one. A \
                 second line is another key that is accepted too, while keys are rolled.",
            ),
        Key::optional("bind", r#""ADDRESS:PORT""#, "any address, the port of `address`", r#""172.16.16.51:7112""#)
            .also(&["listen", "local", "source"])
            .doc("Where this balancer listens."),
    ],
};

/// A word of keepalived that is no other name of a key, and what to do instead.
#[derive(Debug)]
pub(super) struct Habit {
    pub(super) section: &'static Section,
    pub(super) words: &'static [&'static str],
    pub(super) remedy: &'static str,
}

/// Words whose meaning halb expresses in another way, or not at all.
pub(super) static HABITS: &[Habit] = &[
    habit(&VRRP, &["nopreempt", "no_preempt"], "write `preempt = false`"),
    habit(&VRRP, &["preempt_delay"], "write the delay itself: `preempt = \"30s\"`"),
    habit(
        &VRRP,
        &["state", "initial_state"],
        "remove it: every node begins as backup, and priorities decide",
    ),
    habit(
        &VRRP,
        &["authentication", "auth_type", "auth"],
        "write `auth_pass = \"…\"` alone, with `version = 2`; there is no other kind",
    ),
    habit(&VRRP, &["auth_hmac"], "remove it; between two halbs [peer] is authenticated"),
    habit(
        &VRRP,
        &["track_script", "vrrp_script"],
        "write `track = [{ script = [\"/path/to/script\"], weight = -20 }]`",
    ),
    habit(&VRRP, &["track_interface"], "write `track = [{ interface = \"eth0\" }]`"),
    habit(&VRRP, &["track_file"], "write `track = [{ file = \"/path\", weight = 1 }]`"),
    habit(
        &VRRP,
        &["track_process", "vrrp_track_process"],
        "write `track = [{ frontend = \"NAME\", weight = -20 }]`: halb knows how it is itself",
    ),
    habit(
        &VRRP,
        &["notify_master", "notify_backup", "notify_fault", "notify_stop"],
        "write `notify = [\"/path\"]`, which is told the new state",
    ),
    habit(
        &VRRP_GROUP,
        &["notify_master", "notify_backup", "notify_fault", "notify_stop"],
        "write `notify = [\"/path\"]`, which is told the new state",
    ),
    habit(
        &VRRP_GROUP,
        &["group", "members", "instances"],
        "write `sync_group = \"NAME\"` in each [vrrp.NAME] that belongs to it",
    ),
    habit(
        &VRRP,
        &["use_vmac", "vmac_xmit_base", "use_ipvlan"],
        "remove it: addresses have the interface's own MAC, and are announced when they move",
    ),
    habit(
        &VRRP,
        &[
            "unicast_fault_no_peer",
            "check_unicast_src",
            "dont_track_primary",
            "accept",
            "no_accept",
        ],
        "remove it; halb has no such switch",
    ),
];

const fn habit(
    section: &'static Section,
    words: &'static [&'static str],
    remedy: &'static str,
) -> Habit {
    Habit { section, words, remedy }
}
