//! Tables of the client side.

use super::{Key, Section};

/// `[frontend.NAME]`.
pub static FRONTEND: Section = Section {
    path: "[frontend.NAME]",
    doc: "Where clients connect, and where their connections go.",
    keys: &[
        Key::required("bind", r#"an array of "ADDRESS:PORT""#, r#"["*:6443"]"#)
            .also(&["listen", "address", "addresses", "binds", "port"])
            .doc(
                "Addresses to listen on. `*:6443` means all IPv4 addresses, `[::]:6443` all IPv6 \
                 addresses and no IPv4; both can stand side by side. An address that this host \
                 doesn't hold yet (a virtual IP) can be bound all the same.",
            ),
        Key::optional(
            "backend",
            "the name of a backend",
            "connections that no route matches are refused",
            r#""masters""#,
        )
        .also(&["default_backend", "use_backend", "proxy_pass"])
        .doc("Where connections go that no route matches. Without `routes` it is required."),
        Key::with_default("forward", r#""proxy" or "kernel""#, r#""proxy""#)
            .also(&["forwarding"])
            .doc(
                "Who moves bytes. `proxy`: halb itself. `kernel`: halb programs nftables, the kernel \
                 translates addresses, and connections outlive the process; \
                 [forwarding.md](forwarding.md) says what that needs and what it can't.",
            ),
        Key::optional(
            "routes",
            "an array of tables",
            "all connections go to `backend`",
            r#"[{ sni = "api.example.com", backend = "masters" }]"#,
        )
        .also(&["route", "acl", "sni"])
        .doc(
            "TLS connections to go elsewhere by the server name (SNI) that the client asks for; the \
             first match wins. Nothing is decrypted.",
        ),
        Key::optional("maxconn", "an integer, 1 to 10000000", "no bound of its own", "2000")
            .also(&["max_connections", "limit_conn"])
            .doc("Most connections at a time. Beyond it halb stops accepting and the kernel's backlog holds clients."),
        Key::with_default("backlog", "an integer, 1 to 65535", "4096").doc(
            "Length of the kernel's accept queue. The kernel cuts it to `net.core.somaxconn`, 4096 by default.",
        ),
        Key::optional("accept_rate", r#"a rate, "NUMBER/s""#, "no bound", r#""500/s""#)
            .also(&["rate_limit", "maxconnrate", "rate_limit_sessions"])
            .doc("Most connections accepted in a second. Beyond it the kernel's backlog holds clients."),
        Key::optional("allow", "an array of prefixes", "everyone", r#"["10.0.0.0/8"]"#)
            .also(&["whitelist", "allowlist", "accept"])
            .doc("Only clients from these prefixes are served. A plain address is itself."),
        Key::optional("deny", "an array of prefixes", "no one", r#"["10.66.0.0/16"]"#)
            .also(&["blacklist", "denylist", "reject"])
            .doc("Clients from these prefixes are refused, also where `allow` names them."),
        Key::with_default("accept_proxy", "true or false", "false")
            .also(&["proxy_protocol", "expect_proxy"])
            .doc(
                "Each connection must begin with a PROXY protocol header, version 1 or 2, which then \
                 says who the client is. Only for listeners that nothing but another proxy reaches.",
            ),
        Key::with_default("inspect_timeout", "a duration, 10ms to 1h", r#""5s""#)
            .also(&["inspect_delay"])
            .doc("How long a PROXY header or (with `routes`) a ClientHello may take to arrive."),
        Key::optional("idle_timeout", "a duration, 1s to 366d, or false", "never", r#""1h""#)
            .also(&["timeout", "timeout_client", "timeout_tunnel", "timeout_server", "proxy_timeout", "tunnel_timeout", "client_timeout"])
            .doc(
                "A session without a byte in either direction for so long is closed. Dead peers are \
                 found without it (`keepalive`, `user_timeout`); watches, `kubectl exec` and \
                 `kubectl logs -f` may rightly be silent for hours.",
            ),
        Key::optional("max_age", "a duration, 1s to 366d, or false", "never", r#""12h""#)
            .also(&["max_connection_age", "max_downstream_connection_duration"])
            .doc("A session is closed when it is this old, so that clients spread over servers anew."),
        Key::optional("max_age_jitter", "a duration, 0s to 366d", "a tenth of `max_age`", r#""1h""#)
            .doc("Each session gets up to so much more, at random, so that clients don't return together."),
        Key::with_default("fin_timeout", "a duration, 1s to 1d", r#""30s""#)
            .also(&["timeout_client_fin", "client_fin"])
            .doc("Once one direction is shut down, how long the other may be silent."),
        Key::with_default(
            "keepalive",
            "a table or false",
            r#"{ idle = "15s", interval = "5s", count = 3 }"#,
        )
        .also(&["tcpka", "clitcpka", "tcp_keepalive", "so_keepalive"])
        .doc("Kernel keepalive of client connections."),
        Key::with_default("user_timeout", "a duration, 1s to 20d, or false", r#""2m""#)
            .also(&["tcp_ut", "tcp_user_timeout"])
            .doc(
                "`TCP_USER_TIMEOUT` of client connections: a client that acknowledges nothing, answers \
                 no keepalive or keeps its window closed for so long is given up. `false` leaves that \
                 to the kernel: about 15 minutes.",
            ),
        Key::with_default("access_log", "true or false", "true")
            .also(&["log", "tcplog"])
            .doc("Each ended connection leaves a line in the access log."),
    ],
};

/// An element of `routes`.
pub static ROUTE: Section = Section {
    path: "routes = [{ … }]",
    doc: "A TLS server name and where it goes.",
    keys: &[
        Key::required("sni", "a host name", r#""api.example.com""#)
            .also(&["server_name", "host", "name", "hostname"])
            .doc("The name in full, or `*.example.com` for every name below `example.com`."),
        Key::required("backend", "the name of a backend", r#""masters""#)
            .also(&["to", "use_backend", "default_backend"])
            .doc("The backend that serves it."),
    ],
};

/// `keepalive` of a frontend or a backend.
pub static KEEPALIVE: Section = Section {
    path: "keepalive = { … }",
    doc: "Kernel keepalive (`TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`) of a frontend's or a \
          backend's connections. The kernel counts in whole seconds.",
    keys: &[
        Key::with_default("idle", "a duration, 1s to 9h", r#""15s""#)
            .doc("Silence before the first probe."),
        Key::with_default("interval", "a duration, 1s to 9h", r#""5s""#)
            .also(&["intvl"])
            .doc("Between probes."),
        Key::with_default("count", "an integer, 1 to 127", "3")
            .also(&["cnt", "probes"])
            .doc("Unanswered probes that end the connection, where `user_timeout` is off."),
    ],
};
