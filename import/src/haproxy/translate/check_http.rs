//! `option httpchk` and `http-check` rules: one request, and what counts as a good answer.

use super::super::parse::Line;
use super::checks::{Check, push};
use crate::document::Value;
use crate::finding::Class;

/// Longest path, header or text that halb takes, in bytes.
const TEXT_LEN_MAX: usize = 1024;

/// What `http-check connect` says.
#[derive(Debug, Default)]
pub(super) struct Connect {
    pub(super) tls: bool,
    pub(super) port: Option<u32>,
}

/// Reads `http-check connect`; `obeyed` where the check is HTTP at all.
pub(super) fn connect(check: &mut Check<'_, '_, '_>, obeyed: bool) -> Connect {
    let mut connect = Connect::default();
    let rules: Vec<_> = check.proxy.all(&["http-check", "connect"]).collect();
    for (index, rule) in rules.into_iter().enumerate() {
        let class = if !obeyed {
            Class::meaningless("the check is of another kind")
        } else if index > 0 {
            Class::lost("halb's check is one request").instead("a check of type \"script\"")
        } else {
            connect_class(rule, &mut connect, &check.path)
        };
        check.work.settle(rule, class);
    }
    connect
}

fn connect_class(rule: &Line, connect: &mut Connect, path: &str) -> Class {
    let texts = rule.texts();
    let mut words = texts.iter().skip(2);
    let mut lost = None;
    while let Some(word) = words.next() {
        match *word {
            "ssl" => connect.tls = true,
            "default" | "linger" => {}
            "port" => {
                connect.port = words.next().and_then(|port| port.parse::<u16>().ok()).map(u32::from)
            }
            "alpn" | "proto" | "comment" => {
                words.next();
            }
            other => lost = Some(other),
        }
    }
    match lost {
        Some(word) => Class::lost(format!("halb's check can't do '{word}' here"))
            .instead("`server_name` or `address` of the check"),
        None => Class::to(format!("{path}.type")),
    }
}

/// The request that is sent.
#[derive(Debug)]
struct Request {
    method: String,
    path: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
}

/// Writes the request and what is expected.
pub(super) fn request(check: &mut Check<'_, '_, '_>, option: Option<&Line>) {
    let mut request = Request {
        method: "OPTIONS".to_owned(),
        path: "/".to_owned(),
        host: None,
        headers: Vec::new(),
    };
    if let Some(option) = option {
        let class = from_option(option, &mut request, &check.path);
        check.work.settle(option, class);
    }
    let sends: Vec<_> = check.proxy.all(&["http-check", "send"]).collect();
    for (index, rule) in sends.into_iter().enumerate() {
        let class = if index > 0 {
            Class::lost("halb's check is one request").instead("a check of type \"script\"")
        } else {
            from_send(rule, &mut request, &check.path)
        };
        check.work.settle(rule, class);
    }
    for rule in check.proxy.all(&["http-check"]).collect::<Vec<_>>() {
        let class = match rule.word(1) {
            "disable-on-404" => Class::lost("a server that answers 404 is down, not drained"),
            "send-state" => Class::left_out("halb's checks tell servers nothing of their state"),
            "set-var" | "unset-var" => Class::lost("halb's checks have no variables"),
            _ => continue,
        };
        check.work.settle(rule, class);
    }
    push(&mut check.pairs, "path", request.path);
    if request.method != "GET" {
        push(&mut check.pairs, "method", request.method);
    }
    if let Some(host) = request.host {
        push(&mut check.pairs, "host", host);
    }
    if !request.headers.is_empty() {
        let pairs = request.headers.into_iter().map(|(name, value)| (name, Value::from(value)));
        push(&mut check.pairs, "headers", Value::Inline(pairs.collect()));
    }
    expectations(check);
}

/// `option httpchk`, `… URI`, `… METHOD URI`, `… METHOD URI VERSION`; headers stand behind the
/// version, after an escaped end of line.
fn from_option(line: &Line, request: &mut Request, path: &str) -> Class {
    let texts = line.texts();
    let (uri, version) = match texts.get(2..).unwrap_or_default() {
        [] => ("/", ""),
        [uri] => (*uri, ""),
        [method, uri, rest @ ..] => {
            (*method).clone_into(&mut request.method);
            (*uri, rest.first().copied().unwrap_or_default())
        }
    };
    let headers = version.split_once("\r\n").map(|(_, headers)| headers).unwrap_or_default();
    let mut lost = take_uri(uri, request);
    for header in headers.split("\r\n").filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        let refused = take_header(name.trim(), value.trim(), request);
        lost = lost.or(refused);
    }
    if let [_, _, _, _, _, host, ..] = texts.as_slice() {
        let refused = take_header("Host", host, request);
        lost = lost.or(refused);
    }
    lost.unwrap_or_else(|| Class::to(format!("{path}.path")))
}

/// `http-check send meth M uri U ver V hdr NAME VALUE body B`.
fn from_send(line: &Line, request: &mut Request, path: &str) -> Class {
    let texts = line.texts();
    let mut words = texts.iter().skip(2).copied();
    let mut lost = None;
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap_or_default();
        match word {
            "meth" => next().clone_into(&mut request.method),
            "uri" => {
                let uri = next();
                let refused = take_uri(uri, request);
                lost = lost.or(refused);
            }
            "ver" | "comment" => {
                next();
            }
            "hdr" => {
                let (name, value) = (next(), next());
                let refused = take_header(name, value, request);
                lost = lost.or(refused);
            }
            other => {
                next();
                lost = Some(Class::lost(format!("halb's check can't send '{other}'")));
            }
        }
    }
    lost.unwrap_or_else(|| Class::to(format!("{path}.path")))
}

fn is_sendable(text: &str) -> bool {
    text.len() <= TEXT_LEN_MAX && text.chars().all(|c| matches!(c, ' '..='~'))
}

fn take_uri(uri: &str, request: &mut Request) -> Option<Class> {
    if uri.starts_with('/') && is_sendable(uri) && !uri.contains(' ') && !uri.contains('#') {
        uri.clone_into(&mut request.path);
        None
    } else {
        Some(Class::lost("halb asks for a path, which begins with '/'"))
    }
}

fn take_header(name: &str, value: &str, request: &mut Request) -> Option<Class> {
    let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(token) || !is_sendable(value) {
        return Some(Class::lost("that is no header that halb could send"));
    }
    if name.eq_ignore_ascii_case("host") {
        request.host = Some(value.to_owned());
    } else if matches!(name.to_ascii_lowercase().as_str(), "connection" | "content-length") {
        return None;
    } else {
        request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    None
}

/// `http-check expect`, of which all must hold.
fn expectations(check: &mut Check<'_, '_, '_>) {
    let rules: Vec<_> = check.proxy.all(&["http-check", "expect"]).collect();
    let mut status: Option<Vec<Value>> = None;
    let mut body: Option<String> = None;
    for rule in &rules {
        let texts = rule.texts();
        let class = match expected(texts.get(2..).unwrap_or_default()) {
            Expected::Status(ranges) if status.is_none() => {
                status = Some(ranges.into_iter().map(range).collect());
                Class::to(format!("{}.expect_status", check.path))
            }
            Expected::Text(text) if body.is_none() => {
                body = Some(text);
                Class::to(format!("{}.expect_body", check.path))
            }
            Expected::Status(_) | Expected::Text(_) => {
                Class::lost("halb expects one list of statuses and one text")
            }
            Expected::Nothing(why) => Class::lost(why),
        };
        check.work.settle(rule, class);
    }
    // A text that is expected takes the place of the statuses that are expected otherwise.
    if body.is_some() && status.is_none() {
        status = Some(vec![Value::from("100-599")]);
    }
    if let Some(status) = status {
        push(&mut check.pairs, "expect_status", Value::Array(status));
    }
    if let Some(body) = body {
        push(&mut check.pairs, "expect_body", body);
    }
}

/// What an answer must be.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// From and to, both inclusive.
    Status(Vec<(u16, u16)>),
    Text(String),
    /// Nothing that halb could look for; ends a sentence.
    Nothing(String),
}

fn range((from, to): (u16, u16)) -> Value {
    if from == to { Value::Integer(from.into()) } else { Value::from(format!("{from}-{to}")) }
}

fn expected(words: &[&str]) -> Expected {
    let mut words = words.iter().copied();
    let mut negated = false;
    while let Some(word) = words.next() {
        match word {
            "min-recv" | "comment" | "ok-status" | "error-status" | "tout-status"
            | "on-success" | "on-error" | "status-code" => {
                words.next();
            }
            "!" => negated = true,
            "status" | "rstatus" => {
                let pattern = words.next().unwrap_or_default();
                let found = if word == "status" { ranges(pattern) } else { matching(pattern) };
                return match found {
                    Some(ranges) if negated => Expected::Status(others(&ranges)),
                    Some(ranges) => Expected::Status(ranges),
                    None => Expected::Nothing(format!("'{pattern}' can't be written as statuses")),
                };
            }
            "string" if !negated => {
                let text = words.next().unwrap_or_default();
                let plain = !text.is_empty() && text.len() <= TEXT_LEN_MAX;
                return if plain && !text.chars().any(char::is_control) {
                    Expected::Text(text.to_owned())
                } else {
                    Expected::Nothing("halb looks for a text of 1 to 1024 bytes".to_owned())
                };
            }
            other => {
                let not = if negated { "the absence of " } else { "" };
                return Expected::Nothing(format!("halb's check can't expect {not}'{other}'"));
            }
        }
    }
    Expected::Nothing("it expects nothing".to_owned())
}

/// `200`, `200-399`, `200,204,300-302`.
fn ranges(pattern: &str) -> Option<Vec<(u16, u16)>> {
    let status = |text: &str| text.parse::<u16>().ok().filter(|s| (100..=599).contains(s));
    let part = |part: &str| match part.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (status(from)?, status(to)?);
            (from <= to).then_some((from, to))
        }
        None => status(part).map(|status| (status, status)),
    };
    pattern.split(',').map(part).collect()
}

/// The statuses that a simple regular expression matches: `^2`, `2..`, `[23][0-9][0-9]`,
/// `(2|3)[0-9][0-9]`. None: it isn't simple.
fn matching(pattern: &str) -> Option<Vec<(u16, u16)>> {
    let mut rest = pattern.strip_prefix('^').unwrap_or(pattern);
    rest = rest.strip_suffix('$').unwrap_or(rest);
    let mut digits: Vec<Vec<u8>> = Vec::new();
    while !rest.is_empty() {
        let (these, left) = digit(rest)?;
        digits.push(these);
        rest = left;
    }
    let anchored = pattern.starts_with('^') || digits.len() == 3;
    if !anchored || digits.is_empty() || digits.len() > 3 {
        return None;
    }
    let fits = |status: &u16| {
        let text = status.to_string();
        digits.iter().zip(text.bytes()).all(|(these, digit)| these.contains(&digit))
    };
    let found = joined((100..=599).filter(fits));
    (!found.is_empty()).then_some(found)
}

/// One digit of a pattern: which it may be, and what follows.
fn digit(pattern: &str) -> Option<(Vec<u8>, &str)> {
    let any = || (b'0'..=b'9').collect::<Vec<_>>();
    if let Some(left) = pattern.strip_prefix("\\d").or_else(|| pattern.strip_prefix('.')) {
        return Some((any(), left));
    }
    if let Some((inner, left)) = pattern.strip_prefix('[').and_then(|p| p.split_once(']')) {
        let these = match inner.as_bytes() {
            [from, b'-', to] if from.is_ascii_digit() && to.is_ascii_digit() => {
                (*from..=*to).collect()
            }
            digits if digits.iter().all(u8::is_ascii_digit) => digits.to_vec(),
            _ => return None,
        };
        return Some((these, left));
    }
    if let Some((inner, left)) = pattern.strip_prefix('(').and_then(|p| p.split_once(')')) {
        let one = |part: &str| match part.as_bytes() {
            [digit] if digit.is_ascii_digit() => Some(*digit),
            _ => None,
        };
        return Some((inner.split('|').map(one).collect::<Option<_>>()?, left));
    }
    let first = *pattern.as_bytes().first()?;
    first.is_ascii_digit().then(|| (vec![first], pattern.get(1..).unwrap_or_default()))
}

/// The statuses that aren't in some ranges.
fn others(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let outside = |status: &u16| !ranges.iter().any(|(from, to)| (from..=to).contains(&status));
    joined((100..=599).filter(outside))
}

/// Ascending numbers as ranges.
fn joined(statuses: impl Iterator<Item = u16>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for status in statuses {
        match ranges.last_mut() {
            Some((_, to)) if *to + 1 == status => *to = status,
            Some(_) | None => ranges.push((status, status)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(words: &str) -> Option<Vec<(u16, u16)>> {
        match expected(&words.split(' ').collect::<Vec<_>>()) {
            Expected::Status(ranges) => Some(ranges),
            Expected::Text(_) | Expected::Nothing(_) => None,
        }
    }

    #[test]
    fn expected_statuses_are_written_as_ranges() {
        assert_eq!(statuses("status 200"), Some(vec![(200, 200)]));
        assert_eq!(statuses("comment x status 200-399,401"), Some(vec![(200, 399), (401, 401)]));
        assert_eq!(statuses("! status 500"), Some(vec![(100, 499), (501, 599)]));
        assert_eq!(statuses("rstatus ^2"), Some(vec![(200, 299)]));
        assert_eq!(statuses("rstatus (2|3)[0-9][0-9]"), Some(vec![(200, 399)]));
        assert_eq!(statuses("rstatus ^20[0-4]$"), Some(vec![(200, 204)]));
        assert_eq!(statuses("! rstatus ^5"), Some(vec![(100, 499)]));
        for odd in ["rstatus 2", "rstatus ^(200|301)$", "rstatus .*", "status x", "status 9", ""] {
            assert_eq!(statuses(odd), None, "{odd}");
        }
        assert_eq!(expected(&["string", "ok"]), Expected::Text("ok".to_owned()));
        assert!(matches!(expected(&["!", "string", "ok"]), Expected::Nothing(_)));
    }
}
