//! What a host sees of its cluster, read from what the script printed.

use std::collections::BTreeMap;

/// What one host sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// Ways to an API server that were tried from here, and what was said instead of `ok`.
    pub ways: BTreeMap<Way, Result<(), String>>,
    /// The answer of the cluster's name server; empty if none came, none if nobody could ask.
    pub dns: Option<Vec<u8>>,
    /// Pods of the namespace `kube-system`; only masters are asked.
    pub pods: Vec<Pod>,
    /// Certificates, by the file that holds them.
    pub certificates: BTreeMap<String, Certificate>,
    /// Servers of halb here, and whether each takes connections.
    pub servers: BTreeMap<String, bool>,
}

/// A way to an API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The endpoint that everyone uses.
    Endpoint,
    /// The Service `kubernetes`.
    Service,
    /// One balancer, by its own address.
    Balancer(String),
    /// One master, by its own address.
    Master(String),
}

impl Way {
    /// Its word in script and answer.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Endpoint => "endpoint".to_owned(),
            Self::Service => "service".to_owned(),
            Self::Balancer(name) => format!("balancer:{name}"),
            Self::Master(name) => format!("master:{name}"),
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Some(match word.split_once(':') {
            None if word == "endpoint" => Self::Endpoint,
            None if word == "service" => Self::Service,
            Some(("balancer", name)) => Self::Balancer(name.to_owned()),
            Some(("master", name)) => Self::Master(name.to_owned()),
            None | Some(_) => return None,
        })
    }
}

/// A pod of Kubernetes' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Which part it is: its label `component` or `k8s-app`.
    pub part: String,
    /// The node that it is on.
    pub node: String,
    /// Whether it is ready.
    pub ready: bool,
}

/// A certificate: its DER in base64, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate(pub String);

/// Why a view can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The script didn't come to its end.
    #[error("the answer is cut off after {lines} lines: the script didn't come to its end")]
    CutOff {
        /// How many lines there are.
        lines: usize,
    },
    /// A line that the script doesn't print.
    #[error("the line '{0}' can't be understood")]
    Line(String),
    /// More lines than any host has.
    #[error("the answer has more than {LINES_MAX} lines")]
    TooLong,
}

/// Most lines of an answer: pods of `kube-system` are the most of them, a few for each node.
const LINES_MAX: usize = 20_000;

/// Longest part of a line that a message repeats.
const SHOWN: usize = 80;

/// Reads an answer; lines that aren't the script's (greetings of a shell) are passed over.
///
/// # Errors
/// The answer isn't whole, or isn't what the script prints.
pub fn parse(text: &str) -> Result<View, ViewError> {
    let mut view = View::default();
    let mut lines = 0;
    for line in text.lines() {
        let Some(line) = line.strip_prefix("halb:") else { continue };
        lines += 1;
        if lines > LINES_MAX {
            return Err(ViewError::TooLong);
        }
        if line == "end" {
            return Ok(view);
        }
        let fields: Vec<&str> = line.split('\t').collect();
        if take(&mut view, &fields).is_none() {
            return Err(ViewError::Line(line.chars().take(SHOWN).collect()));
        }
    }
    Err(ViewError::CutOff { lines })
}

fn take(view: &mut View, fields: &[&str]) -> Option<()> {
    match fields {
        ["way", word, said] => {
            let came = if *said == "ok" { Ok(()) } else { Err((*said).to_owned()) };
            view.ways.insert(Way::from_word(word)?, came);
        }
        ["dns", digits] => view.dns = Some(super::dns::unhex(digits)?),
        ["pod", name, component, app, node, ready] => view.pods.push(Pod {
            name: (*name).to_owned(),
            part: (if component.is_empty() { *app } else { *component }).to_owned(),
            node: (*node).to_owned(),
            ready: *ready == "True",
        }),
        ["certificate", path, text] => {
            view.certificates.insert((*path).to_owned(), Certificate((*text).to_owned()));
        }
        ["server", name, up] => {
            view.servers.insert((*name).to_owned(), *up == "1");
        }
        _ => return None,
    }
    Some(())
}
