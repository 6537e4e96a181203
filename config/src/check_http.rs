//! Reads the keys of a check over HTTP.

use std::ops::RangeInclusive;

use halb_healthcheck::config::HttpProbe;
use toml::de::DeValue;

use crate::defaults;
use crate::diagnostic::Diagnostic;
use crate::reader::{Entry, Table};

/// Most further headers of a request: servers refuse many more.
const HEADERS_MAX: usize = 64;

/// Longest path, header or text to look for, in bytes: what servers take in a line of a request.
const TEXT_LEN_MAX: usize = 1024;

/// Statuses that HTTP knows.
const STATUSES: RangeInclusive<u16> = 100..=599;

/// Reads the request and what counts as a good answer. None: something of it is wrong.
pub(super) fn read(table: &Table<'_>) -> Option<HttpProbe> {
    let path = read_path(table);
    let method = read_method(table);
    let host = read_host(table);
    let headers = read_headers(table);
    let expect_status = read_statuses(table);
    let expect_body = read_body(table);
    let bearer_token_file = table.file("bearer_token_file");
    Some(HttpProbe {
        method: method?,
        path: path?,
        host: host?,
        headers: headers?,
        bearer_token_file,
        expect_status: expect_status?,
        expect_body,
    })
}

fn report(table: &Table<'_>, entry: &Entry<'_>, what: String, remedy: &str) {
    table.sink.report(Diagnostic::error(entry.span.clone(), what).remedy(remedy));
}

/// A text of a request line or a header: visible ASCII.
fn is_visible(text: &str) -> bool {
    (1..=TEXT_LEN_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A token of HTTP (RFC 9110, section 5.6.2): methods and header names.
fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=TEXT_LEN_MAX).contains(&text.len()) && text.bytes().all(token)
}

fn read_path(table: &Table<'_>) -> Option<String> {
    if !table.has("path") {
        return Some("/".to_owned());
    }
    let (path, entry) = table.text("path")?;
    if path.starts_with('/') && is_visible(path) && !path.contains('#') {
        return Some(path.to_owned());
    }
    let remedy =
        match path.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])) {
            Some(path) => format!("write the path alone, \"{path}\""),
            None if is_visible(path) && !path.starts_with('/') => format!("write \"/{path}\""),
            None => "write a path from its '/', without spaces (as %20) and '#'".to_owned(),
        };
    report(table, &entry, format!("\"{path}\" is no path"), &remedy);
    None
}

fn read_method(table: &Table<'_>) -> Option<String> {
    if !table.has("method") {
        return Some("GET".to_owned());
    }
    let (method, entry) = table.text("method")?;
    if is_token(method) && method.to_ascii_uppercase() == method && method != "CONNECT" {
        return Some(method.to_owned());
    }
    let upper = method.to_ascii_uppercase();
    let remedy = if is_token(method) && upper != "CONNECT" {
        format!("write \"{upper}\"; methods are in capitals")
    } else {
        "write \"GET\", \"HEAD\" or \"OPTIONS\"".to_owned()
    };
    report(table, &entry, format!("\"{method}\" is no method for a check"), &remedy);
    None
}

fn read_host(table: &Table<'_>) -> Option<Option<String>> {
    if !table.has("host") {
        return Some(None);
    }
    let (host, entry) = table.text("host")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b);
    if is_visible(host) && host.bytes().all(plain) {
        return Some(Some(host.to_owned()));
    }
    report(
        table,
        &entry,
        format!("\"{host}\" is no host"),
        "write a name such as \"api.example.com\"",
    );
    None
}

fn read_headers(table: &Table<'_>) -> Option<Vec<(String, String)>> {
    let Some(entry) = table.get("headers") else { return Some(Vec::new()) };
    let DeValue::Table(_) = entry.value else {
        table.report_type(entry, "a table of texts", None);
        return None;
    };
    let entries = table.entries_by_name(entry);
    if entries.len() > HEADERS_MAX {
        let what = format!("'{}' holds more than {HEADERS_MAX} headers", entry.path);
        report(table, entry, what, "send fewer; servers refuse large requests");
        return None;
    }
    let headers: Vec<_> = entries.iter().filter_map(|header| read_header(table, header)).collect();
    (headers.len() == entries.len()).then_some(headers)
}

fn read_header(table: &Table<'_>, header: &Entry<'_>) -> Option<(String, String)> {
    let value = table.text_of(header)?;
    let name = header.key;
    let wrong = |what: String, remedy: &str| {
        table.sink.report(Diagnostic::error(header.key_span.clone(), what).remedy(remedy));
    };
    let lower = name.to_ascii_lowercase();
    if lower == "host" {
        wrong("the Host header has a key of its own".into(), "write `host = \"…\"` in the check");
        return None;
    }
    if lower == "authorization" && table.has("bearer_token_file") {
        wrong(
            "'bearer_token_file' already sends an Authorization header".into(),
            "remove one of them",
        );
        return None;
    }
    if ["connection", "content-length", "transfer-encoding", "upgrade"].contains(&lower.as_str()) {
        wrong(format!("halb sets '{name}' itself, where it is needed"), "remove it");
        return None;
    }
    if !is_token(name) {
        wrong(format!("\"{name}\" can't be the name of a header"), "use letters, digits and '-'");
        return None;
    }
    let good = |b: u8| b.is_ascii_graphic() || b == b' ';
    if value.len() > TEXT_LEN_MAX || !value.bytes().all(good) {
        let what = format!("the value of '{name}' can't be sent");
        report(table, header, what, "write at most 1024 visible ASCII characters");
        return None;
    }
    Some((name.to_owned(), value.to_owned()))
}

fn read_statuses(table: &Table<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    if !table.has("expect_status") {
        let (from, to) = defaults::CHECK_STATUS;
        return Some(vec![from..=to]);
    }
    let entries = table.list("expect_status")?;
    if let (true, Some(entry)) = (entries.is_empty(), table.get("expect_status")) {
        let what = format!("'{}' is empty", entry.path);
        report(table, entry, what, "write the statuses of a healthy server, such as [200]");
        return None;
    }
    let statuses: Vec<_> = entries.iter().filter_map(|entry| read_status(table, entry)).collect();
    (statuses.len() == entries.len()).then_some(statuses)
}

fn read_status(table: &Table<'_>, entry: &Entry<'_>) -> Option<RangeInclusive<u16>> {
    let text = match entry.value {
        DeValue::Integer(number) => number.to_string(),
        DeValue::String(text) => text.to_string(),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => {
            table.report_type(entry, "statuses and ranges of them", None);
            return None;
        }
    };
    let (from, to) = text.split_once('-').unwrap_or((&text, &text));
    let status = |text: &str| text.parse().ok().filter(|status| STATUSES.contains(status));
    if let (Some(from), Some(to)) = (status(from), status(to))
        && from <= to
    {
        return Some(from..=to);
    }
    let class =
        text.strip_suffix("xx").filter(|class| matches!(*class, "1" | "2" | "3" | "4" | "5"));
    let remedy = match class {
        Some(class) => format!("write \"{class}00-{class}99\""),
        None => "write a status from 100 to 599, or a range such as \"200-299\"".to_owned(),
    };
    report(table, entry, format!("{text} is no HTTP status or range of them"), &remedy);
    None
}

fn read_body(table: &Table<'_>) -> Option<String> {
    let (text, entry) = table.text("expect_body")?;
    if (1..=TEXT_LEN_MAX).contains(&text.len()) {
        return Some(text.to_owned());
    }
    let what = format!("'{}' must have 1 to {TEXT_LEN_MAX} bytes", entry.path);
    report(table, &entry, what, "write a short text that only a healthy server answers with");
    None
}
