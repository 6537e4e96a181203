//! A picture to look at: the same daemon that HAProxy was asked about when its answers were noted.

use crate::picture::{Admin, Backend, Check, Frontend, Picture, Process, Proxy, Server};

pub(crate) fn checked(code: &str, up: bool) -> Check {
    Check {
        code: code.to_owned(),
        detail: "connection refused, said \"no\"".to_owned(),
        http_status: (code == "L7OK").then_some(200),
        milliseconds: 3,
        rise: 2,
        fall: 3,
        health: if up { 4 } else { 0 },
        failures: u64::from(!up),
        downs: u64::from(!up),
    }
}

pub(crate) fn server(name: &str, port: u16, check: Option<Check>) -> Server {
    Server {
        name: name.to_owned(),
        address: ([127, 0, 0, 1], port).into(),
        admin: Admin::Ready,
        up: check.as_ref().is_none_or(|check| check.health >= check.rise),
        check,
        weight: 1,
        weight_configured: 1,
        throttle_percent: 100,
        backup: false,
        sessions: 0,
        sessions_limit: None,
        established: 0,
        connect_errors: 0,
        bytes_in: 0,
        bytes_out: 0,
        past: Default::default(),
    }
}

/// A frontend, a backend with a server of each kind, and both under one name.
pub(crate) fn picture() -> Picture {
    let mut first = server("kmaster1", 7001, Some(checked("L7OK", true)));
    (first.weight, first.weight_configured) = (3, 3);
    (first.established, first.bytes_in, first.bytes_out) = (5, 390, 935);
    let mut second = server("kmaster2", 7002, Some(checked("L7OK", true)));
    second.sessions_limit = Some(50);
    let third = server("kmaster3", 7003, Some(checked("L4CON", false)));
    let mut spare = server("spare", 7004, Some(checked("L7OK", true)));
    spare.backup = true;
    let backend = |servers| Backend {
        algorithm: "roundrobin".to_owned(),
        full: 50,
        servers,
        ..Backend::default()
    };
    let frontend = Frontend {
        status: "OPEN",
        listeners: 1,
        sessions_limit: 500,
        connections_total: 7,
        denied: 1,
        bytes_in: 468,
        bytes_out: 1122,
        ..Frontend::default()
    };
    let proxy = |name: &str, frontend, backend| Proxy { name: name.to_owned(), frontend, backend };
    Picture {
        process: Process {
            version: "0.1.0".to_owned(),
            pid: 4711,
            node: "loadbalancer01".to_owned(),
            uptime_seconds: 93_784.5,
            threads: 2,
            connections_max: 1000,
            ..Process::default()
        },
        proxies: vec![
            proxy("kubernetes", Some(frontend.clone()), None),
            proxy("masters", None, Some(backend(vec![first, second, third, spare]))),
            proxy("plain", None, Some(backend(vec![server("one", 7001, None)]))),
            proxy("direct", Some(frontend), Some(backend(Vec::new()))),
        ],
    }
}
