//! What is said over the control socket, by the client in [`super::client`] and by the daemon in
//! [`super::server`] alike. docs/control.md shows it for those who write clients of their own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::status::{Admin, LastReload, Status};

/// Version of the protocol. A daemon refuses others with a sentence.
pub const VERSION: u32 = 1;

/// Most sessions in one list; more are counted, not listed, so that an answer stays bounded.
pub const SESSIONS_MAX: usize = 10_000;

/// A line of either side: the version and what is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// [`VERSION`].
    pub version: u32,
    /// The request or the response.
    pub body: T,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The status tree.
    Status,
    /// What the operator wants of a server.
    ServerAdmin {
        /// `backend/server`.
        server: String,
        /// What is wanted.
        admin: Admin,
    },
    /// A server's weight until it is changed back, here or in the file; none: as configured.
    ServerWeight {
        /// `backend/server`.
        server: String,
        /// 0 to 256.
        weight: Option<u16>,
    },
    /// Open sessions, the oldest first.
    Sessions {
        /// Only those of this server, `backend/server`.
        server: Option<String>,
        /// At most so many, up to [`SESSIONS_MAX`].
        limit: usize,
    },
    /// Ends sessions at once.
    Kill {
        /// Which.
        sessions: Kill,
    },
    /// Reads the configuration file again.
    Reload,
    /// Hands over to another binary, dropping nothing.
    Upgrade {
        /// Its path; none: whatever the path of the running one names now.
        binary: Option<PathBuf>,
        /// Only if that is another file than the one that runs; else the configuration is read again.
        if_changed: bool,
    },
    /// Which events are logged, whatever the file says.
    LogLevel {
        /// The least important that is; none: as the file says.
        level: Option<Level>,
        /// For so long; none: until it is ordered otherwise.
        seconds: Option<u64>,
    },
    /// Gives the addresses of a virtual router to another node until it is to take part again.
    VipYield {
        /// Its name; none: all of them.
        instance: Option<String>,
        /// Also where no node is known that could take them.
        force: bool,
    },
    /// Lets a virtual router take part again.
    VipResume {
        /// Its name; none: all of them.
        instance: Option<String>,
    },
}

/// How important an event is, as the configuration calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something doesn't work.
    Error,
    /// Worth waking someone.
    Warn,
    /// A state changed.
    Info,
    /// For finding faults.
    Debug,
    /// Each step.
    Trace,
}

/// Sessions to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kill {
    /// The session of this number.
    Id(u64),
    /// All of this server, `backend/server`.
    Server(String),
    /// All of this frontend.
    Frontend(String),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Response {
    /// The status tree.
    Status {
        /// The tree.
        status: Box<Status>,
    },
    /// It was done.
    Done {
        /// What was done, in words.
        message: String,
    },
    /// Open sessions.
    Sessions {
        /// The list.
        sessions: Vec<Session>,
        /// All open sessions, listed or not.
        open: u64,
    },
    /// Sessions were ended.
    Killed {
        /// So many.
        count: u64,
    },
    /// The file was read again; its error, if any, says why nothing changed.
    Reloaded {
        /// What became of it.
        reload: LastReload,
    },
    /// Another binary serves.
    Upgraded {
        /// Which, in words.
        message: String,
    },
    /// What came of an order to virtual routers.
    Vip {
        /// For each that it concerned.
        outcomes: Vec<VipOutcome>,
    },
    /// Nothing was done.
    Refused {
        /// Why, and what to do instead.
        message: String,
    },
}

/// What came of an order to a virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipOutcome {
    /// Its name.
    pub instance: String,
    /// It is as ordered. False: it was to give its addresses away, and nobody took them.
    pub done: bool,
    /// The same in words.
    pub message: String,
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its number, for `halb sessions kill`.
    pub id: u64,
    /// The client's address and port.
    pub client: String,
    /// The frontend that accepted it.
    pub frontend: String,
    /// `backend/server`, once chosen.
    pub server: Option<String>,
    /// Time since it was accepted.
    pub age_seconds: f64,
    /// Time since the last byte in either direction.
    pub idle_seconds: f64,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_documented() {
        let cases = [
            (r#"{"version":1,"body":{"command":"status"}}"#, Request::Status),
            (
                r#"{"version":1,"body":{"command":"server-admin","server":"a/b","admin":"drain"}}"#,
                Request::ServerAdmin { server: "a/b".to_owned(), admin: Admin::Drain },
            ),
            (
                r#"{"version":1,"body":{"command":"kill","sessions":{"id":7}}}"#,
                Request::Kill { sessions: Kill::Id(7) },
            ),
        ];
        for (line, request) in cases {
            let envelope: Envelope<Request> = serde_json::from_str(line).unwrap();
            assert_eq!(envelope.body, request);
            assert_eq!(serde_json::to_string(&envelope).unwrap(), line);
        }
    }

    /// What the page shows: requests in its table, responses in its block.
    const DOC: &str = include_str!("../../../docs/control.md");

    #[test]
    fn each_request_of_the_page_is_understood() {
        let mut commands = Vec::new();
        for line in DOC.lines().filter(|line| line.starts_with("| `{")) {
            let request = line.split('`').nth(1).unwrap();
            let envelope: Envelope<Request> = serde_json::from_str(request).unwrap();
            assert_eq!(envelope.version, VERSION);
            assert_eq!(serde_json::to_string(&envelope).unwrap(), request);
            let value: serde_json::Value = serde_json::from_str(request).unwrap();
            commands.push(value["body"]["command"].as_str().unwrap().to_owned());
        }
        let servers = ["status", "server-admin", "server-weight", "sessions", "kill", "reload"];
        let others = ["upgrade", "vip-yield", "vip-resume", "log-level"];
        assert_eq!(commands, [&servers[..], &others[..]].concat());
    }

    #[test]
    fn each_response_of_the_page_is_what_the_daemon_says() {
        let responses: Vec<&str> = DOC.lines().filter(|line| line.contains("\"result\"")).collect();
        assert!(!responses.is_empty());
        for response in responses {
            let envelope: Envelope<Response> = serde_json::from_str(response).unwrap();
            assert_eq!(serde_json::to_string(&envelope).unwrap(), response);
        }
    }

    #[test]
    fn a_request_with_an_unknown_field_is_not_half_understood() {
        let line = r#"{"command":"server-weight","server":"a/b","weight":1,"for":"1h"}"#;
        assert!(serde_json::from_str::<Request>(line).is_err());
    }
}
