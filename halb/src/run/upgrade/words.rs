//! What two daemons say to each other over a hand-over: the one that runs, and the one that it has
//! started and that takes over.
//!
//! ```text
//!   old                                              new
//!    │ ◀──────────────────────────────── Hello ───────│  configuration read and good
//!    │── Welcome, Door…, Checks…, Orders…, … Complete ▶│
//!    │ ◀──────────────────────────────── Ready ───────│  everything stands, nothing is accepted
//!    │── Go, with the roles of virtual routers ──────▶│
//!    │ ◀──────────────────────────────── Serving ─────│  it accepts
//!    │── Main ───────────────────────────────────────▶│  the service manager knows
//!    │── Report, each second ─────────────────────────▶│  until its last connection has ended
//!    │ ◀──────────────────────────────── Standing, Stop│
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::roles::{Role, Router};
use super::state::{Counters, KeptCheck, Order, Standing};
use crate::status::FormerDaemon;

/// Versions of this conversation that this halb knows, the oldest and the newest. What changes
/// without a new version: words get fields with a default.
pub(super) const OLDEST: u32 = 1;
pub(super) const NEWEST: u32 = 1;

/// The version that both know best; none: there is none.
pub(super) fn common(oldest: u32, newest: u32) -> Option<u32> {
    let best = newest.min(NEWEST);
    (best >= oldest.max(OLDEST)).then_some(best)
}

/// What the new daemon says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "kebab-case")]
pub(super) enum ToOld {
    /// Its configuration is good.
    Hello {
        /// Versions of this conversation that it knows.
        oldest: u32,
        /// The newest of them.
        newest: u32,
        /// Its version.
        halb_version: String,
    },
    /// It can't take over.
    Refused {
        /// Why.
        why: String,
    },
    /// It could accept now.
    Ready,
    /// It accepts.
    Serving,
    /// How servers stand, for connections that the old daemon still serves.
    Standing {
        /// All of its configuration.
        servers: Vec<Standing>,
    },
    /// It was told to stop; connections have so long to end by themselves.
    Stop {
        /// Milliseconds.
        patience_ms: u64,
    },
}

/// What the old daemon says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "kebab-case")]
pub(super) enum ToNew {
    /// The version that is spoken from now on.
    Welcome {
        /// It.
        protocol: u32,
    },
    /// There is no version that both know.
    Mismatch {
        /// What to do instead.
        why: String,
    },
    /// A listening socket, whose descriptor comes with the word.
    Door {
        /// Which.
        door: Door,
    },
    /// What the checks know.
    Checks {
        /// Some of the servers.
        targets: Vec<KeptCheck>,
    },
    /// What operators have ordered.
    Orders {
        /// Servers that stand otherwise than configured.
        servers: Vec<Order>,
    },
    /// The virtual routers that run.
    Routers {
        /// All of them.
        routers: Vec<Router>,
    },
    /// That was all.
    Complete,
    /// The new daemon is to accept, and to go on in these roles.
    Go {
        /// Of all virtual routers; the old daemon stands aside.
        roles: Vec<Role>,
    },
    /// The service manager was told who is the main process now.
    Main,
    /// What became of connections that the old daemon still serves.
    Report(Box<Report>),
}

/// Where somebody may knock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Door {
    /// A `bind` entry.
    Listener(SocketAddr),
    /// The control socket.
    Control(PathBuf),
    /// The admin address.
    Admin(SocketAddr),
    /// HAProxy's runtime socket.
    Haproxy(PathBuf),
}

/// What a daemon tells of itself after it was replaced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// All that it and those before it have counted.
    pub(super) counters: Counters,
    /// Itself, and those before it that still serve; the newest first.
    pub(super) formers: Vec<FormerDaemon>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_daemons_speak_the_newest_version_that_both_know() {
        assert_eq!(common(OLDEST, NEWEST), Some(NEWEST));
        assert_eq!(common(OLDEST, NEWEST + 3), Some(NEWEST));
        assert_eq!(common(NEWEST + 1, NEWEST + 3), None);
        assert_eq!(common(0, OLDEST - 1), None);
    }

    #[test]
    fn words_are_read_as_they_were_written() {
        let words = [
            ToNew::Welcome { protocol: 1 },
            ToNew::Door { door: Door::Listener("127.0.0.1:80".parse().unwrap()) },
            ToNew::Door { door: Door::Control("/run/halb/admin.sock".into()) },
            ToNew::Complete,
            ToNew::Report(Box::default()),
        ];
        for word in words {
            let text = serde_json::to_vec(&word).unwrap();
            assert_eq!(serde_json::from_slice::<ToNew>(&text).unwrap(), word);
        }
    }

    #[test]
    fn a_field_of_a_later_version_is_no_obstacle() {
        let word = br#"{"word":"stop","patience_ms":5,"and":"more"}"#;
        let word: ToOld = serde_json::from_slice(word).unwrap();
        assert_eq!(word, ToOld::Stop { patience_ms: 5 });
    }
}
