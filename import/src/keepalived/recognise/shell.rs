//! Just so much shell as check scripts consist of: simple commands, variables, quotes, `$(…)`.
//!
//! It isn't meant to run anything: which commands there are matters, not in which order or on what
//! condition.

use std::collections::HashMap;

/// Most characters of a script that are looked at; check scripts are a few lines.
const LENGTH_MAX: usize = 16 * 1024;

/// How deep `$(…)` stand in each other.
const DEPTH_MAX: usize = 8;

/// The command that a redirection to `/dev/tcp/HOST/PORT` stands for.
pub(super) const DEV_TCP: &str = "(/dev/tcp)";

/// Words of the language that come before a command.
const KEYWORDS: [&str; 17] = [
    "if", "then", "elif", "else", "fi", "for", "do", "done", "while", "until", "case", "esac",
    "in", "!", "{", "}", "function",
];

/// Commands that change nothing and ask nobody.
const HARMLESS: [&str; 27] = [
    "echo", "printf", "exit", "return", "true", "false", ":", "grep", "egrep", "fgrep", "awk",
    "sed", "cut", "wc", "tr", "head", "tail", "hostname", "set", "shift", "sleep", "logger",
    "date", "ps", "break", "continue", "trap",
];

/// Commands that are looked at by themselves.
const TOOLS: [&str; 13] = [
    "curl",
    "wget",
    "nc",
    "ncat",
    "netcat",
    "telnet",
    "openssl",
    "killall",
    "pkill",
    "pidof",
    "pgrep",
    "systemctl",
    "test",
];

pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
}

pub(super) fn is_tool(name: &str) -> bool {
    TOOLS.contains(&name)
}

/// A command without what only changes how it runs: `timeout 4.9`, `sudo`, `exec`.
pub(super) fn without_prefixes(words: &[String]) -> &[String] {
    let mut rest = words;
    while let Some(first) = rest.first() {
        let name = first.rsplit('/').next().unwrap_or(first);
        let skipped = match name {
            "timeout" => {
                let options = rest.iter().skip(1).take_while(|word| word.starts_with('-')).count();
                options + 2
            }
            "sudo" | "exec" | "env" | "command" | "nice" | "busybox" => 1,
            _ if KEYWORDS.contains(&name) => 1,
            _ => break,
        };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    rest
}

/// The simple commands of a script, with the variables that it sets itself put in. None: it is too
/// long, or a quote stays open.
pub(super) fn read(text: &str) -> Option<Vec<Vec<String>>> {
    let chars: Vec<char> = text.chars().take(LENGTH_MAX + 1).collect();
    if chars.len() > LENGTH_MAX {
        return None;
    }
    let mut reader = Reader::default();
    reader.script(&chars, 0)?;
    let functions = reader.functions.clone();
    let calls_own = |command: &Vec<String>| {
        without_prefixes(command).first().is_some_and(|name| functions.contains(name))
    };
    reader.commands.retain(|command| !calls_own(command));
    Some(reader.commands)
}

#[derive(Default)]
struct Reader {
    commands: Vec<Vec<String>>,
    variables: HashMap<String, String>,
    functions: Vec<String>,
}

impl Reader {
    fn script(&mut self, chars: &[char], depth: usize) -> Option<()> {
        let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            at += 1;
            match c {
                '\\' => {
                    match chars.get(at) {
                        // The line goes on.
                        Some('\n') | None => {}
                        Some(next) => word.get_or_insert_default().push(*next),
                    }
                    at += 1;
                }
                '\'' => {
                    let end = at + chars.get(at..)?.iter().position(|c| *c == '\'')?;
                    word.get_or_insert_default().extend(&chars[at..end]);
                    at = end + 1;
                }
                '"' => at = self.quoted(chars, at, word.get_or_insert_default(), depth)?,
                '$' => at = self.dollar(chars, at, word.get_or_insert_default(), depth)?,
                '`' => {
                    let end = at + chars.get(at..)?.iter().position(|c| *c == '`')?;
                    self.inner(&chars[at..end], depth)?;
                    word.get_or_insert_default().push_str("$()");
                    at = end + 1;
                }
                '#' if word.is_none() => {
                    let rest = chars.get(at..).unwrap_or_default();
                    at += rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
                }
                '<' | '>' => {
                    // A number before it says which descriptor, and is no argument.
                    let is_number = |word: &String| word.chars().all(|c| c.is_ascii_digit());
                    words.extend(word.take().filter(|word| !is_number(word)));
                    at = self.redirection(chars, at, depth)?;
                }
                '(' if chars.get(at) == Some(&')') => {
                    // A function's definition.
                    self.functions.extend(word.take().or_else(|| words.pop()));
                    words.clear();
                    at += 1;
                }
                ';' | '|' | '&' | '\n' | '(' | ')' => {
                    words.extend(word.take());
                    self.command(std::mem::take(&mut words));
                }
                c if c.is_whitespace() => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        self.command(words);
        Some(())
    }

    /// What stands in double quotes; returns where it ends.
    fn quoted(
        &mut self,
        chars: &[char],
        start: usize,
        into: &mut String,
        depth: usize,
    ) -> Option<usize> {
        let mut at = start;
        loop {
            let c = *chars.get(at)?;
            at += 1;
            match c {
                '"' => return Some(at),
                '\\' => {
                    into.push(*chars.get(at)?);
                    at += 1;
                }
                '$' => at = self.dollar(chars, at, into, depth)?,
                c => into.push(c),
            }
        }
    }

    /// What a dollar stands before; returns where it ends.
    fn dollar(
        &mut self,
        chars: &[char],
        start: usize,
        into: &mut String,
        depth: usize,
    ) -> Option<usize> {
        match chars.get(start) {
            Some('(') => {
                let end = closing(chars, start + 1)?;
                self.inner(&chars[start + 1..end], depth)?;
                into.push_str("$()");
                Some(end + 1)
            }
            Some('{') => {
                let end = start + chars.get(start..)?.iter().position(|c| *c == '}')?;
                let inside: String = chars[start + 1..end].iter().collect();
                let (name, default) = inside.split_once(":-").unwrap_or((&inside, ""));
                let value = self.variables.get(name).cloned();
                let unknown =
                    if default.is_empty() { format!("${name}") } else { default.to_owned() };
                into.push_str(&value.unwrap_or(unknown));
                Some(end + 1)
            }
            Some(_) | None => {
                let of_name = |c: &&char| c.is_ascii_alphanumeric() || **c == '_';
                let name: String = chars.get(start..)?.iter().take_while(of_name).collect();
                match self.variables.get(&name) {
                    Some(value) => into.push_str(value),
                    None => into.push_str(&format!("${name}")),
                }
                Some(start + name.chars().count())
            }
        }
    }

    fn inner(&mut self, chars: &[char], depth: usize) -> Option<()> {
        if depth >= DEPTH_MAX {
            return None;
        }
        self.script(chars, depth + 1)
    }

    /// Skips the target of a redirection, unless it is a connection.
    fn redirection(&mut self, chars: &[char], start: usize, depth: usize) -> Option<usize> {
        let mut at = start;
        while chars.get(at).is_some_and(|c| "<>&".contains(*c) || *c == ' ') {
            at += 1;
        }
        let mut target = String::new();
        while let Some(c) = chars.get(at) {
            match c {
                '$' => at = self.dollar(chars, at + 1, &mut target, depth)?,
                '"' => at = self.quoted(chars, at + 1, &mut target, depth)?,
                c if c.is_whitespace() || ";|&()<>".contains(*c) => break,
                c => {
                    target.push(*c);
                    at += 1;
                }
            }
        }
        if let Some(rest) = target.strip_prefix("/dev/tcp/")
            && let Some((host, port)) = rest.split_once('/')
        {
            self.commands.push(vec![DEV_TCP.to_owned(), host.to_owned(), port.to_owned()]);
        }
        Some(at)
    }

    fn command(&mut self, words: Vec<String>) {
        let mut rest = words.as_slice();
        while let Some(first) = rest.first() {
            match assignment(first) {
                Some((name, value)) => {
                    self.variables.insert(name.to_owned(), value.to_owned());
                }
                None if ["export", "local", "readonly", "declare"].contains(&first.as_str()) => {}
                None => break,
            }
            rest = &rest[1..];
        }
        if !without_prefixes(rest).is_empty() {
            self.commands.push(rest.to_vec());
        }
    }
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (starts && plain).then_some((name, value))
}

/// The parenthesis that closes one that is open.
fn closing(chars: &[char], start: usize) -> Option<usize> {
    let (mut open, mut quote) = (1_usize, None);
    for (index, c) in chars.iter().enumerate().skip(start) {
        match (quote, c) {
            (Some(end), c) if end == *c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(*c),
            (None, '(') => open += 1,
            (None, ')') => {
                open -= 1;
                if open == 0 {
                    return Some(index);
                }
            }
            (None, _) => {}
        }
    }
    None
}
