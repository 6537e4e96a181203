//! What the names of servers stand for.

use std::fmt::Write as _;

use halb_config::settings::NamedServer;
use halb_resolver::name;
use serde::{Deserialize, Serialize};

use super::notices::Severity;
use super::text::WIDTH;
use super::words::{plain, span, wrap};
use super::{Backend, Server};

/// What the name of a server stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// The name and the port, as the configuration has them.
    pub name: String,
    /// The address in use; none: the server is down for want of one.
    pub address: Option<String>,
    /// Time since the address was another one; none: there is none.
    pub since_seconds: Option<f64>,
    /// What the last answer was; none: there was none yet.
    pub last_answer: Option<String>,
    /// Time since the last answer.
    pub last_answer_ago_seconds: Option<f64>,
    /// For how long answers have held no address; none: the last one did.
    pub doubted_seconds: Option<f64>,
    /// Answers with an address.
    pub answers: u64,
    /// Answers without.
    pub failures: u64,
    /// Changes of the address, the first one included.
    pub changes: u64,
}

/// The name of one server, out of what the resolver tells of it.
#[must_use]
pub fn view(server: &NamedServer, status: &name::Status) -> Resolution {
    Resolution {
        name: format!("{}:{}", server.question.host, server.port),
        address: status.address.map(|(address, _)| address.to_string()),
        since_seconds: status.address.map(|(_, since)| since.as_secs_f64()),
        last_answer: status.last.as_ref().map(|(what, _)| what.clone()),
        last_answer_ago_seconds: status.last.as_ref().map(|(_, ago)| ago.as_secs_f64()),
        doubted_seconds: status.doubted.map(|since| since.as_secs_f64()),
        answers: status.answers,
        failures: status.failures,
        changes: status.changes,
    }
}

impl Resolution {
    /// The last answer, or that there was none.
    fn last(&self) -> &str {
        self.last_answer.as_deref().unwrap_or("no answer yet")
    }

    /// What is unusual about it, for a server that is called `who`.
    pub(super) fn notice(&self, who: &str) -> Option<(Severity, String)> {
        let (name, last) = (&self.name, self.last());
        match (&self.address, self.doubted_seconds) {
            (None, _) => {
                Some((Severity::Warning, format!("{who} is DOWN: {name} has no address: {last}")))
            }
            (Some(address), Some(since)) => Some((
                Severity::Warning,
                format!("{who} keeps {address}; {name} is in doubt for {}: {last}", span(since)),
            )),
            (Some(_), None) => None,
        }
    }

    /// One sentence: the address, since when, and the last answer.
    #[must_use]
    pub fn sentence(&self) -> String {
        let stands = match (&self.address, self.since_seconds) {
            (Some(address), Some(since)) => {
                format!("{} is {address} for {}", self.name, span(since))
            }
            (_, _) => format!("{} has no address", self.name),
        };
        match self.last_answer_ago_seconds {
            Some(ago) => format!("{stands}; answered {} ago: {}", span(ago), self.last()),
            None => format!("{stands}; {}", self.last()),
        }
    }
}

/// What a row says in place of a check, for a server that has no address.
pub(super) fn in_place_of_check(server: &Server) -> Option<&str> {
    let resolution = server.resolution.as_ref().filter(|resolution| resolution.address.is_none());
    resolution.map(Resolution::last)
}

/// A line for each server of a backend that has a name.
pub(super) fn push_lines(backend: &Backend, out: &mut String) {
    for server in &backend.servers {
        let Some(resolution) = &server.resolution else { continue };
        let text = format!("{}: {}", server.name, resolution.sentence());
        for line in wrap(&plain(&text), WIDTH - 2, 2).lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::status::{samples, text};

    /// The screen, each blank and each end of a line a single blank.
    fn screen() -> String {
        let screen = text::render(&samples::named().status(), text::Colour::Plain);
        screen.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_name_tells_its_address_since_when_and_what_was_last_answered() {
        let told = "kmaster1: master01.example:6443 is 172.16.16.101 for 2 h 5 min; answered 12 s \
                    ago: 172.16.16.101 (for 60 s)";
        assert!(screen().contains(told), "{}", screen());
    }

    #[test]
    fn a_server_without_an_address_says_why() {
        let told = "! kmaster2 of masters is DOWN: master02.example:6443 has no address: there is \
                    no such name";
        assert!(screen().contains(told), "{}", screen());
        assert!(screen().contains("kmaster2 master02.example:6443 DOWN"), "{}", screen());
    }

    #[test]
    fn a_name_in_doubt_is_named_with_what_is_kept() {
        let told = "! kmaster3 of masters keeps 172.16.16.103; master03.example:6443 is in doubt \
                    for 1 min 30 s: name server 172.16.16.2:53: no answer in time";
        assert!(screen().contains(told), "{}", screen());
    }
}
