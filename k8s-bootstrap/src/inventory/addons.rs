//! What is installed in a cluster once it runs: the section `addons`.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::inventory::problem::{Problem, Span};
use crate::inventory::reader::{Key, Placed, Problems, Table, dns_label};
use crate::inventory::version::Version;
use crate::inventory::yaml::{Node, Value};

mod check;
mod services;

pub(super) use check::check;
pub use services::{Patroni, Registry, Storage, Transport, Volume};

/// What is installed in a cluster once it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addons {
    /// Addresses for services, on clusters without a cloud.
    pub metallb: Option<Metallb>,
    /// A sample application.
    pub nginx: Option<Nginx>,
    /// Volumes on nodes' own disks.
    pub storage: Option<Storage>,
    /// A private registry of images.
    pub registry: Option<Registry>,
    /// A database.
    pub patroni: Option<Patroni>,
}

/// nginx as a sample application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nginx {
    /// Its image.
    pub image: String,
    /// Where it is reached: an address of one of MetalLB's pools.
    pub address: Ipv4Addr,
    /// How many pods there are.
    pub replicas: u32,
}

/// MetalLB, which gives services addresses of the hosts' network and announces them there (layer 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metallb {
    /// Its version.
    pub version: Version,
    /// Where its manifests are, without the version and without a slash at the end.
    pub source: String,
    /// What it may give away.
    pub pools: Vec<Pool>,
    /// Interfaces of nodes on which addresses are announced; all if none is named.
    pub interfaces: Vec<String>,
}

/// Addresses that MetalLB may give away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub ranges: Vec<AddressRange>,
    /// Whether services get one that ask for none of it.
    pub auto_assign: bool,
}

/// Addresses that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// The first one.
    pub first: Ipv4Addr,
    /// The last one, which is the first one or behind it.
    pub last: Ipv4Addr,
}

impl AddressRange {
    /// Reads `172.16.16.150-172.16.16.190`, `172.16.16.160/28`, or one address.
    fn parse(text: &str) -> Option<Self> {
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            return (first <= last).then_some(Self { first, last });
        }
        if let Ok(address) = text.parse() {
            return Some(Self { first: address, last: address });
        }
        let net: Ipv4Net = text.parse().ok()?;
        Some(Self { first: net.network(), last: net.broadcast() })
    }

    /// Whether an address is one of them.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// The first address that is in both.
    fn shared_with(&self, other: &Self) -> Option<Ipv4Addr> {
        let first = self.first.max(other.first);
        (first <= self.last.min(other.last)).then_some(first)
    }
}

/// As MetalLB reads it.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Where MetalLB's manifests are.
const METALLB_SOURCE: &str = "https://raw.githubusercontent.com/metallb/metallb";

/// The version that is taken where the file names none.
const METALLB_VERSION: &str = "0.16.1";

impl Default for Metallb {
    /// The usual version, from its maker, with nothing to give away.
    fn default() -> Self {
        Self {
            version: Version::parse(METALLB_VERSION).expect("a constant of this file"),
            source: METALLB_SOURCE.to_owned(),
            pools: Vec::new(),
            interfaces: Vec::new(),
        }
    }
}

const ADDONS: &[Key] = &[
    ("metallb", "(see 'halb k8s init-inventory')"),
    ("nginx", "{address: 172.16.16.150}"),
    ("storage", "(see 'halb k8s init-inventory')"),
    ("registry", "{address: 172.16.16.151, volume: registry}"),
    ("patroni", "(see 'halb k8s init-inventory')"),
];
const NGINX: &[Key] =
    &[("address", "172.16.16.150"), ("image", "docker.io/library/nginx:1.29"), ("replicas", "2")];

/// The image that is taken where the file names none.
const NGINX_IMAGE: &str = "docker.io/library/nginx:stable";
const METALLB: &[Key] = &[
    ("version", METALLB_VERSION),
    ("source", "https://mirror.example/metallb"),
    ("pools", "[{name: default, addresses: [172.16.16.150-172.16.16.190]}]"),
    ("interfaces", "[eth1]"),
];
const POOL: &[Key] =
    &[("name", "default"), ("addresses", "[172.16.16.150-172.16.16.190]"), ("autoAssign", "true")];

/// Most pools, and most ranges of a pool: people write them.
const POOLS_MAX: usize = 100;

/// What the file says, with the places that messages point at.
#[derive(Debug, Default)]
pub(super) struct AddonsDraft {
    pub(super) addons: Addons,
    /// Places of the ranges, by pool and range.
    ranges: Vec<Vec<Span>>,
    /// Whether there are ranges that nobody could read: then it isn't known what a pool has.
    unread: bool,
    /// Places of the pools' names.
    names: Vec<Span>,
    /// Addresses of pools that have an owner: whose, which, and where that stands.
    fixed: Vec<(&'static str, Placed<Ipv4Addr>)>,
    /// Places of volumes.
    volumes: Vec<Span>,
    /// Volumes that somebody has: who, which, and where that stands.
    owned: Vec<(&'static str, Placed<String>)>,
}

/// Reads the section; nothing is installed where there is none.
pub(super) fn read(top: &Table<'_>) -> AddonsDraft {
    let mut draft = AddonsDraft::default();
    let Some(table) = top.table("addons", ADDONS) else { return draft };
    if let Some(table) = table.section("metallb", METALLB) {
        let metallb = read_metallb(&table, &mut draft);
        draft.addons.metallb = Some(metallb);
    }
    if let Some(table) = table.section("nginx", NGINX) {
        draft.addons.nginx = read_nginx(&table, &mut draft);
    }
    services::read(&table, &mut draft);
    draft
}

fn read_metallb(table: &Table<'_>, draft: &mut AddonsDraft) -> Metallb {
    table.require("pools", "no service would get an address");
    let standard = Metallb::default();
    let version = table.version("version").map_or(standard.version, |version| version.value);
    let source = table.url("source").unwrap_or(standard.source);
    let nodes = bounded(table, "pools", POOLS_MAX);
    if nodes.is_some_and(<[Node]>::is_empty) {
        let what = "'addons.metallb.pools' is empty";
        table.problems.report(
            Problem::error(table.place("pools"), what)
                .consequence("no service would get an address")
                .remedy("write, for instance, `[{name: default, addresses: [FIRST-LAST]}]`"),
        );
    }
    let mut pools = Vec::new();
    for (index, node) in nodes.unwrap_or_default().iter().enumerate() {
        let path = format!("addons.metallb.pools[{index}]");
        let Some(table) = Table::open(table.problems, node, &path, POOL) else { continue };
        table.require("name", "services ask for a pool by it");
        table.require("addresses", "there would be none to give away");
        let Some(name) = label(&table, "name") else { continue };
        let (ranges, places) = read_ranges(&table, &mut draft.unread).into_iter().unzip();
        let auto_assign = table.boolean("autoAssign").unwrap_or(true);
        pools.push(Pool { name: name.value, ranges, auto_assign });
        draft.ranges.push(places);
        draft.names.push(name.span);
    }
    Metallb { version, source, pools, interfaces: words(table, "interfaces") }
}

fn read_nginx(table: &Table<'_>, draft: &mut AddonsDraft) -> Option<Nginx> {
    table.require("address", "it is asked there");
    let image = image(table).unwrap_or_else(|| NGINX_IMAGE.to_owned());
    let replicas = table.number("replicas", 1..=100_u32).map_or(2, |number| number.value);
    let address = table.address("address")?;
    let nginx = Nginx { image, address: address.value, replicas };
    draft.fixed.push(("nginx", address));
    Some(nginx)
}

/// The name of an image, with its registry: runtimes don't agree on what to add to a short one.
fn image(table: &Table<'_>) -> Option<String> {
    let Placed { value: text, span } = table.text("image")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    let registry = text.split_once('/').map_or("", |(registry, _)| registry);
    let has_registry = registry.contains(['.', ':']) || registry == "localhost";
    if has_registry && text.chars().all(plain) {
        return Some(text.to_owned());
    }
    table.problems.report(
        Problem::error(span, format!("'{text}' is no whole name of an image"))
            .remedy("write it with its registry, such as docker.io/library/nginx:1.29"),
    );
    None
}

/// The ranges of a pool, each with its place; notes whether there are some that can't be read.
fn read_ranges(table: &Table<'_>, unread: &mut bool) -> Vec<(AddressRange, Span)> {
    let mut ranges = Vec::new();
    for node in bounded(table, "addresses", POOLS_MAX).unwrap_or_default() {
        let range = text_of(node).and_then(AddressRange::parse);
        let Some(range) = range else {
            *unread = true;
            let what = "this is no range of addresses";
            table.problems.report(
                Problem::error(node.span.clone(), what)
                    .remedy("write FIRST-LAST, such as 172.16.16.150-172.16.16.190, or a prefix"),
            );
            continue;
        };
        ranges.push((range, node.span.clone()));
    }
    ranges
}

/// A list of at most so many elements.
fn bounded<'a>(table: &Table<'a>, key: &'static str, max: usize) -> Option<&'a [Node]> {
    let nodes = table.list(key)?;
    if nodes.len() > max {
        let what = format!("'{key}' has {} elements, more than {max}", nodes.len());
        table.problems.report(Problem::error(nodes[max].span.clone(), what));
    }
    Some(nodes.get(..max).unwrap_or(nodes))
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        Value::Nothing | Value::List(_) | Value::Table(_) => None,
    }
}

/// A list of words.
fn words(table: &Table<'_>, key: &'static str) -> Vec<String> {
    let mut words = Vec::new();
    for node in bounded(table, key, POOLS_MAX).unwrap_or_default() {
        match text_of(node) {
            Some(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => {
                words.push(text.to_owned());
            }
            Some(_) | None => report_word(table.problems, &node.span, key),
        }
    }
    words
}

fn report_word(problems: &Problems, span: &Span, key: &str) {
    problems.report(Problem::error(span.clone(), format!("'{key}' takes words")));
}

/// A name as objects of Kubernetes have it: one label of DNS.
fn label(table: &Table<'_>, key: &'static str) -> Option<Placed<String>> {
    let Placed { value: text, span } = table.text(key)?;
    let Err(why) = dns_label(text) else { return Some(Placed { value: text.to_owned(), span }) };
    table.problems.report(
        Problem::error(span, format!("'{text}' is no name of an object: {why}"))
            .remedy("use lower-case letters, digits and hyphens"),
    );
    None
}
