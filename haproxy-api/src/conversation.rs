//! One client of the runtime socket: which commands it gives, and what it is told.
//!
//! A client that says nothing special gets one answer for each command of its line, and is let go.
//! `prompt` keeps it until it leaves. Each answer ends with an empty line, or with the prompt.

mod server;

use std::time::Duration;

use crate::help;
use crate::picture::{Admin, Picture};
use crate::stat::{Format, Wanted};
use crate::words::{Words, announces_payload, split};
use crate::{info, servers, sessions, stat};

/// What a client may do (HAProxy's `level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Look at figures.
    User,
    /// Look at everything.
    Operator,
    /// Change servers and end sessions.
    Admin,
}

impl Level {
    /// HAProxy's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Something to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// What the operator wants of a server.
    Admin {
        /// The backend's name.
        backend: String,
        /// The server's name.
        server: String,
        /// What is wanted.
        admin: Admin,
    },
    /// A server's weight.
    Weight {
        /// The backend's name.
        backend: String,
        /// The server's name.
        server: String,
        /// 0 to 256.
        weight: u16,
    },
    /// Ends all sessions at a server.
    EndSessions {
        /// The backend's name.
        backend: String,
        /// The server's name.
        server: String,
    },
    /// Ends the session of this number.
    EndSession(u64),
    /// Lists open sessions; [`sessions::show`] makes the answer.
    ListSessions,
    /// Forgets highest values.
    ClearMaxima,
}

/// What comes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A text, with its end of line; nothing where a command was simply done.
    Text(String),
    /// An order; what came of it is the answer.
    Order(Order),
    /// The client leaves.
    Leave,
}

/// What HAProxy says of a session that there isn't.
pub const NO_SUCH_SESSION: &str = "No such session (use 'show sess').\n";

/// How long a client may say nothing (HAProxy's `stats timeout`).
const SILENCE: Duration = Duration::from_secs(10);

/// Longest that a client may ask for.
const SILENCE_MAX: Duration = Duration::from_secs(24 * 3600);

/// One client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    level: Level,
    prompting: bool,
    silence: Duration,
    /// The command whose data are being skipped.
    payload_of: Option<String>,
}

impl Conversation {
    /// A client that may do so much.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self { level, prompting: false, silence: SILENCE, payload_of: None }
    }

    /// The client stays after its line was answered.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.prompting || self.payload_of.is_some()
    }

    /// How long it may say nothing.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.silence
    }

    /// What ends an answer.
    #[must_use]
    pub fn end(&self) -> &'static str {
        if self.prompting { "\n> " } else { "\n" }
    }

    /// Takes a line, without its end; what comes out is to be answered in order.
    #[must_use]
    pub fn hear(&mut self, line: &str) -> Vec<Words> {
        if let Some(command) = self.payload_of.take() {
            if line.trim().is_empty() {
                return split(&command);
            }
            self.payload_of = Some(command);
            return Vec::new();
        }
        if announces_payload(line) {
            self.payload_of = Some(line.trim_end().trim_end_matches("<<").to_owned());
            return Vec::new();
        }
        split(line)
    }

    /// Answers one command.
    #[must_use]
    pub fn answer(&mut self, words: &Words, picture: &Picture) -> Answer {
        let said: Vec<&str> = words.iter().map(String::as_str).collect();
        match said.as_slice() {
            ["prompt", ..] => {
                self.prompting = !self.prompting;
                return Answer::Text(String::new());
            }
            ["quit", ..] => return Answer::Leave,
            ["help", ..] => {
                return Answer::Text(help::help(words.get(1..).unwrap_or_default(), self.level));
            }
            _ => {}
        }
        let Some(known) = help::find(words) else {
            return Answer::Text(help::unknown(words, self.level));
        };
        if self.level < known.level {
            return text("Permission denied\n");
        }
        let arguments = said.get(known.words.len()..).unwrap_or_default();
        self.known(known.words, arguments, picture)
    }

    fn known(&mut self, command: &[&str], arguments: &[&str], picture: &Picture) -> Answer {
        let first = arguments.first().copied();
        match command {
            ["show", "stat"] => Answer::Text(show_stat(arguments, picture)),
            ["show", "info"] => Answer::Text(info::show(picture, format(arguments))),
            ["show", "version"] => Answer::Text(picture.process.told_version() + "\n"),
            ["show", "backend"] => Answer::Text(servers::backends(picture)),
            ["show", "servers", "state"] => backend_or_none(servers::state(picture, first)),
            ["show", "servers", "conn"] => backend_or_none(servers::connections(picture, first)),
            ["show", "cli", "level"] => Answer::Text(format!("{}\n", self.level.word())),
            ["show", "sess"] => Answer::Order(Order::ListSessions),
            ["clear", "counters"] => Answer::Order(Order::ClearMaxima),
            ["shutdown", "session"] => end_session(first),
            ["operator"] => self.lower(Level::Operator),
            ["user"] => self.lower(Level::User),
            ["set", "timeout"] => self.set_timeout(arguments),
            other => server::answer(other, arguments, picture),
        }
    }

    fn lower(&mut self, level: Level) -> Answer {
        self.level = self.level.min(level);
        Answer::Text(String::new())
    }

    fn set_timeout(&mut self, arguments: &[&str]) -> Answer {
        match arguments {
            ["cli"] => text("Expects an integer value.\n"),
            ["cli", delay, ..] => match seconds(delay) {
                Some(silence) => {
                    self.silence = silence.min(SILENCE_MAX);
                    Answer::Text(String::new())
                }
                None => text("Invalid timeout value.\n"),
            },
            [] | [_, ..] => text("'set timeout' only supports 'cli'.\n"),
        }
    }
}

fn text(text: &str) -> Answer {
    Answer::Text(text.to_owned())
}

fn backend_or_none(listed: Option<String>) -> Answer {
    Answer::Text(listed.unwrap_or_else(|| "Can't find backend.\n".to_owned()))
}

fn end_session(number: Option<&str>) -> Answer {
    match number.map(sessions::number) {
        None => text("Session pointer expected (use 'show sess').\n"),
        Some(None) => text(NO_SUCH_SESSION),
        Some(Some(number)) => Answer::Order(Order::EndSession(number)),
    }
}

/// `[{<iid>|<proxy>} <type> <sid>] [desc|json|no-maint|typed|up]*`; words that say nothing are
/// passed over.
fn show_stat(arguments: &[&str], picture: &Picture) -> String {
    let mut wanted = Wanted::default();
    if let [proxy, kinds, server, ..] = arguments {
        let number = |word: &str| word.parse::<i64>().unwrap_or(0);
        let named = picture.proxies.iter().position(|one| one.name == *proxy);
        wanted.proxy = match named {
            Some(index) => i64::try_from(crate::rows::proxy_number(index)).unwrap_or(i64::MAX),
            None => number(proxy),
        };
        if wanted.proxy == 0 {
            return "No such proxy.\n".to_owned();
        }
        wanted.kinds = number(kinds);
        wanted.server = number(server);
    }
    wanted.format = format(arguments);
    wanted.up_only = arguments.contains(&"up");
    wanted.no_maintenance = arguments.contains(&"no-maint");
    wanted.described = arguments.contains(&"desc");
    stat::show(picture, &wanted)
}

/// The last word that names a format counts.
fn format(arguments: &[&str]) -> Format {
    let named = arguments.iter().rev().find_map(|word| match *word {
        "typed" => Some(Format::Typed),
        "json" => Some(Format::Json),
        _ => None,
    });
    named.unwrap_or(Format::Plain)
}

/// A time as HAProxy's command line takes it: a number with a unit, seconds where there is none.
fn seconds(word: &str) -> Option<Duration> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = word.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.saturating_mul(milliseconds)))
}

#[cfg(test)]
mod tests;
