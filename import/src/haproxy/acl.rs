//! ACLs and the conditions of rules, as far as halb has a counterpart: client addresses and TLS
//! server names (HAProxy's configuration manual, §7).

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use ipnet::IpNet;

use super::model::Proxy;
use super::parse::Line;
use super::words::Word;
use super::work::Work;

/// A name that a TLS client may ask for; addresses aren't asked for.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(label) && name.parse::<IpAddr>().is_err()
}

/// What one criterion tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// The client's address is within one of these.
    Source(Vec<IpNet>),
    /// The client asks for one of these names; `*.example.com` stands for all below.
    ServerName(Vec<String>),
    /// The client speaks TLS.
    TlsHello,
    /// Always true.
    Always,
    /// Something that halb can't ask; ends the sentence "because …".
    Other(String),
}

/// A test, possibly negated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) negated: bool,
    pub(super) test: Test,
}

/// When a rule applies.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition<'a> {
    /// Any of these, of which all terms hold. None at all: always.
    pub(super) clauses: Vec<Vec<Term>>,
    /// It applies when the clauses don't.
    pub(super) unless: bool,
    /// The `acl` lines that it names.
    pub(super) acls: Vec<&'a Line>,
}

impl Condition<'_> {
    /// It applies to everyone.
    pub(super) fn is_always(&self) -> bool {
        let always = |term: &Term| !term.negated && term.test == Test::Always;
        self.clauses.is_empty()
            || (!self.unless && self.clauses.iter().any(|clause| clause.iter().all(always)))
    }

    /// Whether only client addresses are tested: within (true) or outside of (false) which.
    pub(super) fn source(&self) -> Option<(bool, Vec<IpNet>)> {
        let nets = |negated: bool| {
            let mut all = Vec::new();
            for term in self.clauses.iter().flatten() {
                match &term.test {
                    Test::Source(nets) if term.negated == negated => all.extend(nets.clone()),
                    Test::Source(_)
                    | Test::ServerName(_)
                    | Test::TlsHello
                    | Test::Always
                    | Test::Other(_) => return None,
                }
            }
            (!all.is_empty()).then_some(all)
        };
        let one_of = self.clauses.iter().all(|clause| clause.len() == 1);
        if one_of && let Some(nets) = nets(false) {
            return Some((!self.unless, nets));
        }
        match self.clauses.as_slice() {
            [_] => nets(true).map(|nets| (self.unless, nets)),
            _ => None,
        }
    }

    /// The server names that it asks for, if it asks for nothing else.
    pub(super) fn server_names(&self) -> Option<Vec<String>> {
        if self.unless || self.clauses.is_empty() {
            return None;
        }
        let mut all = Vec::new();
        for clause in &self.clauses {
            let mut names = None;
            for term in clause {
                match &term.test {
                    Test::ServerName(found) if !term.negated && names.is_none() => {
                        names = Some(found.clone());
                    }
                    Test::TlsHello | Test::Always if !term.negated => {}
                    Test::ServerName(_)
                    | Test::TlsHello
                    | Test::Always
                    | Test::Source(_)
                    | Test::Other(_) => return None,
                }
            }
            all.extend(names?);
        }
        Some(all)
    }

    /// Whether it asks for TLS and nothing else: applies to TLS (true) or to all else (false).
    pub(super) fn tls(&self) -> Option<bool> {
        match self.clauses.as_slice() {
            [clause] => match clause.as_slice() {
                [Term { negated, test: Test::TlsHello }] => Some(*negated == self.unless),
                _ => None,
            },
            _ => None,
        }
    }

    /// Why it can't be translated; ends a sentence.
    pub(super) fn obstacle(&self) -> String {
        let other = self.clauses.iter().flatten().find_map(|term| match &term.test {
            Test::Other(why) => Some(why.clone()),
            Test::Source(_) | Test::ServerName(_) | Test::TlsHello | Test::Always => None,
        });
        other.unwrap_or_else(|| "halb has no such combination of tests".to_owned())
    }
}

/// Reads what stands behind a rule's action: `if …`, `unless …` or nothing.
pub(super) fn condition<'a>(
    words: &'a [Word],
    proxy: &Proxy<'a>,
    work: &Work<'_>,
) -> Condition<'a> {
    let mut condition = Condition::default();
    let Some((first, rest)) = words.split_first() else { return condition };
    match first.text.as_str() {
        "if" => {}
        "unless" => condition.unless = true,
        other => {
            let test = Test::Other(format!("halb knows no '{other}'"));
            condition.clauses.push(vec![Term { negated: false, test }]);
            return condition;
        }
    }
    let mut clause = Vec::new();
    let mut negated = false;
    let mut at = 0;
    while let Some(word) = rest.get(at) {
        at += 1;
        let text = word.text.as_str();
        let test = match text {
            "or" | "||" => {
                condition.clauses.push(std::mem::take(&mut clause));
                continue;
            }
            "!" => {
                negated = !negated;
                continue;
            }
            "{" | "!{" => {
                negated ^= text.starts_with('!');
                let inner = rest.get(at..).unwrap_or_default();
                let end = inner.iter().position(|word| word.text == "}");
                let end = end.unwrap_or(inner.len());
                at += end + 1;
                test_of(inner.get(..end).unwrap_or_default(), work)
            }
            name => {
                negated ^= name.starts_with('!');
                named(name.trim_start_matches('!'), proxy, &mut condition.acls, work)
            }
        };
        clause.push(Term { negated: std::mem::take(&mut negated), test });
    }
    condition.clauses.push(clause);
    condition.clauses.retain(|clause| !clause.is_empty());
    if condition.clauses.is_empty() {
        let test = Test::Other("nothing is tested".to_owned());
        condition.clauses.push(vec![Term { negated: false, test }]);
    }
    condition
}

/// An ACL by its name: any of the lines that define it.
fn named<'a>(name: &str, proxy: &Proxy<'a>, acls: &mut Vec<&'a Line>, work: &Work<'_>) -> Test {
    let lines: Vec<_> = proxy.all(&["acl", name]).collect();
    if lines.is_empty() {
        return match name {
            "TRUE" => Test::Always,
            "LOCALHOST" => Test::Source(vec![loopback()]),
            _ => Test::Other(format!("halb knows no ACL '{name}'")),
        };
    }
    acls.extend(lines.iter().copied());
    let tests = lines.iter().map(|line| test_of(line.words.get(2..).unwrap_or_default(), work));
    let mut tests = tests.collect::<Vec<_>>().into_iter();
    let Some(first) = tests.next() else { return Test::Always };
    tests.fold(first, either)
}

fn either(one: Test, other: Test) -> Test {
    match (one, other) {
        (Test::Source(mut nets), Test::Source(more)) => {
            nets.extend(more);
            Test::Source(nets)
        }
        (Test::ServerName(mut names), Test::ServerName(more)) => {
            names.extend(more);
            Test::ServerName(names)
        }
        (Test::Other(why), _) | (_, Test::Other(why)) => Test::Other(why),
        (one, other) if one == other => one,
        (
            Test::Source(_) | Test::ServerName(_) | Test::TlsHello | Test::Always,
            Test::Source(_) | Test::ServerName(_) | Test::TlsHello | Test::Always,
        ) => Test::Other("it mixes different tests under one name".to_owned()),
    }
}

fn loopback() -> IpNet {
    IpNet::V4(ipnet::Ipv4Net::new_assert([127, 0, 0, 0].into(), 8))
}

/// A criterion, its flags and its values.
fn test_of(words: &[Word], work: &Work<'_>) -> Test {
    let Some((criterion, rest)) = words.split_first() else { return Test::Always };
    let (values, method) = match values(rest, work) {
        Ok(values) => values,
        Err(why) => return Test::Other(why),
    };
    match criterion.text.as_str() {
        "always_true" => Test::Always,
        "src" if method.is_none() => source(&values),
        "req_ssl_sni" | "req.ssl_sni" | "req_ssl_sni,lower" | "req.ssl_sni,lower" => {
            server_name(&values, method.as_deref())
        }
        "req_ssl_hello_type" | "req.ssl_hello_type" if values == ["1"] => Test::TlsHello,
        other => Test::Other(format!("halb can't ask for '{}'", shortened(other))),
    }
}

fn shortened(word: &str) -> String {
    word.chars().take(40).filter(|c| !c.is_control()).collect()
}

/// The values behind a criterion, and the matching method if one is named.
fn values(words: &[Word], work: &Work<'_>) -> Result<(Vec<String>, Option<String>), String> {
    let mut method = None;
    let mut values = Vec::new();
    let mut words = words.iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        match word {
            "-i" | "-n" | "--" => {}
            "-m" => method = words.next().map(str::to_owned),
            "-f" => {
                let path = words.next().unwrap_or_default();
                let file = work.surroundings.file(Path::new(path));
                let file = file.map_err(|_| format!("{path} can't be read here"))?;
                let lines = file.text.lines().map(str::trim);
                let kept = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
                values.extend(kept.map(str::to_owned));
            }
            "-u" | "-M" => return Err(format!("halb knows no flag '{word}' of ACLs")),
            value => values.push(value.to_owned()),
        }
    }
    if values.is_empty() && method.as_deref() != Some("found") {
        return Err("it names no value".to_owned());
    }
    Ok((values, method))
}

fn source(values: &[String]) -> Test {
    let net = |value: &String| -> Option<IpNet> {
        if let Ok(ip) = value.parse::<IpAddr>() {
            return Some(IpNet::from(ip));
        }
        let (ip, mask) = value.split_once('/')?;
        match mask.parse::<Ipv4Addr>() {
            Ok(mask) => {
                let length = ipnet::ip_mask_to_prefix(mask.into()).ok()?;
                Some(IpNet::new(ip.parse().ok()?, length).ok()?.trunc())
            }
            Err(_) => Some(value.parse::<IpNet>().ok()?.trunc()),
        }
    };
    match values.iter().map(net).collect::<Option<Vec<_>>>() {
        Some(nets) => Test::Source(nets),
        None => Test::Other("not all of its values are addresses".to_owned()),
    }
}

fn server_name(values: &[String], method: Option<&str>) -> Test {
    let mut names = Vec::new();
    for value in values {
        let plain = value.trim_start_matches('.').to_ascii_lowercase();
        match method {
            None | Some("str") => names.push(value.to_ascii_lowercase()),
            Some("end") if value.starts_with('.') => names.push(format!("*.{plain}")),
            Some("dom") => names.extend([plain.clone(), format!("*.{plain}")]),
            Some(other) => {
                let why = format!("halb matches names in full or by `*.`, not by '-m {other}'");
                return Test::Other(why);
            }
        }
    }
    let good = |name: &String| is_host_name(name.strip_prefix("*.").unwrap_or(name));
    if names.iter().all(good) {
        Test::ServerName(names)
    } else {
        Test::Other("not all of its values are host names".to_owned())
    }
}
