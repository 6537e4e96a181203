//! `show sess`: open connections, in the words of HAProxy's first line about each.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// An open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// The client.
    pub client: SocketAddr,
    /// The frontend that accepted it.
    pub frontend: String,
    /// The server that it goes to, once chosen, as backend and server.
    pub server: Option<(String, String)>,
    /// Time since it was accepted, in seconds.
    pub age_seconds: u64,
}

/// The answer to `show sess`. A number that can be given to `shutdown session` comes first.
#[must_use]
pub fn show(sessions: &[Session]) -> String {
    let mut out = String::new();
    for session in sessions {
        let family = if session.client.is_ipv4() { "tcpv4" } else { "tcpv6" };
        let (client, frontend) = (session.client, &session.frontend);
        let (backend, server) = session
            .server
            .as_ref()
            .map_or(("<NONE>", "<none>"), |(backend, server)| (backend, server));
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "{:#x}: proto={family} src={client} fe={frontend} be={backend} srv={server} age={}",
            session.id,
            age(session.age_seconds),
        );
    }
    out
}

/// The number of a session as `show sess` writes it.
#[must_use]
pub fn number(word: &str) -> Option<u64> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    u64::from_str_radix(digits, 16).ok()
}

/// The two largest units, as HAProxy's `human_time`.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
        86_400.. => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_with_a_number_that_is_understood_again() {
        let mut session = Session {
            id: 0x2f,
            client: "10.0.0.9:51234".parse().unwrap(),
            frontend: "kubernetes".to_owned(),
            server: Some(("masters".to_owned(), "kmaster1".to_owned())),
            age_seconds: 3725,
        };
        let line = "0x2f: proto=tcpv4 src=10.0.0.9:51234 fe=kubernetes be=masters srv=kmaster1 \
                    age=1h2m\n";
        assert_eq!(show(&[session.clone()]), line);
        assert_eq!(number("0x2f"), Some(0x2f));
        session.server = None;
        assert!(show(&[session]).contains("be=<NONE> srv=<none>"));
        assert_eq!(number("sess"), None);
    }
}
