//! The table of a health check. Which keys it takes depends on its type.

use super::{Key, Section};

/// Keys of every check.
pub static CHECK: Section = Section {
    path: "check = { … }",
    doc: "How the servers of a backend are checked. Checks of one server start at a fixed cadence and \
          never overlap. A server that dies or hangs is down after at most `fall` × `interval` + \
          `timeout`.",
    keys: &[
        Key::required("type", r#""tcp", "tls", "http", "https" or "script""#, r#""https""#)
            .also(&["kind", "mode", "method_type", "protocol"])
            .doc(
                "What is asked. `tcp`: the kernel of the server accepts a connection (a hung program \
                 passes). `tls`: a handshake succeeds. `http`, `https`: a request is answered as \
                 expected. `script`: a program ends with status 0.",
            ),
        Key::with_default("interval", "a duration, 10ms to 1d", r#""2s""#)
            .also(&["inter", "every", "period", "check_interval"])
            .doc("From the start of one check to the start of the next."),
        Key::with_default("timeout", "a duration, 10ms to 1h", r#""1s""#)
            .also(&["timeout_check", "check_timeout"])
            .doc("One deadline for the whole check: connect, handshake, request and answer."),
        Key::with_default("fall", "an integer, 1 to 1000", "3")
            .also(&["unhealthy_threshold", "max_fails", "fails"])
            .doc("Failures in a row that make a server down."),
        Key::with_default("rise", "an integer, 1 to 1000", "2")
            .also(&["healthy_threshold", "passes"])
            .doc("Successes in a row that make it up again."),
        Key::optional("fast_interval", "a duration, 10ms to 1d", "as `interval`", r#""500ms""#)
            .also(&["fastinter"])
            .doc("The interval while a server is going down or coming up."),
        Key::optional("down_interval", "a duration, 10ms to 1d", "as `interval`", r#""5s""#)
            .also(&["downinter"])
            .doc("The interval while a server is down."),
        Key::with_default("initial", r#""fully-up", "up", "down" or "fully-down""#, r#""up""#)
            .also(&["init_state", "initial_state"])
            .doc(
                "The verdict before the first check. `up`: one failure makes it down. `fully-up`: it \
                 takes `fall`. `down`: one success makes it up. `fully-down`: it takes `rise`.",
            ),
        Key::with_default("passive", "true or false", "true")
            .also(&["observe"])
            .doc("A connection of a real client that fails brings the next check forward."),
        Key::optional("address", "an IP address", "the server's", r#""172.16.16.102""#)
            .also(&["addr", "host_address"])
            .doc("Another address to check."),
        Key::optional("port", "an integer, 1 to 65535", "the server's", "2381")
            .also(&["check_port"])
            .doc("Another port to check."),
    ],
};

/// Keys of checks that connect.
pub static CHECK_CONNECT: Section = Section {
    path: "check of type tcp, tls, http or https",
    doc: "",
    keys: &[Key::optional(
        "source",
        "an IP address",
        "the backend's `source`",
        r#""172.16.16.51""#,
    )
    .also(&["bind", "source_address"])
    .doc("Local address of the checks.")],
};

/// Keys of checks over TLS.
pub static CHECK_TLS: Section = Section {
    path: "check of type tls or https",
    doc: "Either `ca_file` or `verify = \"none\"` must be given.",
    keys: &[
        Key::optional("ca_file", "an absolute path", "see `verify`", r#""/etc/halb/ca.crt""#)
            .also(&["ca", "cacert", "ca_certificate", "cafile"])
            .doc("PEM file; the server's certificate must be signed by one of its certificates."),
        Key::optional("verify", r#""none""#, "see `ca_file`", r#""none""#)
            .also(&["insecure", "verify_none", "ssl_verify", "skip_verify", "tls_verify"])
            .doc("`none`: any certificate will do, so whoever answers at the address can pass the check."),
        Key::optional("server_name", "a host name or IP address", "the server's address", r#""kubernetes""#)
            .also(&["sni", "check_sni", "verifyhost"])
            .doc("The name that is asked for (SNI) and that the certificate must carry."),
        Key::optional("cert_file", "an absolute path", "no client certificate", r#""/etc/halb/client.crt""#)
            .also(&["crt", "cert", "certificate"])
            .doc("PEM file with the client certificate, issuers after it. Goes with `key_file`."),
        Key::optional("key_file", "an absolute path", "no client certificate", r#""/etc/halb/client.key""#)
            .also(&["key", "private_key"])
            .doc("PEM file with its private key. Goes with `cert_file`."),
    ],
};

/// Keys of checks over HTTP.
pub static CHECK_HTTP: Section = Section {
    path: "check of type http or https",
    doc: "",
    keys: &[
        Key::with_default("path", "a path, with a query if need be", r#""/""#)
            .also(&["uri", "url", "request"])
            .doc("What is requested. For API servers: `/readyz`."),
        Key::with_default("method", "an HTTP method", r#""GET""#).doc("How it is requested."),
        Key::optional(
            "host",
            "a host name",
            "the server's address and port",
            r#""api.example.com""#,
        )
        .also(&["host_header"])
        .doc("The `Host` header."),
        Key::optional("headers", "a table of texts", "none", r#"{ X-Probe = "halb" }"#)
            .also(&["header", "http_headers"])
            .doc("Further headers."),
        Key::optional(
            "bearer_token_file",
            "an absolute path",
            "no `Authorization` header",
            r#""/etc/halb/token""#,
        )
        .also(&["token_file", "bearer_token", "token"])
        .doc("A file whose content is sent as a bearer token; read anew for each check."),
        Key::with_default(
            "expect_status",
            r#"an array of statuses and "FROM-TO" ranges"#,
            r#"["200-399"]"#,
        )
        .also(&["status", "expected_statuses", "ok_status", "expect", "expected_status"])
        .doc("Statuses that count as success."),
        Key::optional("expect_body", "a text of at most 1024 bytes", "any body will do", r#""ok""#)
            .also(&["body", "expect_string", "string"])
            .doc("Text that must be among the first 64 KiB of the answer's body."),
    ],
};

/// Keys of checks by a program.
pub static CHECK_SCRIPT: Section = Section {
    path: "check of type script",
    doc: "",
    keys: &[Key::optional(
        "command",
        "an array of texts",
        "an error for this type",
        r#"["/usr/local/bin/check", "{address}", "{port}"]"#,
    )
    .also(&["cmd", "script", "exec", "external_check"])
    .doc(
        "The program (absolute) and its arguments; `{address}` and `{port}` stand for the server's. \
         It is started directly, without a shell, and killed with all that it started after \
         `timeout`.",
    )],
};
