//! Links to render.

use super::{Failure, Peer, Refused, State};

/// All is well.
pub(crate) fn up() -> Peer {
    Peer {
        address: "172.16.16.52:7112".to_owned(),
        bind: "0.0.0.0:7112".to_owned(),
        state: State::Up,
        since_seconds: 11_500.0,
        heard_ago_seconds: Some(0.4),
        round_trip_seconds: Some(0.000_31),
        key_line: Some(1),
        starts: 1,
        frames_sent: 23_040,
        frames_received: 23_037,
        messages_sent: 11_520,
        messages_received: 11_518,
        messages_unsent: 0,
        messages_unreadable: 0,
        introductions: 2,
        refused: Vec::new(),
        failures: 0,
        last_failure: None,
    }
}

/// The other balancer has another key, and somebody cut the route.
pub(crate) fn wrong_key() -> Peer {
    Peer {
        state: State::Silent,
        since_seconds: 95.0,
        heard_ago_seconds: Some(98.5),
        messages_unreadable: 1,
        refused: vec![Refused {
            reason: "wrong_key".to_owned(),
            count: 96,
            from: "172.16.16.52:7112".to_owned(),
            ago_seconds: 0.7,
            text: "its signature fits none of our keys; give both nodes the same key".to_owned(),
        }],
        failures: 3,
        last_failure: Some(Failure {
            ago_seconds: 30.0,
            text: "can't send to 172.16.16.52:7112: Network is unreachable (os error 101)"
                .to_owned(),
        }),
        ..up()
    }
}
