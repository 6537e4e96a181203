//! Tables of the server side.

use super::{Key, Section};

/// `[backend.NAME]`.
pub static BACKEND: Section = Section {
    path: "[backend.NAME]",
    doc: "Servers that can stand in for each other, and how one of them is chosen.",
    keys: &[
        Key::with_default(
            "balance",
            r#""roundrobin", "leastconn", "source", "flow" or "random""#,
            r#""roundrobin""#,
        )
        .also(&["algorithm", "lb_policy", "strategy", "load_balancing"])
        .doc(
            "`roundrobin`: each in turn, by weight. `leastconn`: the one with fewest connections. \
             `source`: by the client's address, always the same while servers stay. `flow`: by \
             address and port. `random`: the less busy of two drawn at random.",
        ),
        Key::required(
            "server",
            r#"a table of NAME = "ADDRESS:PORT" or NAME = { … }"#,
            r#"{ kmaster1 = "172.16.16.101:6443" }"#,
        )
        .also(&["servers", "hosts", "targets", "endpoints", "default_server"])
        .doc("The servers, usually as a table of their own: `[backend.NAME.server]`."),
        Key::optional(
            "check",
            "a table or false",
            "no checks; every server counts as up",
            r#"{ type = "tcp" }"#,
        )
        .also(&["health_check", "healthcheck", "checks", "httpchk", "option"])
        .doc("How servers are checked. `false` says that none is wanted, and silences the lint."),
        Key::with_default("connect_timeout", "a duration, 10ms to 1h", r#""2s""#)
            .also(&["timeout_connect", "timeout", "proxy_connect_timeout"])
            .doc("One connect attempt may take so long."),
        Key::with_default("retries", "an integer, 0 to 100", "3")
            .also(&["retry", "max_connect_attempts", "proxy_next_upstream_tries"])
            .doc("Further attempts after the first one failed."),
        Key::with_default("redispatch", "true or false", "true").also(&["proxy_next_upstream"]).doc(
            "A failed attempt moves to another server at once, where there is one. `false`: the same \
             server is tried again after a second.",
        ),
        Key::with_default("queue", "a table", r#"{ max = 1024, timeout = "5s" }"#)
            .also(&["maxqueue"])
            .doc("Where connections wait when all servers are at their `maxconn`."),
        Key::with_default("on_down", r#""reset" or "keep""#, r#""reset""#)
            .also(&["on_marked_down"])
            .doc(
                "Sessions of a server that goes down: `reset` ends them, so that clients (watches \
                 above all) reconnect to a server that works; `keep` lets them end by themselves.",
            ),
        Key::with_default("on_down_spread", "a duration, 0s to 1h", r#""2s""#)
            .doc("Time over which these sessions are reset, so that clients don't return all at once."),
        Key::optional("slow_start", "a duration, 1s to 1d, or false", "full weight at once", r#""30s""#)
            .also(&["slowstart"])
            .doc("A server that comes back gets its full share of new connections only after this time."),
        Key::with_default("fin_timeout", "a duration, 1s to 1d", r#""30s""#)
            .also(&["timeout_server_fin", "server_fin"])
            .doc("Once one direction is shut down, how long the other may be silent."),
        Key::with_default(
            "keepalive",
            "a table or false",
            r#"{ idle = "15s", interval = "5s", count = 3 }"#,
        )
        .also(&["tcpka", "srvtcpka", "tcp_keepalive", "so_keepalive"])
        .doc("Kernel keepalive of server connections."),
        Key::with_default("user_timeout", "a duration, 1s to 20d, or false", r#""30s""#)
            .also(&["tcp_ut", "tcp_user_timeout"])
            .doc(
                "`TCP_USER_TIMEOUT` of server connections: a server whose host acknowledges nothing, \
                 answers no keepalive or keeps its window closed for so long is given up. `false` \
                 leaves that to the kernel: about 15 minutes.",
            ),
        Key::optional("source", "an IP address", "the kernel chooses", r#""172.16.16.51""#)
            .also(&["bind", "proxy_bind", "source_address"])
            .doc("Local address of connections to the servers."),
        Key::optional("send_proxy", r#""v1" or "v2""#, "no header", r#""v2""#)
            .also(&["proxy_protocol", "send_proxy_v2"])
            .doc(
                "Each connection to a server begins with a PROXY protocol header of this version, \
                 which tells the client's address. The server must expect it; kube-apiserver doesn't.",
            ),
    ],
};

/// A server that is written as a table.
pub static SERVER: Section = Section {
    path: "[backend.NAME.server]",
    doc: "One line for each server: `NAME = \"ADDRESS:PORT\"`, or a table with these keys. Their \
          order is the order of round robin.",
    keys: &[
        Key::required("address", r#""ADDRESS:PORT" or "NAME:PORT""#, r#""172.16.16.101:6443""#)
            .also(&["addr", "host", "ip", "url", "endpoint", "port"])
            .doc(
                "Where it listens: an IPv4 address, an IPv6 address in brackets or the full name of \
                 a host, and a port. The address of a name is followed as `[resolver]` says.",
            ),
        Key::with_default("weight", "an integer, 0 to 256", "1")
            .doc("Its share of new connections. 0: none, like a server that drains."),
        Key::with_default("backup", "true or false", "false")
            .doc("It serves only while no other server is up."),
        Key::optional("maxconn", "an integer, 1 to 10000000", "no bound", "250")
            .also(&["max_connections", "max_conns"])
            .doc("Most connections at a time; beyond it they wait in the backend's queue."),
        Key::with_default("check", "true or false", "true")
            .also(&["checks", "no_check"])
            .doc("`false`: this server isn't checked and counts as up."),
    ],
};

/// `queue` of a backend.
pub static QUEUE: Section = Section {
    path: "queue = { … }",
    doc: "Where connections wait when all servers of a backend are at their `maxconn`.",
    keys: &[
        Key::with_default("max", "an integer, 0 to 1000000", "1024")
            .also(&["size", "length", "maxqueue"])
            .doc("Most that wait; beyond it they are closed at once."),
        Key::with_default("timeout", "a duration, 10ms to 1h", r#""5s""#)
            .also(&["timeout_queue"])
            .doc("Longest wait; then the connection is closed."),
    ],
};
