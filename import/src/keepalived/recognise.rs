//! What a check script does: many ask the proxy on this host, or look whether its process runs,
//! which halb knows of itself.

mod shell;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use super::words;
use crate::source::Surroundings;

/// What a script does, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Does {
    /// It asks whether somebody answers at these ports of this host.
    Asks {
        /// In order.
        ports: BTreeSet<u16>,
        /// A virtual address too, where it is held.
        at_virtual: bool,
    },
    /// It looks whether a process runs.
    Watches {
        /// Its name.
        process: String,
    },
    /// Something else, or more than that.
    More {
        /// Ends the sentence "it stays a script: …".
        because: String,
    },
    /// It can't be looked into.
    Unseen {
        /// Why.
        because: String,
    },
}

/// What the program or line of shell does that keepalived runs. `is_virtual`: an address that the
/// nodes hold in turn.
pub(super) fn look(
    line: &str,
    surroundings: &dyn Surroundings,
    is_virtual: &dyn Fn(IpAddr) -> bool,
) -> Does {
    let words = words::command(line);
    let words = shell::without_prefixes(&words);
    let Some(program) = words.first() else {
        return Does::More { because: "it is empty".to_owned() };
    };
    let judge = Judge { is_virtual };
    let name = basename(program);
    if INTERPRETERS.contains(&name) {
        return match words.get(1).map(String::as_str) {
            Some("-c") => judge.text(words.get(2).map(String::as_str).unwrap_or_default()),
            Some(file) => judge.file(file, surroundings),
            None => Does::More { because: "it runs a shell without a script".to_owned() },
        };
    }
    if shell::is_tool(name) {
        return judge.commands(&[words.to_vec()]);
    }
    match program.starts_with('/') {
        true => judge.file(program, surroundings),
        false => judge.text(line),
    }
}

const INTERPRETERS: [&str; 5] = ["sh", "bash", "dash", "ksh", "ash"];

fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

struct Judge<'a> {
    is_virtual: &'a dyn Fn(IpAddr) -> bool,
}

/// What is gathered of all commands.
#[derive(Default)]
struct Seen {
    ports: BTreeSet<u16>,
    at_virtual: bool,
    processes: BTreeSet<String>,
    more: Option<String>,
}

impl Judge<'_> {
    fn file(&self, path: &str, surroundings: &dyn Surroundings) -> Does {
        let source = match surroundings.file(Path::new(path)) {
            Ok(source) => source,
            Err(error) => return Does::Unseen { because: error.to_string() },
        };
        let first = source.text.lines().next().unwrap_or_default();
        let interpreter = first.strip_prefix("#!").map(|line| words::command(line.trim()));
        let is_shell = match interpreter {
            Some(words) => words.iter().any(|word| INTERPRETERS.contains(&basename(word))),
            // What has no such line is shell, unless it is a program of the machine's.
            None => !source.text.contains('\0'),
        };
        match is_shell {
            true => self.text(&source.text),
            false => Does::Unseen { because: format!("{path} is no shell script") },
        }
    }

    fn text(&self, text: &str) -> Does {
        match shell::read(text) {
            Some(script) => self.commands(&script),
            None => Does::Unseen { because: "it isn't plain shell".to_owned() },
        }
    }

    fn commands(&self, commands: &[Vec<String>]) -> Does {
        let mut seen = Seen::default();
        for command in commands {
            self.command(shell::without_prefixes(command), &mut seen);
        }
        if let Some(because) = seen.more {
            return Does::More { because };
        }
        match (seen.ports.is_empty(), seen.processes.pop_first()) {
            (false, _) => Does::Asks { ports: seen.ports, at_virtual: seen.at_virtual },
            (true, Some(process)) if seen.processes.is_empty() => Does::Watches { process },
            (true, Some(_)) => Does::More { because: "it looks at several processes".to_owned() },
            (true, None) => Does::More { because: "nothing in it asks for anything".to_owned() },
        }
    }

    fn command(&self, words: &[String], seen: &mut Seen) {
        let Some(name) = words.first() else { return };
        let arguments = &words[1..];
        match if name == shell::DEV_TCP { name } else { basename(name) } {
            "curl" | "wget" => self.asks(url(arguments), name, seen),
            "nc" | "ncat" | "netcat" | "telnet" => self.asks(host_and_port(arguments), name, seen),
            "openssl" => {
                let behind = arguments.iter().skip_while(|word| *word != "-connect").nth(1);
                self.asks(behind.and_then(|target| split_port(target)), name, seen);
            }
            shell::DEV_TCP => self.asks(host_and_port(arguments), name, seen),
            "killall" | "pkill" if arguments.iter().any(|word| word == "-0") => {
                watches(arguments, seen);
            }
            "pidof" | "pgrep" => watches(arguments, seen),
            "systemctl" if arguments.iter().any(|word| word == "is-active") => {
                watches(arguments, seen);
            }
            "test" | "[" | "[[" => {
                let looks =
                    |pair: &&[String]| ["-e", "-f", "-d", "-r", "-s", "-x"].contains(&&*pair[0]);
                if let Some(pair) = arguments.windows(2).find(looks) {
                    more(seen, format!("it also looks at {}", pair[1]));
                }
            }
            "ip" | "ifconfig" => {
                let shows =
                    |word: &String| !["route", "r", "rule", "link", "neigh"].contains(&&**word);
                if !arguments.iter().all(shows) {
                    more(seen, format!("it also runs '{}'", words.join(" ")));
                }
            }
            other if shell::is_harmless(other) => {}
            other => more(seen, format!("it also runs '{other}'")),
        }
    }

    fn asks(&self, target: Option<(String, u16)>, name: &str, seen: &mut Seen) {
        let Some((host, port)) = target else {
            return more(seen, format!("it can't be told whom '{name}' asks"));
        };
        let bare = host.trim_matches(['[', ']']);
        let address = bare.parse::<IpAddr>().ok();
        let is_virtual = address.is_some_and(self.is_virtual);
        let is_here = bare == "localhost"
            || address.is_some_and(|address| address.is_loopback() || address.is_unspecified());
        if !is_virtual && !is_here {
            return more(seen, format!("it asks {host}, which may be another host"));
        }
        seen.at_virtual |= is_virtual;
        seen.ports.insert(port);
    }
}

fn more(seen: &mut Seen, because: String) {
    seen.more.get_or_insert(because);
}

fn watches(arguments: &[String], seen: &mut Seen) {
    let mut names = arguments.iter().filter(|word| !word.starts_with(['-', '>', '&']));
    let name = names.rfind(|word| *word != "is-active");
    match name {
        Some(name) => {
            seen.processes.insert(basename(name.trim_end_matches(".service")).to_owned());
        }
        None => more(seen, "it can't be told which process it looks at".to_owned()),
    }
}

/// Options of curl and wget that have a value behind them.
const WITH_VALUE: [&str; 21] = [
    "-o",
    "--output",
    "-O",
    "-m",
    "--max-time",
    "--connect-timeout",
    "-w",
    "--write-out",
    "-X",
    "--request",
    "-H",
    "--header",
    "--cacert",
    "--cert",
    "--key",
    "-E",
    "-A",
    "-T",
    "-t",
    "--retry",
    "--resolve",
];

/// The host and port that a URL names.
fn url(arguments: &[String]) -> Option<(String, u16)> {
    let mut takes_value = false;
    let mut targets = Vec::new();
    for word in arguments {
        let is_value = std::mem::take(&mut takes_value);
        takes_value = WITH_VALUE.contains(&word.as_str());
        // wget's -O and curl's differ; neither is followed by a URL where one stands alone.
        if (!is_value && !word.starts_with('-')) || word.contains("://") {
            targets.push(word);
        }
    }
    let [target] = targets.as_slice() else { return None };
    let (usual, rest) = match target.split_once("://") {
        Some(("https", rest)) => (443, rest),
        Some(("http", rest)) => (80, rest),
        Some(_) => return None,
        None => (80, target.as_str()),
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    split_port(host).or_else(|| (!host.is_empty()).then(|| (host.to_owned(), usual)))
}

fn split_port(target: &str) -> Option<(String, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    let inside = host.starts_with('[') == host.ends_with(']')
        && (!host.contains(':') || host.starts_with('['));
    Some((host.to_owned(), port.parse().ok()?)).filter(|_| inside && !host.is_empty())
}

/// The last two words that are no options.
fn host_and_port(arguments: &[String]) -> Option<(String, u16)> {
    let plain: Vec<_> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let [.., host, port] = plain.as_slice() else { return None };
    Some(((*host).clone(), port.parse().ok()?))
}

#[cfg(test)]
mod tests;
