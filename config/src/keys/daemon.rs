//! Tables that concern the process as a whole.

use super::{Key, Section};

/// The top level.
pub static ROOT: Section = Section {
    path: "(top level)",
    doc: "A file consists of tables. Frontends, backends and virtual IPs have names of your choice: 1 to 64 \
          letters, digits, `-`, `_`, `.` and `:`; a name with a dot is quoted.",
    keys: &[
        Key::required("frontend", "tables by name", "[frontend.kubernetes]")
            .also(&["frontends", "listen", "listener", "listeners"])
            .doc("Where clients connect."),
        Key::required("backend", "tables by name", "[backend.masters]")
            .also(&["backends", "upstream", "upstreams", "cluster", "pool"])
            .doc("Servers that can stand in for each other."),
        Key::optional("vrrp", "tables by name", "no virtual IP", "[vrrp.VI_1]")
            .also(&["vrrp_instance", "virtual_ip", "vip", "keepalived"])
            .doc("Virtual IPs that this node shares with others."),
        Key::optional(
            "vrrp_group",
            "tables by name",
            "groups have no hooks",
            "[vrrp_group.gateway]",
        )
        .also(&["vrrp_sync_group", "sync_group", "vrrp_groups"])
        .doc("Hooks of groups of virtual IPs that move together."),
        Key::optional("peer", "a table", "each balancer works by itself", "[peer]")
            .also(&["peers", "partner", "link", "ha"])
            .doc("The other balancer, if it runs halb."),
        Key::optional("resolver", "a table", "defaults", "[resolver]")
            .also(&["resolvers", "dns", "names", "nameservers"])
            .doc("How the names of servers are resolved."),
        Key::optional("global", "a table", "defaults", "[global]")
            .also(&["process", "daemon", "global_defs"])
            .doc("Limits of the process."),
        Key::optional("log", "a table", "defaults", "[log]")
            .also(&["logging", "logs"])
            .doc("What is logged, and how."),
        Key::optional("admin", "a table", "defaults", "[admin]")
            .also(&["stats", "status", "control"])
            .doc("Where halb is looked at and controlled."),
        Key::optional("haproxy", "a table", "nothing of it", "[haproxy]")
            .also(&["compat", "compatibility", "haproxy_compat", "prometheus_exporter"])
            .doc("HAProxy's runtime commands and metric names, for what was built around it."),
    ],
};

/// `[global]`.
pub static GLOBAL: Section = Section {
    path: "[global]",
    doc: "Limits of the process.",
    keys: &[
        Key::optional(
            "maxconn",
            "an integer, 1 to 10000000",
            "what the file descriptors carry",
            "4000",
        )
        .also(&["max_connections", "maxconnections"])
        .doc(
            "Most client connections of the whole process. Beyond it halb stops accepting and \
                 the kernel's backlog holds clients. The limit of file descriptors may allow less.",
        ),
        Key::optional("workers", "an integer, 1 to 64", "one for each core, at most 64", "2")
            .also(&["nbthread", "threads", "worker_processes"])
            .doc("Threads that forward."),
        Key::with_default("drain_timeout", "a duration, 0s to 1d", r#""5s""#)
            .also(&["hard_stop_after", "shutdown_timeout", "grace"])
            .doc(
                "When halb is told to stop it accepts no more, lets sessions end by themselves for \
                 so long, and then closes them. From 90s on systemd kills it before, unless its unit \
                 says otherwise (`TimeoutStopSec=`).",
            ),
        Key::with_default("upgrade_drain_timeout", "a duration, 0s to 1d", r#""1h""#).doc(
            "After `halb upgrade` the former daemon serves its connections for so long, and then \
             closes them. The new one accepts meanwhile; `halb status` shows both.",
        ),
        Key::optional(
            "realtime_priority",
            "an integer, 1 to 99",
            "the virtual IP's thread is scheduled as any other",
            "50",
        )
        .also(&["vrrp_rt_priority", "rt_priority", "vrrp_priority"])
        .doc(
            "Priority under `SCHED_FIFO` of the thread that sends and hears adverts, which uses very \
             little. For intervals below 100ms, and hosts that are busy.",
        ),
        Key::optional(
            "freeze_limit",
            "a duration, 30ms to 1m",
            "three of the shortest `advert_interval`, within 30ms and 2s",
            r#""500ms""#,
        )
        .also(&["freeze_timeout", "watchdog"])
        .doc(
            "How long that thread may stand still before its guard takes the virtual IPs from the \
             node.",
        ),
        Key::optional("notify_fifo", "an absolute path", "changes are told in no FIFO", r#""/run/halb/notify""#)
            .also(&["vrrp_notify_fifo", "fifo"])
            .doc(
                "FIFO in which each change of a virtual IP is told as keepalived's `vrrp_notify_fifo` \
                 does, in lines such as `INSTANCE \"VI_1\" MASTER 100` and `GROUP \"gateway\" MASTER \
                 0`. It is made if it isn't there. Nobody needs to read it; what finds no room in it \
                 is left out.",
            ),
        Key::with_default("state_dir", "an absolute path", r#""/var/lib/halb""#)
            .also(&["state_directory", "statedir", "data_dir"])
            .doc(
                "Directory in which the last transitions of virtual IPs outlast the daemon, for \
                 `halb vip explain`. systemd makes it; where there is none, they are kept in memory.",
            ),
    ],
};

/// `[log]`.
pub static LOG: Section = Section {
    path: "[log]",
    doc: "What is logged, and how. Logs go to the standard error, where systemd picks them up. \
          Forwarding never waits for a log: records that can't be written are dropped and counted.",
    keys: &[
        Key::with_default("level", r#""error", "warn", "info", "debug" or "trace""#, r#""info""#)
            .also(&["loglevel", "log_level", "verbosity"])
            .doc("Least important event that is logged."),
        Key::with_default("format", r#""text" or "json""#, r#""text""#)
            .also(&["log_format"])
            .doc("Lines for people, or one JSON object a line."),
        Key::with_default("access", r#""stderr", "syslog", "off" or an absolute path"#, r#""stderr""#)
            .also(&["access_log", "tcplog"])
            .doc(
                "Where the line about each ended connection goes. A file is opened anew on SIGUSR2 \
                 (docs/logs.md).",
            ),
        Key::optional(
            "syslog",
            r#""ADDRESS:PORT" or an absolute path"#,
            "none",
            r#""172.16.16.9:514""#,
        )
        .also(&["remote", "server", "log_server", "syslog_server"])
        .doc(
            "Where events go beside the standard error: to a collector over UDP, as RFC 5424 has it, \
             or to `/dev/log`.",
        ),
        Key::with_default(
            "facility",
            r#""user", "daemon", "auth" or "local0" to "local7""#,
            r#""daemon""#,
        )
        .also(&["syslog_facility"])
        .doc("What syslog sorts the messages under."),
        Key::with_default("burst", "an integer, 1 to 100000", "500")
            .also(&["rate_limit", "rate", "ratelimit", "limit"])
            .doc(
                "Most events of one kind in a second. Beyond it they are left out and counted, and a \
                 line says how many there were and what the first of them said.",
            ),
    ],
};

/// `[admin]`.
pub static ADMIN: Section = Section {
    path: "[admin]",
    doc: "Where halb is looked at and controlled.",
    keys: &[
        Key::with_default("http", r#""ADDRESS:PORT" or false"#, r#""127.0.0.1:8404""#)
            .also(&["listen", "address", "bind", "stats"])
            .doc(
                "Status page, `/metrics`, `/livez`, `/readyz`, `/status.json`. It can change \
                 nothing, but everyone who reaches the address can read it.",
            ),
        Key::with_default(
            "socket",
            "an absolute path of at most 107 bytes",
            r#""/run/halb/admin.sock""#,
        )
        .also(&["path", "unix", "stats_socket"])
        .doc("Unix socket for `halb status` and all control; its file permissions say who may."),
    ],
};

/// `[haproxy]`.
pub static HAPROXY: Section = Section {
    path: "[haproxy]",
    doc: "What scripts and dashboards that were built around HAProxy expect; \
          docs/haproxy.md says what they get. Nothing of it is there unless it is written.",
    keys: &[
        Key::optional(
            "socket",
            "an absolute path of at most 107 bytes",
            "there is none",
            r#""/run/halb/haproxy.sock""#,
        )
        .also(&["stats_socket", "runtime_socket", "path"])
        .doc(
            "Unix socket that answers HAProxy's runtime commands: `show stat`, `show info`, `show \
             servers state`, `set server`, `disable server` and more.",
        ),
        Key::with_default("level", r#""user", "operator" or "admin""#, r#""operator""#)
            .also(&["access", "rights"])
            .doc(
                "What its clients may do, as in HAProxy: only \"admin\" may change servers and end \
                 sessions.",
            ),
        Key::with_default("permissions", r#""0600", "0660" or "0666""#, r#""0660""#)
            .also(&["mode", "file_mode"])
            .doc("Permissions of its file; owner and group are those that halb runs as."),
        Key::with_default("metrics", "true or false", "false")
            .also(&["exporter", "prometheus", "promex", "names"])
            .doc("`/metrics` also serves HAProxy's names and labels, beside halb's own."),
    ],
};
