//! Where the addresses of names come from.

use super::{Key, Section};

/// `[resolver]`.
pub static RESOLVER: Section = Section {
    path: "[resolver]",
    doc: "How the names of servers are resolved; without such servers nobody is asked. \
          docs/names.md says what becomes of a server when an answer changes, is missing or bad.",
    keys: &[
        Key::optional(
            "nameservers",
            "an array of 1 to 3 addresses, each with or without a port",
            "those of `/etc/resolv.conf`, read anew when it changes",
            r#"["10.0.0.2", "10.0.0.3:5353"]"#,
        )
        .also(&["nameserver", "servers", "dns", "parse_resolv_conf"])
        .doc("Who is asked, in this order, until one answers."),
        Key::with_default("hosts_file", "an absolute path or false", r#""/etc/hosts""#)
            .also(&["hosts"])
            .doc("A name in this file is never asked for. It is read anew when it changes."),
        Key::with_default(
            "family",
            r#""prefer-ipv4", "prefer-ipv6", "ipv4" or "ipv6""#,
            r#""prefer-ipv4""#,
        )
        .also(&["resolve_prefer", "prefer", "dns_accept_family", "ip_version"])
        .doc(
            "Kinds of addresses that will do. With a `source` in its backend, a server has an \
             address of that kind.",
        ),
        Key::with_default("timeout", "a duration, 100ms to 10s", r#""1s""#)
            .also(&["timeout_retry", "timeout_resolve"])
            .doc("A name server that hasn't answered after so long is given up for this time."),
        Key::with_default("attempts", "an integer, 1 to 5", "2")
            .also(&["resolve_retries", "retries"])
            .doc("Rounds over all name servers before a name counts as unanswered."),
        Key::with_default("refresh_min", "a duration, 1s to 1d", r#""5s""#)
            .also(&["min_ttl", "interval"])
            .doc(
                "A name is asked at most so often, even if its addresses live shorter; and so often \
                 while anything is wrong with it.",
            ),
        Key::with_default("refresh_max", "a duration, 1s to 1d", r#""5m""#)
            .also(&["max_ttl", "hold_valid"])
            .doc("A name is asked at least so often, even if its addresses live longer."),
        Key::with_default("hold_gone", "a duration, 0s to 1d", r#""30s""#)
            .also(&["hold_nx"])
            .doc(
                "Answers say that there is no such name, or that it has no address: after so long a \
                 server is down.",
            ),
        Key::with_default("hold_unanswered", "a duration, 0s to 1d, or false", "false")
            .also(&["hold_timeout", "hold_refused", "hold_other"])
            .doc(
                "Nobody answers, or only with errors: after so long a server is down. `false`: \
                 never, so that no name server takes a server along; checks say whether it works.",
            ),
        Key::with_default("hold_obsolete", "a duration, 0s to 1d", r#""0s""#).doc(
            "Answers hold addresses, and no longer the one in use: after so long the server moves. \
             More than 0s where name servers answer with a part of their addresses each time.",
        ),
    ],
};
